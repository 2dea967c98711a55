"""Changes by the customer: priced in every state, accepted at that price or not at all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from market.model.contract_rules import ContractRules
from takt_sdk.model.execution import AcceptChange, ChangeQuote, NotifyDisruption, RequestChange
from takt_sdk.model.values import DAY_US, HOUR_US
from tests.unit.market.engine.market import CHAIN, RULES, START_US, Market, Offer, cancellation
from tests.unit.market.engine.test_disruptions import chain_market

PRICED = replace(
    RULES,
    contracts=ContractRules(
        cancel_awarded_ppm=50_000, cancel_confirmed_ppm=100_000, cancel_begun_ppm=300_000
    ),
)


def state_of(market: Market, key: str = "o1") -> str:
    return str(market.order_of(key).state)


def ask(market: Market, customer: str = "ada", **changes: object) -> ChangeQuote:
    """Ask for a change and return its quote."""
    command = RequestChange(order_id=market.order_of("o1").order.id, **changes)  # type: ignore[arg-type]
    reply = market.reply(customer, command)
    return market.state.contracting.quotes[command.order_id][reply.subject_id].quote  # type: ignore[union-attr]


def take(market: Market, quote: ChangeQuote) -> None:
    market.accept("ada", AcceptChange(order_id=quote.order_id, quote_id=quote.quote_id))


def balance(market: Market, participant: str) -> int:
    return market.state.contracting.balances.get(f"participant/{participant}", 0)


def test_before_the_award_a_cancellation_is_free_and_says_on_which_side_of_the_clearing_it_is() -> None:
    market = Market()
    market.order("o1")
    assert ask(market, cancel=True).clearing == "none"
    market.tick()
    quote = ask(market, cancel=True)
    assert (quote.price_minor, quote.clearing) == (0, "before")
    market.close()
    known = market.round
    assert known.state == "clearing"
    refusal = market.refuse("ada", AcceptChange(order_id=quote.order_id, quote_id=quote.quote_id))
    assert refusal.code == "conflict", "it would be after the clearing by now"
    late = market.accept("ada", RequestChange(order_id=quote.order_id, cancel=True, deadline_us=None))
    assert late.events


def test_a_cancellation_after_the_close_takes_effect_once_the_clearing_is_known() -> None:
    market = Market()
    market.order("o1")
    market.tick()
    market.bid("mill-a", {"m": Offer(lots={market.lot("o1", "mill"): 10}, price=300)})
    market.close()
    quote = ask(market, cancel=True)
    assert (quote.price_minor, quote.clearing) == (0, "after")
    _, report = market.solve()
    take(market, quote)
    assert state_of(market) == "clearing"
    market.accept("host", report)
    assert state_of(market) == "cancelled"
    assert balance(market, "ada") == 0


@pytest.mark.parametrize(
    ("steps", "price"),
    [
        ((), 15),
        (("confirmed",), 30),
        (("confirmed", "started"), 90),
        (("confirmed", "started", "finished"), 300),
    ],
)
def test_after_the_award_the_state_makes_the_price(steps: tuple[str, ...], price: int) -> None:
    market = Market(rules=PRICED)
    market.order("o1")
    market.tick()
    market.bid("mill-a", {"m": Offer(lots={market.lot("o1", "mill"): 10}, price=300)})
    market.clear()
    market.report("mill-a", *steps)  # type: ignore[arg-type]
    quote = ask(market, cancel=True)
    assert quote.price_minor == price
    take(market, quote)
    assert state_of(market) == "cancelled"
    assert (balance(market, "ada"), balance(market, "mill-a")) == (-price, price)


def test_goods_that_have_left_are_charged_in_full() -> None:
    market = Market(rules=PRICED)
    market.order("o1")
    market.tick()
    market.bid("mill-b", {"m": Offer(lots={market.lot("o1", "mill"): 10}, price=300)})
    market.clear()
    market.report("mill-b", "confirmed", "started", "finished", "shipped")
    quote = ask(market, cancel=True)
    assert quote.price_minor == 320
    take(market, quote)
    assert state_of(market) == "settled"
    assert (balance(market, "ada"), balance(market, "mill-b")) == (-320, 300)


def test_a_quote_holds_until_it_expires_and_only_at_its_price() -> None:
    market = Market(rules=PRICED)
    market.order("o1")
    market.tick()
    market.bid("mill-a", {"m": Offer(lots={market.lot("o1", "mill"): 10}, price=300)})
    market.clear()
    quote = ask(market, cancel=True)
    assert ask(market, cancel=True) == quote, "the same question has the same answer"
    market.report("mill-a", "confirmed")
    accept = AcceptChange(order_id=quote.order_id, quote_id=quote.quote_id)
    refusal = market.refuse("ada", accept)
    assert (refusal.code, refusal.state) == ("conflict", "confirmed")
    assert "the price is 30 by now" in refusal.detail
    market.now_us += HOUR_US
    assert market.refuse("ada", accept).code == "closed"
    assert market.refuse("bob", accept).code == "unknown"


def test_an_order_that_is_called_leaves_the_round_with_its_new_terms_and_is_called_again() -> None:
    market = Market()
    market.order("o1")
    market.order("o2", customer="bob")
    market.tick()
    quote = ask(market, quantity=20)
    assert (quote.price_minor, quote.clearing) == (0, "before")
    take(market, quote)
    assert state_of(market) == "submitted"
    offers = {
        key: Offer(lots={market.lot(key, "mill"): 10}, price=300, uses=(("w", 1, 60, 0),))
        for key in ("o1", "o2")
    }
    market.bid("mill-a", offers)
    market.clear()
    assert (state_of(market), state_of(market, "o2")) == ("submitted", "awarded")
    market.tick(market.now_us + HOUR_US)
    (lot,) = market.round.lots
    assert lot.quantity == 20


def test_more_of_an_awarded_order_is_an_order_of_its_own() -> None:
    market = chain_market(PRICED)
    quote = ask(market, quantity=15)
    assert quote.price_minor == 0
    take(market, quote)
    added = market.order_of(quote.quote_id)
    assert (added.state, added.order.terms.quantity) == ("submitted", 5)
    assert [lot.quantity for lot in added.order.lots] == [10, 5, 5]
    assert added.order.terms.reservation_value_minor == 5_000
    assert state_of(market) == "awarded"


def test_less_of_an_awarded_order_cuts_its_contracts_at_their_price() -> None:
    market = chain_market(PRICED)
    before = market.order_of("o1").charge_minor or 0
    quote = ask(market, quantity=5)
    assert quote.price_minor == (200 + 150 + 100) * 5 // 100 + 0
    take(market, quote)
    order = market.order_of("o1")
    assert (order.pieces, order.order.terms.quantity) == (5, 5)
    assert order.charge_minor == before - 450
    assert market.contract_of("mill-a").contract.items[0].quantity == 5
    for participant, steps in (("steel-s", 4), ("mill-a", 4), ("mill-b", 5)):
        all_steps = ("confirmed", "started", "finished", "shipped", "delivered")
        market.report(participant, *all_steps[:steps])  # type: ignore[arg-type]
    market.tick(market.now_us + 2 * DAY_US)
    assert state_of(market) == "settled"
    assert balance(market, "ada") == -(before - 450) - quote.price_minor
    assert sum(market.state.contracting.balances.values()) == 0


def test_what_is_made_is_delivered_and_charged() -> None:
    market = chain_market(PRICED)
    market.report("steel-s", "confirmed", "started", "finished")
    quote = ask(market, quantity=5)
    assert quote.price_minor == (market.order_of("o1").charge_minor or 0) // 2
    take(market, quote)
    assert market.order_of("o1").pieces == 10


def test_a_later_date_is_free_and_an_earlier_one_calls_what_has_not_begun_again() -> None:
    market = chain_market(PRICED)
    later = ask(market, due_us=START_US + 12 * DAY_US)
    assert later.price_minor == 0
    take(market, later)
    assert state_of(market) == "awarded"
    market.report("steel-s", "confirmed", "started")
    earlier = ask(market, due_us=START_US + 6 * DAY_US, deadline_us=START_US + 7 * DAY_US)
    assert earlier.price_minor == 15 + 10
    take(market, earlier)
    assert state_of(market) == "at_risk"
    assert balance(market, "ada") == -25
    market.tick(market.now_us + HOUR_US)
    assert {lot.id for lot in market.round.lots} == {market.lot("o1", "mill"), market.lot("o1", "paint")}


def test_a_change_while_the_solver_works_is_asked_again() -> None:
    market = Market()
    market.order("o1", plan=CHAIN)
    market.tick()
    market.close()
    refusal = market.refuse("ada", RequestChange(order_id=market.order_of("o1").order.id, quantity=5))
    assert (refusal.code, refusal.state, refusal.retryable) == ("state", "clearing", True)


def test_an_order_that_is_over_has_no_price() -> None:
    market = Market()
    market.order("o1")
    take(market, ask(market, cancel=True))
    refusal = market.refuse("ada", RequestChange(order_id=market.order_of("o1").order.id, cancel=True))
    assert (refusal.code, refusal.state) == ("state", "cancelled")


def test_demand_that_names_an_order_is_priced_at_once() -> None:
    market = chain_market(PRICED)
    order_id = market.order_of("o1").order.id
    notice = NotifyDisruption(
        notice_id="d-1", cause="demand", effect="quantity_change", order_id=order_id, quantity=40
    )
    market.accept("ada", notice)
    (quote,) = market.state.contracting.quotes[order_id].values()
    assert quote.request.quantity == 40
    spike = NotifyDisruption(notice_id="d-2", cause="demand", effect="spike", detail="four times as many")
    market.accept("bob", spike)
    assert set(market.state.contracting.disruptions) == {"d-1", "d-2"}
    assert market.refuse("mill-a", replace(spike, notice_id="d-3")).code == "not_allowed"


def test_a_cancellation_after_a_change_that_cancelled_is_no_retry_of_it() -> None:
    market = Market()
    order_id = market.order("o1")
    take(market, ask(market, cancel=True))
    assert state_of(market) == "cancelled"
    assert market.refuse("ada", cancellation(order_id)).state == "cancelled"


def test_a_cancelled_order_ends_the_contracts_whose_goods_had_left_too() -> None:
    market = chain_market(PRICED)
    market.report("steel-s", "confirmed", "started", "finished", "shipped", "delivered")
    market.report("mill-a", "refused")
    quote = ask(market, cancel=True)
    assert quote.price_minor == 400 + 200 * 5 // 100 + 30
    take(market, quote)
    assert state_of(market) == "cancelled"
    assert {known.state for known in market.state.contracts.values()} == {"ended"}
    assert (balance(market, "steel-s"), balance(market, "ada")) == (400, -440)
