"""Order equals by a keyed lottery: hash(seed, id), independent of input order.

BLAKE2b keyed by the seed; nobody who does not know the seed can choose an id that wins.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from market.clearing.problem import Ints


def lottery(seed: int, ids: Sequence[str]) -> Ints:
    """Return a rank per id, a permutation of 0…n-1 drawn by the keyed hash; ties by id."""
    return np.argsort(np.argsort(keys(seed, ids), kind="stable"), kind="stable")


def keys(seed: int, ids: Sequence[str]) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """Return a 64-bit key per id."""
    key = seed.to_bytes(8, "big")
    root = blake2b(digest_size=8, key=key)
    raw = bytearray()
    for name in ids:
        one = root.copy()
        one.update(name.encode())
        raw += one.digest()
    return np.frombuffer(bytes(raw), dtype=np.uint64)
