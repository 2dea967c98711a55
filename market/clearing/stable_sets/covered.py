"""Enumerate stable sets of a conflict graph under clique covers: no prices, a microsecond a node.

What is left of a node is covered by cliques whose weights add up to a bound (weights are split between
cliques); vertices covered before the bound exceeds the room need no branch. On dense graphs, where few
vertices fit together, this ends long before prices pay. Compiled; a function of its arguments.
"""

# mypy: disable-error-code="no-any-return,return-value"
from __future__ import annotations

import numpy as np
from numba import njit

from market.clearing.compiled import Array
from market.clearing.stable_sets.stable_set import lowest

_U = np.uint64


@njit(cache=True, nogil=True)
def _cover(
    adjacent: Array, weight: Array, left: Array, room: int, rest: Array, member: Array, common: Array
) -> None:
    """Cover vertices by cliques while their weights stay within the room; leave the others in ``left``."""
    words = left.size
    for i in range(words):
        word = left[i]
        while word != _U(0):
            v = (i << 6) + lowest(word)
            word &= word - _U(1)
            rest[v] = weight[v]
    bound, at = 0, 0
    while at < words:
        if left[at] == _U(0):
            at += 1
            continue
        v = (at << 6) + lowest(left[at])
        member[0] = v
        size, least = 1, rest[v]
        for i in range(words):
            common[i] = left[i] & adjacent[v, i]
        i = at
        while i < words:
            if common[i] == _U(0):
                i += 1
                continue
            u = (i << 6) + lowest(common[i])
            member[size] = u
            size += 1
            least = min(least, rest[u])
            for q in range(i, words):
                common[q] &= adjacent[u, q]
        if bound + least > room:
            return
        bound += least
        for t in range(size):
            u = member[t]
            rest[u] -= least
            if rest[u] == 0:
                left[u >> 6] &= ~(_U(1) << _U(u & 63))


@njit(cache=True, nogil=True)
def enumerated(
    adjacent: Array, weight: Array, floor: int, most_nodes: int, best: Array
) -> tuple[int, int, int]:
    """Return the best weight above ``floor`` (or ``floor``), its number of vertices, and the nodes visited.

    Up to ``most_nodes``: then no set is heavier. Vertices should stand by falling weight.
    """
    n, words = adjacent.shape
    alive = np.zeros((n + 2, words), np.uint64)
    branch = np.empty((n + 2, n), np.int32)
    open_ = np.zeros(n + 2, np.int64)
    worth, pick = np.zeros(n + 2, np.int64), np.zeros(n + 2, np.int64)
    left, common = np.empty(words, np.uint64), np.empty(words, np.uint64)
    rest, member = np.empty(n, np.int64), np.empty(n, np.int64)
    for v in range(n):
        alive[0, v >> 6] |= _U(1) << _U(v & 63)
    top, size, nodes, d, fresh = floor, 0, 0, 0, True
    while d >= 0:
        if fresh:
            fresh = False
            nodes += 1
            if nodes > most_nodes:
                return top, size, nodes
            if worth[d] > top:
                top, size = worth[d], d
                best[:d] = pick[:d]
            left[:] = alive[d]
            _cover(adjacent, weight, left, top - worth[d], rest, member, common)
            open_[d] = 0
            for i in range(words):
                word = left[i]
                while word != _U(0):
                    branch[d, open_[d]] = (i << 6) + lowest(word)
                    word &= word - _U(1)
                    open_[d] += 1
                alive[d, i] &= ~left[i]
        if open_[d] == 0:
            d -= 1
            continue
        open_[d] -= 1
        v = int(branch[d, open_[d]])
        for i in range(words):
            alive[d + 1, i] = alive[d, i] & ~adjacent[v, i]
        alive[d, v >> 6] |= _U(1) << _U(v & 63)
        pick[d] = v
        worth[d + 1] = worth[d] + weight[v]
        d += 1
        fresh = True
    return top, size, nodes
