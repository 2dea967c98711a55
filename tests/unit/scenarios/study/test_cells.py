"""Variants, mechanisms and strategies of a study, run on the smallest scenario."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.profile import PlantProfile, SupplierProfile
from scenarios.errors import ScenarioFileError
from scenarios.mechanisms import MECHANISM_NAMES, SETTINGS, MechanismName
from scenarios.population import build
from scenarios.scenario import Case, load_scenario
from scenarios.study.cell import Cell, Row, case_of, run_cell
from scenarios.study.metrics import METRICS
from scenarios.study.variant import with_settings
from takt_sdk.wall_clock import WallClock

LIBRARY = Path(__file__).resolve().parents[4] / "scenarios" / "library"


@pytest.fixture(scope="module")
def smoke() -> Case:
    return load_scenario(LIBRARY / "smoke")


def row(case: Case, mechanism: MechanismName = "pay_as_bid", seed: int = 1, **settings: object) -> Row:
    given = {path.replace("__", "."): value for path, value in settings.items()}
    return run_cell(case, Cell(seed=seed, mechanism=mechanism, settings=given), WallClock())  # type: ignore[arg-type]


@pytest.mark.parametrize("mechanism", MECHANISM_NAMES)
def test_every_mechanism_runs_and_its_money_adds_up(smoke: Case, mechanism: MechanismName) -> None:
    metrics = row(smoke, mechanism).metrics
    assert metrics["orders"] == 3
    welfare = metrics["welfare"]
    assert welfare is not None
    if SETTINGS[mechanism].foresight:
        bound = metrics["welfare_bound"]
        assert bound is None or bound >= welfare > 0
        return
    assert metrics.keys() == METRICS.keys()
    surplus = [metrics[name] for name in ("buyer_surplus", "seller_surplus", "budget_balance")]
    assert all(part is not None for part in surplus)
    assert sum(part or 0 for part in surplus) == welfare
    assert metrics["losing_sellers"] == 0


def test_the_same_cell_gives_the_same_row_and_another_seed_another(smoke: Case) -> None:
    one, again, other = row(smoke), row(smoke), row(smoke, seed=2)
    assert (one.metrics, one.outcome_digest) == (again.metrics, again.outcome_digest)
    assert one.outcome_digest != other.outcome_digest


def test_truth_costs_sellers_their_margin_and_nobody_else_the_order(smoke: Case) -> None:
    strategies = [{"policy": "truthful"}]
    honest, priced = row(smoke, strategies=strategies).metrics, row(smoke).metrics
    assert honest["seller_surplus"] == 0
    assert (priced["seller_surplus"] or 0) > 0
    assert (honest["buyer_surplus"] or 0) > (priced["buyer_surplus"] or 0)


def test_a_ring_earns_more_than_rivals(smoke: Case) -> None:
    ring = row(
        smoke, strategies=[{"sellers": "*-mill", "policy": "ring", "ring_margin_ppm": 150_000}]
    ).metrics
    rivals = row(
        smoke, strategies=[{"sellers": "*-mill", "policy": "cost_plus", "margin_ppm": 20_000}]
    ).metrics
    assert (ring["seller_surplus"] or 0) > (rivals["seller_surplus"] or 0)


def test_a_straw_man_delivers_nothing_and_costs_customers_their_orders(smoke: Case) -> None:
    metrics = row(smoke, strategies=[{"sellers": "cologne-mill", "policy": "shill", "margin_ppm": 0}]).metrics
    assert metrics["served"] is not None
    assert metrics["served"] < 3
    assert metrics["losing_sellers"] == 0


def test_false_names_hold_together_what_their_owner_has(smoke: Case) -> None:
    strategies: list[object] = [{"policy": "cost_plus", "names": 3}]
    case = case_of(smoke, Cell(seed=1, mechanism="pay_as_bid", settings={"strategies": strategies}))
    alone, split = build(smoke, seed=1), build(case, seed=1)

    def minutes(profiles: tuple[object, ...]) -> int:
        return sum(
            centre.machines * (shift.end_minute - shift.start_minute) * len(shift.weekdays)
            for profile in profiles
            if isinstance(profile, PlantProfile)
            for centre in profile.work_centres
            for shift in centre.shifts
        )

    def stock(profiles: tuple[object, ...]) -> int:
        return sum(
            m.stock_per_period for p in profiles if isinstance(p, SupplierProfile) for m in p.materials
        )

    assert minutes(split.profiles) == minutes(alone.profiles)
    assert stock(split.profiles) == stock(alone.profiles)
    assert sum("-alias-" in profile.participant for profile in split.profiles) == 9


def test_near_sellers_only_are_called_by_local(smoke: Case) -> None:
    population = build(with_settings(smoke, {"rules.mechanism": "local", "rules.nearby": 1}), seed=1)
    holders = [
        profile.participant
        for profile in population.profiles
        if isinstance(profile, PlantProfile) and "near-calais" in profile.certificates
    ]
    assert holders == ["paris-mill"]
    assert all("near-calais" in order.command.terms.certificates for order in population.orders)


def test_settings_reach_every_place_that_a_path_names(smoke: Case) -> None:
    changed = with_settings(
        smoke, {"rules.fee_ppm": 0, "plants[*].pricing.margin_ppm": 7, "customers[0].cities": ["lyons"]}
    ).scenario
    assert changed.rules.fee_ppm == 0
    assert [plant.pricing.margin_ppm for plant in changed.plants] == [7]
    assert changed.customers[0].cities == ("lyons",)
    assert smoke.scenario.rules.fee_ppm == 10_000


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("rules.no_such", 1, "leads nowhere; was 1"),
        ("plants[7].count", 1, "leads nowhere"),
        ("rules..fee", 1, "is no path of a scenario"),
        ("", 1, "is no path of a scenario"),
        ("rules.fee_ppm", -1, "rules.fee_ppm: Input should be greater than or equal to 0; was -1"),
        ("rules.mechanism", "dice", "rules.mechanism"),
        ("strategies", [{"policy": "free"}], "strategies[0].policy"),
        ("strategies", [{"policy": "cost_plus", "sellers": "nobody"}], "matches nobody; was 'nobody'"),
    ],
)
def test_settings_that_make_no_scenario_are_refused(
    smoke: Case, path: str, value: object, message: str
) -> None:
    with pytest.raises(ScenarioFileError) as refusal:
        build(with_settings(smoke, {path: value}), seed=1)  # type: ignore[dict-item]
    assert message in str(refusal.value)


def test_takts_in_which_a_mechanism_finds_no_payments_are_counted(smoke: Case) -> None:
    assert row(smoke, "pay_as_bid").metrics["unpaid_takts"] == 0
    unpaid = row(smoke, "vcg").metrics
    assert (unpaid["unpaid_takts"] or 0) > 0
    assert (unpaid["served"] or 0) < 3
