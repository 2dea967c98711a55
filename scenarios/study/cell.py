"""One cell of a study: a variant of a scenario, run in memory and measured.

A cell is a pure function of scenario, seed, mechanism and settings, wherever it runs; wall time is the
one column that is not, and stands apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agents.roles.bidder import Bidder
from market.adapters.codec import decode_events
from market.clearing.limits import Stopwatch
from market.model.contract_events import BackupAwarded
from market.model.events import OrderAwarded
from market.ports import Journal
from scenarios.collector import seldom_collected
from scenarios.mechanisms import SETTINGS, MechanismName
from scenarios.outcome import outcome_digest
from scenarios.population import Population, build
from scenarios.scenario import Case
from scenarios.simulator import Simulation
from scenarios.study.central_plan import CentralPlan, central_plan
from scenarios.study.effort import efforts
from scenarios.study.metrics import measured
from scenarios.study.run import Run
from scenarios.study.variant import Setting, with_settings
from takt_sdk.model.values import DAY_US


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What identifies a cell; ``settings`` are the parameters that vary, by path, ``label`` names them."""

    seed: int
    mechanism: MechanismName
    settings: Mapping[str, Setting]
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A cell's outcome. ``metrics`` by name of `scenarios.study.metrics`; None where one has no value."""

    cell: Cell
    metrics: Mapping[str, float | None]
    outcome_digest: str


def case_of(case: Case, cell: Cell) -> Case:
    """Return the case that a cell runs."""
    return with_settings(case, {**cell.settings, "rules.mechanism": cell.mechanism})


def run_cell(case: Case, cell: Cell, stopwatch: Stopwatch) -> Row:
    """Run a cell and measure it.

    Raises
    ------
    ScenarioError
        If its settings make no scenario.
    """
    population = build(case_of(case, cell), seed=cell.seed)
    if SETTINGS[cell.mechanism].foresight:
        return Row(cell=cell, metrics=_planned(central_plan(population)), outcome_digest="")
    run = _finished(population, stopwatch)
    return Row(cell=cell, metrics=measured(run), outcome_digest=outcome_digest(run.state))


def finished(case: Case, cell: Cell, stopwatch: Stopwatch) -> Run:
    """Run a cell of a market mechanism to its end; errors as `run_cell`."""
    assert not SETTINGS[cell.mechanism].foresight, "a central plan is no run"
    return _finished(build(case_of(case, cell), seed=cell.seed), stopwatch)


def _finished(population: Population, stopwatch: Stopwatch) -> Run:
    simulation = Simulation(population, stopwatch=stopwatch)
    with seldom_collected():
        simulation.run()
    costs: dict[str, int] = {}
    for company in simulation.companies.values():
        if isinstance(company.role, Bidder):
            costs |= company.role.offers.cost_minor
    state = simulation.kernel.state
    for id_, awarded in _awarded_units(simulation.journal).items():
        units = sum(item.quantity for item in state.contracts[id_].contract.items)
        if units < awarded and id_ in costs:
            costs[id_] = costs[id_] * units // awarded
    return Run(
        population=population,
        state=state,
        record=simulation.record,
        costs_minor=costs,
        efforts=efforts((company.role for company in simulation.companies.values()), state),
    )


_AWARDING = (b"takt.order_awarded.", b"takt.backup_awarded.")


def _awarded_units(journal: Journal) -> dict[str, int]:
    """Return the units of every contract as it was awarded: one that was cut costs what is made of it."""
    return {
        contract.id: sum(item.quantity for item in contract.items)
        for stored in journal.read()
        if any(kind in stored.entry.events for kind in _AWARDING)
        for event in decode_events(stored.entry.events)
        if isinstance(event, OrderAwarded | BackupAwarded)
        for contract in event.contracts
    }


def _planned(plan: CentralPlan) -> dict[str, float | None]:
    """Return what a central plan has of the metrics: welfare as found, bounds, what it serves and when."""
    return {
        "orders": float(plan.orders),
        "served": float(plan.served),
        "fill_rate": 100.0 * plan.served / plan.orders if plan.orders else None,
        "service_level": 100.0 * plan.in_time / plan.orders if plan.orders else None,
        "late_days": plan.late_us / DAY_US,
        "welfare": float(plan.welfare_minor),
        "welfare_bound": float(plan.bound_minor),
        "plan_bound": float(plan.plan_bound_minor),
    }
