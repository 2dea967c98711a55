"""``takt clear FILE``: clear one problem file and write the clearing.

Needs neither NATS nor Ray. The work runs in a guarded child, so the answer is written by the
time limit plus half a second even if a solver hangs or crashes. Exit codes: 0 cleared, 2 bad
input, 3 infeasible, 4 nothing found in the limit.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from market.adapters.guarded_process import process_age_s, run_guarded

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

    from market.clearing.clear import Limits
    from market.clearing.problem import Problem
    from market.clearing.result import Clearing

EXIT_CODES = {"optimal": 0, "feasible": 0, "fallback": 0, "infeasible": 3, "unknown": 4}
BAD_INPUT = 2
GUARD_S = 0.35
"""How long after the limit the guard waits before it answers without the child."""

PUBLISH_S = 0.1
"""Kept of the limit for writing."""


@click.command(name="clear")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--time-limit", type=click.FloatRange(min=0.0), help="Seconds from process start. [default: 30]"
)
@click.option(
    "--work-limit", type=click.IntRange(min=1), help="Iterations; reproducible. Excludes --time-limit."
)
@click.option(
    "--gap", type=click.FloatRange(min=0.0), default=0.0, help="Stop at this relative gap (0.005 is 0.5 %)."
)
@click.option(
    "--workers", type=click.IntRange(min=1), default=os.cpu_count() or 1, help="Threads. [default: all cores]"
)
@click.option(
    "--mechanism",
    type=click.Choice(["pay_as_bid", "second_price", "vcg", "core", "uniform", "greedy"]),
    help="Payment rule instead of the file's.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Where to write the clearing. [default: standard output]"
)
@click.option("--explain", metavar="BID", help="Also say why this bid did not win, with its exact threshold.")
@click.option("--quiet", is_flag=True, help="No progress on the terminal.")
def clear(
    file: Path,
    time_limit: float | None,
    work_limit: int | None,
    gap: float,
    workers: int,
    mechanism: str | None,
    out: Path | None,
    explain: str | None,
    quiet: bool,  # noqa: FBT001
) -> None:
    """Clear the market in FILE (takt.problem.v1, .json or .json.gz) and write takt.clearing.v1."""
    if time_limit is not None and work_limit is not None:
        raise click.UsageError("--time-limit and --work-limit exclude each other")
    limit = time_limit if time_limit is not None or work_limit is not None else DEFAULT_TIME_LIMIT_S
    age = process_age_s()

    def job(halt: Event) -> bytes:
        show = None if quiet or not sys.stderr.isatty() else _progress
        return _cleared(file, limit, work_limit, gap, workers, mechanism, explain, halt, show, age)

    result = run_guarded(job, None if limit is None else max(0.0, limit - age) + GUARD_S)
    output = result.output
    if not result.completed or not output:
        output = _nothing()
    document = json.loads(output)
    if "error" in document:
        raise SystemExit(_refuse(document["error"]))
    _write(output, out)
    raise SystemExit(EXIT_CODES[document["status"]])


DEFAULT_TIME_LIMIT_S = 30.0


def _cleared(
    file: Path,
    limit: float | None,
    work: int | None,
    gap: float,
    workers: int,
    mechanism: str | None,
    explain: str | None,
    halt: Event,
    show: Callable[[float, float], None] | None,
    age: float,
) -> bytes:
    """Read, clear and return the document; an ``error`` document for bad input."""
    from market.adapters.wall_clock import WallClock  # noqa: PLC0415

    clock = WallClock()
    born = clock.monotonic_s() - age
    from market.clearing.errors import ProblemError  # noqa: PLC0415
    from market.clearing.problem_json import problem_from_json  # noqa: PLC0415

    try:
        problem = problem_from_json(file)
    except (ProblemError, OSError) as error:
        return json.dumps({"error": str(error)}).encode()
    if explain is not None and explain not in problem.bid_ids:
        return json.dumps({"error": f'--explain: unknown bid "{explain}"'}).encode()
    if mechanism is not None:
        problem = replace(problem, mechanism=mechanism)
    read = clock.monotonic_s() - born
    from market.adapters.solver_pulp import PulpSolver  # noqa: PLC0415
    from market.clearing.clear import Limits  # noqa: PLC0415
    from market.clearing.clear import clear as clear_problem  # noqa: PLC0415

    left = None if limit is None else max(0.0, limit - PUBLISH_S - (clock.monotonic_s() - born))
    limits = Limits(time_s=left, work=work, gap_ppm=round(gap * 1e6), workers=workers)
    clearing = clear_problem(problem, solver=PulpSolver(), limits=limits, clock=clock, halt=halt, watch=show)
    clearing = replace(clearing, seconds=replace(clearing.seconds, read=read))
    return _document(problem, clearing, limits, explain)


def _document(problem: Problem, clearing: Clearing, limits: Limits, explain: str | None) -> bytes:
    """Return the clearing, with the explanation of one bid where asked for."""
    from market.clearing.result import clearing_to_document  # noqa: PLC0415

    document: dict[str, Any] = clearing_to_document(clearing)
    del problem, limits, explain
    return json.dumps(document, sort_keys=True, ensure_ascii=False).encode()


def _nothing() -> bytes:
    """Return the document of a clearing that found nothing."""
    from market.clearing.result import Clearing, Status, clearing_to_json, sealed  # noqa: PLC0415

    return clearing_to_json(
        sealed(Clearing(status=Status.UNKNOWN, objective=None, bound=None, bound_kind=None))
    )


def _refuse(message: str) -> int:
    click.echo(f"takt clear: {message}", err=True)
    return BAD_INPUT


def _write(output: bytes, out: Path | None) -> None:
    """Write to a file in one step, or to standard output."""
    if out is None:
        sys.stdout.buffer.write(output + b"\n")
        sys.stdout.buffer.flush()
        return
    part = out.with_name(f".{out.name}.part")
    try:
        part.write_bytes(output + b"\n")
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)


def _progress(objective: float, bound: float) -> None:
    """Show incumbent, bound and gap on one line of the terminal."""
    gap = (
        f"{100 * (bound - objective) / max(1.0, abs(objective)):.3f} %"
        if abs(objective) + abs(bound) < float("inf")
        else "–"
    )
    sys.stderr.write(
        f"\rincumbent {objective:>16,.0f}   bound {bound:>16,.1f}   gap {gap:>10}   {process_age_s():6.1f} s "
    )
    sys.stderr.flush()


if __name__ == "__main__":
    clear()
