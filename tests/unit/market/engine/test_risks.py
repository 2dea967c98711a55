"""Each loss has a risk of its own, also in an order at risk; a promise answers those that it makes good."""

from __future__ import annotations

from dataclasses import replace

from market.adapters.codec import state_digest
from market.engine.admission import HOST, OPERATOR
from market.engine.contracting import Risk
from market.model.contract_commands import ApproveReallocation, NoteSilence
from market.model.contract_events import PromiseChanged
from market.model.contract_rules import ContractRules
from takt_sdk.model.values import HOUR_US
from tests.unit.market.engine.market import CAST, CHAIN, RULES, Market, Offer, admission, breakdown
from tests.unit.market.engine.test_reallocation import day, progress

BACKED = ContractRules(backups=2, tolerance_us=HOUR_US, recall_at_once=True)


def chain(*, stands_by: bool = True, **changes: object) -> Market:
    """Return a chain: steel-s in Lyon, mill-a in Bonn, mill-b paints in Gent; mill-c and mill-d stand by."""
    rules = replace(RULES, contracts=replace(BACKED, **changes))  # type: ignore[arg-type]
    more = (admission("mill-c", "plant", site="gent"), admission("mill-d", "plant", site="lyon"))
    market = Market(rules=rules, cast=(*CAST, *more))
    market.order("o1", plan=CHAIN)
    market.tick()
    mill, paint = market.lot("o1", "mill"), market.lot("o1", "paint")
    market.bid("steel-s", {"s": Offer(lots={market.lot("o1", "steel"): 20}, price=400, days=(0.5, 1))})
    market.bid("mill-a", {"m": Offer(lots={mill: 10}, price=300, days=(4, 5), uses=(("w", 4, 60, 0),))})
    market.bid("mill-b", {"p": Offer(lots={paint: 10}, price=200, days=(8, 9), uses=(("w", 8, 60, 0),))})
    market.bid("mill-c", {"m2": Offer(lots={mill: 10}, price=320, days=(5, 6))}, stands_by=stands_by)
    market.bid("mill-d", {"p2": Offer(lots={paint: 10}, price=250, days=(8, 9))}, stands_by=stands_by)
    market.clear()
    return market


def risks_of(market: Market) -> list[Risk]:
    return market.state.contracting.risks[market.order_of("o1").order.id]


def other_round(market: Market) -> None:
    """Let a round for another order be under way."""
    market.order("o2")
    market.tick(market.now_us + HOUR_US)


def ids(market: Market, *participants: str) -> list[tuple[str, ...]]:
    return [(market.contract_of(name).contract.id,) for name in participants]


def test_a_second_loss_has_a_risk_of_its_own_and_both_places_are_taken() -> None:
    market = chain()
    other_round(market)
    lost = ids(market, "mill-a", "mill-b")
    market.accept("mill-a", breakdown("w", (4, 5)))
    market.accept("mill-b", breakdown("w", (8, 9)))
    first, second = risks_of(market)
    assert [first.lost, second.lost] == lost
    assert [first.value_minor, second.value_minor] == [300, 200]
    mill, paint = market.lot("o1", "mill"), market.lot("o1", "paint")
    assert [first.remaining, second.remaining] == [((mill, 10),), ((mill, 10), (paint, 10))]
    market.clear()
    market.tick()
    order = market.order_of("o1")
    assert order.state == "awarded"
    assert {market.contract_of(name).state for name in ("mill-c", "mill-d")} == {"awarded"}
    assert order.production_minor == 400 + 320 + 250
    assert [risk.awarded_us for risk in risks_of(market)] == [market.now_us] * 2
    assert first.extra_minor > 0 == second.extra_minor, "the first bears what both cost"
    (changed,) = (e for handled in market.handled for e in handled.events if isinstance(e, PromiseChanged))
    assert changed.cause == "breakdown of w"


def test_reasons_that_differ_are_all_told() -> None:
    market = chain()
    other_round(market)
    market.accept("mill-a", breakdown("w", (4, 5)))
    market.accept(HOST, NoteSilence(participant="mill-b", last_heard_us=market.now_us))
    market.clear()
    market.tick()
    assert market.order_of("o1").reasons[0].detail == "breakdown of w; heartbeat missed"


