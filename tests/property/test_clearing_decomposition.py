"""Prices of single uses: the bound they prove, the bids they exclude, and lies about them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.clearing.synthetic import market
from market.adapters.solver_pulp import PulpSolver
from market.clearing.bounds.decomposition import Decomposition, decomposable
from market.clearing.bounds.multipliers import multipliers_of
from market.clearing.bounds.prices import Prices, prices_of_duals
from market.clearing.checker.certificate import certified_bound
from market.clearing.checker.verify import verify
from market.clearing.clear import clear
from market.clearing.documents.problem_json import problem_from_document
from market.clearing.formulation.formulate import Formulation, formulate
from market.clearing.limits import Limits
from market.clearing.problem import Problem
from market.clearing.program import SolveLimits
from market.clearing.result import Clearing, Multipliers, sealed
from takt_sdk.wall_clock import WallClock
from tests.property.clearing_markets import best_objective, random_market

SLACK = 1e-4
"""For rounding: duals are rounded to 10^-6 per unit."""


def decomposed(f: Formulation) -> tuple[Prices, Prices, Multipliers] | None:
    """Return prices of the relaxation, of single uses, and the multipliers of the latter."""
    relaxed = PulpSolver().solve_relaxation(f.program, SolveLimits())
    if relaxed.duals is None:
        return None
    start = prices_of_duals(f, relaxed.duals, relaxed.values)
    found = Decomposition(f, start)
    found.run(lambda: True)
    found.settle()
    prices = found.prices()
    return start, prices, found.multipliers(multipliers_of(f, relaxed.duals))


def winners(p: Problem) -> Clearing:
    return clear(p, solver=PulpSolver(), limits=Limits(work=200_000), clock=WallClock())


@pytest.mark.parametrize("block", range(4))
def test_bounds_hold_and_no_winner_is_excluded(block: int) -> None:
    tried = 0
    for seed in range(block * 60, (block + 1) * 60):
        document = random_market(seed, bids=8)
        best = best_objective(document)
        p = problem_from_document(document)
        f = formulate(p)
        if best is None or not decomposable(f) or (found := decomposed(f)) is None:
            continue
        _, prices, multipliers = found
        assert prices.bound >= best - SLACK, seed
        assert certified_bound(p, multipliers) >= best, seed
        answer = winners(p)
        assert answer.objective == best, seed
        for taken in answer.accepted:
            b = p.bid_ids.index(taken.bid)
            assert prices.bound + prices.worth[f.bid_column[b]] >= best - SLACK, seed
        tried += 1
    assert tried > 15


@pytest.mark.parametrize(
    "kind", [{}, {"bundles": 20}, {"splits": 0.4}, {"splits": 0.3, "openings": True, "bundles": 10}]
)
def test_the_checker_recomputes_the_same_bound_below_the_relaxations(kind: dict[str, float]) -> None:
    p = market(60, 6, 8, 10, seed=3, **kind)  # type: ignore[arg-type]
    found = decomposed(formulate(p))
    assert found is not None
    start, prices, multipliers = found
    # What divisible bids pay per unit stays as it is, and with it what can be gained.
    assert prices.bound < start.bound + (0.01 if "splits" in kind else -1.0)
    certified = certified_bound(p, multipliers)
    # Divisible bids that a capacity cuts below their lot count in full in the certificate.
    assert abs(certified - prices.bound) <= (1.0 + SLACK if "splits" not in kind else 0.002 * prices.bound)


def test_every_lie_about_a_single_price_is_caught() -> None:
    p = market(40, 6, 8, 10, seed=5)
    found = decomposed(formulate(p))
    assert found is not None
    c = winners(p)
    assert c.objective is not None
    _, _, m = found
    proven = certified_bound(p, m)
    honest = replace(c, bound=proven, bound_kind="certified", multipliers=m)
    r = np.random.default_rng(1)
    assert len(m.uses) > 50
    tried = 0
    for k in r.choice(len(m.uses), size=50, replace=False).tolist():
        bid, resource, price = m.uses[k]
        for row in ((bid, resource, price + 10**9), (bid, resource, 0), (bid, "nothing", price)):
            changed = replace(m, uses=(*m.uses[:k], row, *m.uses[k + 1 :]))
            try:
                same = certified_bound(p, changed) == proven
            except KeyError:
                same = False
            faults = verify(p, sealed(replace(honest, multipliers=changed)))
            assert same or faults, row
            tried += not same
    assert tried > 90
    for by in (-1, 1, 1000):
        faults = verify(p, sealed(replace(honest, bound=proven + by)))
        assert any("multipliers prove" in fault for fault in faults), by


@pytest.mark.parametrize(("splits", "told"), [(0.0, True), (0.4, False)])
def test_bids_are_ranked_by_single_uses_only_where_nearly_all_have_them(splits: float, told: bool) -> None:
    found = decomposed(formulate(market(60, 6, 8, 10, seed=3, splits=splits)))
    assert found is not None
    assert (found[1].single is not None) == told
