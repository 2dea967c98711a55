from __future__ import annotations

import time
from dataclasses import replace

import pytest

from agents.profile import Disruption, Pricing
from agents.roles.plant import PlantRole
from takt_sdk.model.messages import (
    ContractNotice,
    ContractStatus,
    DeclineCall,
    ReportBreakdown,
    ReportMilestone,
    RoundResult,
    SheetStatus,
    SyncReply,
    Tick,
)
from takt_sdk.model.sheet import BidSheet
from takt_sdk.model.values import DAY_US, HOUR_US, MINUTE_US, Window
from takt_sdk.role import Outgoing
from tests.unit.agents.companies import GRID, MONDAY_US, call, contract_of, lot, plant

DAY = GRID.index(MONDAY_US)


def sheet_of(outgoing: tuple[Outgoing, ...]) -> BidSheet:
    (out,) = outgoing
    assert out.channel == "bid"
    assert isinstance(out.body, BidSheet)
    assert out.correlation_id == out.body.round_id
    return out.body


def milestones(outgoing: tuple[Outgoing, ...]) -> list[tuple[str, int, int]]:
    bodies = [out.body for out in outgoing if isinstance(out.body, ReportMilestone)]
    return [(body.milestone, body.at_us, body.quantity) for body in bodies]


def test_a_lot_is_offered_sooner_and_dearer_later_and_cheaper_one_of_them() -> None:
    # 30 min set-up + 10 x 20 min = 230 min; a machine works 480 min a day.
    sheet = sheet_of(PlantRole(plant()).handle(call(lot(days=(1, 4))), MONDAY_US))
    bids = list(sheet)
    assert [(bid.start_us - MONDAY_US) // DAY_US for bid in bids] == [1, 2, 3]
    assert [bid.end_us - bid.start_us for bid in bids] == [8 * HOUR_US] * 3
    # 230 min at 60.00 an hour = 230.00; 10 kW at 200.00 a MWh: 38.34 kWh = 7.67: cost 237.67.
    assert [bid.fixed_price_minor for bid in bids] == [-(-23767 * 115 // 100), 26738, -(-23767 * 110 // 100)]
    assert bids[0].emissions_g == -(-38_333 * 400 // 1_000)
    assert [(row, sheet.capacities.period[row], use) for ((row, use, _),) in (b.uses for b in bids)] == [
        (0, DAY + 1, 230),
        (1, DAY + 2, 230),
        (2, DAY + 3, 230),
    ]
    assert sheet.capacities.available == (960, 960, 960)
    assert sheet.groups.max_accepted == (1,)
    assert all(bid.groups == (0,) and not bid.min_quantity for bid in bids)
    assert sheet.expires_us >= call().deadline_us


def test_work_that_spans_days_uses_each_of_them() -> None:
    sheet = sheet_of(PlantRole(plant()).handle(call(lot(quantity=60, days=(1, 4))), MONDAY_US))
    (bid,) = sheet
    assert [use for _, use, _ in bid.uses] == [480, 480, 270]
    assert (bid.start_us, bid.end_us) == (MONDAY_US + 32 * HOUR_US, MONDAY_US + 88 * HOUR_US)


@pytest.mark.parametrize(
    ("called", "code"),
    [
        (lot(process="welding"), "technical"),
        (lot(quantity=1_000), "no_capacity"),
        (lot(days=(-3, -1)), "dates"),
        (lot(days=(5, 7)), "no_capacity"),
        (lot(kind="material"), "technical"),
    ],
)
def test_a_call_that_cannot_be_served_is_declined_with_the_reason(called: object, code: str) -> None:
    (out,) = PlantRole(plant()).handle(call(called), MONDAY_US)  # type: ignore[arg-type]
    assert isinstance(out.body, DeclineCall)
    assert out.body.code == code


def test_a_contract_takes_capacity_until_its_work_is_done() -> None:
    role = PlantRole(plant())
    sheet = sheet_of(role.handle(call(lot(days=(1, 2))), MONDAY_US))
    contract = contract_of(sheet, 0, "acme")
    result = RoundResult(round_id="r-1", participant="acme", awards=(contract,), rejected=())
    role.handle(result, MONDAY_US + 1)
    role.handle(result, MONDAY_US + 2)  # delivered twice, booked once
    left = sheet_of(role.handle(call(lot(days=(1, 2)), number=2), MONDAY_US + 3))
    assert left.capacities.available == (960 - 230,)
    ended = ContractNotice(contract_id=contract.id, participant="acme", state="ended", at_us=MONDAY_US + 4)
    role.handle(ended, MONDAY_US + 4)
    role.handle(ended, MONDAY_US + 5)
    free = sheet_of(role.handle(call(lot(days=(1, 2)), number=3), MONDAY_US + 6))
    assert free.capacities.available == (960,)
    assert role.handle(Tick(now_us=MONDAY_US + 30 * DAY_US), MONDAY_US + 30 * DAY_US) == ()


def test_milestones_come_in_order_at_the_planned_times() -> None:
    role = PlantRole(plant())
    sheet = sheet_of(role.handle(call(lot(days=(1, 2))), MONDAY_US))
    contract = contract_of(sheet, 0, "acme")
    now = MONDAY_US + HOUR_US
    assert milestones(
        role.handle(RoundResult(round_id="r-1", participant="acme", awards=(contract,), rejected=()), now)
    ) == [("confirmed", now, 0)]
    assert role.handle(Tick(now_us=contract.start_us - 1), contract.start_us - 1) == ()
    assert milestones(role.handle(Tick(now_us=contract.start_us), contract.start_us)) == [
        ("started", contract.start_us, 0)
    ]
    late = contract.end_us + 5 * DAY_US
    assert milestones(role.handle(Tick(now_us=late), late)) == [
        ("finished", contract.end_us, 10),
        ("shipped", contract.end_us, 10),
        ("delivered", contract.end_us + 600 * MINUTE_US, 10),
    ]


def test_what_is_finished_is_capacity_again_before_the_next_answer() -> None:
    role = PlantRole(plant())
    contract = replace(
        contract_of(sheet_of(role.handle(call(lot(days=(0, 1))), MONDAY_US)), 0, "acme"),
        shipments=(),
        end_us=MONDAY_US + 10 * HOUR_US,
    )
    role.handle(RoundResult(round_id="r-1", participant="acme", awards=(contract,), rejected=()), MONDAY_US)
    now = contract.end_us
    *said, answer = role.handle(call(lot(days=(0, 1)), number=2, at_us=now), now)
    assert [name for name, _, _ in milestones(tuple(said))] == ["started", "finished"]
    assert isinstance(answer.body, BidSheet)
    assert answer.body.capacities.available == (2 * 300,)  # from the deadline at 11:00 to 16:00


def test_a_contract_that_is_not_the_last_ships_and_does_not_deliver() -> None:
    role = PlantRole(plant())
    contract = contract_of(sheet_of(role.handle(call(lot()), MONDAY_US)), 0, "acme", final=False)
    result = RoundResult(round_id="r-1", participant="acme", awards=(contract,), rejected=())
    said = milestones(role.handle(result, MONDAY_US + 30 * DAY_US))
    assert [name for name, _, _ in said] == ["confirmed", "started", "finished", "shipped"]


def test_a_breakdown_is_told_once_takes_capacity_and_stops_contracts_at_risk() -> None:
    down = Window(start_us=MONDAY_US + DAY_US, end_us=MONDAY_US + 2 * DAY_US)
    role = PlantRole(plant(disruptions=(Disruption(resource="mill", window=down),)))
    sheet = sheet_of(role.handle(call(lot(days=(1, 3))), MONDAY_US))
    assert sheet.capacities.available == (960, 960)  # nobody knows it yet
    contract = contract_of(sheet, 0, "acme")
    role.handle(RoundResult(round_id="r-1", participant="acme", awards=(contract,), rejected=()), MONDAY_US)
    (told,) = role.handle(Tick(now_us=down.start_us), down.start_us)
    assert isinstance(told.body, ReportBreakdown)
    assert (told.body.resource, told.body.window) == ("mill", down)
    role.handle(
        ContractNotice(contract_id=contract.id, participant="acme", state="at_risk", at_us=down.start_us),
        down.start_us,
    )
    assert role.handle(Tick(now_us=down.end_us), down.end_us) == ()
    other = PlantRole(plant(disruptions=(Disruption(resource="mill", window=down),)))
    told, answer = other.handle(call(lot(days=(1, 3)), at_us=down.start_us), down.start_us)
    assert isinstance(answer.body, BidSheet)
    assert answer.body.capacities.period == (DAY + 2,)


def test_consecutive_operations_are_offered_together_cheaper_within_one_order() -> None:
    first = lot("o-1.mill", days=(1, 2))
    second = lot("o-1.join", process="assembly", days=(3, 4), inputs=("o-1.mill",))
    sheet = sheet_of(PlantRole(plant()).handle(call(first, second), MONDAY_US))
    alone = [bid for bid in sheet if len(bid.items) == 1]
    (both,) = [bid for bid in sheet if len(bid.items) == 2]
    assert both.items == (("o-1.mill", 10), ("o-1.join", 10))
    assert both.fixed_price_minor < sum(bid.fixed_price_minor for bid in alone)
    assert (both.start_us, both.end_us) == (alone[0].start_us, alone[1].end_us)
    assert both.groups == (0, 1)


def test_parts_of_a_large_lot_are_offered_period_by_period() -> None:
    pricing = Pricing(margin_ppm=100_000, divisible_from=20, min_lot_ppm=250_000)
    big = lot(quantity=40, days=(1, 3))  # 30 + 800 min: two days in one go
    sheet = sheet_of(PlantRole(plant(pricing=pricing)).handle(call(big), MONDAY_US))
    parts = [bid for bid in sheet if bid.min_quantity]
    assert [(bid.min_quantity, bid.items[0][1]) for bid in parts] == [(10, 22), (10, 22)]
    assert [bid.uses[0][1:] for bid in parts] == [(30, 20), (30, 20)]
    whole = next(bid for bid in sheet if not bid.min_quantity)
    assert parts[0].price_minor(40) > whole.fixed_price_minor * 95 // 100


def test_a_call_is_answered_once_and_never_after_its_deadline() -> None:
    role = PlantRole(plant())
    assert role.handle(call(lot()), MONDAY_US)
    assert role.handle(call(lot()), MONDAY_US + 1) == ()
    assert role.handle(call(lot(), number=2), MONDAY_US + HOUR_US) == ()


def test_a_plant_that_lost_everything_goes_on_as_if_it_had_not() -> None:
    down = Window(start_us=MONDAY_US + 2 * DAY_US, end_us=MONDAY_US + 3 * DAY_US)
    profile = plant(disruptions=(Disruption(resource="assembly", window=down),))
    lived = PlantRole(profile)
    sheet = sheet_of(lived.handle(call(lot("o-1.mill"), lot("o-2.mill"), lot("o-3.mill")), MONDAY_US))
    contracts = [contract_of(sheet, index, "acme") for index in (0, 3, 8)]
    now = MONDAY_US + 33 * HOUR_US
    lived.handle(
        RoundResult(round_id="r-1", participant="acme", awards=tuple(contracts), rejected=()), MONDAY_US + 1
    )
    lived.handle(Tick(now_us=now), now)
    open_calls = (call(lot("o-4.mill"), number=2, at_us=now), call(lot("o-5.mill"), number=3, at_us=now))
    lived.handle(open_calls[0], now)
    born = PlantRole(profile)
    reply = SyncReply(
        participant="acme",
        now_us=now,
        calls=open_calls,
        sheets=(SheetStatus(round_id="r-2", sequence=1, position=7),),
        contracts=(
            ContractStatus(contract=contracts[0], state="in_production", report_sequence=2),
            ContractStatus(contract=contracts[1], state="in_production", report_sequence=2),
            ContractStatus(contract=contracts[2], state="confirmed", report_sequence=1),
        ),
        orders=(),
    )
    assert born.handle(reply, now) == lived.handle(open_calls[1], now)
    assert (born.execution, born.calendars, born.answered) == (
        lived.execution,
        lived.calendars,
        lived.answered,
    )
    later = now + 6 * DAY_US
    assert born.handle(Tick(now_us=later), later) == lived.handle(Tick(now_us=later), later)
    assert (born.execution, born.calendars) == (lived.execution, lived.calendars)


def test_an_award_not_yet_confirmed_is_confirmed_after_a_restart() -> None:
    contract = contract_of(sheet_of(PlantRole(plant()).handle(call(lot()), MONDAY_US)), 0, "acme")
    reply = SyncReply(
        participant="acme",
        now_us=MONDAY_US,
        calls=(),
        sheets=(),
        contracts=(ContractStatus(contract=contract, state="awarded", report_sequence=0),),
        orders=(),
    )
    assert milestones(PlantRole(plant()).handle(reply, MONDAY_US)) == [("confirmed", MONDAY_US, 0)]


def test_an_answer_takes_at_most_a_tenth_of_a_millisecond_a_lot() -> None:
    lots = tuple(lot(f"o-{index}.mill") for index in range(1_000))
    spent = []
    for number in range(3):
        role = PlantRole(plant())
        before = time.process_time()
        sheet = sheet_of(role.handle(call(*lots, number=number), MONDAY_US))
        spent.append(time.process_time() - before)
        assert len(sheet.bids) == 3_000
    assert min(spent) / len(lots) < 100e-6, f"{min(spent) / len(lots) * 1e6:.0f} us a lot"


def test_a_very_long_call_is_answered_with_fewer_dates_a_lot() -> None:
    lots = tuple(lot(f"o-{index}.mill") for index in range(3_000))
    sheet = sheet_of(PlantRole(plant()).handle(call(*lots), MONDAY_US))
    assert len(sheet.bids) == 3_000
