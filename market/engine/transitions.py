"""THE transition table: every state that an order, a contract or a round can be in, and every way out.

A trigger with no entry for a state changes nothing and is refused with the state's name. The
diagrams in the docs are generated from these tables. Holds no behaviour beyond the look-up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from market.errors import InvariantError
from takt_sdk.model.contract import ContractState
from takt_sdk.model.messages import OrderState

_State = TypeVar("_State", bound=str)

ORDER_TRANSITIONS: Mapping[tuple[str, str], OrderState] = {
    ("submitted", "called"): "calling",
    ("submitted", "cancelled"): "cancelled",
    ("submitted", "expired"): "expired",
    ("calling", "closed"): "clearing",
    ("calling", "cancelled"): "cancelled",
    ("calling", "changed"): "submitted",
    ("clearing", "awarded"): "awarded",
    ("clearing", "passed_over"): "submitted",
    ("clearing", "unserved"): "unserved",
    ("clearing", "voided"): "submitted",
    ("awarded", "confirmed"): "confirmed",
    ("awarded", "at_risk"): "at_risk",
    ("awarded", "cancelled"): "cancelled",
    ("awarded", "voided"): "submitted",
    ("confirmed", "started"): "in_production",
    ("confirmed", "at_risk"): "at_risk",
    ("confirmed", "cancelled"): "cancelled",
    ("in_production", "at_risk"): "at_risk",
    ("in_production", "cancelled"): "cancelled",
    ("in_production", "shipped"): "shipped",
    ("shipped", "delivered"): "delivered",
    ("shipped", "settled"): "settled",
    ("delivered", "settled"): "settled",
    ("at_risk", "called"): "reallocating",
    ("at_risk", "held"): "awaiting_approval",
    ("at_risk", "backed_up"): "awarded",
    ("at_risk", "cancelled"): "cancelled",
    ("at_risk", "expired"): "expired",
    ("reallocating", "closed"): "reallocating",
    ("reallocating", "cancelled"): "cancelled",
    ("reallocating", "awarded"): "awarded",
    ("reallocating", "passed_over"): "at_risk",
    ("awaiting_approval", "approved"): "at_risk",
    ("awaiting_approval", "cancelled"): "cancelled",
    ("awaiting_approval", "expired"): "expired",
    ("reallocating", "voided"): "at_risk",
}
"""(order state, trigger) → next state."""

CONTRACT_TRANSITIONS: Mapping[tuple[str, str], ContractState] = {
    ("awarded", "confirmed"): "confirmed",
    ("awarded", "refused"): "ended",
    ("awarded", "at_risk"): "at_risk",
    ("awarded", "ended"): "ended",
    ("confirmed", "started"): "in_production",
    ("awarded", "cut"): "awarded",
    ("awarded", "contested"): "awarded",
    ("confirmed", "delayed"): "confirmed",
    ("confirmed", "cut"): "confirmed",
    ("confirmed", "contested"): "confirmed",
    ("confirmed", "refused"): "ended",
    ("confirmed", "at_risk"): "at_risk",
    ("confirmed", "ended"): "ended",
    ("confirmed", "settled"): "settled",
    ("in_production", "progress"): "in_production",
    ("in_production", "delayed"): "in_production",
    ("in_production", "scrapped"): "in_production",
    ("in_production", "cut"): "in_production",
    ("in_production", "contested"): "in_production",
    ("in_production", "reduced"): "finished",
    ("in_production", "finished"): "finished",
    ("in_production", "ended"): "ended",
    ("in_production", "settled"): "settled",
    ("finished", "reduced"): "finished",
    ("finished", "shipped"): "shipped",
    ("finished", "ended"): "ended",
    ("finished", "settled"): "settled",
    ("shipped", "delivered"): "delivered",
    ("shipped", "settled"): "settled",
    ("shipped", "ended"): "ended",
    ("delivered", "settled"): "settled",
    ("delivered", "ended"): "ended",
    ("at_risk", "ended"): "ended",
}
"""(contract state, trigger) → next state. Milestones are triggers of the same name."""

ROUND_TRANSITIONS: Mapping[tuple[str, str], str] = {
    ("open", "closed"): "clearing",
    ("open", "closed_sealed"): "opening",
    ("opening", "opened"): "clearing",
    ("opening", "voided"): "void",
    ("clearing", "published"): "cleared",
    ("clearing", "priced"): "priced",
    ("clearing", "voided"): "void",
    ("cleared", "voided"): "void",
}
"""(round state, trigger) → next state."""

UNSTARTED = frozenset({"awarded", "confirmed"})
"""Contracts whose work has not begun: a disruption can put them at risk."""

BEGUN = frozenset({"in_production", "finished", "shipped", "delivered"})
"""Contracts whose work has begun: it can not be undone by a word."""

STANDING = frozenset({"awarded", "confirmed", "in_production", "finished", "shipped", "delivered"})
"""Contracts that still cover their lots."""


def next_order_state(state: OrderState, trigger: str) -> OrderState | None:
    """Return where ``trigger`` leads an order, or None if it has no entry."""
    return ORDER_TRANSITIONS.get((state, trigger))


def next_contract_state(state: ContractState, trigger: str) -> ContractState | None:
    """Return where ``trigger`` leads a contract, or None if it has no entry."""
    return CONTRACT_TRANSITIONS.get((state, trigger))


def require(table: Mapping[tuple[str, str], _State], state: _State, trigger: str, subject: str) -> _State:
    """Return the next state of an event that `decide` has already allowed.

    Raises
    ------
    InvariantError
        If the table has no entry: `decide` let through what it must refuse.
    """
    following = table.get((state, trigger))
    if following is None:
        raise InvariantError(f"{subject} in state {state!r} met {trigger!r}, which has no entry")
    return following


def mermaid(table: Mapping[tuple[str, str], str]) -> str:
    """Draw a table as a Mermaid state diagram, in the table's order."""
    lines = ["stateDiagram-v2"]
    sources = list(dict.fromkeys(source for source, _ in table))
    lines.append(f"    [*] --> {sources[0]}")
    lines += [f"    {source} --> {target}: {trigger}" for (source, trigger), target in table.items()]
    ends = dict.fromkeys(target for target in table.values() if target not in sources)
    lines += [f"    {end} --> [*]" for end in ends]
    return "\n".join(lines) + "\n"
