"""JSON in and out: strict on the way in, canonical on the way out.

One schema per union, built by pydantic from the model's own dataclasses; the core never imports it.
Strict means: exact types (no float for an integer, no number for a string), no unknown field, no
duplicate key, no NaN. Decides nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import Annotated, Any, Never

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import to_json

from market.engine.state import State
from market.errors import TaktError
from market.model.errors import ModelError
from market.model.events import Event
from market.model.messages import Body, Envelope, Reply

STRICT = ConfigDict(strict=True, extra="forbid")


class DecodeError(TaktError):
    """Bytes are not a valid message.

    Attributes
    ----------
    field
        Path of the offending field, empty if the bytes are no JSON object.
    value
        What stood there, shortened.
    """

    def __init__(self, field: str, value: str, detail: str) -> None:
        self.field, self.value, self.detail = field, value, detail
        super().__init__(f"{field or 'message'}: {detail}; was {value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _WireEnvelope:
    """`Envelope` with its body discriminated by kind, which the model leaves to this codec."""

    message_id: str
    correlation_id: str
    causation_id: str
    sender: str
    sequence: int
    occurred_us: int
    body: Annotated[Body, Field(discriminator="kind")]


# A configuration can not be set on a dataclass from outside, so single values travel in a tuple of one.
_TYPES: dict[str, Any] = {
    "body": tuple[Annotated[Body, Field(discriminator="kind")]],
    "reply": tuple[Annotated[Reply, Field(discriminator="kind")]],
    "envelope": tuple[_WireEnvelope],
    "events": tuple[Annotated[Event, Field(discriminator="kind")], ...],
    "state": tuple[State],
}


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(_TYPES[name], config=STRICT)


def encode(value: object) -> bytes:
    """Return canonical JSON of a value of the model: fields in declaration order, no spaces, UTF-8."""
    return to_json(value, inf_nan_mode="strings")


def digest_of(value: object) -> str:
    """Return the SHA-256 (hex) of the canonical encoding."""
    return sha256(encode(value)).hexdigest()


def decode_envelope(data: bytes) -> Envelope:
    """Return the envelope that ``data`` holds.

    Raises
    ------
    DecodeError
        Naming the first wrong field and its value.
    """
    wire = _decode("envelope", data)
    try:
        return Envelope(
            message_id=wire.message_id,
            correlation_id=wire.correlation_id,
            causation_id=wire.causation_id,
            sender=wire.sender,
            sequence=wire.sequence,
            occurred_us=wire.occurred_us,
            body=wire.body,
        )
    except ModelError as error:
        raise DecodeError(error.field, repr(error.value)[:100], _rule(error)) from error


def decode_body(data: bytes) -> Body:
    """Return the body that ``data`` holds; raises `DecodeError`."""
    body: Body = _decode("body", data)
    return body


def decode_reply(data: bytes) -> Reply:
    """Return the market's reply that ``data`` holds; raises `DecodeError`."""
    reply: Reply = _decode("reply", data)
    return reply


def encode_events(events: tuple[Event, ...]) -> bytes:
    """Return the canonical JSON array of an entry's events."""
    return to_json(events)


def decode_events(data: bytes) -> tuple[Event, ...]:
    """Return the events of a journal entry; written by ourselves, so only the schema is checked."""
    events: tuple[Event, ...] = _adapter("events").validate_json(data)
    return events


def _decode(name: str, data: bytes) -> Any:  # noqa: ANN401 - the adapter's type is dynamic
    try:
        json.loads(data, object_pairs_hook=_unique, parse_constant=_no_constant)
        return _adapter(name).validate_json(b"[" + data + b"]")[0]
    except ValidationError as error:
        raise _decode_error(error) from error
    except (ValueError, RecursionError) as error:
        raise DecodeError("", repr(data[:60]), f"not valid JSON: {error}") from error


def _unique(pairs: list[tuple[str, object]]) -> None:
    if len(pairs) > 1 and len({key for key, _ in pairs}) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"key {next(key for key in keys if keys.count(key) > 1)!r} is given twice")


def _no_constant(name: str) -> Never:
    raise ValueError(f"{name} is not a number of JSON")


def _decode_error(error: ValidationError) -> DecodeError:
    first = error.errors(include_url=False)[0]
    location = [part for part in first["loc"] if not (isinstance(part, str) and part.startswith("takt."))]
    path = ".".join(str(part) for part in location[1:])
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, ModelError):
        path = ".".join(part for part in (path, cause.field) if part)
        return DecodeError(path, repr(cause.value)[:100], _rule(cause))
    return DecodeError(path, repr(first["input"])[:100], first["msg"])


def _rule(error: ModelError) -> str:
    return f"{error.rule}: {error.detail}" if error.detail else error.rule


# --- state -----------------------------------------------------------------------------------


def encode_state(state: State) -> bytes:
    """Return the state as JSON, without its index."""
    return to_json({name: getattr(state, name) for name in State.__slots__ if name != "index"})


def decode_state(data: bytes) -> State:
    """Return a state read back, its index derived anew."""
    state: State = _adapter("state").validate_json(b"[" + data + b"]", strict=False)[0]
    state.reindex()
    return state


def state_digest(state: State) -> str:
    """Return the SHA-256 (hex) of the state: equal between live, restart and replay."""
    return sha256(encode_state(state)).hexdigest()
