"""Pay and charge for a cleared allocation by the market's rule, or say why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from market.clearing.errors import SolverError, UnprovenError
from market.clearing.publishing.settle import settle
from market.mechanisms.registry import RULES
from market.mechanisms.rule import Refused

if TYPE_CHECKING:
    from market.clearing.formulation.allocation import Allocation
    from market.clearing.problem import Problem
    from market.clearing.result import Charge, Payment
    from market.mechanisms.rule import Resolve

Settlement = tuple[tuple["Payment", ...] | None, tuple["Charge", ...] | None, str | None]
"""Payments, charges and None, or None twice and why."""


def pay(p: Problem, a: Allocation, *, proven: bool, resolve: Resolve) -> Settlement:
    """Return payments and charges of an allocation under ``p.mechanism``.

    Parameters
    ----------
    proven
        Whether the allocation is a proven optimum.
    resolve
        Optima of changed markets, for the rules that compare with them.
    """
    rule = RULES[p.mechanism]
    if rule.needs_proof and not proven:
        return None, None, f"{rule.name} needs a proven optimum; this allocation is not proven"
    try:
        paid = rule.pay(p, a, resolve)
    except (UnprovenError, SolverError) as error:
        return None, None, f"{rule.name}: {error}"
    if isinstance(paid, Refused):
        return None, None, f"{rule.name}: {paid.reason}"
    settled = settle(p, a, paid)
    if isinstance(settled, str):
        return None, None, f"{rule.name}: {settled}"
    return *settled, None
