"""Solve a large relaxation roughly by HiGHS's first-order method (PDLP): prices within seconds.

Its point is near-optimal, neither basic nor quite feasible: duals of wrong sign are cut to zero, so that
any bound computed from them holds.
"""

from __future__ import annotations

import highspy
import numpy as np

from market.clearing.program import Answer, Program, ProgramResult, SolveLimits


def relax_roughly(program: Program, limits: SolveLimits) -> ProgramResult:
    """Solve the relaxation to ``limits.accuracy``, relative; the answer is never more than feasible.

    Handed over as a minimisation: the method's duals of a maximisation have the other sign.
    """
    model = highspy.Highs()  # type: ignore[no-untyped-call]
    model.silent()
    model.setOptionValue("solver", "pdlp")
    model.setOptionValue("run_crossover", "off")
    model.setOptionValue("threads", 1)
    if limits.accuracy is not None:
        model.setOptionValue("kkt_tolerance", limits.accuracy)
        model.setOptionValue("pdlp_optimality_tolerance", limits.accuracy)
    if limits.time_s is not None:
        model.setOptionValue("time_limit", max(0.0, limits.time_s))
    if limits.work is not None:
        model.setOptionValue("pdlp_iteration_limit", min(limits.work, 2**31 - 1))
    model.passModel(
        program.n_columns,
        program.n_rows,
        program.value.size,
        int(highspy.MatrixFormat.kRowwise),
        int(highspy.ObjSense.kMinimize),
        0.0,
        -program.cost,
        program.lower,
        program.upper,
        program.row_lower,
        program.row_upper,
        program.row_ptr[:-1].astype(np.int32),
        program.column,
        program.value,
        np.zeros(program.n_columns, dtype=np.int32),
    )
    model.run()
    solution, work = model.getSolution(), max(0, int(model.getInfo().pdlp_iteration_count))
    duals, values = -np.array(solution.row_dual), np.array(solution.col_value)
    found = solution.dual_valid and solution.value_valid
    if not found or not np.isfinite(duals).all() or not np.isfinite(values).all():
        return ProgramResult(
            answer=Answer.UNKNOWN, objective=np.nan, bound=np.inf, values=None, duals=None, work=work
        )
    duals[(duals > 0) & np.isinf(program.row_upper)] = 0.0
    duals[(duals < 0) & np.isinf(program.row_lower)] = 0.0
    return ProgramResult(
        answer=Answer.UNKNOWN,
        objective=float(program.cost @ values),
        bound=float("inf"),
        values=values,
        duals=duals,
        work=work,
    )
