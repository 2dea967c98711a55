"""From a finished run to its summary: every figure counted from the market's state and its clearings.

Knows nothing of how the run was carried out; what was measured on the way is handed in as a `Record`.
"""

from __future__ import annotations

import platform
from collections import Counter
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import Literal

from agents.profile import CustomerProfile, PlantProfile, Profile, SupplierProfile
from market.adapters.solver_pulp import PulpSolver
from market.clearing.clear import clear
from market.clearing.limits import Limits, Stopwatch
from market.clearing.problem import Problem
from market.clearing.result import Clearing
from market.engine.state import ContractRecord, RoundRecord, State
from scenarios.outcome import outcome_digest
from scenarios.population import Population
from scenarios.summary import (
    BreakdownRow,
    CapacityRow,
    ClearingRow,
    Comparison,
    ContractRow,
    FlowRow,
    OrderRow,
    ParticipantRow,
    ShiftRow,
    SiteRow,
    Summary,
)
from takt_sdk.model.values import DAY_US

Transport = Literal["memory", "nats"]

WEEK_US = 7 * DAY_US
WEEK_MINUTES = 7 * 24 * 60


@dataclass(slots=True, kw_only=True)
class Record:
    """What a run's host writes down: each round's problem and clearing, messages, wall times.

    ``cleared`` stands in the order of the rounds. Wall times are milliseconds.
    """

    cleared: list[tuple[Problem, Clearing]] = field(default_factory=list)
    messages: Counter[str] = field(default_factory=Counter)
    message_bytes: int = 0
    """Of their bodies; counted in virtual time only."""
    phase_wall_ms: dict[str, int] = field(default_factory=dict)
    wall_ms: int = 0
    first_award_wall_ms: int | None = None


