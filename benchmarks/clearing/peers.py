"""Run one general solver on one program and print what it found, when.

A script of its own that needs NumPy and the solver only, so that solvers which cannot share a
process or an environment with Takt's run too. The program is maximised; the clock starts when the
solver holds it, so reading and building cost it nothing.

    python benchmarks/clearing/peers.py SOLVER PROGRAM.npz SECONDS THREADS
"""

from __future__ import annotations

import json
import math
import re
import resource
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

CBC_OVERRUN_S = 10.0
"""How long after its limit CBC is waited for: it looks at the clock between steps only."""

HUGE = 1e15


@dataclass(slots=True)
class Found:
    """What a solver found: points of time, objective and bound, and the values of its last answer."""

    trace: list[tuple[float, float]] = field(default_factory=list)
    bounds: list[tuple[float, float]] = field(default_factory=list)
    values: Any = None
    bound: float = math.inf
    proven: bool = False
    seconds: float = 0.0
    version: str = ""

    def better(self, seconds: float, objective: float) -> None:
        """Note an answer if it is better than the last."""
        if not self.trace or objective > self.trace[-1][1]:
            self.trace.append((seconds, objective))

    def tighter(self, seconds: float, bound: float) -> None:
        """Note a bound if it is tighter than the last."""
        if abs(bound) < HUGE and (not self.bounds or bound < self.bounds[-1][1]):
            self.bounds.append((seconds, bound))


def highs(p: dict[str, Any], limit_s: float, threads: int) -> Found:
    """Run HiGHS through highspy."""
    import highspy  # noqa: PLC0415  one solver per process

    found, model = Found(), highspy.Highs()  # type: ignore[no-untyped-call]
    model.silent()
    found.version = model.version()
    for name, value in (("threads", threads), ("time_limit", limit_s), ("mip_rel_gap", 0.0)):
        model.setOptionValue(name, value)
    model.passModel(
        p["cost"].size,
        p["row_lower"].size,
        p["value"].size,
        int(highspy.MatrixFormat.kRowwise),
        int(highspy.ObjSense.kMaximize),
        0.0,
        p["cost"],
        p["lower"],
        p["upper"],
        p["row_lower"],
        p["row_upper"],
        p["row_ptr"][:-1].astype(np.int32),
        p["column"],
        p["value"],
        p["integer"].astype(np.int32),
    )
    start = perf_counter()

    def tell(event: Any) -> None:  # noqa: ANN401  highspy has no stubs
        now = perf_counter() - start
        found.better(now, float(p["cost"] @ np.array(event.data_out.mip_solution)))
        found.tighter(now, float(event.data_out.mip_dual_bound))

    model.cbMipImprovingSolution.subscribe(tell)
    model.run()
    found.seconds = perf_counter() - start
    info = model.getInfo()
    if info.primal_solution_status == 2:
        found.values = np.array(model.getSolution().col_value)
    found.bound = float(info.mip_dual_bound)
    found.proven = model.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return found


def cbc(p: dict[str, Any], limit_s: float, threads: int) -> Found:
    """Run the CBC that PuLP carries, with PuLP's options, on an MPS file; times are those of its log."""
    import pulp  # noqa: PLC0415  one solver per process

    with tempfile.TemporaryDirectory() as folder:
        model, solution = Path(folder) / "program.mps", Path(folder) / "program.sol"
        write_mps(p, model)
        command = [
            pulp.PULP_CBC_CMD().path,
            str(model),
            *("-sec", str(limit_s), "-threads", str(threads), "-timeMode", "elapsed"),
            *(
                "-ratio",
                "0",
                "-allow",
                "0.99",
                "-branch",
                "-printingOptions",
                "all",
                "-solution",
                str(solution),
            ),
        ]
        start = perf_counter()
        log_path = Path(folder) / "log"
        with log_path.open("w") as file, subprocess.Popen(command, stdout=file, stderr=file) as child:
            try:
                child.wait(limit_s + CBC_OVERRUN_S)
            except subprocess.TimeoutExpired:
                child.kill()
        log = log_path.read_text()
        seconds = perf_counter() - start
        found = read_cbc(log, limit_s)
        found.seconds = seconds
        if solution.exists():
            found.values = cbc_values(solution.read_text(), p["cost"].size)
    return found


