"""After the award: breakdowns, silence, refusals; lots called again beside contracts that are kept."""

from __future__ import annotations

from dataclasses import replace

import pytest

from market.model.rules import Rules
from takt_sdk.model.values import DAY_US, HOUR_US, MINUTE_US
from tests.unit.market.engine.market import (
    CHAIN,
    RULES,
    START_US,
    Market,
    Offer,
    breakdown,
    milestone_of,
)


def chain_market(rules: Rules = RULES) -> Market:
    """Return a market with an order of steel, milling and painting, each won by another company."""
    market = Market(rules=rules)
    market.order("o1", plan=CHAIN)
    market.tick()
    market.bid("steel-s", {"s": Offer(lots={market.lot("o1", "steel"): 20}, price=400, days=(0.5, 1))})
    mill = Offer(lots={market.lot("o1", "mill"): 10}, price=300, days=(4, 5), uses=(("w", 4, 60, 0),))
    market.bid("mill-a", {"m": mill})
    paint = Offer(lots={market.lot("o1", "paint"): 10}, price=200, days=(8, 9), uses=(("w", 8, 60, 0),))
    market.bid("mill-b", {"p": paint})
    market.clear()
    return market


def answer_for_mill(market: Market, participant: str, price: int, days: tuple[float, float]) -> None:
    """Bid on the milling alone; the others have nothing to say."""
    offer = Offer(lots={market.lot("o1", "mill"): 10}, price=price, days=days)
    market.bid(participant, {"again": offer})


def test_a_breakdown_calls_the_lost_lot_again_between_the_contracts_that_are_kept() -> None:
    market = chain_market()
    for participant in ("steel-s", "mill-a", "mill-b"):
        market.report(participant, "confirmed")
    first_charge = market.order_of("o1").charge_minor
    market.days(2)
    market.break_down("mill-a", "w", (3, 6))
    assert market.contract_of("mill-a").state == "at_risk"
    assert market.order_of("o1").state == "at_risk"
    market.days(3)

    (lot,) = market.round.lots
    assert lot.id == market.lot("o1", "mill")
    assert lot.earliest_start_us == START_US + 3 * DAY_US  # the steel was there before, now is later
    assert lot.latest_end_us == START_US + 8 * DAY_US  # the painting begins
    lost = market.contract_of("mill-a").contract.id
    kept = market.contract_of("mill-b").contract
    answer_for_mill(market, "mill-b", 350, (5, 6))
    market.clear()

    order = market.order_of("o1")
    assert order.state == "awarded"
    assert market.state.contracts[lost].state == "ended"
    new = market.contract_of("mill-b").contract
    # Painting stays where it was; transport of the whole order is planned again, now Lyon - Gent - Gent.
    assert market.state.contracts[kept.id].contract.payment_minor == 200
    (steel,) = [c.contract for c in market.state.contracts.values() if c.contract.participant == "steel-s"]
    assert [(s.to_contract, s.to_site) for s in steel.shipments] == [(new.id, "gent")]
    assert [(s.to_contract, s.cost_minor) for s in new.shipments] == [(kept.id, 0)]
    assert order.production_minor == 400 + 350 + 200
    assert order.transport_minor == (10 + 20) + 0 + (10 + 10)
    assert order.charge_minor == order.production_minor + order.transport_minor
    assert first_charge == 400 + 300 + 200 + (10 + 20) + (10 + 10) + (10 + 10)


def test_contracts_that_are_kept_keep_their_payment_under_rules_that_pay_more_than_prices() -> None:
    market = chain_market(replace(RULES, mechanism="core"))
    paid_more = market.contract_of("mill-b").contract.payment_minor
    assert paid_more > 200
    for participant in ("steel-s", "mill-a", "mill-b"):
        market.report(participant, "confirmed")
    market.days(2)
    market.break_down("mill-a", "w", (3, 6))
    market.days(3)
    kept = market.contract_of("mill-b").contract.id
    answer_for_mill(market, "mill-b", 350, (5, 6))
    market.clear()
    order = market.order_of("o1")
    standing = [c.contract for c in market.state.contracts.values() if c.state != "ended"]
    assert market.state.contracts[kept].contract.payment_minor == paid_more
    assert order.production_minor == sum(contract.payment_minor for contract in standing)


