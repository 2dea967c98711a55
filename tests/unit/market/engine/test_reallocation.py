"""At risk and reallocated: what is done stays, what moved is not priced again, who may win the rest."""

from __future__ import annotations

from dataclasses import replace

import pytest

from market.engine.admission import HOST, OPERATOR
from market.engine.resilience import area_lost_ppm, recovery_days, resilience, service_curve
from market.model.contract_commands import ApproveReallocation, NoteSilence
from market.model.contract_rules import ContractRules
from market.model.rules import Rules
from takt_sdk.model.contract import ContractItem
from takt_sdk.model.execution import NotifyDisruption, ReportProgress
from takt_sdk.model.values import DAY_US, HOUR_US, Window
from tests.unit.market.engine.market import RULES, START_US, Market, Offer, milestone_of
from tests.unit.market.engine.test_changes import ask, take
from tests.unit.market.engine.test_disruptions import chain_market

WATCHED = ContractRules(tolerance_us=HOUR_US, recall_at_once=True)


def watched(**changes: object) -> Rules:
    return replace(RULES, contracts=replace(WATCHED, **changes))  # type: ignore[arg-type]


def day(days: float) -> int:
    return START_US + int(days * DAY_US)


def progress(
    market: Market,
    participant: str,
    lot: str,
    done: int,
    *,
    ends: float,
    scrapped: int = 0,
    sure: int = 10**6,
) -> None:
    """Report how far a participant's newest contract is."""
    known = market.contract_of(participant)
    market.accept(
        participant,
        ReportProgress(
            contract_id=known.contract.id,
            lot_id=lot,
            done=done,
            scrapped=scrapped,
            at_us=market.now_us,
            expected_end_us=day(ends),
            confidence_ppm=sure,
        ),
        sequence=max(known.reports, default=0) + 1,
    )


def milling(rules: Rules | None = None, *, done: int = 4) -> Market:
    """Return a chain in which the steel was shipped to mill-a, who has ``done`` of ten pieces on day 4.5."""
    market = chain_market(watched() if rules is None else rules)
    market.report("steel-s", "confirmed", "started", "finished", "shipped")
    market.report("mill-b", "confirmed")
    market.report("mill-a", "confirmed")
    market.days(4)
    market.report("mill-a", "started")
    market.days(4.5)
    if done:
        progress(market, "mill-a", market.lot("o1", "mill"), done, ends=5)
    return market


def break_down(market: Market, until: float = 12) -> None:
    notice = NotifyDisruption(
        notice_id="n-1",
        cause="breakdown",
        effect="capacity_reduction",
        resource="w",
        window=Window(start_us=market.now_us, end_us=day(until)),
    )
    market.accept("mill-a", notice)


def test_what_is_done_stays_and_is_paid_and_the_rest_is_called_at_once() -> None:
    market = milling()
    known = market.contract_of("mill-a")
    break_down(market)
    assert known.state == "finished"
    assert known.contract.items == (ContractItem(lot_id=market.lot("o1", "mill"), quantity=4),)
    assert known.contract.payment_minor == 300 * 4 // 10
    (risk,) = market.state.contracting.risks[market.order_of("o1").order.id]
    assert (risk.cause, risk.source_id) == ("breakdown of w", "n-1")
    assert risk.remaining == ((market.lot("o1", "mill"), 6),)
    market.tick()
    (lot,) = market.round.lots
    assert (lot.id, lot.quantity) == (market.lot("o1", "mill"), 6)