def read_cbc(log: str, limit_s: float) -> Found:
    """Return answers and bounds in a log of CBC, which minimises."""
    found = Found()
    version = re.search(r"Version:\s*(\S+)", log)
    found.version = version.group(1) if version else ""
    for seconds_text, objective in (
        (m.group(2), m.group(1))
        for m in re.finditer(r"Cbc00\d\dI Integer solution of (\S+) found.*\((\S+) seconds\)", log)
    ):
        found.better(float(seconds_text), -float(objective))
    for m in re.finditer(r"best possible (\S+?)\) \((\S+) seconds\)", log):
        found.tighter(float(m.group(2)), _rounded_away(-float(m.group(1))))
    relaxed = re.search(r"Continuous objective value is (\S+) - (\S+) seconds", log)
    if relaxed:
        found.tighter(float(relaxed.group(2)), _rounded_away(-float(relaxed.group(1))))
    lower = re.search(r"Lower bound:\s+(\S+)", log)
    if lower:
        found.bound = min(found.bound, -float(lower.group(1)))
    found.bound = min([found.bound, *(bound for _, bound in found.bounds)])
    done = re.search(r"Result - Optimal solution found", log)
    value = re.search(r"Objective value:\s+(\S+)", log)
    if value:
        found.better(limit_s, -float(value.group(1)))
        if done:
            found.proven, found.bound = True, -float(value.group(1))
    return found


def _rounded_away(bound: float) -> float:
    """Return a bound that stays valid although the log printed six digits of it."""
    return bound + 1e-5 * abs(bound)


def cbc_values(text: str, columns: int) -> Any:  # noqa: ANN401  an array or None
    """Return the column values of a solution file, or None if it holds no answer."""
    head, *rows = text.splitlines()
    if "infeasible" in head.lower() or "no feasible" in head.lower() or "no integer" in head.lower():
        return None
    values = np.zeros(columns)
    for row in rows:
        words = row.replace("**", " ").split()
        if len(words) >= 3 and words[1].startswith("x"):
            values[int(words[1][1:])] = float(words[2])
    return values


def write_mps(p: dict[str, Any], path: Path) -> None:
    """Write the program as a minimisation in free MPS."""
    lower, upper = p["row_lower"], p["row_upper"]
    rows = np.repeat(np.arange(lower.size), np.diff(p["row_ptr"]))
    order = np.argsort(p["column"], kind="stable")
    ptr = np.zeros(p["cost"].size + 1, dtype=np.int64)
    np.cumsum(np.bincount(p["column"], minlength=p["cost"].size), out=ptr[1:])
    row, value = rows[order].tolist(), p["value"][order].tolist()
    sense = np.where(lower == upper, "E", np.where(np.isinf(upper), "G", "L")).tolist()
    side = np.where(np.isinf(upper), lower, upper).tolist()
    with path.open("w") as file:
        file.write("NAME program\nROWS\n N cost\n")
        file.writelines(f" {kind} r{i}\n" for i, kind in enumerate(sense))
        file.write("COLUMNS\n MARK 'MARKER' 'INTORG'\n")
        for whole in (True, False):
            for j in np.flatnonzero(p["integer"] == whole).tolist():
                file.write(f" x{j} cost {-float(p['cost'][j])!r}\n")
                file.writelines(f" x{j} r{row[k]} {value[k]!r}\n" for k in range(ptr[j], ptr[j + 1]))
            if whole:
                file.write(" MARK 'MARKER' 'INTEND'\n")
        file.write("RHS\n")
        file.writelines(f" rhs r{i} {v!r}\n" for i, v in enumerate(side) if v)
        ranged = np.flatnonzero((lower != upper) & ~np.isinf(lower) & ~np.isinf(upper))
        if ranged.size:
            file.write("RANGES\n")
            file.writelines(f" rng r{i} {float(upper[i] - lower[i])!r}\n" for i in ranged.tolist())
        file.write("BOUNDS\n")
        for j, (low, high) in enumerate(zip(p["lower"].tolist(), p["upper"].tolist(), strict=True)):
            if low:
                file.write(f" LO bnd x{j} {low!r}\n")
            file.write(f" PL bnd x{j}\n" if math.isinf(high) else f" UP bnd x{j} {high!r}\n")
        file.write("ENDATA\n")


def cpsat(p: dict[str, Any], limit_s: float, threads: int) -> Found:
    """Run CP-SAT; every column and coefficient must be whole."""
    import ortools  # type: ignore[import-not-found, unused-ignore]  # noqa: PLC0415  one solver per process
    from ortools.sat.python import cp_model  # type: ignore[import-not-found, unused-ignore]  # noqa: PLC0415

    for name in ("cost", "value"):
        if not (p[name] == np.rint(p[name])).all():
            raise SystemExit(f"CP-SAT takes whole numbers only; {name} holds others")
    found, model = Found(version=ortools.__version__), cp_model.CpModel()
    far = 2**40
    columns = [
        model.new_int_var(int(max(low, -far)), int(min(high, far)), "")
        for low, high in zip(p["lower"].tolist(), p["upper"].tolist(), strict=True)
    ]
    ptr, column = p["row_ptr"].tolist(), p["column"].tolist()
    value = p["value"].astype(np.int64).tolist()
    for i, (low, high) in enumerate(zip(p["row_lower"].tolist(), p["row_upper"].tolist(), strict=True)):
        span = slice(ptr[i], ptr[i + 1])
        terms = cp_model.LinearExpr.weighted_sum([columns[j] for j in column[span]], value[span])
        bounds = (
            -(2**62) if math.isinf(low) else math.ceil(low),
            2**62 if math.isinf(high) else math.floor(high),
        )
        model.add_linear_constraint(terms, *bounds)
    model.maximize(cp_model.LinearExpr.weighted_sum(columns, p["cost"].astype(np.int64).tolist()))
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = limit_s
    solver.parameters.num_workers = threads
    start = perf_counter()

    class Told(cp_model.CpSolverSolutionCallback):  # type: ignore[misc, unused-ignore]
        def on_solution_callback(self) -> None:
            now = perf_counter() - start
            found.better(now, self.objective_value)
            found.tighter(now, self.best_objective_bound)

    status = solver.solve(model, Told())
    found.seconds = perf_counter() - start
    if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        found.values = np.array([solver.value(x) for x in columns], dtype=float)
    if status != cp_model.UNKNOWN:
        found.bound = solver.best_objective_bound
    found.proven = status == cp_model.OPTIMAL
    return found


