"""Clear one stored problem with Takt and print what it found, when.

The clock starts with the problem in memory: formulating, loading compiled code, checking and publishing
count. The solvers of `peers` print the same record.

    python -m benchmarks.clearing.anytime PROBLEM.pickle SECONDS WORKERS
"""

from __future__ import annotations

import json
import math
import pickle
import resource
import sys
from importlib.metadata import version
from pathlib import Path

from market.adapters.solver_pulp import PulpSolver
from market.clearing.clear import clear
from market.clearing.limits import Limits
from takt_sdk.wall_clock import WallClock


def main() -> None:
    """Print one JSON line."""
    problem = pickle.loads(Path(sys.argv[1]).read_bytes())  # noqa: S301  written by `cases.prepare`
    limits = Limits(time_s=float(sys.argv[2]), workers=int(sys.argv[3]))
    clock = WallClock()
    trace: list[tuple[float, float]] = []
    bounds: list[tuple[float, float]] = []
    start = clock.monotonic_s()

    def watch(objective: float, bound: float) -> None:
        now = clock.monotonic_s() - start
        if math.isfinite(objective) and (not trace or objective > trace[-1][1]):
            trace.append((now, objective))
        if math.isfinite(bound) and (not bounds or bound < bounds[-1][1]):
            bounds.append((now, bound))

    clearing = clear(problem, solver=PulpSolver(), limits=limits, clock=clock, watch=watch)
    seconds = clock.monotonic_s() - start
    if clearing.objective is not None and (not trace or clearing.objective > trace[-1][1]):
        trace.append((seconds, clearing.objective))
    record = {
        "objective": clearing.objective,
        "bound": clearing.bound,
        "bound_kind": clearing.bound_kind,
        "status": clearing.status.value,
        "greedy": clearing.greedy_objective,
        "components": clearing.components,
        "trace": trace,
        "bounds": bounds,
        "seconds": seconds,
        "version": version("takt"),
        "peak_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }
    print(json.dumps(record))


if __name__ == "__main__":
    main()
