"""Turn what a search found into a checked result: bound, status, payments, reasons, fallback."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from market.clearing import settle as settlement
from market.clearing.allocation import Allocation, units_of
from market.clearing.certificate import certified_bound
from market.clearing.check import check_answer
from market.clearing.multipliers import prices_of
from market.clearing.problem import NONE
from market.clearing.reasons import unserved_orders
from market.clearing.result import (
    Accepted,
    Charge,
    Clearing,
    Move,
    Multipliers,
    Payment,
    Served,
    Status,
    sealed,
)

if TYPE_CHECKING:
    from market.clearing.problem import Problem
    from market.clearing.terms import Terms


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


def publish(p: Problem, terms: Terms, found: Found) -> Clearing:
    """Return the checked result of a search; the greedy answer if the check fails."""
    for allocation, last in ((found.allocation, False), (found.greedy, True)):
        if allocation is None:
            continue
        fallback = last or (found.failed and allocation.objective == _objective(found.greedy))
        clearing = _clearing(p, terms, allocation, found, fallback=fallback)
        if not check_answer(p, clearing):
            return sealed(replace(clearing, checked=True))
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


def _clearing(p: Problem, terms: Terms, a: Allocation, found: Found, *, fallback: bool) -> Clearing:
    """Write an allocation and its bound as a result."""
    bound, kind = _bound(p, found, a.objective)
    multipliers = found.multipliers
    status = Status.FALLBACK if fallback else Status.OPTIMAL if bound == a.objective else Status.FEASIBLE
    payments, charges, refusal = _payments(p, a)
    of = units_of(p)
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
            for e, s, t, q in settlement.all_moves(p, a)
        ),
        payments=payments,
        charges=charges,
        payment_refusal=refusal,
        prices=() if multipliers is None else prices_of(multipliers),
        multipliers=multipliers,
        greedy_objective=None if found.greedy is None else found.greedy.objective,
        conflict=found.conflict,
        components=found.components,
        work=found.work,
    )


def _bound(
    p: Problem, found: Found, objective: int
) -> tuple[int | None, Literal["certified", "solver"] | None]:
    """Return the tighter of the certified bound and the solver's, unless the answer refutes the latter."""
    certified = None if found.multipliers is None else certified_bound(p, found.multipliers)
    tolerance = 1e-6 * max(1.0, abs(found.bound)) ** 0.5 if math.isfinite(found.bound) else 0.0
    if not math.isfinite(found.bound) or found.bound + 1.0 + tolerance < objective:
        return certified, None if certified is None else "certified"
    proven = max(math.floor(found.bound + tolerance), objective)
    if certified is not None and certified <= proven:
        return certified, "certified"
    return proven, "solver"


def _objective(a: Allocation | None) -> int | None:
    return None if a is None else a.objective


def _payments(
    p: Problem, a: Allocation
) -> tuple[tuple[Payment, ...] | None, tuple[Charge, ...] | None, str | None]:
    """Return payments and charges, or why there are none."""
    bid_pay, group_pay = settlement.prices_of(p, a)
    outcome = settlement.settle(p, a, bid_pay, group_pay)
    if isinstance(outcome, str):
        return None, None, outcome
    return outcome[0], outcome[1], None
