"""Losing bids that stand by: recorded by rule and consent, awarded without a call where they still fit."""

from __future__ import annotations

from dataclasses import replace

from market.adapters.codec import state_digest
from market.engine.admission import HOST, OPERATOR
from market.engine.outbox import outgoing
from market.engine.state import ContractRecord
from market.model.commands import (
    AdmitParticipant,
    PauseMarket,
    PublishNetwork,
    ResumeMarket,
    SuspendParticipant,
    VoidClearing,
)
from market.model.contract_commands import NoteSilence
from market.model.contract_events import BackupAwarded, BackupsRecorded, LedgerPosted
from market.model.contract_rules import ContractRules
from takt_sdk.model.capability import Capability, Qualification, Requirement
from takt_sdk.model.execution import NotifyDisruption
from takt_sdk.model.messages import ContractAmended, OrderNotice, RoundResult
from takt_sdk.model.plan import PlannedLot, ProcessPlan
from takt_sdk.model.values import DAY_US, HOUR_US, MINUTE_US, Window
from tests.unit.market.engine.market import (
    CAST,
    CHAIN,
    RULES,
    START_US,
    Market,
    Offer,
    admission,
    cancellation,
)
from tests.unit.market.engine.test_changes import ask, take

BACKED = ContractRules(backups=2, tolerance_us=HOUR_US, recall_at_once=True, breach_ppm=100_000)
SOON = START_US + 3 * DAY_US


def backed_market(*, stands_by: bool = True, expires_us: int = SOON, **changes: object) -> Market:
    """Return an order of milling that mill-a won for 300, mill-b standing by for 350 and, later, for 360."""
    rules = replace(RULES, contracts=replace(BACKED, **changes))  # type: ignore[arg-type]
    market = Market(rules=rules, cast=(*CAST, admission("mill-c", "plant", site="gent")))
    market.order("o1", lateness_penalty_minor_per_day=20)
    market.tick()
    lot = market.lot("o1", "mill")
    market.bid("mill-a", {"a": Offer(lots={lot: 10}, price=300, days=(4, 5), uses=(("w", 4, 60, 0),))})
    offers = {
        "b": Offer(lots={lot: 10}, price=350, days=(4, 5), uses=(("w", 4, 60, 0),)),
        "later": Offer(lots={lot: 10}, price=360, days=(8, 9), uses=(("w", 8, 60, 0),)),
        "short": Offer(lots={lot: 9}, price=1, days=(4, 5)),
    }
    market.bid("mill-b", offers, stands_by=stands_by, expires_us=expires_us)
    market.clear()
    return market


def contract_of_bid(market: Market, bid: str) -> ContractRecord:
    return next(c for c in market.state.contracts.values() if c.contract.bid_id == bid)


def refused(market: Market) -> None:
    """Let mill-a refuse, and time pass until nothing is due."""
    market.report("mill-a", "refused")
    market.tick()


def test_a_winner_that_refuses_is_replaced_by_the_backup_that_costs_least() -> None:
    market = backed_market()
    refused(market)
    order = market.order_of("o1")
    new = contract_of_bid(market, "b").contract
    assert (order.state, len(market.state.rounds)) == ("awarded", 1), "nobody was called"
    assert (new.participant, new.payment_minor, new.start_us) == ("mill-b", 350, START_US + 4 * DAY_US)
    assert order.production_minor == 350
    assert order.transport_minor == 10 + 10  # from Gent to Bonn
    assert order.charge_minor == 370
    assert order.promised_us == START_US + 5 * DAY_US + HOUR_US
    assert order.reasons[0].code == "reallocated"
    (risk,) = market.state.contracting.risks[order.order.id]
    assert (risk.awarded_us, risk.extra_minor) == (market.now_us, 70)


def test_a_confirm_limit_that_passes_awards_the_backup_and_the_breach_is_booked() -> None:
    market = backed_market()
    market.days(1.5)
    order = market.order_of("o1")
    assert contract_of_bid(market, "a").state == "ended"
    assert (order.state, contract_of_bid(market, "b").state) == ("awarded", "awarded")
    assert market.state.contracting.balances["participant/mill-a"] == -30
    market.report("mill-b", "confirmed")
    market.days(4)
    market.report("mill-b", "started", "finished", "shipped", "delivered")
    market.days(8)
    assert order.state == "settled"
    assert {name: value for name, value in market.state.contracting.balances.items() if value} == {
        "participant/ada": 30 - 370,
        "participant/mill-a": -30,
        "participant/mill-b": 350,
        "carriers": 20,
    }


