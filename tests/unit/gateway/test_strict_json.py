from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import StrictJsonError
from gateway.strict_json import MAX_DEPTH, NotAnInteger, join, parse, printable

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(value=_VALUES, ascii_only=st.booleans())
def test_it_reads_what_json_reads(value: object, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    if "\\u0000" in text:
        with pytest.raises(StrictJsonError, match="NUL"):
            parse(text.encode())
    else:
        assert parse(text.encode()) == value


@given(body=st.binary(max_size=200))
def test_any_bytes_are_a_value_or_a_strict_json_error(body: bytes) -> None:
    try:
        value = parse(body)
    except StrictJsonError as error:
        str(error).encode()
        error.field.encode()
    else:
        printable(value).encode()


@pytest.mark.parametrize("text", ["1.0", "1e5", "-0.5", "1e400", "NaN", "Infinity", "-Infinity", "9" * 20])
def test_numbers_that_are_no_bounded_integers_keep_their_text(text: str) -> None:
    assert parse(text.encode()) == NotAnInteger(text)


@pytest.mark.parametrize("depth", [1, MAX_DEPTH, MAX_DEPTH + 1, 500, 100_000])
def test_depth_is_limited_exactly(depth: int) -> None:
    body = b"[" * depth + b"]" * depth
    if depth <= MAX_DEPTH:
        parse(body)
    else:
        with pytest.raises(StrictJsonError, match="deeper"):
            parse(body)


def test_many_flat_brackets_are_not_depth() -> None:
    assert parse(b"[" + b",".join([b"[]"] * 1_000) + b"]") == [[]] * 1_000


def test_a_duplicate_key_is_named_at_any_level() -> None:
    with pytest.raises(StrictJsonError) as caught:
        parse(b'{"a":{"b":1,"c":2,"b":3}}')
    assert caught.value.field == "b"


def test_half_a_surrogate_pair_is_named_with_its_path() -> None:
    with pytest.raises(StrictJsonError) as caught:
        parse(b'{"plan":{"lots":["ok","\\ud83d"]}}')
    assert caught.value.field == "plan.lots[1]"
    assert caught.value.value == "\\ud83d"
    assert parse(b'"\\ud83d\\ude00"') == "\N{GRINNING FACE}"


def test_values_are_shown_short_and_safe() -> None:
    assert printable("x" * 200) == "x" * 97 + "..."
    assert printable("\ud800\x00") == "\\ud800\\u0000"
    assert printable(NotAnInteger("1e400")) == "1e400"
    assert printable({"a": [NotAnInteger("1.5"), object()]}) == '{"a": ["1.5", "object"]}'


def test_paths_join() -> None:
    assert join(join(join("", "plan"), "lots"), "[0]") == "plan.lots[0]"
