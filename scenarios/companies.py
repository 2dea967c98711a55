"""Plants and suppliers of a scenario: what each one is, and figures drawn from the facts.

Machine-hour rates of the facts are charged prices. A plant's own cost is the charged rate less its
margin and the electricity that it buys apart, so that cost + energy + margin give the charged price
again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from agents.profile import (
    CustomerProfile,
    Disruption,
    Floor,
    PlantProfile,
    Pricing,
    Shift,
    StockedMaterial,
    SupplierProfile,
    WorkCentre,
)
from scenarios.chance import stream, triangular
from scenarios.disturbances import floor
from scenarios.errors import MissingFactError, ScenarioFileError
from scenarios.facts.tables import City, Facts, whole
from scenarios.plans import envelope
from scenarios.scenario import Scenario
from scenarios.sections import (
    Draw,
    FloorSection,
    MaterialSection,
    PlantSection,
    PricingSection,
    Range,
    SupplierSection,
    WorkCentreSection,
)
from takt_sdk.model.capability import Capability
from takt_sdk.model.values import DAY_US, HOUR_US, MINUTE_US

W_PER_MW = 1_000_000
MM3_KG_M3_PER_G = 1_000_000
"""A cubic millimetre at 1 kg per cubic metre weighs a millionth of a gram."""
BASIS_POINTS = 10_000
PPM = 1_000_000
MINOR = 100


def company_ids(cities: tuple[str, ...], kind: str, count: int) -> Iterator[tuple[str, str]]:
    """Yield (participant, city) of ``count`` companies of a kind in each city."""
    for city in cities:
        for number in range(1, count + 1):
            yield (f"{city}-{kind}" if count == 1 else f"{city}-{kind}-{number}"), city


@dataclass(frozen=True, slots=True, kw_only=True)
class _Company:
    """What every draw of one company depends on. ``margin_bp`` is its share of a charged price."""

    facts: Facts
    seed: int
    id: str
    city: City
    margin_bp: int

    def fact(self, category: str, key: str, factor: int = 1) -> int:
        """Draw a figure from a fact."""
        return triangular(
            stream(self.seed, f"{category}/{key}", self.id), *self.facts.get(category, key).scaled(factor)
        )

    def draw(self, concern: str, given: Range, thing: str = "") -> int:
        """Return a fixed figure, or draw one from its range."""
        if isinstance(given, int):
            return given
        rng = stream(self.seed, concern, f"{self.id}/{thing}" if thing else self.id)
        return triangular(rng, given.low, given.typical, given.high)

    def given_or_fact(
        self, concern: str, given: Range | None, thing: str, fact: tuple[str, str], factor: int
    ) -> int:
        """Return a given figure or draw it; a fact is looked up only where the scenario is silent."""
        if given is None:
            low, typical, high = self.facts.get(*fact, self.city.country).scaled(factor)
            given = Draw(low=low, typical=typical, high=high)
        return self.draw(concern, given, thing)


def _companies(
    scenario: Scenario, facts: Facts, seed: int, section: PlantSection | SupplierSection, field: str
) -> Iterator[_Company]:
    for place in section.cities:
        if place not in facts.cities:
            raise ScenarioFileError(scenario.name, f"{field}.cities", place, "is no city of the facts")
    for participant, place in company_ids(section.cities, section.id, section.count):
        rng = stream(seed, "margin", participant)
        margin_bp = triangular(rng, *facts.get("margin", "shop").scaled(BASIS_POINTS // 100))
        yield _Company(facts=facts, seed=seed, id=participant, city=facts.city(place), margin_bp=margin_bp)


def plant_profiles(
    scenario: Scenario, facts: Facts, seed: int, breakdowns: Mapping[str, tuple[Disruption, ...]]
) -> Iterator[PlantProfile]:
    """Yield the plants of a scenario; figures left out are drawn per plant and work centre.

    ``breakdowns`` are by participant.
    """
    for index, section in enumerate(scenario.plants):
        field = f"plants[{index}]"
        for name in section.work_centres:
            if name not in scenario.work_centres:
                raise ScenarioFileError(scenario.name, f"{field}.work_centres", name, "is no work centre")
        for company in _companies(scenario, facts, seed, section, field):
            country = company.city.country
            energy_minor_per_mwh = whole(facts.figure("electricity_price", "industry", country) * 1000)
            yield PlantProfile(
                participant=company.id,
                site=company.city.id,
                work_centres=tuple(
                    _centre(name, scenario.work_centres[name], company, energy_minor_per_mwh)
                    for name in section.work_centres
                ),
                certificates=section.certificates,
                utc_offset_minutes=company.city.utc_offset_minutes,
                energy_minor_per_mwh=energy_minor_per_mwh,
                grid_g_per_kwh=whole(facts.figure("grid_carbon", "electricity", country)),
                pricing=_pricing(section.pricing, company),
                disruptions=breakdowns.get(company.id, ()),
                floor=floor_of(scenario, section.floor, seed),
            )


def floor_of(scenario: Scenario, section: FloorSection | None, seed: int) -> Floor | None:
    """Return the shop floor of a section over the scenario's horizon; None where there is none."""
    if section is None:
        return None
    start_us = (scenario.start - datetime.fromtimestamp(0, scenario.start.tzinfo)) // timedelta(
        microseconds=1
    )
    return floor(section, seed, start_us, start_us + scenario.horizon_days * DAY_US)


