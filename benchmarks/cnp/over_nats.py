"""The market in this process and the plants in another, over a nats-server of their own.

Orders are put before the service as its gateway does, in the same process; calls, bids, receipts and
results go over NATS. The solver has a process of its own.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.cnp import contest
from market.adapters.embedded_nats import EmbeddedNats
from market.adapters.journal import open_journal
from market.adapters.journal_memory import MemoryJournal
from market.adapters.manual_clock import ManualClock
from market.adapters.nats_bus import NatsMarketBus
from market.engine.admission import OPERATOR
from market.model.commands import Command
from market.ports import Journal
from market.service.clearing_worker import Clearer, ProcessClearer
from market.service.lottery import Lottery
from market.service.service import MarketService
from takt_sdk.model.messages import Receipt
from takt_sdk.wall_clock import OsEntropy


async def auction(
    folder: Path, table: list[list[int]], orders_a_takt: int, *, durable: bool, signed: bool
) -> tuple[list[int], float]:
    """Auction every order of a table over NATS; return who won each, and the seconds it took.

    Not durable means a journal in memory; the stream of NATS is synced in either case. Signed means that
    plants sign and check receipts, and that the market checks and signs.
    """
    journal: Journal = MemoryJournal(entropy=OsEntropy())
    if durable:
        journal = open_journal(folder / "journal.db", entropy=OsEntropy())
    plants = len(table[0])
    clock = ManualClock(contest.START_US)
    async with EmbeddedNats(folder / "nats", contest.MARKET) as nats:
        bus = await NatsMarketBus.connect(
            nats.url, nats.market_creds(), contest.MARKET, server_name=nats.name
        )
        async with MarketService(
            journal,
            bus,
            clock=clock,
            clearer=await _clearer(),
            lottery=Lottery(bytes(32)),
            tick_s=None,
            signer=contest.signer(contest.MARKET) if signed else None,
        ) as service:
            for number, command in enumerate(contest.opening(plants, signed=signed)):
                await _put(service, OPERATOR, command, f"set-up-{number}")
            for plant in range(plants):
                await bus.admit(contest.plant_name(plant))
            async with _plants(nats, folder, plants, len(table), signed=signed):
                started = time.perf_counter()
                for first in range(0, len(table), orders_a_takt):
                    batch = range(first, min(first + orders_a_takt, len(table)))
                    await asyncio.gather(
                        *(_put(service, contest.CUSTOMER, contest.order(n), f"order-{n}") for n in batch)
                    )
                    await _takt(service, clock)
                seconds = time.perf_counter() - started
            found = contest.won(service.state_of().state, len(table))
    journal.close()
    return found, seconds


async def _clearer() -> Clearer:
    clearer = ProcessClearer()
    await clearer.warm_up()
    return clearer


async def _put(service: MarketService, sender: str, command: Command, message_id: str) -> None:
    reply = await service.submit(sender, command, message_id=message_id)
    assert isinstance(reply, Receipt), reply


async def _takt(service: MarketService, clock: ManualClock) -> None:
    """Open a round and wait until it is cleared and awarded."""
    clock.set(clock.now_us() + contest.RULES.takt_us)
    await service.tick(clock.now_us())
    while service.state_of().state.round is not None:  # noqa: ASYNC110 - it has no event of its own
        await asyncio.sleep(0.0005)


@asynccontextmanager
async def _plants(
    nats: EmbeddedNats, folder: Path, plants: int, orders: int, *, signed: bool
) -> AsyncIterator[None]:
    """Run the plants' process."""
    for plant in range(plants):
        name = contest.plant_name(plant)
        (folder / f"{name}.creds").write_text(nats.participant_creds(name))
    arguments = (nats.url, nats.name, str(folder), str(plants), str(orders), "signed" if signed else "not")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.cnp.plants", *arguments, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
        yield
    finally:
        process.kill()
        await process.wait()
