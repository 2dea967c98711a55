"""Branch and bound for the heaviest stable set of a conflict graph, bounded by priced cliques.

One *block* (a clique) holds every vertex; the other cliques are priced. At any prices the best vertex of
every block, prices paid, plus the prices themselves bound what is left; a node improves its parent's prices
by smoothed subgradient steps towards the incumbent's worth, excludes vertices that the bound excludes,
rounds, and branches on a vertex: taken first, then left out. Compiled on flat arrays, releases the GIL;
a function of its arguments.
"""

# mypy: disable-error-code="no-any-return,return-value"
from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from market.clearing.compiled import Array

_U = np.uint64
STEPS = 60
"""Steps per node: more bound better and take longer."""

FRESH = 0.05
"""Weight of the newest subgradient in the direction and of the newest picks in the fractions."""

NEAR = 0.05
"""The first step aims at the target where no more than this share of its worth is missing, else before it."""

SHORTEST = 0.3
"""A first step goes at least so far towards the target: one that is far is not reached at once."""

PATIENCE = 6
"""Steps without a better bound before steps are cut; better by more than `NEWS` of what is missing."""

NEWS = 1e-4
CUT = 0.6
ROUNDING = 1e-6
LITTLE = 0.01
"""So that vertices never picked are branched on last, not never."""


class Graph(NamedTuple):
    """Adjacency bits, weights, each vertex's priced cliques (CSR) and its block."""

    adjacent: Array
    weight: Array
    ptr: Array
    clique: Array
    block: Array


class Stack(NamedTuple):
    """Open nodes of one branch: vertices left (bits), prices, worth taken, bound, vertex taken to get here.

    ``depth[0]`` levels are in use.
    """

    alive: Array
    price: Array
    worth: Array
    bound: Array
    taken: Array
    depth: Array


class Best(NamedTuple):
    """The worth to beat and that of the best set rounded to; its vertices beyond the branch's own."""

    worth: Array
    vertex: Array
    size: Array


class Node(NamedTuple):
    """One node's vertices and priced cliques, renumbered, and its working arrays."""

    vertex: Array
    ptr: Array
    clique: Array
    number: Array
    seen: Array
    price: Array
    best_price: Array
    slope: Array
    smooth: Array
    margin: Array
    fraction: Array
    top: Array
    first: Array
    touched: Array


@njit(cache=True, nogil=True)
def new_node(g: Graph, cliques: int) -> Node:
    """Return working arrays for the nodes of a graph."""
    n = g.weight.size
    return Node(
        np.empty(n, np.int64),
        np.empty(n + 1, np.int64),
        np.empty(g.clique.size, np.int64),
        np.empty(cliques, np.int64),
        np.zeros(cliques, np.int64),
        np.empty(cliques),
        np.empty(cliques),
        np.empty(cliques),
        np.empty(cliques),
        np.empty(n),
        np.empty(n),
        np.zeros(n),
        np.full(n, -1, np.int64),
        np.empty(max(n, cliques), np.int64),
    )


@njit(cache=True, nogil=True)
def lowest(word: np.uint64) -> int:
    """Return the number of the lowest bit that is set."""
    at = 0
    if word & _U(0xFFFFFFFF) == _U(0):
        at += 32
        word >>= _U(32)
    if word & _U(0xFFFF) == _U(0):
        at += 16
        word >>= _U(16)
    if word & _U(0xFF) == _U(0):
        at += 8
        word >>= _U(8)
    if word & _U(0xF) == _U(0):
        at += 4
        word >>= _U(4)
    if word & _U(3) == _U(0):
        at += 2
        word >>= _U(2)
    if word & _U(1) == _U(0):
        at += 1
    return at


