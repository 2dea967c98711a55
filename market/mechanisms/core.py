"""Core-selecting payments: the bidder-optimal core point nearest to the Clarke pivots [1]_, [2]_.

The core here is the set of surpluses (paid beyond price) that no coalition blocks: for all sets of
bidders, what those left out are paid beyond price is at most what the market loses without
them; and that the orders can pay, each at most its value. It is never empty where paying as bid is
affordable, and it holds the pivots where these are free of complements, so it differs from `vcg`
exactly where winners need each other: a chain of indispensable suppliers shares the surplus
instead of being paid it once each.

Limits are generated [1]_: the market is solved again with every winner's surplus as an opening
price; if that finds better than the allocation, the winners it leaves out bind. Bidders are as
companies, with all their bids; parts of the market that do not touch are priced apart. Whole
numbers in the core: no surplus can be raised by 1 alone.

References
----------
.. [1] Day, Raghavan (2007), Fair payments for efficient allocations in public sector combinatorial
   auctions, Management Science 53, 1389-1406.
.. [2] Day, Cramton (2012), Quadratic core-selecting payment rules for combinatorial auctions,
   Operations Research 60, 588-603.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from market.clearing.errors import UnprovenError
from market.clearing.formulation.allocation import allocation_of
from market.clearing.problem import NONE
from market.clearing.terms import terms_of
from market.clearing.tie_break import lottery
from market.mechanisms.nearest import Limit, nearest_point
from market.mechanisms.parts import cleared_parts, merged, winners
from market.mechanisms.rule import Paid, Refused, Resolve, Rule
from market.mechanisms.spread import Shortfall, spread
from market.mechanisms.vcg import alternatives

if TYPE_CHECKING:
    from collections.abc import Mapping

    from market.clearing.formulation.allocation import Allocation
    from market.clearing.problem import Problem

MOST_ROUNDS = 500


def core(p: Problem, a: Allocation, resolve: Resolve) -> Paid | Refused:
    """Return core payments, part by part."""
    margin_of, cleared = cleared_parts(p, a)
    parts = list(cleared)
    done = []
    payments = resolve.each(lambda part: part_payments(part.problem, part.allocation, resolve), parts)
    for part, paid in zip(parts, payments, strict=True):
        if isinstance(paid, Refused):
            return paid
        done.append((part, paid))
    return merged(p, a, margin_of, done)


def part_payments(p: Problem, a: Allocation, resolve: Resolve) -> Paid | Refused:
    """Return core payments of one part."""
    without = alternatives(p, a, resolve)
    if isinstance(without, Refused):
        return without
    won = winners(p, a)
    reference = {bidder: a.objective - rest.objective for bidder, rest in without.items()}
    place = {bidder: k for k, bidder in enumerate(won)}
    rank = lottery(p.seed, [p.bidders[bidder] for bidder in won]).tolist()
    # Who is not used where another is missing shares that one's pivot: most of a chain's limits.
    limits: list[Limit] = [
        (frozenset(place[i] for i in set(won) - set(winners(p, rest))), reference[bidder])
        for bidder, rest in without.items()
    ]
    for _ in range(MOST_ROUNDS):
        point = nearest_point([reference[bidder] for bidder in won], limits, rank)
        surplus = dict(zip(won, point, strict=True))
        paid = spread(p, a, surplus)
        if isinstance(paid, Shortfall):
            if paid.limit < 0:
                names = ", ".join(sorted(p.order_ids[o] for o in paid.orders)[:3])
                return Refused(f"accepted prices alone exceed what orders can pay ({names})")
            new: Limit = (frozenset(place[i] for i in paid.members), paid.limit)
        else:
            blocked = blocking(p, a, surplus, resolve) if len(won) > 1 else None
            if blocked is None:
                return paid
            new = (frozenset(place[i] for i in blocked[0]), blocked[1])
        if new in limits:
            raise UnprovenError("core: a limit was found twice; the solver's answers contradict each other")
        limits.append(new)
    return Refused(f"core: not found in {MOST_ROUNDS} rounds")


def blocking(
    p: Problem, a: Allocation, surplus: Mapping[int, int], resolve: Resolve
) -> tuple[frozenset[int], int] | None:
    """Return winners whom the others would rather do without, and what these may be paid at most.

    None if no coalition blocks. Amounts are surpluses.
    """
    dearer = surcharged(p, surplus)
    start = allocation_of(dearer, terms_of(dearer), a.quantity, a.moves)
    found = resolve.best(dearer, start)
    if found.objective <= start.objective:
        return None
    used = set(winners(p, found))
    out = frozenset(surplus) - used
    welfare = found.objective + sum(amount for bidder, amount in surplus.items() if bidder in used)
    return out, a.objective - welfare


def surcharged(p: Problem, surplus: Mapping[int, int]) -> Problem:
    """Return the problem in which using a bidder costs its surplus more: one more group each."""
    added = sorted(bidder for bidder, amount in surplus.items() if amount > 0)
    group_of = np.full(len(p.bidders), NONE, dtype=np.int64)
    group_of[added] = len(p.group_ids) + np.arange(len(added))
    mine = group_of[p.bid_bidder]
    charged = mine != NONE
    ends = p.bid_group_ptr[1:][charged]
    ptr = p.bid_group_ptr.copy()
    ptr[1:] += np.cumsum(charged)
    return replace(
        p,
        group_ids=(*p.group_ids, *(f"surplus of {p.bidders[bidder]}" for bidder in added)),
        group_max=np.append(p.group_max, np.full(len(added), NONE)),
        group_fixed=np.append(p.group_fixed, [surplus[bidder] for bidder in added]).astype(np.int64),
        bid_group_ptr=ptr,
        bid_group=np.insert(p.bid_group, ends, mine[charged]),
    )


RULE = Rule(name="core", needs_proof=True, pay=core)
