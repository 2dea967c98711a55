"""The generated parts of ``docs/protocol.md``: tables and diagrams between markers. Writes nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence

from market.engine.transitions import (
    CONTRACT_TRANSITIONS,
    ORDER_TRANSITIONS,
    ROUND_TRANSITIONS,
    mermaid,
)
from market.protocol.channels import CHANNELS, subject_of
from market.protocol.exchange import Said
from market.protocol.machines import PARTICIPANT_CONTRACT, PARTICIPANT_ROUND
from market.protocol.rules import BESIDE_THE_SCHEMA, REFUSALS
from market.protocol.schema import kind_of
from takt_sdk.nats.subjects import MAX_PAYLOAD_BYTES

_PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", flags=re.DOTALL)


def refreshed(text: str, said: Sequence[Said]) -> str:
    """Return the page with its generated parts made anew.

    Raises
    ------
    KeyError
        If the page names a part that is not generated.
    """
    parts = _parts(said)
    return _PART.sub(lambda match: f"{match[1]}{parts[match[2]]()}\n{match[3]}", text)


def _parts(said: Sequence[Said]) -> Mapping[str, Callable[[], str]]:
    diagrams = {
        "order": ORDER_TRANSITIONS,
        "contract": CONTRACT_TRANSITIONS,
        "round": ROUND_TRANSITIONS,
        "participant_round": PARTICIPANT_ROUND,
        "participant_contract": PARTICIPANT_CONTRACT,
    }
    return {
        "channels": _channels,
        "beside": _beside,
        "refusals": _refusals,
        "payload": lambda: f"A message has at most {MAX_PAYLOAD_BYTES:,} bytes.",
        "call": lambda: _example(said, "takt.call_for_proposals.v1"),
        "sheet": lambda: _example(said, "takt.bid_sheet.v1"),
        "receipt": lambda: _example(said, "takt.receipt.v1"),
        "refused": lambda: _example(said, "takt.refused.v1"),
        "result": lambda: _example(said, "takt.round_result.v1"),
        "milestone": lambda: _example(said, "takt.report_milestone.v1"),
        **{name: _diagram(table) for name, table in diagrams.items()},
    }


def _diagram(table: Mapping[tuple[str, str], str]) -> Callable[[], str]:
    return lambda: f"```mermaid\n{mermaid(table)}```"


def _channels() -> str:
    rows = ["| subject | you | carries | answered by |", "|---|---|---|---|"]
    for channel in CHANNELS:
        replies = ", ".join(f"`{kind_of(body)}`" for body in channel.replies)
        rows.append(
            f"| `{subject_of(channel.name)}` | {channel.action} | "
            f"{', '.join(f'`{kind_of(body)}`' for body in channel.bodies)} | "
            f"{replies or ('your acknowledgement' if channel.durable else '-')} |"
        )
    return "\n".join(rows)


def _beside() -> str:
    return "\n".join(f"* *{name}*: {text}" for name, text in BESIDE_THE_SCHEMA.items())


def _refusals() -> str:
    rows = ["| code | meaning | what to do |", "|---|---|---|"]
    rows += [f"| `{code}` | {meaning} | {action} |" for code, (meaning, action) in REFUSALS.items()]
    return "\n".join(rows)


def _example(said: Sequence[Said], kind: str) -> str:
    """Return the first message of a kind, laid out for reading; lists of numbers stay on one line."""
    first = next(one.data for one in said if f'"kind":"{kind}"'.encode() in one.data)
    text = json.dumps(json.loads(first), indent=2)
    flat = re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda match: f"[{' '.join(match[1].split())}]", text)
    return f"```json\n{flat}\n```"
