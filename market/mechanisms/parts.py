"""Cut a cleared market into parts that do not touch, each with its share of the allocation.

Pivots and cores of a market are those of its parts, and each part's orders pay for it alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from market.clearing.formulation.allocation import Allocation, allocation_of
from market.clearing.formulation.components import Part, cut, labels, parts_of
from market.clearing.formulation.formulate import simple_orders
from market.clearing.problem import NONE
from market.clearing.publishing.settle import order_limits, transport_costs
from market.clearing.terms import terms_of
from market.mechanisms.pay_as_bid import accepted_prices
from market.mechanisms.rule import Paid
from market.mechanisms.single import UNRIVALLED, margins

if TYPE_CHECKING:
    from collections.abc import Iterator

    from market.clearing.problem import Flags, Problem


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cleared:
    """A part with its allocation, and where its bids and groups stand in the whole market."""

    problem: Problem
    allocation: Allocation
    bids: tuple[int, ...]
    groups: tuple[int, ...]


def winners(p: Problem, a: Allocation) -> list[int]:
    """Return the bidders with an accepted bid, by index."""
    won: list[int] = np.unique(p.bid_bidder[a.quantity > 0]).tolist()
    return won


def cleared_parts(p: Problem, a: Allocation) -> tuple[dict[int, int], Iterator[Cleared]]:
    """Return what needs no solving, and the other parts in which something is accepted.

    The first is the margin of the accepted bid on every order that is a part and an auction of its
    own, as long as the order can pay it: both its pivot and, alone in its part, its core surplus.
    """
    terms = terms_of(p)
    alone = _auctions(p, a)
    margin_of: dict[int, int] = {}
    if alone.any():
        winner, margin = margins(p, terms, a)
        prices, limits, transport = accepted_prices(p, a).bids, order_limits(p, a), transport_costs(p, a)
        for o in np.flatnonzero(alone & (winner != NONE) & (margin != UNRIVALLED)).tolist():
            b = int(winner[o])
            if prices[b] + int(margin[o]) + transport.get(o, 0) <= limits[o]:
                margin_of[b] = int(margin[o])
    done = np.zeros(p.n_orders, dtype=np.bool_)
    lot = p.item_lot[p.bid_item_ptr[:-1]] if p.n_bids else np.zeros(0, dtype=np.int64)
    done[p.lot_order[lot[list(margin_of)]]] = True
    return margin_of, _others(p, a, done)


def _auctions(p: Problem, a: Allocation) -> Flags:
    """Return which served orders touch no other order and need no program."""
    terms = terms_of(p)
    label = labels(p, terms)
    alone: Flags = simple_orders(p, terms) & (np.bincount(label, minlength=1)[label] == 1) & (a.units > 0)
    owner = np.repeat(np.arange(p.n_bids), np.diff(p.bid_item_ptr))
    priced = np.zeros(p.n_bids, dtype=np.bool_)
    member = np.repeat(np.arange(p.n_bids), np.diff(p.bid_group_ptr))
    priced[member[p.group_fixed[p.bid_group] > 0]] = True
    alone[p.lot_order[p.item_lot[priced[owner]]]] = False
    return alone


def _others(p: Problem, a: Allocation, done: Flags) -> Iterator[Cleared]:
    """Cut out the parts one by one, through batches, so that many small ones cost little."""
    groups = {name: g for g, name in enumerate(p.group_ids)}
    for batch in parts_of(p, terms_of(p))[0]:
        q, terms = batch.problem, terms_of(batch.problem)
        label = labels(q, terms)
        owner = np.repeat(np.arange(q.n_bids), np.diff(q.bid_item_ptr))
        order = q.lot_order[q.item_lot]
        live = (a.quantity[batch.bids] > 0)[owner] & ~done[batch.orders][order]
        for number in np.unique(label[order[live]]).tolist():
            part = cut(q, terms, label == number)
            yield _cleared(part, batch, a, groups)


def _cleared(part: Part, batch: Part, a: Allocation, groups: dict[str, int]) -> Cleared:
    """Return a part of a batch with its share of the whole market's allocation."""
    bids, arcs = batch.bids[part.bids].tolist(), batch.arcs[part.arcs].tolist()
    bid, arc = ({old: new for new, old in enumerate(olds)} for olds in (bids, arcs))
    moves = tuple((arc[e], bid[s], bid[t], n) for e, s, t, n in a.moves if e in arc)
    q = part.problem
    return Cleared(
        problem=q,
        allocation=allocation_of(q, terms_of(q), a.quantity[bids], moves),
        bids=tuple(bids),
        groups=tuple(groups[name] for name in q.group_ids),
    )


def merged(p: Problem, a: Allocation, margin_of: dict[int, int], paid: list[tuple[Cleared, Paid]]) -> Paid:
    """Return the payments of the whole market: prices and margins, then what parts pay."""
    prices = accepted_prices(p, a)
    bids, groups = dict(prices.bids), dict(prices.groups)
    for b, margin in margin_of.items():
        bids[b] += margin
    for part, amounts in paid:
        bids |= {part.bids[b]: amount for b, amount in amounts.bids.items()}
        groups |= {part.groups[g]: amount for g, amount in amounts.groups.items()}
    return Paid(bids=bids, groups=groups)
