"""Metrics of what follows an award, on the smallest scenario and by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from market.clearing.limits import Stopwatch
from scenarios.imports.case_folder import scenario_of_tables
from scenarios.population import build
from scenarios.scenario import Case, load_scenario
from scenarios.study.cell import Cell, finished
from scenarios.study.disruption import DISRUPTION_METRICS, curve_of, small_firms
from scenarios.study.run import Run
from scenarios.study.variant import Setting
from takt_sdk.model.values import DAY_US
from takt_sdk.wall_clock import WallClock

CASE = Path(__file__).resolve().parents[4] / "docs" / "cases" / "gearboxes"
LIBRARY = Path(__file__).resolve().parents[4] / "scenarios" / "library"
WATCH: Stopwatch = WallClock()
PATH = "rules.contracts.reallocation"
BREAKS: dict[str, Setting] = {
    "rules.contracts.tolerance_minutes": 60,
    "rules.contracts.recall_at_once": True,
    "plants[*].floor": {"mtbf_hours": 100, "mttr_hours": 200, "report_minutes": 720},
}


@pytest.fixture(scope="module")
def smoke() -> Case:
    return load_scenario(LIBRARY / "smoke")


def run(case: Case, **settings: Setting) -> Run:
    given = {name.replace("__", "."): value for name, value in settings.items()}
    return finished(case, Cell(seed=1, mechanism="pay_as_bid", settings=given), WATCH)


def value(name: str, of: Run) -> float:
    found = DISRUPTION_METRICS[name].of(of)
    assert found is not None, name
    return found


def test_without_disruptions_nothing_is_lost_and_everybody_is_there_when_promised(smoke: Case) -> None:
    calm = run(smoke)
    for order in calm.served:
        assert calm.arrivals.of(order) == order.promised_us
    assert [value(name, calm) for name in ("lost_orders", "risks", "area_lost", "time_to_recover")] == [0] * 4
    assert all(there == recent for there, recent in curve_of(calm))
    assert DISRUPTION_METRICS["detection_time"].of(calm) is None
    assert value("small_on_time", calm) == 100.0


def test_work_of_several_lots_under_one_contract_waits_for_nothing_of_its_own(tmp_path: Path) -> None:
    """It took its own duration twice: `late_days` was wrong wherever one plant cut and hardened."""
    file = scenario_of_tables(CASE, tmp_path / "gears", currency="EUR").file
    calm = run(load_scenario(file))
    contracts = calm.state.contracts.items()
    assert any(s.to_contract == id_ for id_, known in contracts for s in known.contract.shipments)
    for order in calm.served:
        assert calm.arrivals.of(order) == order.promised_us
    assert value("late_days", calm) == 0
    assert value("service_level", calm) == pytest.approx(100 * 6 / 7)


def test_doing_nothing_makes_plants_late_and_reallocation_takes_their_work_away(smoke: Case) -> None:
    off, joint = (run(smoke, **BREAKS, **{PATH: rule}) for rule in ("off", "joint"))
    assert (value("risks", off), value("extra_cost", off)) == (0, 0)
    assert value("risks", joint) > 0
    assert value("reallocated", joint) > 0
    assert value("small_delay", off) > value("small_delay", joint)
    assert value("late_days", off) > value("late_days", run(smoke)) == 0
    assert not any(order.is_open for order in (*off.state.orders.values(), *joint.state.orders.values()))


def test_goods_wait_at_a_closed_lane_or_go_round_whichever_is_sooner(smoke: Case) -> None:
    calm = run(smoke)
    order = next(o for o in calm.served if len(o.contracts) > 1)
    site, target = next(
        (known.contract.site, shipment.to_site)
        for known in (calm.state.contracts[id_] for id_ in order.contracts)
        for shipment in known.contract.shipments
        if shipment.to_contract is None and shipment.transit_minutes
    )
    lane: Setting = [
        {
            "source": site,
            "target": target,
            "start": "2026-03-02T00:00:00Z",
            "end": "2026-06-01T00:00:00Z",
        }
    ]
    closed = run(smoke, lanes=lane, **{PATH: "off"})
    before, after = calm.arrivals.of(order), closed.arrivals.of(closed.state.orders[order.order.id])
    assert before is not None
    assert after is not None
    assert before < after < before + 5 * DAY_US


def test_a_firm_is_small_up_to_the_median(smoke: Case) -> None:
    assert small_firms(build(smoke)) == {"cologne-mill", "paris-mill"}
    some = small_firms(build(load_scenario(LIBRARY / "disruptions")))
    assert "paris-mill" in some
    assert "munich-precision" not in some
