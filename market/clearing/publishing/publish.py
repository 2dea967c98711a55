"""Turn what a search found into a checked result: bound, status, payments, reasons, fallback."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from market.clearing.checker.certificate import certified_bound
from market.clearing.checker.check import AnswerCheck
from market.clearing.errors import CliqueError
from market.clearing.formulation.allocation import Allocation, units_of
from market.clearing.problem import NONE
from market.clearing.publishing.equals import by_lottery
from market.clearing.publishing.payment import pay
from market.clearing.publishing.price_list import completed, price_list
from market.clearing.publishing.reasons import unserved_orders
from market.clearing.publishing.settle import all_moves
from market.clearing.result import (
    Accepted,
    Clearing,
    Move,
    Multipliers,
    Served,
    Status,
    sealed,
)
from market.mechanisms.rule import UNRESOLVED

if TYPE_CHECKING:
    from market.clearing.problem import Problem
    from market.clearing.terms import Terms
    from market.mechanisms.rule import Resolve


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found:
    """What a search found: an allocation or none, and what is known about the optimum."""

    allocation: Allocation | None
    bound: float = math.inf
    multipliers: Multipliers | None = None
    infeasible: bool = False
    conflict: tuple[str, ...] = ()
    components: int = 1
    work: int = 0
    greedy: Allocation | None = None
    failed: bool = False
    """Whether a solver failed on the way."""


def publish(p: Problem, terms: Terms, found: Found, resolve: Resolve = UNRESOLVED) -> Clearing:
    """Return the checked result of a search; the greedy answer if the check fails.

    Without ``resolve`` the payment rules that compare with other markets refuse.
    """
    for best, last in ((found.allocation, False), (found.greedy, True)):
        if best is None:
            continue
        allocation = by_lottery(p, best)
        fallback = last or (found.failed and allocation.objective == _objective(found.greedy))
        try:
            clearing = _clearing(p, terms, allocation, found, fallback=fallback)
        except CliqueError:
            # Neither the cliques nor the bound that may rest on them: what is left is certified anew.
            found = _without_cliques(found)
            clearing = _clearing(p, terms, allocation, found, fallback=fallback)
        check = AnswerCheck(p, clearing)
        if check.run():
            continue
        payments, charges, refusal = pay(
            p, allocation, proven=clearing.status is Status.OPTIMAL, resolve=resolve
        )
        paid = replace(clearing, payments=payments, charges=charges, payment_refusal=refusal, checked=True)
        faults = check.run_paid(paid) if payments is not None else []
        if faults:
            paid = replace(paid, payments=None, charges=None, payment_refusal="; ".join(faults[:3]))
        return sealed(paid)
    status = Status.INFEASIBLE if found.infeasible else Status.UNKNOWN
    return sealed(
        Clearing(
            status=status,
            objective=None,
            bound=None,
            bound_kind=None,
            conflict=found.conflict,
            components=found.components,
            work=found.work,
        )
    )


def _without_cliques(found: Found) -> Found:
    """Return what was found without cliques and without a solver's word on the bound."""
    multipliers = None if found.multipliers is None else replace(found.multipliers, cliques=())
    return replace(found, multipliers=multipliers, bound=math.inf)


def _clearing(p: Problem, terms: Terms, a: Allocation, found: Found, *, fallback: bool) -> Clearing:
    """Write an allocation and its bound as a result."""
    multipliers = None if found.multipliers is None else completed(p, terms, a, found.multipliers)
    bound, kind = _bound(p, replace(found, multipliers=multipliers), a.objective)
    status = Status.FALLBACK if fallback else Status.OPTIMAL if bound == a.objective else Status.FEASIBLE
    of = units_of(p)
    prices = () if multipliers is None else price_list(multipliers)
    return Clearing(
        status=status,
        objective=a.objective,
        bound=bound,
        bound_kind=kind,
        accepted=tuple(
            Accepted(p.bid_ids[b], q)
            for b, q in zip(
                np.flatnonzero(a.quantity).tolist(), a.quantity[a.quantity > 0].tolist(), strict=True
            )
        ),
        served=tuple(
            Served(p.order_ids[o], int(a.units[o]), int(of[o])) for o in np.flatnonzero(a.units > 0).tolist()
        ),
        unserved=unserved_orders(p, terms, a),
        moves=tuple(
            Move(
                p.arc_ids[e],
                p.bid_ids[s],
                None if t == NONE else p.bid_ids[t],
                p.sites[p.arc_site[e]] if t == NONE else None,
                q,
            )
            for e, s, t, q in all_moves(p, a)
        ),
        prices=prices,
        prices_kind=None if multipliers is None or not prices else multipliers.kind,
        multipliers=multipliers,
        greedy_objective=None if found.greedy is None else found.greedy.objective,
        conflict=found.conflict,
        components=found.components,
        work=found.work,
    )


def _bound(
    p: Problem, found: Found, objective: int
) -> tuple[int | None, Literal["certified", "solver"] | None]:
    """Return the tighter of the certified bound and the solver's, unless the answer refutes the latter.

    Where nobody found one in time, that of prices of zero stands: at most what all orders are worth.
    Order by order nobody looks for one.
    """
    if p.mechanism == "greedy" and found.multipliers is None:
        return None, None
    tolerance = 1e-6 * max(1.0, abs(found.bound)) ** 0.5 if math.isfinite(found.bound) else 0.0
    certified = certified_bound(p, found.multipliers or Multipliers())
    if not math.isfinite(found.bound) or found.bound + 1.0 + tolerance < objective:
        return certified, "certified"
    proven = max(math.floor(found.bound + tolerance), objective)
    return (certified, "certified") if certified <= proven else (proven, "solver")


def _objective(a: Allocation | None) -> int | None:
    return None if a is None else a.objective
