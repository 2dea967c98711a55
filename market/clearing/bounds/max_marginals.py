"""Price every use of scarce capacity by passing max-marginals between knapsacks and orders.

Every resource is a 0-1 knapsack over its uses, every order takes its best bid per lot; each accepted
bid stands in both. A max-marginal is what a factor gains if the bid is in rather than out. Averaging
those of a bid over its factors never raises the bound (block coordinate ascent, as in Swoboda,
Kuske, Savchynskyy 2017, and Lange, Swoboda 2021) and approaches that of the knapsacks' hulls, below
that of the linear relaxation. Compiled; a function of its arguments.
"""

# mypy: disable-error-code="no-any-return,return-value"
from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from market.clearing.compiled import Array

NEVER = -1e18
"""What a lot without bids is worth."""

HOPELESS = -1e17


class Factors(NamedTuple):
    """Knapsacks, lots, orders and openings as flat arrays; what changes is in `Messages`.

    Uses are sorted by knapsack (``row_ptr``): ``weight``, the ``item`` that uses, and ``frozen`` ones
    that keep their price. Items have one cover per lot (``cover_ptr``); ``lot_cover`` lists the covers
    of each lot. ``floor`` is what a lot is worth to bids that stand in no cover. ``spare`` is how much of
    a knapsack divisible bids could take, at ``unit_price``. ``row_group`` is the group with which a
    knapsack opens, or -1.
    """

    row_ptr: Array
    capacity: Array
    spare: Array
    unit_price: Array
    row_group: Array
    weight: Array
    item: Array
    frozen: Array
    cover_ptr: Array
    cover_lot: Array
    lot_ptr: Array
    lot_cover: Array
    floor: Array
    lot_order: Array
    value: Array
    must: Array


class Messages(NamedTuple):
    """Prices per use, what is left of each cover's worth, and the worth of every factor there."""

    price: Array
    cover: Array
    lot_best: Array
    order_total: Array
    row_worth: Array
    group_total: Array


_FAST = {"nnan", "nsz"}


@njit(cache=True, nogil=True, fastmath=_FAST)
def _backward(first: int, last: int, r: int, f: Factors, price: Array, table: Array) -> None:
    """Fill ``table[i, c]``: the best of the uses from the i-th on when c of the capacity is taken."""
    n, size = last - first, f.capacity[r] + 1
    end = table[n]
    for c in range(size):
        end[c] = f.unit_price[r] * min(size - 1 - c, f.spare[r])
    for i in range(n - 1, -1, -1):
        w, p = f.weight[first + i], price[first + i]
        after, here = table[i + 1], table[i]
        for c in range(size - w):
            here[c] = max(after[c], after[c + w] + p)
        for c in range(max(0, size - w), size):
            here[c] = after[c]


@njit(cache=True, nogil=True, fastmath=_FAST)
def _out_and_in(before: Array, after: Array, w: int, size: int) -> tuple[float, float]:
    """Return the best without a use of weight ``w`` and the best with it, its price not counted."""
    out = before[0] + after[0]
    for c in range(size):
        out = max(out, before[c] + after[c])
    inside = before[0] + after[w]
    for c in range(size - w):
        inside = max(inside, before[c] + after[c + w])
    return out, inside


@njit(cache=True, nogil=True, fastmath=_FAST)
def _forward(before: Array, w: int, p: float, size: int) -> None:
    for c in range(size - 1, w - 1, -1):
        before[c] = max(before[c], before[c - w] + p)


@njit(cache=True, nogil=True)
def _rival(e: int, lot: int, f: Factors, m: Messages) -> float:
    """Return the best that a lot has beside cover ``e``."""
    best = f.floor[lot]
    for t in range(f.lot_ptr[lot], f.lot_ptr[lot + 1]):
        other = f.lot_cover[t]
        if other != e and m.cover[other] > best:
            best = m.cover[other]
    return best


