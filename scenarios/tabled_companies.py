"""Companies and network of a case's tables: what a table leaves out comes from the facts.

Draws are from the streams that sections use (`scenarios.chance`), so a figure that is given moves no other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from agents.policies import policy_named
from agents.profile import (
    CustomerProfile,
    Disruption,
    Floor,
    PlantProfile,
    Pricing,
    Profile,
    StockedMaterial,
    SupplierProfile,
    WorkCentre,
)
from market.model.network import Network
from scenarios.chance import stream, triangular
from scenarios.errors import MissingFactError
from scenarios.facts.roads import lane_of_km, road_network, sites_of
from scenarios.facts.tables import City, Facts, whole
from scenarios.imports.tabled import Origin, TabledCentre, TabledCompany, TabledStock, Tables
from scenarios.plans import envelope
from takt_sdk.model.capability import Capability
from takt_sdk.model.errors import InvalidChoiceError, ModelError
from takt_sdk.model.values import MINUTE_US

BASIS_POINTS = 10_000
PPM = 1_000_000
MINOR = 100
W_PER_MW = 1_000_000


def with_sites(facts: Facts, tables: Tables) -> Facts:
    """Return the facts with the sites of the tables as their cities; as they are where there are none."""
    if not tables.sites:
        return facts
    return facts.with_cities(
        City(
            id=site.id,
            name=site.name,
            country=site.country,
            latitude_udeg=site.latitude_udeg,
            longitude_udeg=site.longitude_udeg,
            utc_offset_minutes=site.utc_offset_minutes,
        )
        for site in tables.sites
    )


def network_of(facts: Facts, tables: Tables, places: Iterator[str]) -> Network:
    """Return the network of the tables, or of the places that are cities of the facts, by road."""
    if not tables.sites:
        return road_network(facts, places)
    lanes = []
    for given in tables.lanes:
        lane = lane_of_km(facts, given.source, given.target, given.distance_km)
        lanes.append(
            replace(
                lane,
                transit_minutes=_or(given.transit_minutes, lane.transit_minutes),
                fixed_minor=_or(given.fixed_minor, lane.fixed_minor),
                unit_minor=_or(given.unit_minor, lane.unit_minor),
                emissions_g=_or(given.emissions_g, lane.emissions_g),
                unit_emissions_g=_or(given.unit_emissions_g, lane.unit_emissions_g),
            )
        )
    return Network(sites=sites_of(facts, sorted(site.id for site in tables.sites)), lanes=tuple(lanes))


def _or(given: int | None, otherwise: int) -> int:
    return otherwise if given is None else given


def tabled_profiles(
    tables: Tables,
    facts: Facts,
    seed: int,
    breakdowns: Mapping[str, tuple[Disruption, ...]],
    floor: Floor | None,
) -> Iterator[Profile]:
    """Yield the companies of the tables; ``breakdowns`` are by participant.

    Raises
    ------
    CsvTableError
        If a figure is neither in the tables nor among the facts, or companies contradict the model.
    """
    for company in tables.companies:
        for place in company.sites:
            if place not in facts.cities:
                raise company.origin.wrong("site", place, f"must be one of {', '.join(facts.cities)}")
        with _told_of(company.origin):
            if company.role == "plant":
                profile: Profile = replace(
                    _plant(company, tables, facts, seed),
                    disruptions=breakdowns.get(company.id, ()),
                    floor=floor,
                )
            elif company.role == "supplier":
                profile = _supplier(company, facts, seed)
            else:
                first, *others = company.sites
                profile = CustomerProfile(participant=company.id, site=first, other_sites=tuple(others))
        yield profile


@contextmanager
def _told_of(origin: Origin) -> Iterator[None]:
    """Say in which line of which table a rule of the model is broken."""
    try:
        yield
    except ModelError as error:
        raise origin.wrong(error.field, error.value, f"{error.rule}: {error.detail}") from error


def _margin_bp(company: TabledCompany, facts: Facts, seed: int) -> int:
    """Return the margin as a share of the charged price."""
    if company.margin_ppm is not None:
        return BASIS_POINTS * company.margin_ppm // (PPM + company.margin_ppm)
    rng = stream(seed, "margin", company.id)
    return triangular(rng, *facts.get("margin", "shop").scaled(BASIS_POINTS // 100))


def _pricing(company: TabledCompany, facts: Facts, seed: int) -> Pricing:
    try:
        policy_named(company.policy)
    except InvalidChoiceError as error:
        raise company.origin.wrong("policy", company.policy, f"must be {error.detail}") from error
    margin_ppm = company.margin_ppm
    if margin_ppm is None:
        margin_bp = _margin_bp(company, facts, seed)
        margin_ppm = margin_bp * PPM // (BASIS_POINTS - margin_bp)
    default = Pricing()
    return Pricing(
        policy=company.policy,
        margin_ppm=margin_ppm,
        chain_discount_ppm=min(margin_ppm, default.chain_discount_ppm),
        alternatives=company.alternatives,
    )


def _plant(company: TabledCompany, tables: Tables, facts: Facts, seed: int) -> PlantProfile:
    city = facts.city(company.sites[0])
    site = next((site for site in tables.sites if site.id == city.id), None)
    centres = tuple(_centre(company, centre, city, facts, seed) for centre in company.centres)
    energy = None if site is None else site.energy_minor_per_mwh
    grid = None if site is None else site.grid_g_per_kwh
    origin = company.origin if site is None else site.origin
    power = any(centre.power_w for centre in centres)
    if energy is None:
        price = ("electricity_price", "industry")
        energy = _of_country(facts, price, city.country, 1000, origin, "energy_minor_per_mwh") if power else 0
    if grid is None:
        carbon = ("grid_carbon", "electricity")
        grid = _of_country(facts, carbon, city.country, 1, origin, "grid_g_per_kwh") if power else 0
    return PlantProfile(
        participant=company.id,
        site=city.id,
        work_centres=tuple(
            _charged(centre, tabled, energy, _margin_bp(company, facts, seed))
            for centre, tabled in zip(centres, company.centres, strict=True)
        ),
        certificates=company.certificates,
        utc_offset_minutes=city.utc_offset_minutes,
        energy_minor_per_mwh=energy,
        grid_g_per_kwh=grid,
        pricing=_pricing(company, facts, seed),
    )


def _charged(
    centre: WorkCentre, tabled: TabledCentre, energy_minor_per_mwh: int, margin_bp: int
) -> WorkCentre:
    """Return a work centre at its own cost: rates of the facts are charged prices with all in them."""
    if tabled.cost_minor_per_hour is not None:
        return centre
    energy_minor = centre.power_w * energy_minor_per_mwh // W_PER_MW
    cost_minor = centre.rate_minor_per_hour * (BASIS_POINTS - margin_bp) // BASIS_POINTS - energy_minor
    return replace(centre, rate_minor_per_hour=max(0, cost_minor))


def _centre(company: TabledCompany, given: TabledCentre, city: City, facts: Facts, seed: int) -> WorkCentre:
    """Return a work centre, at the charged price where the table gives no cost."""
    process = given.processes[0]
    thing = f"{company.id}/{given.id}"

    def drawn(concern: str, column: str, figure: int | None, category: str, factor: int) -> int:
        if figure is not None:
            return figure
        try:
            low, typical, high = facts.get(category, process, city.country).scaled(factor)
        except MissingFactError as error:
            if column == "power_w":  # what is not known is not counted
                return 0
            detail = f"must not be empty: the facts have no {category} of {process} in {city.country}"
            raise given.origin.wrong(column, "", detail) from error
        return triangular(stream(seed, concern, thing), low, typical, high)

    with _told_of(given.origin):
        return _work_centre(given, drawn)


Drawn = Callable[[str, str, int | None, str, int], int]


def _work_centre(given: TabledCentre, drawn: Drawn) -> WorkCentre:
    return WorkCentre(
        id=given.id,
        capabilities=tuple(
            Capability(
                process=name,
                materials=given.materials,
                envelope=envelope(given.envelope_mm),
                tolerance_um=given.tolerance_um,
            )
            for name in given.processes
        ),
        shifts=given.shifts,
        rate_minor_per_hour=drawn(
            "rate", "cost_minor_per_hour", given.cost_minor_per_hour, "machine_rate", MINOR
        ),
        machines=given.machines,
        power_w=drawn("power", "power_w", given.power_w, "power", 1000),
        setup_us=drawn("setup", "setup_minutes", given.setup_minutes, "setup_time", 1) * MINUTE_US,
        run_time_ppm=given.run_time_ppm,
        closed=given.closed,
    )


def _of_country(
    facts: Facts, fact: tuple[str, str], country: str, factor: int, origin: Origin, column: str
) -> int:
    try:
        return whole(facts.figure(*fact, country) * factor)
    except MissingFactError as error:
        raise origin.wrong(column, "", f"must not be empty: the facts do not know {country}") from error


def _supplier(company: TabledCompany, facts: Facts, seed: int) -> SupplierProfile:
    return SupplierProfile(
        participant=company.id,
        site=company.sites[0],
        materials=tuple(_stocked(stock) for stock in company.stock),
        certificates=company.certificates,
        pricing=_pricing(company, facts, seed),
    )


def _stocked(stock: TabledStock) -> StockedMaterial:
    with _told_of(stock.origin):
        return StockedMaterial(
            material=stock.material,
            cost_minor_per_unit=stock.cost_minor,
            stock_per_period=stock.stock_per_period,
            fixed_cost_minor=stock.fixed_minor,
            handling_us=stock.handling_minutes * MINUTE_US,
            emissions_g_per_unit=stock.emissions_g,
            min_quantity=stock.min_quantity,
        )
