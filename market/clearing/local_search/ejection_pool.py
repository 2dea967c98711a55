"""Find a set of items that covers every order that must be served, where capacity is so short that few do.

Orders that are not covered wait in a pool. The last one in is put where it fits, or else where what must
leave for it has failed least often so far; whatever leaves joins the pool, and random exchanges shake the
rest. Counting failures makes the search cover the difficult orders first. After the ejection pool of
Y. Nagata and O. Bräysy, A powerful route minimization heuristic, Operations Research Letters 37 (2009).
Compiled with numba; a function of its arguments.
"""

# mypy: disable-error-code="no-any-return,return-value"
from __future__ import annotations

import numpy as np
from numba import njit

from market.clearing.compiled import Array, draw, uniform
from market.clearing.local_search.moves import Model, State, fits, insert, remove

MOST_TRIED = 64
"""Items of an order that are tried before somebody has to leave for it."""

MOST_LEAVING = 256
"""Items that leave for one at the most."""

CARELESS_EVERY = 8
"""One in so many takes the first way it finds, whatever the harm: exchanges do not shake packages."""

SHAKES = 40
"""Random exchanges after every ejection."""

FAR = 1 << 60


@njit(cache=True, nogil=True)
def _harm(v: int, m: Model, failures: Array) -> int:
    """Return how often the orders that must be served and lose by item ``v`` leaving have failed."""
    harm = 0
    for k in range(m.item_ptr[v], m.item_ptr[v + 1]):
        b = m.item_row[k]
        if b < m.blocks[0] and m.must[b]:
            harm += failures[b]
    return harm


@njit(cache=True, nogil=True)
def _leaving(r: int, j: int, m: Model, s: State, state: Array, failures: Array) -> int:
    """Return who leaves row ``r`` for item ``j`` with the least harm for what it frees, or -1."""
    over, count, base = s.load[r] - m.capacity[r], s.count[r], m.row_ptr[r]
    start = draw(state) % count
    pick, least = -1, 1e300
    for t in range(count):
        entry = s.members[base + (start + t) % count]
        v = m.entry_item[entry]
        if v == j:
            continue
        harm = float(_harm(v, m, failures))
        if m.item_use[entry] < over:
            harm = (harm + 0.5) * (over / m.item_use[entry])
        if harm < least:
            pick, least = v, harm
    return pick


@njit(cache=True, nogil=True)
def _make_room(
    j: int, m: Model, s: State, state: Array, failures: Array, out: Array, most: int
) -> tuple[int, int]:
    """Remove items until ``j``, which is in, overloads nothing; return (harm, how many).

    What left is in ``out``. Harm is ``FAR`` where nobody can leave, or from ``most`` on.
    """
    n, harm = 0, 0
    for k in range(m.item_ptr[j], m.item_ptr[j + 1]):
        r = m.item_row[k]
        while s.load[r] > m.capacity[r]:
            v = _leaving(r, j, m, s, state, failures)
            if v < 0 or n >= out.size:
                return FAR, n
            harm += _harm(v, m, failures)
            remove(v, m, s)
            out[n] = v
            n += 1
            if harm >= most:
                return FAR, n
    return harm, n


@njit(cache=True, nogil=True)
def _fitting(b: int, m: Model, s: State, state: Array) -> int:
    """Return an item of block ``b`` that fits, a promising one more likely; -1 if none does."""
    found = -1
    for t in range(m.block_ptr[b], m.block_ptr[b + 1]):
        j = m.block_item[t]
        if (found < 0 or draw(state) % 2) and fits(j, m, s):
            found = j
            if draw(state) % 2:
                break
    return found


@njit(cache=True, nogil=True)
def _force(
    b: int, m: Model, s: State, state: Array, failures: Array, tried: Array, out: Array
) -> tuple[int, int]:
    """Put that item of block ``b`` in for which leaving does least harm; return (item or -1, how many left).

    What left is in ``out``; ``tried`` is room to work in.
    """
    first, size = m.block_ptr[b], m.block_ptr[b + 1] - m.block_ptr[b]
    start, careless = draw(state) % size, draw(state) % CARELESS_EVERY == 0
    least, found, left = FAR, -1, 0
    for t in range(min(size, MOST_TRIED)):
        j = m.block_item[first + (start + t) % size]
        insert(j, m, s)
        harm, n = _make_room(j, m, s, state, failures, tried, least)
        remove(j, m, s)
        for u in range(n - 1, -1, -1):
            insert(tried[u], m, s)
        if harm < least:
            least, found, left = harm, j, n
            out[:n] = tried[:n]
            if careless:
                break
    if found >= 0:
        for u in range(left):
            remove(out[u], m, s)
        insert(found, m, s)
    return found, left