def test_goods_that_moved_lie_where_they_are_and_only_their_new_way_is_priced() -> None:
    market = milling()
    before = market.order_of("o1")
    break_down(market)
    market.tick()
    offer = Offer(lots={market.lot("o1", "mill"): 6}, price=240, days=(5, 6.5))
    market.bid("mill-b", {"again": offer})
    market.clear()
    order = market.order_of("o1")
    assert order.state == "awarded"
    # The steel came from Lyon to Bonn for 10 + 20; 12 of it go on to Gent. Four milled pieces go from
    # Bonn to Gent to be painted, six are there; ten painted ones go from Gent to Bonn.
    assert order.transport_minor == (10 + 20) + (10 + 12) + (10 + 4) + (10 + 10)
    assert order.production_minor == 400 + 120 + 240 + 200
    steel = next(c for c in market.state.contracts.values() if c.contract.participant == "steel-s")
    moved = market.state.contracting.moved[steel.contract.id]
    assert sorted((s.to_site, s.quantity, s.cost_minor) for s in moved) == [("bonn", 8, 0), ("gent", 12, 22)]
    assert market.state.contracting.sunk[order.order.id] == 30 + 22
    assert [reason.code for reason in order.reasons] == ["reallocated"]
    assert before.order.id == order.order.id


def test_an_order_that_was_reallocated_is_settled_and_every_piece_is_paid_once() -> None:
    market = milling()
    break_down(market)
    market.tick()
    market.bid("mill-b", {"again": Offer(lots={market.lot("o1", "mill"): 6}, price=240, days=(5, 6.5))})
    market.clear()
    mill_a = market.contract_of("mill-a")
    market.accept("mill-a", milestone_of(mill_a, "shipped", market.now_us), sequence=9)
    market.report("mill-b", "confirmed", "started", "finished", "shipped")
    paint = next(
        c
        for c in market.state.contracts.values()
        if any(item.lot_id.endswith("paint") for item in c.contract.items)
    )
    for number, step in enumerate(("started", "finished", "shipped", "delivered"), start=5):
        market.accept("mill-b", milestone_of(paint, step, market.now_us), sequence=number)  # type: ignore[arg-type]
    market.tick(market.now_us + 2 * DAY_US)
    order = market.order_of("o1")
    assert order.state == "settled"
    found = {name: value for name, value in market.state.contracting.balances.items() if value}
    assert found == {
        "participant/ada": -(order.charge_minor or 0),
        "participant/steel-s": 400,
        "participant/mill-a": 120,
        "participant/mill-b": 440,
        "carriers": order.transport_minor,
    }


def test_a_repaired_plant_can_win_its_own_work_back() -> None:
    market = milling()
    break_down(market)
    repaired = NotifyDisruption(
        notice_id="n-2",
        cause="breakdown",
        effect="capacity_reduction",
        status="resolved",
        source_id="n-1",
    )
    market.accept("mill-a", repaired)
    assert market.state.contracting.disruptions["n-1"].resolved_us == market.now_us
    assert market.refuse("mill-a", replace(repaired, notice_id="n-3")).state == "resolved"
    market.tick()
    assert "mill-a" in market.round.eligible
    market.bid("mill-a", {"again": Offer(lots={market.lot("o1", "mill"): 6}, price=180, days=(5.5, 6.5))})
    market.clear()
    order = market.order_of("o1")
    assert order.state == "awarded"
    assert market.contract_of("mill-a").contract.items[0].quantity == 6
    assert order.production_minor == 400 + 120 + 180 + 200
    assert order.transport_minor == (10 + 20) + (10 + 4) + (10 + 6) + (10 + 10), "the steel stays in Bonn"


def test_begun_work_that_can_wait_is_left_alone() -> None:
    market = milling()
    break_down(market, until=6)  # it is painted on day 8
    assert market.contract_of("mill-a").state == "in_production"
    assert market.order_of("o1").state == "in_production"


def test_nothing_done_ends_the_contract() -> None:
    market = milling(done=0)
    known = market.contract_of("mill-a")
    break_down(market)
    assert known.state == "ended"
    assert market.order_of("o1").state == "at_risk"


def test_a_forecast_of_lateness_loses_what_is_not_done() -> None:
    market = milling()
    progress(market, "mill-a", market.lot("o1", "mill"), 5, ends=8.5)
    assert market.contract_of("mill-a").contract.items[0].quantity == 5
    (risk,) = market.state.contracting.risks[market.order_of("o1").order.id]
    assert risk.cause == "late beyond tolerance"


