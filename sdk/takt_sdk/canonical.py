"""Canonical JSON, written fast and read fast: what a message looks like that nothing is wrong with.

A reader here takes a message only if its value encodes to the very same bytes again: then no field is
unknown, none is missing and no key stands twice. It says of nothing else what is wrong with it; that
is for the strict reader in `takt_sdk.codec`, which judges whatever was not taken. Decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

import msgspec

from takt_sdk.model.errors import ModelError
from takt_sdk.model.messages import Envelope

_KIND = b'{"kind":"'
_NOT_TAKEN = (msgspec.MsgspecError, ModelError, UnicodeError, RecursionError)

_encoder = msgspec.json.Encoder()


def encode(value: object) -> bytes:
    """Return canonical JSON of a value: fields in declaration order, no spaces, UTF-8."""
    return b"".join((_encoder.encode(value), b""))  # a copy of its length: the encoder's own is kept larger


class _Wire(msgspec.Struct):
    """`Envelope` with its body not yet read."""

    message_id: str
    correlation_id: str
    causation_id: str
    sender: str
    sequence: int
    occurred_us: int
    body: msgspec.Raw


_wire = msgspec.json.Decoder(_Wire)


class KindReader:
    """Reads values of some kinds, each by its own schema; ``types`` begin with a field ``kind``."""

    def __init__(self, types: Iterable[type[Any]]) -> None:
        self._types: dict[bytes, Any] = {str(fields(one)[0].default).encode(): one for one in types}
        self._decoders: dict[bytes, msgspec.json.Decoder[Any]] = {}

    def read(self, data: bytes) -> Any:  # noqa: ANN401 - one of the kinds
        """Return the value in ``data``.

        Raises
        ------
        msgspec.ValidationError
            If it begins with none of the kinds, or a field has not its type.
        ModelError
            If the value refuses itself.
        """
        kind = data[len(_KIND) : data.find(b'"', len(_KIND))] if data.startswith(_KIND) else b""
        decoder = self._decoders.get(kind) or self._decoder(kind)
        return decoder.decode(data)

    def _decoder(self, kind: bytes) -> msgspec.json.Decoder[Any]:
        if kind not in self._types:
            raise msgspec.ValidationError(f"no such kind: {kind!r}")
        try:
            decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(self._types[kind])
        except TypeError as error:  # a field that is one of two dataclasses
            raise msgspec.ValidationError(str(error)) from error
        self._decoders[kind] = decoder
        return decoder

    def value(self, data: bytes) -> Any | None:  # noqa: ANN401 - one of the kinds
        """Return the value in ``data``; None unless it is canonical and valid."""
        try:
            found = self.read(data)
            return found if encode(found) == data else None
        except _NOT_TAKEN:
            return None

    def envelope(self, data: bytes) -> tuple[Envelope[Any], bytes] | None:
        """Return an envelope and the bytes of its body; None unless ``data`` is canonical and valid."""
        try:
            wire = _wire.decode(data)
            body = bytes(wire.body)
            found = Envelope(
                message_id=wire.message_id,
                correlation_id=wire.correlation_id,
                causation_id=wire.causation_id,
                sender=wire.sender,
                sequence=wire.sequence,
                occurred_us=wire.occurred_us,
                body=self.read(body),
            )
            return (found, body) if encode(found) == data else None
        except _NOT_TAKEN:
            return None
