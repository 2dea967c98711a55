"""Seeded streams: every draw of a scenario comes from a stream that is named by what it is for.

A new draw in one place moves nothing elsewhere. Nothing ambient: the same seed and names give the
same numbers in any process and on any platform.
"""

from __future__ import annotations

import hashlib
import math
import random


def stream(seed: int, concern: str, name: str = "") -> random.Random:
    """Return the stream of one concern (``rate``) and one thing (``cologne-mill/milling``)."""
    digest = hashlib.sha256(f"{seed}\n{concern}\n{name}".encode()).digest()
    return random.Random(int.from_bytes(digest, "big"))


def triangular(rng: random.Random, low: int, typical: int, high: int) -> int:
    """Return an integer from the triangular distribution on ``[low, high]`` with mode ``typical``."""
    return min(high, max(low, math.floor(rng.triangular(low, high, typical) + 0.5)))
