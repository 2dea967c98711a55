"""A real market with real companies: two plants, a supplier and a customer, over either bus.

Only time is ours: `Run.until` moves it step by step, and each step ends when the market's outbox is
empty and every company has its receipts.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence

from agents.hosts.assignment import Assignment
from agents.hosts.fleet import Fleet
from agents.profile import (
    CustomerProfile,
    Disruption,
    PlantProfile,
    Pricing,
    Profile,
    Shift,
    StockedMaterial,
    SupplierProfile,
    WorkCentre,
    admission,
)
from agents.roles import role_of
from agents.roles.customer import Intention
from market.adapters.journal_memory import MemoryJournal
from market.adapters.manual_clock import ManualClock
from market.adapters.memory_bus import MemoryBroker
from market.engine.admission import OPERATOR
from market.model.commands import Command, OpenMarket
from market.model.network import Lane, Network, Site
from market.model.rules import Rules
from market.ports import MarketBus
from market.service.clearing_worker import InlineClearer
from market.service.lottery import Lottery
from market.service.service import MarketService
from scenarios.signing_keys import with_key
from takt_sdk.company import Company
from takt_sdk.model.capability import Capability, Requirement
from takt_sdk.model.contract import Contract
from takt_sdk.model.messages import PublishPart, Receipt, SubmitOrder
from takt_sdk.model.order import OrderTerms
from takt_sdk.model.plan import Part, PlannedArc, PlannedLot, ProcessPlan
from takt_sdk.model.values import DAY_US, HOUR_US, MINUTE_US
from takt_sdk.pace import Pace
from takt_sdk.ports import ParticipantBus
from takt_sdk.signed_bus import SignedBus
from takt_sdk.wall_clock import OsEntropy
from tests.signers import market_signer, seed_of, signer_of

MARKET = "test-market"
MONDAY_US = 20_605 * DAY_US
DEADLINE_S = 30.0
RULES = Rules(
    takt_us=6 * HOUR_US,
    response_us=HOUR_US,
    transit_us=6 * HOUR_US,
    acceptance_us=HOUR_US,
    confirm_us=DAY_US,
    signatures="required",
)
CITIES = ("ulm", "lyon", "essen", "berlin")
NETWORK = Network(
    sites=tuple(Site(id=city, name=city.title(), country="DE") for city in CITIES),
    lanes=tuple(
        Lane(source=a, target=b, distance_m=1, transit_minutes=180, fixed_minor=2_000, unit_minor=10)
        for a in CITIES
        for b in CITIES
        if a != b
    ),
)
PART = Part(
    id="bracket",
    name="Bracket",
    plan=ProcessPlan(
        lots=(
            PlannedLot(
                id="steel", kind="material", requirement=Requirement(process="supply", material="steel")
            ),
            PlannedLot(
                id="mill",
                kind="operation",
                requirement=Requirement(process="milling", material="steel"),
                run_time_us=10 * MINUTE_US,
            ),
            PlannedLot(
                id="join",
                kind="operation",
                requirement=Requirement(process="assembly", material="steel"),
                run_time_us=5 * MINUTE_US,
            ),
        ),
        arcs=(PlannedArc(source="steel", target="mill"), PlannedArc(source="mill", target="join")),
    ),
)


def plant(name: str, site: str, rate: int, disruptions: tuple[Disruption, ...] = ()) -> PlantProfile:
    """Return a plant that mills and assembles around the clock of two shifts."""
    shifts = (Shift(start_minute=360, end_minute=1320, weekdays=(0, 1, 2, 3, 4, 5, 6)),)

    def centre(name: str, process: str) -> WorkCentre:
        return WorkCentre(
            id=name,
            capabilities=(Capability(process=process, materials=("any",)),),
            shifts=shifts,
            rate_minor_per_hour=rate,
            setup_us=20 * MINUTE_US,
        )

    return PlantProfile(
        participant=name,
        site=site,
        work_centres=(centre("mill", "milling"), centre("bench", "assembly")),
        pricing=Pricing(alternatives=2),
        disruptions=disruptions,
    )


def profiles(disruptions: tuple[Disruption, ...] = ()) -> tuple[Profile, ...]:
    """Return the companies; ``disruptions`` are those of the cheaper plant, ``acme``."""
    steel = StockedMaterial(
        material="steel", cost_minor_per_unit=150, stock_per_period=200, handling_us=2 * HOUR_US
    )
    return (
        plant("acme", "ulm", 5_000, disruptions),
        plant("forge", "lyon", 6_500),
        SupplierProfile(participant="steel-ag", site="essen", materials=(steel,)),
        CustomerProfile(participant="buyer", site="berlin"),
    )


def intentions(orders: int) -> tuple[Intention, ...]:
    """Return what the customer wants: ``orders`` orders of its part, six hours apart."""
    terms = OrderTerms(
        quantity=20,
        destination="berlin",
        release_us=MONDAY_US + DAY_US,
        due_us=MONDAY_US + 12 * DAY_US,
        deadline_us=MONDAY_US + 20 * DAY_US,
        reservation_value_minor=400_000,
    )
    return (
        Intention(at_us=MONDAY_US + 1, command=PublishPart(part=PART)),
        *(
            Intention(
                at_us=MONDAY_US + 1 + 6 * HOUR_US * index,
                command=SubmitOrder(idempotency_key=f"k-{index}", part_id="bracket", terms=terms),
            )
            for index in range(orders)
        ),
    )


def intentions_of(profile: Profile, orders: int) -> tuple[Intention, ...]:
    """Return the intentions of a company: only customers have any."""
    return intentions(orders) if isinstance(profile, CustomerProfile) else ()


@contextlib.asynccontextmanager
async def running_market(bus: MarketBus, companies: Sequence[Profile]) -> AsyncIterator[MarketService]:
    """Open a market over a bus and admit the companies; its time is moved by `step`."""
    service = MarketService(
        MemoryJournal(entropy=OsEntropy()),
        bus,
        clock=ManualClock(MONDAY_US),
        clearer=InlineClearer(),
        lottery=Lottery(bytes(32)),
        tick_s=None,
        signer=market_signer(MARKET),
    )
    async with service:
        opening = OpenMarket(
            market=MARKET, rules=RULES, network=NETWORK, seed=7, market_key=market_signer(MARKET).key
        )
        admitted = [with_key(admission(company), seed_of(company.participant)) for company in companies]
        commands: list[Command] = [opening, *admitted]
        for number, command in enumerate(commands):
            reply = await service.submit(OPERATOR, command, message_id=f"set-up-{number}")
            assert isinstance(reply, Receipt), reply
        for company in companies:
            await bus.admit(company.participant)
        yield service


def bus_in_memory(broker: MemoryBroker, participant: str) -> ParticipantBus:
    """Return a company's bus in memory, which signs and checks receipts."""
    key = market_signer(MARKET).key
    return SignedBus(
        broker.participant(participant), MARKET, participant, signer_of(participant), market_key=key
    )


