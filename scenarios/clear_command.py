"""``takt clear FILE``: clear one problem file and write the clearing.

Needs neither NATS nor Ray. The work runs in a guarded child, so the answer is written by the time limit plus
half a second even if a solver hangs or crashes, and nothing of it stays behind.
"""

from __future__ import annotations

import gc
import math
import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from market.adapters.guarded_process import guarded, process_age_s

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NoReturn

    from market.adapters.guarded_process import JobResult, Link
    from market.clearing.result import Clearing
    from market.clearing.search.part_search import Hire

EXIT_CODES = {"optimal": 0, "feasible": 0, "fallback": 0, "infeasible": 3, "unknown": 4}
BAD_INPUT, NOTHING = 2, 4
DEFAULT_TIME_LIMIT_S = 30.0

GUARD_S = 0.35
"""How long after the limit the guard waits before it answers without the child."""

HAND_OVER_S = 0.1
"""Kept of the limit for handing the answer over and writing it."""

READ_S_PER_BID = 1e-5
"""Of a fast machine: one that reads more slowly publishes more slowly too."""


class _Unexplained(click.ClickException):
    """The child gave no explanation: nothing is written."""

    exit_code = NOTHING

    def __init__(self) -> None:
        super().__init__("--explain: no explanation within the limit")


class _Gap(click.ParamType):  # type: ignore[type-arg]
    """Parts per million, or a percentage with its sign."""

    name = "ppm|%"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value).strip()
        try:
            ppm = round(float(text[:-1]) * 10_000) if text.endswith("%") else int(text)
        except (ValueError, OverflowError):
            self.fail(
                f'must be parts per million or a percentage, as 5000 or 0.5% (was "{text}")', param, ctx
            )
        if not 0 <= ppm <= 1_000_000:  # noqa: PLR2004  all of it
            self.fail(f'must be 0 to 1000000 ppm, 0 to 100% (was "{text}")', param, ctx)
        return ppm


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """What the command was asked to do."""

    file: Path
    limit_s: float | None
    work: int | None
    gap_ppm: int
    workers: int
    mechanism: str | None
    explain: str | None
    cluster: str | None
    age_s: float
    """Age of the process when the child was forked."""


@click.command(name="clear")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--time-limit",
    type=click.FloatRange(min=0.0, max=1e6),
    metavar="S",
    help=f"Seconds from process start. [default: {DEFAULT_TIME_LIMIT_S:g}, none with --work-limit]",
)
@click.option(
    "--work-limit",
    type=click.IntRange(min=1),
    metavar="N",
    help="Own iterations plus LP iterations: the answer is reproducible, whatever --workers.",
)
@click.option("--gap", type=_Gap(), default=0, help="Good enough: stop there. 5000 and 0.5% are the same.")
@click.option(
    "--workers", type=click.IntRange(min=1), default=os.cpu_count() or 1, help="Cores. [default: all]"
)
@click.option(
    "--mechanism",
    type=click.Choice(["pay_as_bid", "second_price", "vcg", "core", "uniform", "greedy"]),
    help="Payment rule instead of the file's.",
)
@click.option("--out", type=click.Path(path_type=Path), help="[default: standard output]")
@click.option(
    "--cluster",
    metavar="ADDRESS",
    help="Ray cluster that searches parts of the market, as auto or 10.0.0.1:6379. [default: this machine]",
)
@click.option("--explain", metavar="BID", help="Say instead what this bid would have had to be to win.")
def clear(
    file: Path,
    time_limit: float | None,
    work_limit: int | None,
    gap: int,
    workers: int,
    mechanism: str | None,
    out: Path | None,
    explain: str | None,
    cluster: str | None,
) -> None:
    """Clear the market in FILE (takt.problem.v1, .json or .json.gz, - for standard input).

    Writes the takt.clearing.v1.

    Ctrl-C ends the search and writes the best so far. Exit code 0: cleared; 2: bad input, nothing written;
    3: must-serve orders cannot all be served; 4: nothing found in the limit.
    """
    if out is not None and not _writable(out):
        raise click.UsageError(f"--out: cannot write {out}")
    if time_limit is not None and math.isnan(time_limit):
        raise click.UsageError("--time-limit: must be a number of seconds (was nan)")
    limit_s = DEFAULT_TIME_LIMIT_S if time_limit is None and work_limit is None else time_limit
    task = _Task(
        file=Path("/dev/stdin") if file == Path("-") else file,
        limit_s=limit_s,
        work=work_limit,
        gap_ppm=gap,
        workers=workers,
        mechanism=mechanism,
        explain=explain,
        cluster=cluster,
        age_s=process_age_s(),
    )
    with _running(task) as result:
        if explain is not None and not result.output:
            raise _Unexplained
        if result.output or result.completed or result.interrupted:
            _deliver(result, out)
    if not task.file.is_file() or (limit_s is not None and process_age_s() >= limit_s):
        _deliver(result, out)  # a pipe cannot be read again
    # The child died without a word: once more, without any solver.
    alone = replace(task, mechanism="greedy", cluster=None, age_s=process_age_s())
    with _running(alone, fallback=True) as result:
        _deliver(result, out)


def _writable(out: Path) -> bool:
    """Return whether the answer can be put there, before a search is spent on it."""
    if out.exists() and not out.is_file():
        return not out.is_dir() and os.access(out, os.W_OK)
    return out.resolve().parent.is_dir() and os.access(out.resolve().parent, os.W_OK)


