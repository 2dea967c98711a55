"""What follows from events that were decided: losses, risks, terms, money, records.

Pure functions of the state before and the events; whoever decided need not know of them.
"""

from __future__ import annotations

from dataclasses import replace

from market.engine import backups, ledger, pricing, reallocation, reliability, risks
from market.engine.decision import Decision
from market.engine.state import State
from market.model import events
from market.model.events import Event

UNEVENTFUL: frozenset[type] = frozenset(
    {events.OrderSubmitted, events.SheetReceived, events.SealedReceived, events.CallDeclined}
)
"""Frequent kinds, from which nothing ever follows."""


def is_uneventful(event: Event) -> bool:
    """Return whether nothing follows from an event; most are orders, answers and confirmations."""
    match event:
        case events.MilestoneReported(milestone="confirmed") | events.OrderProgressed(step="confirmed"):
            return True
        case _:
            return type(event) in UNEVENTFUL


def with_consequences(state: State, decision: Decision, now_us: int) -> Decision:
    """Return the decision with what follows from its events behind them."""
    if all(map(is_uneventful, decision.events)):
        return decision
    told = _told(state, decision.events, now_us)
    return decision if len(told) == len(decision.events) else replace(decision, events=told)


def _told(state: State, happened: tuple[Event, ...], now_us: int) -> tuple[Event, ...]:
    """Return events with what follows from them behind them."""
    told = (*happened, *reallocation.consequences(state, happened, now_us))
    return (
        *told,
        *risks.risks(state, told, now_us),
        *pricing.terms(state, told, now_us),
        *backups.recorded(state, told),
        *ledger.postings(state, told, now_us),
        *reliability.observations(state, told, now_us),
    )
