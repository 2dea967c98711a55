from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from agents.policies import policy_named
from agents.policies.policy import Ask
from agents.profile import Pricing, Shift, WorkCentre
from agents.shopfloor.calendar import Availability, CentreCalendar
from agents.shopfloor.costing import CentreRates, minutes_up
from agents.shopfloor.placement import alternatives, place
from agents.shopfloor.sequence import sequence
from agents.shopfloor.working_time import WorkingTime
from takt_sdk.model.capability import Capability
from takt_sdk.model.contract import Contract, ContractItem, ResourceUse
from takt_sdk.model.errors import InvalidChoiceError, InvalidWindowError
from takt_sdk.model.values import DAY_US, HOUR_US, MINUTE_US, Window
from tests.unit.agents.companies import DAY_SHIFT, GRID, MONDAY_US

TWO_SHIFTS = WorkingTime((Shift(start_minute=360, end_minute=840), Shift(start_minute=840, end_minute=1320)))
DAY = GRID.index(MONDAY_US)


def calendar(machines: int = 1) -> CentreCalendar:
    centre = WorkCentre(
        id="mill",
        capabilities=(Capability(process="milling", materials=("any",)),),
        shifts=(DAY_SHIFT,),
        machines=machines,
        rate_minor_per_hour=6_000,
    )
    return CentreCalendar(centre=centre, hours=WorkingTime(centre.shifts))


def test_working_time_is_that_of_the_week() -> None:
    assert TWO_SHIFTS.between_us(MONDAY_US, MONDAY_US + 7 * DAY_US) == 5 * 16 * HOUR_US
    assert TWO_SHIFTS.between_us(MONDAY_US + 5 * HOUR_US, MONDAY_US + 7 * HOUR_US) == HOUR_US
    assert TWO_SHIFTS.between_us(MONDAY_US + 5 * DAY_US, MONDAY_US + 7 * DAY_US) == 0
    assert TWO_SHIFTS.between_us(MONDAY_US + DAY_US, MONDAY_US) == 0


