"""One company as a process of its own, until a signal stops it."""

from __future__ import annotations

import asyncio
import signal

from takt_sdk.company import Company


async def run_until_signal(company: Company) -> None:
    """Run a company until SIGINT or SIGTERM.

    Raises
    ------
    BusRefusedError
        If the server is not reached, is another one, or refuses the credentials.
    RefusedError
        If the market does not know the company.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    try:
        await company.start()
        await _first(company, stopped)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        await company.stop()


async def _first(company: Company, stopped: asyncio.Event) -> None:
    """Return on a signal; raise what ended the company if that comes first."""
    ended = asyncio.create_task(company.wait())
    signalled = asyncio.create_task(stopped.wait())
    await asyncio.wait((ended, signalled), return_when=asyncio.FIRST_COMPLETED)
    signalled.cancel()
    if ended.done():
        await ended
    ended.cancel()
