"""Answers to a call: who may give one, when, and what a sheet must keep to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from market.engine.decision import Repeated
from market.model.commands import AdmitParticipant, SuspendParticipant
from takt_sdk.model.messages import DeclineCall
from takt_sdk.model.sheet import BidSheet
from takt_sdk.model.values import DAY_US, HOUR_US, MAX_QUANTITY, MINUTE_US
from tests.unit.market.engine.market import CHAIN, RULES, START_US, Market, Offer, cancellation, sheet


@pytest.fixture
def market() -> Market:
    """Return a market with a round open on one order of one lot, two plants called."""
    market = Market()
    market.order("o1")
    market.tick()
    return market


def one(market: Market, **changes: Any) -> BidSheet:  # noqa: ANN401
    """Return a right sheet of mill-a's, but for the changes to its offer."""
    offer = Offer(**{"lots": {market.lot("o1", "mill"): 10}, "price": 100, **changes})
    return sheet(market.round.id, {"b": offer}, site="bonn")


def test_everybody_eligible_is_called_and_nobody_else(market: Market) -> None:
    assert market.round.eligible == {"mill-a": (0,), "mill-b": (0,)}
    (handled,) = [handled for handled in market.handled if handled.told]
    assert handled.told == ("takt.call_for_proposals.v1",) * 2
    assert handled.decided is not None
    assert [message.participant for message in handled.decided.outbox] == ["mill-a", "mill-b"]


def test_a_later_answer_replaces_the_earlier_one(market: Market) -> None:
    market.accept("mill-a", one(market, price=500), sequence=1)
    market.accept("mill-a", DeclineCall(round_id="r-000001", code="no_capacity"), sequence=2)
    market.accept("mill-a", one(market, price=300), sequence=5)
    market.clear()
    assert market.contract_of("mill-a").contract.payment_minor == 300


def test_a_refusal_after_a_sheet_withdraws_it(market: Market) -> None:
    market.accept("mill-a", one(market), sequence=1)
    market.accept("mill-a", DeclineCall(round_id="r-000001", code="other"), sequence=2)
    assert market.clear().accepted == ()


def test_the_same_answer_again_is_a_retry_even_after_the_close(market: Market) -> None:
    first = market.accept("mill-a", one(market), sequence=1)
    market.close()
    again = market.reply("mill-a", one(market), sequence=1)
    assert again == Repeated(position=first.position, subject_id="r-000001")


def test_a_retry_of_what_an_earlier_release_digested_otherwise_is_one(market: Market) -> None:
    market.accept("mill-a", one(market), sequence=3)
    _, position = market.round.received["mill-a"][3]
    market.round.received["mill-a"][3] = ("digest without the fields that are new", position)
    assert isinstance(market.reply("mill-a", one(market), sequence=3), Repeated)
    assert market.refuse("mill-a", one(market, price=90), sequence=3).code == "equivocation"


def test_another_answer_under_the_same_number_is_equivocation(market: Market) -> None:
    market.accept("mill-a", one(market), sequence=3)
    refusal = market.refuse("mill-a", one(market, price=101), sequence=3)
    assert (refusal.code, refusal.field, refusal.value) == ("equivocation", "sequence", "3")


def test_a_number_below_the_last_is_refused(market: Market) -> None:
    market.accept("mill-a", one(market), sequence=3)
    refusal = market.refuse("mill-a", one(market, price=101), sequence=2)
    assert (refusal.code, refusal.field, refusal.value) == ("sequence", "sequence", "2")


def test_nothing_is_taken_after_the_close(market: Market) -> None:
    late = one(market)
    market.close()
    refusal = market.refuse("mill-a", late, sequence=1)
    assert (refusal.code, refusal.field, refusal.state) == ("closed", "round_id", "clearing")
    market.clear()
    assert market.refuse("mill-a", late, sequence=1).state == "cleared"
    assert (
        market.refuse("mill-a", DeclineCall(round_id="r-000001", code="other"), sequence=1).code == "closed"
    )


def test_nothing_is_taken_at_the_deadline_even_before_the_tick_that_closes(market: Market) -> None:
    market.now_us = market.round.deadline_us
    refusal = market.refuse("mill-a", one(market), sequence=1)
    assert (refusal.code, refusal.state) == ("closed", "open")
    market.now_us = market.state.now_us
    market.now_us = market.round.deadline_us - 1
    assert refusal.detail == f"the deadline was {market.round.deadline_us}"


def test_an_unknown_round_and_a_participant_that_was_not_called(market: Market) -> None:
    refusal = market.refuse("mill-a", replace(one(market), round_id="r-9"), sequence=1)
    assert (refusal.code, refusal.field, refusal.value) == ("unknown", "round_id", "r-9")
    for sender in ("steel-s", "ada"):
        assert market.refuse(sender, one(market), sequence=1).code == "not_called"


