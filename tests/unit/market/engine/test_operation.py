"""Pausing, taking a clearing back, participants that are not there, records that leave the state."""

from __future__ import annotations

from dataclasses import replace

import pytest

from market.adapters.codec import decode_state, encode_state, state_digest
from market.engine.admission import HOST, OPERATOR
from market.engine.decision import Accepted, Repeated
from market.model import events
from market.model.commands import ChangeRules, PauseMarket, ResumeMarket, VoidClearing
from market.model.rules import Rules
from market.service.recovery import recover
from takt_sdk.model.messages import ReportMilestone, Tick
from takt_sdk.model.values import DAY_US, HOUR_US, MINUTE_US
from tests.unit.market.engine.market import (
    RULES,
    START_US,
    Market,
    Offer,
    breakdown,
    cancellation,
    submission,
)
from tests.unit.market.engine.test_changes import ask, take
from tests.unit.market.engine.test_reallocation import break_down, milling

PAUSE = PauseMarket(reason="a price looks wrong")


def offer(market: Market, key: str = "o1", price: int = 100) -> dict[str, Offer]:
    return {f"b-{key}": Offer(lots={market.lot(key, "mill"): 10}, price=price)}


def awarded(**rules: int) -> Market:
    """Return a market in which mill-a has won an order and has not confirmed."""
    market = Market(rules=replace(RULES, **rules))  # type: ignore[arg-type]
    market.order("o1")
    market.tick()
    market.bid("mill-a", offer(market))
    market.bid("mill-b", offer(market, price=900))
    market.clear()
    return market


# --- pause -----------------------------------------------------------------------------------


def test_a_paused_market_takes_orders_and_calls_them_once_it_goes_on() -> None:
    market = Market()
    market.accept(OPERATOR, PAUSE)
    market.order("o1")
    market.tick(START_US + 5 * HOUR_US)
    assert not market.state.rounds
    assert market.order_of("o1").state == "submitted"
    market.restart()
    assert market.state.pause_reason == "a price looks wrong"
    market.accept(OPERATOR, ResumeMarket(reason="it was right"))
    market.tick()
    assert market.order_of("o1").state == "calling"
    assert market.state.paused_us is None


def test_the_round_that_is_open_at_a_pause_is_cleared() -> None:
    market = Market()
    market.order("o1")
    market.tick()
    market.accept(OPERATOR, PAUSE)
    market.bid("mill-a", offer(market))
    market.clear()
    assert market.order_of("o1").state == "awarded"


def test_pausing_twice_and_going_on_unpaused_are_refused_with_the_state() -> None:
    market = Market()
    assert market.refuse(OPERATOR, ResumeMarket()).state == "running"
    market.accept(OPERATOR, PAUSE)
    assert market.refuse(OPERATOR, PAUSE).state == "paused"
    assert market.refuse("ada", PAUSE).code == "not_allowed"


# --- void ------------------------------------------------------------------------------------


def test_a_cleared_round_is_taken_back_before_anybody_confirmed() -> None:
    market = awarded()
    round_id = market.round.id
    market.accept(OPERATOR, VoidClearing(round_id=round_id, reason="wrong rule"))
    record = market.order_of("o1")
    assert (record.state, record.charge_minor, record.promised_us, record.rounds) == (
        "submitted",
        None,
        None,
        [],
    )
    assert record.history[-1].cause == f"round {round_id} voided: wrong rule"
    assert market.contract_of("mill-a").state == "ended"
    assert market.state.rounds[round_id].state == "void"
    told = [m for m in market.handled[-1].decided.outbox if m.participant in {"mill-a", "ada"}]  # type: ignore[union-attr]
    assert len(told) == 2
    market.tick(START_US + HOUR_US)
    assert market.order_of("o1").state == "calling"
    market.bid("mill-b", offer(market, price=900))
    market.clear()
    assert market.contract_of("mill-b").state == "awarded"


def test_a_round_somebody_confirmed_stands() -> None:
    market = awarded()
    market.report("mill-a", "confirmed")
    refusal = market.refuse(OPERATOR, VoidClearing(round_id=market.round.id, reason="too late"))
    assert refusal.state == "confirmed"
    assert market.contract_of("mill-a").contract.id in refusal.detail