def test_a_forecast_without_confidence_goes_by_the_pace_so_far() -> None:
    market = milling()
    market.days(4.75)  # five units good and one scrapped in three quarters of a day; five more make six
    progress(market, "mill-a", market.lot("o1", "mill"), 5, ends=5, scrapped=1, sure=0)
    work = market.state.contracting.work[market.contract_of("mill-a").contract.id]
    assert work[market.lot("o1", "mill")].predicted_end_us == day(4.75 + 0.75)


def test_a_lot_that_is_finished_short_is_paid_and_covered_for_what_is_good() -> None:
    market = milling()
    known = market.contract_of("mill-a")
    market.report("mill-a", "finished", quantity=9)
    assert (known.state, known.contract.payment_minor) == ("finished", 270)
    order = market.order_of("o1")
    assert order.state == "at_risk"
    market.tick()
    assert [(lot.id, lot.quantity) for lot in market.round.lots] == [(market.lot("o1", "mill"), 1)]


def test_a_silent_participant_loses_its_work_and_is_not_called() -> None:
    market = milling()
    known = market.contract_of("mill-a")
    said = NoteSilence(participant="mill-a", last_heard_us=market.now_us)
    market.accept(HOST, said)
    assert known.contract.items[0].quantity == 4
    market.tick()
    assert "mill-a" not in market.round.eligible
    assert not market.accept(HOST, said).events, "told again, nothing happens"
    market.accept(HOST, replace(said, silent=False))
    assert not market.state.contracting.silent


def test_a_silent_participants_unstarted_work_is_a_breach() -> None:
    market = chain_market(watched(breach_ppm=100_000))
    market.report("mill-a", "confirmed")
    market.accept(HOST, NoteSilence(participant="mill-a", last_heard_us=market.now_us))
    assert market.contract_of("mill-a").state == "ended"
    assert market.state.contracting.balances["participant/mill-a"] == -30


# --- lanes -----------------------------------------------------------------------------------


def lane(status: str = "open", **changes: object) -> NotifyDisruption:
    fields: dict[str, object] = {
        "notice_id": f"lane-{status}",
        "cause": "logistics",
        "effect": "lane_closed",
        "status": status,
    }
    if status == "open":
        fields |= {"lane_source": "bonn", "lane_target": "gent"}
    else:
        fields |= {"source_id": "lane-open"}
    return NotifyDisruption(**{**fields, **changes})  # type: ignore[arg-type]


def state_of(market: Market) -> str:
    return str(market.order_of("o1").state)


def test_goods_that_no_lane_takes_in_time_are_at_risk_until_one_does() -> None:
    market = chain_market(watched())
    for participant in ("steel-s", "mill-a", "mill-b"):
        market.report(participant, "confirmed")
    network = market.state.network
    market.accept(OPERATOR, lane())
    assert state_of(market) == "confirmed", "there is a way round by Lyon, and time for it"
    market.accept(OPERATOR, lane(notice_id="lane-2", lane_target="lyon"))
    assert state_of(market) == "at_risk"
    market.tick()
    assert not market.round.lots, "nothing has to be made again"
    market.clear()
    assert state_of(market) == "at_risk"
    market.accept(OPERATOR, lane("resolved"))
    market.tick(market.now_us + HOUR_US)
    market.clear()
    assert state_of(market) == "awarded"
    market.accept(OPERATOR, lane("resolved", notice_id="lane-3", source_id="lane-2"))
    assert set(market.state.network.lanes) == set(network.lanes)


