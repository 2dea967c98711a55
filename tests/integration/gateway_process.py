"""A durable market with its gateway in a process of its own, to be killed: ``python -m … DIRECTORY``."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from gateway.app import create_app
from gateway.server import serving
from market.adapters.journal import open_journal
from market.adapters.memory_bus import MemoryBroker
from market.service.clearing_worker import InlineClearer
from market.service.lottery import Lottery
from market.service.service import MarketService
from takt_sdk.wall_clock import OsEntropy, WallClock
from tests.integration.gateway_market import RULES, open_market


async def main(directory: Path) -> None:
    """Serve until the standard input ends; open the market if its journal is new."""
    journal = open_journal(directory / "market.db", entropy=OsEntropy())
    service = MarketService(
        journal,
        MemoryBroker("test-market").market(),
        clock=WallClock(),
        clearer=InlineClearer(),
        lottery=Lottery(bytes(32)),
        tick_s=None,
    )
    async with service:
        if not service.market:
            await open_market(service, RULES)
        async with serving(create_app(service)) as server:
            print(server.url, flush=True)  # noqa: T201 - tells the parent where it listens
            await asyncio.to_thread(sys.stdin.read)
    journal.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
