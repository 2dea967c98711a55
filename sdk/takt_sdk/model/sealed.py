"""What a sealed answer looks like from outside: a ciphertext in one of a few sizes. Encrypts nothing.

The size of an answer must tell nothing: everybody called for the same lots pads to the same size,
whether it bids or declines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from takt_sdk.model.errors import InvalidChoiceError, InvalidIdError
from takt_sdk.model.values import check_id

SEALED_SIZES: tuple[int, ...] = (4_096, 16_384, 65_536, 262_144, 720_896)
"""Bytes that a padded answer may have; the largest still fits into one message."""

SEAL_OVERHEAD = 48
"""Bytes that the sealed box adds: the sender's one-time key and the authenticator."""

_FIXED_BYTES = 1_024
_BYTES_PER_LOT = 1_024
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}", re.ASCII)


def smallest_size(lots: int) -> int:
    """Return the least that an answer to a call of so many lots is padded to.

    It leaves room for a few alternatives per lot, so that nearly all answers have this very size.
    """
    wanted = _FIXED_BYTES + _BYTES_PER_LOT * lots
    return next((size for size in SEALED_SIZES if size >= wanted), SEALED_SIZES[-1])


def base64_size(size: int) -> int:
    """Return the characters of the ciphertext of ``size`` padded bytes."""
    return -(-(size + SEAL_OVERHEAD) // 3) * 4


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedSheet:
    """A whole answer to a call, bid sheet or refusal, that nobody can read before the round has closed.

    ``ciphertext`` is a sealed box (X25519, XSalsa20-Poly1305) to the round's key, in base64. Inside is a
    ``takt.sealed_answer.v1``, padded with spaces to one of `SEALED_SIZES`.
    """

    kind: Literal["takt.sealed_sheet.v1"] = "takt.sealed_sheet.v1"
    round_id: str
    ciphertext: str

    def __post_init__(self) -> None:
        check_id("round_id", self.round_id)
        text = self.ciphertext
        if len(text) % 4 or _BASE64.fullmatch(text) is None:
            raise InvalidIdError("ciphertext", text[:40], "base64 with its padding")
        if self.size not in SEALED_SIZES:
            detail = f"a sealed answer of {', '.join(map(str, SEALED_SIZES))} bytes"
            raise InvalidChoiceError("ciphertext", f"{self.size} bytes", detail)

    @property
    def size(self) -> int:
        """Padded bytes inside."""
        return len(self.ciphertext) // 4 * 3 - self.ciphertext[-2:].count("=") - SEAL_OVERHEAD
