"""Local search on a packing model: forced insertion with ejection, refill, simulated annealing.

Compiled with numba on flat arrays; releases the GIL. One move forces an item in, ejects what
stands in its way (an ejection chain), re-covers the orders that lost their item and fills what
became free; it is kept or undone by its exact integer gain. Everything is a function of the
arrays, the seed and the iteration count.
"""

# mypy: disable-error-code="no-any-return,return-value"
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

_U = np.uint64
Array = Any  # numba types arrays itself; their dtypes are in the docstrings


COVER_TRIES = 6
EJECT_TRIES = 12
GROUP_EVERY = 20
"""One move in so many opens or closes a priced group."""

GROUP_HEAT = 4.0
"""How much warmer such moves are: openings cost more than bids differ."""

PROMISING_AMONG_GROUPS = 3
"""The same where openings matter: which groups are open decides more than prices do."""

PROMISING = 8
"""How strongly moves favour the most promising items of an order: power of a uniform draw."""

ROUNDING = 1e-6

TRAIL = 16384
WINDOW = 512
STAY = 8
"""Moves go to orders of one window for so many times its size, so that all they touch stays in the cache."""


class Model(NamedTuple):
    """A packing model as flat arrays: items use rows of limited capacity and keep groups open.

    Rows ``0 … blocks - 1`` are orders (capacity 1, use 1): at most one item covers each. Entries are
    (item, row) pairs in item order; ``row_entry`` lists them by row. ``block_item`` lists the items
    of each order, most promising first. ``regret`` says what is lost, roughly, if an item leaves.
    ``near`` lists the orders so that those competing for the same rows stand together.
    """

    item_ptr: Array
    item_row: Array
    item_use: Array
    row_ptr: Array
    row_entry: Array
    capacity: Array
    profit: Array
    regret: Array
    group_ptr: Array
    group: Array
    group_price: Array
    entry_item: Array
    block_ptr: Array
    block_item: Array
    blocks: Array
    must: Array
    member_ptr: Array
    member: Array
    near: Array


class State(NamedTuple):
    """What is in: flags per item, loads, the entries present in each row, items per group."""

    taken: Array
    load: Array
    members: Array
    count: Array
    place: Array
    opened: Array


@njit(cache=True, nogil=True, inline="always")
def _draw(state: Array) -> int:
    """Advance a xorshift64* generator; return 53 random bits."""
    x = state[0]
    x ^= x >> _U(12)
    x ^= x << _U(25)
    x ^= x >> _U(27)
    state[0] = x
    return np.int64((x * _U(0x2545F4914F6CDD1D)) >> _U(11))


@njit(cache=True, nogil=True, inline="always")
def _uniform(state: Array) -> float:
    return _draw(state) * (1.0 / 9007199254740992.0)


@njit(cache=True, nogil=True)
def _insert(j: int, m: Model, s: State) -> int:
    """Put item ``j`` in, whatever it overloads; return the gain."""
    s.taken[j] = 1
    for k in range(m.item_ptr[j], m.item_ptr[j + 1]):
        r = m.item_row[k]
        s.load[r] += m.item_use[k]
        at = m.row_ptr[r] + s.count[r]
        s.members[at] = k
        s.place[k] = at
        s.count[r] += 1
    gain = m.profit[j]
    for k in range(m.group_ptr[j], m.group_ptr[j + 1]):
        g = m.group[k]
        if s.opened[g] == 0:
            gain -= m.group_price[g]
        s.opened[g] += 1
    return gain


@njit(cache=True, nogil=True)
def _remove(j: int, m: Model, s: State) -> int:
    """Take item ``j`` out; return the gain."""
    s.taken[j] = 0
    for k in range(m.item_ptr[j], m.item_ptr[j + 1]):
        r = m.item_row[k]
        s.load[r] -= m.item_use[k]
        s.count[r] -= 1
        last = s.members[m.row_ptr[r] + s.count[r]]
        at = s.place[k]
        s.members[at] = last
        s.place[last] = at
    gain = -m.profit[j]
    for k in range(m.group_ptr[j], m.group_ptr[j + 1]):
        g = m.group[k]
        s.opened[g] -= 1
        if s.opened[g] == 0:
            gain += m.group_price[g]
    return gain


