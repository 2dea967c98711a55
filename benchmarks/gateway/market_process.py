"""The market that `post_orders` measures, in a process of its own: ``python -m … MODE DIRECTORY``."""

from __future__ import annotations

import asyncio
import hashlib
import sys
from pathlib import Path

from gateway.app import create_app
from gateway.server import serving
from market.adapters.journal import open_journal
from market.adapters.memory_bus import MemoryBroker
from market.engine.admission import OPERATOR
from market.model.commands import AdmitParticipant, OpenMarket
from market.model.network import Network, Site
from market.model.rules import Rules
from market.service import writer as module
from market.service.clearing_worker import InlineClearer
from market.service.lottery import Lottery
from market.service.service import MarketService
from takt_sdk.model.messages import Receipt, SubmitOrder
from takt_sdk.wall_clock import OsEntropy, WallClock

KEY = "benchmark-key"
MODES = ("takt", "commit each", "validate only")


class ValidateOnly(MarketService):
    """Says that every order is kept, and keeps none."""

    async def submit(self, sender, body, *, message_id, sequence=0, **rest):  # noqa: ANN001, ANN003, ANN201
        """Return a receipt at once."""
        if isinstance(body, SubmitOrder):
            return Receipt(message_id=message_id, position=0, leaf="0" * 64, size=1, root="0" * 64)
        return await super().submit(sender, body, message_id=message_id, sequence=sequence, **rest)


async def serve(mode: str, directory: Path) -> None:
    """Run a durable market and its gateway until the standard input ends."""
    if mode == "commit each":
        module.GROUP = 1
    journal = open_journal(directory / "market.db", entropy=OsEntropy())
    make = ValidateOnly if mode == "validate only" else MarketService
    service = make(
        journal,
        MemoryBroker("bench").market(),
        clock=WallClock(),
        clearer=InlineClearer(),
        lottery=Lottery(bytes(32)),
    )
    async with service:
        rules = Rules(takt_us=3_600_000_000, max_open_orders_per_customer=10_000_000)
        network = Network(sites=(Site(id="berlin", name="Berlin", country="DE"),))
        digest = hashlib.sha256(KEY.encode()).hexdigest()
        for number, command in enumerate(
            (
                OpenMarket(market="bench", rules=rules, network=network),
                AdmitParticipant(
                    participant="alice", roles=("customer",), api_key_sha256=digest, agent=False
                ),
            )
        ):
            await service.submit(OPERATOR, command, message_id=f"set-up-{number}")
        async with serving(create_app(service)) as server:
            print(server.port, flush=True)
            await asyncio.to_thread(sys.stdin.read)
    journal.close()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], Path(sys.argv[2])))