def test_a_round_that_is_being_cleared_is_taken_back_and_the_solvers_answer_comes_too_late() -> None:
    market = Market()
    gone = market.order("o1")
    market.order("o2")
    market.tick()
    market.bid("mill-a", offer(market))
    market.close()
    _, report = market.solve()
    market.accept("ada", cancellation(gone))
    market.accept(OPERATOR, VoidClearing(round_id=market.round.id, reason="stop"))
    assert market.refuse(HOST, report).code == "state"
    assert [market.order_of(key).state for key in ("o1", "o2")] == ["cancelled", "submitted"]


def test_a_cancellation_of_an_order_that_has_contracts_ends_them_when_its_clearing_is_taken_back() -> None:
    market = milling()
    break_down(market)
    market.tick()
    market.close()
    take(market, ask(market, cancel=True))
    market.accept(OPERATOR, VoidClearing(round_id=market.round.id, reason="test"))
    assert market.order_of("o1").state == "cancelled"
    assert {known.state for known in market.state.contracts.values()} == {"ended"}


def test_an_order_called_again_keeps_its_other_contracts_when_the_round_is_taken_back() -> None:
    market = Market()
    market.order("o1", partial=True)
    market.tick()
    lot = market.lot("o1", "mill")
    market.bid("mill-a", {"a": Offer(lots={lot: 4}, price=10, uses=(("m", 1, 10, 0),))})
    market.bid("mill-b", {"b": Offer(lots={lot: 6}, price=10, days=(3, 4))})
    market.clear()
    market.report("mill-b", "confirmed")
    market.break_down("mill-a", "m", (0, 5))
    assert market.order_of("o1").state == "at_risk"
    market.tick(START_US + HOUR_US)
    market.bid("mill-a", {"a": Offer(lots={lot: 4}, price=10)})
    market.clear()
    assert market.order_of("o1").state == "awarded"
    market.accept(OPERATOR, VoidClearing(round_id=market.round.id, reason="stop"))
    assert market.order_of("o1").state == "at_risk"
    assert market.contract_of("mill-b").state == "confirmed"


def test_what_can_not_be_taken_back_is_refused() -> None:
    market = Market()
    assert market.refuse(OPERATOR, VoidClearing(round_id="r-000009", reason="x")).code == "unknown"
    market.order("o1")
    market.tick()
    assert market.refuse(OPERATOR, VoidClearing(round_id=market.round.id, reason="x")).state == "open"


@pytest.mark.parametrize(
    "make", [lambda: PauseMarket(reason=""), lambda: VoidClearing(round_id="r", reason="")]
)
def test_a_reason_must_be_given(make: object) -> None:
    with pytest.raises(ValueError, match="reason"):
        make()  # type: ignore[operator]


# --- who holds a round open ------------------------------------------------------------------


def called() -> Market:
    market = Market()
    market.order("o1")
    market.tick()
    return market


def look(market: Market, *absent: str) -> str:
    market.now_us += MINUTE_US
    market.accept(HOST, Tick(now_us=market.now_us, absent=absent))
    return market.round.state


def test_a_round_does_not_wait_for_the_absent() -> None:
    market = called()
    assert look(market, "mill-b") == "open"
    market.bid("mill-a", offer(market))
    assert look(market) == "open"
    assert look(market, "mill-b") == "clearing"
    (closed,) = market.handled[-1].events
    assert isinstance(closed, events.RoundClosed)
    assert closed.reason == "present_answered"


def test_the_absent_are_called_and_may_still_answer() -> None:
    market = called()
    assert set(market.round.eligible) == {"mill-a", "mill-b"}
    market.bid("mill-b", offer(market))
    assert look(market, "mill-b") == "open"  # mill-a is there
    market.bid("mill-a", offer(market))
    assert market.round.state == "clearing"


def test_with_nobody_there_a_round_waits_for_its_deadline() -> None:
    market = called()
    assert look(market, "mill-a", "mill-b") == "open"


# --- retention -------------------------------------------------------------------------------

KEPT = Rules.__dataclass_fields__["idempotency_us"].default


