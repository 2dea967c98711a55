"""When a machine works: a weekly pattern of shifts, as exact arithmetic on instants.

Holds no bookings and no clock.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from agents.profile import Shift
from takt_sdk.model.values import DAY_US, MINUTE_US

WEEK_US = 7 * DAY_US
_EPOCH_WEEKDAY = 3
"""1 January 1970 was a Thursday."""


class WorkingTime:
    """A week of shifts, repeated for ever.

    Parameters
    ----------
    shifts
        Must not overlap (a `WorkCentre` has checked that).
    utc_offset_minutes
        Local time minus UTC.
    """

    def __init__(self, shifts: tuple[Shift, ...], utc_offset_minutes: int = 0) -> None:
        spans = sorted(
            (day * DAY_US + shift.start_minute * MINUTE_US, day * DAY_US + shift.end_minute * MINUTE_US)
            for shift in shifts
            for day in dict.fromkeys(shift.weekdays)
        )
        self._starts = [start for start, _ in spans]
        self._ends = [end for _, end in spans]
        self._before = [0]
        for start, end in spans:
            self._before.append(self._before[-1] + end - start)
        self._week_us = self._before[-1]
        self._shift_us = utc_offset_minutes * MINUTE_US + _EPOCH_WEEKDAY * DAY_US

    def worked_us(self, time_us: int) -> int:
        """Return the working time before ``time_us``, counted from a Monday before 1970."""
        weeks, rest = divmod(time_us + self._shift_us, WEEK_US)
        index = bisect_right(self._starts, rest)
        worked = self._before[index]
        if index and rest < self._ends[index - 1]:
            worked -= self._ends[index - 1] - rest
        return weeks * self._week_us + worked

    def between_us(self, start_us: int, end_us: int) -> int:
        """Return the working time in ``[start_us, end_us)``; 0 where it is empty."""
        if end_us <= start_us:
            return 0
        return self.worked_us(end_us) - self.worked_us(start_us)

    def opens_us(self, time_us: int) -> int:
        """Return the first instant at or after ``time_us`` that is worked."""
        weeks, rest = divmod(time_us + self._shift_us, WEEK_US)
        index = bisect_right(self._ends, rest)
        if index == len(self._ends):
            weeks, rest, index = weeks + 1, 0, 0
        return weeks * WEEK_US + max(rest, self._starts[index]) - self._shift_us

    def closes_us(self, time_us: int) -> int:
        """Return the last instant at or before ``time_us`` up to which work is done."""
        weeks, rest = divmod(time_us + self._shift_us, WEEK_US)
        index = bisect_left(self._starts, rest) - 1
        if index < 0:
            weeks, rest, index = weeks - 1, WEEK_US, len(self._starts) - 1
        return weeks * WEEK_US + min(rest, self._ends[index]) - self._shift_us

    def spans(self, start_us: int, end_us: int) -> tuple[tuple[int, int], ...]:
        """Return the worked parts of ``[start_us, end_us)`` in order of time."""
        found: list[tuple[int, int]] = []
        at = start_us
        while at < end_us:
            opens = self.opens_us(at)
            if opens >= end_us:
                break
            at = min(end_us, opens + self._rest_of_shift_us(opens))
            found.append((opens, at))
        return tuple(found)

    def _rest_of_shift_us(self, time_us: int) -> int:
        rest = (time_us + self._shift_us) % WEEK_US
        return self._ends[bisect_right(self._starts, rest) - 1] - rest
