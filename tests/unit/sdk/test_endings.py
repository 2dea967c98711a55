from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from contextlib import suppress

import pytest

from takt_sdk.endings import end, in_time


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


async def test_a_task_that_never_ends_is_told_of_and_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    task = asyncio.create_task(deaf(8))
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await end([task], within_s=0.3)
    assert not task.done()
    assert "deaf" in caplog.text
    await end([task])
    assert task.cancelled()


async def test_what_a_task_raised_stays_with_it() -> None:
    async def fails() -> None:
        raise ValueError("no")

    task = asyncio.create_task(fails())
    with suppress(ValueError):
        await task
    await end([task])
    assert isinstance(task.exception(), ValueError)


async def test_a_blocking_call_that_is_late_is_left_to_its_thread() -> None:
    go = threading.Event()
    assert not await in_time(go.wait, 0.05)
    go.set()
    assert await in_time(go.wait, 10)
    with pytest.raises(ZeroDivisionError):
        await in_time(lambda: 1 // 0, 10)


HANGS = """
import threading
from takt_sdk.endings import exit_by
exit_by(0.3)
threading.Thread(target=threading.Event().wait).start()
"""


def test_a_process_that_hangs_at_its_end_is_ended_and_says_where() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HANGS], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 1
    assert "Timeout" in done.stderr
    assert "threading.py" in done.stderr
