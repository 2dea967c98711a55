"""The embedded market with sealed bids, as real as in `takt up`, and everything that it gives away."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
from nats.aio.client import Client, RawCredentials
from nats.aio.msg import Msg

from market.adapters.manual_clock import ManualClock
from market.engine.admission import OPERATOR
from market.model.commands import AdmitParticipant, Command, OpenMarket
from market.ports import Escrow
from market.service.clearing_worker import InlineClearer
from scenarios.embedded import RunningMarket, embedded_market
from scenarios.market_folder import MarketFolder, key_digest
from scenarios.runner import operate
from takt_sdk.mail import Mail
from takt_sdk.model.messages import DeclineCall, Receipt
from takt_sdk.model.sheet import BidSheet
from takt_sdk.model.values import MINUTE_US
from takt_sdk.nats.participant import NatsParticipantBus
from takt_sdk.nats.subjects import tape_subject
from takt_sdk.role import Outgoing
from tests.unit.market.service.small_market import MARKET, PLANTS, RULES, START_US, opening, order

SEALED = replace(RULES, sealed=True, opening_us=5 * MINUTE_US, signatures="optional")
KEYS = {"buyer": "buyer-key-1", "rival": "rival-key-1"}
DEADLINE_S = 30.0


def spellings(number: int) -> tuple[bytes, ...]:
    """Return how a number could stand somewhere: in digits, hex, binary, and in base64 at any offset."""
    text = str(number).encode()
    encoded = [base64.b64encode(b"\0" * shift + text)[shift and 4 : -4] for shift in range(3)]
    raw = [number.to_bytes(8, order) for order in ("big", "little")]
    return (text, text.hex().encode(), f"{number:x}".encode(), *(raw[0][2:], raw[1][:6]), *encoded)


@dataclass(kw_only=True)
class SealedHouse:
    """A running market with its participants, and all that was heard of it."""

    market: RunningMarket
    clock: ManualClock
    folder: Path
    buses: dict[str, NatsParticipantBus]
    http: dict[str, httpx.AsyncClient]
    heard: list[bytes] = field(default_factory=list)

    async def call(self, key: str = "o1") -> None:
        """Submit an order of the buyer's and have it called."""
        reply = await self.market.service.submit("buyer", order(key), message_id=f"order-{key}")
        assert isinstance(reply, Receipt), reply
        async with asyncio.timeout(DEADLINE_S):
            while self.market.service.state_of().state.round is None:  # until the escrow has started
                await self.pass_time(0)

    async def pass_time(self, minutes: int) -> None:
        """Let market time pass and what is due happen."""
        self.clock.set(self.clock.now_us() + minutes * MINUTE_US)
        while await self.market.service.tick(self.clock.now_us()):
            pass

    async def answer(self, plant: str, body: BidSheet | DeclineCall) -> bytes:
        """Answer the open call as the SDK does; return the market's reply."""
        mail, bus = Mail(plant), self.buses[plant]
        mail.restore(await mail.query(bus, self.clock.now_us()))
        out = Outgoing(channel="bid", correlation_id=body.round_id, body=body)
        receipt = await mail.deliver(bus, out, self.clock.now_us(), "")
        return repr(receipt).encode()

    async def listen(self, plant: str) -> None:
        """Keep every delivery of a participant's mailbox."""
        async for delivery, acknowledge in self.buses[plant].deliveries():
            self.heard.append(delivery.body)
            await acknowledge()

    async def follow(self, customer: str, path: str) -> None:
        """Keep every byte of an event stream."""
        async with self.http[customer].stream("GET", path, timeout=None) as answer:
            async for chunk in answer.aiter_bytes():
                self.heard.append(chunk)

    def files(self) -> dict[str, bytes]:
        """Return what every file of the market's folder holds; one may go while it is read."""
        found = {}
        for path in sorted(self.folder.rglob("*")):
            with contextlib.suppress(FileNotFoundError, IsADirectoryError):
                found[str(path.relative_to(self.folder))] = path.read_bytes()
        return found


def _commands() -> list[Command]:
    commands: list[Command] = []
    for command in opening():
        match command:
            case OpenMarket():
                commands.append(replace(command, rules=SEALED, market_key=""))
            case AdmitParticipant(participant=name) if name in KEYS:
                keyed = replace(command, api_key_sha256=key_digest(KEYS[name]), signing_key="")
                commands.append(replace(keyed, agent=False))
            case AdmitParticipant():
                commands.append(replace(command, signing_key=""))
            case _:
                commands.append(command)
    return commands


@contextlib.asynccontextmanager
async def sealed_house(folder: Path, *, escrow: Escrow | None = None) -> AsyncIterator[SealedHouse]:
    """Run the market with two plants on NATS, two customers by HTTP and somebody at the tape."""
    clock = ManualClock(START_US)
    async with contextlib.AsyncExitStack() as stack:
        market = await stack.enter_async_context(
            embedded_market(
                MarketFolder(folder),
                MARKET,
                clock=clock,
                clearer=InlineClearer(),
                pid=0,
                tick_s=None,
                escrow=escrow,
            )
        )
        for command in [] if market.service.market else _commands():
            await operate(market, command)
        clock.set(max(clock.now_us(), market.service.state_of().state.now_us))
        house = SealedHouse(market=market, clock=clock, folder=folder, buses={}, http={})
        for plant in PLANTS:
            bus = await NatsParticipantBus.connect(
                market.nats.url,
                market.nats.participant_creds(plant),
                MARKET,
                plant,
                server_name=market.nats.name,
            )
            stack.push_async_callback(bus.close)
            house.buses[plant] = bus
        for name, key in {**KEYS, OPERATOR: market.operator_key, "nobody": ""}.items():
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            client = httpx.AsyncClient(base_url=market.address.http_url, headers=headers, timeout=20.0)
            house.http[name] = await stack.enter_async_context(client)
        tasks = [asyncio.create_task(house.listen(plant)) for plant in PLANTS]
        stack.push_async_callback(_ended, tasks)
        yield house


async def _ended(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def taped(house: SealedHouse, creds: str) -> Client:
    """Subscribe to the public tape with somebody's credentials, and keep what is said there."""
    client = Client()
    await client.connect(house.market.nats.url, user_credentials=RawCredentials(creds))

    async def keep(message: Msg) -> None:
        house.heard.append(message.data)

    await client.subscribe(tape_subject(MARKET), cb=keep)
    await client.flush()
    return client
