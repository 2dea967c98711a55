"""A late contract held against new offers: it goes on where that is best, else what is done of it stays."""

from __future__ import annotations

from dataclasses import replace

import pytest

from market.adapters.codec import state_digest
from market.engine.admission import HOST, OPERATOR
from market.model.commands import VoidClearing, VoidRound
from market.model.contract_rules import ContractRules
from takt_sdk.model.contract import ContractItem
from takt_sdk.model.values import DAY_US, HOUR_US
from tests.unit.market.engine.market import RULES, START_US, Market, Offer
from tests.unit.market.engine.test_reallocation import break_down, day, progress

KEEPING = ContractRules(tolerance_us=HOUR_US, recall_at_once=True, keep_late=True)


def late_market(*, done: int = 4, ends: float = 11.5, **changes: object) -> Market:
    """Return ten pieces that mill-a mills in Bonn for 300, due on day 10, forecast late on day 4.5.

    Each started day late costs 50. What is done is reported; the rest is called.
    """
    market = Market(rules=replace(RULES, contracts=replace(KEEPING, **changes)))  # type: ignore[arg-type]
    market.order("o1", lateness_penalty_minor_per_day=50)
    market.tick()
    lot = market.lot("o1", "mill")
    market.bid("mill-a", {"a": Offer(lots={lot: 10}, price=300, days=(4, 5), uses=(("w", 4, 60, 0),))})
    market.clear()
    market.report("mill-a", "confirmed")
    market.days(4)
    market.report("mill-a", "started")
    market.days(4.5)
    progress(market, "mill-a", lot, done, ends=ends)
    market.tick()
    return market


def offer(market: Market, price: int, units: int = 6) -> None:
    """Let mill-b offer the rest from Gent, for a price and 16 of transport to Bonn."""
    lot = market.lot("o1", "mill")
    market.bid("mill-b", {"again": Offer(lots={lot: units}, price=price, days=(6, 7))})


def test_the_rest_is_called_while_the_late_contract_goes_on() -> None:
    market = late_market()
    known = market.contract_of("mill-a")
    assert (known.state, known.contract.items[0].quantity) == ("in_production", 10)
    assert market.order_of("o1").state == "reallocating"
    assert [(lot.id, lot.quantity) for lot in market.round.lots] == [(market.lot("o1", "mill"), 6)]
    (risk,) = market.state.contracting.risks[market.order_of("o1").order.id]
    assert (risk.cause, risk.remaining) == ("late beyond tolerance", ((market.lot("o1", "mill"), 6),))


def test_keeping_wins_where_new_offers_cost_more_than_the_rest_and_its_lateness() -> None:
    market = late_market()
    offer(market, 270)  # 270 + 16 against 6/10 of 300 and two days late
    market.clear()
    order, known = market.order_of("o1"), market.contract_of("mill-a")
    assert [order.state, known.state] == ["awarded", "in_production"]
    assert len(market.state.contracts) == 1
    assert (order.charge_minor, order.production_minor) == (300, 300)
    assert order.promised_us == day(11.5)
    assert order.reasons[0].detail == "late beyond tolerance"
    assert not market.state.contracting.contested
    progress(market, "mill-a", market.lot("o1", "mill"), 5, ends=11.5)
    market.tick()
    assert len(market.state.contracting.risks[order.order.id]) == 1, "what was accepted puts nothing at risk"
    market.days(11.5)
    market.report("mill-a", "finished", "shipped", "delivered")
    market.days(13)
    assert order.state == "settled"
    assert market.state.contracting.balances["participant/mill-a"] == 300


def test_keeping_loses_where_a_new_offer_costs_less() -> None:
    market = late_market()
    lot = market.lot("o1", "mill")
    offer(market, 260)  # 260 + 16 < 180 + 100
    market.clear()
    order, known = market.order_of("o1"), market.contract_of("mill-a")
    assert (order.state, known.state) == ("awarded", "finished")
    assert known.contract.items == (ContractItem(lot_id=lot, quantity=4),)
    assert (known.contract.payment_minor, known.contract.shipments[0].quantity) == (120, 4)
    assert market.contract_of("mill-b").contract.payment_minor == 260
    assert (order.production_minor, order.transport_minor) == (120 + 260, 16)
    assert order.promised_us == day(7) + HOUR_US
    assert known.history[-1].cause == "late beyond tolerance: a better offer was awarded"
    assert market.state.contracting.observed[known.contract.id] is False
    market.report("mill-a", "shipped", "delivered")
    market.report("mill-b", "confirmed", "started", "finished", "shipped", "delivered")
    market.days(9)
    assert order.state == "settled"
    assert {name: value for name, value in market.state.contracting.balances.items() if value} == {
        "participant/ada": -396,
        "participant/mill-a": 120,
        "participant/mill-b": 260,
        "carriers": 16,
    }


