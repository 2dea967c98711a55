"""The moves of local search on a packing model: insert, eject, cover, refill, chains; and construction.

Compiled with numba on flat arrays; releases the GIL. A move writes what it did into a log (item + 1 put
in, -item - 1 taken out), so that it can be undone. What is tried and kept is decided elsewhere. Everything
is a function of its arguments.
"""

# mypy: disable-error-code="no-any-return,return-value"
from __future__ import annotations

from typing import NamedTuple

from numba import njit

from market.clearing.compiled import Array, draw, uniform

COVER_TRIES = 6
EJECT_TRIES = 12
ROUNDING = 1e-6


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


@njit(cache=True, nogil=True)
def insert(j: int, m: Model, s: State) -> int:
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
def remove(j: int, m: Model, s: State) -> int:
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
def fits(j: int, m: Model, s: State) -> bool:
    """Return whether item ``j`` fits beside what is in."""
    for k in range(m.item_ptr[j], m.item_ptr[j + 1]):
        if s.load[m.item_row[k]] + m.item_use[k] > m.capacity[m.item_row[k]]:
            return False
    return True


@njit(cache=True, nogil=True, inline="always")
def opening_cost(j: int, m: Model, s: State) -> int:
    """Return what the closed groups of item ``j`` cost to open."""
    cost = 0
    for k in range(m.group_ptr[j], m.group_ptr[j + 1]):
        if s.opened[m.group[k]] == 0:
            cost += m.group_price[m.group[k]]
    return cost


@njit(cache=True, nogil=True)
def eject(j: int, m: Model, s: State, state: Array, log: Array, n_log: int) -> tuple[int, int, bool]:
    """Remove items until nothing that ``j`` uses is overloaded; return (gain, log length)."""
    gain = 0
    for k in range(m.item_ptr[j], m.item_ptr[j + 1]):
        r = m.item_row[k]
        while s.load[r] > m.capacity[r]:
            n, base = s.count[r], m.row_ptr[r]
            over = s.load[r] - m.capacity[r]
            pick, score = -1, 1e300
            tries = min(n, EJECT_TRIES)
            start = draw(state) % n
            for t in range(tries):
                kk = s.members[base + (start + t) % n]
                v = m.entry_item[kk]
                if v == j:
                    continue
                use = m.item_use[kk]
                value = m.regret[v] * (0.5 + uniform(state))
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
            gain += remove(pick, m, s)
            log[n_log] = -pick - 1
            n_log += 1
    return gain, n_log, True


@njit(cache=True, nogil=True)
def cover(b: int, m: Model, s: State, forbidden: int) -> int:
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
        if fits(j, m, s):
            price = opening_cost(j, m, s)
            if p - price > gain:
                best, gain = j, p - price
            if price == 0:
                seen += 1
                if seen >= COVER_TRIES:
                    break
    return best


@njit(cache=True, nogil=True)
def undo(log: Array, n_log: int, m: Model, s: State) -> None:
    """Take back what the log says, last first."""
    for t in range(n_log - 1, -1, -1):
        if log[t] > 0:
            remove(log[t] - 1, m, s)
        else:
            insert(-log[t] - 1, m, s)


@njit(cache=True, nogil=True)
def refill(
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
            j = cover(b, m, s, forbidden)
            if j >= 0:
                gain += insert(j, m, s)
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
            start = draw(state) % size
            for u in range(tries):
                j = m.entry_item[m.row_entry[m.row_ptr[r] + (start + u) % size]]
                if s.taken[j] == 0 and j != forbidden and m.profit[j] > 0 and fits(j, m, s):
                    p = m.profit[j] - opening_cost(j, m, s)
                    if p > 0 and n_log < log.size - 4:
                        gain += insert(j, m, s)
                        log[n_log] = j + 1
                        n_log += 1
    return gain, n_log


@njit(cache=True, nogil=True)
def chain(
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
        u = uniform(state)
        j = m.block_item[m.block_ptr[target] + int(u * u * min(size, 12))]
        if s.taken[j] or n_log >= log.size - 4:
            return gain, n_log
        mark = n_log
        put = insert(j, m, s)
        log[n_log] = j + 1
        n_log += 1
        g, n_log, ok = eject(j, m, s, state, log, n_log)
        if not ok:  # a plan may want more of a resource than there is
            undo(log[mark:], n_log - mark, m, s)
            return gain, mark
        gain += put + g
        g, n_log = refill(mark, n_log, m, s, state, log, j, 0)
        gain += g
    return gain, n_log


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
                if s.taken[j] == 0 and m.profit[j] > 0 and adjusted[j] > -ROUNDING and fits(j, m, s):
                    gain += insert(j, m, s)
                    break
    return gain


@njit(cache=True, nogil=True)
def put_items(items: Array, m: Model, s: State) -> int:
    """Put the given items in; return what they gain."""
    gain = 0
    for j in items:
        gain += insert(j, m, s)
    return gain
