"""The embedded market: nats-server, journal, engine and gateway of one folder, started and stopped together.

Decides nothing.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass

from gateway.app import create_app
from gateway.server import ServerSettings, serving
from gateway.settings import GatewaySettings
from market.adapters.embedded_nats import EmbeddedNats
from market.adapters.journal import open_journal
from market.adapters.nats_bus import NatsMarketBus
from market.adapters.wall_clock import OsEntropy
from market.bus_errors import BusServerError
from market.ports import Clock
from market.service.clearing_worker import Clearer
from market.service.lottery import Lottery
from market.service.service import MarketService
from scenarios.market_folder import Address, MarketFolder, key_digest

_LOG = logging.getLogger(__name__)

SUPERVISION_S = 0.25
"""How often it is checked that nats-server runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningMarket:
    """A market that takes orders at ``address.http_url`` and participants at ``address.nats_url``."""

    address: Address
    nats: EmbeddedNats
    service: MarketService
    operator_key: str


async def _keep_running(nats: EmbeddedNats) -> None:
    while True:
        await asyncio.sleep(SUPERVISION_S)
        if not nats.alive():
            _LOG.error(
                "nats-server has died and is started again; the end of its log is in %s", nats.log_file
            )
            try:
                await nats.restart()
            except BusServerError:
                _LOG.exception("nats-server does not start")


@asynccontextmanager
async def embedded_market(
    folder: MarketFolder,
    market: str,
    *,
    clock: Clock,
    clearer: Clearer,
    pid: int,
    tick_s: float | None,
    http_port: int = 0,
) -> AsyncIterator[RunningMarket]:
    """Run a market until the block is left.

    ``tick_s`` None leaves time to the caller (`MarketService.tick`). A nats-server that dies is started
    again.

    Raises
    ------
    BusServerError
        If there is no nats-server that keeps what the market promises.
    JournalError
        If the journal cannot be opened, for instance because another process has it.
    """
    folder.path.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        journal = open_journal(folder.journal, entropy=OsEntropy())
        stack.callback(journal.close)
        nats = await stack.enter_async_context(EmbeddedNats(folder.nats, market))
        stack.callback(asyncio.create_task(_keep_running(nats), name="nats-server").cancel)
        bus = await NatsMarketBus.connect(nats.url, nats.market_creds(), market, server_name=nats.name)
        stack.push_async_callback(bus.close)
        service = await stack.enter_async_context(
            MarketService(
                journal,
                bus,
                clock=clock,
                clearer=clearer,
                lottery=Lottery(bytes.fromhex(folder.secret("lottery"))),
                tick_s=tick_s,
            )
        )
        operator_key = folder.secret("operator")
        app = create_app(service, GatewaySettings(operator_key_sha256=key_digest(operator_key)))
        server = await stack.enter_async_context(serving(app, ServerSettings(port=http_port)))
        address = Address(market=market, http_url=server.url, nats_url=nats.url, pid=pid)
        folder.address.write_text(json.dumps(asdict(address), indent=1) + "\n")
        stack.callback(folder.address.unlink, missing_ok=True)
        yield RunningMarket(address=address, nats=nats, service=service, operator_key=operator_key)
