"""A market with one customer and two plants in memory, and journals and solvers that can be held or broken.

Time stands still until a test sets it. Everything but what a test breaks on purpose is the market's own.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace

from market.adapters.journal_memory import MemoryJournal
from market.adapters.manual_clock import ManualClock
from market.adapters.memory_bus import MemoryBroker
from market.clearing.limits import Limits
from market.clearing.problem import Problem
from market.clearing.result import Clearing
from market.engine.admission import OPERATOR
from market.engine.state import RoundRecord
from market.journal_errors import JournalError
from market.model.commands import AdmitParticipant, Body, Command, OpenMarket
from market.model.network import Lane, Network, Site
from market.model.rules import Rules
from market.ports import Decided, HeadSigner, Journal, TreeHead
from market.service.clearing_worker import Clearer, InlineClearer
from market.service.lottery import Lottery
from market.service.service import MarketService
from takt_sdk.codec import decode_reply, encode
from takt_sdk.model.capability import Capability, Qualification, Requirement
from takt_sdk.model.messages import Envelope, Receipt, Refused, Reply, SubmitOrder
from takt_sdk.model.order import OrderTerms
from takt_sdk.model.plan import PlannedLot, ProcessPlan
from takt_sdk.model.sheet import Bids, BidSheet
from takt_sdk.model.values import DAY_US, HOUR_US, MINUTE_US
from takt_sdk.ports import RequestChannel
from takt_sdk.signed_bus import SignedBus
from takt_sdk.signing import Signer
from takt_sdk.wall_clock import OsEntropy
from tests.signers import market_signer, signer_of

MARKET = "small"

START_US = 20_605 * DAY_US
DEADLINE_S = 20.0
RULES = Rules(signatures="required", takt_us=HOUR_US, response_us=10 * MINUTE_US)
PLANTS = ("anna", "bert")
PLAN = ProcessPlan(
    lots=(
        PlannedLot(
            id="mill",
            kind="operation",
            requirement=Requirement(process="milling", material="steel"),
            run_time_us=MINUTE_US,
        ),
    )
)
NETWORK = Network(
    sites=tuple(Site(id=site, name=site.title(), country="DE") for site in ("berlin", *PLANTS)),
    lanes=tuple(
        Lane(source=plant, target="berlin", distance_m=1, transit_minutes=60, fixed_minor=0, unit_minor=0)
        for plant in PLANTS
    ),
)


def order(key: str, *, limit_minor: int = 100_000) -> SubmitOrder:
    """Return an order of one milled lot of ten pieces."""
    terms = OrderTerms(
        quantity=10,
        destination="berlin",
        release_us=START_US + DAY_US,
        due_us=START_US + 10 * DAY_US,
        deadline_us=START_US + 20 * DAY_US,
        reservation_value_minor=limit_minor,
    )
    return SubmitOrder(idempotency_key=key, part_id="part", terms=terms, plan=PLAN)


def opening() -> tuple[Command, ...]:
    """Return what opens the market and admits the customer and the plants."""
    milling = Qualification(capabilities=(Capability(process="milling", materials=("steel",)),))
    return (
        OpenMarket(market=MARKET, rules=RULES, network=NETWORK, seed=7, market_key=market_signer(MARKET).key),
        *(
            AdmitParticipant(participant=name, roles=("customer",), signing_key=signer_of(name).key)
            for name in ("buyer", "rival")
        ),
        *(
            AdmitParticipant(
                participant=plant,
                roles=("plant",),
                sites=(plant,),
                qualification=milling,
                signing_key=signer_of(plant).key,
            )
            for plant in PLANTS
        ),
    )


class BreakableJournal(MemoryJournal):
    """A journal whose next appends can be held, or made to fail as a full disk does."""

    def __init__(self) -> None:
        super().__init__(entropy=OsEntropy())
        self.entered = threading.Event()
        self.gate = threading.Event()
        self.gate.set()
        self.failures: list[JournalError | None] = []
        self.close_failures: list[JournalError] = []

    def append(
        self, batch: Sequence[Decided], *, sign: HeadSigner | None = None
    ) -> tuple[Sequence[bytes], TreeHead]:
        """Wait for the gate, fail if it is the turn of a failure, store otherwise."""
        self.entered.set()
        assert self.gate.wait(DEADLINE_S)
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        return super().append(batch, sign=sign)

    def close_outbox(self, message_ids: Sequence[str]) -> None:
        """Fail if told to, close otherwise."""
        if self.close_failures:
            raise self.close_failures.pop(0)
        super().close_outbox(message_ids)


class HeldClearer:
    """A `Clearer` that waits for its gate, and may spoil the answer."""

    def __init__(self, spoil: Callable[[Clearing], Clearing] = lambda clearing: clearing) -> None:
        self.gate = asyncio.Event()
        self.entered = asyncio.Event()
        self.cleared = 0
        self._inner, self._spoil = InlineClearer(), spoil

    async def clear(self, problem: Problem, limits: Limits) -> Clearing:
        """Return the spoilt clearing once the gate is open."""
        self.entered.set()
        await self.gate.wait()
        self.cleared += 1
        return self._spoil(await self._inner.clear(problem, limits))

    async def close(self) -> None:
        """Nothing was started."""


@dataclass(kw_only=True)
class SmallMarket:
    """A market over its journal; `running` starts it, again if need be."""

    journal: Journal = field(default_factory=BreakableJournal)
    clock: ManualClock = field(default_factory=lambda: ManualClock(START_US))
    broker: MemoryBroker = field(default_factory=lambda: MemoryBroker(MARKET))
    numbers: dict[str, int] = field(default_factory=dict)

    @contextlib.asynccontextmanager
    async def running(
        self,
        clearer: Clearer | None = None,
        *,
        tick_s: float | None = None,
        signer: Signer | None = None,
    ) -> AsyncIterator[MarketService]:
        """Run the market, opened if its journal is new."""
        service = MarketService(
            self.journal,
            self.broker.market(),
            clock=self.clock,
            clearer=clearer or InlineClearer(),
            lottery=Lottery(bytes(32)),
            tick_s=tick_s,
            signer=signer or market_signer(MARKET),
        )
        async with service:
            if not service.market:
                for number, command in enumerate(opening()):
                    await accepted(service, OPERATOR, command, f"set-up-{number}")
            yield service

    async def ask(
        self,
        channel: RequestChannel,
        sender: str,
        body: Body,
        *,
        message_id: str = "m-1",
        sequence: int = 0,
        named: str | None = None,
        checked: bool = True,
    ) -> Reply:
        """Return the market's reply to a request over the bus, signed with the sender's key."""
        envelope = Envelope(
            message_id=message_id,
            correlation_id="",
            causation_id="",
            sender=named or sender,
            sequence=sequence,
            occurred_us=self.clock.now_us(),
            body=body,
        )
        raw = await self.bus(sender, checked=checked).request(channel, encode(envelope), timeout_s=DEADLINE_S)
        return decode_reply(raw)

    def bus(self, sender: str, *, checked: bool = True) -> SignedBus:
        """Return a participant's bus, which signs, and checks under whose head its receipts are."""
        return SignedBus(
            self.broker.participant(sender),
            MARKET,
            sender,
            signer_of(sender),
            market_key=market_signer(MARKET).key if checked else "",
        )

    async def bid(self, service: MarketService, plant: str, price_minor: int, number: int = 1) -> Reply:
        """Answer the open round with one package for each of its lots."""
        round_ = service.state_of().state.round
        assert round_ is not None
        return await self.ask("bid", plant, sheet(round_, plant, price_minor), sequence=number)

    async def pass_time(self, service: MarketService, minutes: int) -> None:
        """Let market time pass and what is due happen."""
        self.clock.set(self.clock.now_us() + minutes * MINUTE_US)
        while await service.tick(self.clock.now_us()):
            pass


