"""Dates and money as submodel elements write them, exact both ways. Decides nothing."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

from market.adapters.vdi2193.errors import NotUnderstoodError
from takt_sdk.model.values import DAY_US, MAX_MINOR, MAX_TIME_US

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?(Z|[+-]\d{2}:\d{2})", re.ASCII)
_AMOUNT = re.compile(r"\d{1,20}(\.\d{1,6})?", re.ASCII)

_DECIMALS = {
    **dict.fromkeys(("CLP", "ISK", "JPY", "KRW", "PYG", "UGX", "VND", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}
"""Decimals of currencies that do not have two (ISO 4217)."""


def instant_to_text(time_us: int) -> str:
    """Return an instant as ``xs:dateTime`` in UTC with microseconds."""
    return (_EPOCH + timedelta(microseconds=time_us)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def instant_from_text(field: str, text: str) -> int:
    """Return microseconds UTC; a date alone means the end of that day in UTC.

    Raises
    ------
    NotUnderstoodError
        If it is neither ``xs:dateTime`` with a time zone nor ``xs:date``.
    """
    try:
        if _DATE.fullmatch(text):
            time_us = (datetime.fromisoformat(f"{text}T00:00:00+00:00") - _EPOCH) // _MICROSECOND + DAY_US
        elif _DATE_TIME.fullmatch(text):
            time_us = (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND
        else:
            raise NotUnderstoodError(field, text, "must be like 2026-06-01T12:00:00Z or 2026-06-01")
    except (ValueError, OverflowError) as error:
        raise NotUnderstoodError(field, text, str(error)) from error
    if not 0 <= time_us <= MAX_TIME_US:
        raise NotUnderstoodError(field, text, "must lie between 1970 and 2255")
    return time_us


def money_to_text(minor: int, currency: str) -> str:
    """Return an amount in the currency's main unit, all decimals written."""
    decimals = _DECIMALS.get(currency, 2)
    return f"{Decimal(minor).scaleb(-decimals):.{decimals}f}"


def money_from_text(field: str, text: str, currency: str) -> int:
    """Return minor units.

    Raises
    ------
    NotUnderstoodError
        If it is no plain decimal number, or has more decimals than the currency.
    """
    decimals = _DECIMALS.get(currency, 2)
    try:
        if not _AMOUNT.fullmatch(text):
            raise NotUnderstoodError(field, text, "must be a decimal number such as 1234.50")
        minor = Decimal(text).scaleb(decimals)
    except InvalidOperation as error:
        raise NotUnderstoodError(field, text, "must be a decimal number") from error
    if minor != minor.to_integral_value():
        raise NotUnderstoodError(field, text, f"{currency} has {decimals} decimals")
    if minor > MAX_MINOR:
        raise NotUnderstoodError(field, text, f"at most {money_to_text(MAX_MINOR, currency)}")
    return int(minor)
