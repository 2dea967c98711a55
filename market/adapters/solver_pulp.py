"""Solve programs with PuLP and HiGHS, in process.

`ArrayHighs` is a `pulp.LpSolver` that hands all arrays of an `ArrayProblem` to HiGHS in one call,
starts from a given point, reports honestly when it stopped early (PuLP's own class says
"Optimal"), gives duals with the sign of a maximisation, and can be interrupted. `PulpSolver` is
the `Solver` of the clearing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import highspy
import numpy as np
import pulp

from market.adapters.highs_first_order import relax_roughly
from market.adapters.pulp_arrays import ArrayProblem
from market.clearing.errors import SolverError
from market.clearing.program import Answer, ProgramResult, SolveLimits

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from market.clearing.problem import Ints
    from market.clearing.program import Cuts, Floats, Improved, Program, Suggest

_STATUS = highspy.HighsModelStatus
_STOPPED = {
    _STATUS.kTimeLimit,
    _STATUS.kIterationLimit,
    _STATUS.kSolutionLimit,
    _STATUS.kInterrupt,
    _STATUS.kObjectiveBound,
    _STATUS.kObjectiveTarget,
    _STATUS.kUnknown,
}


class ArrayHighs(pulp.LpSolver):  # type: ignore[misc, unused-ignore]
    """HiGHS for an `ArrayProblem`: one hand-off, one thread, seed 0.

    Parameters
    ----------
    limits
        When to stop. ``work`` counts LP iterations and is the only limit that is reproducible.
    relax
        Whether to drop integrality.
    options
        HiGHS options by name.
    model
        A model that holds the problem already; solving starts where it ended.
    """

    name = "ArrayHighs"

    def __init__(
        self,
        limits: SolveLimits,
        *,
        relax: bool = False,
        options: dict[str, Any] | None = None,
        model: highspy.Highs | None = None,
    ) -> None:
        super().__init__(mip=not relax, msg=False, timeLimit=limits.time_s)
        self.limits = limits
        self.relax = relax
        self.options = options or {}
        self.model = model

    def available(self) -> bool:
        """Return True: HiGHS is a dependency."""
        return True

    def actualSolve(self, lp: ArrayProblem, **_: object) -> int:  # noqa: N802
        """Solve and store values, duals, bound and work on the problem; return PuLP's status."""
        if lp.program.n_columns == 0:
            return _decide_empty(lp)
        model = self._loaded(lp) if self.model is None else self.model
        self._watch(model, lp)
        if lp.start is not None and not self.relax:
            known = np.flatnonzero(~np.isnan(lp.start)).astype(np.int32)
            model.setSolution(known.size, known, lp.start[known])
        model.run()
        return self._take(model, lp)

    def _loaded(self, lp: ArrayProblem) -> highspy.Highs:
        """Return a model holding the arrays."""
        p = lp.program
        model = highspy.Highs()  # type: ignore[no-untyped-call]
        model.silent()
        model.setOptionValue("threads", 1)
        model.setOptionValue("random_seed", 0)
        model.setOptionValue("mip_rel_gap", self.limits.gap)
        model.setOptionValue("mip_abs_gap", lp.absolute_gap)
        if self.limits.time_s is not None:
            model.setOptionValue("time_limit", max(0.0, self.limits.time_s))
        for name, value in self.options.items():
            model.setOptionValue(name, value)
        integrality = np.zeros(p.n_columns, dtype=np.int32)
        if not self.relax:
            integrality[p.integer] = 1
        status = model.passModel(
            p.n_columns,
            p.n_rows,
            p.value.size,
            int(highspy.MatrixFormat.kRowwise),
            int(highspy.ObjSense.kMaximize),
            0.0,
            p.cost,
            p.lower,
            p.upper,
            p.row_lower,
            p.row_upper,
            p.row_ptr[:-1].astype(np.int32),
            p.column,
            p.value,
            integrality,
        )
        if status == highspy.HighsStatus.kError:
            raise SolverError("HiGHS", "refused the program")
        return model

    def _watch(self, model: highspy.Highs, lp: ArrayProblem) -> None:
        """Interrupt on work and on request; report incumbents."""
        work, stop, improved = self.limits.work, lp.stop, lp.improved
        if self.relax:
            if work is not None:
                model.setOptionValue("simplex_iteration_limit", min(work, 2**31 - 1))
            if stop is not None:

                def ask(event: highspy.HighsCallbackEvent) -> None:
                    if stop():
                        event.interrupt()

                model.cbSimplexInterrupt.subscribe(ask)
            return
        if work is not None or stop is not None:
            model.cbMipInterrupt.subscribe(_Brake(work, stop))
        suggest = lp.suggest
        if suggest is not None:

            def hint(event: highspy.HighsCallbackEvent) -> None:
                values = suggest()
                if values is not None and event.data_in is not None:
                    event.data_in.setSolution(values)

            model.cbMipUserSolution.subscribe(hint)
        if improved is not None:

            def tell(event: highspy.HighsCallbackEvent) -> None:
                improved(np.array(event.data_out.mip_solution), float(event.data_out.mip_dual_bound))

            model.cbMipImprovingSolution.subscribe(tell)

    def _take(self, model: highspy.Highs, lp: ArrayProblem) -> int:
        """Copy the outcome onto the problem."""
        status, info = model.getModelStatus(), model.getInfo()
        mip = not self.relax and bool(lp.program.integer.any())
        lp.work = max(0, int(info.simplex_iteration_count))
        lp.values, lp.duals, lp.bound = None, None, float("inf")
        if status == _STATUS.kInfeasible:
            return _finish(lp, pulp.LpStatusInfeasible, pulp.LpSolutionInfeasible)
        if status not in _STOPPED and status not in {_STATUS.kOptimal, _STATUS.kModelEmpty}:
            raise SolverError("HiGHS", f"ended with {model.modelStatusToString(status)}")
        done = status in {_STATUS.kOptimal, _STATUS.kModelEmpty}
        feasible = done or info.primal_solution_status == 2  # noqa: PLR2004  kSolutionStatusFeasible
        solution = model.getSolution()
        if feasible:
            lp.values = np.array(solution.col_value, dtype=np.float64)
        if self.relax and solution.dual_valid:
            lp.duals = np.array(solution.row_dual, dtype=np.float64)
        if mip:
            lp.bound = float(info.mip_dual_bound)
        elif done:
            lp.bound = float(info.objective_function_value)
        if not feasible:
            return _finish(lp, pulp.LpStatusNotSolved, pulp.LpSolutionNoSolutionFound)
        if done:
            return _finish(lp, pulp.LpStatusOptimal, pulp.LpSolutionOptimal)
        return _finish(lp, pulp.LpStatusNotSolved, pulp.LpSolutionIntegerFeasible)


