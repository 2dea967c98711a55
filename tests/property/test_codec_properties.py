"""The wire: every kind comes back as it was sent; no bytes whatever bring anything but a `DecodeError`."""

from __future__ import annotations

import sys
from dataclasses import fields
from typing import Annotated, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field, ValidationError
from pydantic_core import to_json

from market.adapters.codec import (
    decode_body,
    decode_envelope,
    decode_events,
    decode_state,
    encode_events,
    encode_state,
    read_envelope,
    state_digest,
)
from market.model.commands import Body
from takt_sdk.canonical import KindReader
from takt_sdk.codec import DecodeError, WireEnvelope, adapter_of, decode, decode_reply, digest_of, encode
from takt_sdk.model.messages import Reply
from tests.property.engine_walk import Walk
from tests.property.wire_examples import BODY_KINDS, EVENT_KINDS, examples, with_value

HOSTILE = (
    "NaN",
    "Infinity",
    "-Infinity",
    "1e400",
    "1.0",
    "-1",
    "0",
    "true",
    "null",
    '""',
    '"\\ud800"',
    '"\\u0000"',
    '"1"',
    "[]",
    "[[]]",
    "{}",
    str(2**53),
    str(2**63),
    str(-(2**63) - 1),
    "9" * 400,
    "9" * 5000,
    '"' + "x" * 5000 + '"',
    "[" * 2000 + "]" * 2000,
    '{"kind": "takt.tick.v1"}',
    '{"kind": "takt.tick.v2"}',
)
"""JSON texts that stand where they should not."""

CANONICAL = KindReader(get_args(Body))
STRICT = adapter_of(WireEnvelope[Annotated[Body, Field(discriminator="kind")]])
REPLIES = KindReader(get_args(Reply))
STRICT_REPLY = adapter_of(Annotated[Reply, Field(discriminator="kind")])

MUTATIONS = settings(max_examples=400, deadline=None)


def test_there_is_an_example_of_every_kind() -> None:
    envelopes, events = examples()
    assert {envelope.body.kind for envelope in envelopes} == BODY_KINDS
    assert {event.kind for event in events} == EVENT_KINDS


def test_every_message_comes_back_as_it_was_sent() -> None:
    for envelope in examples()[0]:
        data = encode(envelope)
        assert decode_envelope(data) == envelope
        assert decode_body(encode(envelope.body)) == envelope.body
        assert encode(decode_envelope(data)) == data
        assert digest_of(decode_envelope(data).body) == digest_of(envelope.body)
        assert read_envelope(data) == (envelope, digest_of(envelope.body))
        assert read_envelope(data.replace(b":", b": ", 1)) == (envelope, digest_of(envelope.body))
        if isinstance(envelope.body, get_args(Reply)):
            assert decode_reply(encode(envelope.body)) == envelope.body
        else:
            with pytest.raises(DecodeError):
                decode_reply(encode(envelope.body))


def test_what_is_canonical_is_read_without_the_strict_reader() -> None:
    left = {envelope.body.kind for envelope in examples()[0] if CANONICAL.envelope(encode(envelope)) is None}
    assert left == {"takt.open_seals.v1"}, "its answers are of two kinds, for which there is no fast reader"


def test_values_are_written_as_pydantic_writes_them() -> None:
    for value in (*examples()[0], *examples()[1]):
        assert encode(value) == to_json(value)
    characters = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    assert encode(characters) == to_json(characters)
    integers = [sign * (2**power + more) for power in range(200) for more in (-1, 0, 1) for sign in (-1, 1)]
    assert encode(integers) == to_json(integers)


def test_every_event_comes_back_as_it_was_written() -> None:
    events = examples()[1]
    for event in events:
        assert decode_events(encode_events((event,))) == (event,)
    assert decode_events(encode_events(events)) == events
    assert encode_events(decode_events(encode_events(events))) == encode_events(events)


def decodes_or_says_why(data: bytes) -> None:
    taken = CANONICAL.envelope(data)
    if taken is not None:  # the fast reader takes nothing that the strict one would not
        strict = decode(STRICT, data)
        assert all(getattr(strict, one.name) == getattr(taken[0], one.name) for one in fields(strict))
        assert encode(strict.body) == taken[1]
    reply = REPLIES.value(data)
    assert reply is None or reply == decode(STRICT_REPLY, data)
    for reader in (decode_envelope, decode_body, decode_reply):
        said: DecodeError | None = None
        value: object = None
        try:
            value = reader(data)
        except DecodeError as error:
            said = error
        if said is None:
            assert reader(encode(value)) == value
        else:
            assert said.detail
            assert len(said.value) <= 100
            assert str(said).encode()


@MUTATIONS
@given(data=st.data())
def test_a_hostile_value_anywhere_is_a_decode_error_or_a_valid_message(data: st.DataObject) -> None:
    envelopes = examples()[0]
    envelope = data.draw(st.sampled_from(envelopes))
    place, text = data.draw(st.integers(0, 10_000)), data.draw(st.sampled_from(HOSTILE))
    decodes_or_says_why(with_value(encode(envelope), place, text))
    decodes_or_says_why(with_value(encode(envelope.body), place, text))


@MUTATIONS
@given(data=st.data())
def test_damaged_bytes_are_a_decode_error_or_a_valid_message(data: st.DataObject) -> None:
    raw = bytearray(encode(data.draw(st.sampled_from(examples()[0]))))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        match data.draw(st.integers(0, 3)):
            case 0:
                raw[at] ^= 1 << data.draw(st.integers(0, 7))
            case 1:
                del raw[at : at + data.draw(st.integers(1, 20))]
            case 2:
                raw[at:at] = data.draw(st.binary(max_size=8))
            case _:
                raw[at:at] = bytes(raw[at : at + 30])
        if not raw:
            break
    decodes_or_says_why(bytes(raw))


@given(data=st.binary(max_size=200))
def test_any_bytes_are_a_decode_error(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_envelope(data)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig", "utf-16-le", "latin-1"])
def test_only_plain_utf8_is_read(encoding: str) -> None:
    data = encode(next(e for e in examples()[0] if e.body.kind == "takt.publish_part.v1"))
    with pytest.raises(DecodeError):
        decode_envelope(data.decode().encode(encoding))


@pytest.mark.parametrize("tail", [b"", b" ", b"{}", b",", b"]", b"\x00", b"null"], ids=repr)
def test_nothing_follows_a_message(tail: bytes) -> None:
    data = encode(examples()[0][0]) + tail
    if tail.strip(b" ") == b"":
        decode_envelope(data)
    else:
        with pytest.raises(DecodeError):
            decode_envelope(data)


def test_a_key_twice_is_refused_at_any_depth() -> None:
    data = encode(next(e for e in examples()[0] if e.body.kind == "takt.submit_order.v1"))
    for key in (b'"sender":', b'"quantity":', b'"kind":'):
        doubled = data.replace(key, key + b'"x",' + key, 1)
        with pytest.raises(DecodeError, match="given twice"):
            decode_envelope(doubled)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_state_comes_back_as_it_was(seed: int) -> None:
    state = Walk([(seed * 48271 + index * 40692) % 9_973 for index in range(1_500)]).run().state
    again = decode_state(encode_state(state))
    assert again == state
    assert state_digest(again) == state_digest(state)


def test_a_journal_entry_that_is_no_list_of_events_is_refused() -> None:
    for data in (b"", b"{}", b"[1]", b'[{"kind":"takt.rules_changed.v9"}]', b"[] []"):
        with pytest.raises(ValidationError):
            decode_events(data)
