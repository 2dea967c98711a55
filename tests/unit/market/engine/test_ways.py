"""Goods go the cheapest way; by rule the fastest, at its price, where the cheapest would be too late."""

from __future__ import annotations

from dataclasses import replace

import pytest

from market.engine.admission import OPERATOR
from market.engine.ways import ways
from market.logistics.network import with_transit
from market.model.contract_rules import ContractRules
from takt_sdk.model.plan import ProcessPlan
from takt_sdk.model.values import HOUR_US
from tests.unit.market.engine.market import CHAIN, MILL, NETWORK, RULES, Market, Offer
from tests.unit.market.engine.test_disruptions import chain_market
from tests.unit.market.engine.test_reallocation import lane

DAY_MINUTES = 24 * 60
MILL_AND_PAINT = ProcessPlan(
    lots=CHAIN.lots[1:], arcs=tuple(arc for arc in CHAIN.arcs if arc.source != "steel")
)


def rules(*, hurry: bool) -> ContractRules:
    return ContractRules(tolerance_us=HOUR_US, recall_at_once=True, hurry=hurry)


@pytest.mark.parametrize("hurry", [False, True])
def test_an_order_behind_a_slower_lane_goes_the_dearer_way_round_or_stays_at_risk(hurry: bool) -> None:
    market = chain_market(replace(RULES, contracts=rules(hurry=hurry)))
    order = market.order_of("o1")
    before = order.charge_minor
    # Milled goods wait for three days in Bonn; four are too long, by Lyon it takes two hours.
    market.accept(OPERATOR, lane(effect="lane_slower", transit_minutes=4 * DAY_MINUTES))
    assert order.state == "at_risk"
    market.tick()
    market.clear()
    assert order.state == ("awarded" if hurry else "at_risk")
    (shipment,) = market.contract_of("mill-a").contract.shipments
    if hurry:
        assert (shipment.transit_minutes, shipment.cost_minor) == (120, 2 * (10 + 10))
        assert order.charge_minor == (before or 0) + (10 + 10), "the customer pays for the way round"
    else:
        assert (shipment.transit_minutes, shipment.cost_minor) == (60, 10 + 10)
        assert order.charge_minor == before


def offered(market: Market, penalty_minor: int = 0) -> None:
    market.order("o1", plan=MILL, lateness_penalty_minor_per_day=penalty_minor)
    market.tick()
    market.bid("mill-b", {"m": Offer(lots={market.lot("o1", "mill"): 10}, price=300, days=(7, 8))})
    market.clear()


SLOW = with_transit(NETWORK, "gent", "bonn", 7 * DAY_MINUTES)
"""Ten days are due, fourteen the deadline: what is made by the eighth is there on the fifteenth."""


@pytest.mark.parametrize("hurry", [False, True])
def test_an_offer_whose_goods_would_miss_the_deadline_is_taken_with_its_dearer_way(hurry: bool) -> None:
    market = Market(rules=replace(RULES, contracts=rules(hurry=hurry)), network=SLOW)
    offered(market)
    order = market.order_of("o1")
    assert order.state == ("awarded" if hurry else "unserved")
    assert order.transport_minor == (2 * (10 + 10) if hurry else None)


@pytest.mark.parametrize(("penalty_minor", "minutes"), [(5, 5 * DAY_MINUTES), (20, 120)])
def test_a_late_way_is_left_for_a_faster_one_if_that_saves_more_than_it_costs(
    penalty_minor: int, minutes: int
) -> None:
    """Three days late by the direct lane; by Lyon in time for twenty more."""
    network = with_transit(NETWORK, "gent", "bonn", 5 * DAY_MINUTES)
    market = Market(rules=replace(RULES, contracts=rules(hurry=True)), network=network)
    offered(market, penalty_minor)
    (shipment,) = market.contract_of("mill-b").contract.shipments
    assert shipment.transit_minutes == minutes


def test_a_chain_is_cleared_whose_maker_can_not_wait_for_the_cheapest_way() -> None:
    slow = with_transit(NETWORK, "bonn", "gent", 4 * DAY_MINUTES)
    states = []
    for hurry in (False, True):
        market = Market(rules=replace(RULES, contracts=rules(hurry=hurry)), network=slow)
        market.order("o1", plan=MILL_AND_PAINT)
        market.tick()
        market.bid("mill-a", {"m": Offer(lots={market.lot("o1", "mill"): 10}, price=300, days=(3, 4))})
        market.bid("mill-b", {"p": Offer(lots={market.lot("o1", "paint"): 10}, price=200, days=(7, 8))})
        market.clear()
        states.append(market.order_of("o1").state)
    assert states == ["unserved", "awarded"]


def test_where_the_cheapest_way_is_the_fastest_nothing_is_different() -> None:
    both = ways(NETWORK)
    for site in ("gent", "lyon"):
        assert both.cheapest.route("bonn", site) == both.fastest.route("bonn", site)
    plain = [chain_market(replace(RULES, contracts=rules(hurry=hurry))) for hurry in (False, True)]
    assert plain[0].state.contracts == plain[1].state.contracts
