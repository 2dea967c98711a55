"""Tighten a case's bound beyond its relaxation's: cliques, prices of single uses, prices of orders' plans.

May be called again and again, each time for as long as ``proceed()`` says; how long is the business of
`timed_search` and `counted_search`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from market.clearing.bounds.multipliers import with_senders
from market.clearing.checker.certificate import certified_bound
from market.clearing.problem import NONE
from market.clearing.search.clique_cuts import cut_by_cliques

if TYPE_CHECKING:
    from collections.abc import Callable

    from market.clearing.search.case import Case


def sharpen(case: Case, proceed: Callable[[], bool]) -> bool:
    """Cut by cliques, once, then price single uses of scarce capacity; return whether that is done.

    The bound falls from the prices' towards that of the knapsacks' hulls. Where orders are priced by their
    best plans, these prices are lowered instead.
    """
    from market.clearing.bounds.decomposition import Decomposition, decomposable  # noqa: PLC0415  numba

    if case.orders is not None and case.orders.sound:
        if case.prices is None or not case.orders.converged:
            _price_orders(case, proceed)
        return case.orders.converged
    if case.prices is None or case.multipliers is None:
        return True
    base, start = case.uncut or case.multipliers, case.prices
    case.uncut = base
    if not case.cut and proceed():
        case.cut = True
        cut_by_cliques(case, proceed)
    if not decomposable(case.f):
        return True
    case.decomposition = found = case.decomposition or Decomposition(case.f, start)
    before = found.work
    found.run(proceed)
    found.settle()
    prices = found.prices()
    case.work += found.work - before
    case.learn(prices, lambda: found.multipliers(base))
    case.incumbent.lower_bound(prices.bound + found.rounding)
    return found.converged


def sharpened(case: Case) -> int:
    """Return the work of pricing single uses, or plans, so far."""
    found = case.decomposition or case.orders
    return 0 if found is None else found.work


def _price_orders(case: Case, proceed: Callable[[], bool]) -> None:
    """Lower the prices of what orders share; the bound is the checker's own, of multipliers as published."""
    assert case.orders is not None
    found, before = case.orders, case.orders.work
    found.run(proceed)
    case.work += found.work - before
    prices, column = found.prices(), case.f.bid_column
    worth, has = np.zeros(case.f.program.n_columns), column != NONE
    worth[column[has]] = found.losses()[has]
    resource = np.zeros(len(case.f.problem.resource_ids))
    resource[: prices.resource.size] = prices.resource
    multipliers = with_senders(case.p, found.multipliers())
    bound = float(certified_bound(case.p, multipliers))
    case.learn(replace(prices, worth=worth, resource=resource, bound=bound), lambda: multipliers)
    case.incumbent.lower_bound(bound)
