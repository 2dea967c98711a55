from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import psutil
import pytest

from market.clearing.limits import Limits
from market.clearing.problem import Problem
from market.clearing.result import Status
from market.engine.snapshot import snapshot
from market.service import clearing_worker
from market.service.clearing_worker import ProcessClearer, solve
from tests.unit.market.service.small_market import HeldClearer, SmallMarket, accepted, order

LIMITS = Limits(work=1_000)


@pytest.fixture
async def clearer() -> AsyncIterator[ProcessClearer]:
    clearer = ProcessClearer()
    await clearer.warm_up()
    yield clearer
    await clearer.close()


@pytest.fixture
async def problem() -> Problem:
    small = SmallMarket()
    async with small.running(HeldClearer()) as service:
        await accepted(service, "buyer", order("k"), "m-1")
        await small.pass_time(service, 0)
        for plant, price in (("anna", 3_000), ("bert", 2_000)):
            await small.bid(service, plant, price)
        state = service.state_of().state
        assert state.round is not None
        return snapshot(state, state.round, 7)


def _worker(clearer: ProcessClearer) -> int:
    assert clearer._pool is not None
    (pid,) = clearer._pool._processes
    return pid


async def test_the_worker_comes_to_what_this_process_comes_to(
    clearer: ProcessClearer, problem: Problem
) -> None:
    clearing = await clearer.clear(problem, LIMITS)
    assert clearing.digest == solve(problem, LIMITS).digest
    assert clearing.status is Status.OPTIMAL


async def test_a_worker_killed_in_mid_clearing_costs_the_optimum_only(
    clearer: ProcessClearer, problem: Problem
) -> None:
    worker = _worker(clearer)
    os.kill(worker, signal.SIGSTOP)  # in the middle for as long as it takes
    clearing = asyncio.create_task(clearer.clear(problem, LIMITS))
    await asyncio.sleep(0)
    os.kill(worker, signal.SIGKILL)
    async with asyncio.timeout(20):
        fallen = await clearing
    assert (fallen.status, fallen.checked) == (Status.FALLBACK, True)
    assert [one.bid for one in fallen.accepted] == ["bert/b0"]
    async with asyncio.timeout(30):
        assert (await clearer.clear(problem, LIMITS)).status is Status.OPTIMAL  # by a new worker
    assert _worker(clearer) != worker


async def test_a_worker_that_hangs_is_given_up(
    clearer: ProcessClearer, problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clearing_worker, "UNLIMITED_S", 0.1)
    worker = _worker(clearer)
    os.kill(worker, signal.SIGSTOP)
    async with asyncio.timeout(20):
        assert (await clearer.clear(problem, LIMITS)).status is Status.FALLBACK
    assert not psutil.pid_exists(worker)


async def test_a_closed_clearer_leaves_no_process(clearer: ProcessClearer) -> None:
    worker = _worker(clearer)
    await clearer.close()
    assert not psutil.pid_exists(worker)
    await clearer.close()