def test_a_suspended_participant_bids_no_more(market: Market) -> None:
    market.accept("operator", SuspendParticipant(participant="mill-a"))
    refusal = market.refuse("mill-a", one(market), sequence=1)
    assert (refusal.code, refusal.field, refusal.state) == ("not_allowed", "sender", "suspended")
    market.tick(START_US + 2 * HOUR_US)


BAD: tuple[tuple[Mapping[str, Any], str, str, str], ...] = (
    ({"lots": {"o-none.mill": 10}}, "not_called", "bids.item_lot[0]", "o-none.mill"),
    ({"site": "gent"}, "not_allowed", "bids.site[0]", "gent"),
    ({"days": (-1, 1)}, "dates", "bids.start_us[0]", str(START_US - DAY_US)),
    ({"days": (1, 11)}, "dates", "bids.end_us[0]", str(START_US + 11 * DAY_US)),
    ({"price": 10**12 + 1}, "limit", "bids.fixed_price_minor[0]", str(10**12 + 1)),
    ({"unit": 10**11 + 1}, "limit", "bids.fixed_price_minor[0]", str(10**12 + 110)),
    ({"uses": (("w", 60, 1, 0),)}, "dates", "capacities.period[0]", "60"),
    ({"uses": (("w", 1, 0, MAX_QUANTITY),)}, "limit", "bids.use_per_unit[0]", str(10 * MAX_QUANTITY)),
)


@pytest.mark.parametrize(("changes", "code", "field", "value"), BAD)
def test_a_bid_is_held_against_the_call(
    market: Market, changes: Mapping[str, Any], code: str, field: str, value: str
) -> None:
    refusal = market.refuse("mill-a", one(market, **changes), sequence=1)
    assert (refusal.code, refusal.field, refusal.value) == (code, field, value)


def test_more_than_the_lot_is_refused(market: Market) -> None:
    refusal = market.refuse("mill-a", one(market, lots={market.lot("o1", "mill"): 11}), sequence=1)
    assert (refusal.code, refusal.field, refusal.value) == ("invalid", "bids.item_quantity[0]", "11")


def test_a_sheet_must_hold_until_the_deadline(market: Market) -> None:
    short = replace(one(market), expires_us=market.round.deadline_us - 1)
    refusal = market.refuse("mill-a", short, sequence=1)
    assert (refusal.code, refusal.field) == ("dates", "expires_us")


def test_a_group_has_the_same_limit_as_a_bid(market: Market) -> None:
    offer = Offer(lots={market.lot("o1", "mill"): 10}, groups=("g",))
    dear = sheet(market.round.id, {"b": offer}, site="bonn", groups={"g": (None, 10**12 + 1)})
    refusal = market.refuse("mill-a", dear, sequence=1)
    assert (refusal.code, refusal.field, refusal.value) == (
        "limit",
        "groups.fixed_price_minor[0]",
        str(10**12 + 1),
    )


def test_emissions_are_limited_by_what_they_weigh() -> None:
    for weight, refused in ((0, False), (10**6, True)):
        market = Market(rules=replace(RULES, emissions_minor_per_tonne=weight))
        market.order("o1")
        market.tick()
        dirty = one(market, emissions_g=10**12 + 1)
        if refused:
            refusal = market.refuse("mill-a", dirty, sequence=1)
            assert (refusal.code, refusal.field, refusal.value) == (
                "limit",
                "bids.emissions_g[0]",
                str(10**12 + 1),
            )
        market.accept("mill-a", one(market, emissions_g=10**12), sequence=2)
        market.clear()
        assert market.order_of("o1").state == ("unserved" if weight else "awarded")


def test_the_worst_sheet_that_is_taken_can_be_cleared_beside_a_right_one() -> None:
    """What one participant or customer exaggerates takes nothing from the others."""
    market = Market(rules=replace(RULES, emissions_minor_per_tonne=10**9))
    market.order("o1")
    worst: dict[str, Any] = {
        "reservation_value_minor": 10**12,
        "lateness_penalty_minor_per_day": 10**12,
        "due_us": START_US + DAY_US,
        "deadline_us": START_US + 1_000 * DAY_US,
        "quantity": 2**31 - 1,
    }
    market.order("o2", customer="bob", **worst)
    market.tick()
    whole = Offer(
        lots={market.lot("o2", "mill"): 2**31 - 1},
        price=10**12,
        days=(0.1, 0.9),
        emissions_g=10**9,
        uses=(("w", 1, MAX_QUANTITY, 0),),
    )
    market.bid("mill-b", {f"b{index}": whole for index in range(200)})
    market.bid("mill-a", {"b": Offer(lots={market.lot("o1", "mill"): 10}, price=100)})
    market.clear()
    assert (market.order_of("o1").state, market.order_of("o2").state) == ("awarded", "unserved")


