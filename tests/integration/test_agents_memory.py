"""Companies on the bus in memory against the real market: from order to settlement, with losses between."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from agents.hosts.fleet import LocalFleet
from agents.profile import Disruption
from agents.roles import role_of
from market.adapters.memory_bus import MemoryBroker
from market.ports import OutboxMessage
from market.service.service import MarketService
from takt_sdk.codec import encode
from takt_sdk.company import Company
from takt_sdk.errors import BusRefusedError
from takt_sdk.mail import RefusedError
from takt_sdk.model.contract import Contract
from takt_sdk.model.messages import Tick
from takt_sdk.model.values import DAY_US, HOUR_US, Window
from takt_sdk.pace import Pace
from takt_sdk.ports import ParticipantBus
from takt_sdk.wall_clock import WallClock
from tests.integration.agents_market import (
    DEADLINE_S,
    MARKET,
    MONDAY_US,
    bus_in_memory,
    company_in_memory,
    contracts,
    order_states,
    profiles,
    quiet,
    run,
    running_market,
    step,
    until,
)

ORDERS = 3
HOURS = range(0, 14 * 24, 6)


@contextlib.asynccontextmanager
async def market_with_companies(
    disruptions: tuple[Disruption, ...] = (),
) -> AsyncIterator[tuple[MarketService, LocalFleet, MemoryBroker]]:
    broker = MemoryBroker(MARKET, ack_wait_s=0.5)
    companies = profiles(disruptions)
    async with running_market(broker.market(), companies) as service:
        fleet = LocalFleet([company_in_memory(broker, company, ORDERS) for company in companies])
        await fleet.start()
        try:
            yield service, fleet, broker
        finally:
            await fleet.stop()


async def test_orders_are_made_delivered_and_settled_without_anybodys_help() -> None:
    async with market_with_companies() as (service, fleet, _):
        await run(service, fleet, HOURS)
        assert order_states(service) == ["settled"] * ORDERS
        made = contracts(service)
        assert {state for _, state in made} == {"settled"}
        assert {contract.participant for contract, _ in made} >= {"acme", "steel-ag"}
        statuses = await fleet.status()
        assert [(status.participant, status.refused, status.failures) for status in statuses] == [
            ("acme", 0, 0),
            ("buyer", 0, 0),
            ("forge", 0, 0),
            ("steel-ag", 0, 0),
        ]


async def _outcome(killed: frozenset[int] = frozenset()) -> list[tuple[Contract, str]]:
    async with market_with_companies() as (service, fleet, broker):
        for hour in HOURS:
            if hour in killed:
                for name in ("acme", "steel-ag", "forge"):
                    await fleet.companies[name].stop()
                    profile = next(p for p in profiles() if p.participant == name)
                    fleet.companies[name] = company_in_memory(broker, profile)
                    await fleet.companies[name].start()
            await run(service, fleet, [hour])
        return contracts(service)


async def test_companies_that_die_and_come_back_change_nothing() -> None:
    undisturbed = await _outcome()
    assert undisturbed
    assert await _outcome() == undisturbed
    assert await _outcome(killed=frozenset(HOURS[2::3])) == undisturbed


async def test_a_company_that_was_away_answers_what_is_still_open() -> None:
    async with market_with_companies() as (service, fleet, broker):
        await step(service, fleet, MONDAY_US + 1)
        await fleet.companies["acme"].stop()
        await service.tick(MONDAY_US + 6 * HOUR_US)
        await until(lambda: len(_answers(service)) == 2)
        assert "acme" not in _answers(service)
        fleet.companies["acme"] = company_in_memory(broker, profiles()[0])
        await fleet.companies["acme"].start()
        await quiet(service)
        assert [contract.participant for contract, _ in contracts(service)].count("acme") > 0


def _answers(service: MarketService) -> set[str]:
    round_ = service.state_of().state.round
    return set() if round_ is None else set(round_.answers)


async def test_a_breakdown_puts_contracts_at_risk_and_they_are_made_elsewhere_or_later() -> None:
    down = Disruption(
        resource="mill", window=Window(start_us=MONDAY_US + DAY_US, end_us=MONDAY_US + 4 * DAY_US)
    )
    async with market_with_companies((down,)) as (service, fleet, _):
        await run(service, fleet, range(0, 20 * 24, 6))
        states = [state for _, state in contracts(service)]
        assert "ended" in states
        assert set(order_states(service)) == {"settled"}
        for status in await fleet.status():
            assert status.failures == 0
            assert not status.refused, status


async def test_a_message_that_cannot_be_read_or_handled_stops_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with market_with_companies() as (service, fleet, broker):
        bus = broker.market()
        tick = encode(Tick(now_us=1))
        for number, body in enumerate((b"{", tick, b'{"body":{"kind":"takt.unknown.v9"}}')):
            await bus.send(
                OutboxMessage(message_id=f"odd-{number}", channel="notice", participant="acme", body=body)
            )
        await run(service, fleet, HOURS)
        assert order_states(service) == ["settled"] * ORDERS
        acme = next(status for status in await fleet.status() if status.participant == "acme")
        assert acme.failures == 3
        assert "cannot be read" in caplog.text


async def test_a_role_that_fails_is_made_anew_from_what_the_market_knows() -> None:
    async with market_with_companies() as (service, fleet, _):
        await run(service, fleet, HOURS[:4])
        acme = fleet.companies["acme"]
        before = acme.role
        del before.execution  # type: ignore[attr-defined]
        await run(service, fleet, HOURS[4:])
        assert acme.status().failures == 1
        assert acme.role is not before
        assert order_states(service) == ["settled"] * ORDERS


async def test_a_connection_that_is_lost_for_good_is_made_anew() -> None:
    async with market_with_companies() as (service, fleet, _):
        for hour in HOURS:
            if hour % 48 == 0:
                lost = fleet.companies["acme"]._bus
                assert lost is not None
                await lost.close()
            await run(service, fleet, [hour])
        assert order_states(service) == ["settled"] * ORDERS


async def test_a_market_that_refuses_connections_for_a_while_is_tried_again() -> None:
    broker = MemoryBroker(MARKET)
    acme = profiles()[0]
    async with running_market(broker.market(), profiles()):
        refusals = iter([False, True, True, False])

        async def connect() -> ParticipantBus:
            if next(refusals):
                raise BusRefusedError("not now")
            return bus_in_memory(broker, acme.participant)

        company = Company(acme.participant, lambda: role_of(acme), connect, Pace())
        await company.start()
        first = company._bus
        assert first is not None
        await first.close()
        await until(lambda: not company.status().connected)
        advanced = asyncio.create_task(company.advance(MONDAY_US + 5))
        await until(lambda: company.status().connected)
        await advanced
        assert company._bus is not first
        assert company.status().now_us == MONDAY_US + 5
        await company.stop()


async def test_a_company_that_the_market_does_not_know_is_told_so() -> None:
    broker = MemoryBroker(MARKET)
    async with running_market(broker.market(), profiles()[1:]):
        stranger = company_in_memory(broker, profiles()[0])
        with pytest.raises(RefusedError, match="not admitted"):
            await stranger.start()
        await stranger.stop()


async def test_a_live_company_keeps_the_markets_time_and_beats() -> None:
    broker = MemoryBroker(MARKET)
    acme = profiles()[0]
    async with running_market(broker.market(), profiles()) as service:
        heard: asyncio.Queue[str] = asyncio.Queue()
        broker.heard = lambda participant, _body: heard.put_nowait(participant)
        pace = Pace(clock=WallClock(), tick_s=0.01, heartbeat_s=0.01)
        company = company_in_memory(broker, acme, pace=pace)
        await company.start()
        async with asyncio.timeout(DEADLINE_S):
            assert await heard.get() == "acme"
        await until(lambda: company.status().handled >= 3)
        status = company.status()
        assert status.connected
        # The market's clock stands still on a Monday of 2026; the company counts on from there.
        assert MONDAY_US <= status.now_us < MONDAY_US + int(DEADLINE_S * 1e6)
        await company.stop()
        assert not company.status().connected
        await step(service, LocalFleet([]), MONDAY_US + 1)
