"""What follows from events that were decided: money, terms, records. One pass, after the decision.

A pure function of the state before and the events; whoever decided need not know of it.
"""

from __future__ import annotations

from dataclasses import replace

from market.engine import ledger, pricing
from market.engine.decision import Decision
from market.engine.state import State


def with_consequences(state: State, decision: Decision, now_us: int) -> Decision:
    """Return the decision with what follows from its events behind them."""
    if not decision.events:
        return decision
    following = [
        *pricing.terms(state, decision.events),
        *ledger.postings(state, decision.events, now_us),
    ]
    return replace(decision, events=(*decision.events, *following)) if following else decision
