"""Best plans of orders that are trees of lots, and prices that make them agree; compiled.

`best_plans` sends messages from the leaves to the root of every order and picks one label per lot;
`standing` sends them back and says what every label loses at least. `descend` lowers the bound of
dual prices along averaged subgradients: rows of capacity, shares of openings, shares of a bid among
its lots, prices of arcs that close rings. A function of its arguments.
"""

# mypy: disable-error-code="no-any-return,return-value"
from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from market.clearing.compiled import Array

LOWEST = -1e300


class Forest(NamedTuple):
    """Orders as forests of lots: ``sequence`` has each order's lots with parents before children.

    ``table`` holds, from ``table_ptr`` of a lot on, what each of its labels costs with each of its
    parent's. ``best_ptr`` is where the lot's best labels per label of the parent are kept.
    """

    order_ptr: Array
    sequence: Array
    parent: Array
    label_ptr: Array
    table_ptr: Array
    table: Array
    best_ptr: Array
    value: Array
    must: Array


class Arcs(NamedTuple):
    """Arcs outside of the forest; ``price_ptr`` is where the prices of the first lot's labels are kept."""

    start: Array
    to: Array
    table_ptr: Array
    table: Array
    price_ptr: Array


class Coupling(NamedTuple):
    """What joins orders. Prices of rows are per whole capacity.

    Bids use ``amount`` of ``row`` (shares of the capacity) and stand in groups (``member``, per ``link``).
    ``anyway`` of a row is there, the rest only if its ``holder`` is open (-1: none). ``opening`` is
    the fixed price of each group. Labels: ``bid``, their ``part`` of the lot and ``share`` of the bid.
    """

    use_ptr: Array
    row: Array
    amount: Array
    anyway: Array
    holder: Array
    link_ptr: Array
    group: Array
    opening: Array
    profit: Array
    bid: Array
    part: Array
    share: Array


class Duals(NamedTuple):
    """Prices per row, per link of a bid and a group, per label and per label on a ring's arc."""

    row: Array
    link: Array
    label: Array
    ring: Array


@njit(cache=True, nogil=True)
def unaries(c: Coupling, a: Arcs, f: Forest, d: Duals, net: Array, unary: Array, sender: Array) -> None:
    """Fill what every bid and every label earns per full lot at the prices.

    ``sender`` takes, per label of a ring arc's second lot, who sends to it most cheaply (-1: nobody).
    """
    for b in range(c.profit.size):
        worth = c.profit[b]
        for k in range(c.use_ptr[b], c.use_ptr[b + 1]):
            worth -= d.row[c.row[k]] * c.amount[k]
        for k in range(c.link_ptr[b], c.link_ptr[b + 1]):
            worth -= d.link[k]
        net[b] = worth
    for i in range(c.bid.size):
        unary[i] = (net[c.bid[i]] * c.share[i] + d.label[i]) / c.part[i]
    t = 0
    for e in range(a.start.size):
        first, last = f.label_ptr[a.start[e]], f.label_ptr[a.start[e] + 1]
        begin, end = f.label_ptr[a.to[e]], f.label_ptr[a.to[e] + 1]
        for i in range(first, last):
            unary[i] -= d.ring[a.price_ptr[e] + i - first]
        for j in range(begin, end):
            low, best = 1e300, -1
            for i in range(first, last):
                cost = a.table[a.table_ptr[e] + (i - first) * (end - begin) + j - begin]
                cost -= d.ring[a.price_ptr[e] + i - first]
                if cost < low:
                    low, best = cost, i
            sender[t] = best
            t += 1
            if best >= 0:
                unary[j] -= low


