"""The finite-capacity calendar of a work centre: what it can work, what is promised, what is left.

Capacity is counted in whole minutes per period of the market, rounded down; work in whole
minutes, rounded up. Holds no prices.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from agents.profile import WorkCentre
from agents.shopfloor.working_time import WorkingTime
from takt_sdk.model.values import MAX_QUANTITY, MINUTE_US, PeriodGrid, Window


@dataclass(slots=True, kw_only=True)
class CentreCalendar:
    """Bookings and downtime of one work centre.

    ``booked`` are minutes promised per period by contracts not yet finished, ``down`` the windows
    in which no machine of the centre works: those in which it is closed, and what is announced.
    """

    centre: WorkCentre
    hours: WorkingTime = field(compare=False)
    booked: dict[int, int] = field(default_factory=dict)
    down: tuple[Window, ...] = ()

    def __post_init__(self) -> None:
        for window in self.centre.closed:
            self.announce(window)

    def book(self, period: int, minutes: int) -> None:
        """Promise minutes of a period, or give them back where negative."""
        total = self.booked.get(period, 0) + minutes
        assert total >= 0, "minutes are given back only once"
        if total:
            self.booked[period] = total
        else:
            self.booked.pop(period, None)

    def machine_minutes(self, start_us: int, end_us: int) -> int:
        """Return the minutes that one machine works in ``[start_us, end_us)``, downtime taken off."""
        worked = self.hours.between_us(start_us, end_us)
        at = start_us
        for window in self.down:
            lost_from = max(at, window.start_us)
            lost_to = min(end_us, window.end_us)
            if lost_to > lost_from:
                worked -= self.hours.between_us(lost_from, lost_to)
                at = lost_to
        return worked // MINUTE_US

    def announce(self, window: Window) -> None:
        """Take a downtime into account."""
        self.down = tuple(sorted({*self.down, window}, key=lambda w: (w.start_us, w.end_us)))


class Availability:
    """What one work centre has left from an instant on: a view of its calendar for one answer.

    Periods are looked up once; the calendar must not change meanwhile.
    """

    def __init__(self, calendar: CentreCalendar, grid: PeriodGrid, from_us: int) -> None:
        self.calendar = calendar
        self.grid = grid
        self.from_us = from_us
        self._left: dict[int, int] = {}
        self._machine: dict[int, int] = {}

    def left_minutes(self, period: int) -> int:
        """Return the minutes of all machines in ``period`` from the instant on that nobody has."""
        left = self._left.get(period)
        if left is None:
            free = self.calendar.centre.machines * self.machine_minutes(period)
            left = min(max(0, free - self.calendar.booked.get(period, 0)), MAX_QUANTITY)
            self._left[period] = left
        return left

    def machine_minutes(self, period: int) -> int:
        """Return the minutes that one machine works in ``period`` from the instant on."""
        minutes = self._machine.get(period)
        if minutes is None:
            start_us = self.grid.origin_us + period * self.grid.length_us
            minutes = self.calendar.machine_minutes(
                max(start_us, self.from_us), start_us + self.grid.length_us
            )
            self._machine[period] = minutes
        return minutes

    def minutes_in(self, period: int, start_us: int, end_us: int) -> int:
        """Return the most that one lot can be worked on in ``period`` inside ``[start_us, end_us)``."""
        left = self.left_minutes(period)
        if not left:
            return 0
        opens_us = self.grid.origin_us + period * self.grid.length_us
        closes_us = opens_us + self.grid.length_us
        if start_us <= opens_us and closes_us <= end_us:
            return min(left, self.machine_minutes(period))
        start_us = max(start_us, opens_us, self.from_us)
        return min(left, self.calendar.machine_minutes(start_us, min(end_us, closes_us)))
