"""How figures read: money, time, mass and shares with their units, orders and contracts by state."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUS = "\N{MINUS SIGN}"
THIN = "\N{NARROW NO-BREAK SPACE}"
NONE = "\N{EN DASH}"
KG = 1000
TONNE = 1_000_000

ORDER_TONES = {
    "settled": "good",
    "delivered": "good",
    "shipped": "fair",
    "in_production": "busy",
    "confirmed": "busy",
    "awarded": "busy",
    "submitted": "idle",
    "calling": "idle",
    "clearing": "idle",
    "at_risk": "risk",
    "reallocating": "risk",
    "unserved": "bad",
    "expired": "bad",
    "rejected": "void",
    "cancelled": "void",
}
"""State to the tone that the style sheet colours; the order of a bar's pieces."""

CONTRACT_TONES = {
    "settled": "good",
    "delivered": "good",
    "shipped": "fair",
    "finished": "fair",
    "in_production": "busy",
    "confirmed": "busy",
    "awarded": "busy",
    "at_risk": "risk",
    "ended": "void",
}


def words(name: str) -> str:
    """Return an identifier as words: ``in_production`` in production, ``takt.bid_sheet.v1`` bid sheet."""
    name = name.removeprefix("takt.")
    stem, dot, version = name.rpartition(".v")
    return (stem if dot and version.isdigit() else name).replace("_", " ")


def whole(value: int) -> str:
    """Return an integer with thousands apart and a real minus sign."""
    digits = f"{abs(value):,}".replace(",", THIN)
    return f"{MINUS}{digits}" if value < 0 else digits


def money(minor: int | None) -> str:
    """Return an amount in whole major units, halves up; the currency stands beside it."""
    if minor is None:
        return NONE
    major = (abs(minor) + 50) // 100
    return whole(-major if minor < 0 else major)


def share(part: int, of: int, digits: int = 1) -> str:
    """Return a percentage; an en dash of nothing."""
    if not of:
        return NONE
    return f"{100 * part / of:.{digits}f}{THIN}%".replace("-", MINUS)


def ppm(value: int | None) -> str:
    """Return millionths as a percentage, exact zero as 0 %."""
    if value is None:
        return NONE
    return f"0{THIN}%" if value == 0 else f"{value / 10_000:.3f}{THIN}%"


def mass(grams: int | None) -> str:
    """Return grams in the unit that reads best."""
    if grams is None:
        return NONE
    if grams >= TONNE:
        return f"{grams / TONNE:,.2f}{THIN}t".replace(",", THIN)
    return f"{grams / KG:,.0f}{THIN}kg" if grams >= KG else f"{grams}{THIN}g"


def wall(milliseconds: int | None) -> str:
    """Return wall time in seconds."""
    if milliseconds is None:
        return NONE
    seconds = milliseconds / 1000
    return f"{seconds:.2f}{THIN}s" if seconds < 10 else f"{seconds:,.1f}{THIN}s"  # noqa: PLR2004 - digits


def moment(time_us: int) -> datetime:
    """Return a market time as a date and time, UTC."""
    return _EPOCH + timedelta(microseconds=time_us)


def day(time_us: int | None) -> str:
    """Return a market time as a day and hour."""
    return NONE if time_us is None else moment(time_us).strftime("%d %b %H:%M")


def iso(time_us: int) -> str:
    """Return a market time as ISO 8601, minutes."""
    return moment(time_us).strftime("%Y-%m-%d %H:%M")
