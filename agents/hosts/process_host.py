"""One company as a process of its own, until a signal stops it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

from agents.hosts.assignment import Assignment, NatsAddress, company_on_nats
from takt_sdk.company import Company, Pace
from takt_sdk.wall_clock import WallClock


async def run_company(assignment: Assignment, address: NatsAddress, read_creds: Callable[[], str]) -> None:
    """Run a company by the wall clock until SIGINT or SIGTERM.

    ``read_creds`` is asked at each connection, so that renewed credentials are taken up.

    Raises
    ------
    BusRefusedError
        If the server is not reached, is another one, or refuses the credentials.
    RefusedError
        If the market does not know the company.
    """
    company = company_on_nats(assignment, address, Pace(clock=WallClock()), read_creds=read_creds)
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
