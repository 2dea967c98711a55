"""A market of several tenants whose every object carries marks that nobody else may ever see."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

import httpx

from gateway.app import create_app
from gateway.server import serving
from gateway.settings import GatewaySettings
from market.adapters.journal_memory import MemoryJournal
from market.adapters.manual_clock import ManualClock
from market.adapters.memory_bus import MemoryBroker
from market.engine.admission import OPERATOR
from market.engine.state import RoundRecord
from market.model.commands import AdmitParticipant, Command, OpenMarket
from market.model.network import Network, Site
from market.model.rules import Rules
from market.ports import Decided, HeadSigner, OutboxMessage, TreeHead
from market.service.clearing_worker import InlineClearer
from market.service.lottery import Lottery
from market.service.service import MarketService
from takt_sdk.model.capability import Capability, DataClass, Qualification, Requirement
from takt_sdk.model.messages import PublishPart, Receipt, ReportMilestone, SubmitOrder
from takt_sdk.model.order import OrderTerms
from takt_sdk.model.plan import Document, Part, PlannedLot, ProcessPlan
from takt_sdk.model.sheet import Bids, BidSheet, Capacities
from takt_sdk.model.values import DAY_US, HOUR_US, MINUTE_US
from takt_sdk.wall_clock import OsEntropy
from tests.unit.market.service.small_market import until

MARKET = "tenants"
START_US = 20_605 * DAY_US
CUSTOMERS = ("qalice", "qbob", "qcarol")
PLANTS = ("pmill-1", "pmill-2", "pmill-3")
CLEARED = ("psafe-1", "psafe-2", "psafe-3")
EVERYBODY = (*CUSTOMERS, *PLANTS, *CLEARED)
AUDITOR = "qeve"
"""Reads the log, and has no other part in the market."""
ORDERS: tuple[tuple[str, str, DataClass], ...] = (
    ("qalice", "a1", "open"),
    ("qalice", "a2", "open"),
    ("qbob", "b1", "open"),
    ("qcarol", "c1", "open"),
    ("qcarol", "c2", "restricted"),
)
"""(customer, name, data class) of those called in the first round."""
SITE = "hall"


def number(name: str, low: int = 10**8) -> int:
    """Return a number that belongs to ``name`` and to nothing else: eleven digits or so."""
    return low + int.from_bytes(sha256(name.encode()).digest()[:4], "big") * 7


def word(name: str) -> str:
    """Return a word that belongs to ``name`` and to nothing else."""
    return f"w{sha256(name.encode()).hexdigest()[:12]}"


class KeepingJournal(MemoryJournal):
    """A journal that remembers every message it was given for a participant."""

    def __init__(self) -> None:
        super().__init__(entropy=OsEntropy())
        self.sent: list[OutboxMessage] = []

    def append(
        self, batch: Sequence[Decided], *, sign: HeadSigner | None = None
    ) -> tuple[Sequence[bytes], TreeHead]:
        """Store a batch and remember its messages."""
        self.sent += [message for decided in batch for message in decided.outbox]
        return super().append(batch, sign=sign)


@dataclass(kw_only=True)
class Tenants:
    """The running market; ``marks`` are bytes → who may see them, ``objects`` kind → id → who owns it."""

    service: MarketService
    clock: ManualClock
    journal: KeepingJournal
    http: dict[str, httpx.AsyncClient]
    marks: dict[bytes, frozenset[str]] = field(default_factory=dict)
    objects: dict[str, dict[str, frozenset[str]]] = field(default_factory=lambda: defaultdict(dict))
    told: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))

    def mark(self, text: str | int, *owners: str) -> None:
        """Say that only ``owners`` may ever see a text."""
        known = self.marks.get(str(text).encode(), frozenset())
        self.marks[str(text).encode()] = known | frozenset(owners)

    def leaks(self, reader: str, data: bytes) -> list[str]:
        """Return the marks in ``data`` that ``reader`` may not see."""
        return [mark.decode() for mark, owners in self.marks.items() if reader not in owners and mark in data]

    async def command(self, sender: str, body: Command, message_id: str, sequence: int = 0) -> str:
        """Put a command before the engine that must be accepted; return what it was about."""
        reply = await self.service.submit(sender, body, message_id=message_id, sequence=sequence)
        assert isinstance(reply, Receipt), reply
        return reply.subject_id

    async def advance(self, minutes: int) -> None:
        """Move market time and let happen what is due."""
        self.clock.set(self.clock.now_us() + minutes * MINUTE_US)
        while await self.service.tick(self.clock.now_us()):
            pass

    async def order(self, customer: str, name: str, data_class: DataClass) -> str:
        """Submit an order for a part of its own; mark what only its customer may see."""
        part, key, limit = f"part-{word(name)}", f"key-{word(name)}", number(name)
        document = Document(sha256=sha256(name.encode()).hexdigest(), name=f"{word(name + 'd')}.pdf")
        milled = PlannedLot(
            id="mill",
            kind="operation",
            requirement=Requirement(process="milling", material="steel"),
            run_time_us=MINUTE_US,
        )
        catalogued = Part(
            id=part, name=word(name + "n"), plan=ProcessPlan(lots=(milled,)), documents=(document,)
        )
        await self.command(customer, PublishPart(part=catalogued), f"part-{name}")
        terms = OrderTerms(
            quantity=10,
            destination=SITE,
            release_us=START_US + DAY_US,
            due_us=START_US + 10 * DAY_US,
            deadline_us=START_US + 20 * DAY_US,
            reservation_value_minor=limit,
            data_class=data_class,
        )
        order = await self.command(
            customer, SubmitOrder(idempotency_key=key, part_id=part, terms=terms), f"order-{name}"
        )
        for secret in (part, key, limit, document.sha256, document.name, catalogued.name):
            self.mark(secret, customer)
        self.mark(order, customer)
        self.objects["part_id"][part] = self.objects["order_id"][order] = frozenset({customer})
        return order

    def sheet(self, round_: RoundRecord, plant: str, price: int, only: str = "") -> BidSheet:
        """Return a sheet on the lots that a plant is called for; mark what only the plant may see."""
        lots = [round_.lots[index] for index in round_.eligible[plant]]
        lots = [lot for lot in lots if not only or lot.order_id == only]
        count, ids = len(lots), [word(f"{plant}/{lot.id}") for lot in lots]
        resource = word(f"{plant}/resource")
        for secret in (resource, *ids):
            self.mark(secret, plant)
        self.mark(number(f"{plant}/minutes", 10**6) % 10**9, plant)
        bids = Bids(
            id=tuple(ids),
            site=(SITE,) * count,
            start_us=(START_US + 2 * DAY_US,) * count,
            end_us=(START_US + 2 * DAY_US + HOUR_US,) * count,
            fixed_price_minor=tuple(price + index for index in range(count)),
            unit_price_minor=(0,) * count,
            min_quantity=(0,) * count,
            emissions_g=(0,) * count,
            item_offset=tuple(range(count + 1)),
            item_lot=tuple(lot.id for lot in lots),
            item_quantity=tuple(lot.quantity for lot in lots),
            use_offset=tuple(range(count + 1)),
            use_capacity=(0,) * count,
            use_fixed=(5,) * count,
            use_per_unit=(0,) * count,
            group_offset=(0,) * (count + 1),
        )
        capacities = Capacities(
            resource=(resource,), period=(20_607,), available=(number(f"{plant}/minutes", 10**6) % 10**9,)
        )
        expires_us = round_.deadline_us + DAY_US
        return BidSheet(round_id=round_.id, expires_us=expires_us, capacities=capacities, bids=bids)

    async def bid_all(self) -> None:
        """Let every called plant bid on all its lots, each at prices of its own."""
        round_ = self.service.state_of().state.round
        assert round_ is not None
        prices = {plant: number(f"{plant}/{round_.id}", 10**5) % 10**7 + 10**6 for plant in round_.eligible}
        for plant, price in prices.items():
            sheet = self.sheet(round_, plant, price)
            for amount in sheet.bids.fixed_price_minor:
                self.mark(amount, plant)
            await self.command(plant, sheet, f"sheet-{plant}-{round_.id}", 1)
        for plant, lots in round_.eligible.items():
            for index in lots:
                self.mark(round_.lots[index].order_id, plant)
        for order_id in round_.orders:
            owners = {name for name in EVERYBODY if order_id.encode() in self.marks}
            self.objects["order_id"][order_id] &= owners | frozenset(CUSTOMERS)


async def _opened(tenants: Tenants, keys: dict[str, str]) -> None:
    rules = Rules(
        takt_us=HOUR_US,
        response_us=10 * MINUTE_US,
        early_close=False,
        confirm_us=5 * DAY_US,
        auditors=(AUDITOR,),
    )
    network = Network(sites=(Site(id=SITE, name="Hall", country="DE"),), lanes=())
    await tenants.command(OPERATOR, OpenMarket(market=MARKET, rules=rules, network=network), "open")
    able = Qualification(capabilities=(Capability(process="milling", materials=("steel",)),))
    for name in EVERYBODY:
        is_customer = name in CUSTOMERS
        qualification = replace(able, clearances=("restricted",)) if name in CLEARED else able
        admission = AdmitParticipant(
            participant=name,
            roles=("customer",) if is_customer else ("plant",),
            sites=() if is_customer else (SITE,),
            qualification=Qualification() if is_customer else qualification,
            api_key_sha256=sha256(keys[name].encode()).hexdigest(),
        )
        await tenants.command(OPERATOR, admission, f"admit-{name}")
        tenants.mark(name, name)
    hashed = sha256(keys[AUDITOR].encode()).hexdigest()
    reading = AdmitParticipant(participant=AUDITOR, roles=("auditor",), api_key_sha256=hashed)
    await tenants.command(OPERATOR, reading, f"admit-{AUDITOR}")


@contextlib.asynccontextmanager
async def tenants_at_work() -> AsyncIterator[Tenants]:
    """Run the market through a round with a restricted order among open ones, and one with nothing else."""
    clock, journal = ManualClock(START_US), KeepingJournal()
    service = MarketService(
        journal,
        MemoryBroker(MARKET).market(),
        clock=clock,
        clearer=InlineClearer(),
        lottery=Lottery(bytes(32)),
        tick_s=None,
    )
    keys = {name: f"key-of-{word(name)}" for name in (*EVERYBODY, AUDITOR, OPERATOR)}
    async with service, contextlib.AsyncExitStack() as stack:
        settings = GatewaySettings(
            operator_key_sha256=sha256(keys[OPERATOR].encode()).hexdigest(),
            requests_per_s=0.0,
            free_guesses=10**6,  # that guessing is slowed has tests of its own
        )
        server = await stack.enter_async_context(serving(create_app(service, settings)))
        http = {}
        for name, key in (*keys.items(), ("nobody", "")):
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            client = httpx.AsyncClient(base_url=server.url, headers=headers, timeout=20.0)
            http[name] = await stack.enter_async_context(client)
        tenants = Tenants(service=service, clock=clock, journal=journal, http=http)
        await _opened(tenants, keys)
        yield tenants


async def traded(tenants: Tenants) -> None:
    """Play two rounds and the first milestones."""
    for customer, name, data_class in ORDERS:
        await tenants.order(customer, name, data_class)
    await tenants.advance(0)
    await tenants.bid_all()
    await tenants.advance(10)
    await _cleared(tenants)
    await tenants.order("qcarol", "c3", "restricted")
    await tenants.advance(60)
    await tenants.bid_all()
    await tenants.advance(10)
    await _cleared(tenants)
    state = tenants.service.state_of().state
    for contract_id, record in state.contracts.items():
        plant = record.contract.participant
        customer = state.orders[record.contract.order_id].order.customer
        tenants.mark(contract_id, plant, customer)
        # What the winner is paid its customer is charged: that price is told to it.
        tenants.mark(record.contract.payment_minor, plant, customer)
        tenants.objects["contract_id"][contract_id] = frozenset({plant})
        report = ReportMilestone(contract_id=contract_id, milestone="confirmed", at_us=tenants.clock.now_us())
        await tenants.command(plant, report, f"confirm-{contract_id}"[:128], 1)
    for round_id, round_ in state.rounds.items():
        if round_id.startswith("x-"):
            called = frozenset(round_.eligible) | {state.orders[o].order.customer for o in round_.orders}
            tenants.objects["round_id"][round_id] = called
            tenants.mark(round_id, *called)


async def _cleared(tenants: Tenants) -> None:
    service = tenants.service
    await until(lambda: service.state_of().state.round is None and service._writer.is_idle)