@njit(cache=True, nogil=True, inline="always")
def _fits(j: int, m: Model, s: State) -> bool:
    for k in range(m.item_ptr[j], m.item_ptr[j + 1]):
        if s.load[m.item_row[k]] + m.item_use[k] > m.capacity[m.item_row[k]]:
            return False
    return True


@njit(cache=True, nogil=True, inline="always")
def _opening(j: int, m: Model, s: State) -> int:
    cost = 0
    for k in range(m.group_ptr[j], m.group_ptr[j + 1]):
        if s.opened[m.group[k]] == 0:
            cost += m.group_price[m.group[k]]
    return cost


@njit(cache=True, nogil=True)
def _eject(j: int, m: Model, s: State, state: Array, log: Array, n_log: int) -> tuple[int, int, bool]:
    """Remove items until nothing that ``j`` uses is overloaded; return (gain, log length)."""
    gain = 0
    for k in range(m.item_ptr[j], m.item_ptr[j + 1]):
        r = m.item_row[k]
        while s.load[r] > m.capacity[r]:
            n, base = s.count[r], m.row_ptr[r]
            over = s.load[r] - m.capacity[r]
            pick, score = -1, 1e300
            tries = min(n, 12)
            start = _draw(state) % n
            for t in range(tries):
                kk = s.members[base + (start + t) % n]
                v = m.entry_item[kk]
                if v == j:
                    continue
                use = m.item_use[kk]
                value = m.regret[v] * (0.5 + _uniform(state))
                if use < over:
                    value = (value + 1.0) * (over / use)
                if value < score:
                    pick, score = v, value
            if pick < 0:
                for t in range(n):
                    v = m.entry_item[s.members[base + t]]
                    if v != j:
                        pick = v
                        break
            if pick < 0 or n_log >= log.size - 4:
                return gain, n_log, False
            gain += _remove(pick, m, s)
            log[n_log] = -pick - 1
            n_log += 1
    return gain, n_log, True


@njit(cache=True, nogil=True)
def _cover(b: int, m: Model, s: State, forbidden: int) -> int:
    """Return the fitting item of block ``b`` that gains most, or -1."""
    best, gain = -1, 0
    seen = 0
    for t in range(m.block_ptr[b], m.block_ptr[b + 1]):
        j = m.block_item[t]
        if s.taken[j] or j == forbidden:
            continue
        p = m.profit[j]
        if p <= gain:
            continue
        if _fits(j, m, s):
            p -= _opening(j, m, s)
            if p > gain:
                best, gain = j, p
            seen += 1
            if seen >= COVER_TRIES:
                break
    return best


@njit(cache=True, nogil=True)
def _undo(log: Array, n_log: int, m: Model, s: State) -> None:
    for t in range(n_log - 1, -1, -1):
        if log[t] > 0:
            _remove(log[t] - 1, m, s)
        else:
            _insert(-log[t] - 1, m, s)


@njit(cache=True, nogil=True)
def _refill(
    first: int, n_log: int, m: Model, s: State, state: Array, log: Array, forbidden: int, scan: int
) -> tuple[int, int]:
    """Re-cover blocks of the items removed since ``first``; fill the rows they left."""
    gain = 0
    end = n_log
    for t in range(first, end):
        if log[t] >= 0:
            continue
        v = -log[t] - 1
        for k in range(m.item_ptr[v], m.item_ptr[v + 1]):
            b = m.item_row[k]
            if b >= m.blocks[0] or s.load[b] > 0 or n_log >= log.size - 4:
                continue
            j = _cover(b, m, s, forbidden)
            if j >= 0:
                gain += _insert(j, m, s)
                log[n_log] = j + 1
                n_log += 1
    if scan == 0:
        return gain, n_log
    for t in range(first, end):
        if log[t] >= 0:
            continue
        v = -log[t] - 1
        for k in range(m.item_ptr[v], m.item_ptr[v + 1]):
            r = m.item_row[k]
            if s.load[r] >= m.capacity[r]:
                continue
            size = m.row_ptr[r + 1] - m.row_ptr[r]
            tries = min(scan, size)
            start = _draw(state) % size
            for u in range(tries):
                j = m.entry_item[m.row_entry[m.row_ptr[r] + (start + u) % size]]
                if s.taken[j] == 0 and j != forbidden and m.profit[j] > 0 and _fits(j, m, s):
                    p = m.profit[j] - _opening(j, m, s)
                    if p > 0 and n_log < log.size - 4:
                        gain += _insert(j, m, s)
                        log[n_log] = j + 1
                        n_log += 1
    return gain, n_log


