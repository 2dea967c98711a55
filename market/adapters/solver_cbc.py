"""Solve programs with PuLP and the CBC that comes with it, in a process of its own.

The second solver behind the port, for comparison and for where HiGHS fails. Slower to start:
the program becomes PuLP objects and a file. CBC tells no duals through PuLP, takes no interrupt
and counts no work, so it has no place in reproducible runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pulp
from pulp.apis import coin_api

from market.adapters.kept_anew import KeptAnew
from market.adapters.pulp_arrays import ArrayProblem
from market.clearing.errors import SolverError
from market.clearing.program import Answer, ProgramResult, SolveLimits

if TYPE_CHECKING:
    from collections.abc import Callable

    from market.clearing.program import Floats, Improved, Program, Suggest

_STATUS = {
    pulp.LpSolutionOptimal: Answer.OPTIMAL,
    pulp.LpSolutionIntegerFeasible: Answer.FEASIBLE,
    pulp.LpSolutionInfeasible: Answer.INFEASIBLE,
}


class CbcSolver:
    """The clearing's solver port on CBC; a bound only where it proves the optimum."""

    name = "cbc"

    def solve_relaxation(
        self, program: Program, limits: SolveLimits, *, stop: Callable[[], bool] | None = None
    ) -> ProgramResult:
        """Solve the linear relaxation; no duals."""
        del stop
        return self._run(program, limits, start=None, mip=False)

    def keep(self, program: Program) -> KeptAnew:
        """Return the program's relaxation, solved anew each time."""
        return KeptAnew(self, program)

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
        del stop, improved, suggest
        return self._run(program, limits, start=start, mip=True)

    @staticmethod
    def _run(program: Program, limits: SolveLimits, *, start: Floats | None, mip: bool) -> ProgramResult:
        if program.n_columns == 0:
            empty = bool((program.row_lower > 0).any() or (program.row_upper < 0).any())
            answer = Answer.INFEASIBLE if empty else Answer.OPTIMAL
            values = None if empty else np.zeros(0)
            return ProgramResult(answer=answer, objective=0.0, bound=0.0, values=values, duals=None, work=0)
        lp = ArrayProblem(program).materialise()
        columns = lp.columns
        if start is not None:
            for column, value in zip(columns, start.tolist(), strict=True):
                if not np.isnan(value):
                    column.setInitialValue(value, check=False)
        cbc = pulp.COIN_CMD(
            path=coin_api.pulp_cbc_path,
            mip=mip,
            msg=False,
            threads=1,
            timeLimit=limits.time_s,
            gapRel=limits.gap or None,
            warmStart=start is not None,
            options=["randomSeed", "1"],
        )
        try:
            lp.solve(cbc)
        except pulp.PulpSolverError as error:
            raise SolverError("CBC", str(error)) from error
        answer = _STATUS.get(lp.sol_status, Answer.UNKNOWN)
        if answer not in {Answer.OPTIMAL, Answer.FEASIBLE}:
            return ProgramResult(
                answer=answer, objective=float("nan"), bound=float("inf"), values=None, duals=None, work=0
            )
        values = np.array([column.varValue or 0.0 for column in columns])
        objective = float(program.cost @ values)
        proven = answer is Answer.OPTIMAL and not limits.gap
        return ProgramResult(
            answer=answer, objective=objective, bound=objective if proven else float("inf"), values=values,
            duals=None, work=0,
        )  # fmt: skip