def settled(**rules: int) -> Market:
    """Return a market with one order settled on day 3 and one cancelled at its start."""
    market = awarded(**rules)
    market.accept("ada", cancellation(market.order("gone")))
    market.report("mill-a", "confirmed")
    market.days(1)
    market.report("mill-a", "started")
    market.days(2)
    market.report("mill-a", "finished", quantity=10)
    market.report("mill-a", "shipped", "delivered")
    market.days(3)
    assert market.order_of("o1").state == "settled"
    return market


def test_records_leave_the_state_after_the_rules_time_and_their_rows_stay() -> None:
    market = settled(retention_us=5 * DAY_US)
    order = market.order_of("o1").order.id
    contract = market.contract_of("mill-a").contract.id
    market.break_down("mill-b", "m", (3, 4))
    market.days(7.5)  # the cancelled order is kept for as long as its idempotency key, 7 days; then it goes
    assert order in market.state.orders
    market.days(8.1)
    assert not market.state.orders
    assert not market.state.contracts
    assert not market.state.participants["mill-b"].notices
    rows = {
        (row.model, row.key): row.status
        for row in (*market.journal.rows("orders"), *market.journal.rows("contracts"))
    }
    assert (rows["orders", order], rows["contracts", contract]) == ("settled", "settled")
    assert list(market.state.rounds) == ["r-000001"], "the last round numbers the next"


def test_what_is_kept_for_ever_by_default() -> None:
    market = settled()
    market.days(900)
    assert market.order_of("o1").state == "settled"


def test_a_key_that_is_still_kept_keeps_its_order() -> None:
    market = settled(retention_us=1)
    market.days(6.9)
    assert isinstance(market.reply("ada", submission("gone")), Repeated)
    market.days(7.1)
    assert not market.state.orders
    assert isinstance(
        market.reply(
            "ada", submission("gone", due_us=START_US + 20 * DAY_US, deadline_us=START_US + 21 * DAY_US)
        ),
        Accepted,
    )


def test_rounds_go_on_counting_and_the_state_is_the_same_after_a_restart() -> None:
    market = settled(retention_us=DAY_US)
    market.days(9)
    for name in ("x", "y", "z"):
        market.order(name, due_us=market.now_us + 5 * DAY_US, deadline_us=market.now_us + 6 * DAY_US)
        market.tick(market.now_us + 2 * DAY_US)
        if market.round.state == "clearing":
            market.clear()
    assert [record.number for record in market.state.rounds.values()][-1] == 3
    assert len(market.state.rounds) < 3
    folded = recover(market.journal)
    assert state_digest(folded) == state_digest(market.state)
    again = decode_state(encode_state(folded))
    for index in (again.index, folded.index):
        assert index.ended_orders == market.state.index.ended_orders
        assert index.open_by_customer == market.state.index.open_by_customer


def test_reports_on_a_retired_contract_are_of_none() -> None:
    market = settled(retention_us=DAY_US)
    known = market.contract_of("mill-a").contract
    market.days(30)
    late = ReportMilestone(contract_id=known.id, milestone="delivered", at_us=market.now_us)
    assert market.refuse("mill-a", late, sequence=9).code == "unknown"


def test_a_settled_contract_whose_capacity_is_still_taken_stays() -> None:
    market = Market(rules=replace(RULES, retention_us=1, idempotency_us=7 * DAY_US))
    market.order("o1", due_us=START_US + 30 * DAY_US, deadline_us=START_US + 31 * DAY_US)
    market.tick()
    market.bid("mill-a", {"a": Offer(lots={market.lot("o1", "mill"): 10}, price=1, uses=(("m", 20, 10, 0),))})
    market.bid("mill-b", offer(market, price=900))
    market.clear()
    market.report("mill-a", "confirmed", "started")
    market.report("mill-a", "finished", quantity=10)
    market.report("mill-a", "shipped", "delivered")
    market.days(15)
    assert market.order_of("o1").state == "settled"
    market.days(21.1)
    assert not market.state.orders


def test_retention_is_a_rule_that_changes_like_others() -> None:
    market = settled()
    market.days(40)
    rules = replace(market.state.rules, version=2, retention_us=DAY_US)
    market.accept(OPERATOR, ChangeRules(rules=rules))
    market.tick()
    assert not market.state.orders
    assert breakdown("m", (1, 2)).notice_id not in market.state.participants["mill-b"].notices
