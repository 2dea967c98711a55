"""What parts should cost in a scenario: the base of drawn reservation values and of price lists."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median_high, median_low

from agents.profile import SUPPLY, PlantProfile, PostedPrice, StockedMaterial, SupplierProfile, WorkCentre
from scenarios.companies import MINOR, PPM, blank_prices_minor
from scenarios.errors import ScenarioFileError
from scenarios.facts.tables import Facts
from scenarios.imports.tabled import Tables
from scenarios.plans import run_time_us
from scenarios.scenario import Scenario
from scenarios.sections import Draw, LotSection, PartSection
from scenarios.tabled_companies import network_of, tabled_profiles, with_sites
from takt_sdk.model.values import HOUR_US, MINUTE_US

NO_TABLES = Tables()


class ShouldCost:
    """What parts should cost in a scenario: typical prices, the mean country, the mean lane.

    Every lot is one lot, and every arc of the plan one shipment between two cities of the scenario.
    """

    def __init__(self, scenario: Scenario, facts: Facts, tables: Tables = NO_TABLES) -> None:
        self.scenario = scenario
        self.facts = facts = with_sites(facts, tables)
        self.countries = [facts.city(city).country for plants in scenario.plants for city in plants.cities]
        cities = {city for plants in scenario.plants for city in plants.cities}
        cities |= {city for customers in scenario.customers for city in customers.cities}
        cities |= {site for company in tables.companies for site in company.sites}
        self.lanes = network_of(facts, tables, iter(cities)).lanes
        # Companies of tables are typical of themselves: seed 0 draws what their tables leave out.
        self.tabled = tuple(tabled_profiles(tables, facts, 0, {}, None))

    def price_list(self, level_ppm: int) -> tuple[PostedPrice, ...]:
        """Return a price list at ``level_ppm`` of should-cost: materials by the unit, work by the hour."""
        delivery = self.facts.get("handling", "delivery_cost").scaled(MINOR)[1]
        posted = [
            PostedPrice(
                process=SUPPLY,
                material=material.id,
                fixed_minor=delivery * level_ppm // PPM,
                minor_per_unit=blank_prices_minor(material, self.facts)[1] * level_ppm // PPM,
            )
            for material in self.scenario.materials
        ]
        sold = {stock.material: None for stock, _ in self._stocks()}
        of_sections = {material.id for material in self.scenario.materials}
        for name in (name for name in sold if name not in of_sections):
            unit_minor, fixed_minor = self._tabled_material(name)
            posted.append(
                PostedPrice(
                    process=SUPPLY,
                    material=name,
                    fixed_minor=fixed_minor * level_ppm // PPM,
                    minor_per_unit=unit_minor * level_ppm // PPM,
                )
            )
        for process in self._processes():
            rate, setup_minutes = self._machine(process)
            posted.append(
                PostedPrice(
                    process=process,
                    fixed_minor=rate * setup_minutes * MINUTE_US // HOUR_US * level_ppm // PPM,
                    minor_per_hour=rate * level_ppm // PPM,
                )
            )
        return tuple(posted)

    def minor(self, part: PartSection, quantity: int) -> int:
        """Return what ``quantity`` pieces should cost."""
        total = 0
        for lot in part.lots:
            units = lot.quantity_per_piece * quantity
            total += (
                self._material_minor(lot, units) if lot.kind == "material" else self._work_minor(lot, units)
            )
            if self.lanes:
                lanes_minor = sum(lane.fixed_minor + lane.unit_minor * units for lane in self.lanes)
                total += lanes_minor // len(self.lanes)
        return total

    def _material_minor(self, lot: LotSection, units: int) -> int:
        material = next((m for m in self.scenario.materials if m.id == lot.material), None)
        if material is None and any(stock.material == lot.material for stock, _ in self._stocks()):
            unit_minor, fixed_minor = self._tabled_material(lot.material)
            return unit_minor * units + fixed_minor
        if material is None:
            field = f"parts.lots[{lot.id}].material"
            raise ScenarioFileError(self.scenario.name, field, lot.material, "is no material")
        delivery = self.facts.get("handling", "delivery_cost").scaled(MINOR)[1]
        return blank_prices_minor(material, self.facts)[1] * units + delivery

    def _work_minor(self, lot: LotSection, units: int) -> int:
        if lot.process not in self._processes():
            field = f"parts.lots[{lot.id}].process"
            raise ScenarioFileError(self.scenario.name, field, lot.process, "is done nowhere")
        rate, setup_minutes = self._machine(lot.process)
        machine_us = setup_minutes * MINUTE_US + run_time_us(lot, self.facts) * units
        return rate * machine_us // HOUR_US

    def _machine(self, process: str) -> tuple[int, int]:
        """Return the typical rate per hour and set-up minutes of a process."""
        facts = self.facts
        centre = next((c for c in self.scenario.work_centres.values() if c.process == process), None)
        if centre is None:
            return self._tabled_machine(process)
        if centre.rate_minor_per_hour is None:
            rates = [facts.get("machine_rate", process, place).scaled(MINOR)[1] for place in self.countries]
            rate = sum(rates) // len(rates)
        else:
            rate = _typical(centre.rate_minor_per_hour)
        if centre.setup_minutes is None:
            setup_minutes = facts.get("setup_time", process).scaled()[1]
        else:
            setup_minutes = _typical(centre.setup_minutes)
        return rate, setup_minutes

    def _processes(self) -> dict[str, None]:
        """Return the processes that work centres do, those of sections first."""
        processes = dict.fromkeys(centre.process for centre in self.scenario.work_centres.values())
        return processes | dict.fromkeys(
            capability.process for centre, _ in self._centres() for capability in centre.capabilities
        )

    def _centres(self) -> Iterator[tuple[WorkCentre, int]]:
        """Yield the work centres of tables with their plants' margins."""
        for profile in self.tabled:
            if isinstance(profile, PlantProfile):
                yield from ((centre, profile.pricing.margin_ppm) for centre in profile.work_centres)

    def _stocks(self) -> Iterator[tuple[StockedMaterial, int]]:
        """Yield what suppliers of tables sell, with their margins."""
        for profile in self.tabled:
            if isinstance(profile, SupplierProfile):
                yield from ((stock, profile.pricing.margin_ppm) for stock in profile.materials)

    def _tabled_machine(self, process: str) -> tuple[int, int]:
        """Return the median price per hour and set-up minutes of a process among the tables' work centres."""
        found = [
            (c, margin) for c, margin in self._centres() if process in {p.process for p in c.capabilities}
        ]
        rates = [centre.rate_minor_per_hour * (PPM + margin) // PPM for centre, margin in found]
        return _median(rates), _median([centre.setup_us // MINUTE_US for centre, _ in found])

    def _tabled_material(self, name: str) -> tuple[int, int]:
        """Return the median prices of a unit and of a delivery among the tables' suppliers of a material."""
        found = [(stock, PPM + margin) for stock, margin in self._stocks() if stock.material == name]
        return (
            _median([stock.cost_minor_per_unit * factor // PPM for stock, factor in found]),
            _median([stock.fixed_cost_minor * factor // PPM for stock, factor in found]),
        )


def _typical(given: int | Draw) -> int:
    return given if isinstance(given, int) else given.typical


def _median(figures: list[int]) -> int:
    return (median_low(figures) + median_high(figures)) // 2
