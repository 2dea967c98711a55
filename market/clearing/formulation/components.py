"""Split a market into parts that do not touch, and put their results together again.

Orders touch when a usable bid, a resource that can run short or a group joins them. Parts are
problems of their own; small ones are solved in batches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from market.clearing.problem import NONE, Problem

if TYPE_CHECKING:
    from market.clearing.problem import Flags, Ints
    from market.clearing.terms import Terms

BATCH_BIDS = 400
"""Parts below this size are solved together, up to this size."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """A problem cut out of a larger one, and where its orders, bids and arcs stand there."""

    problem: Problem
    orders: Ints
    bids: Ints
    arcs: Ints


def labels(p: Problem, terms: Terms) -> Ints:
    """Return the number of the part of every order, 0 … in the order of their first order."""
    from scipy.sparse import coo_array  # noqa: PLC0415  a tenth of a second that small markets do not need
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    n, bids = p.n_orders, p.n_bids
    owner = np.repeat(np.arange(bids), np.diff(p.bid_item_ptr))
    user = np.repeat(np.arange(bids), np.diff(p.bid_use_ptr))
    member = np.repeat(np.arange(bids), np.diff(p.bid_group_ptr))
    most = np.where(terms.whole, terms.quantity, terms.high)
    use = p.use_fixed + p.use_unit * most[user]
    live = terms.usable[user]
    total = np.bincount(p.use_resource[live], weights=use[live], minlength=len(p.resource_ids))
    scarce = total > p.resource_capacity * (1.0 - 1e-12)
    joins = live & scarce[p.use_resource]
    item = terms.usable[owner]
    size = np.bincount(p.bid_group[terms.usable[member]], minlength=len(p.group_ids))
    binds = (p.group_fixed > 0) | ((p.group_max != NONE) & (size > p.group_max))
    grouped = terms.usable[member] & binds[p.bid_group]
    first, shift = n, n + bids
    left = np.concatenate([p.lot_order[p.item_lot[item]], user[joins] + first, member[grouped] + first])
    right = np.concatenate(
        [
            owner[item] + first,
            p.use_resource[joins] + shift,
            p.bid_group[grouped] + shift + len(p.resource_ids),
        ]
    )
    nodes = shift + len(p.resource_ids) + len(p.group_ids)
    graph = coo_array((np.ones(left.size, dtype=np.int8), (left, right)), shape=(nodes, nodes))
    found = connected_components(graph, directed=False)[1][:n]
    _, start, label = np.unique(found, return_index=True, return_inverse=True)
    rank: Ints = np.argsort(np.argsort(start))[label.ravel()]
    return rank


def parts_of(p: Problem, terms: Terms) -> tuple[list[Part], int]:
    """Return the parts to solve, smallest first, and how many parts the market has."""
    label = labels(p, terms) if p.n_orders > 1 else np.zeros(p.n_orders, dtype=np.int64)
    count = int(label.max(initial=-1)) + 1
    if count <= 1:
        return [cut(p, terms, np.ones(p.n_orders, dtype=np.bool_))], count
    first_order = p.lot_order[p.item_lot[p.bid_item_ptr[:-1]]] if p.n_bids else np.zeros(0, dtype=np.int64)
    size = np.bincount(label[first_order], minlength=count)
    by_size = np.argsort(size, kind="stable")
    batch = np.zeros(count, dtype=np.int64)
    number, filled = 0, 0
    for c in by_size.tolist():
        if filled and filled + int(size[c]) > BATCH_BIDS:
            number, filled = number + 1, 0
        batch[c] = number
        filled += int(size[c])
    return [cut(p, terms, batch[label] == b) for b in range(number + 1)], count


def cut(p: Problem, terms: Terms, chosen: Flags) -> Part:
    """Return the problem of the chosen orders with the usable bids on them and what these use.

    Everything stands in an order drawn by the seed: a solver that prefers what comes first prefers
    nobody.
    """
    draw = np.random.default_rng(p.seed).permutation
    orders = draw(np.flatnonzero(chosen))
    owner = np.repeat(np.arange(p.n_bids), np.diff(p.bid_item_ptr))
    reaches = np.zeros(p.n_bids, dtype=np.bool_)
    reaches[owner[chosen[p.lot_order[p.item_lot]]]] = True
    reaches[owner[~chosen[p.lot_order[p.item_lot]]]] = False
    bids = draw(np.flatnonzero(reaches & terms.usable))
    lot_ptr, lots = _rows(p.order_lot_ptr, orders)
    arc_ptr, arcs = _rows(p.order_arc_ptr, orders)
    item_ptr, items = _rows(p.bid_item_ptr, bids)
    use_ptr, uses = _rows(p.bid_use_ptr, bids)
    group_ptr, members = _rows(p.bid_group_ptr, bids)
    resources, groups = draw(np.unique(p.use_resource[uses])), draw(np.unique(p.bid_group[members]))
    lot_index, order_index = _index(len(p.lot_ids), lots), _index(p.n_orders, orders)
    problem = Problem(
        currency=p.currency,
        mechanism=p.mechanism,
        seed=p.seed,
        order_ids=_pick(p.order_ids, orders),
        order_value=p.order_value[orders],
        order_must=p.order_must[orders],
        order_partial=p.order_partial[orders],
        order_max_suppliers=p.order_max_suppliers[orders],
        order_lot_ptr=lot_ptr,
        order_arc_ptr=arc_ptr,
        lot_ids=_pick(p.lot_ids, lots),
        lot_quantity=p.lot_quantity[lots],
        lot_order=order_index[p.lot_order[lots]],
        arc_ids=_pick(p.arc_ids, arcs),
        arc_from=lot_index[p.arc_from[arcs]],
        arc_to=lot_index[p.arc_to[arcs]],
        arc_site=p.arc_site[arcs],
        resource_ids=_pick(p.resource_ids, resources),
        resource_capacity=p.resource_capacity[resources],
        group_ids=_pick(p.group_ids, groups),
        group_max=p.group_max[groups],
        group_fixed=p.group_fixed[groups],
        bidders=p.bidders,
        sites=p.sites,
        bid_ids=_pick(p.bid_ids, bids),
        bid_bidder=p.bid_bidder[bids],
        bid_site=p.bid_site[bids],
        bid_divisible=p.bid_divisible[bids],
        bid_min=p.bid_min[bids],
        bid_fixed=p.bid_fixed[bids],
        bid_unit=p.bid_unit[bids],
        bid_score=p.bid_score[bids],
        bid_start=p.bid_start[bids],
        bid_end=p.bid_end[bids],
        bid_item_ptr=item_ptr,
        item_lot=lot_index[p.item_lot[items]],
        item_quantity=p.item_quantity[items],
        bid_use_ptr=use_ptr,
        use_resource=_index(len(p.resource_ids), resources)[p.use_resource[uses]],
        use_fixed=p.use_fixed[uses],
        use_unit=p.use_unit[uses],
        bid_group_ptr=group_ptr,
        bid_group=_index(len(p.group_ids), groups)[p.bid_group[members]],
        transport_from=p.transport_from,
        transport_to=p.transport_to,
        transport_fixed=p.transport_fixed,
        transport_unit=p.transport_unit,
        transport_minutes=p.transport_minutes,
    )
    return Part(problem=problem, orders=orders, bids=bids, arcs=arcs)


def _rows(ptr: Ints, rows: Ints) -> tuple[Ints, Ints]:
    """Return pointers and element positions of the chosen rows of a CSR array."""
    counts = (ptr[1:] - ptr[:-1])[rows]
    new_ptr = np.zeros(rows.size + 1, dtype=np.int64)
    np.cumsum(counts, out=new_ptr[1:])
    return new_ptr, np.arange(new_ptr[-1]) + np.repeat(ptr[rows] - new_ptr[:-1], counts)


def _index(n: int, chosen: Ints) -> Ints:
    """Return the new index of each old one; a last entry maps ``NONE`` to itself."""
    index = np.full(n + 1, NONE, dtype=np.int64)
    index[chosen] = np.arange(chosen.size)
    return index


def _pick(ids: tuple[str, ...], chosen: Ints) -> tuple[str, ...]:
    return tuple([ids[k] for k in chosen.tolist()])