def company_in_memory(
    broker: MemoryBroker, profile: Profile, orders: int = 0, *, pace: Pace | None = None
) -> Company:
    """Return a company on the bus in memory."""

    async def connect() -> ParticipantBus:
        return bus_in_memory(broker, profile.participant)

    return Company(
        profile.participant,
        lambda: role_of(profile, intentions_of(profile, orders)),
        connect,
        pace or Pace(),
    )


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that other tasks bring about."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - it has no event of its own
            await asyncio.sleep(0.002)


async def quiet(service: MarketService) -> None:
    """Wait until nothing is on its way."""
    await until(lambda: service.is_settled)


async def step(service: MarketService, fleet: Fleet, now_us: int) -> None:
    """Move market time and wait until all that follows has happened."""
    assert isinstance(service._clock, ManualClock)
    service._clock.set(now_us)
    more = True
    while more:
        more = await service.tick(now_us)
        await quiet(service)
        await fleet.advance(now_us)
        await quiet(service)


async def run(service: MarketService, fleet: Fleet, hours: Sequence[int]) -> None:
    """Step through hours counted from the Monday."""
    for hour in hours:
        await step(service, fleet, MONDAY_US + hour * HOUR_US + 2)


def contracts(service: MarketService) -> list[tuple[Contract, str]]:
    """Return every contract with its state, sorted by id."""
    records = service.state_of().state.contracts
    return [(records[name].contract, records[name].state) for name in sorted(records)]


def order_states(service: MarketService) -> list[str]:
    """Return the states of all orders, sorted by id."""
    orders = service.state_of().state.orders
    return [orders[name].state for name in sorted(orders)]


def assignments(companies: Sequence[Profile], creds: dict[str, str], orders: int) -> list[Assignment]:
    """Return the companies with their credentials, to be hosted on NATS."""
    return [
        Assignment(
            profile=company, creds=creds[company.participant], intentions=intentions_of(company, orders)
        )
        for company in companies
    ]