@njit(cache=True, nogil=True)
def _chain(
    m: Model, s: State, state: Array, log: Array, n_log: int, first: int, depth: int
) -> tuple[int, int]:
    """Force cover blocks that must be served and are not, ejecting others up to a depth."""
    gain = 0
    done = first
    for _ in range(depth):
        target = -1
        for t in range(done, n_log):
            if log[t] < 0:
                v = -log[t] - 1
                for k in range(m.item_ptr[v], m.item_ptr[v + 1]):
                    b = m.item_row[k]
                    if b < m.blocks[0] and m.must[b] and s.load[b] == 0:
                        target = b
                        break
            if target >= 0:
                break
        if target < 0:
            return gain, n_log
        size = m.block_ptr[target + 1] - m.block_ptr[target]
        if size == 0:
            return gain, n_log
        u = _uniform(state)
        j = m.block_item[m.block_ptr[target] + int(u * u * min(size, 12))]
        if s.taken[j]:
            return gain, n_log
        mark = n_log
        gain += _insert(j, m, s)
        log[n_log] = j + 1
        n_log += 1
        g, n_log, ok = _eject(j, m, s, state, log, n_log)
        gain += g
        if not ok:
            return gain, n_log
        g, n_log = _refill(mark, n_log, m, s, state, log, j, 0)
        gain += g
    return gain, n_log


@njit(cache=True, nogil=True)
def _close(g: int, m: Model, s: State, state: Array, log: Array) -> tuple[int, int]:
    """Remove every item that keeps group ``g`` open, and re-cover their blocks elsewhere."""
    gain, n_log = 0, 0
    saved = m.group_price[g]
    for t in range(m.member_ptr[g], m.member_ptr[g + 1]):
        j = m.member[t]
        if s.taken[j]:
            if n_log >= log.size - 8:
                return gain, n_log
            gain += _remove(j, m, s)
            log[n_log] = -j - 1
            n_log += 1
    end = n_log
    m.group_price[g] = 1 << 61
    for t in range(end):
        v = -log[t] - 1
        for k in range(m.item_ptr[v], m.item_ptr[v + 1]):
            b = m.item_row[k]
            if b >= m.blocks[0] or s.load[b] > 0 or n_log >= log.size - 4:
                continue
            j = _cover(b, m, s, -1)
            if j >= 0:
                gain += _insert(j, m, s)
                log[n_log] = j + 1
                n_log += 1
    m.group_price[g] = saved
    c, n_log = _chain(m, s, state, log, n_log, 0, 24)
    return gain + c, n_log


@njit(cache=True, nogil=True)
def _open(g: int, m: Model, s: State, state: Array, log: Array) -> tuple[int, int]:
    """Put in every item of a closed group that beats what its order has, where it fits."""
    gain, n_log = 0, 0
    count = m.member_ptr[g + 1] - m.member_ptr[g]
    start = _draw(state) % max(1, count)
    for t in range(count):
        j = m.member[m.member_ptr[g] + (start + t) % count]
        if s.taken[j] or n_log >= log.size - 8:
            continue
        first = m.item_ptr[j]
        b = m.item_row[first]
        if first + 1 < m.item_ptr[j + 1] and m.item_row[first + 1] < m.blocks[0]:
            continue
        rival = -1
        if s.count[b] > 0:
            rival = m.entry_item[s.members[m.row_ptr[b]]]
            if m.profit[j] <= m.profit[rival]:
                continue
            gain += _remove(rival, m, s)
        if _fits(j, m, s):
            if rival >= 0:
                log[n_log] = -rival - 1
                n_log += 1
            gain += _insert(j, m, s)
            log[n_log] = j + 1
            n_log += 1
        elif rival >= 0:
            gain += _insert(rival, m, s)
    return gain, n_log