def scip(p: dict[str, Any], limit_s: float, threads: int) -> Found:  # noqa: ARG001  SCIP's wheel runs on one
    """Run SCIP through PySCIPOpt, on one thread."""
    import pyscipopt  # type: ignore[import-not-found, unused-ignore]  # noqa: PLC0415  one solver per process
    from pyscipopt import SCIP_EVENTTYPE  # noqa: PLC0415

    found, model = Found(), pyscipopt.Model()
    found.version = str(model.version())
    model.hideOutput()
    columns = [
        model.addVar(lb=low, ub=None if math.isinf(high) else high, vtype="I" if whole else "C", obj=cost)
        for low, high, whole, cost in zip(
            p["lower"].tolist(), p["upper"].tolist(), p["integer"].tolist(), p["cost"].tolist(), strict=True
        )
    ]
    model.setMaximize()
    ptr, column, value = p["row_ptr"].tolist(), p["column"].tolist(), p["value"].tolist()
    for i, (low, high) in enumerate(zip(p["row_lower"].tolist(), p["row_upper"].tolist(), strict=True)):
        terms = pyscipopt.quicksum(value[k] * columns[column[k]] for k in range(ptr[i], ptr[i + 1]))
        if ptr[i] == ptr[i + 1]:
            continue
        if low == high:
            model.addCons(terms == high)
            continue
        if not math.isinf(high):
            model.addCons(terms <= high)
        if not math.isinf(low):
            model.addCons(terms >= low)
    model.setParam("limits/time", limit_s)
    start = perf_counter()

    class Told(pyscipopt.Eventhdlr):  # type: ignore[misc, unused-ignore]
        def eventinit(self) -> None:
            self.model.catchEvent(SCIP_EVENTTYPE.BESTSOLFOUND, self)

        def eventexec(self, event: object) -> None:  # noqa: ARG002  SCIP's signature
            now = perf_counter() - start
            found.better(now, self.model.getSolObjVal(self.model.getBestSol()))
            found.tighter(now, self.model.getDualbound())

    model.includeEventhdlr(Told(), "told", "notes every better answer")
    model.optimize()
    found.seconds = perf_counter() - start
    if model.getNSols():
        best = model.getBestSol()
        found.values = np.array([best[x] for x in columns])
    found.bound = float(model.getDualbound())
    found.proven = model.getStatus() == "optimal"
    return found


SOLVERS = {"highs": highs, "cbc": cbc, "cpsat": cpsat, "scip": scip}


def broken_rows(p: dict[str, Any], values: Any) -> int:  # noqa: ANN401  an array
    """Return how many rows and bounds the values break by more than a millionth, whole columns rounded."""
    rows = np.repeat(np.arange(p["row_lower"].size), np.diff(p["row_ptr"]))
    activity = np.bincount(rows, weights=p["value"] * values[p["column"]], minlength=p["row_lower"].size)
    room = 1e-6 * np.maximum(1.0, np.abs(activity))
    broken = (activity > p["row_upper"] + room) | (activity < p["row_lower"] - room)
    outside = (values > p["upper"] + 1e-6) | (values < p["lower"] - 1e-6)
    return int(broken.sum() + outside.sum())


def main() -> None:
    """Print one JSON line."""
    solver, path, limit_s, threads = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
    with np.load(path) as file:
        p = {name: file[name] for name in file.files}
    found = SOLVERS[solver](p, limit_s, threads)
    objective, broken = None, 0
    if found.values is not None:
        values = np.where(p["integer"], np.rint(found.values), found.values)
        broken = broken_rows(p, values)
        objective = round(float(p["cost"] @ values)) if not broken else None
    record = {
        "objective": objective,
        "bound": found.bound if abs(found.bound) < HUGE else None,
        "status": "broken"
        if broken
        else "optimal"
        if found.proven
        else "none"
        if objective is None
        else "feasible",
        "trace": found.trace,
        "bounds": found.bounds,
        "seconds": found.seconds,
        "version": found.version,
        "peak_kib": max(
            resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        ),
    }
    print(json.dumps(record))


if __name__ == "__main__":
    main()
