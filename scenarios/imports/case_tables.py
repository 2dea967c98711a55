"""Reads a case's tables: sites, lanes, companies, work centres, closures, stock.

Files and columns are listed in docs/scenarios.md. Draws nothing; parts are `scenarios.imports.routings`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from scenarios.facts.tables import load_facts
from scenarios.imports.csv_table import Line, read_table
from scenarios.imports.tabled import (
    Origin,
    Role,
    TabledCentre,
    TabledCompany,
    TabledLane,
    TabledSite,
    TabledStock,
    Tables,
)
from scenarios.imports.times import day_us, shifts
from takt_sdk.model.errors import ModelError
from takt_sdk.model.values import DAY_US, Window, check_id, check_local_id, check_participant_id

ROLES: Final[tuple[Role, ...]] = ("plant", "supplier", "customer")
MAX_DISTANCE_KM = 40_000
MAX_MINUTES = 366 * 24 * 60
MAX_PPM = 10_000_000
Companies = dict[str, TabledCompany]


def read_tables(files: Mapping[str, Path]) -> Tables:
    """Read the tables of a case; ``files`` by the names of `scenarios.sections.TablesSection`.

    Raises
    ------
    CsvTableError
        If a value is wrong, an id stands twice, or a line names what no other table has.
    """
    sites = _sites(files["sites"]) if "sites" in files else {}
    lanes = _lanes(files["lanes"], sites) if "lanes" in files else ()
    companies = _companies(files["companies"], sites) if "companies" in files else {}
    if "work_centres" in files:
        _add_centres(files["work_centres"], companies)
    if "stock" in files:
        _add_stock(files["stock"], companies)
    if "closures" in files:
        _add_closures(files["closures"], companies, sites)
    for company in companies.values():
        if company.role == "plant" and not company.centres:
            raise company.origin.wrong("company", company.id, "is a plant without a work centre")
        if company.role == "supplier" and not company.stock:
            raise company.origin.wrong("company", company.id, "is a supplier without stock")
    return Tables(sites=tuple(sites.values()), lanes=lanes, companies=tuple(companies.values()))


def _origin(line: Line) -> Origin:
    return Origin(source=line.source, number=line.number)


def _sites(path: Path) -> dict[str, TabledSite]:
    optional = {
        "name",
        "latitude",
        "longitude",
        "utc_offset_minutes",
        "energy_minor_per_mwh",
        "grid_g_per_kwh",
    }
    found: dict[str, TabledSite] = {}
    for line in read_table(path, frozenset({"site", "country"}), frozenset(optional)):
        name = _new_id(line, "site", found)
        country = line.text("country")
        if len(country) != 2 or not country.isalpha():  # noqa: PLR2004 - ISO 3166
            raise line.wrong("country", country, "must be two letters such as DE")
        found[name] = TabledSite(
            origin=_origin(line),
            id=name,
            name=line.text("name", name),
            country=country.upper(),
            latitude_udeg=line.micro_degrees("latitude", 90),
            longitude_udeg=line.micro_degrees("longitude", 180),
            utc_offset_minutes=line.whole("utc_offset_minutes", -1440, 1440, 0),
            energy_minor_per_mwh=line.optional("energy_minor_per_mwh"),
            grid_g_per_kwh=line.optional("grid_g_per_kwh", 0, 10**6),
        )
    return found


def _lanes(path: Path, sites: Mapping[str, TabledSite]) -> tuple[TabledLane, ...]:
    optional = {
        "transit_minutes",
        "fixed_minor",
        "unit_minor",
        "emissions_g",
        "unit_emissions_g",
        "both_ways",
    }
    found: dict[tuple[str, str], TabledLane] = {}
    for line in read_table(path, frozenset({"source", "target", "distance_km"}), frozenset(optional)):
        ends = line.text("source"), line.text("target")
        for column, site in zip(("source", "target"), ends, strict=True):
            if site not in sites:
                raise line.wrong(column, site, "is no site of the table of sites")
        if ends[0] == ends[1]:
            raise line.wrong("target", ends[1], "must be another site than the source")
        lane = TabledLane(
            origin=_origin(line),
            source=ends[0],
            target=ends[1],
            distance_km=line.whole("distance_km", 0, MAX_DISTANCE_KM),
            transit_minutes=line.optional("transit_minutes", 0, MAX_MINUTES),
            fixed_minor=line.optional("fixed_minor"),
            unit_minor=line.optional("unit_minor"),
            emissions_g=line.optional("emissions_g", 0, 2**31 - 1),
            unit_emissions_g=line.optional("unit_emissions_g", 0, 2**31 - 1),
        )
        both_ways = line.text("both_ways", "no")
        if both_ways not in {"yes", "no"}:
            raise line.wrong("both_ways", both_ways, "must be yes or no")
        back = [replace(lane, source=lane.target, target=lane.source)] if both_ways == "yes" else []
        for one in (lane, *back):
            if (one.source, one.target) in found:
                raise line.wrong("target", f"{one.source} -> {one.target}", "is given twice")
            found[one.source, one.target] = one
    return tuple(found.values())


def _companies(path: Path, sites: Mapping[str, TabledSite]) -> Companies:
    optional = frozenset({"certificates", "policy", "margin_ppm", "alternatives"})
    found: Companies = {}
    for line in read_table(path, frozenset({"company", "role", "site"}), optional):
        name = _new_id(line, "company", found)
        try:
            check_participant_id("company", name)
        except ModelError as error:
            raise line.wrong("company", name, f"must be {error.detail}") from error
        role = next((role for role in ROLES if role == line.text("role")), None)
        if role is None:
            raise line.wrong("role", line.text("role"), f"must be one of {', '.join(ROLES)}")
        places = line.words("site")
        if not places or (role != "customer" and len(places) > 1):
            raise line.wrong("site", " ".join(places), "must be one site; a customer may have several")
        for place in places:
            if sites and place not in sites:
                raise line.wrong("site", place, "is no site of the table of sites")
        found[name] = TabledCompany(
            origin=_origin(line),
            id=name,
            role=role,
            sites=places,
            certificates=line.words("certificates"),
            policy=line.text("policy", "cost_plus"),
            margin_ppm=line.optional("margin_ppm", 0, MAX_PPM),
            alternatives=line.whole("alternatives", 1, 10, 3 if role == "plant" else 1),
        )
    return found


def _add_centres(path: Path, companies: Companies) -> None:
    figures = {"machines", "cost_minor_per_hour", "setup_minutes", "power_w", "run_time_ppm", "tolerance_um"}
    required = frozenset({"company", "work_centre", "process", "shifts"})
    for line in read_table(path, required, frozenset({"materials", "envelope_mm", *figures})):
        company = _owner(line, companies, "plant")
        name = _new_id(line, "work_centre", {centre.id for centre in company.centres})
        processes = line.words("process")
        if not processes:
            raise line.wrong("process", "", "must not be empty")
        centre = TabledCentre(
            origin=_origin(line),
            id=name,
            processes=processes,
            materials=line.words("materials", ("any",)),
            shifts=shifts(line, "shifts"),
            machines=line.whole("machines", 1, 1000, 1),
            cost_minor_per_hour=line.optional("cost_minor_per_hour"),
            setup_minutes=line.optional("setup_minutes", 0, 30 * 24 * 60),
            power_w=line.optional("power_w", 0, 10**8),
            run_time_ppm=line.whole("run_time_ppm", 1, 100_000_000, 1_000_000),
            envelope_mm=line.size_mm("envelope_mm"),
            tolerance_um=line.whole("tolerance_um", 0, 10**9, 0),
            closed=(),
        )
        companies[company.id] = replace(company, centres=(*company.centres, centre))


def _add_stock(path: Path, companies: Companies) -> None:
    required = frozenset({"company", "material", "stock_per_period", "cost_minor"})
    optional = frozenset({"fixed_minor", "handling_minutes", "emissions_g", "min_quantity"})
    for line in read_table(path, required, optional):
        company = _owner(line, companies, "supplier")
        stock = TabledStock(
            origin=_origin(line),
            material=_new_id(line, "material", {stock.material for stock in company.stock}),
            stock_per_period=line.whole("stock_per_period", 0, 2**31 - 1),
            cost_minor=line.whole("cost_minor"),
            fixed_minor=line.whole("fixed_minor", default=0),
            handling_minutes=line.whole("handling_minutes", 0, 30 * 24 * 60, 0),
            emissions_g=line.whole("emissions_g", 0, 2**31 - 1, 0),
            min_quantity=line.whole("min_quantity", 1, 2**31 - 1, 1),
        )
        companies[company.id] = replace(company, stock=(*company.stock, stock))


def _add_closures(path: Path, companies: Companies, sites: Mapping[str, TabledSite]) -> None:
    """Close work centres on whole days of their site; all of a plant's where the column is empty."""
    for line in read_table(path, frozenset({"company", "first_day", "last_day"}), frozenset({"work_centre"})):
        company = _owner(line, companies, "plant")
        place = sites.get(company.sites[0]) or load_facts().cities.get(company.sites[0])
        offset = 0 if place is None else place.utc_offset_minutes
        start_us, end_us = day_us(line, "first_day", offset), day_us(line, "last_day", offset) + DAY_US
        if end_us <= start_us:
            raise line.wrong("last_day", line.text("last_day"), "must not be before first_day")
        wanted = line.text("work_centre", "")
        if wanted and wanted not in {centre.id for centre in company.centres}:
            raise line.wrong("work_centre", wanted, f"is no work centre of {company.id}")
        window = Window(start_us=start_us, end_us=end_us)
        centres = tuple(
            replace(centre, closed=(*centre.closed, window)) if wanted in ("", centre.id) else centre
            for centre in company.centres
        )
        companies[company.id] = replace(company, centres=centres)


def _owner(line: Line, companies: Companies, role: Role) -> TabledCompany:
    name = line.text("company")
    company = companies.get(name)
    if company is None:
        raise line.wrong("company", name, "is no company of the table of companies")
    if company.role != role:
        raise line.wrong("company", name, f"is a {company.role}, not a {role}")
    return company


def _new_id(line: Line, column: str, known: Mapping[str, object] | set[str]) -> str:
    name = line.text(column)
    try:
        (check_id if column == "site" else check_local_id)(column, name)
    except ModelError as error:
        raise line.wrong(column, name, f"must be {error.detail}") from error
    if name in known:
        raise line.wrong(column, name, "is given twice")
    return name
