"""From a clearing to awards: what is checked again, who is paid what, what an order is charged."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from market.clearing.result import Status, clearing_to_json, sealed
from market.engine.lottery import commitment
from market.model.commands import ReportClearing, VoidRound
from takt_sdk.model.capability import Capability, Qualification, Requirement
from takt_sdk.model.plan import PlannedLot, ProcessPlan
from takt_sdk.model.values import HOUR_US
from tests.unit.market.engine.market import (
    CAST,
    CHAIN,
    MILL,
    RULES,
    START_US,
    Market,
    Offer,
    admission,
    cancellation,
)


def closed_market(**changes: Any) -> Market:  # noqa: ANN401
    """Return a market with a closed round: mill-a asks 300 in Bonn, mill-b 200 in Gent."""
    market = Market(rules=replace(RULES, **changes))
    market.order("o1")
    market.tick()
    lot = market.lot("o1", "mill")
    market.bid("mill-a", {"a": Offer(lots={lot: 10}, price=300, uses=(("w", 1, 60, 0),))})
    market.bid("mill-b", {"b": Offer(lots={lot: 10}, price=200)})
    assert market.round.state == "clearing"
    return market


# --- nothing is trusted ----------------------------------------------------------------------


def reported(market: Market, change: Callable[[dict[str, Any]], object]) -> ReportClearing:
    """Return the report of a right answer after ``change`` of its document."""
    _, report = market.solve()
    document = json.loads(report.result)
    change(document)
    return replace(report, result=json.dumps(document))


LIES: Mapping[str, Callable[[dict[str, Any]], object]] = {
    "another quantity": lambda d: d["accepted"][0].update(quantity=9),
    "an unknown bid": lambda d: d["accepted"][0].update(bid="mill-a/none"),
    "no winner": lambda d: d.update(accepted=[], payments=[]),
    "a better objective": lambda d: d.update(objective=d["objective"] + 1),
    "a bound below the objective": lambda d: d.update(bound=d["objective"] - 1),
    "less than the price": lambda d: d["payments"][0].update(amount=1),
    "more than is charged": lambda d: d["payments"][0].update(amount=1_000),
    "more than the order is worth": lambda d: (
        d["payments"][0].update(amount=20_000),
        d["charges"][0].update(amount=20_020),
    ),
    "no charge": lambda d: d.update(charges=[]),
    "nobody charged": lambda d: d.update(charges=None),
    "no move": lambda d: d.update(moves=[]),
    "a move to nowhere": lambda d: d["moves"][0].update(to_site="lyon"),
    "an order served in part": lambda d: d["served"][0].update(units=1, of=2),
    "an order neither served nor unserved": lambda d: d.update(served=[]),
}


@pytest.mark.parametrize("lie", LIES)
def test_an_answer_that_is_not_right_is_refused(lie: str) -> None:
    market = closed_market()
    refusal = market.refuse("host", reported(market, LIES[lie]))
    assert (refusal.code, refusal.field) == ("check_failed", "result")
    market.clear()
    assert market.order_of("o1").state == "awarded"


@pytest.mark.parametrize("status", [Status.INFEASIBLE, Status.UNKNOWN])
def test_a_status_without_an_answer_publishes_nothing(status: Status) -> None:
    market = closed_market()
    refusal = market.refuse("host", reported(market, lambda d: d.update(status=status.value)))
    assert (refusal.code, refusal.detail) == ("check_failed", "no answer to publish")


@pytest.mark.parametrize(
    "result",
    ["", "{", "[]", "null", "1", '{"kind": "takt.clearing.v2"}', '{"kind": "takt.clearing.v1"}', '"x"'],
)
def test_a_result_that_is_no_clearing_is_malformed(result: str) -> None:
    market = closed_market()
    _, report = market.solve()
    refusal = market.refuse("host", replace(report, result=result))
    assert (refusal.code, refusal.field) == ("malformed", "result")


def test_the_secret_must_open_the_commitment_of_the_call() -> None:
    market = closed_market()
    _, report = market.solve()
    assert market.round.seed_commitment == commitment(report.secret)
    refusal = market.refuse("host", replace(report, secret="00" * 32))
    assert (refusal.code, refusal.field) == ("check_failed", "secret")


def test_only_the_round_that_is_closed_is_cleared_once() -> None:
    market = closed_market()
    _, report = market.solve()
    assert market.refuse("host", replace(report, round_id="r-000002")).code == "state"
    assert market.refuse("mill-a", report).code == "not_allowed"
    market.accept("host", report)
    assert market.refuse("host", report).code == "state"
    market.order("o2")
    market.tick(START_US + 2 * HOUR_US)
    refusal = market.refuse("host", replace(report, round_id="r-000002"))
    assert (refusal.code, refusal.state) == ("state", "open")


# --- a round that can not be cleared ---------------------------------------------------------


@pytest.mark.parametrize(("takts", "state"), [(1, "unserved"), (2, "submitted")])
def test_a_void_round_calls_its_orders_again_while_they_are_good_for_it(takts: int, state: str) -> None:
    market = Market()
    market.order("o1", good_for_takts=takts)
    market.order("o2", good_for_takts=takts)
    market.tick()
    market.close()
    market.accept("ada", cancellation(market.order_of("o2").order.id))
    void = VoidRound(round_id=market.round.id, reason="the solver is away")
    assert market.refuse("mill-a", void).code == "not_allowed"
    assert market.refuse("host", replace(void, round_id="r-9")).code == "state"
    market.accept("host", void)
    assert market.round.state == "void"
    assert (market.order_of("o1").state, market.order_of("o2").state) == (state, "cancelled")
    assert [reason.code for reason in market.order_of("o1").reasons] == ["void"]
    assert market.refuse("host", void).code == "state"
    market.tick(START_US + 2 * HOUR_US)
    assert market.round.number == takts


# --- what is awarded -------------------------------------------------------------------------


def test_the_cheapest_chain_wins_and_money_adds_up() -> None:
    market = closed_market(fee_ppm=10_000)
    clearing = market.clear()
    assert clearing.status is Status.OPTIMAL
    order, contract = market.order_of("o1"), market.contract_of("mill-b").contract
    assert (contract.payment_minor, contract.site, contract.bid_id) == (200, "gent", "b")
    (shipment,) = contract.shipments
    assert (shipment.to_site, shipment.quantity, shipment.cost_minor) == ("bonn", 10, 20)
    assert (shipment.transit_minutes, shipment.emissions_g) == (60, 120)
    assert (order.production_minor, order.transport_minor, order.fee_minor) == (200, 20, 2)
    assert (order.charge_minor, order.pieces) == (222, 10)
    assert order.promised_us == contract.end_us + HOUR_US


@pytest.mark.parametrize(("limit", "served"), [(302, False), (305, True), (220, False)])
def test_the_charge_with_its_fee_is_never_above_the_reservation_value(limit: int, served: bool) -> None:
    market = Market(rules=replace(RULES, fee_ppm=10_000))
    market.order("o1", reservation_value_minor=limit)
    market.tick()
    market.bid("mill-a", {"a": Offer(lots={market.lot("o1", "mill"): 10}, price=300)})
    market.clear()
    order = market.order_of("o1")
    assert order.state == ("awarded" if served else "unserved")
    assert order.charge_minor == (303 if served else None)
    if not served:
        assert [reason.code for reason in order.reasons] == ["price"]


def test_the_fixed_price_of_a_group_is_paid_once_and_shared() -> None:
    market = Market()
    market.order("o1")
    market.order("o2", customer="bob", destination="bonn")
    market.tick()
    offers = {
        key: Offer(lots={market.lot(key, "mill"): 10}, price=100, groups=("setup",)) for key in ("o1", "o2")
    }
    market.bid("mill-a", offers, groups={"setup": (None, 50)})
    market.clear()
    payments = sorted(c.contract.payment_minor for c in market.state.contracts.values())
    assert payments == [125, 125], "each order pays its own share"
    assert sum(market.order_of(key).charge_minor or 0 for key in ("o1", "o2")) == 250


def test_at_most_so_many_of_a_group_are_accepted() -> None:
    market = Market()
    market.order("o1")
    market.order("o2")
    market.tick()
    offers = {
        key: Offer(lots={market.lot(key, "mill"): 10}, price=100, groups=("x",)) for key in ("o1", "o2")
    }
    market.bid("mill-a", offers, groups={"x": (1, 0)})
    market.clear()
    assert len(market.state.contracts) == 1


def test_capacity_and_not_luck_keeps_a_plant_within_what_it_declared() -> None:
    market = Market()
    for key in ("o1", "o2", "o3"):
        market.order(key)
    market.tick()
    offers = {
        key: Offer(lots={market.lot(key, "mill"): 10}, price=100, uses=(("w", 1, 60, 0),))
        for key in ("o1", "o2", "o3")
    }
    market.bid("mill-a", offers, capacity={("w", 1): 120})
    market.clear()
    assert sum(use.amount for c in market.state.contracts.values() for use in c.contract.uses) == 120


def test_a_package_is_all_or_nothing() -> None:
    market = Market()
    market.order("o1", plan=CHAIN)
    market.tick()
    steel, mill, paint = (market.lot("o1", name) for name in ("steel", "mill", "paint"))
    market.bid("steel-s", {"s": Offer(lots={steel: 20}, price=10, days=(0.5, 1))})
    market.bid("mill-b", {"m": Offer(lots={mill: 10}, price=10, days=(4, 5))})
    market.bid("mill-a", {"both": Offer(lots={mill: 10, paint: 10}, price=1_000, days=(4, 9))})
    market.clear()
    (package,) = [c.contract for c in market.state.contracts.values() if len(c.contract.items) == 2]
    assert (package.participant, package.payment_minor) == ("mill-a", 1_000)
    assert [
        c.contract.participant for c in market.state.contracts.values() if c.contract.items[0].lot_id == mill
    ] == ["mill-a"]


@pytest.mark.parametrize(("most", "winners"), [(None, {"mill-a", "mill-b"}), (1, {"mill-a"})])
def test_an_order_has_at_most_so_many_suppliers(most: int | None, winners: set[str]) -> None:
    market = Market()
    market.order("o1", plan=ProcessPlan(lots=CHAIN.lots[1:], arcs=CHAIN.arcs[1:]), max_suppliers=most)
    market.tick()
    mill, paint = market.lot("o1", "mill"), market.lot("o1", "paint")
    market.bid(
        "mill-a",
        {
            "m": Offer(lots={mill: 10}, price=100, days=(1, 2)),
            "p": Offer(lots={paint: 10}, price=900, days=(7, 8)),
        },
    )
    market.bid("mill-b", {"p": Offer(lots={paint: 10}, price=100, days=(7, 8))})
    market.clear()
    assert {c.contract.participant for c in market.state.contracts.values()} == winners


def test_a_partial_order_is_served_as_far_as_capacity_goes_and_pays_for_that() -> None:
    market = Market()
    market.order("o1", partial=True, reservation_value_minor=1_000)
    market.order("o2", partial=False)
    market.tick()
    first, second = market.lot("o1", "mill"), market.lot("o2", "mill")
    offers = {
        "a": Offer(lots={first: 10}, unit=50, least=1, uses=(("w", 1, 0, 10),)),
        "b": Offer(lots={second: 10}, unit=50, least=1, uses=(("v", 1, 0, 10),)),
    }
    market.bid("mill-a", offers, capacity={("w", 1): 70, ("v", 1): 70})
    market.clear()
    order = market.order_of("o1")
    assert (order.state, order.pieces, order.charge_minor) == ("awarded", 7, 350)
    assert market.order_of("o2").state == "unserved"
    assert market.contract_of("mill-a").contract.items[0].quantity == 7


def test_a_payment_that_no_charge_can_cover_serves_nobody_and_names_no_other_order() -> None:
    market = closed_market()
    clearing, report = market.solve()
    refusal = "pivots exceed what orders can pay by 50 (somebody's order)"
    unpaid = sealed(replace(clearing, payments=None, charges=None, payment_refusal=refusal))
    market.accept("host", replace(report, result=clearing_to_json(unpaid).decode()))
    order = market.order_of("o1")
    assert order.state == "unserved"
    assert [(reason.code, reason.detail) for reason in order.reasons] == [
        ("not_proven", "no payments under the rule pay_as_bid")
    ]
    assert not market.state.contracts


def test_the_round_is_told_to_those_who_answered_and_each_learns_its_own_part_only() -> None:
    market = closed_market()
    market.clear()
    decided = market.handled[-1].decided
    assert decided is not None
    own = (message for message in decided.outbox if message.channel != "tape")
    told = {message.participant: json.loads(message.body)["body"] for message in own}
    assert set(told) == {"ada", "mill-a", "mill-b"}
    assert (told["mill-a"]["awards"], told["mill-a"]["rejected"]) == ([], ["a"])
    assert [contract["bid_id"] for contract in told["mill-b"]["awards"]] == ["b"]
    assert told["mill-b"]["rejected"] == []
    assert told["ada"]["charge_minor"] == 220


def test_a_loser_learns_about_what_would_have_won_if_the_rules_say_so() -> None:
    """Its own bids only: what others asked and by how much they won stays with them."""
    market = closed_market(tell_estimates=True)
    market.clear()
    decided = market.handled[-1].decided
    assert decided is not None
    told = {m.participant: json.loads(m.body)["body"] for m in decided.outbox if m.channel != "tape"}
    assert [row["bid"] for row in told["mill-a"]["estimates"]] == ["a"]
    assert abs(told["mill-a"]["estimates"][0]["threshold_minor"] - 220) <= 1  # what mill-b asks
    assert told["mill-b"]["estimates"] == []
    assert "estimates" not in told["ada"]


def test_nobody_learns_an_estimate_by_default() -> None:
    market = closed_market()
    market.clear()
    decided = market.handled[-1].decided
    assert decided is not None
    told = [json.loads(m.body)["body"] for m in decided.outbox if m.channel != "tape"]
    assert all(not body.get("estimates") for body in told)


def test_equal_bids_are_ordered_by_the_lottery_and_not_by_name() -> None:
    cast = (*CAST[:3], replace(CAST[3], sites=("bonn",)))
    market = Market(cast=cast)
    keys = [f"o{number}" for number in range(12)]
    for key in keys:
        market.order(key)
    market.tick()
    for participant in ("mill-a", "mill-b"):
        offers = {key: Offer(lots={market.lot(key, "mill"): 10}, price=100) for key in keys}
        market.bid(participant, offers)
    market.clear()
    assert {c.contract.participant for c in market.state.contracts.values()} == {"mill-a", "mill-b"}


# --- eligibility -----------------------------------------------------------------------------

STRICT = ProcessPlan(
    lots=(
        PlannedLot(
            id="mill",
            kind="operation",
            requirement=Requirement(process="milling", material="steel", certificates=("iso-9001",)),
        ),
    )
)


@pytest.mark.parametrize(
    ("plan", "order", "plant", "called"),
    [
        (MILL, {}, {}, True),
        (MILL, {"data_class": "nda"}, {}, False),
        (MILL, {"data_class": "nda"}, {"clearances": ("nda",)}, True),
        (MILL, {"data_class": "restricted"}, {"clearances": ("nda",)}, False),
        (MILL, {"certificates": ("en-9100",)}, {}, False),
        (MILL, {"certificates": ("en-9100",)}, {"certificates": ("en-9100",)}, True),
        (STRICT, {}, {}, False),
        (STRICT, {}, {"certificates": ("iso-9001",)}, True),
        (STRICT, {"certificates": ("en-9100",)}, {"certificates": ("iso-9001",)}, False),
    ],
)
def test_who_is_not_cleared_or_certified_gets_no_lot(
    plan: ProcessPlan, order: Mapping[str, Any], plant: Mapping[str, Any], called: bool
) -> None:
    able = (Capability(process="milling", materials=("any",)),)
    cast = (CAST[0], admission("mill-a", "plant", qualification=Qualification(capabilities=able, **plant)))
    market = Market(cast=cast)
    market.order("o1", plan=plan, **order)
    market.tick()
    assert set(market.round.eligible) == ({"mill-a"} if called else set())
    outbox = [m for handled in market.handled if handled.decided for m in handled.decided.outbox]
    assert [m.participant for m in outbox if m.channel == "cfp"] == (["mill-a"] if called else [])


def test_nobody_is_called_on_its_own_order_nor_out_of_its_role() -> None:
    both = replace(CAST[2], roles=("plant", "customer"))
    market = Market(cast=(*CAST[:2], both, *CAST[3:]))
    market.order("o1", customer="mill-a", plan=CHAIN)
    market.order("o2", customer="ada")
    market.tick()
    lots = market.round.lots
    called = {name: {lots[index].id for index in indices} for name, indices in market.round.eligible.items()}
    steel, mill, paint = (market.lot("o1", name) for name in ("steel", "mill", "paint"))
    assert called == {
        "mill-a": {market.lot("o2", "mill")},
        "mill-b": {market.lot("o2", "mill"), mill, paint},
        "steel-s": {steel},
    }


def test_a_call_tells_no_reservation_value_and_no_customer() -> None:
    market = Market()
    market.order("o1", reservation_value_minor=7_654_321)
    market.tick()
    (calls,) = [h.decided.outbox for h in market.handled if h.told and h.decided]
    for message in calls:
        assert b"7654321" not in message.body
        assert b'"ada"' not in message.body
