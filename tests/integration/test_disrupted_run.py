"""A disrupted scenario on real processes comes to the outcome of the run in memory, whatever breaks.

A lane closes, floors break down, a plant falls silent and comes back, a customer wants another quantity.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from market.engine.state import State
from market.model.order import order_id
from scenarios.disturbances import Silence, TimedNotice
from scenarios.outcome import outcome_digest
from scenarios.population import Population, build
from scenarios.runner import Progress, run_in_memory, run_on_nats
from scenarios.scenario import load_scenario
from takt_sdk.model.execution import NotifyDisruption, RequestChange
from takt_sdk.model.values import DAY_US, Window
from tests.unit.scenarios.test_disturbances import disrupted

DISRUPTIONS = Path(__file__).parents[2] / "scenarios" / "library" / "disruptions"
CUSTOMER = "calais-devices"


def _quiet(_: Progress) -> None:
    pass


def _disturbed() -> Population:
    """Return the smallest scenario with a disruption of every cause."""
    population = build(disrupted())
    later = RequestChange(
        order_id=order_id(population.market, CUSTOMER, "smoke-1", f"scenario {population.seed}"),
        due_us=population.start_us + 14 * DAY_US,
    )
    slower = NotifyDisruption(
        notice_id="snow",
        cause="logistics",
        effect="lane_slower",
        lane_source="paris",
        lane_target="calais",
        transit_minutes=24 * 60,
    )
    asked = (
        TimedNotice(at_us=population.start_us + DAY_US, sender=CUSTOMER, command=later),
        TimedNotice(at_us=population.start_us + 2 * DAY_US, sender="operator", command=slower),
    )
    window = Window(start_us=population.start_us + 3 * DAY_US, end_us=population.start_us + 8 * DAY_US)
    return replace(
        population,
        notices=(*population.notices, *asked),
        silences=(Silence(participant="paris-mill", window=window),),
    )


def _happened(state: State) -> dict[str, object]:
    """Return what the disruptions did, beside the outcome."""
    book = state.contracting
    return {
        "told": sorted((key, known.notice.effect) for key, known in book.disruptions.items()),
        "silent": dict(book.silent),
        "at risk": {key: [risk.cause for risk in risks] for key, risks in sorted(book.risks.items())},
        "balances": dict(sorted(book.balances.items())),
    }


@pytest.mark.usefixtures("ray_session")
async def test_every_cause_comes_to_the_same_over_nats_and_ray(tmp_path: Path) -> None:
    population = _disturbed()
    expected, _ = run_in_memory(population, _quiet)
    state, record = await run_on_nats(population, tmp_path, _quiet)
    assert outcome_digest(state) == outcome_digest(expected)
    assert _happened(state) == _happened(expected)
    causes = {known.notice.cause for known in expected.contracting.disruptions.values()}
    assert causes == {"breakdown", "logistics", "demand"}
    risks = [risk for known in expected.contracting.risks.values() for risk in known]
    assert {risk.cause for risk in risks} == {"heartbeat missed"}
    assert all(risk.awarded_us for risk in risks), "what the silent plant had is awarded anew"
    assert record.messages["takt.heartbeat.v1"] == 0, "heartbeats are no entries"


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_the_scenario_of_disruptions_comes_to_the_same_over_nats_and_ray(tmp_path: Path) -> None:
    population = build(load_scenario(DISRUPTIONS))
    expected, _ = run_in_memory(population, _quiet)
    state, _ = await run_on_nats(population, tmp_path, _quiet)
    assert outcome_digest(state) == outcome_digest(expected)
    assert _happened(state) == _happened(expected)
