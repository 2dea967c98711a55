"""What the tables of a case hold, as values with the lines that they come from.

A figure that a table may leave out is None: it is looked up among the facts when companies are made
(`scenarios.tabled_companies`). Holds data only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from agents.profile import Shift
from scenarios.imports.csv_table import CsvTableError
from takt_sdk.model.values import Window

Role = Literal["plant", "supplier", "customer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The line of a table from which something comes."""

    source: str
    number: int

    def wrong(self, column: str, value: object, detail: str) -> CsvTableError:
        """Return the error that names a value of this line."""
        return CsvTableError(self.source, self.number, column, value, detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class TabledSite:
    """A place. Electricity's price and carbon that are None are those of its country among the facts."""

    origin: Origin
    id: str
    name: str
    country: str
    latitude_udeg: int
    longitude_udeg: int
    utc_offset_minutes: int
    energy_minor_per_mwh: int | None
    grid_g_per_kwh: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TabledLane:
    """A way from a site to another; what is None follows from the distance."""

    origin: Origin
    source: str
    target: str
    distance_km: int
    transit_minutes: int | None
    fixed_minor: int | None
    unit_minor: int | None
    emissions_g: int | None
    unit_emissions_g: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TabledCentre:
    """A work centre of a plant. ``cost_minor_per_hour`` is its own cost, electricity not included."""

    origin: Origin
    id: str
    processes: tuple[str, ...]
    materials: tuple[str, ...]
    shifts: tuple[Shift, ...]
    machines: int
    cost_minor_per_hour: int | None
    setup_minutes: int | None
    power_w: int | None
    run_time_ppm: int
    envelope_mm: tuple[int, int, int] | None
    tolerance_um: int
    closed: tuple[Window, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TabledStock:
    """A material that a supplier sells; ``cost_minor`` is its own cost of a unit."""

    origin: Origin
    material: str
    stock_per_period: int
    cost_minor: int
    fixed_minor: int
    handling_minutes: int
    emissions_g: int
    min_quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TabledCompany:
    """A company with what it has: work centres of a plant, stock of a supplier."""

    origin: Origin
    id: str
    role: Role
    sites: tuple[str, ...]
    certificates: tuple[str, ...]
    policy: str
    margin_ppm: int | None
    alternatives: int
    centres: tuple[TabledCentre, ...] = ()
    stock: tuple[TabledStock, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """What the tables of a scenario hold, in the order of their lines. Without sites: cities of the facts."""

    sites: tuple[TabledSite, ...] = ()
    lanes: tuple[TabledLane, ...] = ()
    companies: tuple[TabledCompany, ...] = ()

    def of(self, role: Role) -> tuple[TabledCompany, ...]:
        """Return the companies of a role."""
        return tuple(company for company in self.companies if company.role == role)