class _Brake:
    """Interrupt a search after so many of its own checkpoints, or on request.

    HiGHS tells a callback neither its LP iterations nor lets nodes bound them; but it asks at
    checkpoints that depend on the program alone, 80 to some hundred iterations apart.
    """

    ITERATIONS_PER_CHECK = 192

    def __init__(self, work: int | None, stop: Callable[[], bool] | None) -> None:
        self.checks_left = None if work is None else work // self.ITERATIONS_PER_CHECK + 4
        self.stop = stop

    def __call__(self, event: highspy.HighsCallbackEvent) -> None:
        """Count one checkpoint."""
        if self.checks_left is not None:
            self.checks_left -= 1
            if self.checks_left < 0:
                event.interrupt()
        if self.stop is not None and self.stop():
            event.interrupt()


def _decide_empty(lp: ArrayProblem) -> int:
    """Decide a program without columns, which HiGHS calls empty even if its rows cannot hold."""
    p = lp.program
    if (p.row_lower > 0).any() or (p.row_upper < 0).any():
        return _finish(lp, pulp.LpStatusInfeasible, pulp.LpSolutionInfeasible)
    lp.values, lp.duals, lp.bound = np.zeros(0), np.zeros(p.n_rows), 0.0
    return _finish(lp, pulp.LpStatusOptimal, pulp.LpSolutionOptimal)