def sheet(round_: RoundRecord, plant: str, price_minor: int) -> BidSheet:
    """Return a sheet with one package for each lot of a round."""
    lots = round_.lots
    count = len(lots)
    bids = Bids(
        id=tuple(f"b{index}" for index in range(count)),
        site=(plant,) * count,
        start_us=tuple(lot.earliest_start_us for lot in lots),
        end_us=tuple(lot.earliest_start_us + HOUR_US for lot in lots),
        fixed_price_minor=(price_minor,) * count,
        unit_price_minor=(0,) * count,
        min_quantity=(0,) * count,
        emissions_g=(0,) * count,
        item_offset=tuple(range(count + 1)),
        item_lot=tuple(lot.id for lot in lots),
        item_quantity=tuple(lot.quantity for lot in lots),
        use_offset=(0,) * (count + 1),
        group_offset=(0,) * (count + 1),
    )
    deadline_us = round_.deadline_us
    return BidSheet(round_id=round_.id, expires_us=deadline_us + DAY_US, bids=bids)


async def submitted(service: MarketService, sender: str, body: Command, message_id: str) -> Receipt | Refused:
    """Put a command before the engine."""
    return await service.submit(sender, body, message_id=message_id)


async def accepted(service: MarketService, sender: str, body: Command, message_id: str) -> Receipt:
    """Put a command before the engine that must be accepted."""
    reply = await submitted(service, sender, body, message_id)
    assert isinstance(reply, Receipt), reply
    return reply


def states(service: MarketService) -> dict[str, str]:
    """Return the state of every order by its idempotency key."""
    orders = service.state_of().state.orders.values()
    return {record.idempotency_key: record.state for record in orders}


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that other tasks bring about."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - it has no event of its own
            await asyncio.sleep(0.001)


async def entered(journal: BreakableJournal) -> None:
    """Wait until the journal has been asked to append."""
    assert await asyncio.to_thread(journal.entered.wait, DEADLINE_S)


def spoilt_objective(clearing: Clearing) -> Clearing:
    """Return a clearing that claims more welfare than it has."""
    assert clearing.objective is not None
    return replace(clearing, objective=clearing.objective + 1)