def test_a_loss_in_the_round_that_calls_another_is_noted_and_filled_after_it() -> None:
    market = chain(backups=1)
    lost_steel = ids(market, "steel-s")
    market.report("steel-s", "refused")
    market.tick()
    assert market.order_of("o1").state == "reallocating", "nobody stands by for steel"
    steel = market.lot("o1", "steel")
    market.bid("steel-s", {"s2": Offer(lots={steel: 20}, price=410, days=(0.5, 1))})
    market.close()
    _, report = market.solve()
    lost_mill = ids(market, "mill-a")
    market.accept("mill-a", breakdown("w", (4, 5)))
    assert market.order_of("o1").state == "reallocating"
    assert [risk.lost for risk in risks_of(market)] == [*lost_steel, *lost_mill]
    market.accept(HOST, report)
    assert market.order_of("o1").state == "at_risk", "the award counted on what is lost"
    first, second = risks_of(market)
    assert (first.awarded_us, second.awarded_us) == (market.now_us, None)
    market.tick()
    order, new = market.order_of("o1"), market.contract_of("mill-c").contract
    assert (order.state, new.payment_minor) == ("awarded", 320)
    supplied = next(c for c in market.state.contracts.values() if c.contract.bid_id == "s2").contract
    assert [(s.to_contract, s.to_site) for s in supplied.shipments] == [(new.id, "gent")]
    paint = market.contract_of("mill-b").contract
    assert [s.to_contract for s in new.shipments] == [paint.id]
    moving = sum(s.cost_minor for c in (supplied, new, paint) for s in c.shipments)
    assert order.transport_minor == moving
    assert order.production_minor == 410 + 320 + 200
    assert second.awarded_us == market.now_us
    before = state_digest(market.state)
    market.restart()
    assert state_digest(market.state) == before


def test_losses_below_the_limit_wait_for_a_human_once_they_are_above_it_together() -> None:
    market = chain(stands_by=False, approve_above_minor=400)
    other_round(market)
    market.accept("mill-a", breakdown("w", (4, 5)))
    assert market.order_of("o1").state == "at_risk"
    market.accept("mill-b", breakdown("w", (8, 9)))
    assert market.order_of("o1").state == "awaiting_approval"
    assert [risk.held_us for risk in risks_of(market)] == [market.now_us] * 2
    market.accept(OPERATOR, ApproveReallocation(order_id=market.order_of("o1").order.id))
    market.report("steel-s", "refused")
    assert market.order_of("o1").state == "at_risk", "what was approved is not asked for again"


def test_what_is_lost_in_a_round_that_fails_waits_for_a_human_after_it() -> None:
    market = chain(stands_by=False, approve_above_minor=400)
    market.accept("mill-a", breakdown("w", (4, 5)))
    market.tick()
    market.accept("mill-b", breakdown("w", (8, 9)))
    assert market.order_of("o1").state == "reallocating"
    market.clear()
    assert market.order_of("o1").state == "awaiting_approval"


def test_what_gives_way_by_rule_and_what_ends_with_its_order_is_no_further_loss() -> None:
    market = chain(stands_by=False, release_after=1)
    market.accept("mill-a", breakdown("w", (4, 5)))
    market.tick()
    market.clear()
    assert market.contract_of("mill-b").state == "at_risk", "released"
    assert len(risks_of(market)) == 1
    market.days(15)
    assert market.order_of("o1").state == "expired"
    assert len(risks_of(market)) == 1


def test_a_new_forecast_of_late_work_is_no_further_loss() -> None:
    market = chain(stands_by=False, keep_late=True)
    for name in ("steel-s", "mill-a", "mill-b"):
        market.report(name, "confirmed")
    market.report("steel-s", "started", "finished", "shipped", "delivered")
    market.days(4)
    market.report("mill-a", "started", "finished", "shipped", "delivered")
    market.days(8)
    market.report("mill-b", "started")
    paint = market.lot("o1", "paint")
    progress(market, "mill-b", paint, 1, ends=12)
    progress(market, "mill-b", paint, 1, ends=13)
    assert market.state.contracting.contested
    (risk,) = risks_of(market)
    assert (risk.cause, risk.at_us) == ("late beyond tolerance", day(8))
