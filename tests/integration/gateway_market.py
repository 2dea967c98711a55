"""A real market in memory with its gateway on a real port, for tests of the gateway.

The engine, journal, bus and solver are the market's own; only time stands still until a test moves it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from gateway.app import create_app
from gateway.context import Context
from gateway.server import RunningServer, ServerSettings, serving
from gateway.settings import GatewaySettings
from market.adapters.journal_memory import MemoryJournal
from market.adapters.manual_clock import ManualClock
from market.adapters.memory_bus import MemoryBroker
from market.engine.admission import OPERATOR
from market.model.commands import AdmitParticipant, Command, OpenMarket
from market.model.network import Lane, Network, Site
from market.model.rules import Rules
from market.ports import Journal
from market.service.clearing_worker import InlineClearer
from market.service.lottery import Lottery
from market.service.service import MarketService
from takt_sdk.model.capability import Capability, Qualification
from takt_sdk.model.messages import Milestone, Receipt, ReportMilestone
from takt_sdk.model.sheet import Bids, BidSheet
from takt_sdk.model.values import DAY_US, HOUR_US
from takt_sdk.ports import Clock
from takt_sdk.wall_clock import OsEntropy

NOW_US = 1_798_761_600_000_000
"""2027-01-01T00:00:00Z"""
RULES = Rules(acceptance_us=HOUR_US)
ALICE, BOB, OPERATOR_KEY = "alice-key-0001", "bob-key-0001", "operator-key-0001"
PLANTS, PLANT_KEY = ("plant-1", "plant-2", "plant-3"), "plant-key-0001"
"""The key is the first plant's."""
JSON = {"Content-Type": "application/json"}

NETWORK = Network(
    sites=(
        Site(id="berlin", name="Berlin", country="DE"),
        Site(id="lyon", name="Lyon", country="FR"),
        Site(id="works", name="Works of plant 1", country="DE"),
    ),
    lanes=(
        Lane(
            source="works",
            target="berlin",
            distance_m=90_000,
            transit_minutes=120,
            fixed_minor=5_000,
            unit_minor=10,
        ),
    ),
)

PART: dict[str, Any] = {
    "name": "Bracket",
    "plan": {
        "lots": [
            {
                "id": "mill",
                "kind": "operation",
                "requirement": {"process": "milling", "material": "steel"},
                "run_time_us": 60_000_000,
            }
        ]
    },
}


def order_body(**changes: object) -> dict[str, Any]:
    """Return the JSON of a good order, with changes; None takes a field out."""
    body: dict[str, Any] = {
        "part_id": "bracket",
        "quantity": 10,
        "destination": "berlin",
        "release": "2027-01-02T00:00:00Z",
        "due": "2027-01-20T00:00:00Z",
        "reservation_value_minor": 500_000,
    }
    body.update(changes)
    return {name: value for name, value in body.items() if value is not None}


def sha256(key: str) -> str:
    """Return what the market knows of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


_Result = TypeVar("_Result")


@dataclass(frozen=True, kw_only=True)
class LiveMarket:
    """A running market, its gateway's address, and clients that hold a key."""

    service: MarketService
    clock: Clock
    context: Context
    server: RunningServer
    alice: httpx.AsyncClient
    bob: httpx.AsyncClient
    operator: httpx.AsyncClient
    nobody: httpx.AsyncClient

    async def command(self, sender: str, body: Command, message_id: str, sequence: int = 0) -> Receipt:
        """Put a command before the engine that must be accepted."""
        reply = await self.service.submit(sender, body, message_id=message_id, sequence=sequence)
        assert isinstance(reply, Receipt), reply
        return reply

    async def order(self, key: str, **changes: object) -> str:
        """Submit an order of Alice's for a part of her catalogue and return its id."""
        assert (await self.alice.put("/v1/parts/bracket", json=PART)).status_code == 200
        answer = await submit(self.alice, key, order_body(**changes))
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def advance(self, days: float) -> None:
        """Move market time and let happen what is due; the clock must be a manual one."""
        assert isinstance(self.clock, ManualClock)
        self.clock.set(self.clock.now_us() + int(days * DAY_US))
        while await self.service.tick(self.clock.now_us()):
            pass

    async def bid(self, price_minor: int) -> None:
        """Let every plant bid on every lot that is called, for the same price per lot."""
        round_ = self.service.state_of().state.round
        assert round_ is not None
        lots = round_.lots
        start_us = max(lot.earliest_start_us for lot in lots)
        bids = Bids(
            id=tuple(f"b{index}" for index in range(len(lots))),
            site=("works",) * len(lots),
            start_us=(start_us,) * len(lots),
            end_us=(start_us + HOUR_US,) * len(lots),
            fixed_price_minor=(price_minor,) * len(lots),
            unit_price_minor=(0,) * len(lots),
            min_quantity=(0,) * len(lots),
            emissions_g=(1_500,) * len(lots),
            item_offset=tuple(range(len(lots) + 1)),
            item_lot=tuple(lot.id for lot in lots),
            item_quantity=tuple(lot.quantity for lot in lots),
            use_offset=(0,) * (len(lots) + 1),
            group_offset=(0,) * (len(lots) + 1),
        )
        sheet = BidSheet(round_id=round_.id, expires_us=round_.deadline_us + DAY_US, bids=bids)
        for plant in PLANTS:
            await self.command(plant, sheet, f"sheet-{plant}-{round_.id}", 1)

    async def report(self, milestone: Milestone, sequence: int, quantity: int = 0) -> None:
        """Let the holder of the only contract that has not ended report on it."""
        known = self.service.state_of().state.contracts.values()
        (contract,) = [record for record in known if record.state != "ended"]
        body = ReportMilestone(
            contract_id=contract.contract.id,
            milestone=milestone,
            at_us=self.clock.now_us(),
            lot_id=contract.contract.items[0].lot_id,
            quantity=quantity,
        )
        await self.command(contract.contract.participant, body, f"report-{sequence}", sequence)


