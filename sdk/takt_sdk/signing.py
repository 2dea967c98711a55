r"""Signatures: Ed25519 with nkeys over exact bytes, each kind of statement under a domain of its own.

A message is signed over ``takt.v1\n`` ‖ subject ‖ ``\n`` ‖ body, so that a signature for one market,
channel or participant says nothing on another. A tree head is signed over `head_bytes`. Holds keys of
its own side only; decides nothing.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from functools import lru_cache

import nkeys
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from takt_sdk.model.errors import InvalidKeyError
from takt_sdk.model.keys import key_bytes
from takt_sdk.nats.subjects import subject

SIGNATURE_HEADER = "Takt-Signature"
"""Base64url without padding, of the 64 bytes."""
KEY_HEADER = "Takt-Key"
"""The public nkey that verifies the signature."""

MESSAGE_DOMAIN = b"takt.v1\n"
HEAD_DOMAIN = b"takt.head.v1\n"
SIGNATURE_BYTES = 64
SEED_BYTES = 32
_KNOWN_KEYS = 10_000


class SeedError(ValueError):
    """Text is not the seed of an nkey; the text itself is never shown."""


class Signer:
    """Signs with one key. ``seed`` is an nkey seed (``SU…`` or ``SA…``); it stays in here."""

    def __init__(self, seed: str) -> None:
        try:
            self._pair = nkeys.from_seed(bytearray(seed.encode()))
            self.key: str = self._pair.public_key.decode()
        except Exception:  # noqa: BLE001 - nkeys raises its own errors and binascii's; none may show the seed
            raise SeedError("the seed of an nkey must begin with SU or SA, 58 characters") from None

    def __repr__(self) -> str:
        return f"Signer({self.key})"

    def sign(self, data: bytes) -> bytes:
        """Return the 64 bytes of the signature."""
        signature: bytes = self._pair.sign(data)
        return signature

    def headers(
        self, market: str, channel: str, participant: str, body: bytes
    ) -> tuple[tuple[str, str], ...]:
        """Return the headers that a request carries."""
        signature = self.sign(message_bytes(market, channel, participant, body))
        return ((SIGNATURE_HEADER, to_text(signature)), (KEY_HEADER, self.key))


def user_seed(secret: bytes) -> str:
    """Return the nkey seed (``SU…``) made of 32 secret bytes."""
    seed: bytes = nkeys.encode_seed(secret, nkeys.PREFIX_BYTE_USER)
    return seed.decode()


def account_seed(secret: bytes) -> str:
    """Return the nkey seed (``SA…``) made of 32 secret bytes: a market's own."""
    seed: bytes = nkeys.encode_seed(secret, nkeys.PREFIX_BYTE_ACCOUNT)
    return seed.decode()


def message_bytes(market: str, channel: str, participant: str, body: bytes) -> bytes:
    """Return what the signature of a participant's message is over."""
    return b"".join((MESSAGE_DOMAIN, subject(market, channel, participant).encode(), b"\n", body))


def head_bytes(market: str, size: int, root: bytes, at_us: int) -> bytes:
    """Return what the market signs of a tree head: four lines of text after the domain."""
    return HEAD_DOMAIN + f"{market}\n{size}\n{root.hex()}\n{at_us}\n".encode()


def is_signed(key: str, signature: bytes, data: bytes) -> bool:
    """Return whether ``signature`` is that of ``key`` over ``data``; False for anything malformed."""
    if len(signature) != SIGNATURE_BYTES:
        return False
    try:
        _verifier(key).verify(data, signature)
    except (BadSignatureError, InvalidKeyError):
        return False
    return True


@lru_cache(maxsize=_KNOWN_KEYS)
def _verifier(key: str) -> VerifyKey:
    return VerifyKey(key_bytes(key))


def to_text(data: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def from_text(text: str) -> bytes:
    """Return the bytes of base64url with or without padding, empty for anything malformed."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""


def signature_of(headers: Iterable[tuple[str, str]]) -> tuple[str, bytes]:
    """Return the key and the signature that a request carries, each empty where its header is missing."""
    found = {name.lower(): value for name, value in headers}
    return found.get(KEY_HEADER.lower(), ""), from_text(found.get(SIGNATURE_HEADER.lower(), ""))