def _centre(
    name: str, section: WorkCentreSection, company: _Company, energy_minor_per_mwh: int
) -> WorkCentre:
    process = section.process
    charged_minor = company.given_or_fact(
        "rate", section.rate_minor_per_hour, name, ("machine_rate", process), MINOR
    )
    power_w = company.given_or_fact("power", section.power_w, name, ("power", process), 1000)
    setup_minutes = company.given_or_fact("setup", section.setup_minutes, name, ("setup_time", process), 1)
    energy_minor = power_w * energy_minor_per_mwh // W_PER_MW
    cost_minor = charged_minor * (BASIS_POINTS - company.margin_bp) // BASIS_POINTS - energy_minor
    return WorkCentre(
        id=name,
        capabilities=(
            Capability(
                process=process,
                materials=section.materials,
                envelope=envelope(section.envelope_mm),
                tolerance_um=section.tolerance_um,
            ),
        ),
        shifts=tuple(
            Shift(start_minute=s.start_minute, end_minute=s.end_minute, weekdays=s.weekdays)
            for s in section.shifts
        ),
        rate_minor_per_hour=max(0, cost_minor),
        machines=company.draw("machines", section.machines, name),
        power_w=power_w,
        setup_us=setup_minutes * MINUTE_US,
        run_time_ppm=company.draw("run-time", section.run_time_ppm, name),
    )


def _pricing(section: PricingSection, company: _Company) -> Pricing:
    """Margins of the facts are shares of the price; the profile's is on cost."""
    margin_ppm = company.margin_bp * PPM // (BASIS_POINTS - company.margin_bp)
    if section.margin_ppm is not None:
        margin_ppm = company.draw("margin-on-cost", section.margin_ppm)
    return Pricing(
        policy=section.policy,
        margin_ppm=margin_ppm,
        rush_margin_ppm=company.draw("rush-margin", section.rush_margin_ppm),
        chain_discount_ppm=min(margin_ppm, company.draw("discount", section.chain_discount_ppm)),
        alternatives=section.alternatives,
        divisible_from=section.divisible_from,
        min_lot_ppm=section.min_lot_ppm,
        validity_us=section.validity_hours * HOUR_US,
        stands_by=section.stands_by,
    )


def customer_profiles(scenario: Scenario) -> Iterator[CustomerProfile]:
    """Yield the customers of a scenario in its order, one in each city."""
    for section in scenario.customers:
        for city in section.cities:
            yield CustomerProfile(participant=f"{city}-{section.id}", site=city)


def blank_mass_g(material: MaterialSection, facts: Facts) -> int:
    """Return the mass of a blank in grams, at least 1."""
    x_mm, y_mm, z_mm = material.blank_mm
    density = facts.figure("material_density", material.alloy)
    return max(1, whole(x_mm * y_mm * z_mm * density / MM3_KG_M3_PER_G))


def blank_prices_minor(material: MaterialSection, facts: Facts) -> tuple[int, int, int]:
    """Return the charged price of a blank: low, typical, high."""
    eur_per_kg = facts.figure("material_price", material.alloy) / facts.figure("fx", "EUR_USD")
    return facts.get("material_factor", "cut_blank").scaled(
        eur_per_kg * blank_mass_g(material, facts) * MINOR / 1000
    )


def supplier_profiles(scenario: Scenario, facts: Facts, seed: int) -> Iterator[SupplierProfile]:
    """Yield the suppliers of a scenario; who buys dear sells every blank dear."""
    materials = {material.id: material for material in scenario.materials}
    for index, material in enumerate(scenario.materials):
        try:
            blank_prices_minor(material, facts)
        except MissingFactError as error:
            field = f"materials[{index}].alloy"
            raise ScenarioFileError(
                scenario.name, field, material.alloy, f"has no {error.field} among the facts"
            ) from error
    for index, section in enumerate(scenario.suppliers):
        field = f"suppliers[{index}]"
        for name in section.materials:
            if name not in materials:
                raise ScenarioFileError(scenario.name, f"{field}.materials", name, "is no material")
        for company in _companies(scenario, facts, seed, section, field):
            yield SupplierProfile(
                participant=company.id,
                site=company.city.id,
                materials=tuple(_stock(materials[name], section, company) for name in section.materials),
                certificates=section.certificates,
                pricing=_pricing(section.pricing, company),
            )


def _stock(material: MaterialSection, section: SupplierSection, company: _Company) -> StockedMaterial:
    facts = company.facts
    # The same stream for every blank: one draw decides where in its range the supplier stands.
    price_minor = triangular(
        stream(company.seed, "material", company.id), *blank_prices_minor(material, facts)
    )
    return StockedMaterial(
        material=material.id,
        cost_minor_per_unit=max(1, price_minor * (BASIS_POINTS - company.margin_bp) // BASIS_POINTS),
        stock_per_period=company.draw("stock", section.stock_per_period, material.id),
        fixed_cost_minor=company.fact("handling", "delivery_cost", MINOR),
        handling_us=company.fact("handling", "blank") * MINUTE_US,
        emissions_g_per_unit=whole(
            blank_mass_g(material, facts) * facts.figure("material_co2", material.alloy)
        ),
    )
