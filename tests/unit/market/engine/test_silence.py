"""Companies that vanish: their contracts end, and no order is stranded."""

from __future__ import annotations

from dataclasses import replace

from market.model.contract_rules import ContractRules
from takt_sdk.model.messages import Milestone
from takt_sdk.model.values import DAY_US
from tests.unit.market.engine.market import CHAIN, RULES, START_US, Market, Offer


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


def test_one_entry_may_find_an_order_unconfirmed_and_silent() -> None:
    """As after an outage: what was due meanwhile is due at once."""
    market = Market()
    market.order("o1", plan=CHAIN)
    market.tick()
    steel, mill, paint = (market.lot("o1", name) for name in ("steel", "mill", "paint"))
    market.bid("steel-s", {"s": Offer(lots={steel: 20}, days=(0.5, 1))})
    market.bid("mill-a", {"m": Offer(lots={mill: 10}, days=(4, 5))})
    market.bid("mill-b", {"p": Offer(lots={paint: 10}, days=(8, 9))})
    market.clear()
    market.report("steel-s", "confirmed")
    market.days(5)
    ended = {name: market.contract_of(name).history[-1].cause for name in ("steel-s", "mill-a", "mill-b")}
    assert ended == {
        "steel-s": "silent past its end",
        "mill-a": "not confirmed in time",
        "mill-b": "not confirmed in time",
    }
    assert [entry.state for entry in market.order_of("o1").history].count("at_risk") == 1
    assert len(market.state.contracting.risks[market.order_of("o1").order.id]) == 1


def test_one_entry_may_find_finished_goods_silent_and_their_order_expired() -> None:
    market = Market(rules=replace(RULES, contracts=ContractRules(on_account_ppm=500_000)))
    market.order("o1")
    market.tick()
    lot = market.lot("o1", "mill")
    market.bid("mill-a", {"a": Offer(lots={lot: 5}, price=100)})
    market.bid("mill-b", {"b": Offer(lots={lot: 5}, price=100)})
    market.clear()
    market.report("mill-a", "confirmed", "started", "finished")
    market.report("mill-b", "refused")
    market.days(20)
    assert market.order_of("o1").state == "expired"
    assert market.contract_of("mill-a").history[-1].cause == "silent past its end"
    assert not any(market.state.contracting.balances.values())


def test_the_rule_says_how_long() -> None:
    assert RULES.silence_us == 3 * DAY_US
