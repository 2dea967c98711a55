"""Integers, ids and windows: the checks that every other value of the model is built from.

Money is integer minor units of the market's one currency, quantity integer smallest units of
the item, time integer microseconds UTC. Windows are half-open. No float exists in the model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

from takt_sdk.model.errors import (
    DuplicateIdError,
    InvalidChoiceError,
    InvalidIdError,
    InvalidWindowError,
    NotAnIntegerError,
    OutOfRangeError,
    TooManyError,
)

MAX_MINOR = 2**53 - 1
"""Largest amount of money in minor units, exact in every JSON reader."""
MAX_QUANTITY = 2**31 - 1
MAX_TIME_US = 2**53 - 1
MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US
MAX_LOCAL_ID = 48

_PARTICIPANT_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_ID = r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}"
_is_id = re.compile(_ID, re.ASCII).fullmatch
_are_ids = re.compile(rf"(?:{_ID}\n)*", re.ASCII).fullmatch


def check_participant_id(field: str, value: object) -> None:
    """Raise `InvalidIdError` unless ``value`` is a participant or market id."""
    if not isinstance(value, str) or _PARTICIPANT_ID.fullmatch(value) is None:
        raise InvalidIdError(field, value, "1 to 63 of a-z, 0-9 and '-', not starting with '-'")


def check_id(field: str, value: object) -> None:
    """Raise `InvalidIdError` unless ``value`` is an id of 1 to 128 safe characters."""
    if not isinstance(value, str) or _is_id(value) is None:
        raise InvalidIdError(field, value, "1 to 128 of letters, digits, and . _ : / -")


@lru_cache(maxsize=1024)
def _is_name(value: str) -> bool:
    return _is_id(value) is not None


def check_name(field: str, value: object) -> None:
    """Raise as `check_id`, which it is for ids that are met again and again: processes and materials."""
    if type(value) is not str or not _is_name(value):
        check_id(field, value)


def check_local_id(field: str, value: object) -> None:
    """Raise unless ``value`` is an id short enough (48) to be prefixed with its owner's."""
    check_id(field, value)
    if len(str(value)) > MAX_LOCAL_ID:
        raise InvalidIdError(field, value, f"at most {MAX_LOCAL_ID} characters")


def check_ids(field: str, values: tuple[object, ...]) -> None:
    """Raise unless all ids are valid and no id stands twice."""
    if not values:
        return
    if not _are_plainly_ids(values):
        for index, value in enumerate(values):
            check_id(f"{field}[{index}]", value)
    if len(set(values)) != len(values):
        seen: set[object] = set()
        for index, value in enumerate(values):
            if value in seen:
                raise DuplicateIdError(f"{field}[{index}]", value)
            seen.add(value)


def _are_plainly_ids(values: tuple[object, ...]) -> bool:
    """Return whether all are ids, looked at as one text; False also where that cannot be said."""
    if set(map(type, values)) != {str}:
        return False
    lines = "\n".join([*cast("tuple[str, ...]", values), ""])
    return lines.count("\n") == len(values) and _are_ids(lines) is not None


def check_int(field: str, value: object, low: int, high: int) -> None:
    """Raise unless ``value`` is an integer (no bool, no float) in ``[low, high]``."""
    if type(value) is not int:
        raise NotAnIntegerError(field, value)
    if not low <= value <= high:
        raise OutOfRangeError(field, value, f"{low} to {high}")


def check_ints(field: str, values: tuple[int, ...], low: int, high: int) -> None:
    """Raise unless every element is an integer in ``[low, high]``; names the first that is not."""
    if not values:
        return
    if set(map(type, values)) == {int} and min(values) >= low and max(values) <= high:
        return
    for index, value in enumerate(values):
        check_int(f"{field}[{index}]", value, low, high)


def check_money(field: str, value: object) -> None:
    """Raise unless ``value`` is an amount in minor units, 0 to 2^53 - 1."""
    check_int(field, value, 0, MAX_MINOR)


def check_time(field: str, value: object) -> None:
    """Raise unless ``value`` is a time in microseconds UTC, 0 to 2^53 - 1."""
    check_int(field, value, 0, MAX_TIME_US)


def check_choice(field: str, value: object, allowed: Iterable[str]) -> None:
    """Raise `InvalidChoiceError` unless ``value`` is one of ``allowed``."""
    words = tuple(allowed)
    if value not in words:
        raise InvalidChoiceError(field, value, ", ".join(words))


def check_count(field: str, values: tuple[object, ...], limit: int) -> None:
    """Raise `TooManyError` if there are more than ``limit`` elements."""
    if len(values) > limit:
        raise TooManyError(field, len(values), f"at most {limit}")


def check_sha256(field: str, value: object) -> None:
    """Raise `InvalidIdError` unless ``value`` is a SHA-256 in lower-case hex."""
    if not isinstance(value, str) or _SHA256.fullmatch(value) is None:
        raise InvalidIdError(field, value, "64 lower-case hex digits")


def check_text(field: str, value: object, limit: int = 200) -> None:
    """Raise unless ``value`` is printable text of at most ``limit`` characters."""
    if not isinstance(value, str) or not value.isprintable():
        raise InvalidIdError(field, value, "printable text")
    if len(value) > limit:
        raise TooManyError(field, value, f"at most {limit} characters")


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A half-open interval of time: ``start_us`` belongs to it, ``end_us`` does not."""

    start_us: int
    end_us: int

    def __post_init__(self) -> None:
        check_time("start_us", self.start_us)
        check_time("end_us", self.end_us)
        if self.end_us <= self.start_us:
            raise InvalidWindowError("end_us", self.end_us, f"after start_us {self.start_us}")

    def overlaps(self, other: Window) -> bool:
        """Return whether the two windows share an instant."""
        return self.start_us < other.end_us and other.start_us < self.end_us


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodGrid:
    """The periods in which capacity is declared: period k is ``[origin + k·length, … + length)``."""

    origin_us: int
    length_us: int

    def __post_init__(self) -> None:
        check_time("origin_us", self.origin_us)
        check_int("length_us", self.length_us, MINUTE_US, 366 * DAY_US)

    def index(self, time_us: int) -> int:
        """Return the period that holds ``time_us``; negative before the origin."""
        return (time_us - self.origin_us) // self.length_us

    def window(self, index: int) -> Window:
        """Return the half-open window of period ``index``."""
        start_us = self.origin_us + index * self.length_us
        return Window(start_us=start_us, end_us=start_us + self.length_us)
