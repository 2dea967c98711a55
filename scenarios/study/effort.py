"""What contracts took of their plants' machines, from what the plants alone know.

A contract loads machines with set-up, work at the pace that the shop floor really has, pieces made again, and
stops of the work centre while it runs. Where a plant has no shop floor, work goes by plan.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from agents.profile import ONE_PPM
from agents.roles.plant import PlantRole
from market.engine.state import State
from takt_sdk.model.contract import Contract
from takt_sdk.model.values import MINUTE_US


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """What a contract took of its plant's machines, in machine minutes, and what came of it, in units."""

    set_up_minutes: float
    working_minutes: float
    stopped_minutes: float
    planned_minutes: float
    """What the working minutes should have been by the plan's run times, pieces made again included."""
    units: int
    scrapped: int

    @property
    def loaded_minutes(self) -> float:
        """All of it."""
        return self.set_up_minutes + self.working_minutes + self.stopped_minutes


def effort(role: PlantRole, contract: Contract, planned_run_us: int) -> Effort:
    """Return what a contract took; ``planned_run_us`` is its lots' run time by the plan.

    What is booked beyond run time at the machines' own speed is set-up.
    """
    centres = {centre.id: centre for centre in role.profile.work_centres}
    used = [use for use in contract.uses if use.resource in centres]
    booked = sum(use.amount for use in used)
    speed_ppm = centres[used[0].resource].run_time_ppm if used else ONE_PPM
    run = min(booked, planned_run_us * speed_ppm / ONE_PPM / MINUTE_US)
    units = sum(item.quantity for item in contract.items)
    working, stopped, scrapped = run, 0.0, 0
    if role.floor is not None:
        scrapped = role.floor.scrapped(contract)
        working += booked * role.floor.pace_ppm(contract) / ONE_PPM + booked * scrapped / units
        stopped = float(role.stopped_minutes(contract))
    return Effort(
        set_up_minutes=booked - run,
        working_minutes=working,
        stopped_minutes=stopped,
        planned_minutes=planned_run_us / MINUTE_US * (units + scrapped) / units,
        units=units,
        scrapped=scrapped,
    )


def efforts(roles: Iterable[object], state: State) -> dict[str, Effort]:
    """Return the effort of every contract of the plants among some roles, by contract."""
    plants = {role.profile.participant: role for role in roles if isinstance(role, PlantRole)}
    found = {}
    for id_ in sorted(state.contracts):
        contract = state.contracts[id_].contract
        role = plants.get(contract.participant)
        if role is not None:
            lots = {lot.id: lot for lot in state.orders[contract.order_id].order.lots}
            planned_us = sum(item.quantity * lots[item.lot_id].run_time_us for item in contract.items)
            found[id_] = effort(role, contract, planned_us)
    return found