@njit(cache=True, nogil=True)
def anneal(  # noqa: C901, PLR0912, PLR0915  one kernel
    m: Model,
    s: State,
    best: Array,
    value: Array,
    state: Array,
    heat: float,
    cold: float,
    iterations: int,
    scan: int,
    losses: Array,
) -> int:
    """Run moves with a temperature falling from ``heat`` to ``cold``; return (value, best value).

    ``best`` is overwritten with every item set better than ``value[1]``. ``losses`` takes the sizes
    of the last losing moves (0 where there were fewer).
    """
    lost = 0
    log = np.empty(4096, np.int64)
    # The items touched since ``best`` was right; -1 where it has to be copied whole.
    trail, n_trail = np.empty(TRAIL, np.int64), -1
    current, top = value[0], value[1]
    blocks, groups = m.blocks[0], m.member_ptr.size - 1
    cooling = (cold / heat) ** (1.0 / max(1, iterations)) if heat > 0 else 1.0
    temperature = heat
    power = PROMISING if m.member.size == 0 else PROMISING_AMONG_GROUPS
    window, start = min(blocks, WINDOW), 0
    for move in range(iterations):
        if window < blocks and move % (STAY * window) == 0:
            start = _draw(state) % blocks
        temperature *= cooling
        n_log, gain = 0, 0
        warmth = temperature
        if groups > 0 and _draw(state) % GROUP_EVERY == 0:
            warmth *= GROUP_HEAT
            g = _draw(state) % groups
            if m.group_price[g] == 0:
                continue
            if s.opened[g] == 0:
                gain, n_log = _open(g, m, s, state, log)
            else:
                gain, n_log = _close(g, m, s, state, log)
        else:
            b = m.near[(start + _draw(state) % window) % blocks]
            size = m.block_ptr[b + 1] - m.block_ptr[b]
            if size == 0:
                continue
            u = _uniform(state)
            j = m.block_item[m.block_ptr[b] + int(u**power * size)]
            if s.taken[j]:
                continue
            gain = _insert(j, m, s)
            log[0] = j + 1
            n_log = 1
            g2, n_log, ok = _eject(j, m, s, state, log, n_log)
            gain += g2
            if ok:
                g2, n_log = _refill(0, n_log, m, s, state, log, -1, scan)
                gain += g2
                g2, n_log = _chain(m, s, state, log, n_log, 0, 4)
                gain += g2
            else:
                gain = -(1 << 60)
        if gain < 0 and warmth == temperature and losses.size:
            losses[lost % losses.size] = -gain
            lost += 1
        if gain >= 0 or (warmth > 0 and gain > -40 * warmth and _uniform(state) < np.exp(gain / warmth)):
            current += gain
            if n_trail >= 0 and n_trail + n_log <= trail.size:
                for t in range(n_log):
                    trail[n_trail + t] = log[t] - 1 if log[t] > 0 else -log[t] - 1
                n_trail += n_log
            else:
                n_trail = -1
            if current > top:
                top = current
                if n_trail < 0:
                    best[:] = s.taken
                for t in range(n_trail):
                    best[trail[t]] = s.taken[trail[t]]
                n_trail = 0
        else:
            _undo(log, n_log, m, s)
    value[0], value[1] = current, top
    return top


@njit(cache=True, nogil=True)
def clear_state(s: State) -> None:
    """Take everything out."""
    s.taken[:] = 0
    s.load[:] = 0
    s.count[:] = 0
    s.opened[:] = 0


@njit(cache=True, nogil=True)
def construct(sequence: Array, adjusted: Array, m: Model, s: State) -> int:
    """Cover the orders in sequence, each by its most promising item that fits; return the gain.

    Orders that must be served come first; an order takes no item that loses at the prices, which
    charge each item its share of an opening.
    """
    gain = 0
    for turn in range(2):
        for b in sequence:
            if (m.must[b] == 1) != (turn == 0) or s.load[b] > 0:
                continue
            for t in range(m.block_ptr[b], m.block_ptr[b + 1]):
                j = m.block_item[t]
                if s.taken[j] == 0 and m.profit[j] > 0 and adjusted[j] > -ROUNDING and _fits(j, m, s):
                    gain += _insert(j, m, s)
                    break
    return gain


@njit(cache=True, nogil=True)
def put_items(items: Array, m: Model, s: State) -> int:
    """Put the given items in; return what they gain."""
    gain = 0
    for j in items:
        gain += _insert(j, m, s)
    return gain
