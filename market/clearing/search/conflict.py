"""Name an irreducible set of must-serve orders that cannot all be served.

QuickXplain (Junker 2004): about k log(n/k) feasibility solves for a conflict of k among n orders.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from market.clearing.formulation.components import cut
from market.clearing.formulation.formulate import formulate
from market.clearing.program import Answer, SolveLimits
from market.clearing.terms import terms_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from market.clearing.problem import Problem
    from market.clearing.program import Solver
    from market.clearing.terms import Terms


def conflicting_orders(
    p: Problem, terms: Terms, solver: Solver, out_of_time: Callable[[], bool]
) -> tuple[str, ...]:
    """Return must-serve orders that cannot all be served; irreducible unless time runs out."""
    must = np.flatnonzero(p.order_must).tolist()

    def possible(orders: list[int]) -> bool:
        chosen = np.zeros(p.n_orders, dtype=np.bool_)
        chosen[orders] = True
        part = cut(p, terms, chosen).problem
        program = formulate(part, terms_of(part)).program
        limits = SolveLimits(work=FEASIBILITY_WORK, gap=1e9)
        return solver.solve(program, limits, stop=out_of_time).answer is not Answer.INFEASIBLE

    def explain(background: list[int], *, added: bool, orders: list[int]) -> list[int]:
        if out_of_time():
            return orders
        if added and not possible(background):
            return []
        if len(orders) == 1:
            return orders
        half = len(orders) // 2
        left, right = orders[:half], orders[half:]
        second = explain(background + left, added=bool(left), orders=right)
        first = explain(background + second, added=bool(second), orders=left)
        return first + second

    if not must or possible(must):
        return ()
    return tuple(p.order_ids[o] for o in sorted(explain([], added=False, orders=must)))


FEASIBILITY_WORK = 200_000
