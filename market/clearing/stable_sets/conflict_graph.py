"""Read a market as a conflict graph where that is all it is: bids that shut each other out pairwise.

Then clearing is to find the stable set of largest weight, and every clique of the graph is a row of
capacity 1, stronger than the capacities it came from. Reads and translates; searches nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from market.clearing.formulation.packing_rules import packable
from market.clearing.problem import NONE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from market.clearing.problem import Flags, Ints, Problem
    from market.clearing.terms import Terms

MOST_VERTICES = 4000
"""The graph is kept as a dense matrix."""

MOST_WORTH = 2**50
"""Weights are added up in floats: beyond this they would lose units."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ConflictGraph:
    """Vertices are bids worth accepting; ``adjacent`` holds a row of bits per vertex, 64 to a word.

    ``clique_ptr`` and ``clique_member`` list the cliques that the market itself names: orders, capacities
    and groups; together they imply every edge.
    """

    bid: Ints
    weight: Ints
    adjacent: NDArray[np.uint64]
    clique_ptr: Ints
    clique_member: Ints


def conflict_graph(p: Problem, terms: Terms) -> ConflictGraph | None:
    """Return the conflict graph of a market, or None if bids limit each other otherwise than pairwise."""
    if not packable(p, terms) or p.order_must.any() or not terms.usable.any():
        return None
    owner = np.repeat(np.arange(p.n_bids), np.diff(p.bid_item_ptr))
    weight = terms.profit_fixed.copy()
    np.add.at(weight, owner, p.order_value[p.lot_order[p.item_lot]])
    bid = np.flatnonzero(terms.usable & (weight > 0))
    if bending(p, terms)[bid].any():
        return None
    if not 1 < bid.size <= MOST_VERTICES or float(weight[bid].sum(dtype=np.float64)) > MOST_WORTH:
        return None
    vertex = np.full(p.n_bids, NONE, dtype=np.int64)
    vertex[bid] = np.arange(bid.size)
    found = []
    for row, who in (_orders(p, vertex, owner), _groups(p, vertex), _resources(p, terms, vertex)):
        if row is None or who is None:
            return None
        found.append((row, who))
    ptr, member = _joined(found)
    conflict = np.zeros((bid.size, bid.size), dtype=np.bool_)
    for k in range(ptr.size - 1):
        inside = member[ptr[k] : ptr[k + 1]]
        conflict[np.ix_(inside, inside)] = True
    np.fill_diagonal(conflict, val=False)
    return ConflictGraph(
        bid=bid, weight=weight[bid], adjacent=packed(conflict), clique_ptr=ptr, clique_member=member
    )


def conflicts_beside(p: Problem, terms: Terms) -> ConflictGraph | None:
    """Return which whole bids exclude each other where most scarce capacity lets in one bid only, or None.

    Other rules bind too: stable sets need not be allowed. The cliques named are not all edges. Where most
    capacity is shared its prices say more than those of cliques would.
    """
    bid = np.flatnonzero(terms.usable & terms.whole & ~bending(p, terms))
    if not 1 < bid.size <= MOST_VERTICES:
        return None
    vertex = np.full(p.n_bids, NONE, dtype=np.int64)
    vertex[bid] = np.arange(bid.size)
    owner, user, member = (
        np.repeat(np.arange(p.n_bids), np.diff(ptr))
        for ptr in (p.bid_item_ptr, p.bid_use_ptr, p.bid_group_ptr)
    )
    one = p.group_max[p.bid_group] == 1
    places = np.ones(len(p.group_ids), dtype=np.int64)
    use = p.use_fixed + p.use_unit * terms.quantity[user]
    if 2 * _exclusive(p, use, vertex[user] != NONE) <= 1:
        return None
    conflict = np.eye(bid.size, dtype=np.bool_)
    cliques = _crowd(conflict, p.item_lot, vertex[owner], terms.item_quantity, p.lot_quantity)
    cliques += _crowd(conflict, p.use_resource, vertex[user], use, p.resource_capacity)
    cliques += _crowd(conflict, p.bid_group[one], vertex[member[one]], np.ones_like(member[one]), places)
    np.fill_diagonal(conflict, val=False)
    size = [clique.size for clique in cliques]
    named = np.concatenate([*cliques, np.zeros(0, dtype=np.int64)])
    ptr, who = _joined([(np.repeat(np.arange(len(size)), size), named)])
    weight = np.maximum(1, terms.profit_fixed[bid])
    at = owner[vertex[owner] != NONE]
    np.add.at(weight, vertex[at], p.order_value[p.lot_order[p.item_lot[vertex[owner] != NONE]]])
    return ConflictGraph(bid=bid, weight=weight, adjacent=packed(conflict), clique_ptr=ptr, clique_member=who)