@contextmanager
def _running(task: _Task, *, fallback: bool = False) -> Iterator[JobResult]:
    """Run the task in a child until its limit; show how far it is on a terminal."""
    left = None if task.limit_s is None else max(0.0, task.limit_s - process_age_s()) + GUARD_S

    def job(link: Link) -> bytes:
        return _cleared(task, link, fallback=fallback)

    if not sys.stderr.isatty():
        with guarded(job, left) as result:
            yield result
        return
    from scenarios.clear_progress import Shown  # noqa: PLC0415  rich, for terminals only

    shown = Shown(process_age_s)
    with guarded(job, left, shown.news) as result:
        shown.close()
        yield result


def _deliver(result: JobResult, out: Path | None) -> NoReturn:
    """Write what a child handed over; exit with its code, the first byte."""
    output = result.output or _answer(_nothing())
    code, body = output[0] - ord("0"), output[1:]
    if code == BAD_INPUT:
        shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in body.decode())
        click.echo(f"takt clear: {shown}", err=True)
        raise SystemExit(code)
    _write(body, out)
    if result.interrupted:
        click.echo("takt clear: interrupted; this is the best so far", err=True)
    raise SystemExit(code)


def _answer(clearing: Clearing) -> bytes:
    """Return a clearing as it goes from the child to the guard: the exit code's digit, the document."""
    from market.clearing.result import clearing_to_json  # noqa: PLC0415

    return str(EXIT_CODES[clearing.status]).encode() + clearing_to_json(clearing)


def _refusal(message: str) -> bytes:
    return f"{BAD_INPUT}{message}".encode(errors="backslashreplace")


def _cleared(task: _Task, link: Link, *, fallback: bool) -> bytes:
    """Read, clear and return the answer or a refusal."""
    from market.clearing.documents.problem_json import problem_from_json  # noqa: PLC0415
    from market.clearing.errors import ProblemError  # noqa: PLC0415
    from takt_sdk.wall_clock import WallClock  # noqa: PLC0415

    clock = WallClock()
    born_s = clock.monotonic_s() - task.age_s
    try:
        problem = problem_from_json(task.file)
    except ProblemError as error:
        return _refusal(str(error))
    except OSError as error:
        return _refusal(f"{task.file}: {error.strerror or error}")
    if task.explain is not None and task.explain not in problem.bid_ids:
        return _refusal(f'--explain: unknown bid "{task.explain}"')
    if task.mechanism is not None:
        problem = replace(problem, mechanism=task.mechanism)
    read_s = clock.monotonic_s()
    from market.adapters.solver_pulp import PulpSolver  # noqa: PLC0415
    from market.clearing.limits import Limits  # noqa: PLC0415
    from market.clearing.result import Seconds  # noqa: PLC0415
    from market.clearing.search.hunt import publishing_s  # noqa: PLC0415
    from market.service.guarded_clearing import clear_in_child  # noqa: PLC0415

    gc.freeze()
    now_s = clock.monotonic_s()
    slow = (read_s - born_s) / max(0.5, READ_S_PER_BID * problem.n_bids)
    kept_s = HAND_OVER_S + publishing_s(problem) * max(0.5, slow - 0.5)
    left = None if task.limit_s is None else max(0.0, task.limit_s - kept_s - (now_s - born_s))
    limits = Limits(time_s=left, work=task.work, gap_ppm=task.gap_ppm, workers=task.workers)
    if task.explain is not None:
        from scenarios.clear_explanation import explained  # noqa: PLC0415

        answer = explained(
            problem,
            task.explain,
            solver=PulpSolver(),
            limits=limits,
            clock=clock,
            halt=link.halt,
            draft=lambda estimate: link.draft(b"0" + estimate),
        )
        return b"0" + answer
    try:
        hire = _hire(task)
    except ConnectionError as error:
        return _refusal(f"--cluster: no Ray cluster answers ({error})")
    clearing = clear_in_child(
        problem,
        solver=PulpSolver(),
        limits=limits,
        clock=clock,
        link=link,
        write=_answer,
        before=Seconds(read=read_s - born_s, build=now_s - read_s),
        hire=hire,
    )
    return _answer(_marked(clearing) if fallback else clearing)


def _hire(task: _Task) -> Hire:
    """Return what hires helpers: processes here, or the cluster's."""
    if task.cluster is None:
        from market.adapters.part_process import hire_process  # noqa: PLC0415

        return hire_process
    from market.adapters.part_ray import hire_on  # noqa: PLC0415

    return hire_on(task.cluster)


def _marked(clearing: Clearing) -> Clearing:
    """Return a greedy clearing as the fallback it is."""
    from market.clearing.result import Status, sealed  # noqa: PLC0415

    return clearing if clearing.objective is None else sealed(replace(clearing, status=Status.FALLBACK))


def _nothing() -> Clearing:
    """Return the clearing that found nothing."""
    from market.clearing.result import Clearing, Status, sealed  # noqa: PLC0415

    return sealed(Clearing(status=Status.UNKNOWN, objective=None, bound=None, bound_kind=None))


def _write(output: bytes, out: Path | None) -> None:
    """Write to standard output, to a file in one step, or into what is no file, as a device or a pipe."""
    try:
        if out is None:
            sys.stdout.buffer.write(output + b"\n")
            sys.stdout.buffer.flush()
        elif out.exists() and not out.is_file():
            out.write_bytes(output + b"\n")
        else:
            _replace(out.resolve(), output + b"\n")
    except BrokenPipeError:
        raise  # nobody reads on: click ends the command without a word
    except OSError as error:
        place = "standard output" if out is None else f"--out: cannot write {out}"
        raise click.ClickException(f"{place}: {error.strerror or error}") from error


def _replace(out: Path, content: bytes) -> None:
    """Put a file in the place of what is there, whole or not at all."""
    part = out.with_name(f".{out.name}.part")
    try:
        part.write_bytes(content)
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)


if __name__ == "__main__":
    clear()
