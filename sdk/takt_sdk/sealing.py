"""Sealed answers: what is inside, how it is encrypted to a round's key and opened again.

The sealed box is libsodium's ``crypto_box_seal`` (X25519, BLAKE2b, XSalsa20-Poly1305), so that a partner
in any language has it. Keys travel as hex. Pure: the one-time key's chance is an argument.
"""

from __future__ import annotations

import base64
from binascii import Error as Base64Error
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from typing import Annotated, Any, Literal

from nacl.bindings import crypto_box, crypto_box_NONCEBYTES, crypto_box_seal_open, crypto_scalarmult_base
from nacl.exceptions import CryptoError
from pydantic import Field, TypeAdapter

from takt_sdk.codec import adapter_of, decode, encode
from takt_sdk.errors import BusPayloadError, TaktError
from takt_sdk.model.messages import DeclineCall
from takt_sdk.model.sealed import SEALED_SIZES, SealedSheet
from takt_sdk.model.sheet import BidSheet
from takt_sdk.model.values import check_id, check_int, check_participant_id

KEY_BYTES = 32


class SealError(TaktError):
    """A ciphertext is not for this key, or was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedAnswer:
    """What is inside a sealed sheet: the answer, bound to its market, round, sender and sequence.

    One that is copied into another's envelope, or into another round, is refused when it is opened.
    """

    kind: Literal["takt.sealed_answer.v1"] = "takt.sealed_answer.v1"
    market: str
    round_id: str
    sender: str
    sequence: int
    answer: Annotated[BidSheet | DeclineCall, Field(discriminator="kind")]

    def __post_init__(self) -> None:
        check_participant_id("market", self.market)
        check_id("round_id", self.round_id)
        check_participant_id("sender", self.sender)
        check_int("sequence", self.sequence, 0, 2**53 - 1)


def public_key(private_key: str) -> str:
    """Return the public half (hex) of a private X25519 key (hex).

    Raises
    ------
    SealError
        If it is not 32 bytes in hex.
    """
    return crypto_scalarmult_base(_key(private_key)).hex()


def seal(answer: SealedAnswer, key: str, *, least: int, one_time: bytes) -> SealedSheet:
    """Encrypt an answer to the public ``key`` of its round.

    ``least`` is the size that the call asks for; ``one_time`` are 32 bytes that nobody else may know or
    guess, used for this answer only.

    Raises
    ------
    BusPayloadError
        If the answer is larger than the largest size.
    SealError
        If ``key`` is none.
    """
    text = encode(answer)
    size = next((size for size in SEALED_SIZES if size >= max(len(text), least)), None)
    if size is None:
        raise BusPayloadError(len(text), SEALED_SIZES[-1])
    one_time_public, public = crypto_scalarmult_base(one_time), _key(key)
    nonce = blake2b(one_time_public + public, digest_size=crypto_box_NONCEBYTES).digest()
    box = one_time_public + crypto_box(text.ljust(size), nonce, public, one_time)
    return SealedSheet(round_id=answer.round_id, ciphertext=base64.b64encode(box).decode())


def unseal(sheet: SealedSheet, private_key: str) -> bytes:
    """Return what is inside, with its padding.

    Raises
    ------
    SealError
        If the key does not open it.
    """
    secret = _key(private_key)
    try:
        box = base64.b64decode(sheet.ciphertext, validate=True)
        return crypto_box_seal_open(box, crypto_scalarmult_base(secret), secret)
    except (CryptoError, Base64Error) as error:
        raise SealError(f"ciphertext for {sheet.round_id} does not open with the round's key") from error


def read_answer(plaintext: bytes) -> SealedAnswer:
    """Return the answer in a plaintext; raises `DecodeError` naming the first wrong field."""
    answer: SealedAnswer = decode(_answer(), plaintext)
    return answer


@cache
def _answer() -> TypeAdapter[Any]:
    return adapter_of(SealedAnswer)


def _key(text: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError as error:
        raise SealError(f"a key must be hex; was {text[:8]!r}...") from error
    if len(key) != KEY_BYTES:
        raise SealError(f"a key must have {KEY_BYTES} bytes; was {len(key)}")
    return key
