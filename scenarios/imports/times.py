"""Working times and days as people write them: ``mon-fri 06:00-14:00 + sat 06:00-12:00``, ``2026-03-02``."""

from __future__ import annotations

import re
from datetime import date

from agents.profile import MINUTES_PER_DAY, Shift
from scenarios.imports.csv_table import Line
from takt_sdk.model.values import DAY_US

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FIRST_DAY = date(1970, 1, 1)
_PART = re.compile(
    r"(?P<first>[a-z]{3})(-(?P<last>[a-z]{3}))? (?P<h1>\d\d?):(?P<m1>\d\d)-(?P<h2>\d\d?):(?P<m2>\d\d)",
    re.ASCII,
)


def shifts(line: Line, column: str) -> tuple[Shift, ...]:
    """Return the shifts of a value; one that ends before it starts goes on into the next day.

    Raises
    ------
    CsvTableError
        If the value is none.
    """
    found: list[Shift] = []
    for part in line.text(column).lower().split("+"):
        match = _PART.fullmatch(" ".join(part.split()))
        if match is None:
            raise line.wrong(column, part.strip(), "must be such as mon-fri 06:00-14:00 + sat 06:00-12:00")
        first, last = match["first"], match["last"] or match["first"]
        for day in (first, last):
            if day not in DAYS:
                raise line.wrong(column, day, f"must be one of {', '.join(DAYS)}")
        start = _minute(line, column, match["h1"], match["m1"])
        end = _minute(line, column, match["h2"], match["m2"])
        length = (DAYS.index(last) - DAYS.index(first)) % len(DAYS)
        days = tuple((DAYS.index(first) + step) % len(DAYS) for step in range(length + 1))
        if start < end:
            found.append(Shift(start_minute=start, end_minute=end, weekdays=tuple(sorted(days))))
            continue
        if start < MINUTES_PER_DAY:
            found.append(Shift(start_minute=start, end_minute=MINUTES_PER_DAY, weekdays=tuple(sorted(days))))
        if end:
            after = tuple(sorted((day + 1) % len(DAYS) for day in days))
            found.append(Shift(start_minute=0, end_minute=end, weekdays=after))
    return tuple(found)


def day_us(line: Line, column: str, utc_offset_minutes: int = 0) -> int:
    """Return the first instant of a day such as ``2026-03-02``, local by the offset, microseconds UTC.

    Raises
    ------
    CsvTableError
        If the value is no day.
    """
    text = line.text(column)
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise line.wrong(column, text, "must be a day such as 2026-03-02") from None
    return (day - _FIRST_DAY).days * DAY_US - utc_offset_minutes * 60_000_000


def _minute(line: Line, column: str, hours: str, minutes: str) -> int:
    if int(minutes) >= 60 or int(hours) * 60 + int(minutes) > MINUTES_PER_DAY:  # noqa: PLR2004 - of an hour
        raise line.wrong(column, f"{hours}:{minutes}", "must be a time from 00:00 to 24:00")
    return int(hours) * 60 + int(minutes)
