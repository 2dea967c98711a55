"""What leaves the state: orders that ended long ago with their contracts, old rounds, old notices.

Their rows stay in the read models, their entries in the journal. Decides; changes nothing itself.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import islice

from market.engine.state import ContractRecord, OrderRecord, State
from market.model import events

MOST = 500
"""Most orders, and most rounds, that one entry retires."""

_OVER = frozenset({"ended", "settled"})
"""Contract states of which nothing follows any more."""


def retirements(state: State, now_us: int) -> tuple[events.RecordsRetired, ...]:
    """Return what has been over for the rules' time: one event, or none."""
    if not state.rules.retention_us:
        return ()
    before_us = now_us - state.rules.retention_us
    orders, rounds = _orders(state, before_us, now_us), _rounds(state, before_us)
    notices = _notices(state, before_us)
    if not (orders or rounds or notices):
        return ()
    return (events.RecordsRetired(at_us=now_us, orders=orders, rounds=rounds, notices=notices),)


def _orders(state: State, before_us: int, now_us: int) -> tuple[str, ...]:
    ended = state.index.ended_orders
    candidates = (id_ for _, id_ in ended[: bisect_left(ended, (before_us + 1, ""))])
    leaving = (id_ for id_ in candidates if _may_leave(state, state.orders[id_], now_us))
    return tuple(islice(leaving, MOST))


def _may_leave(state: State, record: OrderRecord, now_us: int) -> bool:
    if now_us < record.submitted_us + state.rules.idempotency_us:
        return False
    return all(_is_over(state, state.contracts[id_], now_us) for id_ in record.contracts)


def _is_over(state: State, record: ContractRecord, now_us: int) -> bool:
    """Return whether nobody has to know of a contract: one that is settled may still take up capacity."""
    if record.state not in _OVER:
        return False
    period = state.rules.periods.index(now_us)
    return record.state == "ended" or all(use.period < period for use in record.contract.uses)


def _rounds(state: State, before_us: int) -> tuple[str, ...]:
    """Return the oldest rounds that closed long ago; the last one stays, because it numbers the next."""
    leaving: list[str] = []
    for round_ in islice(state.rounds.values(), min(MOST, max(0, len(state.rounds) - 1))):
        if round_.state not in {"cleared", "void"} or round_.closed_us is None:
            break
        if round_.closed_us > before_us:
            break
        leaving.append(round_.id)
    return tuple(leaving)


def _notices(state: State, before_us: int) -> tuple[tuple[str, str], ...]:
    return tuple(
        (participant, notice_id)
        for participant in sorted(state.participants)
        for notice_id, at_us in state.participants[participant].notice_us.items()
        if at_us <= before_us
    )