@njit(cache=True, nogil=True)
def _alone(j: int, m: Model) -> int:
    """Return the order that item ``j`` covers if it covers no other, else -1."""
    first = m.item_ptr[j]
    if first + 1 < m.item_ptr[j + 1] and m.item_row[first + 1] < m.blocks[0]:
        return -1
    return m.item_row[first]


@njit(cache=True, nogil=True)
def _stands(j: int, m: Model, s: State) -> bool:
    """Return whether nothing that ``j``, which is in, uses is overloaded."""
    for k in range(m.item_ptr[j], m.item_ptr[j + 1]):
        if s.load[m.item_row[k]] > m.capacity[m.item_row[k]]:
            return False
    return True


@njit(cache=True, nogil=True)
def _in_the_way(j: int, m: Model, s: State, state: Array) -> int:
    """Return an item of the first row that ``j`` overloads; ``j`` itself if drawn or if there is none."""
    for k in range(m.item_ptr[j], m.item_ptr[j + 1]):
        r = m.item_row[k]
        if s.load[r] > m.capacity[r]:
            return m.entry_item[s.members[m.row_ptr[r] + draw(state) % s.count[r]]]
    return j


@njit(cache=True, nogil=True)
def _shake(m: Model, s: State, state: Array) -> None:
    """Give a random order another item; one in its way must find room elsewhere, or nothing changes."""
    b = draw(state) % m.blocks[0]
    size = m.block_ptr[b + 1] - m.block_ptr[b]
    if size == 0 or s.count[b] == 0:
        return
    old = m.entry_item[s.members[m.row_ptr[b]]]
    u = uniform(state)
    j = m.block_item[m.block_ptr[b] + int(u * u * size)]
    if j == old or _alone(old, m) < 0 or _alone(j, m) < 0:
        return
    remove(old, m, s)
    if fits(j, m, s):
        insert(j, m, s)
        return
    insert(j, m, s)
    v = _in_the_way(j, m, s, state)
    c = _alone(v, m)
    if v != j and c >= 0:
        remove(v, m, s)
        if _stands(j, m, s):
            other = _fitting(c, m, s, state)
            if other >= 0 and other != v:
                insert(other, m, s)
                return
        insert(v, m, s)
    remove(j, m, s)
    insert(old, m, s)


@njit(cache=True, nogil=True)
def cover_musts(m: Model, s: State, state: Array, failures: Array, rounds: int) -> int:
    """Try to cover every order that must be served, for so many rounds; return how many are left.

    ``failures`` counts per order and is kept between calls (start with ones). The state changes whether it
    helps or not: what orders that may stay away had may be gone.
    """
    pool, pooled = np.empty(m.blocks[0], np.int64), np.zeros(m.blocks[0], np.int8)
    tried, out = np.empty(MOST_LEAVING, np.int64), np.empty(MOST_LEAVING, np.int64)
    waiting = 0
    for b in range(m.blocks[0]):
        if m.must[b] and s.load[b] == 0:
            pool[waiting], pooled[b] = b, 1
            waiting += 1
    for _ in range(rounds):
        while waiting > 0 and s.load[pool[waiting - 1]] > 0:
            waiting -= 1
            pooled[pool[waiting]] = 0
        if waiting == 0:
            break
        b = pool[waiting - 1]
        if m.block_ptr[b] == m.block_ptr[b + 1]:
            break
        j = _fitting(b, m, s, state)
        if j >= 0:
            insert(j, m, s)
            continue
        failures[b] += 1
        j, left = _force(b, m, s, state, failures, tried, out)
        if j < 0:
            pool[0], pool[waiting - 1] = b, pool[0]
            continue
        for u in range(left):
            for k in range(m.item_ptr[out[u]], m.item_ptr[out[u] + 1]):
                c = m.item_row[k]
                if c < m.blocks[0] and m.must[c] and s.load[c] == 0 and pooled[c] == 0:
                    pool[waiting], pooled[c] = c, 1
                    waiting += 1
        for _ in range(SHAKES):
            _shake(m, s, state)
    missing = 0
    for b in range(m.blocks[0]):
        missing += m.must[b] and s.load[b] == 0
    return missing
