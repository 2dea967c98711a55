"""OEE: what contracts took of machines, by hand, and its factors over whole runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.profile import Disruption, Floor, PlantProfile, Shift, WorkCentre
from agents.roles.plant import PlantRole
from scenarios.scenario import Case, load_scenario
from scenarios.study.cell import Cell, run_cell
from scenarios.study.effort import effort
from takt_sdk.model.capability import Capability
from takt_sdk.model.contract import Contract, ContractItem, ResourceUse
from takt_sdk.model.values import DAY_US, HOUR_US, MINUTE_US, Window
from takt_sdk.wall_clock import WallClock

LIBRARY = Path(__file__).resolve().parents[4] / "scenarios" / "library"
START_US = 20_605 * DAY_US


@pytest.fixture(scope="module")
def smoke() -> Case:
    return load_scenario(LIBRARY / "smoke")


def metrics(case: Case, **settings: object) -> dict[str, float | None]:
    cell = Cell(seed=1, mechanism="pay_as_bid", settings=settings)  # type: ignore[arg-type]
    return dict(run_cell(case, cell, WallClock()).metrics)


def role(floor: Floor | None) -> PlantRole:
    centre = WorkCentre(
        id="mill",
        capabilities=(Capability(process="milling", materials=("any",)),),
        shifts=(Shift(start_minute=0, end_minute=720, weekdays=(0, 1, 2, 3, 4, 5, 6)),),
        rate_minor_per_hour=1,
        run_time_ppm=1_200_000,
    )
    return PlantRole(PlantProfile(participant="p", site="s", work_centres=(centre,), floor=floor))


CONTRACT = Contract(
    id="c",
    order_id="o",
    round_id="r",
    participant="p",
    bid_id="b",
    site="s",
    items=(ContractItem(lot_id="l", quantity=10),),
    payment_minor=1,
    start_us=START_US,
    end_us=START_US + 6 * HOUR_US,
    uses=(ResourceUse(resource="mill", period=0, amount=360),),
)


def test_what_a_contract_took_of_its_machine_by_plan() -> None:
    found = effort(role(None), CONTRACT, 250 * MINUTE_US)
    # 250 minutes by the plan are 300 at this machine's speed; the other 60 of 360 set it up.
    assert (found.set_up_minutes, found.working_minutes, found.stopped_minutes) == (60, 300, 0)
    assert (found.planned_minutes, found.units, found.scrapped) == (250, 10, 0)


def test_what_a_contract_took_of_its_machine_on_a_shop_floor() -> None:
    plant = role(Floor(seed=3, scrap_ppm=300_000, cycle_spread_ppm=200_000))
    floor = plant.floor
    assert floor is not None
    again, pace_ppm = floor.scrapped(CONTRACT), floor.pace_ppm(CONTRACT)
    assert again
    assert pace_ppm
    stop = Window(start_us=START_US - HOUR_US, end_us=START_US + 2 * HOUR_US)
    plant.announce_breakdown(Disruption(resource="mill", window=stop))
    found = effort(plant, CONTRACT, 250 * MINUTE_US)
    assert found.stopped_minutes == 120, "the hour before it began is not its own"
    assert found.working_minutes == pytest.approx(300 + 360 * pace_ppm / 1e6 + 360 * again / 10)
    assert found.planned_minutes == pytest.approx(250 * (10 + again) / 10)
    assert found.loaded_minutes == pytest.approx(60 + found.working_minutes + 120)


def test_the_factors_multiply_to_the_whole_and_a_rough_floor_costs_each(smoke: Case) -> None:
    calm = metrics(smoke)
    rough = metrics(
        smoke,
        **{"plants[*].floor": {"scrap_ppm": 150_000, "cycle_spread_ppm": 300_000, "mtbf_hours": 20}},
    )
    for found in (calm, rough):
        factors = [found["availability"], found["performance"], found["quality"]]
        assert None not in factors
        product = 1.0
        for factor in factors:
            product *= (factor or 0) / 100
        assert found["oee"] == pytest.approx(100 * product)
    assert calm["quality"] == 100
    assert (rough["quality"] or 0) < 100
    assert (rough["oee"] or 0) < (calm["oee"] or 0)


def test_bytes_are_those_of_messages_and_nobody_pays_more_than_it_is_worth(smoke: Case) -> None:
    found = metrics(smoke)
    assert found["overcharged"] == 0
    assert found["losing_sellers"] == 0
    messages, carried = found["messages_per_order"], found["bytes_per_order"]
    assert messages
    assert carried
    assert 200 < carried / messages < 5_000