@njit(cache=True, nogil=True)
def best_plans(f: Forest, unary: Array, up: Array, best: Array, pick: Array, worth: Array) -> float:
    """Fill what each label earns with its subtree (``up``), the picked label per lot and the orders' worth.

    Orders that are not worth it pick nothing (-1). Return the worth of all.
    """
    total = 0.0
    up[:] = unary
    for o in range(f.value.size):
        first, last = f.order_ptr[o], f.order_ptr[o + 1]
        earned = f.value[o]
        for t in range(last - 1, first - 1, -1):
            lot = f.sequence[t]
            begin, end = f.label_ptr[lot], f.label_ptr[lot + 1]
            over = f.parent[lot]
            pick[lot] = -1
            if over < 0:
                top = LOWEST
                for i in range(begin, end):
                    if up[i] > top:
                        top, pick[lot] = up[i], i
                earned += top
                continue
            start, stop = f.label_ptr[over], f.label_ptr[over + 1]
            width = stop - start
            for j in range(width):
                top, at = LOWEST, -1
                for i in range(begin, end):
                    there = up[i] - f.table[f.table_ptr[lot] + (i - begin) * width + j]
                    if there > top:
                        top, at = there, i
                up[start + j] += top if end > begin else 0.0
                best[f.best_ptr[lot] + j] = at
            if end == begin:
                earned += LOWEST
        if earned <= 0.0 and f.must[o] == 0:
            worth[o] = 0.0
            for t in range(first, last):
                pick[f.sequence[t]] = -1
            continue
        worth[o] = earned
        total += earned
        for t in range(first, last):
            lot = f.sequence[t]
            over = f.parent[lot]
            if over >= 0:
                chosen = pick[over]
                pick[lot] = -1 if chosen < 0 else best[f.best_ptr[lot] + chosen - f.label_ptr[over]]
    return total


@njit(cache=True, nogil=True)
def standing(f: Forest, up: Array, around: Array, loss: Array) -> None:
    """Fill what is lost at least if a label is picked: 0 or less, against the best of its order.

    ``up`` is as `best_plans` left it; ``around`` takes what the rest of the tree earns with each label.
    """
    for o in range(f.value.size):
        first, last = f.order_ptr[o], f.order_ptr[o + 1]
        earned = f.value[o]
        for t in range(first, last):
            lot = f.sequence[t]
            begin, end = f.label_ptr[lot], f.label_ptr[lot + 1]
            over = f.parent[lot]
            if over < 0:
                top = LOWEST
                for i in range(begin, end):
                    around[i] = 0.0
                    top = max(top, up[i])
                earned += top
                continue
            start, stop = f.label_ptr[over], f.label_ptr[over + 1]
            width = stop - start
            for i in range(begin, end):
                around[i] = LOWEST
            for j in range(width):
                top = LOWEST
                for i in range(begin, end):
                    top = max(top, up[i] - f.table[f.table_ptr[lot] + (i - begin) * width + j])
                rest = up[start + j] + around[start + j] - top
                for i in range(begin, end):
                    there = rest - f.table[f.table_ptr[lot] + (i - begin) * width + j]
                    around[i] = max(around[i], there)
        for t in range(first, last):
            lot = f.sequence[t]
            begin, end = f.label_ptr[lot], f.label_ptr[lot + 1]
            top = LOWEST
            for i in range(begin, end):
                top = max(top, up[i] + around[i])
            most = earned if f.must[o] else max(0.0, earned)
            for i in range(begin, end):
                loss[i] = min(0.0, earned - top + up[i] + around[i] - most)


@njit(cache=True, nogil=True)
def bound_of(c: Coupling, d: Duals, plans: float, paid: Array) -> float:
    """Return the bound of the prices, the worth of plans given; ``paid`` takes what openings are paid."""
    total = plans
    paid[:] = 0.0
    for r in range(d.row.size):
        total += d.row[r] * c.anyway[r]
        if c.holder[r] >= 0:
            paid[c.holder[r]] += d.row[r] * (1.0 - c.anyway[r])
    for k in range(d.link.size):
        paid[c.group[k]] += d.link[k]
    for g in range(paid.size):
        total += max(0.0, paid[g] - c.opening[g])
    return total


@njit(cache=True, nogil=True)
def _slopes(
    c: Coupling, a: Arcs, f: Forest, pick: Array, paid: Array, sender: Array, taken: Array, s: Duals
) -> None:
    """Fill the subgradient at the picked plans."""
    for r in range(s.row.size):
        opened = c.holder[r] >= 0 and paid[c.holder[r]] > c.opening[c.holder[r]]
        s.row[r] = 1.0 if opened else c.anyway[r]
    taken[:] = 0.0
    s.label[:] = 0.0
    s.ring[:] = 0.0
    for lot in range(pick.size):
        i = pick[lot]
        if i >= 0:
            taken[c.bid[i]] += c.share[i] / c.part[i]
            s.label[i] = 1.0 / c.part[i]
    for i in range(c.bid.size):
        if c.share[i] < 1.0:
            s.label[i] -= taken[c.bid[i]]
        else:
            s.label[i] = 0.0
    for b in range(c.profit.size):
        for k in range(c.link_ptr[b], c.link_ptr[b + 1]):
            opened = paid[c.group[k]] > c.opening[c.group[k]]
            s.link[k] = (1.0 if opened else 0.0) - taken[b]
        if taken[b] > 0.0:
            for k in range(c.use_ptr[b], c.use_ptr[b + 1]):
                s.row[c.row[k]] -= c.amount[k] * taken[b]
    t = 0
    for e in range(a.start.size):
        first, begin = f.label_ptr[a.start[e]], f.label_ptr[a.to[e]]
        if pick[a.start[e]] >= 0:
            s.ring[a.price_ptr[e] + pick[a.start[e]] - first] -= 1.0
        if pick[a.to[e]] >= 0:
            who = sender[t + pick[a.to[e]] - begin]
            if who >= 0:
                s.ring[a.price_ptr[e] + who - first] += 1.0
        t += f.label_ptr[a.to[e] + 1] - begin


