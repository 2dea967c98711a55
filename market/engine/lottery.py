"""The lottery of a round: what a call commits to, and the seed that follows from the secret. Pure.

In a live market the seed also depends on the hash of the close entry, so that nobody, the market
included, can choose it.
"""

from __future__ import annotations

from hashlib import sha256

SEED_BITS = 53


def commitment(secret: str) -> str:
    """Return the SHA-256 (hex) that a call commits to; ``secret`` is hex."""
    return sha256(b"takt.seed.v1\n" + secret.encode()).hexdigest()


def seed_of(secret: str, close_leaf: bytes) -> int:
    """Return the seed of a round, below 2^53; ``close_leaf`` is empty in a scenario."""
    digest = sha256(b"takt.lottery.v1\n" + bytes.fromhex(secret) + close_leaf).digest()
    return int.from_bytes(digest) >> (256 - SEED_BITS)
