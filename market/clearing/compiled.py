"""What compiled code shares: how it names arrays, and its stream of chance.

Compiled with numba; a function of its arguments.
"""

# mypy: disable-error-code="no-any-return,return-value"
from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

_U = np.uint64
Array = Any  # numba types arrays itself; their dtypes are in the docstrings


@njit(cache=True, nogil=True, inline="always")
def draw(state: Array) -> int:
    """Advance a xorshift64* generator; return 53 random bits."""
    x = state[0]
    x ^= x >> _U(12)
    x ^= x << _U(25)
    x ^= x >> _U(27)
    state[0] = x
    return np.int64((x * _U(0x2545F4914F6CDD1D)) >> _U(11))


@njit(cache=True, nogil=True, inline="always")
def uniform(state: Array) -> float:
    """Return a number from 0 up to 1."""
    return draw(state) * (1.0 / 9007199254740992.0)
