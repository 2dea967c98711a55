"""Metrics of what follows an award: service, lateness, resilience, and who bears it, small firms or large.

An order is *owed* from the later of its first promise and its due date. A firm is small when its machine
minutes a week are at most the median of all plants.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from functools import partial

from agents.profile import PlantProfile
from market.engine.resilience import Resilience, recovery_days, resilience, service_curve
from market.engine.state import ContractRecord, OrderRecord
from scenarios.population import Population
from scenarios.study.run import Metric, Run, share
from takt_sdk.model.values import DAY_US, HOUR_US

Sized = Callable[[Run, list[ContractRecord]], float | None]


def _promised(run: Run) -> list[tuple[OrderRecord, int | None]]:
    """Return the orders that were ever promised, and when their goods were there, or None."""
    served = {order.order.id for order in run.served}
    return [
        (run.state.orders[id_], run.arrivals.of(run.state.orders[id_]) if id_ in served else None)
        for id_ in sorted(run.state.contracting.promised)
        if run.state.orders[id_].state != "cancelled"
    ]


def _service_level(run: Run) -> float | None:
    """Return the share of orders that were there in full by their due date."""
    good = sum(
        1
        for order, there_us in _promised(run)
        if there_us is not None
        and there_us <= order.order.terms.due_us
        and order.pieces == order.order.terms.quantity
    )
    return share(good, len(run.state.orders))


def _late_us(run: Run) -> list[tuple[OrderRecord, int]]:
    """Return how late promised orders are after their due date; one that never came, until its deadline."""
    return [
        (order, max(0, (terms.deadline_us if there_us is None else there_us) - terms.due_us))
        for order, there_us in _promised(run)
        for terms in (order.order.terms,)
    ]


def _late_days(run: Run) -> float:
    return sum(late_us for _, late_us in _late_us(run)) / DAY_US


def _late_cost(run: Run) -> float:
    return float(
        sum(
            -(-late_us // DAY_US) * order.order.terms.lateness_penalty_minor_per_day
            for order, late_us in _late_us(run)
        )
    )


def _lost(run: Run) -> float:
    return float(sum(1 for _, there_us in _promised(run) if there_us is None))


def curve_of(run: Run) -> list[tuple[int, int]]:
    """Return the service of each day: of the orders owed in the days up to it, how many were there."""
    return service_curve(
        (max(run.state.contracting.promised[order.order.id], order.order.terms.due_us), there_us)
        for order, there_us in _promised(run)
    )


def _area_lost(run: Run) -> float | None:
    curve = curve_of(run)
    return sum(1.0 - there / recent for there, recent in curve if recent) if curve else None


def _time_to_recover(run: Run) -> float | None:
    curve = curve_of(run)
    return float(recovery_days(curve)) if curve else None


def _hours(part_of: Callable[[Resilience], tuple[int, int]]) -> Callable[[Run], float | None]:
    def mean(run: Run) -> float | None:
        total_us, count = part_of(resilience(run.state))
        return total_us / HOUR_US / count if count else None

    return mean


def _reallocated(run: Run) -> float | None:
    found = resilience(run.state)
    return share(found.awarded, found.risks)


# --- small and large firms -------------------------------------------------------------------


def small_firms(population: Population) -> frozenset[str]:
    """Return the plants whose machine minutes a week are at most the median."""
    weekly = {
        plant.participant: sum(
            centre.machines * sum((s.end_minute - s.start_minute) * len(s.weekdays) for s in centre.shifts)
            for centre in plant.work_centres
        )
        for plant in population.profiles
        if isinstance(plant, PlantProfile)
    }
    median = statistics.median(weekly.values()) if weekly else 0
    return frozenset(name for name, minutes in weekly.items() if minutes <= median)


def _by_size(of: Sized, run: Run, *, small: bool) -> float | None:
    plants = {plant.participant for plant in run.population.profiles if isinstance(plant, PlantProfile)}
    firms = {name for name in plants if (name in small_firms(run.population)) == small}
    contracts = [run.state.contracts[id_] for id_ in sorted(run.state.contracts)]
    return of(run, [known for known in contracts if known.contract.participant in firms])


def _stands(run: Run, known: ContractRecord) -> bool:
    return known.state != "ended" and known in run.lasting


def _kept_promises(run: Run, contracts: list[ContractRecord]) -> float | None:
    """Return the share of contracts that were made whole in time, by the market's own tolerance."""
    tolerance_us = run.state.rules.contracts.tolerance_us or 0
    kept = sum(
        1
        for known in contracts
        if known.state != "ended"
        and any(entry.cause == "reported finished" for entry in known.history)
        and known.expected_end_us <= known.contract.end_us + tolerance_us
    )
    return share(kept, len(contracts))


