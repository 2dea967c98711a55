from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from market.clearing.result import Clearing, Status
from market.engine.state import RoundRecord
from market.errors import InvariantError
from market.journal_errors import JournalFullError
from market.model.commands import SuspendParticipant, VoidClearing
from market.service.service import MarketService
from takt_sdk.model.messages import CancelOrder, Receipt, Refused
from takt_sdk.model.values import MINUTE_US
from tests.unit.market.service.small_market import (
    BreakableJournal,
    HeldClearer,
    SmallMarket,
    accepted,
    order,
    spoilt_objective,
    states,
    submitted,
    until,
)


@pytest.fixture
def journal() -> BreakableJournal:
    return BreakableJournal()


@pytest.fixture
def small(journal: BreakableJournal) -> SmallMarket:
    return SmallMarket(journal=journal)


async def _called(small: SmallMarket, service: MarketService, *keys: str) -> RoundRecord:
    """Submit orders and open the round that calls for them."""
    for key in keys:
        await accepted(service, "buyer", order(key), f"m-{key}")
    await small.pass_time(service, 0)
    round_ = service.state_of().state.round
    assert round_ is not None
    return round_


async def _answered(small: SmallMarket, service: MarketService, anna: int = 3_000, bert: int = 2_000) -> None:
    """Let both plants bid, which closes the round."""
    for plant, price in (("anna", anna), ("bert", bert)):
        reply = await small.bid(service, plant, price)
        assert isinstance(reply, Receipt), reply


def _winners(service: MarketService) -> set[str]:
    return {record.contract.participant for record in service.state_of().state.contracts.values()}


def _cleared(round_: RoundRecord) -> str | None:
    return round_.clearing_status


async def test_the_cheaper_plant_wins_once_everybody_has_answered(small: SmallMarket) -> None:
    async with small.running() as service:
        round_ = await _called(small, service, "k-1", "k-2")
        await _answered(small, service)
        await until(lambda: _cleared(round_) is not None)
        assert (round_.clearing_status, round_.answered) == ("optimal", 2)
        assert states(service) == {"k-1": "awarded", "k-2": "awarded"}
        assert _winners(service) == {"bert"}


async def test_orders_and_queries_are_answered_while_a_round_clears_and_go_to_the_next(
    small: SmallMarket,
) -> None:
    clearer = HeldClearer()
    async with small.running(clearer) as service:
        round_ = await _called(small, service, "first")
        await _answered(small, service)
        await clearer.entered.wait()
        assert (await accepted(service, "buyer", order("second"), "m-2")).position >= 0
        await small.pass_time(service, 90)
        assert service.state_of().state.round is round_  # takts never overlap
        assert states(service) == {"first": "clearing", "second": "submitted"}
        clearer.gate.set()
        await until(lambda: _cleared(round_) is not None)
        assert states(service) == {"first": "awarded", "second": "submitted"}
        assert round_.orders == (service.state_of().state.orders[next(iter(round_.orders))].order.id,)
        await small.pass_time(service, 0)
        following = service.state_of().state.round
        assert following is not None
        assert len(following.orders) == 1
        assert states(service)["second"] == "calling"


async def test_a_sheet_after_the_close_is_refused_and_changes_nothing(small: SmallMarket) -> None:
    clearer = HeldClearer()
    async with small.running(clearer) as service:
        round_ = await _called(small, service, "k")
        await _answered(small, service)
        await clearer.entered.wait()
        size = service.state_of().state.size
        late = await small.bid(service, "anna", 1, number=2)
        assert isinstance(late, Refused)
        assert (late.code, late.field, late.value, late.state) == (
            "closed",
            "round_id",
            round_.id,
            "clearing",
        )
        again = await small.bid(service, "anna", 3_000, number=1)
        assert isinstance(again, Receipt)  # a retry of what was in time
        assert service.state_of().state.size == size
        clearer.gate.set()
        await until(lambda: _cleared(round_) is not None)
        assert _winners(service) == {"bert"}


async def test_a_sheet_at_the_deadline_is_late_even_before_the_clock_has_closed_the_round(
    small: SmallMarket,
) -> None:
    async with small.running() as service:
        round_ = await _called(small, service, "k")
        small.clock.set(round_.deadline_us)
        late = await small.bid(service, "anna", 1)
        assert isinstance(late, Refused)
        assert (late.code, late.state) == ("closed", "open")


async def test_an_order_cancelled_after_the_close_is_cleared_first_and_then_ends(small: SmallMarket) -> None:
    clearer = HeldClearer()
    async with small.running(clearer) as service:
        round_ = await _called(small, service, "kept", "dropped")
        await _answered(small, service)
        await clearer.entered.wait()
        dropped = next(
            record.order.id
            for record in service.state_of().state.orders.values()
            if record.idempotency_key == "dropped"
        )
        await accepted(service, "buyer", CancelOrder(order_id=dropped), "m-cancel")
        assert states(service) == {"kept": "clearing", "dropped": "clearing"}
        clearer.gate.set()
        await until(lambda: _cleared(round_) is not None)
        assert states(service) == {"kept": "awarded", "dropped": "cancelled"}
        ended = {
            record.contract.order_id: record.state for record in service.state_of().state.contracts.values()
        }
        assert ended[dropped] == "ended"


