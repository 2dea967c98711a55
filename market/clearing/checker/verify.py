"""Verify everything that a published clearing says: answer, bound, status, prices, payments, digest.

Reads problem and result alone, as `check` and `certificate` do, and shares no code with formulation
or search. Decides nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from market.clearing.checker.certificate import certified_bound
from market.clearing.checker.check import check_answer
from market.clearing.errors import CliqueError
from market.clearing.problem import NONE
from market.clearing.result import Multipliers, Status, sealed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from market.clearing.problem import Problem
    from market.clearing.result import Clearing

ANSWERED = frozenset({Status.OPTIMAL, Status.FEASIBLE, Status.FALLBACK})
AT_PRICE = frozenset({"pay_as_bid", "greedy"})
"""Payment rules under which everybody is paid exactly the price asked."""


def verify(p: Problem, c: Clearing) -> list[str]:
    """Return every statement of a clearing that is wrong, as sentences; empty if all are right.

    A bound of kind ``solver`` cannot be recomputed: it is refused only where it contradicts the rest.
    """
    faults = check_answer(p, c) if c.objective is not None else list(_no_answer(p, c))
    faults += _status(c)
    faults += _bound(p, c)
    faults += _payments(p, c)
    faults += _prices(p, c)
    if c.digest != sealed(c).digest:
        faults.append(f"digest is {sealed(c).digest}, published {c.digest}")
    return faults


def _prices(p: Problem, c: Clearing) -> Iterator[str]:
    """Find prices that are not those of the multipliers; orders of one lot may have one without."""
    resources = [(price.resource, price.price_micro) for price in c.prices if price.lot is None]
    lots = [(price.lot, price.price_micro) for price in c.prices if price.lot is not None]
    if c.prices_kind not in {None, "lp_dual", "lagrangian"} or (c.prices_kind and not c.prices):
        yield f"prices are of kind {c.prices_kind}, and there are {len(c.prices)}"
    if any(price.resource is not None and price.lot is not None for price in c.prices):
        yield "a price names both a resource and a lot"
    priced = () if c.multipliers is None else c.multipliers.lots
    if resources != ([] if c.multipliers is None else list(c.multipliers.resources)):
        yield "prices of resources are not their multipliers"
    if len({name for name, _ in lots}) != len(lots) or not {name for name, _ in lots} <= set(p.lot_ids):
        yield "a price names a lot twice, or one that is not there"
    if not set(priced) <= set(lots):
        yield "prices of lots are not their multipliers"


def _no_answer(p: Problem, c: Clearing) -> Iterator[str]:
    """Find what a clearing without an answer must not hold."""
    if c.accepted or c.served or c.unserved or c.moves or c.payments or c.charges or c.prices:
        yield "there is no objective, yet something is allocated"
    must = {p.order_ids[o] for o in p.order_must.nonzero()[0].tolist()}
    if len(set(c.conflict)) != len(c.conflict) or not set(c.conflict) <= must:
        yield "the conflict names what is no must-serve order, or twice"


def _status(c: Clearing) -> Iterator[str]:
    if (c.objective is None) == (c.status in ANSWERED):
        yield f"status is {c.status} with objective {c.objective}"
    if c.checked != (c.objective is not None):
        yield f"checked is {c.checked} with objective {c.objective}"
    if c.conflict and c.status is not Status.INFEASIBLE:
        yield f"status is {c.status}, yet orders conflict"
    if (c.status is Status.OPTIMAL) != (c.objective is not None and c.bound == c.objective) and (
        c.status is not Status.FALLBACK
    ):
        yield f"status is {c.status} with objective {c.objective} and bound {c.bound}"


def _bound(p: Problem, c: Clearing) -> Iterator[str]:
    """Recompute the bound where it says that it can be."""
    if (c.bound is None) != (c.bound_kind is None) or (c.bound is not None and c.objective is None):
        yield f"bound is {c.bound} of kind {c.bound_kind} with objective {c.objective}"
    if c.multipliers is None and c.bound is None:
        return  # nothing is claimed, as by the fallback that goes order by order
    try:
        certified = certified_bound(p, c.multipliers or Multipliers())
    except CliqueError as error:
        yield str(error)
        return
    except (KeyError, IndexError, OverflowError) as error:
        yield f"the multipliers name what is not there, or cannot be computed with ({error})"
        return
    if c.bound_kind == "certified" and c.bound != certified:
        yield f"the multipliers prove {certified}, the certified bound is {c.bound}"
    if c.bound_kind != "certified" and (c.bound is None or c.bound >= certified):
        yield f"the multipliers prove {certified}, yet the bound is {c.bound} of kind {c.bound_kind}"


def _payments(p: Problem, c: Clearing) -> Iterator[str]:
    """Find payments without charges or a reason, and, where prices are paid, others."""
    if c.objective is None:
        return
    if len({c.payments is None, c.charges is None, c.payment_refusal is not None}) > 1:
        yield "there are neither payments and charges nor a refusal, or both"
    if c.payments is None or p.mechanism not in AT_PRICE:
        return
    bids = {name: k for k, name in enumerate(p.bid_ids)}
    groups = {name: k for k, name in enumerate(p.group_ids)}
    taken = {a.bid: a.quantity for a in c.accepted}
    for payment in c.payments:
        if payment.group is not None:
            g = groups.get(payment.group, NONE)
            price = None if g == NONE else int(p.group_fixed[g])
        else:
            b = bids.get(payment.bid or "", NONE)
            price = (
                None if b == NONE else int(p.bid_fixed[b]) + int(p.bid_unit[b]) * taken.get(p.bid_ids[b], 0)
            )
        if payment.amount != price:
            name = payment.group if payment.bid is None else payment.bid
            yield f"{name} is paid {payment.amount} under {p.mechanism}, its price is {price}"
