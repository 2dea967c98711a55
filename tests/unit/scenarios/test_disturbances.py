"""Disruptions of every cause as scenario data, and what a run makes of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agents.profile import PlantProfile
from market.adapters.manual_clock import ManualClock
from scenarios.errors import ScenarioFileError
from scenarios.orders_file import read_orders
from scenarios.population import build
from scenarios.scenario import Case, parse_scenario
from scenarios.simulator import Simulation
from scenarios.study.variant import with_settings
from takt_sdk.model.values import DAY_US, HOUR_US, MINUTE_US

SMOKE = Path(__file__).parents[3] / "scenarios" / "library" / "smoke"
MORE = """
[rules.contracts]
tolerance_minutes = 60
heartbeat_minutes = 360
recall_at_once = true
release_after = 2
breach_ppm = 50_000

[[lanes]]
source = "brussels"
target = "cologne"
start = 2026-03-05T00:00:00Z
end = 2026-03-07T00:00:00Z

[[notices]]
customer = "calais-devices"
at = 2026-03-02T09:45:00Z
effect = "spike"
detail = "a fair"

[[notices]]
customer = "calais-devices"
at = 2026-03-03T00:00:00Z
effect = "quantity_change"
order = "smoke-2"
quantity = 30

[[silences]]
participant = "cologne-mill"
start = 2026-03-06T00:00:00Z
end = 2026-03-12T00:00:00Z
"""
TWICE = """[[silences]]
participant = "cologne-mill"
start = 2026-03-03T00:00:00Z
end = 2026-03-04T00:00:00Z

[[silences]]
"""
FLOOR = """work_centres = ["milling"]
floor = { cycle_spread_ppm = 200_000, scrap_ppm = 20_000, mtbf_hours = 60, report_minutes = 720 }
"""


def disrupted(more: str = MORE) -> Case:
    text = (SMOKE / "scenario.toml").read_text(encoding="utf-8")
    text = text.replace('work_centres = ["milling"]\n', FLOOR, 1)
    scenario = parse_scenario(text + more, source="disrupted.toml")
    return Case(source="disrupted", scenario=scenario, orders=read_orders(SMOKE / "orders.csv"))


def test_sections_become_rules_floors_notices_and_silences() -> None:
    population = build(disrupted())
    rules = population.rules.contracts
    assert (rules.tolerance_us, rules.heartbeat_us, rules.recall_at_once) == (HOUR_US, 6 * HOUR_US, True)
    plants = [profile for profile in population.profiles if isinstance(profile, PlantProfile)]
    floors = [plant.floor for plant in plants if plant.floor is not None]
    assert len(floors) == len(plants)
    assert floors[0].mtbf_us == 60 * HOUR_US
    assert floors[0].report_every_us == 720 * MINUTE_US
    assert floors[0].until_us - floors[0].from_us == 28 * DAY_US
    assert [notice.command.kind for notice in population.notices] == ["takt.notify_disruption.v1"] * 4
    (silence,) = population.silences
    assert silence.participant == "cologne-mill"


def test_a_run_meets_them_all_and_comes_to_an_end() -> None:
    population = build(disrupted())
    simulation = Simulation(population, stopwatch=ManualClock(population.start_us))
    simulation.run()
    state = simulation.kernel.state
    assert not state.index.open_orders
    told = [known.notice.cause for known in state.contracting.disruptions.values()]
    assert set(told) == {"logistics", "breakdown", "demand"}
    fewer = sorted(record.order.terms.quantity for record in state.orders.values())
    assert fewer == [10, 20, 30], "the second order was for 40"
    assert sum(state.contracting.balances.values()) == 0
    again = Simulation(build(disrupted()), stopwatch=ManualClock(population.start_us))
    again.run()
    assert again.kernel.state == state


def test_reallocation_is_joint_order_by_order_or_off_by_rule() -> None:
    ran = {}
    for rule in ("joint", "greedy", "off"):
        case = with_settings(
            disrupted(), {"rules.contracts.reallocation": rule, "plants[*].floor.mttr_hours": 200}
        )
        population = build(case)
        ran[rule] = Simulation(population, stopwatch=ManualClock(population.start_us))
        ran[rule].run()
        assert not ran[rule].kernel.state.index.open_orders
    mechanisms = {rule: {problem.mechanism for problem, _ in one.record.cleared} for rule, one in ran.items()}
    assert mechanisms == {"joint": {"pay_as_bid"}, "greedy": {"pay_as_bid", "greedy"}, "off": {"pay_as_bid"}}
    book = ran["off"].kernel.state.contracting
    assert not any(risk.awarded_us for known in book.risks.values() for risk in known)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            'customer = "calais-devices"',
            'customer = "nobody"',
            "notices[0].customer: is no customer; was 'nobody'",
        ),
        (
            'participant = "cologne-mill"',
            'participant = "gone"',
            "silences[0].participant: is no company; was 'gone'",
        ),
        (
            "[[silences]]\n",
            TWICE,
            "silences[1].participant: is silent more than once; was 'cologne-mill'",
        ),
    ],
)
def test_who_is_not_there_is_named(old: str, new: str, said: str) -> None:
    case = disrupted(MORE.replace(old, new, 1))
    with pytest.raises(ScenarioFileError, match=re.escape(said)):
        build(case)