async def test_a_plant_that_never_answers_delays_nobody_beyond_the_deadline(small: SmallMarket) -> None:
    async with small.running() as service:
        round_ = await _called(small, service, "k")
        assert isinstance(await small.bid(service, "anna", 3_000), Receipt)
        await small.pass_time(service, 9)
        assert round_.state == "open"
        await small.pass_time(service, 1)
        await until(lambda: _cleared(round_) is not None)
        assert round_.closed_us == round_.opened_us + 10 * MINUTE_US
        assert _winners(service) == {"anna"}


def _no_answer(clearing: Clearing) -> Clearing:
    return replace(clearing, status=Status.UNKNOWN)


def _unpaid(clearing: Clearing) -> Clearing:
    assert clearing.payments
    return replace(clearing, payments=tuple(replace(p, amount=p.amount - 1) for p in clearing.payments))


def _twice(clearing: Clearing) -> Clearing:
    return replace(clearing, accepted=clearing.accepted * 2)


@pytest.mark.parametrize("spoil", [spoilt_objective, _no_answer, _unpaid, _twice])
async def test_an_answer_that_is_wrong_is_refused_and_the_greedy_fallback_clears(
    small: SmallMarket, spoil: object
) -> None:
    clearer = HeldClearer(spoil)  # type: ignore[arg-type]
    clearer.gate.set()
    async with small.running(clearer) as service:
        round_ = await _called(small, service, "k")
        await _answered(small, service)
        await until(lambda: _cleared(round_) is not None)
        assert round_.clearing_status == "fallback"
        assert states(service) == {"k": "awarded"}
        assert _winners(service) == {"bert"}
        assert (await service.health()).ready


async def test_a_clearing_that_the_journal_cannot_take_is_reported_again(
    small: SmallMarket, journal: BreakableJournal
) -> None:
    clearer = HeldClearer()
    async with small.running(clearer) as service:
        round_ = await _called(small, service, "k")
        await _answered(small, service)
        await clearer.entered.wait()
        journal.failures = [JournalFullError("memory", "no space")]
        clearer.gate.set()
        await until(lambda: not journal.failures and service._writer.is_idle)
        await until(lambda: _cleared(service.state_of().state.rounds[round_.id]) is not None)
        await until(lambda: service._writer.is_idle)
        assert clearer.cleared == 1
        assert states(service) == {"k": "awarded"}
        assert (await service.health()).ready


async def test_a_round_that_closes_in_the_commit_that_publishes_the_one_before_is_cleared(
    small: SmallMarket, journal: BreakableJournal
) -> None:
    clearer = HeldClearer()
    async with small.running(clearer) as service:
        first = await _called(small, service, "first")
        await _answered(small, service)
        await clearer.entered.wait()
        await accepted(service, "buyer", order("second"), "m-2")
        for plant in ("anna", "bert"):  # nobody is eligible for the second: its round closes at once
            await accepted(service, "operator", SuspendParticipant(participant=plant), f"m-{plant}")
        small.clock.set(first.opened_us + 60 * MINUTE_US)
        journal.gate.clear()
        journal.entered.clear()
        held = asyncio.create_task(submitted(service, "buyer", order("third"), "m-3"))
        await asyncio.to_thread(journal.entered.wait)
        queued = len(service._writer.queue)
        clearer.gate.set()
        await until(lambda: len(service._writer.queue) > queued)
        tick = asyncio.create_task(service.tick(small.clock.now_us()))  # same group as the clearing's report
        await asyncio.sleep(0)
        journal.gate.set()
        await asyncio.gather(held, tick)
        await until(lambda: len(service.state_of().state.rounds) == 2)
        _, second = service.state_of().state.rounds.values()
        await until(lambda: _cleared(second) is not None)
        assert states(service)["first"] == "awarded"


async def test_a_market_that_stopped_while_clearing_solves_again_after_the_restart(
    small: SmallMarket,
) -> None:
    async with small.running(HeldClearer()) as service:
        await _called(small, service, "k")
        await _answered(small, service)
        assert states(service) == {"k": "clearing"}
    async with small.running() as service:
        (round_,) = service.state_of().state.rounds.values()
        await until(lambda: _cleared(round_) is not None)
        assert round_.clearing_status == "optimal"
        assert _winners(service) == {"bert"}


class _NeverRight(HeldClearer):
    """Breaks the rules of a `Clearer`: it raises."""

    async def clear(self, *_: object) -> Clearing:
        raise InvariantError("the solver lost its mind")


async def test_a_market_whose_clearing_cannot_go_on_says_so_and_takes_nothing_more(
    small: SmallMarket,
) -> None:
    async with small.running(_NeverRight()) as service:
        await _called(small, service, "k")
        await _answered(small, service)
        async with asyncio.timeout(5):
            assert await service.failed() == "the clearing of the market failed; see the log"
        assert not (await service.health()).ready
        refused = await small.ask("order", "buyer", order("late"))
        assert isinstance(refused, Refused)
        assert (refused.code, refused.retryable) == ("state", True)


async def test_a_round_that_the_operator_takes_back_while_it_is_cleared_is_not_cleared_again(
    small: SmallMarket, caplog: pytest.LogCaptureFixture
) -> None:
    clearer = HeldClearer()
    async with small.running(clearer) as service:
        round_ = await _called(small, service, "k")
        await _answered(small, service)
        await clearer.entered.wait()
        await accepted(service, "operator", VoidClearing(round_id=round_.id, reason="stop"), "m-void")
        assert states(service) == {"k": "submitted"}
        clearer.gate.set()
        await until(lambda: service._clearing is not None and service._clearing.done())
        assert clearer.cleared == 1
        assert service.state_of().state.rounds[round_.id].state == "void"
        assert states(service) == {"k": "submitted"}
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
