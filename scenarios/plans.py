"""Parts of a scenario as the model's parts: requirements, cycle times and arcs of each lot."""

from __future__ import annotations

from scenarios.facts.tables import Facts
from scenarios.scenario import Scenario
from scenarios.sections import LotSection
from takt_sdk.model.capability import Requirement, WorkEnvelope
from takt_sdk.model.plan import Part, PlannedArc, PlannedLot, ProcessPlan
from takt_sdk.model.values import MINUTE_US

UM_PER_MM = 1000
SECOND_US = 1_000_000


def build_parts(scenario: Scenario, facts: Facts) -> dict[str, Part]:
    """Return the parts by id, in the order of the scenario.

    Raises
    ------
    ModelError
        If a plan is not a DAG with one end.
    MissingFactError
        If a cycle time is unknown.
    """
    return {
        section.id: Part(
            id=section.id,
            name=section.name,
            plan=ProcessPlan(
                lots=tuple(_lot(lot, facts) for lot in section.lots),
                arcs=tuple(
                    PlannedArc(source=lot.id, target=lot.flows_into)
                    for lot in section.lots
                    if lot.flows_into is not None
                ),
            ),
        )
        for section in scenario.parts
    }


def run_time_us(lot: LotSection, facts: Facts) -> int:
    """Return the planner's run time per unit; 0 for a lot without one."""
    if lot.cycle is not None:
        return facts.get("cycle_time", lot.cycle).scaled(MINUTE_US)[1]
    if lot.run_seconds is not None:
        return lot.run_seconds * SECOND_US
    return (lot.run_minutes or 0) * MINUTE_US


def envelope(size_mm: tuple[int, int, int] | None) -> WorkEnvelope | None:
    """Return an envelope of millimetres, None for none."""
    if size_mm is None:
        return None
    x_um, y_um, z_um = (UM_PER_MM * side for side in size_mm)
    return WorkEnvelope(x_um=x_um, y_um=y_um, z_um=z_um)


def _lot(lot: LotSection, facts: Facts) -> PlannedLot:
    return PlannedLot(
        id=lot.id,
        kind=lot.kind,
        requirement=Requirement(
            process=lot.process,
            material=lot.material,
            envelope=envelope(lot.envelope_mm),
            tolerance_um=lot.tolerance_um,
            certificates=lot.certificates,
        ),
        quantity_per_piece=lot.quantity_per_piece,
        run_time_us=run_time_us(lot, facts),
    )