def test_the_award_is_journaled_with_its_reason_and_told_to_whom_it_concerns() -> None:
    market = backed_market()
    market.report("mill-a", "refused")
    market.tick()
    handled = next(h for h in market.handled if any(isinstance(e, BackupAwarded) for e in h.events))
    (awarded,) = (e for e in handled.events if isinstance(e, BackupAwarded))
    assert awarded.cause == "a contract was refused"
    lost, new = contract_of_bid(market, "a").contract.id, contract_of_bid(market, "b").contract.id
    assert awarded.replaced == ((lost, new),)
    told = outgoing(market.state, handled.events, 99)
    (result,) = (message for message in told if isinstance(message.body, RoundResult))
    assert result.participant == "mill-b"
    assert isinstance(result.body, RoundResult)
    assert [contract.id for contract in result.body.awards] == [new]
    (notice,) = (message.body for message in told if isinstance(message.body, OrderNotice))
    assert (notice.state, notice.charge_minor) == ("awarded", 370)
    assert not any(isinstance(event, LedgerPosted) for event in handled.events)


def test_a_bidder_is_told_that_it_stands_by_and_nobody_else() -> None:
    market = backed_market()
    published = next(h for h in market.handled if any(isinstance(e, BackupsRecorded) for e in h.events))
    results = {
        message.participant: message.body
        for message in outgoing(market.state, published.events, 9)
        if isinstance(message.body, RoundResult)
    }
    assert results["mill-b"].standing_by == ("b", "later")
    assert results["mill-a"].standing_by == ()


def test_without_consent_or_without_the_rule_the_lots_are_called_again() -> None:
    for market in (backed_market(stands_by=False), backed_market(backups=0)):
        assert not market.state.contracting.backups
        refused(market)
        assert market.order_of("o1").state == "reallocating"
        assert len(market.state.rounds) == 2


def test_only_so_many_stand_by_the_cheapest_first() -> None:
    market = backed_market(backups=1)
    (known,) = market.state.contracting.backups[market.order_of("o1").order.id]
    assert known.contract.bid_id == "b"


def test_a_bid_that_has_expired_or_would_begin_in_the_past_does_not_stand_by() -> None:
    market = backed_market(expires_us=START_US + HOUR_US)
    market.days(0.5)
    refused(market)
    assert market.order_of("o1").state == "reallocating"
    market = backed_market(expires_us=START_US + 9 * DAY_US)
    market.report("mill-a", "confirmed")
    market.days(4.5)
    refused(market)
    assert contract_of_bid(market, "later").state == "awarded", "the sooner one would begin on day 4"


def test_a_bidder_that_was_awarded_the_capacity_meanwhile_is_passed_by() -> None:
    market = backed_market()
    market.report("mill-a", "confirmed")
    market.order("o2")
    market.tick(market.now_us + HOUR_US)
    other = Offer(lots={market.lot("o2", "mill"): 10}, price=100, days=(4, 5), uses=(("w", 4, 450, 0),))
    market.bid("mill-b", {"o2": other})
    market.clear()
    refused(market)
    assert contract_of_bid(market, "later").state == "awarded", "on day 4 only 30 minutes are left"


def test_a_bidder_that_is_gone_or_down_is_passed_by() -> None:
    suspended = SuspendParticipant(participant="mill-b", reason="test")
    silent = NoteSilence(participant="mill-b", last_heard_us=START_US)
    for sender, command in ((OPERATOR, suspended), (HOST, silent)):
        market = backed_market()
        market.accept(sender, command)
        refused(market)
        assert market.order_of("o1").state == "reallocating"


def test_a_breakdown_takes_those_away_that_need_the_resource_then() -> None:
    market = backed_market()
    market.break_down("mill-b", "w", (4, 6))
    refused(market)
    assert contract_of_bid(market, "later").state == "awarded"
    market = backed_market()
    notice = NotifyDisruption(
        notice_id="n-1",
        cause="breakdown",
        effect="capacity_reduction",
        resource="w",
        window=Window(start_us=SOON, end_us=START_US + 9 * DAY_US),
    )
    market.accept("mill-b", notice)
    refused(market)
    assert market.order_of("o1").state == "reallocating"


def test_while_a_round_is_under_way_the_backup_waits_for_its_end() -> None:
    market = backed_market()
    market.report("mill-a", "confirmed")
    market.order("o2")
    market.tick(market.now_us + HOUR_US)
    refused(market)
    assert market.order_of("o1").state == "at_risk"
    market.clear()
    market.tick()
    assert (market.order_of("o1").state, contract_of_bid(market, "b").state) == ("awarded", "awarded")


def test_a_paused_market_awards_nothing() -> None:
    market = backed_market()
    market.accept(OPERATOR, PauseMarket(reason="test"))
    refused(market)
    assert market.order_of("o1").state == "at_risk"
    market.accept(OPERATOR, ResumeMarket(reason="test"))
    market.tick()
    assert market.order_of("o1").state == "awarded"


