"""A market by the wall clock for partners of one's own: nats-server, service, a buyer who needs milling."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from market.adapters.embedded_nats import EmbeddedNats
from market.adapters.journal_memory import MemoryJournal
from market.adapters.nats_bus import NatsMarketBus
from market.adapters.nats_issuer import Issuer, replace_file
from market.engine.admission import OPERATOR
from market.model.commands import AdmitParticipant, Command, OpenMarket, RotateKey
from market.model.network import Network, Site
from market.model.rules import SECOND_US, Rules
from market.ports import Escrow
from market.service.clearing_worker import InlineClearer
from market.service.lottery import Lottery
from market.service.service import MarketService
from takt_sdk.model.capability import Capability, Qualification, Requirement
from takt_sdk.model.contract import Contract
from takt_sdk.model.messages import CallForProposals, Receipt, SubmitOrder
from takt_sdk.model.order import Lot, OrderTerms
from takt_sdk.model.plan import PlannedLot, ProcessPlan
from takt_sdk.model.values import DAY_US, MINUTE_US
from takt_sdk.nats.creds import claims_of, creds_text, jwt_of, seed_of
from takt_sdk.simple import Quote
from takt_sdk.wall_clock import OsEntropy, WallClock
from tests.deadlines import ended

MARKET = "test-market"
DEADLINE_S = 30.0
RULES = Rules(takt_us=SECOND_US, response_us=SECOND_US, transit_us=60 * MINUTE_US)
MILLING = Qualification(capabilities=(Capability(process="milling", materials=("any",)),))
PLAN = ProcessPlan(
    lots=(
        PlannedLot(
            id="mill",
            kind="operation",
            requirement=Requirement(process="milling", material="steel"),
            run_time_us=10 * MINUTE_US,
        ),
    )
)


def price(_call: CallForProposals, lot: Lot) -> Quote:
    """Price milling: ten minutes a piece."""
    minutes = 30 + 10 * lot.quantity
    return Quote(site="ulm", resource="mill", minutes=minutes, price_minor=150 * minutes)


@dataclass(kw_only=True)
class PartnerMarket:
    """A running market and the credentials of the plants on it."""

    service: MarketService
    server: EmbeddedNats
    issuer: Issuer
    folder: Path
    journal: MemoryJournal
    orders: int = 0

    async def order(self, quantity: int = 5, good_for_takts: int = 100) -> str:
        """Submit an order of the buyer's and return its id."""
        self.orders += 1
        today_us = WallClock().now_us() // DAY_US * DAY_US
        command = SubmitOrder(
            idempotency_key=f"k-{self.orders}",
            part_id="bracket",
            plan=PLAN,
            terms=OrderTerms(
                quantity=quantity,
                destination="ulm",
                release_us=today_us + DAY_US,
                due_us=today_us + 10 * DAY_US,
                deadline_us=today_us + 20 * DAY_US,
                reservation_value_minor=1_000_000,
                good_for_takts=good_for_takts,
            ),
        )
        reply = await self.service.submit("buyer", command, message_id=f"order-{self.orders}")
        assert isinstance(reply, Receipt), reply
        return reply.subject_id

    def contracts(self) -> list[tuple[Contract, str]]:
        """Return every contract with its state, by id."""
        records = self.service.state_of().state.contracts
        return [(records[name].contract, records[name].state) for name in sorted(records)]

    def state(self, order_id: str) -> str:
        """Return an order's state."""
        return self.service.state_of().state.orders[order_id].state

    async def until_state(self, order_id: str, *states: str) -> None:
        """Wait until an order is in one of some states."""
        await until(lambda: self.state(order_id) in states, lambda: self.state(order_id))

    def creds(self, participant: str) -> Path:
        """Return the file of a plant's credentials."""
        return self.folder / f"{participant}.creds"

    async def admit(self, participant: str, *, expires_us: int | None = None) -> Path:
        """Admit a plant at run time and return its credentials."""
        self.creds(participant).write_text(self.issuer.issue(participant, expires_us=expires_us))
        await self.readmit(participant)
        return self.creds(participant)

    async def readmit(self, participant: str) -> None:
        """Admit a plant by the key in its credentials."""
        await self._operate(
            AdmitParticipant(
                participant=participant,
                roles=("plant",),
                sites=("ulm",),
                qualification=MILLING,
                signing_key=claims_of(jwt_of(self.creds(participant).read_text()))["sub"],
            )
        )

    async def rotate(self, participant: str) -> None:
        """Exchange a plant's credentials, as `takt partner rotate` does."""
        text = self.issuer.rotate(participant)
        key = claims_of(jwt_of(text))["sub"]
        await self._operate(RotateKey(participant=participant, signing_key=key))
        replace_file(self.creds(participant), text)

    async def renew(self, participant: str) -> None:
        """Give a plant's key a later end, as `takt partner renew` does."""
        text = self.issuer.renew(participant, expires_us=None)
        seed = seed_of(self.creds(participant).read_text())
        replace_file(
            self.creds(participant), creds_text(jwt_of(text) if "BEGIN" in text else text.strip(), seed)
        )

    async def _operate(self, command: Command) -> None:
        reply = await self.service.submit(OPERATOR, command, message_id="operator")
        assert isinstance(reply, Receipt), reply

    async def open(self, rules: Rules) -> None:
        """Open the market and admit the buyer."""
        network = Network(sites=(Site(id="ulm", name="Ulm", country="DE"),))
        await self._operate(OpenMarket(market=MARKET, rules=rules, network=network, seed=7))
        await self._operate(AdmitParticipant(participant="buyer", roles=("customer",), agent=False))

    async def take_claims(self) -> None:
        """Do what `takt up` does: start a dead server again, hand it changed claims."""
        while True:
            if self.server.alive():
                with contextlib.suppress(Exception):
                    await self.server.take_claims()
            await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def partner_market(
    folder: Path, *plants: str, rules: Rules = RULES, escrow: Escrow | None = None
) -> AsyncIterator[PartnerMarket]:
    """Run a market with plants admitted, until the block is left."""
    async with EmbeddedNats(folder / "nats", MARKET) as server:
        bus = await NatsMarketBus.connect(
            server.url, server.market_creds(), MARKET, server_name=server.name, ack_wait_s=1.0
        )
        journal = MemoryJournal(entropy=OsEntropy())
        service = MarketService(
            journal,
            bus,
            clock=WallClock(),
            clearer=InlineClearer(),
            lottery=Lottery(bytes(32)),
            tick_s=0.02,
            escrow=escrow,
        )
        async with service:
            market = PartnerMarket(
                service=service, server=server, issuer=server.issuer(), folder=folder, journal=journal
            )
            await market.open(rules)
            for plant in plants:
                await market.admit(plant)
            taking = asyncio.create_task(market.take_claims())
            try:
                yield market
            finally:
                taking.cancel()


