"""Rough relaxations by HiGHS's first-order method: near the optimum, and honest about it."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.clearing.synthetic import market
from market.adapters.solver_pulp import PulpSolver
from market.clearing.bounds.prices import prices_of_duals
from market.clearing.formulation.formulate import formulate
from market.clearing.program import Answer, Program, SolveLimits

ACCURACY = 1e-4


@pytest.fixture(scope="module", params=[{}, {"splits": 0.4, "openings": True}])
def program(request: pytest.FixtureRequest) -> Program:
    return formulate(market(120, 6, 16, 12, seed=2, **request.param)).program


def bound_of(program: Program, duals: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    """Return what sign-correct duals prove."""
    rows = np.repeat(np.arange(program.n_rows), np.diff(program.row_ptr))
    paid = np.bincount(program.column, program.value * duals[rows], minlength=program.n_columns)
    side = np.where(duals > 0, program.row_upper, program.row_lower)
    binding = duals != 0
    worth = program.cost - paid
    return float((side[binding] * duals[binding]).sum() + (np.maximum(worth, 0) * program.upper).sum())


def test_its_duals_prove_almost_the_relaxations_bound(program: Program) -> None:
    exact = PulpSolver().solve_relaxation(program, SolveLimits())
    rough = PulpSolver().solve_relaxation(program, SolveLimits(accuracy=ACCURACY))
    assert rough.duals is not None
    assert rough.answer is Answer.UNKNOWN
    assert exact.bound - 1e-6 <= bound_of(program, rough.duals) <= exact.bound * 1.01
    assert rough.objective == pytest.approx(exact.objective, rel=0.01)
    assert rough.work > 0


def test_it_repeats_itself(program: Program) -> None:
    first, second = (PulpSolver().solve_relaxation(program, SolveLimits(accuracy=ACCURACY)) for _ in range(2))
    assert first.duals is not None
    assert second.duals is not None
    assert np.array_equal(first.duals, second.duals)
    assert first.work == second.work


def test_stopped_early_it_still_proves_a_bound(program: Program) -> None:
    exact = PulpSolver().solve_relaxation(program, SolveLimits())
    rough = PulpSolver().solve_relaxation(program, SolveLimits(accuracy=ACCURACY, work=80))
    assert rough.work <= 200
    if rough.duals is not None:
        assert bound_of(program, rough.duals) >= exact.bound - 1e-6


def test_prices_of_a_rough_relaxation_bound_the_market() -> None:
    f = formulate(market(120, 6, 16, 12, seed=2))
    rough = PulpSolver().solve_relaxation(f.program, SolveLimits(accuracy=ACCURACY))
    assert rough.duals is not None
    assert prices_of_duals(f, rough.duals).bound == pytest.approx(bound_of(f.program, rough.duals))
