"""How well a market carries on: from loss to knowledge, from knowledge to a new award, and what it cost.

Figures of the orders that the state holds, for summaries and metrics. Decides nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from market.engine.ledger import delivered_us
from market.engine.state import OrderRecord, State
from takt_sdk.model.values import DAY_US

SERVICE_DAYS = 7
"""A day's service is that of the orders owed in so many days up to it."""
RECOVERED_PERCENT = 90
"""From this share on, service is recovered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resilience:
    """Sums over all risks and promises that the state holds; times in microseconds of market time.

    ``detection_us`` is from what was lost to when the market knew, ``award_us`` from there to the new
    award, over the ``awarded`` only. ``extra_minor`` is what new awards cost more than the old charge.
    ``late_us`` is how late promised orders are after their due date so far. ``area_lost_ppm`` is the area
    over the service curve in millionths of a day, ``recovery_days`` its longest run of days below
    `RECOVERED_PERCENT`.
    """

    risks: int
    awarded: int
    detection_us: int
    award_us: int
    extra_minor: int
    late_us: int
    area_lost_ppm: int
    recovery_days: int


def resilience(state: State) -> Resilience:
    """Return the figures of all orders that the state holds, as of its time."""
    known = [risk for risks in state.contracting.risks.values() for risk in risks]
    awarded = [(risk.awarded_us - risk.at_us, risk) for risk in known if risk.awarded_us is not None]
    promised = list(_promised(state))
    curve = service_curve(((owed_us, there_us) for _, owed_us, there_us in promised), until_us=state.now_us)
    return Resilience(
        risks=len(known),
        awarded=len(awarded),
        detection_us=sum(max(0, risk.at_us - risk.occurred_us) for risk in known),
        award_us=sum(taken_us for taken_us, _ in awarded),
        extra_minor=sum(risk.extra_minor for _, risk in awarded),
        late_us=sum(_late_us(state, record, there_us) for record, _, there_us in promised),
        area_lost_ppm=area_lost_ppm(curve),
        recovery_days=recovery_days(curve),
    )


def _promised(state: State) -> Iterator[tuple[OrderRecord, int, int | None]]:
    """Yield the orders that were ever promised, when they are owed, and when they were there, or None."""
    for order_id, promised_us in state.contracting.promised.items():
        record = state.orders[order_id]
        if record.state != "cancelled":
            there = delivered_us(state, record) if record.state in {"delivered", "settled"} else None
            yield record, max(promised_us, record.order.terms.due_us), there


def _late_us(state: State, record: OrderRecord, there_us: int | None) -> int:
    terms = record.order.terms
    until_us = min(state.now_us, terms.deadline_us) if there_us is None else there_us
    return max(0, until_us - terms.due_us)


def service_curve(
    owed: Iterable[tuple[int, int | None]], *, until_us: int | None = None
) -> list[tuple[int, int]]:
    """Return for each day from the first order owed: how many were there, of how many owed lately.

    ``owed`` are (when an order is owed, when it was there or None). Lately is in the `SERVICE_DAYS` up to the
    day. The curve ends when the last order is owed no more, or with the day of ``until_us``.
    """
    orders = list(owed)
    if not orders:
        return []
    first_us = min(owed_us for owed_us, _ in orders)
    kinds = Counter(
        (
            -(-(owed_us - first_us) // DAY_US),
            None if there_us is None else -(-(there_us - first_us) // DAY_US),
        )
        for owed_us, there_us in orders
    )
    length = max(day for day, _ in kinds) + SERVICE_DAYS
    if until_us is not None:
        length = max(0, min(length, (until_us - first_us) // DAY_US + 1))
    there, recent = [0] * length, [0] * length
    for (owed_day, there_day), count in kinds.items():
        for day in range(owed_day, min(owed_day + SERVICE_DAYS, length)):
            recent[day] += count
            if there_day is not None and there_day <= day:
                there[day] += count
    return list(zip(there, recent, strict=True))


def area_lost_ppm(curve: Iterable[tuple[int, int]]) -> int:
    """Return the sum over days of the share that was not there, in millionths of a day."""
    return sum(1_000_000 * (recent - there) // recent for there, recent in curve if recent)


def recovery_days(curve: Iterable[tuple[int, int]]) -> int:
    """Return the longest run of days on which less than `RECOVERED_PERCENT` were there."""
    longest = length = 0
    for there, recent in curve:
        length = length + 1 if 100 * there < RECOVERED_PERCENT * recent else 0
        longest = max(longest, length)
    return longest