@njit(cache=True, nogil=True)
def _order_marginal(e: int, f: Factors, m: Messages) -> float:
    """Return what the order gains if cover ``e`` is in rather than out."""
    lot = f.cover_lot[e]
    order = f.lot_order[lot]
    rest = m.order_total[order] - m.lot_best[lot]
    out = rest + _rival(e, lot, f, m)
    if not f.must[order]:
        out = max(0.0, out)
    return rest + m.cover[e] - out


@njit(cache=True, nogil=True)
def _set_cover(e: int, worth: float, f: Factors, m: Messages) -> None:
    lot = f.cover_lot[e]
    best = max(worth, _rival(e, lot, f, m))
    m.cover[e] = worth
    m.order_total[f.lot_order[lot]] += best - m.lot_best[lot]
    m.lot_best[lot] = best


@njit(cache=True, nogil=True)
def _average(k: int, here: float, f: Factors, m: Messages, settle: float) -> None:
    """Share what use ``k`` is worth evenly between its knapsack and the item's covers.

    With ``settle`` ≥ 0 the price moves to that instead, as far as no factor loses by it.
    """
    j = f.item[k]
    first, last = f.cover_ptr[j], f.cover_ptr[j + 1]
    if f.frozen[k]:
        return
    total, lowest = here, 0.0
    for e in range(first, last):
        there = _order_marginal(e, f, m)
        if there < HOPELESS or there > -HOPELESS:
            return
        total += there
        lowest = max(lowest, there)
    if settle >= 0.0:
        if last > first + 1 or here > 0.0 or lowest > 0.0:
            return
        low, high = m.price[k] + total - here, m.price[k] - here
        wanted = min(max(settle, low, 0.0), high)
        _set_cover(first, m.cover[first] + m.price[k] - wanted, f, m)
        m.price[k] = wanted
        return
    count = last - first
    change = max(total / (1 + count) - here, -m.price[k])
    m.price[k] += change
    if count == 1:
        _set_cover(first, m.cover[first] - change, f, m)
        return
    marginals = np.empty(count)
    for e in range(first, last):
        marginals[e - first] = _order_marginal(e, f, m)
    even = (total - here - change) / count
    for e in range(first, last):
        _set_cover(e, m.cover[e] + even - marginals[e - first], f, m)


@njit(cache=True, nogil=True)
def sweep(rows: Array, f: Factors, m: Messages, table: Array, marginal: Array, mode: int) -> float:
    """Pass over the given knapsacks once; return the bound there, constant terms apart.

    ``mode`` 0 averages. 1 changes nothing and fills ``marginal`` per use. 2 moves prices to the
    knapsack's unit price where the bound stays.
    """
    before: Array = np.empty(table.shape[1])
    for t in range(rows.size):
        r = rows[t]
        first, last, size = f.row_ptr[r], f.row_ptr[r + 1], f.capacity[r] + 1
        group = f.row_group[r]
        _backward(first, last, r, f, m.price, table)
        before[:size] = 0.0
        worth = table[0, 0]
        for i in range(last - first):
            k = first + i
            w = f.weight[k]
            out, inside = _out_and_in(before, table[i + 1], w, size)
            inside += m.price[k]
            rest = 0.0
            if group >= 0:
                rest = m.group_total[group] - m.row_worth[r]
                marginal[k] = rest + inside - max(0.0, rest + out)
            else:
                marginal[k] = inside - out
            if mode != 1:
                old = m.price[k]
                settle = f.unit_price[r] * w if mode == 2 else -1.0  # noqa: PLR2004
                _average(k, marginal[k], f, m, settle)
                inside += m.price[k] - old
            worth = max(out, inside)
            if group >= 0:
                m.group_total[group] = rest + worth
            m.row_worth[r] = worth
            _forward(before, w, m.price[k], size)
        if last == first:
            m.row_worth[r] = worth
    total: float = 0.0
    for r in range(f.capacity.size):
        if f.row_group[r] < 0:
            total += m.row_worth[r]
    for g in range(m.group_total.size):
        total += max(0.0, m.group_total[g])
    for o in range(m.order_total.size):
        if f.must[o] or m.order_total[o] > 0.0:
            total += m.order_total[o]
    return total