def summarise(
    population: Population, state: State, record: Record, *, transport: Transport, clock: Stopwatch
) -> Summary:
    """Return the summary of a run."""
    rounds = [state.rounds[id_] for id_ in sorted(state.rounds)]
    cleared = [round_ for round_ in rounds if round_.clearing_status is not None]
    orders = [state.orders[id_] for id_ in sorted(state.orders)]
    contracts = [state.contracts[id_] for id_ in sorted(state.contracts)]
    lasting = [known for known in contracts if known.state != "ended"]
    awarded = [order for order in orders if order.charge_minor is not None]
    bounds = [round_.bound for round_ in cleared]
    welfare = sum(round_.objective or 0 for round_ in cleared)
    bound = None if None in bounds else sum(value for value in bounds if value is not None)
    started_s = clock.monotonic_s()
    final = [pair for round_, pair in zip(rounds, record.cleared, strict=False) if round_.state != "priced"]
    comparison = compare(final)
    record.phase_wall_ms["comparing with order by order"] = int((clock.monotonic_s() - started_s) * 1000)
    return Summary(
        scenario=population.market,
        title=population.title,
        seed=population.seed,
        transport=transport,
        mechanism=population.mechanism,
        currency=state.rules.currency,
        start_us=population.start_us,
        end_us=max(state.now_us, population.start_us),
        takt_us=state.rules.takt_us,
        outcome_digest=outcome_digest(state),
        versions={
            "takt": version("takt"),
            "python": platform.python_version(),
            "highs": version("highspy"),
            "pulp": version("pulp"),
        },
        orders_total=len(orders),
        orders_by_state=dict(sorted(Counter(order.state for order in orders).items())),
        orders_served=sum(1 for order in orders if order.pieces),
        welfare_minor=welfare,
        bound_minor=bound,
        gap_ppm=None if bound is None else -(-1_000_000 * (bound - welfare) // max(1, abs(welfare))),
        charges_minor=sum(order.charge_minor or 0 for order in awarded),
        prices_minor=sum(order.production_minor or 0 for order in awarded),
        transport_minor=sum(order.transport_minor or 0 for order in awarded),
        fees_minor=sum(order.fee_minor or 0 for order in awarded),
        production_emissions_g=sum(known.contract.emissions_g for known in lasting),
        transport_emissions_g=sum(s.emissions_g for known in lasting for s in known.contract.shipments),
        wall_ms=record.wall_ms,
        first_award_wall_ms=record.first_award_wall_ms,
        phase_wall_ms=record.phase_wall_ms,
        messages_by_kind=dict(sorted(record.messages.items())),
        comparison=comparison,
        clearings=tuple(_clearing_row(round_, record.cleared) for round_ in rounds),
        orders=tuple(_order_row(state, id_) for id_ in sorted(state.orders)),
        participants=tuple(_participant_row(profile) for profile in population.profiles),
        sites=tuple(
            SiteRow(
                site=site.id,
                name=site.name,
                country=site.country,
                latitude_udeg=site.latitude_udeg,
                longitude_udeg=site.longitude_udeg,
            )
            for site in population.network.sites
        ),
        capacities=_capacities(population, record.cleared, lasting),
        shifts=_shifts(population),
        contracts=tuple(row for known in contracts for row in _contract_rows(state, known)),
        breakdowns=_breakdowns(population, state),
        flows=_flows(lasting),
    )


def compare(cleared: list[tuple[Problem, Clearing]]) -> Comparison:
    """Return what the joint clearings came to, and what taking the same bids order by order would have."""
    joint = [_totals(problem, clearing) for problem, clearing in cleared]
    alone = [_totals(problem, _order_by_order(problem)) for problem, _ in cleared]
    served, value, welfare = (sum(column) for column in zip(*joint, strict=True)) if joint else (0, 0, 0)
    alone_served, alone_value, alone_welfare = (
        (sum(column) for column in zip(*alone, strict=True)) if alone else (0, 0, 0)
    )
    return Comparison(
        joint_served=served,
        joint_value_minor=value,
        joint_cost_minor=value - welfare,
        joint_welfare_minor=welfare,
        order_by_order_served=alone_served,
        order_by_order_value_minor=alone_value,
        order_by_order_cost_minor=alone_value - alone_welfare,
        order_by_order_welfare_minor=alone_welfare,
    )


def _order_by_order(problem: Problem) -> Clearing:
    greedy = replace(problem, mechanism="greedy")
    return clear(greedy, solver=PulpSolver(), limits=Limits(work=0), clock=_NoClock())


class _NoClock:
    def monotonic_s(self) -> float:
        return 0.0


def _totals(problem: Problem, clearing: Clearing) -> tuple[int, int, int]:
    """Return orders served, their value and the welfare."""
    index = {order_id: k for k, order_id in enumerate(problem.order_ids)}
    value = sum(int(problem.order_value[index[s.order]]) * s.units // s.of for s in clearing.served)
    return len(clearing.served), value, clearing.objective or 0


def _clearing_row(round_: RoundRecord, cleared: list[tuple[Problem, Clearing]]) -> ClearingRow:
    known = cleared[round_.number - 1] if round_.number <= len(cleared) else None
    gap = None
    if round_.objective is not None and round_.bound is not None:
        gap = -(-1_000_000 * (round_.bound - round_.objective) // max(1, abs(round_.objective)))
    seconds = None if known is None else known[1].seconds
    return ClearingRow(
        round_id=round_.id,
        number=round_.number,
        opened_us=round_.opened_us,
        closed_us=round_.closed_us,
        called=round_.called,
        answered=round_.answered,
        orders=len(round_.orders),
        served=round_.served,
        bids=0 if known is None else known[0].n_bids,
        status=round_.clearing_status or "unknown",
        welfare_minor=round_.objective,
        bound_minor=round_.bound,
        gap_ppm=gap,
        order_by_order_welfare_minor=round_.greedy_objective,
        wall_ms=0 if seconds is None else int(1000 * (seconds.build + seconds.solve + seconds.check)),
    )


def _order_row(state: State, order_id: str) -> OrderRow:
    record = state.orders[order_id]
    terms = record.order.terms
    contracts = [state.contracts[id_] for id_ in record.contracts]
    at_risk = sum(1 for entry in record.history if entry.state == "at_risk")
    return OrderRow(
        order_id=order_id,
        customer=record.order.customer,
        part=record.order.part_id,
        quantity=terms.quantity,
        pieces=record.pieces,
        destination=terms.destination,
        state=record.state,
        submitted_us=record.submitted_us,
        due_us=terms.due_us,
        deadline_us=terms.deadline_us,
        promised_us=record.promised_us,
        reservation_value_minor=terms.reservation_value_minor,
        price_minor=record.production_minor,
        transport_minor=record.transport_minor,
        fee_minor=record.fee_minor,
        charge_minor=record.charge_minor,
        emissions_g=sum(
            known.contract.emissions_g + sum(shipment.emissions_g for shipment in known.contract.shipments)
            for known in contracts
            if known.state != "ended"
        )
        if record.charge_minor is not None
        else None,
        suppliers=len({known.contract.participant for known in contracts if known.state != "ended"}),
        reallocations=at_risk,
        reasons=tuple(f"{reason.code} {reason.detail}".strip() for reason in record.reasons),
    )


def _participant_row(profile: Profile) -> ParticipantRow:
    if isinstance(profile, CustomerProfile):
        return ParticipantRow(participant=profile.participant, role="customer", sites=(profile.site,))
    if isinstance(profile, SupplierProfile):
        return ParticipantRow(participant=profile.participant, role="supplier", sites=(profile.site,))
    return ParticipantRow(participant=profile.participant, role="plant", sites=(profile.site,))


def _capacities(
    population: Population, cleared: list[tuple[Problem, Clearing]], lasting: list[ContractRecord]
) -> tuple[CapacityRow, ...]:
    first: dict[tuple[str, str, int], int] = {}
    for problem, _ in cleared:
        for resource_id, capacity in zip(
            problem.resource_ids, problem.resource_capacity.tolist(), strict=True
        ):
            participant, resource, number = resource_id.split("/")
            first.setdefault((participant, resource, int(number)), capacity)
    periods = population.rules.periods
    declared: Counter[tuple[str, str, int]] = Counter()
    used: Counter[tuple[str, str, int]] = Counter()
    for (participant, resource, period), capacity in first.items():
        declared[participant, resource, _week(population, periods.window(period).start_us)] += capacity
    for known in lasting:
        for use in known.contract.uses:
            week = _week(population, periods.window(use.period).start_us)
            used[known.contract.participant, use.resource, week] += use.amount
    profiles = {profile.participant: profile for profile in population.profiles}
    return tuple(
        CapacityRow(
            participant=participant,
            site=profiles[participant].site,
            resource=resource,
            unit="units" if isinstance(profiles[participant], SupplierProfile) else "min",
            week=week,
            declared=declared[participant, resource, week],
            used=used[participant, resource, week],
        )
        for participant, resource, week in sorted({*declared, *used})
    )


def _week(population: Population, time_us: int) -> int:
    return max(0, (time_us - population.start_us) // WEEK_US)


def _shifts(population: Population) -> tuple[ShiftRow, ...]:
    rows = []
    for profile in population.profiles:
        if not isinstance(profile, PlantProfile):
            continue
        for centre in profile.work_centres:
            for shift in centre.shifts:
                for day in shift.weekdays:
                    start = (day * 1440 + shift.start_minute - profile.utc_offset_minutes) % WEEK_MINUTES
                    end = start + shift.end_minute - shift.start_minute
                    pieces = [(start, min(end, WEEK_MINUTES)), (0, end - WEEK_MINUTES)]
                    rows += [
                        ShiftRow(
                            participant=profile.participant,
                            resource=centre.id,
                            start_minute=low,
                            end_minute=high,
                        )
                        for low, high in pieces
                        if high > low
                    ]
    return tuple(rows)


def _contract_rows(state: State, known: ContractRecord) -> list[ContractRow]:
    contract = known.contract
    process = {lot.id: lot.requirement.process for lot in state.orders[contract.order_id].order.lots}
    resources = list(dict.fromkeys(use.resource for use in contract.uses)) or [contract.site]
    return [
        ContractRow(
            contract_id=contract.id,
            order_id=contract.order_id,
            lot=item.lot_id,
            process=process[item.lot_id],
            participant=contract.participant,
            site=contract.site,
            resource=resources[min(index, len(resources) - 1)],
            quantity=item.quantity,
            start_us=contract.start_us,
            end_us=known.expected_end_us,
            state=known.state,
            payment_minor=known.payment_due_minor if known.state == "settled" else contract.payment_minor,
        )
        for index, item in enumerate(contract.items)
    ]


def _breakdowns(population: Population, state: State) -> tuple[BreakdownRow, ...]:
    rows = []
    for breakdown in population.breakdowns:
        cause = f"breakdown of {breakdown.resource}"
        touched = [
            known
            for known in state.contracts.values()
            if known.contract.participant == breakdown.participant
            and any(
                entry.cause == cause and breakdown.window.start_us <= entry.at_us < breakdown.window.end_us
                for entry in known.history
            )
        ]
        orders = {known.contract.order_id for known in touched}
        rows.append(
            BreakdownRow(
                participant=breakdown.participant,
                resource=breakdown.resource,
                start_us=breakdown.window.start_us,
                end_us=breakdown.window.end_us,
                contracts_at_risk=len(touched),
                lots_called_again=sum(len(known.contract.items) for known in touched),
                orders_kept=sum(1 for order_id in orders if state.orders[order_id].pieces),
            )
        )
    return tuple(rows)


def _flows(lasting: list[ContractRecord]) -> tuple[FlowRow, ...]:
    totals: dict[tuple[str, str], list[int]] = {}
    for known in lasting:
        for shipment in known.contract.shipments:
            if shipment.to_site != known.contract.site:
                row = totals.setdefault((known.contract.site, shipment.to_site), [0, 0, 0, 0])
                for column, amount in enumerate(
                    (1, shipment.quantity, shipment.cost_minor, shipment.emissions_g)
                ):
                    row[column] += amount
    return tuple(
        FlowRow(from_site=a, to_site=b, shipments=n, quantity=q, cost_minor=cost, emissions_g=grams)
        for (a, b), (n, q, cost, grams) in sorted(totals.items())
    )