def test_what_a_breakdown_does_not_touch_stays() -> None:
    market = chain_market()
    for resource, days in (("other", (3, 6)), ("w", (0, 4)), ("w", (5, 9))):
        market.accept("mill-a", breakdown(resource, days, f"{resource}-{days[0]}"))
    assert {contract.state for contract in market.state.contracts.values()} == {"awarded"}


def test_work_that_has_begun_is_not_put_at_risk() -> None:
    market = chain_market()
    market.report("mill-a", "confirmed", "started")
    market.break_down("mill-a", "w", (3, 6))
    assert market.contract_of("mill-a").state == "in_production"


def test_a_breakdown_told_twice_happens_once_and_told_otherwise_is_equivocation() -> None:
    market = chain_market()
    market.break_down("mill-a", "w", (3, 6))
    reply = market.reply("mill-a", breakdown("w", (3, 6)))
    assert type(reply).__name__ == "Repeated"
    refusal = market.refuse("mill-a", breakdown("w", (3, 7)))
    assert (refusal.code, refusal.field, refusal.value) == ("equivocation", "notice_id", "n1")


@pytest.mark.parametrize("sender", ["ada", "bob"])
def test_a_customer_has_no_resources(sender: str) -> None:
    refusal = chain_market().refuse(sender, breakdown("w", (3, 6)))
    assert (refusal.code, refusal.field, refusal.value) == ("not_allowed", "sender", sender)


def test_a_contract_that_is_not_confirmed_in_time_ends_and_is_called_again() -> None:
    market = chain_market()
    market.report("steel-s", "confirmed")
    market.report("mill-b", "confirmed")
    market.days(0.9)
    assert market.contract_of("mill-a").state == "awarded"
    market.days(1.1)
    assert market.contract_of("mill-a").state == "ended"
    assert market.order_of("o1").state == "reallocating"
    assert [lot.id for lot in market.round.lots] == [market.lot("o1", "mill")]


@pytest.mark.parametrize("stage", [(), ("confirmed",)])
def test_a_refused_contract_ends_and_is_called_again(stage: tuple[str, ...]) -> None:
    market = chain_market()
    market.report("mill-a", *stage, "refused")  # type: ignore[arg-type]
    assert market.contract_of("mill-a").state == "ended"
    assert market.order_of("o1").state == "at_risk"


def test_an_order_that_nobody_saves_expires_and_pays_for_what_is_finished() -> None:
    market = chain_market()
    market.report("steel-s", "confirmed", "started", "finished")
    market.report("mill-b", "confirmed")
    market.report("mill-a", "refused")
    market.days(15)
    order = market.order_of("o1")
    assert (order.state, order.pieces, order.promised_us) == ("expired", 0, None)
    assert (order.charge_minor, order.production_minor, order.transport_minor, order.fee_minor) == (
        400,
        400,
        0,
        0,
    )
    steel = market.contract_of("steel-s")
    assert (steel.state, steel.payment_due_minor) == ("settled", 400)
    assert market.contract_of("mill-b").state == "ended"
    assert market.contract_of("mill-b").payment_due_minor == 0


def test_an_order_that_was_never_awarded_expires_without_a_charge() -> None:
    market = Market()
    market.order("o1", good_for_takts=1000)
    market.days(15)
    order = market.order_of("o1")
    assert (order.state, order.charge_minor, order.production_minor) == ("expired", None, None)


# --- between the close and the decision ------------------------------------------------------


def reallocating_market() -> Market:
    """Return `chain_market` with the milling lost and its new round closed, not yet cleared."""
    market = chain_market()
    market.report("mill-a", "refused")
    market.tick(START_US + 2 * HOUR_US)
    answer_for_mill(market, "mill-a", 350, (5, 6))
    market.close()
    assert market.round.state == "clearing"
    return market


def test_what_contracts_do_after_the_close_does_not_change_the_clearing() -> None:
    market = reallocating_market()
    clearing, report = market.solve()
    steel = market.contract_of("steel-s")
    market.report("steel-s", "confirmed")
    market.accept(
        "steel-s", milestone_of(steel, "delayed", market.now_us, 0, START_US + 9 * DAY_US), sequence=2
    )
    market.report("mill-b", "refused")
    again, _ = market.solve()
    assert again.digest == clearing.digest
    market.accept("host", report)
    assert market.order_of("o1").state == "at_risk", "a contract that the close counted on is lost"