def test_working_time_agrees_with_counting_minutes_one_by_one() -> None:
    hours = WorkingTime((Shift(start_minute=1200, end_minute=1440, weekdays=(0, 4, 6)), DAY_SHIFT), 90)
    zero = datetime.fromtimestamp(MONDAY_US // 1_000_000, UTC)
    counted = 0
    for minute in range(0, 7 * 1440, 30):
        local = zero + timedelta(minutes=minute + 90)
        of_day = local.hour * 60 + local.minute
        late = local.weekday() in {0, 4, 6} and of_day >= 1200
        day = local.weekday() < 5 and 480 <= of_day < 960
        at = MONDAY_US + minute * MINUTE_US
        assert hours.between_us(MONDAY_US, at) == counted * MINUTE_US
        worked = hours.between_us(at, at + 30 * MINUTE_US)
        assert worked == (30 * MINUTE_US if late or day else 0)
        assert (hours.opens_us(at) == at) == (late or day)
        counted += worked // MINUTE_US


def test_the_first_and_last_instants_that_are_worked() -> None:
    friday = MONDAY_US + 4 * DAY_US
    assert TWO_SHIFTS.opens_us(friday + 22 * HOUR_US) == MONDAY_US + 7 * DAY_US + 6 * HOUR_US
    assert TWO_SHIFTS.opens_us(friday + 7 * HOUR_US) == friday + 7 * HOUR_US
    assert TWO_SHIFTS.closes_us(MONDAY_US + 7 * DAY_US + 6 * HOUR_US) == friday + 22 * HOUR_US
    assert TWO_SHIFTS.closes_us(friday + 7 * HOUR_US) == friday + 7 * HOUR_US
    assert TWO_SHIFTS.spans(friday, friday + 4 * DAY_US) == (
        (friday + 6 * HOUR_US, friday + 14 * HOUR_US),
        (friday + 14 * HOUR_US, friday + 22 * HOUR_US),
        (friday + 78 * HOUR_US, friday + 86 * HOUR_US),
        (friday + 86 * HOUR_US, friday + 94 * HOUR_US),
    )


def test_shifts_that_overlap_are_refused() -> None:
    with pytest.raises(InvalidWindowError, match="weekday 0"):
        WorkCentre(
            id="mill",
            capabilities=(Capability(process="milling", materials=("any",)),),
            shifts=(DAY_SHIFT, Shift(start_minute=900, end_minute=1_000, weekdays=(0,))),
            rate_minor_per_hour=1,
        )


def test_bookings_and_downtime_leave_less() -> None:
    booked = calendar(machines=2)
    booked.book(DAY, 100)
    booked.announce(Window(start_us=MONDAY_US + 9 * HOUR_US, end_us=MONDAY_US + 10 * HOUR_US))
    booked.announce(Window(start_us=MONDAY_US + 9 * HOUR_US, end_us=MONDAY_US + 11 * HOUR_US))
    assert Availability(booked, GRID, MONDAY_US).left_minutes(DAY) == 2 * (480 - 120) - 100
    assert Availability(booked, GRID, MONDAY_US + 15 * HOUR_US).left_minutes(DAY) == 20
    assert Availability(booked, GRID, MONDAY_US + 16 * HOUR_US).left_minutes(DAY) == 0
    booked.book(DAY, -100)
    assert booked.booked == {}
    with pytest.raises(AssertionError):
        booked.book(DAY, -1)


def test_forward_fills_from_the_first_day_backward_from_the_last() -> None:
    view = Availability(calendar(), GRID, MONDAY_US)
    window = (MONDAY_US, MONDAY_US + 3 * DAY_US)
    forward = place(view, 600, *window)
    backward = place(view, 600, *window, backward=True)
    assert forward is not None
    assert backward is not None
    assert forward.uses == ((DAY, 480), (DAY + 1, 120))
    assert backward.uses == ((DAY + 1, 120), (DAY + 2, 480))
    assert (forward.start_us, forward.end_us) == (MONDAY_US + 8 * HOUR_US, MONDAY_US + 40 * HOUR_US)
    assert place(view, 3 * 480 + 1, *window) is None
    assert place(view, 1, MONDAY_US, MONDAY_US) is None


def test_a_window_that_cuts_a_day_offers_only_its_part() -> None:
    view = Availability(calendar(), GRID, MONDAY_US)
    assert place(view, 121, MONDAY_US + 14 * HOUR_US, MONDAY_US + DAY_US) is None
    cut = place(view, 120, MONDAY_US + 14 * HOUR_US, MONDAY_US + DAY_US)
    assert cut is not None
    assert (cut.start_us, cut.end_us) == (MONDAY_US + 14 * HOUR_US, MONDAY_US + 16 * HOUR_US)


def test_alternatives_lie_between_the_soonest_and_the_latest() -> None:
    view = Availability(calendar(), GRID, MONDAY_US)
    found = alternatives(view, 60, MONDAY_US, MONDAY_US + 5 * DAY_US, 3)
    assert [placement.uses[0][0] - DAY for placement in found] == [0, 2, 4]
    assert len(alternatives(view, 60, MONDAY_US, MONDAY_US + 2 * DAY_US, 3)) == 2
    assert len(alternatives(view, 60, MONDAY_US, MONDAY_US + DAY_US, 3)) == 1
    assert alternatives(view, 481, MONDAY_US, MONDAY_US + DAY_US, 3) == []


def test_costs_are_exact_and_rounded_up() -> None:
    centre = WorkCentre(
        id="mill",
        capabilities=(Capability(process="milling", materials=("any",)),),
        shifts=(DAY_SHIFT,),
        rate_minor_per_hour=7_001,
        power_w=9_000,
        setup_us=10 * MINUTE_US,
        run_time_ppm=1_100_000,
        consumables_minor_per_unit=7,
    )
    rates = CentreRates(centre, 20_000, 400)
    machine_us = rates.machine_us(90_000_000, 3)
    assert machine_us == 600_000_000 + 297_000_000
    # 7001 x 897 / 3600 = 1744.42; 9 kW x 897 s = 2242.5 Wh: 44.85 minor, 897 g.
    assert rates.cost_minor(machine_us, 3) == 1_745 + 45 + 21
    assert rates.emissions_g(machine_us) == 897
    assert minutes_up(machine_us) == 15
    assert minutes_up(0) == 1


def test_cost_plus_asks_more_the_sooner_and_scarcity_more_the_fuller() -> None:
    pricing = Pricing(margin_ppm=100_000, rush_margin_ppm=60_000)
    cost_plus = policy_named("cost_plus")("acme", pricing)
    empty, half = (Ask(round_id="r", lots=(), quantity=1, load_ppm=load) for load in (0, 500_000))
    assert cost_plus.prices((1_000, 1_000, 1_000), empty) == [1_160, 1_130, 1_100]
    assert cost_plus.prices((1_001,), empty) == [1_102]
    scarcity = policy_named("scarcity")("acme", pricing)
    assert scarcity.prices((1_000,), empty) == [1_100]
    assert scarcity.prices((1_000,), half) == [1_150]
    with pytest.raises(InvalidChoiceError, match="was 'free'"):
        policy_named("free")


def _contract(name: str, minutes: int, hours: tuple[int, int]) -> Contract:
    return Contract(
        id=name,
        order_id="o-1",
        round_id="r-1",
        participant="acme",
        bid_id="b0",
        site="ulm",
        items=(ContractItem(lot_id="o-1.mill", quantity=1),),
        payment_minor=1,
        start_us=MONDAY_US + hours[0] * HOUR_US,
        end_us=MONDAY_US + hours[1] * HOUR_US,
        uses=(ResourceUse(resource="mill", period=DAY, amount=minutes),),
    )


def test_a_machine_plan_keeps_the_promised_windows_and_says_what_does_not_fit() -> None:
    contracts = [
        _contract("c-1", 400, (8, 16)),
        _contract("c-2", 120, (8, 10)),
        _contract("c-3", 60, (9, 12)),
    ]
    slots, overtime = sequence(calendar(), GRID, contracts)
    assert [(slot.contract_id, (slot.start_us - MONDAY_US) // MINUTE_US) for slot in slots] == [
        ("c-2", 480),
        ("c-3", 600),
        ("c-1", 660),
    ]
    assert overtime == (("c-1", 100),)
    two, none = sequence(calendar(machines=2), GRID, contracts)
    assert not none
    assert {slot.machine for slot in two} == {0, 1}
