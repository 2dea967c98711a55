"""From a scenario to a population: who is admitted, what their agents know, what is ordered when.

`build` is a pure function of the scenario, its orders and a seed. Every draw comes from a stream
named by concern and participant (`scenarios.chance`), so that the same scenario and seed give the
same population in any process, and a participant more moves nobody else's figures.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

from agents.profile import CustomerProfile, Disruption, PlantProfile, Profile, admission
from market.model.commands import AdmitParticipant, OpenMarket
from market.model.network import Network
from market.model.order import order_id
from market.model.rules import Rules
from scenarios.companies import company_ids, customer_profiles, floor_of, plant_profiles, supplier_profiles
from scenarios.demand import draw_orders
from scenarios.disturbances import (
    Silence,
    TimedNotice,
    contract_rules,
    demand_notices,
    lane_notices,
    silences,
)
from scenarios.errors import MissingFactError, ScenarioFileError
from scenarios.facts.tables import Facts, load_facts
from scenarios.mechanisms import SETTINGS, MechanismName, Setting
from scenarios.orders_file import OrderLine
from scenarios.plans import build_parts, run_time_us
from scenarios.scenario import Case, Scenario, with_line
from scenarios.should_cost import ShouldCost
from scenarios.strategies import by_the_list, with_strategies
from scenarios.tabled_companies import network_of, tabled_profiles, with_sites
from takt_sdk.model.errors import ModelError
from takt_sdk.model.messages import PublishPart, SubmitOrder
from takt_sdk.model.order import OrderTerms
from takt_sdk.model.plan import Part
from takt_sdk.model.values import DAY_US, MINUTE_US, PeriodGrid, Window

MAX_DISTANCE_M = 10**9
"""Of sites without a lane between them."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedOrder:
    """An order and the market time at which its customer submits it."""

    at_us: int
    customer: str
    command: SubmitOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakdown:
    """A work centre that will be down. Its plant's profile holds the same; this is for the record."""

    participant: str
    resource: str
    window: Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """Everything that a run starts from.

    Attributes
    ----------
    market
        Id of the market.
    start_us, end_us
        First instant of market time, and the horizon: nothing runs beyond it.
    profiles, admissions
        One each per participant, sorted by participant. Admissions carry no API key.
    parts
        What each customer publishes, as (customer, command).
    orders
        In order of submission.
    """

    market: str
    title: str
    seed: int
    start_us: int
    end_us: int
    rules: Rules
    network: Network
    profiles: tuple[Profile, ...]
    admissions: tuple[AdmitParticipant, ...]
    parts: tuple[tuple[str, PublishPart], ...]
    orders: tuple[TimedOrder, ...]
    breakdowns: tuple[Breakdown, ...]
    beat_us: int
    """Longest time between two ticks."""
    mechanism: MechanismName
    notices: tuple[TimedNotice, ...] = ()
    silences: tuple[Silence, ...] = ()


def build(case: Case, *, seed: int | None = None, facts: Facts | None = None) -> Population:
    """Return the population of a scenario; ``seed`` replaces the scenario's own.

    Raises
    ------
    ScenarioFileError
        If a value contradicts another: an unknown city, part, material or work centre, a plan that
        is none, an order that breaks a rule of the model.
    MissingFactError
        If a figure is neither given nor among the facts.
    """
    scenario = case.scenario
    facts = load_facts() if facts is None else facts
    number = scenario.seed if seed is None else seed
    try:
        return _build(case, number, facts)
    except ScenarioFileError as error:
        raise with_line(case, error) from error
    except ModelError as error:
        raise ScenarioFileError(
            case.source, error.field, error.value, f"{error.rule} {error.detail}".rstrip()
        ) from error