@pytest.mark.parametrize(("price", "state"), [(390, "in_production"), (370, "ended")])
def test_a_contract_of_which_nothing_is_done_is_kept_or_ends(price: int, state: str) -> None:
    market = late_market(done=0)
    offer(market, price, units=10)  # and 20 of transport, against 300 and two days late
    market.clear()
    assert market.contract_of("mill-a").state == state
    assert market.order_of("o1").state == "awarded"


def test_nobody_else_is_needed_to_keep_it() -> None:
    market = late_market()
    market.clear()
    assert market.order_of("o1").state == "awarded"
    assert market.contract_of("mill-a").state == "in_production"


def test_what_would_come_after_the_deadline_is_lost_at_once() -> None:
    market = late_market(ends=14.5)
    assert market.contract_of("mill-a").contract.items[0].quantity == 4
    assert not market.state.contracting.contested


def test_without_the_rule_it_is_lost_at_once() -> None:
    market = late_market(keep_late=False)
    assert market.contract_of("mill-a").contract.items[0].quantity == 4


def test_what_is_made_while_the_rest_is_on_offer_is_at_ones_own_risk() -> None:
    market = late_market()
    progress(market, "mill-a", market.lot("o1", "mill"), 7, ends=11.5)
    offer(market, 100)
    market.clear()
    known = market.contract_of("mill-a")
    assert (known.contract.items[0].quantity, known.contract.payment_minor) == (4, 120)


def test_work_that_is_finished_before_the_close_stands() -> None:
    market = late_market()
    market.report("mill-a", "finished", quantity=10)
    assert not market.state.contracting.contested
    offer(market, 10)
    market.clear()
    assert (market.order_of("o1").state, market.contract_of("mill-a").state) == ("awarded", "finished")
    assert len(market.state.contracts) == 1


def test_work_that_is_finished_while_the_round_is_cleared_is_called_anew_and_stands() -> None:
    market = late_market()
    offer(market, 100)
    market.close()
    _, report = market.solve()
    market.report("mill-a", "finished", quantity=10)
    market.accept(HOST, report)
    assert market.order_of("o1").state == "at_risk"
    market.tick(market.now_us + HOUR_US)
    market.clear()
    assert (market.order_of("o1").state, market.contract_of("mill-a").state) == ("awarded", "finished")


def test_a_forecast_that_gets_worse_loses_it_after_all() -> None:
    market = late_market()
    progress(market, "mill-a", market.lot("o1", "mill"), 4, ends=15)
    assert market.contract_of("mill-a").contract.items[0].quantity == 4
    assert not market.state.contracting.contested


def test_a_breakdown_with_an_end_is_a_forecast() -> None:
    market = late_market(ends=5)
    assert market.order_of("o1").state == "in_production"
    break_down(market, until=11)
    known = market.contract_of("mill-a")
    assert known.state == "in_production"
    assert market.state.contracting.contested[known.contract.id].end_us == day(11.5)
    market.tick()
    offer(market, 100)
    market.clear()
    assert known.contract.items[0].quantity == 4
    assert known.history[-1].cause == "breakdown of w: a better offer was awarded"


def test_the_state_with_contested_contracts_survives_a_restart() -> None:
    market = late_market()
    offer(market, 260)
    for step in (lambda: None, market.close, market.clear):
        step()
        before = state_digest(market.state)
        market.restart()
        assert state_digest(market.state) == before
    assert market.contract_of("mill-b").contract.start_us == START_US + 6 * DAY_US


def test_a_late_contract_that_goes_on_does_not_give_way_after_a_failed_round() -> None:
    rules = replace(KEEPING, release_after=1, cancel_confirmed_ppm=100_000)
    market = Market(rules=replace(RULES, contracts=rules))
    market.order("o1")
    market.tick()
    market.bid("mill-a", {"a": Offer(lots={market.lot("o1", "mill"): 10}, price=300, days=(4, 5))})
    market.clear()
    market.report("mill-a", "confirmed")
    market.report("mill-a", "delayed", expected_end_us=day(11.5))
    market.tick()
    market.close()
    market.accept(HOST, VoidRound(round_id=market.round.id, reason="test"))
    known = market.contract_of("mill-a")
    assert (market.order_of("o1").state, known.state) == ("at_risk", "confirmed")
    assert known.contract.id in market.state.contracting.contested
    assert not any(market.state.contracting.balances.values()), "who is late is not paid for it"


def test_the_late_end_that_was_accepted_is_promised_again_with_the_next_plan() -> None:
    market = late_market()
    market.clear()
    assert market.order_of("o1").promised_us == day(11.5)
    market.accept(OPERATOR, VoidClearing(round_id=market.round.id, reason="test"))
    market.tick(market.now_us + HOUR_US)
    market.clear()
    order = market.order_of("o1")
    assert (order.state, order.promised_us) == ("awarded", day(11.5))