def test_goods_that_arrived_while_their_order_was_at_risk_are_delivered_and_cost_no_more() -> None:
    market = chain_market(watched())
    for participant in ("steel-s", "mill-a", "mill-b"):
        market.report(participant, "confirmed")
    charge = market.order_of("o1").charge_minor
    market.days(1)
    market.report("steel-s", "started", "finished", "shipped")
    market.days(5)
    market.report("mill-a", "started", "finished", "shipped")
    market.days(8)
    market.report("mill-b", "started")
    for target in ("bonn", "lyon"):
        market.accept(OPERATOR, lane(notice_id=f"to-{target}", lane_source="gent", lane_target=target))
    assert state_of(market) == "at_risk"
    market.days(9)
    market.report("mill-b", "finished", "shipped", "delivered")
    market.clear()
    assert state_of(market) == "at_risk", "at the close the goods had not left, and no lane takes them"
    market.tick(market.now_us + HOUR_US)
    assert not market.round.lots, "nothing has to be made again"
    market.clear()
    assert state_of(market) == "delivered", "nobody has anything left to report"
    assert market.order_of("o1").charge_minor == charge, "steel that was used up goes nowhere any more"


def test_a_slower_lane_puts_at_risk_what_would_come_too_late() -> None:
    market = chain_market(watched())
    slower = lane(effect="lane_slower", transit_minutes=24 * 60)
    market.accept(OPERATOR, slower)
    assert state_of(market) == "awarded", "milled goods wait for three days anyway"
    market.accept(OPERATOR, replace(slower, notice_id="lane-4", transit_minutes=4 * 24 * 60))
    assert state_of(market) == "at_risk"


def test_a_lane_that_nobody_needs_puts_nobody_at_risk() -> None:
    market = chain_market(watched())
    market.accept(OPERATOR, lane(lane_source="gent", lane_target="lyon"))
    assert market.order_of("o1").state == "awarded"
    assert len(market.state.network.lanes) == 5


# --- rules of giving way ---------------------------------------------------------------------


def test_a_human_approves_what_is_above_the_limit() -> None:
    market = milling(watched(approve_above_minor=100))
    break_down(market)
    order_id = market.order_of("o1").order.id
    market.tick()
    assert state_of(market) == "awaiting_approval"
    market.accept(OPERATOR, ApproveReallocation(order_id=order_id))
    market.tick()
    assert state_of(market) == "reallocating"
    refusal = market.refuse(OPERATOR, ApproveReallocation(order_id=order_id))
    assert (refusal.code, refusal.state) == ("state", "reallocating")


def test_a_human_ends_what_is_not_worth_it() -> None:
    market = milling(watched(approve_above_minor=100))
    break_down(market)
    order = market.order_of("o1")
    market.accept(OPERATOR, ApproveReallocation(order_id=order.order.id, approve=False))
    assert order.state == "cancelled"
    # What is done is paid, what moved too.
    balances = market.state.contracting.balances
    assert (balances["participant/steel-s"], balances["participant/mill-a"]) == (400, 120)
    assert balances["participant/ada"] == -(400 + 120 + 30)


def test_work_that_is_lost_while_a_round_is_cleared_ships_no_more_than_is_done() -> None:
    market = milling()
    market.report("mill-b", "refused")
    market.tick()
    paint = Offer(lots={market.lot("o1", "paint"): 10}, price=200, days=(8, 9))
    market.bid("mill-b", {"again": paint})
    market.close()
    _, report = market.solve()
    market.accept(HOST, NoteSilence(participant="mill-a", last_heard_us=market.now_us))
    market.accept(HOST, report)
    known = market.contract_of("mill-a")
    assert (state_of(market), known.state) == ("at_risk", "finished")
    assert (known.contract.items[0].quantity, known.contract.shipments) == (4, ())


def test_unstarted_work_behind_a_gap_is_released_after_failed_rounds() -> None:
    market = milling(watched(release_after=2, cancel_confirmed_ppm=100_000))
    break_down(market)
    for _ in range(2):
        assert market.contract_of("mill-b").state == "confirmed"
        market.tick(market.now_us + HOUR_US)
        market.clear()
    assert market.contract_of("mill-b").state == "at_risk"
    assert market.state.contracting.balances["participant/mill-b"] == 20
    market.tick(market.now_us + HOUR_US)
    wanted = {lot.id: lot.quantity for lot in market.round.lots}
    assert wanted == {market.lot("o1", "mill"): 6, market.lot("o1", "paint"): 10}