@njit(cache=True, nogil=True)
def enter(g: Graph, alive: Array, price: Array, node: Node) -> tuple[int, int]:
    """List the vertices left and the cliques with two and more of them; return how many of both."""
    count, listed = 0, 0
    for i in range(alive.size):
        word = alive[i]
        while word != _U(0):
            v = (i << 6) + lowest(word)
            word &= word - _U(1)
            node.vertex[count] = v
            count += 1
            for q in range(g.ptr[v], g.ptr[v + 1]):
                c = g.clique[q]
                if node.seen[c] == 0:
                    node.touched[listed] = c
                    listed += 1
                node.seen[c] += 1
    cliques = 0
    for t in range(listed):
        c = node.touched[t]
        node.number[c] = -1
        if node.seen[c] > 1:
            node.number[c] = cliques
            node.price[cliques] = price[c]
            node.best_price[cliques] = price[c]
            cliques += 1
        price[c] = 0.0
        node.seen[c] = 0
    end = 0
    for a in range(count):
        node.ptr[a] = end
        v = node.vertex[a]
        for q in range(g.ptr[v], g.ptr[v + 1]):
            c = node.number[g.clique[q]]
            if c >= 0:
                node.clique[end] = c
                end += 1
    node.ptr[count] = end
    return count, cliques


@njit(cache=True, nogil=True)
def _margins(g: Graph, node: Node, price: Array, count: int) -> int:
    """Set each vertex's weight less its prices and the best of every block; return how many blocks earn."""
    earning = 0
    for a in range(count):
        v = node.vertex[a]
        left = float(g.weight[v])
        for q in range(node.ptr[a], node.ptr[a + 1]):
            left -= price[node.clique[q]]
        node.margin[a] = left
        b = g.block[v]
        if left > node.top[b]:
            if node.first[b] < 0:
                node.touched[earning] = b
                earning += 1
            node.top[b] = left
            node.first[b] = a
    return earning


@njit(cache=True, nogil=True)
def descend(
    g: Graph, node: Node, count: int, cliques: int, target: float, steps: int, factor: float
) -> tuple[float, int]:
    """Improve prices until the bound is below the target or the steps are used; return bound and steps.

    ``factor`` is the length of the first step as a share of the way to the target.
    """
    best, stall, fresh = 1e300, 0, 1.0
    node.fraction[:count] = 0.0
    for step in range(steps):
        node.slope[:cliques] = 1.0
        bound = 0.0
        for c in range(cliques):
            bound += node.price[c]
        earning = _margins(g, node, node.price, count)
        for a in range(count):
            node.fraction[a] *= 1.0 - fresh
        for t in range(earning):
            b = node.touched[t]
            bound += node.top[b]
            a = node.first[b]
            node.fraction[a] += fresh
            for q in range(node.ptr[a], node.ptr[a + 1]):
                node.slope[node.clique[q]] -= 1.0
            node.top[b] = 0.0
            node.first[b] = -1
        if bound < best:
            if best - bound > NEWS * abs(best - target):
                stall = 0
            best = bound
            node.best_price[:cliques] = node.price[:cliques]
        else:
            stall += 1
            if stall >= PATIENCE:
                stall = 0
                factor *= CUT
        if bound < target:
            return bound, step + 1
        square = 0.0
        for c in range(cliques):
            if step == 0:
                node.smooth[c] = 0.0
            node.smooth[c] += fresh * (node.slope[c] - node.smooth[c])
            if node.best_price[c] > 0.0 or node.smooth[c] <= 0.0:
                square += node.smooth[c] * node.smooth[c]
        fresh = FRESH
        if square < ROUNDING:
            return best, step + 1
        length = factor * (bound - target + 1.0) / square
        for c in range(cliques):
            node.price[c] = max(0.0, node.best_price[c] - length * node.smooth[c])
    return best, steps


@njit(cache=True, nogil=True)
def _rivals(g: Graph, v: int, alive: Array) -> int:
    """Return how many of the vertices left a vertex conflicts with."""
    total = 0
    for i in range(alive.size):
        word = alive[i] & g.adjacent[v, i]
        word = word - ((word >> _U(1)) & _U(0x5555555555555555))
        word = (word & _U(0x3333333333333333)) + ((word >> _U(2)) & _U(0x3333333333333333))
        word = (word + (word >> _U(4))) & _U(0x0F0F0F0F0F0F0F0F)
        total += int((word * _U(0x0101010101010101)) >> _U(56))
    return total


