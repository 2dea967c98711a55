"""What a customer is told of an order that nobody served: counts, and nobody's name or price."""

from __future__ import annotations

from dataclasses import replace

from market.engine.admission import OPERATOR
from market.model.commands import PublishNetwork
from takt_sdk.model.messages import DeclineCall
from tests.unit.market.engine.market import CAST, CHAIN, Market, Offer, admission


def told(market: Market) -> list[tuple[str, str]]:
    return [(reason.code, reason.detail) for reason in market.order_of("o1").reasons]


def test_each_lot_without_an_offer_says_how_many_were_called_and_how_they_answered() -> None:
    market = Market(cast=(*CAST, admission("mill-c", "plant"), admission("mill-d", "plant")))
    market.order("o1", plan=CHAIN, good_for_takts=1)
    market.tick()
    mill, paint, steel = (market.lot("o1", name) for name in ("mill", "paint", "steel"))
    market.bid("mill-a", {"m": Offer(lots={mill: 10}, price=300, days=(4, 5))})
    market.accept("mill-c", DeclineCall(round_id=market.round.id, code="no_capacity"), sequence=1)
    market.accept("mill-d", DeclineCall(round_id=market.round.id, code="dates"), sequence=1)
    market.clear()
    assert market.order_of("o1").state == "unserved"
    assert told(market) == [
        ("no_bid", f"{paint}: 4 called, 2 declined, 2 made no offer for it"),
        ("no_bid", f"{steel}: 1 called, 1 made no offer for it"),
    ]


def test_an_offer_that_can_not_be_used_is_told_apart_from_none() -> None:
    market = Market()
    slow = tuple(replace(lane, transit_minutes=5 * 24 * 60) for lane in market.state.network.lanes)
    market.accept(OPERATOR, PublishNetwork(network=replace(market.state.network, lanes=slow)))
    market.order("o1", good_for_takts=1)
    market.tick()
    mill = market.lot("o1", "mill")
    market.bid("mill-b", {"late": Offer(lots={mill: 10}, price=300, days=(8, 9.5))})
    market.clear()
    detail = "2 called, 1 offered too little of it, or too late, 1 made no offer for it"
    assert told(market) == [("no_bid", f"{mill}: {detail}")]


def test_where_nobody_may_make_it_that_is_said() -> None:
    market = Market(cast=CAST[:2])
    market.order("o1", good_for_takts=1)
    market.tick()
    market.clear()
    assert told(market) == [("no_bid", f"{market.lot('o1', 'mill')}: nobody who takes part may make it")]


def test_other_reasons_stay_as_the_clearing_says_them() -> None:
    market = Market()
    market.order("o1", good_for_takts=1, reservation_value_minor=100)
    market.tick()
    market.bid("mill-a", {"a": Offer(lots={market.lot("o1", "mill"): 10}, price=300, days=(4, 5))})
    market.clear()
    ((code, detail),) = told(market)
    assert code == "price"
    assert "called" not in detail
