"""Leave out of a search the bids that no best answer needs: hopeless ones and dominated ones.

A bid is *hopeless* if the order that it alone reaches would be worth less than nothing with it. It is
*dominated* if another bid of the same bidder makes the same, shuts it out, uses no more of anything
and is better, or equal and drawn first by the lottery. Neither changes the optimum, the greedy
allocation or what a bidder's absence costs. Published prices, reasons and payments see every bid.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from market.clearing.problem import NONE
from market.clearing.tie_break import lottery

if TYPE_CHECKING:
    from market.clearing.problem import Flags, Ints, Problem
    from market.clearing.terms import Terms

MOST_RIVALS = 24
"""A bid is compared with so many better ones of its class at most."""

MIX = 6364136223846793005


def needed(p: Problem, terms: Terms) -> Flags:
    """Return the usable bids that are neither hopeless nor dominated."""
    kept: Flags = terms.usable & ~hopeless(p, terms)
    kept &= ~dominated(p, terms, kept)
    return kept


def hopeless(p: Problem, terms: Terms) -> Flags:
    """Return the bids with which an order of its own is worth less than leaving it unserved."""
    owner = np.repeat(np.arange(p.n_bids), np.diff(p.bid_item_ptr))
    order = p.lot_order[p.item_lot]
    first = order[p.bid_item_ptr[:-1]] if p.n_bids else np.zeros(0, dtype=np.int64)
    wide = np.zeros(p.n_bids, dtype=np.bool_)
    wide[owner[order != first[owner]]] = True
    closed = ~p.order_must
    closed[order[wide[owner]]] = False
    at_low, at_high = (terms.profit_fixed + terms.profit_unit * q for q in (terms.low, terms.high))
    most = np.maximum(at_low, at_high) + np.maximum(0, terms.part)
    gifts = np.zeros(p.n_orders, dtype=np.int64)
    live = terms.usable & ~wide
    np.add.at(gifts, first[live], np.maximum(0, most[live]))
    best = p.order_value[first] + gifts[first] + np.minimum(0, most)
    found: Flags = live & closed[first] & (best < 0)
    return found


def dominated(p: Problem, terms: Terms, usable: Flags) -> Flags:
    """Return the usable bids that another usable bid of the same bidder makes needless."""
    found: Flags = dominators(p, terms, usable) != NONE
    return found


def dominators(p: Problem, terms: Terms, usable: Flags) -> Ints:
    """Return per bid one that dominates it and is not dominated itself, or ``NONE``.

    What the one shuts out the other shuts out too, and each the other.
    """
    found = np.full(p.n_bids, NONE, dtype=np.int64)
    priced = np.zeros(p.n_bids, dtype=np.bool_)
    member = np.repeat(np.arange(p.n_bids), np.diff(p.bid_group_ptr))
    priced[member[p.group_fixed[p.bid_group] > 0]] = True
    chosen = np.flatnonzero(usable & terms.whole & ~priced)
    key = _classes(p)[chosen]
    _, index, count = np.unique(key, return_inverse=True, return_counts=True)
    several = count[index.ravel()] > 1
    chosen, key = chosen[several], key[several]
    if not chosen.size:
        return found
    rank = lottery(p.seed, [p.bid_ids[b] for b in chosen.tolist()])
    by = np.lexsort((rank, -terms.profit_fixed[chosen], key))
    chosen, key = chosen[by], key[by]
    uses = _Uses(p, terms)
    for ahead in range(1, MOST_RIVALS + 1):
        together = np.flatnonzero(key[ahead:] == key[: key.size - ahead])
        if not together.size:
            break
        a, b = chosen[together], chosen[together + ahead]
        better = terms.profit_fixed[a] > terms.profit_fixed[b]
        less, same = uses.compare(a, b)
        fits = _excludes(p, terms, a, b) & ((better & less) | (~better & same)) & (found[a] == NONE)
        found[b[fits]] = a[fits]
    while (chained := np.flatnonzero((found != NONE) & (found[found] != NONE))).size:
        found[chained] = found[found[chained]]
    return found


def _classes(p: Problem) -> Ints:
    """Return a number per bid, equal where bidder, items, groups and, if goods move, place and dates are."""
    moves = np.zeros(len(p.lot_ids), dtype=np.bool_)
    moves[p.arc_from] = True
    moves[p.arc_to[p.arc_to != NONE]] = True
    owner = np.repeat(np.arange(p.n_bids), np.diff(p.bid_item_ptr))
    placed = np.zeros(p.n_bids, dtype=np.bool_)
    placed[owner[moves[p.item_lot]]] = True
    total = p.bid_bidder.copy()
    for column in (p.bid_site, p.bid_start, p.bid_end):
        total = total * MIX + np.where(placed, column, 0)
    for ptr, parts in (
        (p.bid_item_ptr, (p.item_lot, p.item_quantity)),
        (p.bid_group_ptr, (p.bid_group,)),
    ):
        holder = np.repeat(np.arange(p.n_bids), np.diff(ptr))
        element = np.zeros(holder.size, dtype=np.int64)
        for part in parts:
            element = (element + part + 1) * MIX
        inside = np.zeros(p.n_bids, dtype=np.int64)
        np.add.at(inside, holder, element ^ (element >> 29))
        total = (total + np.diff(ptr)) * MIX + inside
    return total


def _excludes(p: Problem, terms: Terms, a: Ints, b: Ints) -> Flags:
    """Return which pairs are of one bidder, make exactly the same and shut each other out."""
    alike: Flags = p.bid_bidder[a] == p.bid_bidder[b]
    apart = np.zeros(a.size, dtype=np.bool_)
    made = (p.item_lot, terms.item_quantity)
    for ptr, parts in ((p.bid_item_ptr, made), (p.bid_group_ptr, (p.bid_group,))):
        size = np.diff(ptr)
        alike &= size[a] == size[b]
        pair, left, right = _elements(ptr, a, b, np.minimum(size[a], size[b]))
        for part in parts:
            alike[pair[part[left] != part[right]]] = False
        if ptr is p.bid_item_ptr:
            crowded = 2 * terms.item_quantity[left] > p.lot_quantity[p.item_lot[left]]
        else:
            crowded = p.group_max[p.bid_group[left]] == 1
        apart[pair[crowded]] = True
    return alike & apart & _meet_alike(p, a, b)


def _meet_alike(p: Problem, a: Ints, b: Ints) -> Flags:
    """Return which pairs stand at the same place and time, or make nothing that moves."""
    same: Flags = np.ones(a.size, dtype=np.bool_)
    for column in (p.bid_site, p.bid_start, p.bid_end):
        same &= column[a] == column[b]
    moves = np.zeros(len(p.lot_ids) + 1, dtype=np.bool_)
    moves[p.arc_from] = True
    moves[p.arc_to] = True
    moves[NONE] = False
    size = np.diff(p.bid_item_ptr)[a]
    pair, left, _ = _elements(p.bid_item_ptr, a, b, size)
    still = np.ones(a.size, dtype=np.bool_)
    still[pair[moves[p.item_lot[left]]]] = False
    return same | still


def _elements(ptr: Ints, a: Ints, b: Ints, size: Ints) -> tuple[Ints, Ints, Ints]:
    """Return pair, position for a and position for b of the first ``size`` elements of every pair."""
    pair = np.repeat(np.arange(a.size), size)
    step = np.arange(pair.size) - np.repeat(np.cumsum(size) - size, size)
    return pair, ptr[a][pair] + step, ptr[b][pair] + step


class _Uses:
    """What whole bids use, by resource."""

    def __init__(self, p: Problem, terms: Terms) -> None:
        user = np.repeat(np.arange(p.n_bids), np.diff(p.bid_use_ptr))
        by = np.lexsort((p.use_resource, user))
        self.ptr = p.bid_use_ptr
        self.resource = p.use_resource[by]
        self.amount = (p.use_fixed + p.use_unit * terms.quantity[user])[by]

    def compare(self, a: Ints, b: Ints) -> tuple[Flags, Flags]:
        """Return which pairs use the same resources, the first no more of each; and which use the same."""
        size = np.diff(self.ptr)
        less: Flags = size[a] == size[b]
        pair, left, right = _elements(self.ptr, a, b, np.minimum(size[a], size[b]))
        less[pair[self.resource[left] != self.resource[right]]] = False
        same = less.copy()
        less[pair[self.amount[left] > self.amount[right]]] = False
        same[pair[self.amount[left] != self.amount[right]]] = False
        return less, same
