"""Turn duals of the linear relaxation into published multipliers.

Reads a `Formulation`; the checker recomputes the bound from the result without it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from market.clearing.bounds.prices import lot_prices
from market.clearing.checker.certificate import gains
from market.clearing.result import MICRO, Multipliers

if TYPE_CHECKING:
    from market.clearing.formulation.formulate import Formulation
    from market.clearing.problem import Flags, Ints, Problem
    from market.clearing.program import Floats

_LARGEST = 2.0**62


def rounded(values: Floats) -> Ints:
    """Return values in 10^-6."""
    return np.rint(np.clip(values * MICRO, -_LARGEST, _LARGEST)).astype(np.int64)


def _micro(values: Floats) -> list[int]:
    found: list[int] = rounded(values).tolist()
    return found


def multipliers_of(f: Formulation, duals: Floats) -> Multipliers:
    """Return the rounded multipliers of a relaxation's row duals."""
    p = f.problem
    padded = np.append(duals, 0.0)
    resource = np.maximum(0.0, padded[f.resource_row])
    group = np.maximum(0.0, padded[f.group_row])
    link = np.maximum(0.0, padded[f.link_row])
    member = np.repeat(np.arange(p.n_bids), np.diff(p.bid_group_ptr))
    return Multipliers(
        resources=named(p.resource_ids, resource),
        lots=named(p.lot_ids, lot_prices(f, duals)),
        groups=named(p.group_ids, group),
        openings=tuple(
            (p.group_ids[p.bid_group[k]], p.bid_ids[member[k]], v)
            for k, v in zip(np.flatnonzero(link > 0).tolist(), _micro(link[link > 0]), strict=True)
            if v
        ),
        arcs=tuple(
            (p.arc_ids[origin.arc], p.bid_ids[b], v)
            for origin in f.origins
            for b, v in zip(origin.bid.tolist(), _micro(-padded[origin.row] / origin.units), strict=True)
        ),
        kind="lp_dual",
    )


def named(ids: tuple[str, ...], values: Floats) -> tuple[tuple[str, int], ...]:
    """Return the non-zero values by id, rounded to 10^-6."""
    return tuple(
        (ids[k], v)
        for k, v in zip(np.flatnonzero(values).tolist(), _micro(values[values != 0]), strict=True)
        if v
    )


def at_most_value(p: Problem, m: Multipliers) -> Multipliers:
    """Return the multipliers with prices of lots lowered to where the order is worth nothing.

    Beyond that they only let bids gain more, also those that every search leaves out.
    """
    price = dict(m.lots)
    micro = np.array([price.get(name, 0) for name in p.lot_ids], dtype=object)
    paid = micro * p.lot_quantity
    for o in np.flatnonzero(~p.order_must).tolist():
        lots = slice(int(p.order_lot_ptr[o]), int(p.order_lot_ptr[o + 1]))
        high = sum(v for v in paid[lots] if v > 0)
        room = max(0, int(p.order_value[o]) * MICRO - sum(v for v in paid[lots] if v < 0))
        if high > room:
            micro[lots] = [v if v <= 0 else -(-v * room // high) for v in micro[lots]]
    kept = zip(p.lot_ids, micro.tolist(), strict=True)
    return replace(m, lots=tuple(sorted((name, v) for name, v in kept if v)))


def with_senders(p: Problem, m: Multipliers) -> Multipliers:
    """Return the multipliers with prices for bids that a search left out, on arcs that have some.

    What they send would be free, and whoever can be sent to would seem to gain by it. Each is priced so
    that it gains nothing.
    """
    if not m.arcs:
        return m
    arcs = {name: e for e, name in enumerate(p.arc_ids)}
    number = {name: b for b, name in enumerate(p.bid_ids)}
    known = {(arcs[arc], number[bid]) for arc, bid, _ in m.arcs}
    on_lot: dict[int, list[int]] = {}
    for arc in sorted({arc for arc, _ in known}):
        on_lot.setdefault(int(p.arc_from[arc]), []).append(arc)
    owner = np.repeat(np.arange(p.n_bids), np.diff(p.bid_item_ptr))
    missing = [
        (arc, b, q)
        for b, lot, q in zip(owner.tolist(), p.item_lot.tolist(), p.item_quantity.tolist(), strict=True)
        for arc in on_lot.get(lot, ())[:1]
        if (arc, b) not in known
    ]
    if not missing:
        return m
    size = np.bincount(owner, weights=p.item_quantity, minlength=p.n_bids).astype(np.int64)
    plain = replace(m, cliques=())
    low, high = (gains(p, plain, np.where(p.bid_divisible, q, size)) for q in (p.bid_min, size))
    added = []
    for arc, b, q in missing:
        least = int(p.bid_min[b]) if p.bid_divisible[b] else q
        price = max(-(-int(low[b]) // least), -(-int(high[b]) // q))
        added.append((p.arc_ids[arc], p.bid_ids[b], price))
    return replace(m, arcs=tuple(sorted((*m.arcs, *added))))


def without_charge(p: Problem, m: Multipliers, left_out: Flags) -> Multipliers:
    """Return the multipliers with a price of 0 for what left-out bids use of resources that are knapsacks.

    They gain nothing even so, and a resource's default price would let them stand in its knapsack.
    """
    knapsacks = {resource for _, resource, _ in m.uses}
    if not knapsacks or not left_out.any():
        return m
    user = np.repeat(np.arange(p.n_bids), np.diff(p.bid_use_ptr))
    chosen = np.array([name in knapsacks for name in p.resource_ids], dtype=np.bool_)
    at = np.flatnonzero(left_out[user] & chosen[p.use_resource])
    free = zip(user[at].tolist(), p.use_resource[at].tolist(), strict=True)
    added = tuple((p.bid_ids[b], p.resource_ids[r], 0) for b, r in free)
    return replace(m, uses=tuple(sorted((*m.uses, *added))))
