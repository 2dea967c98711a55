from __future__ import annotations

import asyncio
from contextlib import suppress

from takt_sdk.endings import end


async def deaf(times: int) -> None:
    """Swallow so many cancellations, as `asyncio.wait_for` may."""
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            times -= 1
            if times < 0:
                raise


async def test_tasks_that_swallow_a_cancellation_are_ended_all_the_same() -> None:
    tasks = [asyncio.create_task(deaf(times)) for times in (0, 1, 2)]
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await end(tasks)
    assert all(task.cancelled() for task in tasks)


async def test_what_a_task_raised_stays_with_it() -> None:
    async def fails() -> None:
        raise ValueError("no")

    task = asyncio.create_task(fails())
    with suppress(ValueError):
        await task
    await end([task])
    assert isinstance(task.exception(), ValueError)