def _delay_days(run: Run, contracts: list[ContractRecord]) -> float:
    late_us = [max(0, k.expected_end_us - k.contract.end_us) for k in contracts if _stands(run, k)]
    return sum(late_us) / DAY_US


def _paid(run: Run, contracts: list[ContractRecord]) -> float:
    return float(sum(known.contract.payment_minor for known in contracts if _stands(run, known)))


def _surplus(run: Run, contracts: list[ContractRecord]) -> float:
    costs = run.costs_minor
    return _paid(run, contracts) - sum(costs.get(k.contract.id, 0) for k in contracts if _stands(run, k))


def _carbon(run: Run, contracts: list[ContractRecord]) -> float:
    return float(sum(known.contract.emissions_g for known in contracts if _stands(run, known)))


_SIZED: Mapping[str, tuple[str, str, Sized]] = {
    "on_time": (
        "%",
        "contracts of {} firms made whole by promised end + tolerance / all of theirs",
        _kept_promises,
    ),
    "delay": ("days", "Σ max(0, reported − promised end) over contracts of {} firms that stood", _delay_days),
    "payments": ("minor", "paid to {} firms", _paid),
    "surplus": ("minor", "payments − own cost of {} firms", _surplus),
    "emissions": ("g CO2e", "production of {} firms", _carbon),
}

DISRUPTION_METRICS: Mapping[str, Metric] = {
    "service_level": Metric(
        unit="%", formula="orders there in full by their due date / orders", of=_service_level
    ),
    "late_days": Metric(
        unit="days",
        formula="Σ max(0, arrival − due date) over promised orders; if it never came: deadline − due date",
        of=_late_days,
    ),
    "late_cost": Metric(
        unit="minor", formula="Σ started days late × the order's penalty per day", of=_late_cost
    ),
    "lost_orders": Metric(unit="orders", formula="orders promised and never delivered", of=_lost),
    "emissions_per_order": Metric(
        unit="g CO2e",
        formula="emissions / served",
        of=lambda run: run.emissions_g / len(run.served) if run.served else None,
    ),
    "area_lost": Metric(
        unit="days",
        formula="Σ over days (1 − share of the orders owed in the 7 days before that were there)",
        of=_area_lost,
    ),
    "time_to_recover": Metric(
        unit="days", formula="longest run of days on which that share is below 90 %", of=_time_to_recover
    ),
    "risks": Metric(
        unit="risks",
        formula="losses that put orders at risk; one order may have several",
        of=lambda run: resilience(run.state).risks,
    ),
    "reallocated": Metric(unit="%", formula="risks that a new award ended / risks", of=_reallocated),
    "detection_time": Metric(
        unit="hours",
        formula="mean of when the market knew − when work was lost, over risks",
        of=_hours(lambda found: (found.detection_us, found.risks)),
    ),
    "award_time": Metric(
        unit="hours",
        formula="mean of new award − when the market knew, over risks with a new award",
        of=_hours(lambda found: (found.award_us, found.awarded)),
    ),
    "extra_cost": Metric(
        unit="minor",
        formula="Σ new charge − charge before, over new awards",
        of=lambda run: resilience(run.state).extra_minor,
    ),
} | {
    f"{size}_{name}": Metric(
        unit=unit, formula=formula.format(size), of=partial(_by_size, of, small=size == "small")
    )
    for name, (unit, formula, of) in _SIZED.items()
    for size in ("small", "large")
}
