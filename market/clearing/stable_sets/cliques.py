"""Maximal cliques of a conflict graph: the market's own, grown, and those that a point violates.

Compiled, greedy, a function of the arguments.
"""

# mypy: disable-error-code="no-any-return,return-value"
from __future__ import annotations

import numpy as np
from numba import njit

from market.clearing.compiled import Array

_U = np.uint64
VIOLATED = 1e-3
"""A clique is cut off where it is exceeded by so much."""

STARTS = 2
"""Cliques grown from every fractional vertex: by its neighbours' fractions, and by worth besides."""


@njit(cache=True, nogil=True, inline="always")
def _has(bits: Array, v: int) -> bool:
    return (bits[v >> 6] >> _U(v & 63)) & _U(1) != _U(0)


@njit(cache=True, nogil=True)
def _grow(adjacent: Array, common: Array, sequence: Array, clique: Array, size: int) -> int:
    """Add vertices in sequence that conflict with all members; return the new size."""
    for v in sequence:
        if _has(common, v):
            clique[size] = v
            size += 1
            for i in range(common.size):
                common[i] &= adjacent[v, i]
    return size


@njit(cache=True, nogil=True)
def _with(out: Array, end: int, clique: Array) -> Array:
    """Return the members with a clique's, sorted, after the first ``end``; a longer list if need be."""
    if end + clique.size > out.size:
        longer = np.empty(2 * (end + clique.size), np.int64)
        longer[:end] = out[:end]
        out = longer
    out[end : end + clique.size] = np.sort(clique)
    return out


@njit(cache=True, nogil=True)
def grown(adjacent: Array, ptr: Array, member: Array, sequence: Array) -> tuple[Array, Array]:
    """Return the given cliques, made maximal by adding vertices in sequence; pairs in others left out."""
    n, words = adjacent.shape
    covered = np.zeros((n, words), np.uint64)
    out_ptr = np.zeros(ptr.size, np.int64)
    out = np.empty(max(16, 2 * member.size), np.int64)
    clique, common = np.empty(n, np.int64), np.empty(words, np.uint64)
    end = 0
    for k in range(ptr.size - 1):
        size = ptr[k + 1] - ptr[k]
        out_ptr[k + 1] = end
        if size == 2 and _has(covered[member[ptr[k]]], member[ptr[k] + 1]):  # noqa: PLR2004  a pair
            continue
        common[:] = ~_U(0)
        for t in range(size):
            v = member[ptr[k] + t]
            clique[t] = v
            for i in range(words):
                common[i] &= adjacent[v, i]
        size = _grow(adjacent, common, sequence, clique, size)
        out = _with(out, end, clique[:size])
        end += size
        out_ptr[k + 1] = end
        for t in range(size):
            for u in clique[:size]:
                covered[clique[t], u >> 6] |= _U(1) << _U(u & 63)
    kept = np.flatnonzero(out_ptr[1:] > out_ptr[:-1])
    return np.append(np.zeros(1, np.int64), out_ptr[1:][kept]), out[:end].copy()


@njit(cache=True, nogil=True)
def violated(
    adjacent: Array, x: Array, fractional: Array, ranked: Array, sequence: Array
) -> tuple[Array, Array]:
    """Return maximal cliques over which ``x`` sums to more than 1.

    ``fractional`` starts them; each row of ``ranked`` is a sequence of the vertices with positive ``x``.
    """
    n, words = adjacent.shape
    out_ptr = np.zeros(fractional.size * ranked.shape[0] + 1, np.int64)
    out = np.empty(1024, np.int64)
    clique, common = np.empty(n, np.int64), np.empty(words, np.uint64)
    end, count = 0, 0
    for v in fractional:
        for way in range(ranked.shape[0]):
            clique[0] = v
            common[:] = adjacent[v]
            size = _grow(adjacent, common, ranked[way], clique, 1)
            total = 0.0
            for t in range(size):
                total += x[clique[t]]
            if total <= 1.0 + VIOLATED:
                continue
            size = _grow(adjacent, common, sequence, clique, size)
            out = _with(out, end, clique[:size])
            end += size
            count += 1
            out_ptr[count] = end
    return out_ptr[: count + 1].copy(), out[:end].copy()