def test_a_sheet_may_hold_so_many_bids() -> None:
    market = Market(rules=replace(RULES, max_bids_per_sheet=1))
    market.order("o1")
    market.tick()
    offer = Offer(lots={market.lot("o1", "mill"): 10})
    refusal = market.refuse(
        "mill-a", sheet(market.round.id, {"a": offer, "b": offer}, site="bonn"), sequence=1
    )
    assert (refusal.code, refusal.field, refusal.value) == ("limit", "bids.id", "2")


def test_a_package_is_of_one_order() -> None:
    market = Market()
    market.order("o1")
    market.order("o2")
    market.tick()
    both = Offer(lots={market.lot("o1", "mill"): 10, market.lot("o2", "mill"): 10})
    refusal = market.refuse("mill-a", sheet(market.round.id, {"b": both}, site="bonn"), sequence=1)
    assert (refusal.code, refusal.field) == ("invalid", "bids.item_lot[1]")


# --- rounds ----------------------------------------------------------------------------------


def test_the_last_answer_closes_the_round(market: Market) -> None:
    market.accept("mill-a", one(market), sequence=1)
    assert market.round.state == "open"
    market.accept("mill-a", one(market, price=99), sequence=2)
    assert market.round.state == "open", "a second answer of the same participant completes nothing"
    market.accept("mill-b", DeclineCall(round_id="r-000001", code="other"), sequence=1)
    assert (market.round.state, market.round.answered) == ("clearing", 2)


def test_without_early_close_the_round_closes_at_its_deadline() -> None:
    market = Market(rules=replace(RULES, early_close=False))
    market.order("o1")
    market.tick()
    for participant in ("mill-a", "mill-b"):
        market.accept(participant, DeclineCall(round_id="r-000001", code="other"), sequence=1)
    assert market.round.state == "open"
    market.tick(market.round.deadline_us - 1)
    assert market.round.state == "open"
    market.tick(market.round.deadline_us)
    assert market.round.state == "clearing"


def test_a_participant_that_never_answers_delays_nobody_beyond_the_deadline(market: Market) -> None:
    market.accept("mill-a", one(market), sequence=1)
    market.tick(START_US + 10 * MINUTE_US)
    assert market.round.state == "clearing"
    market.clear()
    assert market.order_of("o1").state == "awarded"


@pytest.mark.parametrize("early_close", [True, False])
def test_a_round_in_which_nobody_is_eligible(early_close: bool) -> None:
    cast = (AdmitParticipant(participant="ada", roles=("customer",), sites=("bonn",)),)
    market = Market(rules=replace(RULES, early_close=early_close), cast=cast)
    market.order("o1")
    market.tick()
    assert market.round.state == ("clearing" if early_close else "open")
    market.clear()
    assert market.order_of("o1").state == "unserved"
    assert [reason.code for reason in market.order_of("o1").reasons] == ["no_bid"]


def test_the_next_round_waits_for_the_takt_and_for_the_clearing(market: Market) -> None:
    market.order("o2", customer="bob")
    market.tick(START_US + 2 * HOUR_US)
    assert [round_.state for round_ in market.state.rounds.values()] == ["clearing"]
    market.clear()
    market.order("o3")
    market.tick()
    assert [round_.number for round_ in market.state.rounds.values()] == [1, 2]
    assert len(market.round.orders) == 2
    market.clear()
    market.order("o4")
    market.tick(market.round.opened_us + HOUR_US - 1)
    assert market.round.number == 2
    market.tick(market.round.opened_us + HOUR_US)
    assert market.round.number == 3


def test_nobody_opens_a_round_without_orders() -> None:
    market = Market()
    market.tick(START_US + DAY_US)
    assert not market.state.rounds


def test_an_order_is_called_for_as_many_takts_as_it_is_good_for() -> None:
    market = Market()
    market.order("o1", good_for_takts=3)
    for takt in range(3):
        market.tick(START_US + takt * HOUR_US)
        assert market.round.number == takt + 1
        market.clear()
        assert market.order_of("o1").state == ("unserved" if takt == 2 else "submitted")
    market.tick(START_US + 5 * HOUR_US)
    assert market.round.number == 3


def test_orders_are_called_in_the_order_they_came_while_they_fit() -> None:
    market = Market(rules=replace(RULES, max_lots_per_round=4))
    for key in ("o1", "o2"):
        market.order(key, plan=CHAIN)
        market.now_us += 1
    market.tick()
    assert market.round.orders == (market.order_of("o1").order.id,)
    market.clear()
    market.tick(START_US + 2 * HOUR_US)
    assert market.round.orders == (market.order_of("o2").order.id,)


def test_a_cancelled_order_may_leave_a_round_empty(market: Market) -> None:
    market.accept("ada", cancellation(market.round.orders[0]))
    clearing = market.clear()
    assert (clearing.served, clearing.unserved) == ((), ())
    assert market.round.state == "cleared"
