from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.instants import format_instant, parse_instant
from takt_sdk.model.values import MAX_TIME_US


@given(time_us=st.integers(0, MAX_TIME_US))
def test_what_is_formatted_is_parsed_again(time_us: int) -> None:
    assert parse_instant(format_instant(time_us)) == time_us


@pytest.mark.parametrize(
    ("text", "time_us"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2027-01-01T00:00:00Z", 1_798_761_600_000_000),
        ("2027-01-01T01:00:00+01:00", 1_798_761_600_000_000),
        ("2026-12-31t18:30:00-05:30", 1_798_761_600_000_000),
        ("2027-01-01t00:00:00.5z", 1_798_761_600_500_000),
        ("2027-01-01T00:00:00.000001Z", 1_798_761_600_000_001),
    ],
)
def test_offsets_and_fractions(text: str, time_us: int) -> None:
    assert parse_instant(text) == time_us


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2027-01-01",
        "2027-01-01T00:00:00",
        "2027-01-01 00:00:00Z",
        "2027-13-01T00:00:00Z",
        "2027-02-29T00:00:00Z",
        "2027-01-01T00:00:60Z",
        "2027-01-01T00:00:00+24:00",
        "2027-01-01T00:00:00.0000001Z",
        "2027-W01-1T00:00:00Z",
        "\N{FULLWIDTH DIGIT TWO}027-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00+01:00",
        "2027-01-01T00:00:00Z\n",
        7,
        None,
        True,
        ["2027-01-01T00:00:00Z"],
    ],
)
def test_what_is_no_instant_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="must"):
        parse_instant(text)
