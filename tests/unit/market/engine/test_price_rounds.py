"""Takts that are bid on more than once: prices are told, the last clearing counts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from market.adapters.codec import decode_envelope, decode_events
from market.engine.price_rounds import REASON
from takt_sdk.model.messages import CallForProposals, LotPrice, RoundResult
from takt_sdk.model.values import HOUR_US
from tests.unit.market.engine.market import CAST, CHAIN, RULES, Market, Offer, admission, cancellation
from tests.unit.market.engine.test_changes import ask, take


def market_of(price_rounds: int, sellers: int = 3) -> Market:
    others = [admission(f"mill-{letter}", "plant") for letter in "cdef"[: max(0, sellers - 2)]]
    market = Market(cast=(*CAST, *others), rules=replace(RULES, price_rounds=price_rounds))
    market.order("o1")
    market.tick()
    return market


def bid(market: Market, **prices: int) -> None:
    lot = market.lot("o1", "mill")
    for name, price in prices.items():
        market.bid(f"mill-{name}", {name: Offer(lots={lot: 10}, price=price)})
    if market.round.state == "open":
        market.close()


def told(market: Market, kind: type[CallForProposals | RoundResult], participant: str) -> list[object]:
    """Return the bodies of a kind that a participant was sent, oldest first."""
    sent = [message for handled in market.handled if handled.decided for message in handled.decided.outbox]
    bodies = [decode_envelope(message.body).body for message in sent if message.participant == participant]
    return [body for body in bodies if isinstance(body, kind)]


def test_the_first_clearings_tell_the_winning_price_and_award_nothing() -> None:
    market = market_of(3)
    bid(market, a=300, b=200, c=250)
    market.clear()
    order = market.order_of("o1")
    assert (order.state, order.contracts, order.rounds) == ("submitted", [], [])
    assert market.state.rounds["r-000001"].state == "priced"
    (result,) = told(market, RoundResult, "mill-a")
    assert isinstance(result, RoundResult)
    assert (result.void, result.awards) == (REASON, ())
    market.tick()
    calls = told(market, CallForProposals, "mill-a")
    assert [call.iteration for call in calls if isinstance(call, CallForProposals)] == [1, 2]
    assert isinstance(calls[-1], CallForProposals)
    assert calls[-1].prices == (LotPrice(lot_id=market.lot("o1", "mill"), price_micro=200 * 10**6 // 10),)


def test_the_last_clearing_awards_what_was_bid_last_and_the_next_takt_begins_anew() -> None:
    market = market_of(2)
    bid(market, a=300, b=200, c=250)
    market.clear()
    market.tick()
    bid(market, a=180, b=200, c=190)
    market.clear()
    assert market.contract_of("mill-a").contract.payment_minor == 180
    assert (market.state.price_iteration, market.state.lot_prices) == (1, ())
    assert market.order_of("o1").rounds == ["r-000002"]


def test_one_round_is_the_default_and_awards_at_once() -> None:
    market = market_of(1)
    bid(market, a=300, b=200, c=250)
    market.clear()
    assert market.contract_of("mill-b").contract.payment_minor == 200


def test_a_price_of_fewer_than_three_bidders_is_not_told() -> None:
    market = market_of(2, sellers=2)
    bid(market, a=300, b=200)
    market.clear()
    market.tick()
    (_, again) = told(market, CallForProposals, "mill-a")
    assert isinstance(again, CallForProposals)
    assert (again.iteration, again.prices) == (2, ())


def test_a_round_that_serves_nothing_is_the_last() -> None:
    market = market_of(2)
    bid(market, a=10**9, b=10**9, c=10**9)
    market.clear()
    assert market.state.rounds["r-000001"].state == "cleared"


def test_a_cancellation_during_the_clearing_takes_effect_when_prices_are_told() -> None:
    market = market_of(2)
    bid(market, a=300, b=200, c=250)
    market.accept("ada", cancellation(market.order_of("o1").order.id))
    market.clear()
    assert market.order_of("o1").state == "cancelled"


def test_a_cancellation_of_an_order_that_has_contracts_ends_them_when_prices_are_told() -> None:
    market = Market(rules=replace(RULES, price_rounds=2))
    market.order("o1", plan=CHAIN)
    market.tick()
    offers = (
        ("steel-s", "steel", 20, (0.5, 1)),
        ("mill-a", "mill", 10, (4, 5)),
        ("mill-b", "paint", 10, (8, 9)),
    )
    for _ in range(2):
        for name, lot, quantity, days in offers:
            market.bid(name, {lot: Offer(lots={market.lot("o1", lot): quantity}, price=100, days=days)})
        market.clear()
        market.tick()
    market.report("mill-a", "refused")
    market.tick(market.now_us + HOUR_US)
    market.bid("mill-b", {"again": Offer(lots={market.lot("o1", "mill"): 10}, price=100, days=(5, 6))})
    market.close()
    take(market, ask(market, cancel=True))
    market.clear()
    assert (market.round.state, market.order_of("o1").state) == ("priced", "cancelled")
    assert {known.state for known in market.state.contracts.values()} == {"ended"}


def test_a_restart_between_rounds_goes_on_with_the_prices() -> None:
    market = market_of(2)
    bid(market, a=300, b=200, c=250)
    market.clear()
    before = market.state
    market.restart()
    assert market.state == before
    assert market.state.price_iteration == 2
    market.tick()
    events = [event for stored in market.journal.read() for event in decode_events(stored.entry.events)]
    assert [event.kind for event in events].count("takt.round_priced.v1") == 1


@pytest.mark.parametrize("count", [0, 21])
def test_rules_bound_the_rounds(count: int) -> None:
    with pytest.raises(ValueError, match="price_rounds"):
        replace(RULES, price_rounds=count)