async def until(
    condition: Callable[[], bool], what: Callable[[], object] = lambda: "", seconds: float = DEADLINE_S
) -> None:
    """Wait for something that other tasks or processes bring about; say ``what`` was instead."""
    try:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - it has no event of its own
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"not in {seconds} s: {what()}") from None


class Proxy:
    """A TCP proxy on loopback that can fall silent without closing anything, as a lost link does."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._server: asyncio.Server | None = None
        self._pumps: set[asyncio.Task[None]] = set()
        self.accepted = 0
        self._held: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._parted = False

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for pump in self._pumps:
            pump.cancel()

    @property
    def url(self) -> str:
        """Where to connect instead."""
        assert self._server is not None
        return f"nats://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def part(self) -> None:
        """Let nothing through, of connections that there are or that are tried, until `heal`."""
        self._parted = True
        self.cut()

    def heal(self) -> None:
        """Let new connections through again; those tried meanwhile stay silent."""
        self._parted = False

    def cut(self) -> None:
        """Pass nothing on any more of the connections that there are, and close none of them."""
        for pump in self._pumps:
            pump.cancel()
        self._pumps.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self._parted:
            self._held.append((reader, writer))
            return
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._to)
        for source, sink in ((reader, to_writer), (to_reader, writer)):
            self._pumps.add(asyncio.create_task(_pump(source, sink)))


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(65_536):
        sink.write(data)
        await sink.drain()
    sink.close()


@dataclass(frozen=True, kw_only=True)
class Skewed:
    """A clock that is wrong by ``ahead_us``."""

    ahead_us: int

    def now_us(self) -> int:
        """Return the wrong time."""
        return WallClock().now_us() + self.ahead_us

    def monotonic_s(self) -> float:
        """Return seconds for durations."""
        return time.monotonic()


@contextlib.asynccontextmanager
async def process(*command: str, log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a program until the block is left; what it prints goes to ``log``."""
    with log.open("ab") as out:
        running = await asyncio.create_subprocess_exec(
            *command, stdout=out, stderr=asyncio.subprocess.STDOUT, start_new_session=True
        )
        try:
            yield running
        finally:
            if running.returncode is None:
                with contextlib.suppress(ProcessLookupError):  # killed by the test, and not told of yet
                    os.killpg(running.pid, signal.SIGKILL)
            await ended(running, log.read_text)


PRICING = '''"""A partner's own pricing."""
from takt_sdk.simple import Quote

CAPACITY = {"mill": 960}


def price(call, lot):
    minutes = 30 + 10 * lot.quantity
    return Quote(site="ulm", resource="mill", minutes=minutes, price_minor=150 * minutes)
'''


def joining(market: PartnerMarket, participant: str, url: str = "") -> tuple[str, ...]:
    """Return the command with which a plant of its own joins."""
    pricing = market.folder / "pricing.py"
    pricing.write_text(PRICING)
    return (
        *(sys.executable, "-m", "takt_sdk", "run", str(pricing)),
        *("--creds", str(market.creds(participant)), "--nats-url", url or market.server.url),
    )


def sent(outbox: Path) -> list[dict[str, object]]:
    """Return what an outbox that nobody has open holds."""
    from takt_sdk.outbox import Outbox  # noqa: PLC0415

    box = Outbox(outbox, f"{MARKET}.{outbox.name.split('.')[0]}")
    try:
        return [{"kind": one.kind, "body": json.loads(one.body), "reply": one.reply} for one in box]
    finally:
        box.close()
