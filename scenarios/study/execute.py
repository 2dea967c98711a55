"""Runs cells, here or on Ray, and hands their rows over as they come.

Which worker ran a cell changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import ray

from scenarios.errors import ScenarioError
from scenarios.local_ray import local_ray
from scenarios.scenario import Case
from scenarios.study.cell import Cell, Row, run_cell
from takt_sdk.wall_clock import WallClock

Numbered = tuple[int, Cell]
Took = Callable[[int, Cell, Row | None, str], None]
"""Takes a cell's number, the cell, its row or none, and why there is none."""

AHEAD = 3
"""Tasks per worker that wait or run: memory stays flat however many cells there are."""


def attempt(case: Case, cell: Cell) -> tuple[Row | None, str]:
    """Return a cell's row, or why its settings make no run."""
    try:
        return run_cell(case, cell, WallClock()), ""
    except ScenarioError as error:
        return None, str(error)


def run_here(case: Case, cells: Iterable[Numbered], took: Took) -> None:
    """Run cells one after the other in this process."""
    for number, cell in cells:
        took(number, cell, *attempt(case, cell))


async def run_on_ray(
    case: Case, cells: Iterable[Numbered], took: Took, *, workers: int, ray_address: str | None
) -> None:
    """Run cells as Ray tasks, ``workers`` at a time (on a cluster: as many as it has CPUs)."""
    async with local_ray(ray_address):
        remote = ray.remote(num_cpus=1, max_retries=3)(attempt)
        shared = ray.put(case)
        limit = workers
        if ray_address is not None:
            limit = max(limit, int(ray.cluster_resources()["CPU"]))  # type: ignore[no-untyped-call]
        waiting: Iterator[Numbered] = iter(cells)
        first = islice(waiting, AHEAD * limit)
        running = {remote.remote(shared, cell): (number, cell) for number, cell in first}
        while running:
            (ready, *_), _ = ray.wait(list(running), num_returns=1)
            number, cell = running.pop(ready)
            took(number, cell, *ray.get(ready))
            for next_number, next_cell in islice(waiting, 1):
                running[remote.remote(shared, next_cell)] = (next_number, next_cell)