def _finish(lp: ArrayProblem, status: int, solution: int) -> int:
    lp.assignStatus(status, solution)
    return status


class PulpSolver:
    """The clearing's solver: PuLP with `ArrayHighs`."""

    name = "highs"

    def solve_relaxation(
        self, program: Program, limits: SolveLimits, *, stop: Callable[[], bool] | None = None
    ) -> ProgramResult:
        """Solve the linear relaxation."""
        if limits.accuracy is not None and program.n_columns:
            return relax_roughly(program, limits)
        lp = ArrayProblem(program)
        lp.stop = stop
        lp.solve(ArrayHighs(limits, relax=True))
        return result_of(lp)

    def keep(self, program: Program) -> KeptHighs:
        """Return the program's relaxation in a model that stays loaded."""
        return KeptHighs(program)

    def solve(
        self,
        program: Program,
        limits: SolveLimits,
        *,
        start: Floats | None = None,
        stop: Callable[[], bool] | None = None,
        improved: Improved | None = None,
        suggest: Suggest | None = None,
    ) -> ProgramResult:
        """Solve the program."""
        lp = ArrayProblem(program)
        lp.start, lp.stop, lp.improved, lp.suggest = start, stop, improved, suggest
        lp.solve(ArrayHighs(limits))
        return result_of(lp)


class KeptHighs:
    """The relaxation of a program in a `Highs` object that stays; see `market.clearing.program.Kept`."""

    def __init__(self, program: Program) -> None:
        self._lp = ArrayProblem(program)
        self._model = ArrayHighs(SolveLimits(), relax=True)._loaded(self._lp)  # noqa: SLF001  this module's

    def change_rows(self, rows: Ints, lower: Floats, upper: Floats) -> None:
        """Set the sides of rows."""
        # In the module, not in its stubs.
        self._model.changeRowsBounds(rows.size, rows.astype(np.int32), lower, upper)  # type: ignore[attr-defined]

    def change_columns(self, columns: Ints, lower: Floats, upper: Floats) -> None:
        """Set the bounds of columns."""
        self._model.changeColsBounds(columns.size, columns.astype(np.int32), lower, upper)

    def add_rows(self, cuts: Cuts) -> None:
        """Add rows after the others."""
        self._model.addRows(
            cuts.row_lower.size,
            cuts.row_lower,
            cuts.row_upper,
            cuts.value.size,
            cuts.row_ptr[:-1],
            cuts.column,
            cuts.value,
        )

    def relax(self, limits: SolveLimits, *, stop: Callable[[], bool] | None = None) -> ProgramResult:
        """Solve the relaxation as it is now, from the last basis."""
        lp, model = self._lp, self._model
        if lp.program.n_columns == 0:
            raise SolverError("HiGHS", "a program without columns has nothing to keep")
        # The clock of a model runs on from solve to solve.
        left = float("inf") if limits.time_s is None else model.getRunTime() + max(0.0, limits.time_s)
        model.setOptionValue("time_limit", left)
        model.setOptionValue("simplex_iteration_limit", 2**31 - 1)
        model.clearCallbacks()  # type: ignore[no-untyped-call]
        lp.stop = stop
        lp.solve(ArrayHighs(limits, relax=True, model=model))
        return result_of(lp)


def result_of(lp: ArrayProblem) -> ProgramResult:
    """Return what a solved `ArrayProblem` holds as the clearing's result."""
    answers = {
        pulp.LpSolutionOptimal: Answer.OPTIMAL,
        pulp.LpSolutionIntegerFeasible: Answer.FEASIBLE,
        pulp.LpSolutionInfeasible: Answer.INFEASIBLE,
    }
    values: NDArray[np.float64] | None = lp.values
    if values is not None and not np.isfinite(values).all():
        raise SolverError("HiGHS", "returned values that are not numbers")
    objective = float("nan") if values is None else float(lp.program.cost @ values)
    return ProgramResult(
        answer=answers.get(lp.sol_status, Answer.UNKNOWN),
        objective=objective,
        bound=lp.bound,
        values=values,
        duals=lp.duals,
        work=lp.work,
    )
