"""Runs cells, here or on Ray, and hands their rows over as they come.

Which worker ran a cell changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial

import ray

from scenarios.errors import ScenarioError
from scenarios.local_ray import local_ray
from scenarios.scenario import Case
from scenarios.study.cell import Cell, Row, run_cell
from takt_sdk.endings import in_thread
from takt_sdk.wall_clock import WallClock

Numbered = tuple[int, Cell]
Took = Callable[[int, Cell, Row | None, str], None]
"""Takes a cell's number, the cell, its row or none, and why there is none."""

AHEAD = 2
"""Tasks per worker of Ray that wait or run: memory stays flat however many cells there are."""


def attempt(case: Case, cell: Cell) -> tuple[Row | None, str]:
    """Return a cell's row, or why its settings make no run."""
    try:
        return run_cell(case, cell, WallClock()), ""
    except ScenarioError as error:
        return None, str(error)


async def run_on_ray(
    case: Case, cells: Iterable[Numbered], took: Took, *, workers: int, ray_address: str | None
) -> None:
    """Run cells ``workers`` at a time: in this process and as tasks of a Ray of our own, or on a cluster.

    On this machine one of the workers is this process: it begins while Ray starts. A cluster runs as many
    as it has CPUs and this process none.
    """
    waiting = iter(cells)
    here = None if ray_address is not None else asyncio.create_task(run_here(case, waiting, took))
    elsewhere = workers if here is None else workers - 1
    try:
        async with local_ray(ray_address, cpus=max(1, elsewhere)):
            remote = ray.remote(num_cpus=1, max_retries=3)(attempt)
            shared = ray.put(case)
            if ray_address is not None:
                elsewhere = max(elsewhere, int(ray.cluster_resources()["CPU"]))  # type: ignore[no-untyped-call]

            async def lane() -> None:
                for number, cell in waiting:
                    took(number, cell, *await remote.remote(shared, cell))

            lanes = [lane() for _ in range(AHEAD * elsewhere)]
            await asyncio.gather(*lanes, *([] if here is None else [here]))
    finally:
        if here is not None:
            here.cancel()


async def run_here(case: Case, cells: Iterable[Numbered], took: Took) -> None:
    """Run cells in a thread of this process, one after the other.

    A sweep that is stopped does not wait for the cell that runs, and its clearings see nothing of signals.
    """
    for number, cell in cells:
        took(number, cell, *await in_thread(partial(attempt, case, cell), name="cell"))
