"""Instants at the edge: RFC 3339 text outside, integer microseconds UTC inside."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from takt_sdk.model.values import MAX_TIME_US

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_RFC3339 = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?(?:[Zz]|[+-]\d{2}:\d{2})", re.ASCII
)


def parse_instant(text: object) -> int:
    """Return the microseconds UTC of an RFC 3339 date-time with an explicit offset.

    Raises
    ------
    ValueError
        If it is not one, is finer than a microsecond, or lies before 1970 or after what the market's
        time can hold.
    """
    if not isinstance(text, str) or _RFC3339.fullmatch(text) is None:
        raise ValueError("must be an RFC 3339 date-time with its offset, such as 2027-01-31T12:00:00Z")
    try:
        time_us = (datetime.fromisoformat(text.upper()) - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError):
        raise ValueError("must be a date-time that exists") from None
    if not 0 <= time_us <= MAX_TIME_US:
        raise ValueError(f"must lie between {format_instant(0)} and {format_instant(MAX_TIME_US)}")
    return time_us


def format_instant(time_us: int) -> str:
    """Return RFC 3339 in UTC, with a fraction only where there is one."""
    moment = _EPOCH + timedelta(microseconds=time_us)
    return (
        moment.isoformat(timespec="microseconds" if moment.microsecond else "seconds").removesuffix("+00:00")
        + "Z"
    )
