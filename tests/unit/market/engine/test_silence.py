"""Companies that vanish: their contracts end, and no order is stranded."""

from __future__ import annotations

from takt_sdk.model.messages import Milestone
from takt_sdk.model.values import DAY_US
from tests.unit.market.engine.market import RULES, START_US, Market, Offer


def awarded() -> Market:
    """Return a market in which mill-a owes an order by the end of day 2."""
    market = Market()
    market.order("o1")
    market.tick()
    lot = market.lot("o1", "mill")
    market.bid("mill-a", {"a": Offer(lots={lot: 10}, price=100)})
    market.bid("mill-b", {"b": Offer(lots={lot: 10}, price=900)})
    market.clear()
    assert market.contract_of("mill-a").contract.end_us == START_US + 2 * DAY_US
    return market


def silent_until(market: Market, day: float) -> str:
    """Let time pass without a word; return the order's state."""
    market.tick(START_US + int(day * DAY_US))
    return market.order_of("o1").state


def test_a_plant_that_is_never_heard_again_loses_the_contract_and_the_order_is_called_again() -> None:
    market = awarded()
    market.report("mill-a", "confirmed")
    assert silent_until(market, 4.9) == "confirmed"
    assert silent_until(market, 5.1) == "reallocating"
    assert market.contract_of("mill-a").state == "ended"
    assert [entry.cause for entry in market.contract_of("mill-a").history][-1] == "silent past its end"


def test_work_begun_and_goods_made_are_no_excuse() -> None:
    cases: tuple[tuple[Milestone, ...], ...] = (
        ("confirmed", "started"),
        ("confirmed", "started", "finished"),
    )
    for said in cases:
        market = awarded()
        market.now_us = START_US + DAY_US * 2
        market.report("mill-a", *said)
        assert silent_until(market, 5.5) == "reallocating", said


def test_a_new_promise_is_waited_for_but_not_beyond_the_deadline() -> None:
    market = awarded()
    market.report("mill-a", "confirmed")
    market.report("mill-a", "delayed", expected_end_us=START_US + 40 * DAY_US)
    assert silent_until(market, 16.9) == "confirmed"
    market.tick(START_US + int(17.1 * DAY_US))
    assert market.order_of("o1").state == "expired"
    assert market.contract_of("mill-a").state == "ended"


def test_goods_long_shipped_are_taken_as_received_and_paid() -> None:
    market = awarded()
    market.now_us = START_US + DAY_US * 2
    market.report("mill-a", "confirmed", "started", "finished", "shipped")
    assert silent_until(market, 4.9) == "shipped"
    assert silent_until(market, 5.2) == "delivered"
    assert silent_until(market, 6.5) == "settled"
    assert market.contract_of("mill-a").payment_due_minor == 100


def test_the_rule_says_how_long() -> None:
    assert RULES.silence_us == 3 * DAY_US