@njit(cache=True, nogil=True)
def _exclude(g: Graph, node: Node, count: int, room: float, alive: Array) -> int:
    """Drop vertices whose picking takes the bound below the target; return the one to branch on, or -1.

    That is undecided, heavy, and shuts out many.
    """
    _margins(g, node, node.best_price, count)
    pick, score = -1, -1.0
    for a in range(count):
        v = node.vertex[a]
        if node.margin[a] - node.top[g.block[v]] < -room:
            alive[v >> 6] &= ~(_U(1) << _U(v & 63))
            node.fraction[a] = -1.0
            continue
        x = node.fraction[a]
        spread = (x + LITTLE) * (1.0 + LITTLE - x)
        value = spread * g.weight[v] * _rivals(g, v, alive)
        if value > score:
            pick, score = v, value
    for a in range(count):
        node.top[g.block[node.vertex[a]]] = 0.0
        node.first[g.block[node.vertex[a]]] = -1
    return pick


@njit(cache=True, nogil=True)
def _round(g: Graph, node: Node, count: int, s: Stack, d: int, best: Best, free: Array) -> None:
    """Take vertices by falling fraction; keep the set if it is the best so far."""
    sequence = np.argsort(-node.fraction[:count])
    free[:] = s.alive[d]
    worth, size = s.worth[d], d
    for a in sequence:
        v = node.vertex[a]
        if (free[v >> 6] >> _U(v & 63)) & _U(1) != _U(0):
            worth += g.weight[v]
            node.touched[size] = v
            size += 1
            free[v >> 6] &= ~(_U(1) << _U(v & 63))
            for i in range(free.size):
                free[i] &= ~g.adjacent[v, i]
    best.worth[0] = max(best.worth[0], worth)
    if worth > best.worth[1]:
        best.worth[1] = worth
        best.vertex[:d] = s.taken[1 : d + 1]
        best.vertex[d:size] = node.touched[d:size]
        best.size[0] = size


@njit(cache=True, nogil=True)
def branch(g: Graph, s: Stack, best: Best, budget: int, first_steps: int) -> int:
    """Search the branch until it is done, the budget of steps is used or the stack is full; return the steps.

    What is left stands in the stack, its bounds with it. The first node gets ``first_steps`` steps.
    """
    node = new_node(g, s.price.shape[1])
    free = np.empty(g.adjacent.shape[1], np.uint64)
    used = 0
    while 0 < s.depth[0] < s.worth.size and used < budget:
        d = s.depth[0] - 1
        target = float(best.worth[0] + 1 - s.worth[d])
        target -= ROUNDING + 1e-12 * abs(float(best.worth[0]))
        if s.bound[d] < s.worth[d] + target:
            s.depth[0] -= 1
            continue
        count, cliques = enter(g, s.alive[d], s.price[d], node)
        steps = STEPS if used > 0 else first_steps
        missing = (s.bound[d] - best.worth[0]) / max(1.0, float(best.worth[0]))
        factor = max(SHORTEST, min(1.0, NEAR / max(missing, ROUNDING)))
        bound, done = descend(g, node, count, cliques, target, steps, factor)
        used += done
        if bound < target:
            s.depth[0] -= 1
            continue
        s.bound[d] = min(s.bound[d], s.worth[d] + bound)
        for a in range(count):
            for q in range(g.ptr[node.vertex[a]], g.ptr[node.vertex[a] + 1]):
                c = g.clique[q]
                if node.number[c] >= 0:
                    s.price[d, c] = node.best_price[node.number[c]]
        v = _exclude(g, node, count, bound - target, s.alive[d])
        _round(g, node, count, s, d, best, free)
        if v < 0:
            s.depth[0] -= 1
            continue
        s.alive[d, v >> 6] &= ~(_U(1) << _U(v & 63))
        s.alive[d + 1] = s.alive[d] & ~g.adjacent[v]
        s.price[d + 1] = s.price[d]
        s.worth[d + 1] = s.worth[d] + g.weight[v]
        s.bound[d + 1] = s.bound[d]
        s.taken[d + 1] = v
        s.depth[0] += 1
    return used
