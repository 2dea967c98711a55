"""``takt sweep``: seeds × mechanisms × parameters of a scenario, streamed into one Parquet table."""

from __future__ import annotations

import logging
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from scenarios.errors import ScenarioError
from scenarios.mechanisms import MECHANISM_NAMES, MechanismName
from scenarios.scenario import Case
from scenarios.stopping import until_told
from scenarios.study.cell import Cell, Row
from scenarios.study.execute import run_here, run_on_ray
from scenarios.study.sweep import Sweep, cells, load_sweep
from scenarios.study.table import StudyTable

_REASONS = 5
"""Errors of cells that are shown; the table has all."""


@click.command("sweep")
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), default=None, help="Default: runs/<name>-sweep.")
@click.option("--seeds", type=click.IntRange(1), default=None, help="How many, in place of the file's.")
@click.option(
    "--mechanism",
    "mechanisms",
    type=click.Choice(MECHANISM_NAMES),
    multiple=True,
    help="In place of the file's; may be given several times.",
)
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True, help="Cells at a time.")
@click.option("--ray-address", default=None, help="A running Ray cluster; default: one of its own.")
def sweep(
    file: Path,
    out: Path | None,
    seeds: int | None,
    mechanisms: tuple[str, ...],
    workers: int,
    ray_address: str | None,
) -> None:
    """Run the sweep in FILE (or a scenario over seeds); started again, it goes on where it stopped."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        plan, case = load_sweep(file)
        given = {"seeds": seeds, "mechanisms": cast("tuple[MechanismName, ...]", mechanisms)}
        plan = plan.model_copy(update={key: value for key, value in given.items() if value})
        table = StudyTable(Path("runs") / f"{plan.name}-sweep" if out is None else out, _stated(plan, case))
        failed = until_told(
            lambda: _run(plan, case, table, workers, ray_address),
            words="stopped; started again, it goes on where it was",
        )
    except ScenarioError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"table  {table.merged()}\nnext   takt compare {table.folder}")
    if failed:
        reasons = "".join(f"\n  {count} with {reason}" for reason, count in failed.most_common(_REASONS))
        raise click.ClickException(f"{failed.total()} cells have no figures, see the column error:{reasons}")


def _stated(plan: Sweep, case: Case) -> object:
    """Return what the table is of: a changed scenario or sweep is another study."""
    return {
        "sweep": plan.model_dump(mode="json", exclude={"scenario"}),
        "case": case.model_dump(mode="json", exclude={"source"}),
    }


async def _run(
    plan: Sweep, case: Case, table: StudyTable, workers: int, ray_address: str | None
) -> Counter[str]:
    """Run the cells that are not on disk; return how many have no figures, by error."""
    total = sum(1 for _ in cells(plan))
    done = table.done()
    failed: Counter[str] = Counter()
    with _bar() as bar:
        task = bar.add_task(plan.name, total=total, completed=len(done))

        def took(number: int, cell: Cell, row: Row | None, error: str) -> None:
            if row is None:
                failed[error] += 1
            table.add(number, cell, row, error)
            bar.advance(task)
            if bar.disable and (number + 1) % 100 == 0:
                click.echo(f"{number + 1} of {total} cells", err=True)

        remaining: Iterator[tuple[int, Cell]] = (
            (number, cell) for number, cell in enumerate(cells(plan)) if number not in done
        )
        if workers == 1 and ray_address is None:
            await run_here(case, remaining, took)
        else:
            await run_on_ray(case, remaining, took, workers=workers, ray_address=ray_address)
    return failed


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    )
