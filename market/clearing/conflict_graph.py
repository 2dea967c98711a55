"""Read a market as a conflict graph where that is all it is: bids that shut each other out pairwise.

Then clearing is to find the stable set of largest weight, and every clique of the graph is a row of
capacity 1, stronger than the capacities it came from. Reads and translates; searches nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from market.clearing.packing_rules import packable
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
