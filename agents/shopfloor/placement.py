"""Forward and backward scheduling of one operation inside a window, by finite capacity.

A lot runs on one machine at a time and may be interrupted. Its dates are those of the periods it
uses, not of a place in a queue: whatever subset of a plant's bids is accepted within its declared
minutes can then be sequenced inside the promised windows [1]_, but for windows that cut a period.

References
----------
.. [1] McNaughton (1959), Scheduling with deadlines and loss functions, Management Science 6, 1-12.
"""

from __future__ import annotations

from typing import NamedTuple

from agents.shopfloor.calendar import Availability


class Placement(NamedTuple):
    """Minutes of work per period, and the window in which the work is promised."""

    uses: tuple[tuple[int, int], ...]
    start_us: int
    end_us: int


def place(
    availability: Availability, need_minutes: int, start_us: int, end_us: int, *, backward: bool = False
) -> Placement | None:
    """Place an operation as soon (or, ``backward``, as late) as possible in ``[start_us, end_us)``.

    Returns None where the minutes do not fit. Linear in the number of periods of the window.
    """
    start_us = max(start_us, availability.from_us)
    if end_us <= start_us:
        return None
    grid = availability.grid
    first = (start_us - grid.origin_us) // grid.length_us
    last = (end_us - 1 - grid.origin_us) // grid.length_us
    periods = range(last, first - 1, -1) if backward else range(first, last + 1)
    remaining = need_minutes
    uses: list[tuple[int, int]] = []
    for period in periods:
        minutes = availability.minutes_in(period, start_us, end_us)
        if not minutes:
            continue
        if minutes >= remaining:
            uses.append((period, remaining))
            break
        uses.append((period, minutes))
        remaining -= minutes
    else:
        return None
    if backward:
        uses.reverse()
    hours = availability.calendar.hours
    opens_us = grid.origin_us + uses[0][0] * grid.length_us
    closes_us = grid.origin_us + (uses[-1][0] + 1) * grid.length_us
    return Placement(
        tuple(uses), hours.opens_us(max(start_us, opens_us)), hours.closes_us(min(end_us, closes_us))
    )


def alternatives(
    availability: Availability, need_minutes: int, start_us: int, end_us: int, count: int
) -> list[Placement]:
    """Return up to ``count`` placements of different dates, the soonest first, the latest last.

    Those between start at even distances. Empty where the operation does not fit.
    """
    soonest = place(availability, need_minutes, start_us, end_us)
    if soonest is None:
        return []
    found = [soonest]
    length_us = availability.grid.length_us
    origin_us = availability.grid.origin_us
    if count == 1 or (soonest.start_us - origin_us) // length_us == (end_us - 1 - origin_us) // length_us:
        return found
    latest = place(availability, need_minutes, start_us, end_us, backward=True)
    if latest is None or latest[1:] == soonest[1:]:
        return found
    for step in range(1, count - 1):
        from_us = soonest.start_us + (latest.start_us - soonest.start_us) * step // (count - 1)
        between = place(availability, need_minutes, from_us, end_us)
        if between is not None and between[1:] not in (found[-1][1:], latest[1:]):
            found.append(between)
    found.append(latest)
    return found
