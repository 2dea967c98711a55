"""Reports on contracts: whose, numbered how, and what the order makes of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from market.engine.decision import Repeated
from market.model.commands import SuspendParticipant
from takt_sdk.model.messages import Milestone
from takt_sdk.model.values import DAY_US
from tests.unit.market.engine.market import CHAIN, MILL, START_US, Market, Offer, milestone_of


@pytest.fixture
def market() -> Market:
    """Return a market with one contract of mill-a's."""
    market = Market()
    market.order("o1")
    market.tick()
    market.bid("mill-a", {"m": Offer(lots={market.lot("o1", "mill"): 10}, price=300)})
    market.clear()
    return market


def test_anothers_contract_does_not_exist(market: Market) -> None:
    known = market.contract_of("mill-a")
    for sender in ("mill-b", "ada"):
        refusal = market.refuse(sender, milestone_of(known, "confirmed", market.now_us), sequence=1)
        assert (refusal.code, refusal.field, refusal.value) == ("unknown", "contract_id", known.contract.id)
    nothing = replace(milestone_of(known, "confirmed", market.now_us), contract_id="c-none")
    assert market.refuse("mill-a", nothing, sequence=1).code == "unknown"


def test_reports_are_numbered_upwards_once_each(market: Market) -> None:
    known = market.contract_of("mill-a")
    confirmed = milestone_of(known, "confirmed", market.now_us)
    first = market.accept("mill-a", confirmed, sequence=4)
    assert market.reply("mill-a", confirmed, sequence=4) == Repeated(
        position=first.position, subject_id=known.contract.id
    )
    refusal = market.refuse("mill-a", milestone_of(known, "started", market.now_us), sequence=4)
    assert (refusal.code, refusal.field, refusal.value) == ("equivocation", "sequence", "4")
    refusal = market.refuse("mill-a", milestone_of(known, "started", market.now_us), sequence=3)
    assert (refusal.code, refusal.field, refusal.value) == ("sequence", "sequence", "3")
    market.accept("mill-a", milestone_of(known, "started", market.now_us), sequence=9)


BAD: tuple[tuple[dict[str, Any], str, str, str], ...] = (
    ({"at_us": START_US + 300 * DAY_US}, "dates", "at_us", str(START_US + 300 * DAY_US)),
    ({"lot_id": "o-1.paint"}, "unknown", "lot_id", "o-1.paint"),
    ({"quantity": 11}, "invalid", "quantity", "11"),
    ({"milestone": "delivered"}, "state", "milestone", "delivered"),
)


@pytest.mark.parametrize(("changes", "code", "field", "value"), BAD)
def test_a_report_is_held_against_its_contract(
    market: Market, changes: dict[str, Any], code: str, field: str, value: str
) -> None:
    body = replace(milestone_of(market.contract_of("mill-a"), "confirmed", market.now_us), **changes)
    refusal = market.refuse("mill-a", body, sequence=1)
    assert (refusal.code, refusal.field, refusal.value) == (code, field, value)


STEPS: tuple[tuple[Milestone, str, str], ...] = (
    ("confirmed", "confirmed", "confirmed"),
    ("started", "in_production", "in_production"),
    ("progress", "in_production", "in_production"),
    ("finished", "finished", "in_production"),
    ("shipped", "shipped", "shipped"),
    ("delivered", "delivered", "delivered"),
)


def test_the_order_follows_its_contract(market: Market) -> None:
    for milestone, contract, order in STEPS:
        market.report("mill-a", milestone, quantity=4 if milestone == "progress" else 10)
        assert (market.contract_of("mill-a").state, market.order_of("o1").state) == (contract, order)
    assert market.contract_of("mill-a").finished_quantity == 10


def test_an_order_goes_on_when_all_of_its_contracts_have() -> None:
    market = Market()
    market.order("o1", plan=MILL)
    market.tick()
    lot = market.lot("o1", "mill")
    market.bid(
        "mill-a",
        {"m": Offer(lots={lot: 10}, unit=10, least=1, uses=(("w", 1, 0, 10),))},
        capacity={("w", 1): 60},
    )
    market.bid(
        "mill-b",
        {"m": Offer(lots={lot: 10}, unit=10, least=1, uses=(("w", 1, 0, 10),))},
        capacity={("w", 1): 60},
    )
    market.clear()
    assert {c.contract.items[0].quantity for c in market.state.contracts.values()} == {4, 6}
    for milestone, one, both in (
        ("confirmed", "awarded", "confirmed"),
        ("started", "in_production", "in_production"),
        ("finished", "in_production", "in_production"),
        ("shipped", "in_production", "shipped"),
        ("delivered", "shipped", "delivered"),
    ):
        market.report("mill-a", milestone)  # type: ignore[arg-type]
        assert market.order_of("o1").state == one
        market.report("mill-b", milestone)  # type: ignore[arg-type]
        assert market.order_of("o1").state == both


def test_work_may_begin_before_the_others_have_confirmed() -> None:
    market = Market()
    market.order("o1")
    market.tick()
    lot = market.lot("o1", "mill")
    for participant in ("mill-a", "mill-b"):
        offers = {"m": Offer(lots={lot: 10}, unit=10, least=1, uses=(("w", 1, 0, 10),))}
        market.bid(participant, offers, capacity={("w", 1): 60})
    market.clear()
    market.report("mill-a", "confirmed", "started")
    assert market.order_of("o1").state == "awarded"
    market.report("mill-b", "confirmed")
    assert [entry.state for entry in market.order_of("o1").history][-2:] == ["confirmed", "in_production"]


def test_a_delay_moves_the_expected_end(market: Market) -> None:
    market.report("mill-a", "confirmed")
    market.report("mill-a", "delayed", expected_end_us=START_US + 5 * DAY_US)
    known = market.contract_of("mill-a")
    assert (known.state, known.expected_end_us) == ("confirmed", START_US + 5 * DAY_US)
    market.report("mill-a", "started", "finished")
    assert market.contract_of("mill-a").expected_end_us == market.now_us


def test_suspension_stops_no_contract(market: Market) -> None:
    market.accept("operator", SuspendParticipant(participant="mill-a"))
    market.report("mill-a", "confirmed")
    assert market.contract_of("mill-a").state == "confirmed"


def test_no_more_pieces_are_delivered_than_leave_for_the_customer() -> None:
    market = Market()
    market.order("o1", plan=CHAIN)
    market.tick()
    market.bid("steel-s", {"s": Offer(lots={market.lot("o1", "steel"): 20}, price=400, days=(0.5, 1))})
    both = {market.lot("o1", "mill"): 10, market.lot("o1", "paint"): 10}
    market.bid("mill-b", {"both": Offer(lots=both, price=500, days=(4, 9))})
    market.clear()
    market.report("mill-b", "confirmed", "started", "finished", "shipped")
    known = market.contract_of("mill-b")
    refusal = market.refuse("mill-b", milestone_of(known, "delivered", market.now_us, 11), sequence=9)
    assert (refusal.code, refusal.field, refusal.detail) == ("invalid", "quantity", "at most 10")
    market.accept("mill-b", milestone_of(known, "delivered", market.now_us, 10), sequence=9)
