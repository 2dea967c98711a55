"""The runs of the benchmark, each a command in a process of its own with a hard limit.

A finished run is one line of the results file, so that an interrupted benchmark goes on where it stopped.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.clearing.cases import BIG, Case, chosen_cases, prepare

ROOT = Path(__file__).resolve().parents[2]
PEERS = Path(__file__).with_name("peers.py")
PEERS_PYTHON = ROOT / ".venv-peers" / "bin" / "python"
SAME_ENVIRONMENT, OWN_ENVIRONMENT = ("highs", "cbc"), ("cpsat", "scip")

BUILDS = {
    False: ((200, 10, 40, 10), (1_000, 20, 200, 20)),
    True: ((5_000, 20, 1_000, 20), (20_000, 10, 1_000, 50)),
}
LOADS, LOAD_SEEDS = (50, 80, 100), (1, 2, 3)
SCALES = {False: (1_000, 3_000, 10_000, 30_000, 100_000), True: (300_000, 1_000_000)}
SCALE_GAP_PPM, SCALE_LIMIT_S = 10_000, 300.0
BIG_BIDS, BIG_LIMITS_S = 200_000, (30.0, 120.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One command; its last line of output is the record. ``facts`` are kept beside it."""

    key: str
    command: tuple[str, ...]
    hard_s: float
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to run."""

    full: bool
    big: bool
    limit_s: float
    threads: int
    folder: Path


def module(name: str, *words: object) -> tuple[str, ...]:
    """Return the command of one of our modules."""
    return (sys.executable, "-m", f"benchmarks.clearing.{name}", *map(str, words))


def installed_peers() -> list[str]:
    """Return the general solvers that can be run here."""
    own = list(OWN_ENVIRONMENT) if PEERS_PYTHON.exists() else []
    return [*SAME_ENVIRONMENT, *own]


def tasks_of(plan: Plan) -> list[Task]:
    """Return all runs in the order in which they are made."""
    return [*_solving(plan), *_building(plan), *_loads(plan), *_payments(plan), *_scaling(plan), *_big(plan)]


def _solving(plan: Plan) -> list[Task]:
    found = []
    for cases in chosen_cases(full=plan.full).values():
        for case in cases:
            few = not plan.full and case is not cases[-1]
            solvers = ["takt", *(s for s in installed_peers() if not (few and s in OWN_ENVIRONMENT))]
            found += [_solve("solve", case, solver, plan.limit_s, plan) for solver in solvers]
    return found


def _solve(section: str, case: Case, solver: str, limit_s: float, plan: Plan) -> Task:
    problem, program = prepare(case, plan.folder)
    if solver == "takt":
        command = module("anytime", problem, limit_s, plan.threads)
    else:
        python = sys.executable if solver in SAME_ENVIRONMENT else str(PEERS_PYTHON)
        command = (python, str(PEERS), solver, str(program), str(limit_s), str(plan.threads))
    facts = {"section": section, "family": case.family, "name": case.name, "solver": solver}
    return Task(
        key=f"{section}/{case.family}/{case.name}/{solver}/{limit_s:g}",
        command=command,
        hard_s=2 * limit_s + 60.0,
        facts=facts | {"limit_s": limit_s, "best_cost": case.best_cost},
    )


def _building(plan: Plan) -> list[Task]:
    sizes = BUILDS[False] + (BUILDS[True] if plan.big else ())
    return [
        Task(
            key=f"build/{'x'.join(map(str, size))}",
            command=module("building", *size),
            hard_s=900.0,
            facts={"section": "build"},
        )
        for size in sizes
    ]


def _loads(plan: Plan) -> list[Task]:
    return [
        Task(
            key=f"load/{percent}/{seed}",
            command=module("load", plan.limit_s, plan.threads, percent, seed),
            hard_s=2 * plan.limit_s + 30.0,
            facts={"section": "load", "percent": percent, "seed": seed},
        )
        for percent in LOADS
        for seed in (LOAD_SEEDS if plan.full else LOAD_SEEDS[:1])
    ]


def _payments(plan: Plan) -> list[Task]:
    largest = 5 if plan.full else 2
    out = plan.folder / "payments.json"
    return [
        Task(
            key=f"payments/{largest}",
            command=module("vcg", "--sample", 3, "--largest", largest, "--json", out),
            hard_s=900.0,
            facts={"section": "payments", "rows_from": str(out)},
        )
    ]


def _scaling(plan: Plan) -> list[Task]:
    sizes = SCALES[False] + (SCALES[True] if plan.full else ())
    return [_command("scale", bids, SCALE_GAP_PPM, SCALE_LIMIT_S, plan) for bids in sizes]


def _big(plan: Plan) -> list[Task]:
    if not plan.big:
        return []
    own = [_command("big", BIG_BIDS, 0, limit_s, plan) for limit_s in BIG_LIMITS_S]
    return own + [_solve("big", BIG, solver, BIG_LIMITS_S[0], plan) for solver in SAME_ENVIRONMENT]


def _command(section: str, bids: int, gap_ppm: int, limit_s: float, plan: Plan) -> Task:
    facts = {"section": section, "bids": bids, "target_ppm": gap_ppm, "limit_s": limit_s}
    command = module("scaling", bids, gap_ppm, limit_s, plan.threads, plan.folder)
    return Task(key=f"{section}/{bids}/{limit_s:g}", command=command, hard_s=2 * limit_s + 300.0, facts=facts)


def run(task: Task) -> dict[str, Any]:
    """Run one task to its end or its hard limit, with all its children; return its record."""
    facts = {"key": task.key, **task.facts, "load": os.getloadavg()[0]}
    child = subprocess.Popen(
        task.command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd=ROOT,
    )
    try:
        output, errors = child.communicate(timeout=task.hard_s)
    except subprocess.TimeoutExpired:
        return facts | {"error": f"ended by force after {task.hard_s:g} s"}
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
    if child.returncode != 0:
        last = (errors.strip().splitlines() or [f"exit code {child.returncode}"])[-1]
        return facts | {"error": last.replace(str(ROOT), "")}
    if "rows_from" in task.facts:
        rows = json.loads(Path(task.facts["rows_from"]).read_text())
        return {name: value for name, value in facts.items() if name != "rows_from"} | {"rows": rows}
    record: dict[str, Any] = facts | json.loads(output.splitlines()[-1])
    return record
