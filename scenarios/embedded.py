"""The embedded market: nats-server, journal, engine and gateway of one folder, started and stopped together.

Decides nothing.
"""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass

from nats.errors import Error as NatsError

from gateway.app import create_app
from gateway.server import ServerSettings, serving
from gateway.settings import GatewaySettings
from market.adapters.addresses import local_host
from market.adapters.embedded_nats import EmbeddedNats, ListenAddress
from market.adapters.escrow_client import ChildEscrow
from market.adapters.journal import open_journal
from market.adapters.nats_bus import NatsMarketBus
from market.adapters.nats_issuer import MARKET_KEY_FILE, replace_file
from market.bus_errors import BusServerError
from market.ports import Escrow
from market.service.clearing_worker import Clearer
from market.service.lottery import Lottery
from market.service.service import MarketService
from market.service.snapshots import ProcessFolder
from scenarios.errors import RunError
from scenarios.market_folder import Address, Listen, MarketFolder, Ports, key_digest
from takt_sdk.endings import end
from takt_sdk.errors import BusError
from takt_sdk.ports import Clock
from takt_sdk.wall_clock import OsEntropy

_LOG = logging.getLogger(__name__)

SUPERVISION_S = 0.25
"""How often it is checked that nats-server runs."""

STORE_PATIENCE_S, STORE_BYTES = 2.0, 1 << 20
"""How long nats-server may refuse to store while so much space is free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningMarket:
    """A market that takes orders at ``address.http_url`` and participants at ``address.nats_url``."""

    address: Address
    nats: EmbeddedNats
    service: MarketService
    operator_key: str
    market_key: str


async def _keep_running(nats: EmbeddedNats) -> None:
    """Start a server that died again; hand it the participants' claims that changed."""
    while True:
        await asyncio.sleep(SUPERVISION_S)
        if nats.alive():
            try:
                await nats.take_claims()
            except (BusError, OSError, TimeoutError, NatsError) as error:
                _LOG.warning("claims of participants wait: %r", error)
        else:
            _LOG.error(
                "nats-server has died and is started again; the end of its log is in %s", nats.log_file
            )
            try:
                await nats.restart()
            except BusServerError:
                _LOG.exception("nats-server does not start")


async def _revive_store(nats: EmbeddedNats, service: MarketService, folder: MarketFolder) -> None:
    """Start a server again that still stores nothing although there is space: it never finds out itself."""
    while True:
        await asyncio.sleep(SUPERVISION_S)
        refuses = nats.alive() and service.pump.refused_s >= STORE_PATIENCE_S
        if not refuses or shutil.disk_usage(folder.path).free < STORE_BYTES:
            continue
        _LOG.error("nats-server stores nothing although there is space; it is started again")
        try:
            await nats.restart()
        except BusServerError:
            _LOG.exception("nats-server does not start")
        service.pump.begin_anew()


@asynccontextmanager
async def embedded_market(
    folder: MarketFolder,
    market: str,
    *,
    clock: Clock,
    clearer: Clearer,
    pid: int,
    tick_s: float | None,
    ports: Ports | None = None,
    database: str | None = None,
    listen: Listen | None = None,
    escrow: Escrow | None = None,
) -> AsyncIterator[RunningMarket]:
    """Run a market until the block is left.

    ``database`` is the URL of the journal; without one it is a file in the folder. ``ports`` are taken if
    given; else the ones that the folder had before, or free ones where those are taken by now. ``tick_s``
    None leaves time to the caller (`MarketService.tick`). A nats-server that dies is started again, and one
    that stores nothing although there is space again. ``escrow`` keeps the keys of sealed rounds: a child
    process with its own folder unless given, started when the rules seal bids.

    Raises
    ------
    RunError
        If a port that was asked for is taken.
    BusServerError
        If there is no nats-server that keeps what the market promises.
    JournalError
        If the journal cannot be opened, for instance because another process has it.
    """
    known = folder.read_ports()
    wanted = Ports() if ports is None else ports
    listen = listen or Listen()
    http_port = _taken("http", listen.http_host, wanted.http) or _free(listen.http_host, known.http)
    nats_port = _taken("nats", listen.nats_host, wanted.nats) or _free(listen.nats_host, known.nats)
    folder.path.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        journal = open_journal(database or folder.journal, entropy=OsEntropy())
        stack.callback(journal.close)
        folder.nats.mkdir(exist_ok=True)
        replace_file(folder.nats / MARKET_KEY_FILE, folder.market_signer().key + "\n")
        nats = await stack.enter_async_context(
            EmbeddedNats(
                folder.nats,
                market,
                listen=ListenAddress(
                    host=listen.nats_host,
                    port=nats_port,
                    tls_cert=listen.tls_cert,
                    tls_key=listen.tls_key,
                ),
            )
        )
        stack.push_async_callback(end, [asyncio.create_task(_keep_running(nats), name="nats-server")])
        bus = await NatsMarketBus.connect(
            nats.url, nats.market_creds(), market, server_name=nats.name, tls=nats.tls()
        )
        stack.push_async_callback(bus.close)
        child = ChildEscrow(folder.escrow, market_key=lambda: service.state_of().state.market_key)
        service = MarketService(
            journal,
            bus,
            clock=clock,
            clearer=clearer,
            lottery=Lottery(bytes.fromhex(folder.secret("lottery"))),
            escrow=escrow or child,
            tick_s=tick_s,
            signer=folder.market_signer(),
            folder=ProcessFolder(database or folder.journal),
        )
        await stack.enter_async_context(service)
        reviving = asyncio.create_task(_revive_store(nats, service, folder), name="store")
        stack.push_async_callback(end, [reviving])
        operator_key = folder.secret("operator")
        settings = GatewaySettings(
            operator_key_sha256=key_digest(operator_key),
            metrics_key_sha256=key_digest(folder.secret("metrics")),
        )
        app = create_app(service, settings)
        server = await stack.enter_async_context(serving(app, _settings(listen, http_port)))
        scheme = "http" if listen.tls_cert is None else "https"
        address = Address(
            market=market,
            http_url=f"{scheme}://{local_host(listen.http_host)}:{server.port}",
            nats_url=nats.url,
            pid=pid,
            server_name=nats.name,
            tls_cert="" if listen.tls_cert is None else str(listen.tls_cert.absolute()),
        )
        folder.write_ports(Ports(http=server.port, nats=_port_of(nats.url)))
        folder.address.write_text(json.dumps(asdict(address), indent=1) + "\n")
        stack.callback(folder.address.unlink, missing_ok=True)
        yield RunningMarket(
            address=address,
            nats=nats,
            service=service,
            operator_key=operator_key,
            market_key=folder.market_signer().key,
        )


def _port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


def _settings(listen: Listen, port: int) -> ServerSettings:
    return ServerSettings(host=listen.http_host, port=port, tls_cert=listen.tls_cert, tls_key=listen.tls_key)


def _taken(name: str, host: str, port: int) -> int:
    """Return a port that was asked for; raises `RunError` if somebody listens there."""
    if port and not _is_free(host, port):
        raise RunError(f"the {name} port must be free on {host}; {port} is taken")
    return port


def _free(host: str, port: int) -> int:
    """Return ``port`` if nobody listens there, else 0."""
    if port and not _is_free(host, port):
        _LOG.warning("port %d is taken by now: the market gets another one", port)
        return 0
    return port


def _is_free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