def test_backups_of_a_clearing_that_is_taken_back_and_of_orders_that_end_are_dropped() -> None:
    market = backed_market()
    market.accept(OPERATOR, VoidClearing(round_id=market.round.id, reason="test"))
    assert not market.state.contracting.backups
    market = backed_market()
    market.days(15)
    assert not market.order_of("o1").is_open
    assert not market.state.contracting.backups


def test_a_charge_above_the_customers_limit_is_not_awarded() -> None:
    rules = replace(RULES, contracts=BACKED)
    market = Market(rules=rules)
    market.order("o1", reservation_value_minor=360)
    market.tick()
    lot = market.lot("o1", "mill")
    market.bid("mill-a", {"a": Offer(lots={lot: 10}, price=300, days=(4, 5))})
    market.bid("mill-b", {"b": Offer(lots={lot: 10}, price=350, days=(4, 5))}, stands_by=True)
    market.clear()
    refused(market)
    assert market.order_of("o1").state == "reallocating"


def test_a_bid_that_stands_by_for_two_contracts_takes_the_place_of_one_only() -> None:
    rules = replace(RULES, contracts=BACKED)
    market = Market(rules=rules, cast=(*CAST, admission("mill-c", "plant")))
    market.order("o1")
    market.tick()
    lot = market.lot("o1", "mill")
    half = Offer(lots={lot: 5}, unit=30, least=5, days=(4, 5))
    market.bid("mill-a", {"a": half})
    market.bid("mill-c", {"c": half})
    market.bid("mill-b", {"b": Offer(lots={lot: 10}, unit=40, least=1, days=(4, 5))}, stands_by=True)
    market.clear()
    order_id = market.order_of("o1").order.id
    assert [known.contract.bid_id for known in market.state.contracting.backups[order_id]] == ["b", "b"]
    market.days(1.5)  # neither has confirmed
    assert market.order_of("o1").state == "reallocating"
    assert len(market.state.contracts) == 2


def test_what_its_customer_has_made_smaller_since_is_called() -> None:
    market = backed_market()
    take(market, ask(market, quantity=5))
    refused(market)
    assert market.order_of("o1").state == "reallocating"
    assert [lot.quantity for lot in market.round.lots] == [5]


def test_nobody_stands_by_for_an_order_that_was_cancelled_while_it_was_cleared() -> None:
    market = Market(rules=replace(RULES, contracts=BACKED))
    market.order("o1")
    market.tick()
    lot = market.lot("o1", "mill")
    market.bid("mill-a", {"a": Offer(lots={lot: 10}, price=300, days=(4, 5))})
    market.bid("mill-b", {"b": Offer(lots={lot: 10}, price=350, days=(4, 5))}, stands_by=True)
    market.close()
    _, report = market.solve()
    market.accept("ada", cancellation(market.order_of("o1").order.id))
    market.accept(HOST, report)
    assert market.order_of("o1").state == "cancelled"
    assert not market.state.contracting.backups


def test_the_state_with_backups_survives_a_restart() -> None:
    market = backed_market()
    before = state_digest(market.state)
    market.restart()
    assert state_digest(market.state) == before
    refused(market)
    before = state_digest(market.state)
    market.restart()
    assert state_digest(market.state) == before
    assert contract_of_bid(market, "b").state == "awarded"


# --- chains ----------------------------------------------------------------------------------


CASTING = Qualification(capabilities=(Capability(process="casting", materials=("any",)),))
CAST_PLAN = ProcessPlan(
    lots=(
        PlannedLot(
            id="cast",
            kind="operation",
            requirement=Requirement(process="casting", material="steel"),
            run_time_us=MINUTE_US,
        ),
    )
)


def backed_chain(*, more: tuple[AdmitParticipant, ...] = (), **changes: object) -> Market:
    """Return a chain whose milling mill-a won in Bonn, with mill-c in Gent standing by."""
    rules = replace(RULES, contracts=replace(BACKED, **changes))  # type: ignore[arg-type]
    market = Market(rules=rules, cast=(*CAST, admission("mill-c", "plant", site="gent"), *more))
    market.order("o1", plan=CHAIN)
    market.tick()
    market.bid("steel-s", {"s": Offer(lots={market.lot("o1", "steel"): 20}, price=400, days=(0.5, 1))})
    mill = market.lot("o1", "mill")
    market.bid("mill-a", {"m": Offer(lots={mill: 10}, price=300, days=(4, 5))})
    fits = Offer(lots={mill: 10}, unit=32, least=4, days=(5, 6))
    market.bid("mill-c", {"fits": fits}, stands_by=True)
    market.bid("mill-b", {"p": Offer(lots={market.lot("o1", "paint"): 10}, price=200, days=(8, 9))})
    market.clear()
    return market


