"""PuLP with HiGHS behind the solver contract, and what only it promises."""

from __future__ import annotations

import numpy as np
import pulp
import pytest
from pulp.apis import coin_api

from benchmarks.clearing.synthetic import market
from market.adapters.pulp_arrays import ArrayProblem
from market.adapters.solver_pulp import ArrayHighs, PulpSolver
from market.clearing.formulation.formulate import formulate
from market.clearing.program import Answer, Program, SolveLimits, Solver
from tests.contract.solver_contract import KNAPSACK, SolverContract, program


def hard_program() -> Program:
    r = np.random.default_rng(3)
    n, m = 120, 12
    use = r.integers(20, 90, (m, n)).astype(float)
    cost = use.sum(axis=0) / m + r.integers(0, 30, n)
    rows = [(-np.inf, use[i].tolist(), float(use[i].sum() // 2)) for i in range(m)]
    return program(np.rint(cost).tolist(), rows)


class TestHighs(SolverContract):
    @pytest.fixture
    def solver(self) -> Solver:
        return PulpSolver()

    def test_a_time_limit_is_not_called_optimal(self, solver: Solver) -> None:
        result = solver.solve(hard_program(), SolveLimits(time_s=0.3))
        assert result.answer is Answer.FEASIBLE
        assert result.bound > result.objective

    def test_a_work_limit_gives_the_same_answer_twice(self, solver: Solver) -> None:
        first, second = (solver.solve(hard_program(), SolveLimits(work=3000)) for _ in range(2))
        assert first.values is not None
        assert second.values is not None
        assert first.values.tolist() == second.values.tolist()
        assert (first.work, first.bound) == (second.work, second.bound)
        assert first.answer is Answer.FEASIBLE

    def test_stop_ends_the_search_with_its_best(self, solver: Solver) -> None:
        asked = iter(range(10**9))
        result = solver.solve(hard_program(), SolveLimits(), stop=lambda: next(asked) > 20)
        assert result.answer is Answer.FEASIBLE
        assert result.values is not None

    def test_a_kept_relaxation_starts_where_it_ended(self, solver: Solver) -> None:
        """Fewer than a tenth of the iterations of a fresh solve, bids banned one after the other."""
        trial = formulate(market(200, 10, 40, 10)).program
        kept = solver.keep(trial)
        fresh = kept.relax(SolveLimits()).work
        nothing, changes = np.zeros(10), []
        for first in range(0, 200, 10):
            columns = np.arange(first, first + 10)
            kept.change_columns(columns, nothing, nothing)
            changes.append(kept.relax(SolveLimits()).work)
            kept.change_columns(columns, trial.lower[columns], trial.upper[columns])
        assert max(changes) > 0
        assert sum(changes) / len(changes) < fresh / 10

    def test_a_kept_relaxation_keeps_no_limit(self, solver: Solver) -> None:
        """Limits and requests to stop are those of one solve; its clock is not the model's."""
        trial = formulate(market(200, 10, 40, 10)).program
        kept = solver.keep(trial)
        assert kept.relax(SolveLimits(work=5)).answer is not Answer.OPTIMAL
        assert kept.relax(SolveLimits(), stop=lambda: True).answer is not Answer.OPTIMAL
        assert kept.relax(SolveLimits(time_s=60.0)).answer is Answer.OPTIMAL
        assert kept.relax(SolveLimits(time_s=0.5)).answer is Answer.OPTIMAL

    def test_incumbents_are_reported_on_the_way(self, solver: Solver) -> None:
        seen: list[float] = []
        trial = hard_program()
        result = solver.solve(
            trial, SolveLimits(work=3000), improved=lambda values, _: seen.append(float(trial.cost @ values))
        )
        assert seen == sorted(seen)
        assert seen[-1] == pytest.approx(result.objective)

    def test_a_suggestion_becomes_the_incumbent(self, solver: Solver) -> None:
        trial = hard_program()
        best = solver.solve(trial, SolveLimits(time_s=3.0)).values
        assert best is not None
        result = solver.solve(trial, SolveLimits(work=200), suggest=lambda: best)
        assert result.objective >= float(trial.cost @ best) - 1e-6


def test_the_arrays_are_a_pulp_problem_on_first_touch() -> None:
    lp = ArrayProblem(KNAPSACK)
    assert len(lp.variables()) == 4
    assert lp.solve(pulp.COIN_CMD(path=coin_api.pulp_cbc_path, msg=False)) == pulp.LpStatusOptimal
    assert pulp.value(lp.objective) == 23


def test_both_ways_to_solve_agree() -> None:
    lp = ArrayProblem(KNAPSACK)
    assert lp.solve(ArrayHighs(SolveLimits())) == pulp.LpStatusOptimal
    assert lp.values is not None
    assert float(KNAPSACK.cost @ lp.values) == 23
