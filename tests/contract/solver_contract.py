"""What every solver of the clearing must do; one subclass per solver."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from market.adapters.solver_enumerate import EnumerateSolver, dense
from market.clearing.program import Answer, Cuts, Program, SolveLimits, Solver


def program(
    cost: list[float],
    rows: list[tuple[float, list[float], float]],
    *,
    upper: list[float] | None = None,
    integer: list[bool] | None = None,
) -> Program:
    """Return a small program from dense rows (lower, coefficients, upper)."""
    n = len(cost)
    columns = [[j for j, a in enumerate(row) if a] for _, row, _ in rows]
    ptr = np.zeros(len(rows) + 1, dtype=np.int32)
    ptr[1:] = np.cumsum([len(c) for c in columns])
    return Program(
        cost=np.array(cost, dtype=float),
        lower=np.zeros(n),
        upper=np.array(upper or [1.0] * n, dtype=float),
        integer=np.array(integer or [True] * n),
        row_lower=np.array([low for low, _, _ in rows], dtype=float),
        row_upper=np.array([high for _, _, high in rows], dtype=float),
        row_ptr=ptr,
        column=np.array([j for c in columns for j in c], dtype=np.int32),
        value=np.array(
            [row[j] for (_, row, _), c in zip(rows, columns, strict=True) for j in c], dtype=float
        ),
    )


INF = float("inf")
KNAPSACK = program([10, 13, 7, 8], [(-INF, [3, 4, 2, 3], 7)])


def random_program(seed: int) -> Program:
    r = np.random.default_rng(seed)
    n, m = int(r.integers(2, 7)), int(r.integers(1, 5))
    rows = []
    for _ in range(m):
        row = (r.integers(-3, 7, n) * (r.random(n) < 0.7)).astype(float).tolist()
        high = float(r.integers(0, 12))
        rows.append((-INF if r.random() < 0.7 else float(r.integers(-3, 1)), row, high))
    integer = (r.random(n) < 0.8).tolist()
    integer[0] = True
    return program(
        r.integers(-5, 15, n).astype(float).tolist(),
        rows,
        upper=r.integers(1, 4, n).tolist(),
        integer=integer,
    )


class SolverContract:
    """Subclasses set ``duals`` False where the solver tells none."""

    duals = True

    @pytest.fixture
    def solver(self) -> Solver:
        raise NotImplementedError

    def test_finds_the_optimum_and_proves_it(self, solver: Solver) -> None:
        result = solver.solve(KNAPSACK, SolveLimits())
        assert result.answer is Answer.OPTIMAL
        assert result.objective == pytest.approx(23.0)
        assert result.bound == pytest.approx(23.0)
        assert result.values is not None
        assert np.rint(result.values).tolist() == [1, 1, 0, 0]

    def test_says_infeasible_and_gives_no_values(self, solver: Solver) -> None:
        result = solver.solve(program([1, 1], [(3.0, [1, 1], INF)]), SolveLimits())
        assert result.answer is Answer.INFEASIBLE
        assert result.values is None

    def test_a_program_without_columns_is_decided_by_its_rows(self, solver: Solver) -> None:
        assert solver.solve(program([], [(-INF, [], 1.0)]), SolveLimits()).answer is Answer.OPTIMAL
        assert solver.solve(program([], [(1.0, [], 1.0)]), SolveLimits()).answer is Answer.INFEASIBLE

    def test_a_program_without_rows_takes_every_gain(self, solver: Solver) -> None:
        result = solver.solve(program([2, -1], []), SolveLimits())
        assert result.objective == pytest.approx(2.0)

    def test_the_relaxation_bounds_the_program(self, solver: Solver) -> None:
        relaxed = solver.solve_relaxation(KNAPSACK, SolveLimits())
        assert relaxed.answer is Answer.OPTIMAL
        assert relaxed.bound >= 23.0
        assert relaxed.bound == pytest.approx(10 + 7 + 13 * 0.5, abs=1e-6)

    def test_duals_price_a_maximisation(self, solver: Solver) -> None:
        relaxed = solver.solve_relaxation(KNAPSACK, SolveLimits())
        if not self.duals:
            assert relaxed.duals is None
            return
        assert relaxed.duals is not None
        assert (relaxed.duals >= -1e-9).all()
        reduced = KNAPSACK.cost - dense(KNAPSACK).T @ relaxed.duals
        bound = float(relaxed.duals @ KNAPSACK.row_upper) + float(np.maximum(0, reduced).sum())
        assert bound == pytest.approx(relaxed.bound)

    def test_a_kept_relaxation_takes_changes(self, solver: Solver) -> None:
        """Bounds, sides and rows, there and back: each time as if the changed program were new."""
        program = KNAPSACK
        kept = solver.keep(program)
        first = kept.relax(SolveLimits())
        assert first.objective == pytest.approx(solver.solve_relaxation(program, SolveLimits()).objective)
        columns = np.arange(2)
        kept.change_columns(columns, np.zeros(2), np.zeros(2))
        upper = program.upper.copy()
        upper[:2] = 0.0
        changed = solver.solve_relaxation(replace(program, upper=upper), SolveLimits())
        assert kept.relax(SolveLimits()).objective == pytest.approx(changed.objective)
        kept.change_columns(columns, program.lower[:2], program.upper[:2])
        assert kept.relax(SolveLimits()).objective == pytest.approx(first.objective)
        kept.add_rows(
            Cuts(
                row_lower=np.array([-np.inf]),
                row_upper=np.array([1.0]),
                row_ptr=np.array([0, program.n_columns], dtype=np.int32),
                column=np.arange(program.n_columns, dtype=np.int32),
                value=np.ones(program.n_columns),
            )
        )
        cut = kept.relax(SolveLimits())
        assert cut.values is not None
        assert cut.values.sum() <= 1.0 + 1e-6
        assert cut.objective < first.objective
        row = np.array([program.n_rows])
        kept.change_rows(row, np.array([1e6]), np.array([np.inf]))
        assert kept.relax(SolveLimits()).answer is Answer.INFEASIBLE
        kept.change_rows(row, np.array([-np.inf]), np.array([np.inf]))
        assert kept.relax(SolveLimits()).objective == pytest.approx(first.objective)

    def test_a_start_is_never_made_worse(self, solver: Solver) -> None:
        start = np.array([1.0, 0.0, 1.0, 0.0])
        result = solver.solve(KNAPSACK, SolveLimits(), start=start)
        assert result.objective >= float(KNAPSACK.cost @ start)

    @pytest.mark.parametrize("seed", range(25))
    def test_agrees_with_enumeration(self, solver: Solver, seed: int) -> None:
        trial = random_program(seed)
        expected = EnumerateSolver().solve(trial, SolveLimits())
        result = solver.solve(trial, SolveLimits())
        assert result.answer is expected.answer
        if expected.answer is Answer.OPTIMAL:
            assert result.objective == pytest.approx(expected.objective, abs=1e-5)
            assert result.bound >= expected.objective - 1e-5
