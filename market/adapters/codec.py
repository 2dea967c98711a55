"""JSON of what only the market holds: every message of its journal, events, the state.

`takt_sdk.codec` says what strict and canonical mean. Decides nothing.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from typing import Annotated, Any, get_args

from pydantic import Field, TypeAdapter

from market.engine.state import State
from market.model.commands import Body
from market.model.events import Event
from takt_sdk.canonical import KindReader, encode
from takt_sdk.codec import STRICT, WireEnvelope, adapter_of, decode, read, unwrap
from takt_sdk.model.messages import Envelope

_BODIES = KindReader(get_args(Body))


@cache
def _envelope() -> TypeAdapter[Any]:
    return adapter_of(WireEnvelope[Annotated[Body, Field(discriminator="kind")]])


@cache
def _body() -> TypeAdapter[Any]:
    return adapter_of(Annotated[Body, Field(discriminator="kind")])


@cache
def _events() -> TypeAdapter[Any]:
    return TypeAdapter(tuple[Annotated[Event, Field(discriminator="kind")], ...], config=STRICT)


@cache
def _state() -> TypeAdapter[Any]:
    return adapter_of(State)


def decode_envelope(data: bytes) -> Envelope[Body]:
    """Return the envelope that ``data`` holds, of whatever kind the journal takes.

    Raises
    ------
    DecodeError
        Naming the first wrong field and its value.
    """
    return unwrap(_BODIES, _envelope, data)


def read_envelope(data: bytes) -> tuple[Envelope[Body], str]:
    """Return what `decode_envelope` does, and the `takt_sdk.codec.digest_of` its body."""
    return read(_BODIES, _envelope, data)


def decode_body(data: bytes) -> Body:
    """Return the body that ``data`` holds; raises `DecodeError`."""
    body: Body = decode(_body(), data)
    return body


def encode_events(events: tuple[Event, ...]) -> bytes:
    """Return the canonical JSON array of an entry's events."""
    return encode(events)


def decode_events(data: bytes) -> tuple[Event, ...]:
    """Return the events of a journal entry; written by ourselves, so only the schema is checked."""
    events: tuple[Event, ...] = _events().validate_json(data)
    return events


# --- state -----------------------------------------------------------------------------------


def encode_state(state: State) -> bytes:
    """Return the state as JSON, without its index."""
    return encode({name: getattr(state, name) for name in State.__slots__ if name != "index"})


def decode_state(data: bytes) -> State:
    """Return a state read back, its index derived anew."""
    state: State = _state().validate_json(b"[" + data + b"]", strict=False)[0]
    state.reindex()
    return state


def state_digest(state: State) -> str:
    """Return the SHA-256 (hex) of the state: equal between live, restart and replay."""
    return sha256(encode_state(state)).hexdigest()
