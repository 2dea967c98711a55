"""Cliques of pairwise conflicts beside other rules: rows that a market's relaxation lacks.

Where some capacities let in one of their bids while others are shared, the market is no conflict graph,
but its cliques cut the relaxation all the same. Apart from `clique_rows` so that asking costs no numba.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from market.clearing.program import SolveLimits
from market.clearing.stable_sets.conflict_graph import conflicts_beside

if TYPE_CHECKING:
    from collections.abc import Callable

    from market.clearing.search.case import Case

LEAST_COLUMNS = 300
"""Smaller programs are solved at once."""

MOST_COLUMNS = 20_000
"""Larger relaxations take too long to be solved again and again."""


def cut_by_cliques(case: Case, proceed: Callable[[], bool]) -> None:
    """Add the cliques that the relaxation violates, while that pays; learn prices and bound."""
    size = case.f.program.n_columns
    if case.prices is None or not LEAST_COLUMNS < size <= MOST_COLUMNS or not proceed():
        return
    graph = conflicts_beside(case.p, case.terms)
    if graph is None:
        return
    from market.clearing.search.clique_rows import CliqueRelaxation  # noqa: PLC0415  numba

    cliques = CliqueRelaxation(case, graph)
    if not cliques.separate(case.prices.fraction[graph.bid]).size:
        return
    cliques.solve(proceed, SolveLimits)
    if cliques.duals is not None:
        case.learn(cliques.prices(), cliques.multipliers)