def test_work_for_a_later_order_gives_way_only_where_the_rules_say_so() -> None:
    for after in (0, 1):
        market = milling(watched(preempt_after=after, cancel_confirmed_ppm=100_000))
        market.order("o2", customer="bob", due_us=day(13))
        market.tick(market.now_us + HOUR_US)
        market.bid("mill-b", {"m": Offer(lots={market.lot("o2", "mill"): 10}, price=100, days=(5, 6))})
        market.clear()
        market.report("mill-b", "confirmed")
        break_down(market)
        market.tick(market.now_us + HOUR_US)
        market.clear()
        gives_way = market.contract_of("mill-b").state == "at_risk"
        assert gives_way == bool(after)
        assert market.order_of("o2").state == ("at_risk" if after else "confirmed")
        if after:
            assert market.state.contracting.balances["participant/ada"] == -10
            assert market.state.contracting.balances["participant/mill-b"] == 10


def test_nothing_gives_way_to_an_order_that_is_cancelled() -> None:
    market = milling(watched(preempt_after=1, cancel_confirmed_ppm=100_000))
    market.order("o2", customer="bob", due_us=day(13))
    market.tick(market.now_us + HOUR_US)
    market.bid("mill-b", {"m": Offer(lots={market.lot("o2", "mill"): 10}, price=100, days=(5, 6))})
    market.clear()
    market.report("mill-b", "confirmed")
    break_down(market)
    market.tick(market.now_us + HOUR_US)
    market.close()
    take(market, ask(market, cancel=True))
    market.clear()
    assert (state_of(market), market.order_of("o2").state) == ("cancelled", "confirmed")


def test_everything_is_the_same_after_a_restart() -> None:
    market = milling()
    break_down(market)
    market.tick()
    before = market.state
    market.restart()
    assert market.state == before


@pytest.mark.parametrize("sender", ["ada", "mill-a"])
def test_only_the_operator_tells_of_lanes(sender: str) -> None:
    market = chain_market(watched())
    refusal = market.refuse(sender, lane())
    assert (refusal.code, refusal.field, refusal.value) == ("not_allowed", "sender", sender)


def test_the_figures_of_a_reallocation() -> None:
    market = milling()
    market.now_us = day(4.6)
    notice = NotifyDisruption(
        notice_id="n-1",
        cause="breakdown",
        effect="capacity_reduction",
        resource="w",
        window=Window(start_us=day(4.5), end_us=day(12)),
    )
    market.accept("mill-a", notice)
    before = market.order_of("o1").charge_minor or 0
    market.tick(day(4.7))
    market.bid("mill-b", {"again": Offer(lots={market.lot("o1", "mill"): 6}, price=240, days=(5, 6.5))})
    market.clear()
    found = resilience(market.state)
    assert (found.risks, found.awarded) == (1, 1)
    assert found.detection_us == day(4.6) - day(4.5)
    assert found.award_us == market.now_us - day(4.6)
    assert found.extra_minor == (market.order_of("o1").charge_minor or 0) - before


def test_service_is_what_was_there_of_what_was_owed_in_the_last_days() -> None:
    curve = service_curve([(day(0), day(0)), (day(0.5), day(3)), (day(1), None)])
    assert curve == [(1, 1), (1, 3), (1, 3), (2, 3), (2, 3), (2, 3), (2, 3), (1, 2)]
    assert service_curve([(day(0), day(0)), (day(0.5), day(3))], until_us=day(1.2)) == [(1, 1), (1, 2)]
    assert recovery_days(curve) == 7
    assert area_lost_ppm([(1, 2), (0, 0), (3, 4)]) == 750_000
    assert service_curve([]) == []


def test_late_days_count_until_the_goods_are_there_or_the_deadline() -> None:
    market = milling()
    assert resilience(market.state).late_us == 0
    market.days(12)
    found = resilience(market.state)
    assert (found.late_us, found.recovery_days) == (2 * DAY_US, 3)
    market.days(30)
    assert resilience(market.state).late_us == 4 * DAY_US
