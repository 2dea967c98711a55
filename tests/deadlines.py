"""Deadlines for what a test waits for: a process that hangs fails its test, and says so."""

from __future__ import annotations

import asyncio
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

DEADLINE_S = 60.0


@contextmanager
def killed_after(process: subprocess.Popen[Any], seconds: float = DEADLINE_S) -> Iterator[None]:
    """Kill a process whose output or end the block waits for if the block takes too long.

    Raises
    ------
    TimeoutError
        If it took too long.
    """
    late = threading.Event()

    def give_up() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception as error:
        if not late.is_set():
            raise
        raise TimeoutError(f"{process.args!r} took longer than {seconds:g} s") from error
    finally:
        timer.cancel()
    if late.is_set():
        raise TimeoutError(f"{process.args!r} took longer than {seconds:g} s")


async def ended(
    process: asyncio.subprocess.Process, said: Callable[[], str] = str, seconds: float = 30.0
) -> int:
    """Return a process's exit code once it has ended.

    Raises
    ------
    TimeoutError
        If it does not in time; ``said`` returns what it printed.
    """
    try:
        async with asyncio.timeout(seconds):
            return await process.wait()
    except TimeoutError:
        raise TimeoutError(
            f"process {process.pid} did not end within {seconds:g} s: {said()[-2_000:]}"
        ) from None
