"""Read a market as a packing model: items (bids or plans) compete for orders, capacity and groups.

Coverage of an order is a row of capacity 1; a bid over several orders has several such rows.
Values of orders are folded into the items; must-serve orders carry a value beyond everything
else. Orders that need several bids together enter as plans (`plan_pool`). Builds and translates;
searches nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from market.clearing.formulation.packing_rules import full_quantity, single_bids
from market.clearing.local_search.moves import Model, State
from market.clearing.local_search.plan_pool import PlanPool, plan_arrays
from market.clearing.problem import NONE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from market.clearing.bounds.prices import Prices, Singles
    from market.clearing.problem import Flags, Ints, Problem
    from market.clearing.program import Floats
    from market.clearing.terms import Terms


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Packing:
    """A packing model and the bids behind every item (``plan_bid``), at ``quantity`` each.

    ``adjusted`` is the profit of every item less the prices of what it uses, ``fraction`` how far the
    relaxation accepts it.
    The clearing's objective is the model's minus ``bonus`` per covered must-serve order.
    """

    model: Model
    plan_ptr: Ints
    plan_bid: Ints
    quantity: Ints
    adjusted: Floats
    fraction: Floats
    bonus: int

    @property
    def n_items(self) -> int:
        """Number of items."""
        return self.plan_ptr.size - 1

    def accepted(self, chosen: Flags) -> Ints:
        """Return the accepted quantity per bid of the chosen items."""
        accepted = np.zeros(self.quantity.size, dtype=np.int64)
        bids = self.plan_bid[np.repeat(chosen, np.diff(self.plan_ptr))]
        accepted[bids] = self.quantity[bids]
        return accepted

    def items(self, accepted: Ints) -> Ints:
        """Return the items all of whose bids are accepted in full."""
        if not self.n_items:
            return np.zeros(0, dtype=np.int64)
        full = (accepted == self.quantity)[self.plan_bid]
        return np.flatnonzero(np.logical_and.reduceat(full, self.plan_ptr[:-1]))

    def empty(self) -> State:
        """Return the state with nothing in."""
        m = self.model
        return State(
            taken=np.zeros(self.n_items, dtype=np.int8),
            load=np.zeros(m.capacity.size, dtype=np.int64),
            members=np.zeros(m.item_row.size + 1, dtype=np.int32),
            count=np.zeros(m.capacity.size, dtype=np.int32),
            place=np.zeros(m.item_row.size + 1, dtype=np.int32),
            opened=np.zeros(m.group_price.size, dtype=np.int32),
        )


def packing_of(p: Problem, terms: Terms, lottery_rank: Ints, prices: Prices) -> Packing:
    """Build the model of single bids and plans, ranked at the given prices."""
    quantity = full_quantity(terms)
    item_ptr, bid, item_order, order_item, profit = _items(p, terms, prices)
    n, orders, resources = profit.size, p.n_orders, len(p.resource_ids)
    owner = np.repeat(np.arange(n), np.diff(item_ptr))
    use_at, use_item = _gathered(p.bid_use_ptr, bid, owner)
    use = p.use_fixed[use_at] + p.use_unit[use_at] * quantity[np.repeat(bid, np.diff(p.bid_use_ptr)[bid])]
    total = np.bincount(p.use_resource[use_at], weights=use, minlength=resources)
    kept = (use > 0) & (total > p.resource_capacity)[p.use_resource[use_at]]
    member_at, member_item = _gathered(p.bid_group_ptr, bid, owner)
    group = p.bid_group[member_at]
    limited = ((p.group_max != NONE) & (np.bincount(group, minlength=len(p.group_ids)) > p.group_max))[group]
    item, row, amount = _merged(
        np.concatenate([order_item, use_item[kept], member_item[limited]]),
        np.concatenate(
            [item_order, orders + p.use_resource[use_at[kept]], orders + resources + group[limited]]
        ),
        np.concatenate(
            [np.ones(item_order.size, dtype=np.int64), use[kept], np.ones(int(limited.sum()), dtype=np.int64)]
        ),
    )
    capacity = np.concatenate(
        [np.ones(orders, dtype=np.int64), p.resource_capacity, np.maximum(p.group_max, 0)]
    )
    musts = np.bincount(order_item, weights=p.order_must[item_order], minlength=n).astype(np.int64)
    np.add.at(profit, order_item, np.where(p.order_must, 0, p.order_value)[item_order])
    bonus = 0
    if p.order_must.any():
        bonus = 4 * int(np.abs(profit).max(initial=0)) + 2 * int(p.group_fixed.max(initial=0)) + 1
        bonus = min(bonus, most_bonus(item_order, profit[order_item], p.order_must))
    profit += bonus * musts
    price = np.zeros(orders + resources + len(p.group_ids))
    price[orders : orders + resources], price[orders + resources :] = prices.resource, prices.group
    priced = (p.group_fixed > 0)[group]
    pairs = np.unique(np.stack([member_item[priced], group[priced]]), axis=1)
    opening = np.zeros(n)
    np.add.at(opening, member_item, prices.link[member_at])
    first = item_ptr[:-1]
    model, adjusted = _assembled(
        item,
        row,
        amount,
        capacity,
        profit,
        (pairs[0], pairs[1], p.group_fixed),
        price,
        orders,
        p.order_must,
        lottery_rank[bid[first]],
        opening,
        _standing(prices.single, bid, item_ptr, item_order, order_item),
    )
    return Packing(
        model=model,
        plan_ptr=item_ptr,
        plan_bid=bid,
        quantity=quantity,
        fraction=np.minimum.reduceat(prices.fraction[bid], first) if n else np.zeros(0),
        adjusted=adjusted,
        bonus=bonus,
    )


MOST_WORTH = 1.9 * 2**62
"""What a set of items may be worth: 64 bits hold it and what a few items add."""


def most_bonus(order: Ints, profit: Ints, must: Flags) -> int:
    """Return how much each order that must be served may be worth for no set of items to leave 64 bits.

    ``profit`` is what an item that covers ``order`` earns without that; a set has one item for an order.
    """
    largest = np.zeros(must.size)
    np.maximum.at(largest, order, profit)
    return int(max(0.0, MOST_WORTH - float(largest.sum())) / max(1, int(np.count_nonzero(must))))


def _items(p: Problem, terms: Terms, prices: Prices) -> tuple[Ints, Ints, Ints, Ints, Ints]:
    """Return pointers and bids of every item, (order, item) pairs of coverage, and profits."""
    quantity = full_quantity(terms)
    split = np.where(terms.whole, 0, terms.profit_unit * quantity + terms.part * quantity // terms.part_of)
    single = single_bids(p, terms)
    bids = np.flatnonzero(single)
    at, item = _gathered(p.bid_item_ptr, bids, np.arange(bids.size))
    orders = p.lot_order[p.item_lot[at]]
    profit = (terms.profit_fixed + split)[bids]
    ptr = np.arange(bids.size + 1)
    if bool((np.diff(p.order_lot_ptr) > 1).any() or p.arc_ids):
        order, gain, plan_ptr, plan_bid = plan_arrays(PlanPool(p, terms, prices).plans())
        ptr = np.concatenate([ptr, ptr[-1] + plan_ptr[1:]])
        orders, item = (
            np.concatenate([orders, order]),
            np.concatenate([item, bids.size + np.arange(order.size)]),
        )
        bids, profit = np.concatenate([bids, plan_bid]), np.concatenate([profit, gain])
    return ptr, bids, orders, item, profit


def _gathered(ptr: Ints, rows: Ints, owner: Ints) -> tuple[Ints, Ints]:
    """Return element positions of the given rows of a CSR array, and the owner of each."""
    counts = (ptr[1:] - ptr[:-1])[rows]
    starts = np.cumsum(counts) - counts
    return np.arange(counts.sum()) + np.repeat(ptr[rows] - starts, counts), np.repeat(owner, counts)


def _merged(item: Ints, row: Ints, amount: Ints) -> tuple[Ints, Ints, Ints]:
    """Add up what an item uses of the same row."""
    by = np.lexsort((row, item))
    item, row, amount = item[by], row[by], amount[by]
    new = np.ones(item.size, dtype=np.bool_)
    new[1:] = (item[1:] != item[:-1]) | (row[1:] != row[:-1])
    first = np.flatnonzero(new)
    return item[first], row[first], np.add.reduceat(amount, first) if first.size else amount


def _standing(
    single: Singles | None, bid: Ints, item_ptr: Ints, item_order: Ints, order_item: Ints
) -> tuple[Floats, Floats] | None:
    """Return what accepting each item loses at least, and what it then adds to its orders."""
    if single is None:
        return None
    loss = np.add.reduceat(single.bid[bid], item_ptr[:-1]) if bid.size else np.zeros(0)
    earned = np.bincount(order_item, weights=single.order[item_order], minlength=loss.size)
    return loss, np.maximum(0.0, loss + earned)


def _assembled(
    item: Ints,
    row: Ints,
    amount: Ints,
    capacity: Ints,
    profit: Ints,
    groups: tuple[Ints, Ints, Ints],
    price: Floats,
    orders: int,
    must: Flags,
    rank: Ints,
    opening: Floats,
    standing: tuple[Floats, Floats] | None,
) -> tuple[Model, Floats]:
    """Sort entries by item and by row, rank the items of each order by standing or else by priced profit."""
    n = profit.size
    by_item = np.lexsort((row, item))
    item, row, amount = item[by_item], row[by_item], amount[by_item]
    by_row = np.argsort(row, kind="stable")
    adjusted = profit - opening
    np.subtract.at(adjusted, item, price[row] * amount)
    covering = row < orders
    ranked = adjusted if standing is None else standing[0]
    by_block = np.lexsort((rank[item[covering]], -ranked[item[covering]], row[covering]))
    block_item = item[covering][by_block]
    block_ptr = _pointers(row[covering], orders)
    priced_item, priced_group, group_price = groups
    by_priced, by_group = np.argsort(priced_item, kind="stable"), np.argsort(priced_group, kind="stable")
    model = Model(
        item_ptr=_narrow(_pointers(item, n)),
        item_row=_narrow(row),
        item_use=amount,
        row_ptr=_narrow(_pointers(row, capacity.size)),
        row_entry=_narrow(by_row),
        capacity=capacity,
        profit=profit,
        regret=_regret(adjusted, block_ptr, block_item) if standing is None else standing[1],
        group_ptr=_narrow(_pointers(priced_item, n)),
        group=_narrow(priced_group[by_priced]),
        group_price=group_price.copy(),
        entry_item=_narrow(item),
        block_ptr=_narrow(block_ptr),
        block_item=_narrow(block_item),
        blocks=np.array([orders]),
        must=must.astype(np.int8),
        member_ptr=_narrow(_pointers(priced_group, group_price.size)),
        member=_narrow(priced_item[by_group]),
        near=_narrow(_near(item, row, block_ptr, block_item, orders)),
    )
    return model, adjusted


def _narrow(index: Ints) -> NDArray[np.int32]:
    """Return positions in half the space: the search waits for memory most of all."""
    return index.astype(np.int32)


def _near(item: Ints, row: Ints, block_ptr: Ints, block_item: Ints, orders: int) -> Ints:
    """Return the orders by the first row that their most promising item uses."""
    first = np.full(block_item.size and int(item.max()) + 1, np.iinfo(np.int64).max)
    used = row >= orders
    np.minimum.at(first, item[used], row[used])
    key = np.full(orders, np.iinfo(np.int64).max)
    has = np.flatnonzero(np.diff(block_ptr) > 0)
    key[has] = first[block_item[block_ptr[has]]]
    return np.argsort(key, kind="stable")


def _pointers(owner: Ints, n: int) -> Ints:
    ptr = np.zeros(n + 1, dtype=np.int64)
    np.cumsum(np.bincount(owner, minlength=n), out=ptr[1:])
    return ptr


def _regret(adjusted: Floats, block_ptr: Ints, block_item: Ints) -> Floats:
    """Return what an item is worth beyond the next best of its order; at least 0."""
    regret = np.maximum(adjusted, 0.0)
    several = np.flatnonzero(np.diff(block_ptr) > 1)
    first, second = block_item[block_ptr[several]], block_item[block_ptr[several] + 1]
    fallback = np.maximum(adjusted[second], 0.0)
    for_first = adjusted[first] - fallback
    rest = np.ones(regret.size, dtype=np.bool_)
    rest[np.setdiff1d(np.arange(regret.size), block_item[block_ptr[:-1][np.diff(block_ptr) == 1]])] = False
    regret[~rest] = 0.0
    regret[first] = np.maximum(for_first, 0.0)
    return regret
