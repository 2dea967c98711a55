"""JSON in and out: strict on the way in, canonical on the way out.

One schema per union, built by pydantic from the vocabulary's own dataclasses, which never import it.
Strict means: exact types (no float for an integer, no number for a string), no unknown field, no
duplicate key, no NaN. Messages that are canonical are read by `takt_sdk.canonical`, several times as
fast; all others are judged here. Decides nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import Annotated, Any, Generic, Never, TypeVar, get_args

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from takt_sdk.canonical import KindReader, encode
from takt_sdk.errors import TaktError
from takt_sdk.model.errors import ModelError
from takt_sdk.model.messages import Envelope, Reply, WireBody

__all__ = [
    "HEARD",
    "STRICT",
    "DecodeError",
    "WireEnvelope",
    "adapter_of",
    "decode",
    "decode_envelope",
    "decode_heard",
    "decode_reply",
    "digest_of",
    "encode",
    "read",
    "read_envelope",
    "unwrap",
]

STRICT = ConfigDict(strict=True, extra="forbid")
HEARD = ConfigDict(strict=True, extra="ignore")
"""Of what a market says, which may be of a later version."""


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


BodyT = TypeVar("BodyT")


@dataclass(frozen=True, slots=True, kw_only=True)
class WireEnvelope(Generic[BodyT]):
    """`Envelope` as a schema: its body is whatever union stands for ``BodyT``."""

    message_id: str
    correlation_id: str
    causation_id: str
    sender: str
    sequence: int
    occurred_us: int
    body: BodyT


def adapter_of(schema: Any, config: ConfigDict = STRICT) -> TypeAdapter[Any]:  # noqa: ANN401 - a type
    """Return the strict reader of a type; a union needs its ``kind`` as discriminator."""
    # A configuration cannot be set on a dataclass from outside, so single values travel in a tuple of one.
    return TypeAdapter(tuple[schema], config=config)


def digest_of(value: object) -> str:
    """Return the SHA-256 (hex) of the canonical encoding."""
    return sha256(encode(value)).hexdigest()


def decode_envelope(data: bytes) -> Envelope[WireBody]:
    """Return the envelope of the wire that ``data`` holds.

    Raises
    ------
    DecodeError
        Naming the first wrong field and its value.
    """
    return unwrap(_WIRE, _envelope, data)


def read_envelope(data: bytes) -> tuple[Envelope[WireBody], str]:
    """Return what `decode_envelope` does, and the `digest_of` its body; raises `DecodeError`."""
    return read(_WIRE, _envelope, data)


def decode_heard(data: bytes) -> Envelope[WireBody]:
    """Return what a market says: as `decode_envelope`, but fields that are not known here are ignored."""
    return unwrap(_WIRE, _heard, data)


def decode_reply(data: bytes) -> Reply:
    """Return the market's reply in ``data``, less the fields not known here; raises `DecodeError`."""
    found = _REPLIES.value(data)
    reply: Reply = decode(_reply(), data) if found is None else found
    return reply


_WIRE = KindReader(get_args(WireBody))
_REPLIES = KindReader(get_args(Reply))


@cache
def _envelope() -> TypeAdapter[Any]:
    return adapter_of(WireEnvelope[Annotated[WireBody, Field(discriminator="kind")]])


@cache
def _heard() -> TypeAdapter[Any]:
    return adapter_of(WireEnvelope[Annotated[WireBody, Field(discriminator="kind")]], HEARD)


@cache
def _reply() -> TypeAdapter[Any]:
    return adapter_of(Annotated[Reply, Field(discriminator="kind")], HEARD)


def unwrap(kinds: KindReader, strict: Callable[[], TypeAdapter[Any]], data: bytes) -> Envelope[Any]:
    """Return the envelope of one of ``kinds``; ``strict`` gives the reader of all. Raises `DecodeError`."""
    found = kinds.envelope(data)
    return _opened(decode(strict(), data)) if found is None else found[0]


def read(kinds: KindReader, strict: Callable[[], TypeAdapter[Any]], data: bytes) -> tuple[Envelope[Any], str]:
    """Return what `unwrap` does, and the `digest_of` its body."""
    found = kinds.envelope(data)
    if found is not None:
        return found[0], sha256(found[1]).hexdigest()
    envelope = _opened(decode(strict(), data))
    return envelope, digest_of(envelope.body)


def _opened(wire: WireEnvelope[Any]) -> Envelope[Any]:
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


def decode(adapter: TypeAdapter[Any], data: bytes) -> Any:  # noqa: ANN401 - the adapter's type is dynamic
    """Return what a strict reader finds in ``data``; raises `DecodeError`."""
    try:
        found = adapter.validate_json(b"[" + data + b"]")[0]
    except ValidationError as error:
        _check_json(data)
        raise _decode_error(error) from error
    if encode(found) != data:  # what is canonical gives no key twice and holds nothing but JSON
        _check_json(data)
    return found


def _check_json(data: bytes) -> None:
    """Raise `DecodeError` unless the bytes are one value of JSON that gives no key twice."""
    try:
        json.loads(data, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise DecodeError("", repr(data[:60])[:100], f"not valid JSON: {error}") from error


def _unique(pairs: list[tuple[str, object]]) -> None:
    if len(pairs) > 1 and len(dict(pairs)) < len(pairs):
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
    if first["type"] == "union_tag_invalid":
        path = ".".join(part for part in (path, "kind") if part)
        return DecodeError(path, first["ctx"]["tag"][:100], "no such kind of message here")
    return DecodeError(path, repr(first["input"])[:100], first["msg"])


def _rule(error: ModelError) -> str:
    return f"{error.rule}: {error.detail}" if error.detail else error.rule
