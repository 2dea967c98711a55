"""Who is not heard of for the rules' time holds no round open; a heartbeat or any message is a word."""

from __future__ import annotations

from dataclasses import replace

from market.engine.admission import OPERATOR
from market.model.commands import ChangeRules
from market.model.rules import SECOND_US
from market.service.service import MarketService
from tests.unit.market.service.small_market import RULES, SmallMarket, accepted, order, until

HEARD_US = 30 * SECOND_US


async def _called(small: SmallMarket, service: MarketService) -> None:
    rules = replace(service.state_of().state.rules, version=2, heard_us=HEARD_US)
    await accepted(service, OPERATOR, ChangeRules(rules=rules), "m-rules")
    await accepted(service, "buyer", order("k"), "m-k")
    await small.pass_time(service, 0)
    assert _round(service) == "open"
    assert RULES.heard_us == 0


def _round(service: MarketService) -> str:
    return next(reversed(service.state_of().state.rounds.values())).state


async def _seconds(small: SmallMarket, service: MarketService, seconds: int) -> None:
    small.clock.set(small.clock.now_us() + seconds * SECOND_US)
    await service.tick(small.clock.now_us())


async def test_a_silent_plant_costs_the_takt_the_rules_time_and_not_the_response_time() -> None:
    small = SmallMarket()
    async with small.running() as service:
        await _called(small, service)
        await small.bid(service, "anna", 100)
        await _seconds(small, service, 29)
        assert _round(service) == "open", "everybody is taken to be there for a while after the start"
        service.requests.heartbeat("anna")
        await _seconds(small, service, 2)
        await until(lambda: _round(service) == "cleared")
        assert next(iter(service.state_of().state.contracts.values())).contract.participant == "anna"


async def test_a_heartbeat_is_enough_to_be_waited_for() -> None:
    small = SmallMarket()
    async with small.running() as service:
        await _called(small, service)
        await small.bid(service, "anna", 100)
        for _ in range(5):
            service.requests.heartbeat("bert")
            await _seconds(small, service, 20)
            assert _round(service) == "open"
        await small.bid(service, "bert", 50)
        await until(lambda: _round(service) == "cleared")


async def test_strangers_leave_no_trace() -> None:
    small = SmallMarket()
    async with small.running() as service:
        for number in range(1_000):
            service.requests.heartbeat(f"stranger-{number}")
        assert not service.requests.last_heard_us
