"""Moves that open, close and exchange groups with a price, on a packing model.

Compiled with numba; each writes what it did into the log as `moves` says.
"""

# mypy: disable-error-code="no-any-return,return-value"
from __future__ import annotations

from numba import njit

from market.clearing.compiled import Array, draw
from market.clearing.local_search.moves import (
    Model,
    State,
    chain,
    cover,
    fits,
    insert,
    remove,
)

CLOSING_CHAIN = 24
RIVAL_TRIES = 8


@njit(cache=True, nogil=True)
def close_group(g: int, m: Model, s: State, state: Array, log: Array, first: int) -> tuple[int, int]:
    """Remove every item that keeps group ``g`` open, and re-cover their blocks elsewhere."""
    gain, n_log = 0, first
    saved = m.group_price[g]
    for t in range(m.member_ptr[g], m.member_ptr[g + 1]):
        j = m.member[t]
        if s.taken[j]:
            if n_log >= log.size - 8:
                return gain, n_log
            gain += remove(j, m, s)
            log[n_log] = -j - 1
            n_log += 1
    end = n_log
    m.group_price[g] = 1 << 61
    for t in range(first, end):
        v = -log[t] - 1
        for k in range(m.item_ptr[v], m.item_ptr[v + 1]):
            b = m.item_row[k]
            if b >= m.blocks[0] or s.load[b] > 0 or n_log >= log.size - 4:
                continue
            j = cover(b, m, s, -1)
            if j >= 0:
                gain += insert(j, m, s)
                log[n_log] = j + 1
                n_log += 1
    m.group_price[g] = saved
    c, n_log = chain(m, s, state, log, n_log, first, CLOSING_CHAIN)
    return gain + c, n_log


@njit(cache=True, nogil=True)
def open_group(g: int, m: Model, s: State, state: Array, log: Array) -> tuple[int, int]:
    """Put in every item of a closed group that beats what its order has, where it fits."""
    gain, n_log = 0, 0
    count = m.member_ptr[g + 1] - m.member_ptr[g]
    start = draw(state) % max(1, count)
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
            gain += remove(rival, m, s)
        if fits(j, m, s):
            if rival >= 0:
                log[n_log] = -rival - 1
                n_log += 1
            gain += insert(j, m, s)
            log[n_log] = j + 1
            n_log += 1
        elif rival >= 0:
            gain += insert(rival, m, s)
    return gain, n_log


@njit(cache=True, nogil=True)
def exchange_groups(g: int, m: Model, s: State, state: Array, log: Array) -> tuple[int, int]:
    """Open a closed group that competes with the open group ``g`` for an order, then close ``g``."""
    count = m.member_ptr[g + 1] - m.member_ptr[g]
    for _ in range(RIVAL_TRIES):
        j = m.member[m.member_ptr[g] + draw(state) % count]
        b = m.item_row[m.item_ptr[j]]
        rival = m.block_item[m.block_ptr[b] + draw(state) % (m.block_ptr[b + 1] - m.block_ptr[b])]
        for k in range(m.group_ptr[rival], m.group_ptr[rival + 1]):
            h = m.group[k]
            if s.opened[h] == 0 and m.group_price[h] > 0:
                gain, n_log = open_group(h, m, s, state, log)
                more, n_log = close_group(g, m, s, state, log, n_log)
                return gain + more, n_log
    return close_group(g, m, s, state, log, 0)