def test_a_contract_lost_while_the_solver_works_is_called_again() -> None:
    market = reallocating_market()
    _, report = market.solve()
    market.report("mill-b", "refused")
    market.accept("host", report)
    market.tick(START_US + 4 * HOUR_US)
    assert market.order_of("o1").state == "reallocating"
    assert [lot.id for lot in market.round.lots] == [market.lot("o1", "paint")]


def test_a_contract_that_times_out_while_the_solver_works_is_called_again() -> None:
    market = reallocating_market()
    _, report = market.solve()
    market.tick(START_US + 2 * DAY_US)  # nobody has confirmed
    market.accept("host", report)
    assert market.order_of("o1").state == "at_risk"


# --- partial orders --------------------------------------------------------------------------


def test_a_partial_order_is_reallocated_for_the_pieces_it_was_awarded() -> None:
    market = Market()
    market.order("o1", plan=CHAIN, partial=True)
    market.tick()
    market.bid("steel-s", {"s": Offer(lots={market.lot("o1", "steel"): 20}, unit=10, least=2, days=(0.5, 1))})
    mill = Offer(lots={market.lot("o1", "mill"): 10}, unit=10, least=1, days=(4, 5), uses=(("w", 4, 0, 10),))
    market.bid("mill-a", {"m": mill}, capacity={("w", 4): 60})
    market.bid("mill-b", {"p": Offer(lots={market.lot("o1", "paint"): 10}, unit=10, least=1, days=(8, 9))})
    market.clear()
    assert market.order_of("o1").pieces == 6
    market.report("mill-a", "refused")
    market.tick(START_US + 2 * HOUR_US)
    (lot,) = market.round.lots
    assert lot.quantity == 6
    market.bid("mill-b", {"m": Offer(lots={lot.id: 6}, price=50, days=(5, 6))})
    market.clear()
    order = market.order_of("o1")
    assert (order.state, order.pieces) == ("awarded", 6)


# --- goods that have left --------------------------------------------------------------------


def delivered_market() -> Market:
    """Return one in which the last lot is shipped and the milling said no more than that it was confirmed."""
    market = chain_market()
    market.report("steel-s", "confirmed", "started", "finished", "shipped")
    market.report("mill-a", "confirmed")
    market.report("mill-b", "confirmed", "started", "finished", "shipped")
    assert market.order_of("o1").state == "shipped"
    return market


def test_nothing_is_lost_once_the_goods_have_left_and_everybody_who_stands_is_paid() -> None:
    market = delivered_market()
    market.break_down("mill-a", "w", (3, 6))
    assert market.contract_of("mill-a").state == "confirmed"
    known = market.contract_of("mill-a")
    refusal = market.refuse("mill-a", milestone_of(known, "refused", market.now_us), sequence=9)
    assert (refusal.code, refusal.state) == ("state", "shipped")
    market.report("mill-b", "delivered")
    market.tick(market.now_us + DAY_US)
    order = market.order_of("o1")
    assert order.state == "settled"
    assert {c.state for c in market.state.contracts.values()} == {"settled"}
    paid = sum(contract.payment_due_minor for contract in market.state.contracts.values())
    assert order.charge_minor == paid + (order.transport_minor or 0) + (order.fee_minor or 0)


def test_an_order_is_settled_after_the_time_for_acceptance() -> None:
    market = Market(rules=replace(RULES, acceptance_us=2 * DAY_US))
    market.order("o1")
    market.tick()
    market.bid("mill-a", {"m": Offer(lots={market.lot("o1", "mill"): 10}, price=300)})
    market.clear()
    market.report("mill-a", "confirmed", "started", "finished", "shipped", "delivered")
    market.tick(market.now_us + 2 * DAY_US - MINUTE_US)
    assert market.order_of("o1").state == "delivered"
    market.tick(market.now_us + MINUTE_US)
    assert market.order_of("o1").state == "settled"
    assert market.contract_of("mill-a").payment_due_minor == 300
