"""Clarke pivots: a winner is paid its prices plus what the market would lose without it.

Only on proven optima: pivots of other allocations are no prices at all [2]_. Without a bidder
only the parts change in which it won, so only these are solved again.

A bidder's dominant strategy is then its true cost, whatever the language it bids in [1]_. What
all winners gain can exceed what the orders are worth beyond cost (each link of a chain is
indispensable); then there are no charges within values, and the rule refuses.

References
----------
.. [1] Clarke (1971), Multipart pricing of public goods, Public Choice 11, 17-33.
.. [2] Nisan, Ronen (2007), Computationally feasible VCG mechanisms, JAIR 29, 19-47.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from market.mechanisms.parts import cleared_parts, merged, winners
from market.mechanisms.rule import Paid, Refused, Resolve, Rule
from market.mechanisms.spread import Shortfall, spread

if TYPE_CHECKING:
    from collections.abc import Mapping

    from market.clearing.formulation.allocation import Allocation
    from market.clearing.problem import Problem
    from market.mechanisms.parts import Cleared


def alternatives(p: Problem, a: Allocation, resolve: Resolve) -> dict[int, Allocation] | Refused:
    """Return, for each winner of one part, the best that the market can do without it.

    Refused if must-serve orders leave a winner without any alternative.
    """
    won = winners(p, a)
    found: dict[int, Allocation] = {}
    for bidder, rest in zip(won, resolve.without(p, a, won), strict=True):
        if rest is None:
            return Refused("a must-serve order cannot be served without one of the winners: no pivot exists")
        found[bidder] = rest
    return found


def pivots(p: Problem, a: Allocation, resolve: Resolve) -> dict[int, int] | Refused:
    """Return by how much each winner raises the optimum of one part, which its pivot pays it."""
    found = alternatives(p, a, resolve)
    if isinstance(found, Refused):
        return found
    return {bidder: a.objective - rest.objective for bidder, rest in found.items()}


def vcg(p: Problem, a: Allocation, resolve: Resolve) -> Paid | Refused:
    """Return prices plus pivots, or why no charges could cover them."""
    margin_of, cleared = cleared_parts(p, a)
    parts = list(cleared)
    done = []
    for part, paid in zip(parts, resolve.each(partial(part_payments, resolve), parts), strict=True):
        if isinstance(paid, Refused):
            return paid
        done.append((part, paid))
    return merged(p, a, margin_of, done)


def part_payments(resolve: Resolve, part: Cleared) -> Paid | Refused:
    """Return prices plus pivots of one part, or why no charges could cover them."""
    found = pivots(part.problem, part.allocation, resolve)
    if isinstance(found, Refused):
        return found
    paid = spread(part.problem, part.allocation, found)
    return _deficit(part.problem, found, paid) if isinstance(paid, Shortfall) else paid


def _deficit(p: Problem, found: Mapping[int, int], short: Shortfall) -> Refused:
    """Name the orders that cannot pay, and how much is missing."""
    missing = sum(found[i] for i in short.members) - short.limit
    names = ", ".join(sorted(p.order_ids[o] for o in short.orders)[:NAMED])
    more = "" if len(short.orders) <= NAMED else f" and {len(short.orders) - NAMED} more"
    return Refused(f"pivots exceed what orders can pay by {missing} ({names}{more})")


NAMED = 3

RULE = Rule(name="vcg", needs_proof=True, pay=vcg)
