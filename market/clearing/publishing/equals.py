"""Order bids that are equal in everything but id and bidder by the keyed lottery.

A solver takes equals in an order of its own, which an id could be chosen for. Afterwards the
accepted quantities of each class of equals go to its members by rank, the largest first; the
objective stays the same. Permutes within classes only; a class whose exchange would break a
limit of suppliers stays as it is.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from market.clearing.problem import NONE
from market.clearing.tie_break import lottery

if TYPE_CHECKING:
    from market.clearing.formulation.allocation import Allocation
    from market.clearing.problem import Ints, Problem


def by_lottery(p: Problem, a: Allocation) -> Allocation:
    """Return the allocation with equals in the order of the lottery."""
    quantity = a.quantity.copy()
    place = np.arange(p.n_bids)
    for members in classes(p, a.quantity):
        rank = lottery(p.seed, [p.bid_ids[b] for b in members])
        turn = dict(zip(members, rank.tolist(), strict=True))
        drawn = sorted(members, key=lambda b: turn[b])
        before = sorted(members, key=lambda b: (-int(a.quantity[b]), turn[b]))
        if before == drawn or not _suppliers_fit(p, quantity, before, drawn):
            continue
        place[before] = drawn
        quantity[drawn] = a.quantity[before]
    if (quantity == a.quantity).all():
        return a
    moves = tuple(sorted((e, int(place[s]), int(place[t]), q) for e, s, t, q in a.moves))
    return replace(a, quantity=quantity, moves=moves)


def classes(p: Problem, quantity: Ints) -> list[list[int]]:
    """Return the classes of equal bids that are not treated alike, by first member."""
    sums = fingerprints(p)
    order = np.argsort(sums, kind="stable")
    starts = np.flatnonzero(np.append(True, sums[order][1:] != sums[order][:-1])[: p.n_bids])
    size = np.diff(np.append(starts, p.n_bids))
    found = []
    for k in np.flatnonzero(size > 1).tolist():
        alike = order[starts[k] : starts[k] + size[k]]
        if (quantity[alike] == quantity[alike[0]]).all():
            continue
        exact: dict[tuple[object, ...], list[int]] = defaultdict(list)
        for b in alike.tolist():
            exact[_content(p, b)].append(b)
        found += [members for members in exact.values() if len(members) > 1]
    return sorted(found)


def fingerprints(p: Problem) -> Ints:
    """Return a number per bid, equal for equal bids and rarely equal for others."""
    total = np.zeros(p.n_bids, dtype=np.int64)
    columns = (
        p.bid_site, p.bid_divisible, p.bid_min, p.bid_fixed, p.bid_unit, p.bid_score, p.bid_start, p.bid_end,
        np.diff(p.bid_item_ptr), np.diff(p.bid_use_ptr), np.diff(p.bid_group_ptr),
    )  # fmt: skip
    for column in columns:
        total = total * MIX + column
    for ptr, parts in (
        (p.bid_item_ptr, (p.item_lot, p.item_quantity)),
        (p.bid_use_ptr, (p.use_resource, p.use_fixed, p.use_unit)),
        (p.bid_group_ptr, (p.bid_group,)),
    ):
        owner = np.repeat(np.arange(p.n_bids), np.diff(ptr))
        element = np.zeros(owner.size, dtype=np.int64)
        for part in parts:
            element = (element + part + 1) * MIX
        inside = np.zeros(p.n_bids, dtype=np.int64)
        np.add.at(inside, owner, element ^ (element >> 29))
        total = total * MIX + inside
    return total


MIX = 6364136223846793005
"""An odd multiplier; products wrap around."""


def _content(p: Problem, b: int) -> tuple[object, ...]:
    """Return everything about a bid but its id and bidder."""
    items = slice(int(p.bid_item_ptr[b]), int(p.bid_item_ptr[b + 1]))
    uses = slice(int(p.bid_use_ptr[b]), int(p.bid_use_ptr[b + 1]))
    groups = slice(int(p.bid_group_ptr[b]), int(p.bid_group_ptr[b + 1]))
    terms = (
        p.bid_site, p.bid_divisible, p.bid_min, p.bid_fixed, p.bid_unit, p.bid_score, p.bid_start, p.bid_end
    )  # fmt: skip
    return (
        *(int(column[b]) for column in terms),
        tuple(p.item_lot[items].tolist()),
        tuple(p.item_quantity[items].tolist()),
        tuple(p.use_resource[uses].tolist()),
        tuple(p.use_fixed[uses].tolist()),
        tuple(p.use_unit[uses].tolist()),
        tuple(p.bid_group[groups].tolist()),
    )


def _suppliers_fit(p: Problem, quantity: Ints, before: list[int], after: list[int]) -> bool:
    """Return whether an exchange keeps every order of the class within its limit of suppliers."""
    items = slice(int(p.bid_item_ptr[before[0]]), int(p.bid_item_ptr[before[0] + 1]))
    orders = np.unique(p.lot_order[p.item_lot[items]])
    limited = orders[p.order_max_suppliers[orders] != NONE]
    if not limited.size:
        return True
    trial = quantity.copy()
    trial[after] = quantity[before]
    owner = np.repeat(np.arange(p.n_bids), np.diff(p.bid_item_ptr))
    taken = trial[owner] > 0
    return all(
        np.unique(p.bid_bidder[owner[taken & (p.lot_order[p.item_lot] == o)]]).size
        <= p.order_max_suppliers[o]
        for o in limited.tolist()
    )
