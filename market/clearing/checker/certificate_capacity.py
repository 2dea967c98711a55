"""What capacity is worth at the multipliers' prices, for the certified bound.

Capacity is priced per unit of use; where uses carry prices of their own, the resource is solved as an
exact 0-1 knapsack. Where bids that use a resource are of a group with an opening cost, its capacity is
there for others anyway, and for them only if the group is open: what it is worth to them beyond what it
is worth to others pays for the opening first.

Part of the checker: reads problem and multipliers alone, integers only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from market.clearing.checker.knapsack import solve
from market.clearing.problem import NONE
from market.clearing.result import MICRO

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from market.clearing.problem import Flags, Ints, Problem
    from market.clearing.result import Multipliers


def own_prices(p: Problem, m: Multipliers, user: Ints) -> tuple[Ints, NDArray[Any]]:
    """Return positions in the uses, and prices there, of all-or-nothing bids that have one of their own.

    Raises
    ------
    KeyError
        If a bid or resource is not there, or the bid does not use the resource.
    """
    if not m.uses:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=object)
    bids = {name: k for k, name in enumerate(p.bid_ids)}
    resources = {name: k for k, name in enumerate(p.resource_ids)}
    bid = np.array([bids[name] for name, _, _ in m.uses], dtype=np.int64)
    wanted = bid * len(p.resource_ids) + np.array([resources[name] for _, name, _ in m.uses], dtype=np.int64)
    price = np.array([max(0, price) for _, _, price in m.uses], dtype=object)
    key = user * len(p.resource_ids) + p.use_resource
    by = np.argsort(key, kind="stable")
    found = np.searchsorted(key, wanted, sorter=by)
    missing = np.flatnonzero(np.append(key[by], -1)[found] != wanted)
    if missing.size:
        raise KeyError(m.uses[int(missing[0])][:2])
    solid = ~p.bid_divisible[bid]  # a divisible bid's use varies: the resource's price holds
    return by[found[solid]], price[solid]


def worth_of_capacity(
    p: Problem,
    price: NDArray[Any],
    amount: NDArray[Any],
    own: tuple[Ints, NDArray[Any]],
    user: Ints,
    among: Flags | None = None,
) -> NDArray[Any]:
    """Return what each resource is worth, in micro units, to all bids or to those ``among`` the uses.

    ``amount`` is the largest use by position in the uses. A resource is solved as a knapsack if a use of it
    has a price of its own.
    """
    worth: NDArray[Any] = price * p.resource_capacity.astype(price.dtype)
    if among is not None:
        total: NDArray[Any] = np.zeros(worth.size, dtype=amount.dtype)
        np.add.at(total, p.use_resource[among], amount[among])
        worth = price * np.minimum(total, p.resource_capacity.astype(amount.dtype))
    if not own[0].size:
        return worth
    paid = price[p.use_resource] * amount
    paid[own[0]] = own[1]
    by = np.argsort(p.use_resource, kind="stable")
    ptr = np.searchsorted(p.use_resource[by], np.arange(len(p.resource_ids) + 1))
    solid = ~p.bid_divisible[user] & (amount <= p.resource_capacity[p.use_resource]).astype(np.bool_)
    spare = np.where(p.bid_divisible[user], amount, 0)
    for r in np.unique(p.use_resource[own[0]]).tolist():
        uses = by[ptr[r] : ptr[r + 1]]
        if among is not None:
            uses = uses[among[uses]]
        fit = uses[solid[uses]]
        worth[r] = solve(
            amount[fit].tolist(),
            paid[fit].tolist(),
            int(p.resource_capacity[r]),
            int(price[r]),
            int(spare[uses].sum()),
        )
    return worth


def opening_groups(
    p: Problem, possible: Flags, amount: NDArray[Any], user: Ints, member: Ints
) -> tuple[Ints, Flags]:
    """Return which group with an opening cost holds each resource, or ``NONE``, and which uses are by others.

    It is the one whose bids could use most of it, the first of several. A use of nothing may have a price,
    too, and pays it whoever holds the resource.
    """
    group = np.full(len(p.resource_ids), NONE, dtype=np.int64)
    others = possible[user]
    priced = p.group_fixed[p.bid_group] > 0
    if not priced.any():
        return group, np.zeros_like(others)
    of: list[list[int]] = [[] for _ in range(p.n_bids)]
    for b, g in zip(member[priced].tolist(), p.bid_group[priced].tolist(), strict=True):
        of[b].append(g)
    live = np.flatnonzero(others)
    uses = list(zip(live.tolist(), user[live].tolist(), p.use_resource[live].tolist(), strict=True))
    most: dict[tuple[int, int], int] = {}
    for k, b, r in uses:
        for g in of[b] if amount[k] else ():
            most[r, g] = most.get((r, g), 0) + int(amount[k])
    for r, g in sorted(most, key=lambda pair: (most[pair], -pair[1])):
        group[r] = g
    for k, b, r in uses:
        others[k] = group[r] != NONE and group[r] not in of[b]
    return group, others


def resources_and_openings(
    p: Problem, worth: NDArray[Any], rest: NDArray[Any], group: Ints, shares: dict[int, int]
) -> int:
    """Return what capacity is worth and what it and the bids' shares pay beyond the opening costs.

    Of a resource that a group holds, what it is worth to others is there anyway (``rest``), and what it is
    worth beyond that only if the group is open.
    """
    total = int(worth[group == NONE].sum())
    paid = dict(shares)
    for r in np.flatnonzero(group != NONE).tolist():
        anyway = min(int(rest[r]), int(worth[r]))
        total += anyway
        paid[int(group[r])] = paid.get(int(group[r]), 0) + int(worth[r]) - anyway
    return total + sum(max(0, amount - int(p.group_fixed[g]) * MICRO) for g, amount in paid.items())
