"""The embedded market: nats-server, journal, engine and gateway of one folder, started and stopped together.

The folder holds everything that lasts: journal, keys, the server's store, and ``market.json``, which tells
this machine's other commands where the running market is. Decides nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from gateway.app import create_app
from gateway.server import ServerSettings, serving
from gateway.settings import GatewaySettings
from market.adapters.embedded_nats import EmbeddedNats
from market.adapters.journal import open_journal
from market.adapters.nats_bus import NatsMarketBus
from market.adapters.nats_identity import write_secret
from market.adapters.wall_clock import OsEntropy
from market.ports import Clock
from market.service.clearing_worker import Clearer
from market.service.lottery import Lottery
from market.service.service import MarketService

KEY_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a running market is; the content of ``market.json``."""

    market: str
    http_url: str
    nats_url: str
    pid: int


@dataclass(frozen=True, slots=True)
class MarketFolder:
    """The files of one market."""

    path: Path

    @property
    def journal(self) -> Path:
        """The SQLite journal."""
        return self.path / "journal.db"

    @property
    def nats(self) -> Path:
        """Keys, store and log of the embedded nats-server."""
        return self.path / "nats"

    @property
    def address(self) -> Path:
        """``market.json``, there while the market runs."""
        return self.path / "market.json"

    def secret(self, name: str) -> str:
        """Return a secret of this market (hex), made on first use and kept with mode 0600."""
        file = self.path / "keys" / name
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            write_secret(file, OsEntropy().token(KEY_BYTES).hex())
        return file.read_text().strip()

    def read_address(self) -> Address | None:
        """Return where the market of this folder runs, or None."""
        try:
            return Address(**json.loads(self.address.read_text()))
        except FileNotFoundError:
            return None


def key_digest(key: str) -> str:
    """Return what the market keeps of an API key: its SHA-256."""
    return hashlib.sha256(key.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningMarket:
    """A market that takes orders at ``address.http_url`` and participants at ``address.nats_url``."""

    address: Address
    nats: EmbeddedNats
    service: MarketService
    operator_key: str


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

    ``tick_s`` None leaves time to the caller (`MarketService.advance`).

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
        bus = await NatsMarketBus.connect(nats.url, nats.market_creds(), market, server_name=nats.name)
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
