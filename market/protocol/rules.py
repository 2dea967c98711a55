"""What a message must keep beside its schema, and what each refusal means. Words only; checks nothing."""

from __future__ import annotations

from collections.abc import Mapping

BESIDE_THE_SCHEMA: Mapping[str, str] = {
    "json": "UTF-8 JSON without NaN or Infinity, no lone surrogate, no key twice in an object.",
    "integer": "Integers are written without fraction and exponent: `1.0` and `1e3` are refused.",
    "printable": "Texts hold printable characters only: also no line separators, no unassigned code points.",
    "window": (
        "Time goes on: `end_us` > `start_us` in every window and bid, `due_us` > `release_us`, "
        "`deadline_us` >= `due_us`."
    ),
    "columns": (
        "Columns of one table have one length; an offset column has one element more than there are bids, "
        "begins with 0, never falls and ends with the length of the columns it points into."
    ),
    "reference": (
        "`use_capacity` and `group_index` are indexes of `capacities` and `groups`; arcs of a plan join lots "
        "of that plan."
    ),
    "items": "A bid has at least one item, no lot twice and no capacity twice.",
    "divisible": "A bid with `min_quantity` > 0 has one item, of at least that quantity.",
    "unique": "No (resource, period) twice in `capacities`; no lot id and no arc twice in a plan.",
    "sealed": (
        "A `ciphertext` is base64 with its padding, and 48 bytes longer than one of the sizes 4,096, 16,384, "
        "65,536, 262,144 and 720,896."
    ),
    "plan": (
        "A plan is acyclic and has one final lot; of the quantities per piece at the ends of an arc one "
        "divides the other."
    ),
}
"""Rules that a JSON Schema can not say; whatever else the market finds malformed, the schema refuses too."""

REFUSALS: Mapping[str, tuple[str, str]] = {
    "malformed": ("not a valid message; `message_id` is `unread`", "correct it"),
    "invalid": ("valid in itself, impossible here; `field` says where", "correct it"),
    "unknown": ("names something that does not exist for you", "correct it; query if you lost track"),
    "not_allowed": (
        "you are not admitted, suspended, revoked, not in that role, or did not sign (field `signature`)",
        "sign with your key, else ask the operator",
    ),
    "conflict": ("the same key with another content", "take a new key"),
    "equivocation": (
        "the same sequence with another content; both bodies are evidence",
        "take the next sequence",
    ),
    "sequence": ("a lower sequence than one already taken", "query, then continue after the highest"),
    "state": ("the object's state, in `state`, does not allow it", "query; retry only if `retryable`"),
    "closed": ("the round is closed or its deadline has passed", "wait for the next call"),
    "not_called": ("you were not called in this round, or not for this lot", "bid on what the call lists"),
    "dates": ("outside the dates that the call, the order or market time allow", "correct it"),
    "limit": ("beyond a limit of the market's rules", "correct it; retry only if `retryable`"),
    "check_failed": ("only the market's own host sees it", "-"),
    "too_large": ("more bytes than the market's rules allow in a message", "send less"),
    "busy": (
        "you send faster than the rules allow, or too much of yours waits; nothing was read",
        "send the same again after `retry_after_us`",
    ),
}
"""Code → (meaning, what to do)."""
