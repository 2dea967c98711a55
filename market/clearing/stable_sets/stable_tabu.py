"""Tabu search for heavy stable sets of a conflict graph: force a vertex in, eject what it conflicts with.

Where sets are large and weights alike this finds in a second what branching does not reach; where few
large vertices win, branching is better. Compiled; a function of its arguments.
"""

# mypy: disable-error-code="no-any-return,return-value"
from __future__ import annotations

import numpy as np
from numba import njit

from market.clearing.compiled import Array, draw
from market.clearing.stable_sets.stable_set import lowest

_U = np.uint64
TENURES = (7, 7, 20, 60, 150)
"""For how many moves, and up to `JITTER` more, an ejected vertex stays out; one after the other."""

JITTER = 10
PATIENCE = 10_000
"""Moves without a heavier set after which a climb ends."""

SHUFFLED = 3
"""One vertex in so many stays out for a while at the start of a climb."""


@njit(cache=True, nogil=True)
def _add(adjacent: Array, v: int, amount: int, loss: Array) -> None:
    """Add to what forcing in any neighbour of a vertex loses."""
    for i in range(adjacent.shape[1]):
        word = adjacent[v, i]
        while word != _U(0):
            loss[(i << 6) + lowest(word)] += amount
            word &= word - _U(1)


@njit(cache=True, nogil=True)
def _eject(
    adjacent: Array, weight: Array, v: int, inside: Array, loss: Array, until: Array, free: int, chance: Array
) -> None:
    """Take out what a vertex conflicts with; it stays out until a little after move ``free``."""
    for i in range(adjacent.shape[1]):
        word = adjacent[v, i]
        while word != _U(0):
            u = (i << 6) + lowest(word)
            word &= word - _U(1)
            if inside[u]:
                inside[u] = False
                until[u] = free + draw(chance) % JITTER
                _add(adjacent, u, -weight[u], loss)


@njit(cache=True, nogil=True)
def climb(
    adjacent: Array, weight: Array, start: Array, tenure: int, most_moves: int, seed: int, best: Array
) -> tuple[int, int, int]:
    """Return the weight of the heaviest set met, its number of vertices (in ``best``), and the moves made.

    ``start`` flags the set to begin at. Every move forces in the vertex that gains most, or loses least,
    unless it was ejected lately and makes no heavier set; ties by chance, from ``seed`` (not 0).
    """
    n = weight.size
    chance = np.array([seed], np.uint64)
    inside = start.copy()
    loss, until, tied = np.zeros(n, np.int64), np.zeros(n, np.int64), np.empty(n, np.int64)
    worth, size, last, move = 0, 0, 0, 0
    for v in range(n):
        if inside[v]:
            worth += weight[v]
            best[size] = v
            size += 1
            _add(adjacent, v, weight[v], loss)
        elif draw(chance) % SHUFFLED == 0:
            until[v] = draw(chance) % (4 * JITTER)
    top = worth
    while move < most_moves and move - last < PATIENCE:
        move += 1
        gain, ties = -(1 << 62), 0
        for v in range(n):
            if inside[v]:
                continue
            more = weight[v] - loss[v]
            if more < gain or (until[v] > move and worth + more <= top):
                continue
            if more > gain:
                gain, ties = more, 0
            tied[ties] = v
            ties += 1
        if ties == 0:
            continue
        v = tied[draw(chance) % ties]
        _eject(adjacent, weight, v, inside, loss, until, move + tenure, chance)
        inside[v] = True
        _add(adjacent, v, weight[v], loss)
        worth += gain
        if worth > top:
            top, last, size = worth, move, 0
            for u in range(n):
                if inside[u]:
                    best[size] = u
                    size += 1
    return top, size, move
