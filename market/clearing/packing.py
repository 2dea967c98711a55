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

from market.clearing.local_search import Model, State
from market.clearing.packing_rules import single_bids
from market.clearing.problem import NONE

if TYPE_CHECKING:
    from market.clearing.prices import Prices
    from market.clearing.problem import Flags, Ints, Problem
    from market.clearing.program import Floats
    from market.clearing.terms import Terms


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Packing:
    """A packing model and the bid behind every item.

    ``adjusted`` is the profit of every item less the prices of what it uses, ``fraction`` how far the
    relaxation accepts it.
    The clearing's objective is the model's minus ``bonus`` per covered must-serve order.
    """

    model: Model
    item_bid: Ints
    item_quantity: Ints
    adjusted: Floats
    fraction: Floats
    bonus: int
    n_bids: int

    def empty(self) -> State:
        """Return the state with nothing in."""
        m = self.model
        return State(
            taken=np.zeros(self.item_bid.size, dtype=np.int8),
            load=np.zeros(m.capacity.size, dtype=np.int64),
            members=np.zeros(m.item_row.size + 1, dtype=np.int64),
            count=np.zeros(m.capacity.size, dtype=np.int64),
            place=np.zeros(m.item_row.size + 1, dtype=np.int64),
            opened=np.zeros(m.group_price.size, dtype=np.int64),
        )


def packing_of(p: Problem, terms: Terms, lottery_rank: Ints, prices: Prices) -> Packing:
    """Build the model of the bids that serve orders by themselves, ranked at the given prices."""
    single = single_bids(p, terms)
    bids = np.flatnonzero(single)
    index = np.full(p.n_bids, NONE, dtype=np.int64)
    index[bids] = np.arange(bids.size)
    owner = np.repeat(np.arange(p.n_bids), np.diff(p.bid_item_ptr))
    user = np.repeat(np.arange(p.n_bids), np.diff(p.bid_use_ptr))
    member = np.repeat(np.arange(p.n_bids), np.diff(p.bid_group_ptr))
    quantity = np.where(terms.whole, terms.quantity, terms.high)
    use = p.use_fixed + p.use_unit * quantity[user]
    live_item, live_use, live_member = single[owner], single[user] & (use > 0), single[member]
    size = np.bincount(p.bid_group[live_member], minlength=len(p.group_ids))
    limited = live_member & ((p.group_max != NONE) & (size > p.group_max))[p.bid_group]
    total = np.bincount(p.use_resource[live_use], weights=use[live_use], minlength=len(p.resource_ids))
    live_use &= (total > p.resource_capacity)[p.use_resource]
    orders, resources = p.n_orders, len(p.resource_ids)
    order = p.lot_order[p.item_lot[live_item]]
    item = index[np.concatenate([owner[live_item], user[live_use], member[limited]])]
    row = np.concatenate(
        [order, orders + p.use_resource[live_use], orders + resources + p.bid_group[limited]]
    )
    ones = np.ones(order.size, dtype=np.int64), np.ones(int(limited.sum()), dtype=np.int64)
    amount = np.concatenate([ones[0], use[live_use], ones[1]])
    capacity = np.concatenate(
        [np.ones(orders, dtype=np.int64), p.resource_capacity, np.maximum(p.group_max, 0)]
    )
    split = np.where(terms.whole, 0, terms.profit_unit * quantity + terms.part * quantity // terms.part_of)
    profit = (terms.profit_fixed + split)[bids]
    musts = np.zeros(bids.size, dtype=np.int64)
    np.add.at(musts, index[owner[live_item]], p.order_must[order])
    np.add.at(profit, index[owner[live_item]], np.where(p.order_must, 0, p.order_value)[order])
    bonus = 0
    if p.order_must.any():
        bonus = 4 * int(np.abs(profit).max(initial=0)) + 2 * int(p.group_fixed.max(initial=0)) + 1
    profit += bonus * musts
    priced = live_member & (p.group_fixed > 0)[p.bid_group]
    price = np.zeros(orders + resources + len(p.group_ids))
    price[orders : orders + resources], price[orders + resources :] = prices.resource, prices.group
    groups = (index[member[priced]], p.bid_group[priced], p.group_fixed)
    opening = np.zeros(p.n_bids)
    np.add.at(opening, member, prices.link)
    model, adjusted = _assembled(
        item,
        row,
        amount,
        capacity,
        profit,
        groups,
        price,
        orders,
        p.order_must,
        lottery_rank[bids],
        opening[bids],
    )
    return Packing(
        model=model,
        item_quantity=quantity[bids],
        fraction=prices.fraction[bids],
        adjusted=adjusted,
        item_bid=bids,
        bonus=bonus,
        n_bids=p.n_bids,
    )


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
) -> tuple[Model, Floats]:
    """Sort entries by item and by row, rank the items of each order by priced profit."""
    n = profit.size
    by_item = np.lexsort((row, item))
    item, row, amount = item[by_item], row[by_item], amount[by_item]
    by_row = np.argsort(row, kind="stable")
    adjusted = profit - opening
    np.subtract.at(adjusted, item, price[row] * amount)
    covering = row < orders
    by_block = np.lexsort((rank[item[covering]], -adjusted[item[covering]], row[covering]))
    block_item = item[covering][by_block]
    block_ptr = _pointers(row[covering], orders)
    priced_item, priced_group, group_price = groups
    by_priced, by_group = np.argsort(priced_item, kind="stable"), np.argsort(priced_group, kind="stable")
    model = Model(
        item_ptr=_pointers(item, n),
        item_row=row,
        item_use=amount,
        row_ptr=_pointers(row, capacity.size),
        row_entry=by_row,
        capacity=capacity,
        profit=profit,
        regret=_regret(adjusted, block_ptr, block_item),
        group_ptr=_pointers(priced_item, n),
        group=priced_group[by_priced],
        group_price=group_price.copy(),
        entry_item=item,
        block_ptr=block_ptr,
        block_item=block_item,
        blocks=np.array([orders]),
        must=must.astype(np.int8),
        member_ptr=_pointers(priced_group, group_price.size),
        member=priced_item[by_group],
        row_scale=_row_scale(row, amount, capacity.size),
    )
    return model, adjusted


def _row_scale(row: Ints, amount: Ints, n: int) -> Floats:
    """Return per row the inverse square of its mean use, so that steps treat rows alike."""
    count = np.maximum(1, np.bincount(row, minlength=n))
    mean = np.maximum(1.0, np.bincount(row, weights=amount, minlength=n) / count)
    scale: Floats = 1.0 / (mean * mean)
    return scale


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
