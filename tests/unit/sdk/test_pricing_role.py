"""A partner's own pricing as a role: placed in capacity, declined with a reason, restored from the market."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from takt_sdk.model.messages import (
    CallForProposals,
    ContractStatus,
    DeclineCall,
    ReportMilestone,
    RoundResult,
    SheetStatus,
    SyncReply,
    Tick,
)
from takt_sdk.model.order import Lot
from takt_sdk.model.sheet import BidSheet
from takt_sdk.model.values import DAY_US, Window
from takt_sdk.pricing_role import Minutes, Offer, PricingRole, Quote
from tests.unit.agents.companies import MONDAY_US, call, contract_of, lot


def quote(_call: CallForProposals, wanted: Lot) -> Quote:
    return Quote(site="ulm", resource="mill", minutes=10 * wanted.quantity, price_minor=7 * wanted.quantity)


def role(minutes: int = 480, **offer: object) -> PricingRole:
    return PricingRole("acme", quote, {"mill": minutes}, Offer(**offer))  # type: ignore[arg-type]


def sheet_of(answer: PricingRole, *lots: Lot) -> BidSheet:
    (out,) = answer.handle(call(*lots), MONDAY_US)
    assert isinstance(out.body, BidSheet), out.body
    return out.body


def test_work_goes_into_whole_periods_inside_the_lots_dates_at_up_to_three_dates() -> None:
    wanted = lot(quantity=60)  # 600 minutes: two days of 480
    sheet = sheet_of(role(), wanted)
    assert len(sheet.bids) == 2  # soonest and latest: no third fits between
    assert max(sheet.bids.end_us) > wanted.latest_end_us - DAY_US  # the latest date is among them
    assert sheet.groups.max_accepted == (1,)
    for bid in sheet:
        assert wanted.earliest_start_us <= bid.start_us < bid.end_us <= wanted.latest_end_us
        assert bid.start_us >= call(wanted).deadline_us
        assert (bid.start_us % DAY_US, bid.end_us % DAY_US) == (0, 0)
        assert sum(fixed for _, fixed, _ in bid.uses) == 600
        assert bid.price_minor(60) == 420


def test_what_was_won_is_capacity_no_more_and_a_restart_knows_it() -> None:
    first = role(alternatives=1)
    sheet = sheet_of(first, lot(quantity=48))
    won = contract_of(sheet, 0, "acme")
    first.handle(RoundResult(round_id="r-1", participant="acme", awards=(won,), rejected=()), MONDAY_US)
    again = role(alternatives=1)
    known = SyncReply(
        participant="acme",
        now_us=MONDAY_US,
        calls=(),
        sheets=(SheetStatus(round_id="r-1", sequence=1, position=1),),
        contracts=(ContractStatus(contract=won, state="confirmed", report_sequence=1),),
        orders=(),
    )
    again.handle(known, MONDAY_US)
    later = call(lot("o-2.mill", quantity=48), number=2)
    answers = [one.handle(later, MONDAY_US)[-1].body for one in (first, again)]
    assert answers[0] == answers[1]
    assert isinstance(answers[0], BidSheet)
    assert answers[0].capacities.period[0] > sheet.capacities.period[0]


def test_capacity_may_differ_by_period() -> None:
    def weekdays(period: Window) -> int:
        return 0 if (period.start_us // DAY_US + 3) % 7 >= 5 else 480

    sheet = sheet_of(PricingRole("acme", quote, {"mill": weekdays}), lot(quantity=40))
    assert all((period + 3) % 7 < 5 for period in sheet.capacities.period)


def test_a_call_is_answered_once_and_declined_with_the_reason() -> None:
    def answer(made: PricingRole, *lots: Lot) -> DeclineCall:
        (out,) = made.handle(call(*lots), MONDAY_US)
        assert isinstance(out.body, DeclineCall)
        assert made.handle(call(*lots), MONDAY_US) == ()
        return out.body

    def dear(_call: CallForProposals, _lot: Lot) -> Quote | None:
        return None

    def broken(_call: CallForProposals, _lot: Lot) -> Quote | None:
        raise ZeroDivisionError

    assert answer(role(minutes=1), lot(quantity=60)).code == "no_capacity"
    assert answer(PricingRole("acme", dear, {"mill": 480}), lot()).code == "not_interested"
    assert answer(PricingRole("acme", broken, {"mill": 480}), lot()).code == "technical"


@pytest.mark.parametrize(
    ("answer", "capacity", "says"),
    [
        (5, 480, "price must return a Quote or None; was 5"),
        (Quote(site="ulm", resource="lathe", minutes=1, price_minor=1), 480, "resource must be one of"),
        (Quote(site="ulm", resource="mill", minutes=1, price_minor=1), lambda _: 1.5, "capacity['mill']"),
    ],
)
def test_a_wrong_answer_costs_its_lot_and_not_the_agent(
    answer: object, capacity: Minutes, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    def price(_call: CallForProposals, _lot: Lot) -> Quote:
        return answer  # type: ignore[return-value]

    (out,) = PricingRole("acme", price, {"mill": capacity}).handle(call(lot()), MONDAY_US)
    assert isinstance(out.body, DeclineCall)
    assert out.body.code == "technical"
    assert says in caplog.text


@pytest.mark.parametrize(
    ("capacity", "says"),
    [
        ({"mill": "x"}, "capacity\\['mill'\\] must be an integer; was 'x'"),
        ({"mill": -1}, "capacity\\['mill'\\] .*-1"),
        ({1: 960}, "capacity .*1"),
        (960, "minutes by resource"),
    ],
)
def test_wrong_capacity_is_refused_at_the_start(capacity: Mapping[str, Minutes], says: str) -> None:
    with pytest.raises((TypeError, ValueError), match=says):
        PricingRole("acme", quote, capacity)


def test_own_milestones_leave_all_but_the_confirmation_to_the_company() -> None:
    reported = []
    for how in ("planned", "own"):
        made = role(alternatives=1, milestones=how)
        won = contract_of(sheet_of(made, lot()), 0, "acme")
        outs = made.handle(
            RoundResult(round_id="r-1", participant="acme", awards=(won,), rejected=()), MONDAY_US
        )
        outs += made.handle(Tick(now_us=won.end_us + 1), won.end_us + 1)
        reported.append([out.body.milestone for out in outs if isinstance(out.body, ReportMilestone)])
    assert reported == [["confirmed", "started", "finished", "shipped"], ["confirmed"]]