def _build(case: Case, seed: int, facts: Facts) -> Population:
    scenario, tables = case.scenario, case.tables
    facts = with_sites(facts, tables)
    _check_names(scenario, facts)
    start_us = instant_us(scenario.start)
    breakdowns = tuple(
        Breakdown(
            participant=entry.participant,
            resource=entry.work_centre,
            window=Window(start_us=instant_us(entry.start), end_us=instant_us(entry.end)),
        )
        for entry in scenario.disruptions
    )
    by_participant = _by_participant(breakdowns)
    floor = floor_of(scenario, scenario.tables.floor, seed)
    profiles: list[Profile] = [
        *plant_profiles(scenario, facts, seed, by_participant),
        *supplier_profiles(scenario, facts, seed),
        *customer_profiles(scenario),
        *tabled_profiles(tables, facts, seed, by_participant, floor),
    ]
    setting = SETTINGS[scenario.rules.mechanism]
    profiles = with_strategies(scenario, profiles, seed)
    if setting.posted:
        cost = ShouldCost(scenario, facts, tables)
        profiles = by_the_list(profiles, cost.price_list(scenario.rules.posted_ppm))
    profiles.sort(key=lambda profile: profile.participant)
    _check_participants(case, profiles, breakdowns)
    _check_notices(case, profiles)
    parts = build_parts(scenario, facts)
    customers = frozenset(p.participant for p in profiles if isinstance(p, CustomerProfile))
    lines = case.orders
    if lines is None:
        lines = draw_orders(scenario, facts, seed, tables)
    network = network_of(facts, tables, _places(profiles))
    sites = {site.id for site in network.sites}
    orders = tuple(_order(case, line, customers, parts, frozenset(sites)) for line in lines)
    if setting.nearby:
        profiles, orders = nearest_only(profiles, orders, network, scenario.rules.nearby)
    return Population(
        market=scenario.name,
        title=scenario.title,
        seed=seed,
        start_us=start_us,
        end_us=start_us + scenario.horizon_days * DAY_US,
        rules=_rules(scenario, setting, start_us),
        network=network,
        profiles=tuple(profiles),
        admissions=tuple(admission(profile) for profile in profiles),
        parts=tuple((name, PublishPart(part=part)) for name in sorted(customers) for part in parts.values()),
        orders=orders,
        breakdowns=breakdowns,
        beat_us=max(1, scenario.rules.takt_minutes * MINUTE_US // 2),
        mechanism=scenario.rules.mechanism,
        notices=(*lane_notices(scenario), *demand_notices(scenario, partial(_order_id, scenario, seed))),
        silences=silences(scenario),
    )


def _places(profiles: Sequence[Profile]) -> Iterator[str]:
    """Yield the sites of companies."""
    for profile in profiles:
        yield profile.site
        if isinstance(profile, CustomerProfile):
            yield from profile.other_sites


def opening(population: Population) -> OpenMarket:
    """Return the command that opens a scenario's market: the same on every transport."""
    return OpenMarket(
        market=population.market,
        rules=replace(population.rules, signatures="required"),
        network=population.network,
        seed=population.seed,
        id_salt=_salt(population.seed),
    )


def nearest_only(
    profiles: Sequence[Profile], orders: Sequence[TimedOrder], network: Network, count: int
) -> tuple[list[Profile], tuple[TimedOrder, ...]]:
    """Return profiles and orders so that an order reaches only the ``count`` nearest sellers of each process.

    Nearness is a certificate, ``near-<site>``, that the order asks for and only those sellers hold; ties
    in distance go to the participant's name.
    """
    distance = {(lane.source, lane.target): lane.distance_m for lane in network.lanes}
    near: dict[str, set[str]] = {}
    for site in sorted({order.command.terms.destination for order in orders}):
        by_process: dict[str, list[tuple[int, str]]] = {}
        for profile in profiles:
            if not isinstance(profile, CustomerProfile):
                away = 0 if profile.site == site else distance.get((profile.site, site), MAX_DISTANCE_M)
                for capability in admission(profile).qualification.capabilities:
                    key = capability.process if isinstance(profile, PlantProfile) else capability.materials[0]
                    by_process.setdefault(key, []).append((away, profile.participant))
        for sellers in by_process.values():
            for _, participant in sorted(set(sellers))[:count]:
                near.setdefault(participant, set()).add(f"near-{site}")
    changed: list[Profile] = [
        profile
        if isinstance(profile, CustomerProfile)
        else replace(
            profile,
            certificates=(*profile.certificates, *sorted(near.get(profile.participant, ()))),
        )
        for profile in profiles
    ]
    return changed, tuple(_nearby(order) for order in orders)


def _nearby(order: TimedOrder) -> TimedOrder:
    terms = order.command.terms
    terms = replace(terms, certificates=(*terms.certificates, f"near-{terms.destination}"))
    return replace(order, command=replace(order.command, terms=terms))


def _by_participant(breakdowns: tuple[Breakdown, ...]) -> dict[str, tuple[Disruption, ...]]:
    found: dict[str, tuple[Disruption, ...]] = {}
    for entry in breakdowns:
        disruption = Disruption(resource=entry.resource, window=entry.window)
        found[entry.participant] = (*found.get(entry.participant, ()), disruption)
    return found


def _check_names(scenario: Scenario, facts: Facts) -> None:
    """Refuse names of the file that lead to nothing in it or in the facts."""
    for at, customers in enumerate(scenario.customers):
        for place in customers.cities:
            if place not in facts.cities:
                field = f"customers[{at}].cities"
                raise ScenarioFileError(scenario.name, field, place, "is no city of the facts")
    for at, part in enumerate(scenario.parts):
        for nth, lot in enumerate(part.lots):
            try:
                run_time_us(lot, facts)
            except MissingFactError as error:
                field = f"parts[{at}].lots[{nth}].cycle"
                detail = "is no cycle time of the facts"
                raise ScenarioFileError(scenario.name, field, lot.cycle, detail) from error
    centres = {
        name: plants.work_centres
        for plants in scenario.plants
        for name, _ in company_ids(plants.cities, plants.id, plants.count)
    }
    for at, entry in enumerate(scenario.disruptions):
        if entry.work_centre not in centres.get(entry.participant, (entry.work_centre,)):
            field, who = f"disruptions[{at}].work_centre", entry.participant
            raise ScenarioFileError(scenario.name, field, entry.work_centre, f"is no work centre of {who}")


def _check_participants(case: Case, profiles: list[Profile], breakdowns: tuple[Breakdown, ...]) -> None:
    for first, second in itertools.pairwise(profile.participant for profile in profiles):
        if first == second:
            raise ScenarioFileError(case.source, "participants", first, "is given twice")
    plants = {profile.participant for profile in profiles if isinstance(profile, PlantProfile)}
    for index, entry in enumerate(breakdowns):
        if entry.participant not in plants:
            raise ScenarioFileError(
                case.source, f"disruptions[{index}].participant", entry.participant, "is no plant"
            )


def _check_notices(case: Case, profiles: list[Profile]) -> None:
    everybody = {profile.participant for profile in profiles}
    customers = {profile.participant for profile in profiles if isinstance(profile, CustomerProfile)}
    silent: set[str] = set()
    for index, one in enumerate(case.scenario.silences):
        field = f"silences[{index}].participant"
        if one.participant not in everybody:
            raise ScenarioFileError(case.source, field, one.participant, "is no company")
        if one.participant in silent:
            raise ScenarioFileError(case.source, field, one.participant, "is silent more than once")
        silent.add(one.participant)
    for index, told in enumerate(case.scenario.notices):
        if told.customer not in customers:
            raise ScenarioFileError(
                case.source, f"notices[{index}].customer", told.customer, "is no customer"
            )


def _salt(seed: int) -> str:
    return f"scenario {seed}"


def _order_id(scenario: Scenario, seed: int, customer: str, key: str) -> str:
    return order_id(scenario.name, customer, key, _salt(seed))


def instant_us(instant: datetime) -> int:
    """Return microseconds UTC since 1970, exactly."""
    return (instant - _EPOCH) // timedelta(microseconds=1)


def _rules(scenario: Scenario, setting: Setting, start_us: int) -> Rules:
    given = scenario.rules
    rules = Rules(
        currency=given.currency,
        mechanism=setting.rule,
        price_rounds=setting.price_rounds,
        takt_us=given.takt_minutes * MINUTE_US,
        response_us=given.response_minutes * MINUTE_US,
        early_close=given.early_close,
        sealed=given.sealed,
        opening_us=given.opening_minutes * MINUTE_US,
        periods=PeriodGrid(origin_us=start_us, length_us=given.period_minutes * MINUTE_US),
        max_periods=given.max_periods,
        transit_us=given.transit_minutes * MINUTE_US,
        fee_ppm=given.fee_ppm,
        emissions_minor_per_tonne=given.emissions_minor_per_tonne,
        acceptance_us=given.acceptance_minutes * MINUTE_US,
        confirm_us=given.confirm_minutes * MINUTE_US,
        contracts=contract_rules(given.contracts),
    )
    if given.clearing_work is not None:
        rules = replace(rules, clearing_work=given.clearing_work)
    if setting.on_arrival:
        rules = replace(rules, takt_us=2, response_us=1, max_lots_per_round=1)
    assert rules.clearing_time_us == 0, "a scenario clears under work limits, never time limits"
    return rules


def _order(
    case: Case, line: OrderLine, customers: frozenset[str], parts: dict[str, Part], sites: frozenset[str]
) -> TimedOrder:
    known = (
        ("customer", line.customer, customers),
        ("part", line.part, parts),
        ("destination", line.destination, sites),
    )
    for field, value, names in known:
        if value not in names:
            raise ScenarioFileError(case.source, f"orders[{line.key}].{field}", value, "is unknown")
    try:
        terms = OrderTerms(
            quantity=line.quantity,
            destination=line.destination,
            release_us=instant_us(line.release),
            due_us=instant_us(line.due),
            deadline_us=instant_us(line.deadline),
            reservation_value_minor=line.limit_minor,
            lateness_penalty_minor_per_day=line.lateness_penalty_minor_per_day,
            certificates=line.certificates,
            good_for_takts=line.good_for_takts,
        )
        command = SubmitOrder(idempotency_key=line.key, part_id=line.part, terms=terms)
    except ModelError as error:
        raise ScenarioFileError(
            case.source, f"orders[{line.key}].{error.field}", error.value, error.rule
        ) from error
    return TimedOrder(at_us=instant_us(line.at), customer=line.customer, command=command)