async def submit(
    client: httpx.AsyncClient, key: str, body: object, content: bytes | None = None
) -> httpx.Response:
    """POST an order under an idempotency key."""
    headers = {"Idempotency-Key": key} | JSON
    if content is not None:
        return await client.post("/v1/orders", content=content, headers=headers)
    return await client.post("/v1/orders", json=body, headers=headers)


@contextlib.asynccontextmanager
async def live_market(
    *,
    settings: GatewaySettings | None = None,
    server_settings: ServerSettings | None = None,
    journal: Journal | None = None,
    clock: Clock | None = None,
    rules: Rules = RULES,
    tick_s: float | None = None,
) -> AsyncIterator[LiveMarket]:
    """Run a market with two customers and three plants, and its gateway."""
    entropy = OsEntropy()
    clock = clock or ManualClock(NOW_US)
    service = MarketService(
        journal or MemoryJournal(entropy=entropy),
        MemoryBroker("test-market").market(),
        clock=clock,
        clearer=InlineClearer(),
        lottery=Lottery(bytes(32)),
        tick_s=tick_s,
    )
    settings = settings or GatewaySettings(operator_key_sha256=sha256(OPERATOR_KEY))
    async with service, contextlib.AsyncExitStack() as stack:
        await open_market(service, rules)
        app = create_app(service, settings)
        server = await stack.enter_async_context(serving(app, server_settings))

        async def client(key: str = "") -> httpx.AsyncClient:
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            made = httpx.AsyncClient(base_url=server.url, headers=headers, timeout=20.0)
            return await stack.enter_async_context(made)

        yield LiveMarket(
            service=service,
            clock=clock,
            context=app.state.context,
            server=server,
            alice=await client(ALICE),
            bob=await client(BOB),
            operator=await client(OPERATOR_KEY),
            nobody=await client(),
        )


async def open_market(service: MarketService, rules: Rules) -> None:
    """Open the market and admit two customers and three plants."""
    commands: list[Command] = [
        OpenMarket(market="test-market", rules=rules, network=NETWORK),
        AdmitParticipant(participant="alice", roles=("customer",), api_key_sha256=sha256(ALICE), agent=False),
        AdmitParticipant(participant="bob", roles=("customer",), api_key_sha256=sha256(BOB), agent=False),
        *(
            AdmitParticipant(
                participant=plant,
                roles=("plant",),
                sites=("works",),
                qualification=Qualification(
                    capabilities=(Capability(process="milling", materials=("steel",)),)
                ),
                api_key_sha256=sha256(PLANT_KEY) if plant == PLANTS[0] else None,
                agent=False,
            )
            for plant in PLANTS
        ),
    ]
    for number, command in enumerate(commands):
        reply = await service.submit(OPERATOR, command, message_id=f"set-up-{number}")
        assert isinstance(reply, Receipt), reply


@dataclass(frozen=True, kw_only=True)
class ThreadedMarket:
    """A market in a thread of its own, for tests that block: browsers, generated requests."""

    market: LiveMarket
    loop: asyncio.AbstractEventLoop

    def run(self, coroutine: Coroutine[Any, Any, _Result]) -> _Result:
        """Run a coroutine in the market's loop and return its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(timeout=30)


@contextlib.contextmanager
def threaded_market(
    *, clock: Clock | None = None, rules: Rules = RULES, tick_s: float | None = None
) -> Iterator[ThreadedMarket]:
    """Run `live_market` in a thread."""
    started: Future[ThreadedMarket] = Future()
    stop: Future[None] = Future()

    async def main() -> None:
        try:
            async with live_market(clock=clock, rules=rules, tick_s=tick_s) as market:
                started.set_result(ThreadedMarket(market=market, loop=asyncio.get_running_loop()))
                await asyncio.wrap_future(stop)
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    thread = threading.Thread(target=asyncio.run, args=(main(),), name="market", daemon=True)
    thread.start()
    try:
        yield started.result(timeout=30)
    finally:
        stop.set_result(None)
        thread.join(timeout=30)
        assert not thread.is_alive(), "the market does not stop"
