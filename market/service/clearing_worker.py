"""The solver outside the writer: a process of its own, so that orders are acknowledged meanwhile.

A worker that crashes or hangs costs one clearing its optimum, never its answer: the greedy fallback
clears and says so. Decides nothing.
"""

from __future__ import annotations

import asyncio
import logging
import os
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from typing import Protocol

from market.adapters.part_process import hire_process
from market.adapters.solver_pulp import PulpSolver
from market.clearing.clear import clear
from market.clearing.limits import Limits
from market.clearing.problem import Problem
from market.clearing.result import Clearing, Status, sealed
from market.service.child_pool import child_pool, put_down
from takt_sdk.wall_clock import WallClock

_LOG = logging.getLogger(__name__)

GRACE_S = 30.0
"""How much longer than its time limit a clearing may take before its process is given up."""

UNLIMITED_S = 600.0
"""The outer guard of clearings that are limited by work alone."""


class Clearer(Protocol):
    """Clears a problem without blocking the caller."""

    async def clear(self, problem: Problem, limits: Limits) -> Clearing:
        """Return a checked clearing; never raises for what a solver does."""
        ...

    async def close(self) -> None:
        """End what it started."""
        ...


def solve(problem: Problem, limits: Limits) -> Clearing:
    """Clear in this process with PuLP and HiGHS."""
    return clear(problem, solver=PulpSolver(), limits=limits, clock=WallClock(), hire=hire_process)


def fall_back(problem: Problem) -> Clearing:
    """Clear greedily in this process, marked as the fallback it is."""
    greedy = replace(problem, mechanism="greedy")
    clearing = clear(greedy, solver=PulpSolver(), limits=Limits(work=0), clock=WallClock())
    return sealed(replace(clearing, status=Status.FALLBACK))


class ProcessClearer:
    """A `Clearer` with one worker process, made anew when it dies.

    Parameters
    ----------
    workers
        Cores of one clearing, all by default; under a work limit they never change the answer.
    """

    def __init__(self, workers: int | None = None) -> None:
        self._workers = workers or os.cpu_count() or 1
        self._pool: ProcessPoolExecutor | None = None

    async def warm_up(self) -> None:
        """Start the worker and its imports before the first round closes."""
        await asyncio.wrap_future(self._running().submit(_ready))

    async def clear(self, problem: Problem, limits: Limits) -> Clearing:
        """Return the worker's clearing, or the fallback if it dies or hangs."""
        limits = replace(limits, workers=max(limits.workers, self._workers))
        limit_s = UNLIMITED_S if limits.time_s is None else limits.time_s + GRACE_S
        try:
            async with asyncio.timeout(limit_s):
                return await asyncio.wrap_future(self._running().submit(solve, problem, limits))
        except (BrokenProcessPool, TimeoutError):
            _LOG.exception("the clearing process failed; the greedy fallback clears")
            await self.close()
            return await asyncio.to_thread(fall_back, problem)

    async def close(self) -> None:
        """Kill the worker; it holds nothing."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await put_down(pool)

    def _running(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = child_pool()
        return self._pool


class InlineClearer:
    """A `Clearer` in a thread of this process, for tests and short runs."""

    async def clear(self, problem: Problem, limits: Limits) -> Clearing:
        """Return the clearing."""
        return await asyncio.to_thread(solve, problem, limits)

    async def close(self) -> None:
        """Nothing was started."""


def _ready() -> bool:
    return True
