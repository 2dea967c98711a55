"""From payments to charges: every order pays for what serves it, at most its value.

Decides no allocation and no payment; `market.mechanisms` does. Charges and payments add up to the
unit: what orders pay is what bidders and carriers get.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from market.clearing.formulation.allocation import units_of
from market.clearing.problem import NONE
from market.clearing.publishing.charges import NO_CAP, charges_of
from market.clearing.result import Charge, Payment

if TYPE_CHECKING:
    from market.clearing.formulation.allocation import Allocation
    from market.clearing.problem import Problem
    from market.mechanisms.rule import Paid


def settle(p: Problem, a: Allocation, paid: Paid) -> tuple[tuple[Payment, ...], tuple[Charge, ...]] | str:
    """Return payments and charges, or why no charges can cover the payments."""
    bid_pay, group_pay = paid.bids, paid.groups
    payments = [Payment(p.bid_ids[b], None, amount) for b, amount in sorted(bid_pay.items())]
    payments += [Payment(None, p.group_ids[g], amount) for g, amount in sorted(group_pay.items())]
    own: dict[int, int] = dict.fromkeys(np.flatnonzero(a.units > 0).tolist(), 0)
    shared: list[tuple[int, dict[int, int]]] = []
    group_users: dict[int, dict[int, int]] = {g: defaultdict(int) for g in group_pay}
    lot_order = p.lot_order[p.item_lot].tolist()
    item_ptr, group_ptr, group = p.bid_item_ptr.tolist(), p.bid_group_ptr.tolist(), p.bid_group
    quantity = p.item_quantity.tolist()
    for b, amount in bid_pay.items():
        weight: dict[int, int] = defaultdict(int)
        for k in range(item_ptr[b], item_ptr[b + 1]):
            weight[lot_order[k]] += quantity[k]
        if len(weight) == 1:
            own[next(iter(weight))] += amount
        else:
            shared.append((amount, weight))
        for g in group[group_ptr[b] : group_ptr[b + 1]].tolist() if group.size else ():
            if g in group_users:
                for o in weight:
                    group_users[g][o] += amount
    shared += [(group_pay[g], users) for g, users in sorted(group_users.items())]
    for o, cost in transport_costs(p, a).items():
        own[o] += cost
    caps = order_limits(p, a)
    charge = charges_of(own, shared, caps)
    if charge is None:
        over = next((o for o in own if own[o] > caps[o]), None)
        name = "orders that share a cost" if over is None else f'order "{p.order_ids[over]}"'
        return f"{name} would be charged above value"
    return tuple(payments), tuple(Charge(p.order_ids[o], amount) for o, amount in sorted(charge.items()))


def order_limits(p: Problem, a: Allocation) -> dict[int, int]:
    """Return the most each served order pays: the value of what it gets; `NO_CAP` if it must be served."""
    of = units_of(p)
    return {
        o: NO_CAP if p.order_must[o] else int(p.order_value[o]) * int(a.units[o]) // int(of[o])
        for o in np.flatnonzero(a.units > 0).tolist()
    }


def transport_costs(p: Problem, a: Allocation) -> dict[int, int]:
    """Return the transport cost of each order with moves, deliveries to sites included."""
    if not p.arc_ids:
        return {}
    row = {
        (s, t): k
        for k, (s, t) in enumerate(zip(p.transport_from.tolist(), p.transport_to.tolist(), strict=True))
    }
    cost: dict[int, int] = defaultdict(int)
    for arc, start, end, flow in all_moves(p, a):
        s, t = int(p.bid_site[start]), int(p.arc_site[arc]) if end == NONE else int(p.bid_site[end])
        if s != t:
            k = row[s, t]
            cost[int(p.lot_order[p.arc_from[arc]])] += (
                int(p.transport_fixed[k]) + int(p.transport_unit[k]) * flow
            )
    return cost


def all_moves(p: Problem, a: Allocation) -> list[tuple[int, int, int, int]]:
    """Return moves between bids and, with ``NONE`` as the second bid, to the fixed sites; sorted."""
    moves = list(a.moves)
    ends = np.flatnonzero(p.arc_site != NONE)
    if ends.size:
        owner = np.repeat(np.arange(p.n_bids), np.diff(p.bid_item_ptr))
        taken = np.flatnonzero(a.quantity[owner] > 0)
        makes: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for k in taken.tolist():
            b = int(owner[k])
            makes[int(p.item_lot[k])].append(
                (b, int(a.quantity[b]) if p.bid_divisible[b] else int(p.item_quantity[k]))
            )
        for arc in ends.tolist():
            moves += [(arc, b, NONE, q) for b, q in makes.get(int(p.arc_from[arc]), ())]
    return sorted(moves)
