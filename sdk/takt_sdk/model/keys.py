"""Public keys as text: Ed25519 keys in the nkey encoding of NATS. Standard library only; verifies nothing.

An nkey is base32 of one prefix byte, the 32 bytes of the key and a CRC-16, so a typing error shows.
"""

from __future__ import annotations

import base64
import binascii
import re

from takt_sdk.model.errors import InvalidKeyError

KEY_BYTES = 32
_PREFIXES = {"A": 0, "U": 20 << 3}
"""First letter of an account's and of a user's key, and the prefix byte that gives it."""
_TEXT = re.compile(r"[AU][A-Z2-7]{55}", re.ASCII)


def check_key(field: str, value: object) -> None:
    """Refuse what is not the public nkey of a user or an account."""
    key_bytes(value, field)


def key_bytes(key: object, field: str = "key") -> bytes:
    """Return the 32 bytes of a public nkey; raises `InvalidKeyError`."""
    if not isinstance(key, str) or _TEXT.fullmatch(key) is None:
        raise InvalidKeyError(field, key, "56 characters of base32 that begin with U or A")
    raw = base64.b32decode(key)
    if binascii.crc_hqx(raw[:-2], 0) != int.from_bytes(raw[-2:], "little"):
        raise InvalidKeyError(field, key, "its checksum does not fit")
    if raw[0] != _PREFIXES[key[0]]:
        raise InvalidKeyError(field, key, "the key of a user (U) or an account (A)")
    return raw[1:-2]
