"""One price per product that every seller gets and every buyer pays, per unit.

A *product* is a set of lots on which the same bidders ask the same unit prices: what a market
means by one capability in one period. The rule is defined where a bid is nothing but a unit price
for a quantity of one lot: no fixed prices, no scores, no packages, no arcs or transport, orders of
one lot. The price of a product supports the allocation: nobody who trades would rather not, and
nobody would trade more or instead. That is, it is at least

* every accepted ask, and the value per unit of every order that is not served in full,

and at most

* the value per unit of every order that is served,
* every ask of a bid that is not used to the full although its resources and groups have room.

Of the whole numbers in that interval it is the middle one, rounded down: the k-double auction with
k = 1/2 [1]_; where nothing bounds it above, the lowest. Where lots are indivisible there may be
none, and the rule refuses. A price that supports an allocation proves it optimal, so no other proof
is needed.

References
----------
.. [1] Rustichini, Satterthwaite, Williams (1994), Convergence to efficiency in a simple market with
   incomplete information, Econometrica 62, 1041-1063.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from market.clearing.problem import NONE
from market.mechanisms.rule import Paid, Refused, Resolve, Rule

if TYPE_CHECKING:
    from market.clearing.formulation.allocation import Allocation
    from market.clearing.problem import Ints, Problem


def uniform(p: Problem, a: Allocation, resolve: Resolve) -> Paid | Refused:  # noqa: ARG001  a rule's signature
    """Return payments at one price per product, or where there is none."""
    obstacle = undefined(p)
    if obstacle is not None:
        return Refused(f"{obstacle}: no uniform price is defined")
    price_of_lot: dict[int, int] = {}
    for lots in products(p):
        low, high = supporting_prices(p, a, lots)
        if high is not None and low > high:
            name = p.lot_ids[lots[0]]
            return Refused(
                f'no price in whole minor units supports the allocation of "{name}" and its like '
                f"(at least {low}, at most {high})"
            )
        price_of_lot |= dict.fromkeys(lots, low if high is None else (low + high) // 2)
    won = np.flatnonzero(a.quantity > 0).tolist()
    lot = p.item_lot[p.bid_item_ptr[:-1]]
    return Paid(bids={b: price_of_lot[int(lot[b])] * int(a.quantity[b]) for b in won}, groups={})


def undefined(p: Problem) -> str | None:
    """Return what keeps a market from having uniform prices, or None."""
    if (np.diff(p.order_lot_ptr) > 1).any():
        return "an order has several lots"
    if p.arc_ids:
        return "an order has transport of its own"
    if (np.diff(p.bid_item_ptr) > 1).any():
        return "a bid is on several lots"
    if p.bid_fixed.any() or p.group_fixed.any():
        return "a bid has a fixed price"
    if p.bid_score.any():
        return "a bid has a score"
    return None


def products(p: Problem) -> list[list[int]]:
    """Return the lots with bids, those together on which the same bidders ask the same prices."""
    asks: dict[int, set[tuple[int, int]]] = defaultdict(set)
    for lot, bidder, price in zip(
        p.item_lot.tolist(), p.bid_bidder.tolist(), p.bid_unit.tolist(), strict=True
    ):
        asks[lot].add((bidder, price))
    same: dict[tuple[tuple[int, int], ...], list[int]] = defaultdict(list)
    for lot in sorted(asks):
        same[tuple(sorted(asks[lot]))].append(lot)
    return list(same.values())


def supporting_prices(p: Problem, a: Allocation, lots: list[int]) -> tuple[int, int | None]:
    """Return the lowest and highest whole price that supports the allocation of a product.

    The highest is None where nothing bounds it; it is below the lowest where there is no price.
    """
    lot_of = p.item_lot[p.bid_item_ptr[:-1]]
    bids = np.flatnonzero(np.isin(lot_of, lots))
    taken = a.quantity[bids]
    lows = [0, *p.bid_unit[bids[taken > 0]].tolist()]
    highs = [int(p.bid_unit[b]) for b in bids[has_room(p, a, bids)].tolist()]
    for lot in lots:
        o, size = int(p.lot_order[lot]), int(p.lot_quantity[lot])
        covered = int(a.quantity[lot_of == lot].sum())
        value = int(p.order_value[o])
        if covered and not p.order_must[o]:
            highs.append(value // size)
        if covered < size and not p.order_must[o]:
            lows.append(-(-value // size))
    return max(lows), min(highs) if highs else None


def has_room(p: Problem, a: Allocation, bids: Ints) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return which bids could have taken one more unit, or their least, with what is left."""
    user = np.repeat(a.quantity, np.diff(p.bid_use_ptr))
    left = p.resource_capacity.copy()
    np.subtract.at(left, p.use_resource, np.where(user > 0, p.use_fixed + p.use_unit * user, 0))
    open_groups = np.repeat(a.quantity > 0, np.diff(p.bid_group_ptr))
    count = np.bincount(p.bid_group[open_groups], minlength=len(p.group_ids))
    full = (p.group_max != NONE) & (count >= p.group_max)
    room = np.zeros(bids.size, dtype=np.bool_)
    for k, b in enumerate(bids.tolist()):
        size, taken = int(p.item_quantity[p.bid_item_ptr[b]]), int(a.quantity[b])
        more = 1 if taken else int(p.bid_min[b]) if p.bid_divisible[b] else size
        uses = slice(int(p.bid_use_ptr[b]), int(p.bid_use_ptr[b + 1]))
        needed = p.use_unit[uses] * more + (0 if taken else p.use_fixed[uses])
        groups = p.bid_group[p.bid_group_ptr[b] : p.bid_group_ptr[b + 1]]
        room[k] = (
            taken + more <= size
            and bool((needed <= left[p.use_resource[uses]]).all())
            and (taken > 0 or not full[groups].any())
        )
    return room


RULE = Rule(name="uniform", needs_proof=False, pay=uniform)
