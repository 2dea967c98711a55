"""Find what a block would best accept at given gains: from an answer known, forced insertions.

Also a bound on it from prices of its rows. Compiled with numba; a function of its arguments. Answers are
allowed, not proven best.
"""

# mypy: disable-error-code="no-any-return"
from __future__ import annotations

import numpy as np
from numba import njit

from market.clearing.compiled import Array, uniform

WARMTH = 0.4
"""How far below its best a walk may go at first, in mean gains per bid."""

LEAST_GAIN = 1e-6

AT_LEAST = 0.3
"""How often a forced bid takes its smallest quantity only."""

LEAST_NORM = 1e-12
FIRST_STEP = 0.1
STEP_DECAY = 0.2


@njit(cache=True, nogil=True)
def _put(i: int, q: Array, to: int, room: Array, ptr: Array, row: Array, fixed: Array, unit: Array) -> None:
    """Set the quantity of a bid and what room it leaves."""
    for e in range(ptr[i], ptr[i + 1]):
        if q[i] > 0:
            room[row[e]] += fixed[e] + unit[e] * q[i]
        if to > 0:
            room[row[e]] -= fixed[e] + unit[e] * to
    q[i] = to


@njit(cache=True, nogil=True)
def _most(
    i: int, q: Array, room: Array, ptr: Array, row: Array, fixed: Array, unit: Array, high: Array
) -> int:
    """Return the largest quantity that fits, given what the bid has now; -1 if none."""
    most = high[i]
    for e in range(ptr[i], ptr[i + 1]):
        left = room[row[e]] - fixed[e]
        if q[i] > 0:
            left += fixed[e] + unit[e] * q[i]
        if left < 0:
            return -1
        if unit[e] > 0:
            most = min(most, int(left // unit[e]))
    return most


@njit(cache=True, nogil=True)
def _fill(
    order: Array,
    q: Array,
    room: Array,
    ptr: Array,
    row: Array,
    fixed: Array,
    unit: Array,
    low: Array,
    high: Array,
    gain: Array,
    rate: Array,
) -> float:
    """Accept what fits, in order; return what that earns."""
    earned = 0.0
    for c in range(order.size):
        j = order[c]
        if q[j] == high[j]:
            continue
        most = _most(j, q, room, ptr, row, fixed, unit, high)
        if most >= low[j] and most > q[j] and gain[j] + rate[j] * most > 0 and (q[j] == 0 or rate[j] > 0):
            earned += (gain[j] if q[j] == 0 else 0.0) + rate[j] * (most - q[j])
            _put(j, q, most, room, ptr, row, fixed, unit)
    return earned


@njit(cache=True, nogil=True)
def _users(order: Array, ptr: Array, row: Array, rows: int) -> tuple[Array, Array]:
    """Return the bids of ``order`` by row (CSR)."""
    head = np.zeros(rows + 1, dtype=np.int64)
    for c in range(order.size):
        for e in range(ptr[order[c]], ptr[order[c] + 1]):
            head[row[e] + 1] += 1
    for r in range(rows):
        head[r + 1] += head[r]
    item, at = np.empty(head[rows], dtype=np.int64), head.copy()
    for c in range(order.size):
        for e in range(ptr[order[c]], ptr[order[c] + 1]):
            item[at[row[e]]] = order[c]
            at[row[e]] += 1
    return head, item


@njit(cache=True, nogil=True)
def _make_room(
    i: int,
    want: int,
    q: Array,
    room: Array,
    ptr: Array,
    row: Array,
    fixed: Array,
    unit: Array,
    head: Array,
    item: Array,
    worth: Array,
    gain: Array,
    rate: Array,
    state: Array,
) -> float:
    """Take out what stands in a bid's way, the least worth first, roughly; return what that earned."""
    lost = 0.0
    for e in range(ptr[i], ptr[i + 1]):
        r = row[e]
        while room[r] < fixed[e] + unit[e] * want:
            out_of, least = -1, np.inf
            for k in range(head[r], head[r + 1]):
                j = item[k]
                value = worth[j] * (0.7 + 0.6 * uniform(state)) if q[j] > 0 else np.inf
                if value < least:
                    out_of, least = j, value
            if out_of < 0:
                break
            lost += gain[out_of] + rate[out_of] * q[out_of]
            _put(out_of, q, 0, room, ptr, row, fixed, unit)
    return lost


@njit(cache=True, nogil=True)
def price_rows(
    steps: int,
    ptr: Array,
    row: Array,
    fixed: Array,
    unit: Array,
    capacity: Array,
    low: Array,
    high: Array,
    gain: Array,
    rate: Array,
    price: Array,
    taken: Array,
    made: Array,
) -> float:
    """Improve prices of the rows by subgradients, in place; return the least bound that they gave.

    ``taken`` and ``made`` (float) become how far bids are accepted, and quantities, on average.
    """
    taken[:] = 0.0
    made[:] = 0.0
    rows, best = capacity.size, np.inf
    kept, slack = price.copy(), np.zeros(rows)
    for step in range(steps):
        bound = 0.0
        for r in range(rows):
            slack[r] = capacity[r]
            bound += price[r] * capacity[r]
        for i in range(low.size):
            earned, each = gain[i], rate[i]
            for e in range(ptr[i], ptr[i + 1]):
                earned -= price[row[e]] * fixed[e]
                each -= price[row[e]] * unit[e]
            want = high[i] if each > 0 else low[i]
            earned += each * want
            if earned > 0:
                bound += earned
                taken[i] += 1.0
                made[i] += want
                for e in range(ptr[i], ptr[i + 1]):
                    slack[row[e]] -= fixed[e] + unit[e] * want
        if bound < best:
            best = bound
            kept[:] = price
        norm = 0.0
        for r in range(rows):
            if price[r] <= 0 and slack[r] > 0:
                slack[r] = 0.0
            norm += slack[r] * slack[r]
        if norm < LEAST_NORM:
            taken *= steps / (step + 1.0)
            made *= steps / (step + 1.0)
            break
        size = FIRST_STEP * bound / norm / (1.0 + STEP_DECAY * step)
        for r in range(rows):
            price[r] = max(0.0, price[r] - size * slack[r])
    price[:] = kept
    taken /= steps
    made /= steps
    return best


@njit(cache=True, nogil=True)
def improve_block(
    ptr: Array,
    row: Array,
    fixed: Array,
    unit: Array,
    capacity: Array,
    low: Array,
    high: Array,
    gain: Array,
    rate: Array,
    price: Array,
    seed: int,
    moves: int,
    out: Array,
) -> float:
    """Improve an allowed answer ``out`` (int64, in place) and return Σ gain + rate × quantity of it.

    Parameters
    ----------
    ptr, row, fixed, unit
        Uses by bid: ``fixed + unit × quantity`` of a row with a capacity.
    price
        Of each row; bids are ranked by their gain over what they use.
    """
    n = low.size
    top = gain + np.maximum(rate * low, rate * high)
    live = np.flatnonzero(top > LEAST_GAIN)
    q, now, room = np.zeros(n, dtype=np.int64), 0.0, capacity.copy()
    for i in live:
        if out[i] > 0:
            _put(int(i), q, out[i], room, ptr, row, fixed, unit)
            now += gain[i] + rate[i] * out[i]
    out[:] = 0
    if not live.size:
        return 0.0
    state = np.array([np.uint64(2 * seed + 88172645463325253)])
    head, item = _users(live, ptr, row, capacity.size)
    worth = np.zeros(n)
    for i in live:
        cost = 1.0
        for e in range(ptr[i], ptr[i + 1]):
            cost += price[row[e]] * (fixed[e] + unit[e] * high[i])
        worth[i] = top[i] / cost
    order = live[np.argsort(-worth[live])]
    now += _fill(order, q, room, ptr, row, fixed, unit, low, high, gain, rate)
    out[:] = q
    known, warm = now, WARMTH * now / live.size
    for move in range(moves):
        i = order[int(uniform(state) * order.size)]
        if q[i] == high[i]:
            continue
        if q[i] > 0:
            now -= gain[i] + rate[i] * q[i]
            _put(i, q, 0, room, ptr, row, fixed, unit)
        want = low[i] if low[i] < high[i] and uniform(state) < AT_LEAST else high[i]
        now -= _make_room(i, want, q, room, ptr, row, fixed, unit, head, item, worth, gain, rate, state)
        if _most(i, q, room, ptr, row, fixed, unit, high) >= want:
            now += gain[i] + rate[i] * want
            _put(i, q, want, room, ptr, row, fixed, unit)
        now += _fill(order, q, room, ptr, row, fixed, unit, low, high, gain, rate)
        if now > known + 1e-9:
            known = now
            out[:] = q
        elif now < known - warm * (1.0 - move / moves):
            for j in order:
                _put(j, q, out[j], room, ptr, row, fixed, unit)
            now = known
    return known