def test_a_backup_takes_over_the_goods_and_the_ways_of_who_it_replaces() -> None:
    market = backed_chain()
    refused(market)
    order = market.order_of("o1")
    new = contract_of_bid(market, "fits").contract
    steel = market.contract_of("steel-s").contract
    paint = contract_of_bid(market, "p").contract
    assert [(s.to_contract, s.to_site) for s in steel.shipments] == [(new.id, "gent")]
    assert [(s.to_contract, s.cost_minor) for s in new.shipments] == [(paint.id, 0)]
    assert order.production_minor == 400 + 320 + 200
    assert order.transport_minor == (10 + 20) + 0 + (10 + 10)
    amended = [
        message.participant
        for handled in market.handled
        if any(isinstance(event, BackupAwarded) for event in handled.events)
        for message in outgoing(market.state, handled.events, 9)
        if isinstance(message.body, ContractAmended)
    ]
    assert amended == ["steel-s"]


def test_goods_that_have_left_for_who_was_lost_go_on_to_its_backup() -> None:
    market = backed_chain()
    market.report("steel-s", "confirmed", "started", "finished", "shipped")
    refused(market)
    order, steel = market.order_of("o1"), market.contract_of("steel-s").contract
    new = contract_of_bid(market, "fits").contract
    assert order.state == "awarded"
    (shipment,) = steel.shipments
    assert (shipment.to_contract, shipment.to_site) == (new.id, "gent")
    assert shipment.transit_minutes == 60 + 60, "by way of Bonn"
    assert shipment.cost_minor == 10 + 20, "the way from Bonn alone"
    assert order.transport_minor == (10 + 20) + (10 + 20) + 0 + (10 + 10)
    assert market.state.contracting.sunk[order.order.id] == 2 * (10 + 20)
    before = state_digest(market.state)
    market.restart()
    assert state_digest(market.state) == before
    for name in ("mill-c", "mill-b"):
        market.report(name, "confirmed", "started", "finished", "shipped", "delivered")
    market.days(14)
    assert market.order_of("o1").state == "settled"
    assert market.state.contracting.balances["carriers"] == 80
    assert market.state.contracting.balances[f"order/{order.order.id}"] == 0


def test_goods_that_have_left_and_come_too_late_for_the_backup_are_called_for() -> None:
    market = backed_chain()
    market.report("steel-s", "confirmed", "started", "finished", "shipped")
    market.report("mill-a", "confirmed")
    market.report("mill-b", "confirmed")
    market.days(5 - 0.5 / 24)  # the backup begins on day 5, and the way from Bonn takes an hour
    refused(market)
    assert market.order_of("o1").state == "reallocating"


def test_by_rule_a_backup_takes_the_fastest_way_where_the_cheapest_is_too_late() -> None:
    for hurry, state in ((True, "awarded"), (False, "reallocating")):
        market = backed_chain(hurry=hurry)
        slow = replace(
            market.state.network.lanes[0], source="lyon", target="gent", transit_minutes=6 * 24 * 60
        )
        lanes = (
            *(lane for lane in market.state.network.lanes if (lane.source, lane.target) != ("lyon", "gent")),
            replace(slow, fixed_minor=0, unit_minor=0),
        )
        market.accept(OPERATOR, PublishNetwork(network=replace(market.state.network, lanes=lanes)))
        refused(market)
        assert market.order_of("o1").state == state
        if hurry:
            (shipment,) = market.contract_of("steel-s").contract.shipments
            assert (shipment.transit_minutes, shipment.cost_minor) == (120, 2 * (10 + 20)), "by way of Bonn"


def test_a_backup_with_nothing_on_offer_does_not_wait_for_a_round() -> None:
    market = backed_chain(more=(admission("cast-d", "plant", qualification=CASTING),))
    market.order("o2", plan=CAST_PLAN)
    market.tick(market.now_us + HOUR_US)
    assert list(market.round.eligible) == ["cast-d"]
    refused(market)
    assert market.order_of("o1").state == "awarded"
    assert market.round.state == "open"


def test_in_a_round_that_has_closed_a_backup_waits_only_for_what_it_has_on_offer_itself() -> None:
    for period, state in ((4, "at_risk"), (6, "awarded")):
        market = backed_market()
        market.report("mill-a", "confirmed")
        market.order("o2")
        market.tick(market.now_us + HOUR_US)
        lot = market.lot("o2", "mill")
        for_two = Offer(lots={lot: 10}, price=10, days=(period, period + 1), uses=(("w", period, 60, 0),))
        market.bid("mill-b", {"two": for_two})
        market.close()
        _, report = market.solve()
        refused(market)
        assert market.order_of("o1").state == state
        market.accept(HOST, report)
        market.tick()
        assert (market.order_of("o1").state, market.order_of("o2").state) == ("awarded", "awarded")
        assert contract_of_bid(market, "b").state == "awarded"