def _exclusive(p: Problem, use: Ints, live: Flags) -> float:
    """Return the share of the uses of binding capacities that are of those that no two bids fit into."""
    at = np.flatnonzero(live & (use > 0))
    resource, use = p.use_resource[at], use[at]
    by = np.lexsort((use, resource))
    resource, use = resource[by], use[by]
    n = len(p.resource_ids)
    total = np.bincount(resource, weights=use, minlength=n)
    binding = total > p.resource_capacity * (1.0 - 1e-12)
    count = np.bincount(resource, minlength=n)
    first = np.cumsum(count) - count
    two = np.flatnonzero(binding & (count > 1))
    alone = two[use[first[two]] + use[first[two] + 1] > p.resource_capacity[two]]
    return float(count[alone].sum() / max(1, count[two].sum()))


def bending(p: Problem, terms: Terms) -> Flags:
    """Return the bids that by their words may take less than they will: the checker knows no better."""
    bends: Flags = p.bid_divisible & (p.bid_min < terms.quantity)
    return bends


def _crowd(conflict: Flags, thing: Ints, who: Ints, amount: Ints, room: Ints) -> list[Ints]:
    """Mark the pairs that want more of a thing than there is; return those that want above half, by thing."""
    live = np.flatnonzero(who != NONE)
    live = live[np.lexsort((-amount[live], thing[live]))]
    large = []
    for at in np.split(live, np.flatnonzero(np.diff(thing[live])) + 1) if live.size else []:
        falling, left = amount[at], room[thing[at[0]]] - amount[at]
        for k, rivals in enumerate(np.searchsorted(-falling, -left, side="left").tolist()):
            if rivals == 0:
                break
            conflict[who[at[k]], who[at[:rivals]]] = True
            conflict[who[at[:rivals]], who[at[k]]] = True
        above = who[at[2 * falling > room[thing[at[0]]]]]
        if above.size > 1:
            large.append(above)
    return large


def packed(flags: Flags) -> NDArray[np.uint64]:
    """Return rows of flags as rows of bits, the first in the lowest bit."""
    words = -(-flags.shape[1] // 64)
    padded = np.zeros((flags.shape[0], words * 64), dtype=np.bool_)
    padded[:, : flags.shape[1]] = flags
    bits: NDArray[Any] = np.packbits(padded, axis=1, bitorder="little")
    return bits.view(np.uint64)


def _orders(p: Problem, vertex: Ints, owner: Ints) -> tuple[Ints | None, Ints | None]:
    who = vertex[owner]
    return p.lot_order[p.item_lot][who != NONE], who[who != NONE]


def _groups(p: Problem, vertex: Ints) -> tuple[Ints | None, Ints | None]:
    """Return members of groups of which one bid is accepted at most; None where others bind."""
    who = vertex[np.repeat(np.arange(p.n_bids), np.diff(p.bid_group_ptr))]
    group, who = p.bid_group[who != NONE], who[who != NONE]
    if (p.group_fixed[group] > 0).any():
        return None, None
    limit = p.group_max[group]
    binds = (limit != NONE) & (np.bincount(group, minlength=len(p.group_ids))[group] > limit)
    if (binds & (limit != 1)).any():
        return None, None
    return group[binds], who[binds]


def _resources(p: Problem, terms: Terms, vertex: Ints) -> tuple[Ints | None, Ints | None]:
    """Return users of capacities that no two fit into; None where others bind."""
    bid = np.repeat(np.arange(p.n_bids), np.diff(p.bid_use_ptr))
    use = p.use_fixed + p.use_unit * terms.quantity[bid]
    live = np.flatnonzero((vertex[bid] != NONE) & (use > 0))
    resource, who, use = p.use_resource[live], vertex[bid[live]], use[live]
    total = np.bincount(resource, weights=use, minlength=len(p.resource_ids))
    binds = (total > p.resource_capacity * (1.0 - 1e-12))[resource]
    resource, who, use = resource[binds], who[binds], use[binds]
    by = np.lexsort((use, resource))
    resource, who, use = resource[by], who[by], use[by]
    first = np.flatnonzero(np.append(True, resource[1:] != resource[:-1])) if resource.size else resource
    several = first[np.append(np.diff(first), resource.size - first[-1:]) > 1] if first.size else first
    if (use[several] + use[several + 1] <= p.resource_capacity[resource[several]]).any():
        return None, None
    return resource, who


def _joined(families: list[tuple[Ints, Ints]]) -> tuple[Ints, Ints]:
    """Return the cliques of two members and more as pointers and members."""
    keys, members, shift = [], [], 0
    for row, who in families:
        keys.append(row + shift)
        members.append(who)
        shift += int(row.max(initial=-1)) + 1
    key, member = np.concatenate(keys), np.concatenate(members)
    pair = np.unique(np.stack([key, member]), axis=1)
    size = np.bincount(pair[0], minlength=shift)
    pair = pair[:, size[pair[0]] > 1]
    size = size[size > 1]
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(size)]), pair[1]
