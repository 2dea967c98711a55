"""One company, or another lasting task, as a process of its own, until a signal stops it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

from takt_sdk.company import Company
from takt_sdk.endings import end


async def run_until_signal(company: Company) -> None:
    """Run a company until SIGINT or SIGTERM.

    Raises
    ------
    BusRefusedError
        If the server is not reached, is another one, or refuses the credentials.
    RefusedError
        If the market does not know the company.
    """
    try:
        await until_signal(_run(company))
    finally:
        await company.stop()


async def until_signal(work: Coroutine[Any, Any, None]) -> None:
    """Run ``work`` until it is over, or SIGINT or SIGTERM comes; what it raises is raised."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    signalled = asyncio.create_task(stopped.wait())
    running = asyncio.create_task(work)
    try:
        await asyncio.wait((running, signalled), return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        await end((running, signalled))  # a market that is away is asked without an end


async def _run(company: Company) -> None:
    await company.start()
    await company.wait()