@njit(cache=True, nogil=True, inline="always")
def _blend(mean: Array, new: Array, share: float) -> float:
    """Move a running mean; return its squared length."""
    size = 0.0
    for k in range(mean.size):
        mean[k] += share * (new[k] - mean[k])
        size += mean[k] * mean[k]
    return size


@njit(cache=True, nogil=True, inline="always")
def _step(price: Array, best: Array, slope: Array, step: float, low: float) -> None:
    for k in range(price.size):
        price[k] = max(low, best[k] - step * slope[k])


@njit(cache=True, nogil=True)
def descend(
    c: Coupling,
    a: Arcs,
    f: Forest,
    now: Duals,
    best: Duals,
    mean: Duals,
    slope: Duals,
    fraction: Array,
    control: Array,
    rounds: int,
) -> float:
    """Run some rounds of the volume method from ``best``; return the lowest bound.

    ``control`` holds bound, step size, target, rounds without progress and rounds so far; a first call has
    an infinite bound. ``mean`` is the averaged subgradient, ``fraction`` the averaged plans per bid.
    """
    net, taken = np.empty(c.profit.size), np.empty(c.profit.size)
    unary, up = np.empty(c.bid.size), np.empty(c.bid.size)
    chosen = np.empty(f.best_ptr[-1], np.int64)
    pick, worth = np.empty(f.parent.size, np.int64), np.empty(f.value.size)
    paid = np.empty(c.opening.size)
    labels = 0
    for e in range(a.start.size):
        labels += f.label_ptr[a.to[e] + 1] - f.label_ptr[a.to[e]]
    sender = np.empty(labels, np.int64)
    for _ in range(rounds):
        unaries(c, a, f, now, net, unary, sender)
        plans = best_plans(f, unary, up, chosen, pick, worth)
        bound = bound_of(c, now, plans, paid)
        _slopes(c, a, f, pick, paid, sender, taken, slope)
        first = control[4] == 0.0
        share = 1.0 if first else MEMORY
        size = _blend(mean.row, slope.row, share) + _blend(mean.link, slope.link, share)
        size += _blend(mean.label, slope.label, share) + _blend(mean.ring, slope.ring, share)
        _blend(fraction, taken, share)
        control[4] += 1.0
        if bound < control[0] - LEAST_FALL * abs(control[0]) or first:
            control[0], control[3] = bound, 0.0
            best.row[:], best.link[:] = now.row, now.link
            best.label[:], best.ring[:] = now.label, now.ring
            control[1] = min(2.0, control[1] * GROWTH)
        else:
            if bound < control[0]:
                control[0] = bound
                best.row[:], best.link[:] = now.row, now.link
                best.label[:], best.ring[:] = now.label, now.ring
            control[3] += 1.0
            if control[3] >= PATIENCE:
                control[1] *= SHRINKING
                control[3] = 0.0
        room = control[0] - control[2]
        if not np.isfinite(room):
            room = FAR * (abs(control[0]) + 1.0)
        step = control[1] * max(room, 1e-9) / max(size, 1e-12)
        _step(now.row, best.row, mean.row, step, 0.0)
        _step(now.link, best.link, mean.link, step, 0.0)
        _step(now.label, best.label, mean.label, step, LOWEST)
        _step(now.ring, best.ring, mean.ring, step, LOWEST)
    return control[0]


MEMORY = 0.1
"""Weight of the newest plans in the running mean."""

FAR = 0.05
"""How far below the bound the optimum is taken to be where no allocation is known."""

LEAST_FALL = 1e-6
GROWTH = 1.1
SHRINKING = 0.7
PATIENCE = 20.0
