"""Compile the facts of this package from a folder of reference data.

``python -m scenarios.facts.compile FOLDER`` rewrites the CSV files beside this module. The folder is
not part of the project; the compiled rows name their sources. A test compiles again where the
folder is present and compares. Rows that are computed or assumed here say so in their note and have
confidence E.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import statistics
import sys
from collections.abc import Iterable, Iterator
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent

CITIES = {
    # name in the road table: (name in GeoNames, country, winter UTC offset in minutes)
    "Athens": ("Athens", "GR", 120),
    "Barcelona": ("Barcelona", "ES", 60),
    "Brussels": ("Brussels", "BE", 60),
    "Calais": (None, "FR", 60),
    "Cherbourg": (None, "FR", 60),
    "Cologne": ("Köln", "DE", 60),
    "Copenhagen": ("Copenhagen", "DK", 60),
    "Geneva": ("Geneva", "CH", 60),
    "Gibraltar": (None, "GI", 60),
    "Hamburg": ("Hamburg", "DE", 60),
    "Hook_of_Holland": (None, "NL", 60),
    "Lisbon": ("Lisbon", "PT", 0),
    "Lyons": ("Lyon", "FR", 60),
    "Madrid": ("Madrid", "ES", 60),
    "Marseilles": ("Marseille", "FR", 60),
    "Milan": ("Milan", "IT", 60),
    "Munich": ("Munich", "DE", 60),
    "Paris": ("Paris", "FR", 60),
    "Rome": ("Rome", "IT", 60),
    "Stockholm": ("Stockholm", "SE", 60),
    "Vienna": ("Vienna", "AT", 60),
}
SMALL_TOWNS = {
    "Calais": ("50.948", "1.856"),
    "Cherbourg": ("49.639", "-1.616"),
    "Gibraltar": ("36.144", "-5.353"),
    "Hook_of_Holland": ("51.977", "4.133"),
}
"""Below the size of the GeoNames extract; three decimals, from any atlas."""

ISO3 = {
    "AT": "AUT", "BE": "BEL", "CH": "CHE", "DE": "DEU", "DK": "DNK", "ES": "ESP", "FR": "FRA",
    "GI": "GIB", "GR": "GRC", "IT": "ITA", "NL": "NLD", "PT": "PRT", "SE": "SWE",
}  # fmt: skip
MATERIALS = ("al_6061", "steel_1045", "stainless_304")
MATERIAL_FIGURES = (
    ("price_commodity", "price", "USD/kg"),
    ("density", "density", "kg/m3"),
    ("co2_primary", "co2", "kg/kg"),
)
PROCESSES = ("cnc_mill_3axis", "manual_deburr_assembly", "anodising_line")
MILL_RATES = "pwp25"
"""The one source of milling rates, as scenarios must not mix sources of one figure."""

SOURCES = (
    ("eurodist", "R datasets: eurodist, road distances between 21 European cities", "", "facts"),
    ("geonames", "GeoNames, cities over 100,000 inhabitants", "https://www.geonames.org", "CC BY 4.0"),
    (
        "nist_sms",
        "NIST Smart Manufacturing Systems Test Bed, recordings of a machine shop",
        "https://smstestbed.nist.gov",
        "public information of the United States government",
    ),
    ("eu561", "Regulation (EC) 561/2006: driving times, breaks and rest periods", "", "law"),
    ("derived", "Computed here from the other rows, as the note says", "", "this project"),
    ("takt", "Engineering assumption of this project, made for scenarios", "", "this project"),
)

ASSUMED = (
    (
        "setup_time",
        "manual_deburr_assembly",
        "any",
        "15",
        "20",
        "30",
        "min",
        "kit and fixture a manual assembly job",
    ),
    ("setup_time", "anodising_line", "any", "20", "30", "45", "min", "rack a batch"),
    ("power", "anodising_line", "any", "", "30", "", "kW", "rectifier, cooling and bath heating"),
    ("cycle_time", "Assembly", "any", "15", "20", "30", "min", "Box + Cover + Plate, screws and check"),
    ("cycle_time", "Anodising", "any", "2", "3", "5", "min", "line time per piece in a full rack"),
    (
        "material_factor",
        "cut_blank",
        "any",
        "2.5",
        "3.5",
        "5",
        "x",
        "cut blank in small lots over mill price",
    ),
    ("truck", "speed", "any", "", "60", "", "km/h", "mean while driving; with rests about 625 km a day"),
    ("truck", "loading", "any", "", "120", "", "min", "loading and unloading, once a lane"),
    ("pallet", "pieces", "any", "", "200", "", "pieces", "packed pieces of Box size on one pallet"),
    ("pallet", "tare", "any", "", "25", "", "kg", "EUR pallet"),
    ("pallet", "piece_mass", "any", "", "1.5", "", "kg", "packed piece, mean over blanks and parts"),
    ("handling", "blank", "any", "480", "1440", "2880", "min", "order to gate of a cut blank"),
    ("handling", "delivery_cost", "any", "10", "15", "25", "EUR", "picking and papers, once a delivery"),
)
LAWS = (
    ("truck", "driving_before_break", "270", "min"),
    ("truck", "break", "45", "min"),
    ("truck", "driving_a_day", "540", "min"),
    ("truck", "daily_rest", "660", "min"),
    ("truck", "driving_a_week", "3360", "min"),
    ("truck", "weekly_rest", "2700", "min"),
)
HEADER = ("category", "key", "region", "low", "typical", "high", "unit", "confidence", "source", "note")


class Row(NamedTuple):
    """One compiled fact; figures as decimal text, empty where there is none."""

    category: str
    key: str
    region: str
    low: str
    typical: str
    high: str
    unit: str
    confidence: str
    source: str
    note: str


class Reference:
    """The reference table, searched by category, process, key and region."""

    def __init__(self, folder: Path) -> None:
        with (folder / "reference_data.csv").open(encoding="utf-8", newline="") as file:
            self.rows = tuple(csv.DictReader(file))

    def find(
        self, category: str, process: str, key: str, region: str, source: str = ""
    ) -> dict[str, str] | None:
        """Return the first row that matches, or None."""
        wanted = (category, process, key, region)
        for row in self.rows:
            found = (row["category"], row["process"], row["key"], row["region"])
            if found == wanted and source in {"", row["source_id"]}:
                return row
        return None

    def get(self, category: str, process: str, key: str, region: str, source: str = "") -> dict[str, str]:
        """Return the first row that matches; it must be there."""
        row = self.find(category, process, key, region, source)
        if row is None:
            raise LookupError(f"the reference table has no row {category}, {process}, {key}, {region}")
        return row


def decimal(value: Decimal, places: str = "0.01") -> str:
    """Return a figure rounded half up, without trailing zeros."""
    text = str(value.quantize(Decimal(places), rounding=ROUND_HALF_UP))
    return text.rstrip("0").rstrip(".") if "." in text else text


def taken(
    reference: dict[str, str], category: str, key: str, region: str, unit: str, *, note: str = ""
) -> Row:
    """Return a row of the reference table under our own names."""
    figures = (reference["low"], reference["typical"], reference["high"])
    return Row(category, key, region, *figures, unit, reference["confidence"], reference["source_id"], note)


def countries() -> tuple[str, ...]:
    """Return the countries of the cities, sorted."""
    return tuple(sorted({country for _, country, _ in CITIES.values()}))


def rate_rows(reference: Reference, fx: Decimal) -> Iterator[Row]:
    """Yield labour costs and charged machine-hour rates in EUR; scaled by labour cost where none is known."""
    labour: dict[str, Decimal] = {}
    for country in countries():
        row = reference.find("labour_cost", "whole_economy", "hourly_2024", country)
        note = ""
        if row is None:
            row = reference.get("labour_cost", "whole_economy", "hourly_2024", "EU")
            row, note = (
                dict(row, confidence="E", source_id="derived"),
                "no row for the country: mean of the EU",
            )
        labour[country] = Decimal(row["typical"])
        yield taken(row, "labour_cost", "whole_economy", country, "EUR/h", note=note)
    for process in PROCESSES:
        source = MILL_RATES if process.startswith("cnc") else ""
        german = reference.get("machine_hour_rate", process, "shop_rate", "DE", source)
        for country in countries():
            row = reference.find("machine_hour_rate", process, "shop_rate", country, source)
            scale = 1 / fx if german["unit"] == "USD/h" else Decimal(1)
            converted = f"USD at {fx} USD/EUR" if scale != 1 else ""
            if row is None:
                row = dict(german, confidence="E", source_id="derived")
                scale *= Decimal("0.12") + Decimal("0.88") * labour[country] / labour["DE"]
                converted = "DE rate x (0.12 + 0.88 x labour cost / labour cost DE)" + (
                    f", {converted}" if converted else ""
                )
            low, typical, high = (decimal(Decimal(row[name]) * scale) for name in ("low", "typical", "high"))
            yield Row(
                "machine_rate",
                process,
                country,
                low,
                typical,
                high,
                "EUR/h",
                row["confidence"],
                row["source_id"],
                converted,
            )


def energy_rows(reference: Reference, folder: Path) -> Iterator[Row]:
    """Yield electrical power per process, price and carbon of electricity per country."""
    rough = reference.get("energy", "cnc_mill", "power_roughing", "any")
    fine = reference.get("energy", "cnc_mill", "power_finishing", "any")
    mean = decimal((Decimal(rough["typical"]) + Decimal(fine["typical"])) / 2)
    note = f"mean of roughing {rough['typical']} and finishing {fine['typical']} kW (mshop, C)"
    yield Row("power", "cnc_mill_3axis", "any", "", mean, "", "kW", "E", "derived", note)
    base = reference.get("energy", "shop_base_load_per_machine", "mean_power_running", "any")
    yield taken(base, "power", "manual_deburr_assembly", "any", "kW", note="base load of a work place")
    mix = json.loads((folder / "prices" / "global_energy_mix.json").read_text(encoding="utf-8"))
    for country in countries():
        row = reference.find("grid_carbon", "electricity", "intensity", ISO3[country])
        if row is not None:
            yield taken(row, "grid_carbon", "electricity", country, "g/kWh")
        else:
            record = mix[ISO3[country]]
            figure = decimal(Decimal(str(record["carbon_intensity"])), "0.1")
            year = f"year {record['year']}"
            yield Row("grid_carbon", "electricity", country, "", figure, "", "g/kWh", "A", "owid23", year)
    for country in countries():
        row = reference.find("electricity_price", "industry_20_500MWh", "price_2024", country)
        note = ""
        if row is None:
            row = reference.get("electricity_price", "industry_20_500MWh", "price_2024", "EU")
            row, note = (
                dict(row, confidence="E", source_id="derived"),
                "no row for the country: mean of the EU",
            )
        yield taken(row, "electricity_price", "industry", country, "EURct/kWh", note=note)


def material_rows(reference: Reference) -> Iterator[Row]:
    """Yield price, density and CO2 of each material."""
    for material in MATERIALS:
        for key, name, unit in MATERIAL_FIGURES:
            row = reference.get("material", material, key, "any")
            yield taken(row, f"material_{name}", material, "any", unit)


def transport_rows(reference: Reference) -> Iterator[Row]:
    """Yield pallet price, truck emissions and customs time."""
    pallet = reference.get("transport_price", "road_ltl_pallet", "rate", "EU")
    base, per_km = pallet["typical"].removesuffix("*km").split("+")
    grade = (pallet["confidence"], pallet["source_id"])
    yield Row(
        "pallet", "price_base", "EU", "", base, "", "EUR", *grade, f"of {pallet['typical']} EUR per pallet"
    )
    yield Row("pallet", "price_per_km", "EU", "", per_km, "", "EUR/km", *grade, f"of {pallet['typical']}")
    yield Row(
        "pallet", "price_limits", "EU", pallet["low"], "", pallet["high"], "EUR", *grade, "least and most"
    )
    truck = reference.get("transport_co2", "hgv_all_average_laden", "well_to_wheel", "UK/any")
    yield taken(truck, "truck", "co2", "any", "kg/tkm", note="well to wheel, average laden")
    customs = reference.get("transit", "customs_EU_nonEU_days", "time", "any")
    yield taken(customs, "customs", "eu_border", "any", "days")
    margin = reference.get("rate_breakdown", "cnc_any", "margin", "WestEU")
    yield taken(margin, "margin", "shop", "any", "% of rate")
    setup = reference.get("setup_time", "cnc_any", "simple_setup", "any")
    yield taken(setup, "setup_time", "cnc_mill_3axis", "any", "min")
    yield taken(reference.get("fx", "EUR_USD", "rate", "any"), "fx", "EUR_USD", "any", "USD/EUR")


def cycle_rows(folder: Path) -> Iterator[Row]:
    """Yield quartiles and median of the run minutes of each part of the NIST recordings."""
    minutes: dict[str, list[Decimal]] = {}
    with (folder / "nist_sms_testbed" / "part_cycle_times.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            minutes.setdefault(row["part"], []).append(Decimal(row["run_min"]))
    for part, values in sorted(minutes.items()):
        low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
        note = f"quartiles of {len(values)} real parts, {min(values)} to {max(values)}"
        figures = (decimal(low), decimal(middle), decimal(high))
        yield Row("cycle_time", part, "any", *figures, "min", "B", "nist_sms", note)


def fact_rows(folder: Path) -> tuple[Row, ...]:
    """Return all facts."""
    reference = Reference(folder)
    fx = Decimal(reference.get("fx", "EUR_USD", "rate", "any")["typical"])
    rows = [
        *rate_rows(reference, fx),
        *energy_rows(reference, folder),
        *material_rows(reference),
        *transport_rows(reference),
        *cycle_rows(folder),
        *(Row(*fact[:7], "E", "takt", fact[7]) for fact in ASSUMED),
        *(
            Row(category, key, "EU", "", value, "", unit, "A", "eu561", "")
            for category, key, value, unit in LAWS
        ),
    ]
    return tuple(sorted(rows))


def source_rows(folder: Path, used: Iterable[str]) -> tuple[tuple[str, str, str, str], ...]:
    """Return every source that a row cites: id, title, address, licence."""
    known = {row[0]: row for row in SOURCES}
    for row in Reference(folder).rows:
        known.setdefault(
            row["source_id"], (row["source_id"], row["source_title"], row["source_url"], "facts")
        )
    return tuple(known[source] for source in sorted({*used, "eurodist", "geonames"}))


def city_rows(folder: Path) -> tuple[tuple[str, ...], ...]:
    """Return id, name, country, degrees north and east, UTC offset and source of each city."""
    with gzip.open(folder / "places" / "cities_100k.csv.gz", "rt", encoding="utf-8", newline="") as file:
        places = {(row["name"], row["country"]): row for row in csv.DictReader(file)}
    rows = []
    for name, (geoname, country, offset) in CITIES.items():
        title = name.replace("_", " ")
        slug = name.lower().replace("_", "-")
        if geoname is None:
            rows.append((slug, title, country, *SMALL_TOWNS[name], str(offset), "takt"))
        else:
            place = places[geoname, country]
            rows.append((slug, title, country, place["lat"], place["lon"], str(offset), "geonames"))
    return tuple(rows)


def road_rows(folder: Path) -> tuple[tuple[str, str, str], ...]:
    """Return the road distance of each pair of cities in km."""
    with (folder / "roads" / "eurodist_edges.csv").open(encoding="utf-8", newline="") as file:
        return tuple(
            (row["from"].lower().replace("_", "-"), row["to"].lower().replace("_", "-"), row["road_km"])
            for row in csv.DictReader(file)
        )


def compile_files(folder: Path) -> dict[str, str]:
    """Return the text of each file of this package, by name."""
    facts = fact_rows(folder)
    return {
        "cities.csv": _text(
            ("city", "name", "country", "latitude", "longitude", "utc_offset_min", "source"),
            city_rows(folder),
        ),
        "roads.csv": _text(("from", "to", "road_km"), road_rows(folder)),
        "facts.csv": _text(HEADER, facts),
        "sources.csv": _text(
            ("source", "title", "address", "licence"), source_rows(folder, (row.source for row in facts))
        ),
    }


def _text(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue()


if __name__ == "__main__":
    for file_name, content in compile_files(Path(sys.argv[1])).items():
        (HERE / file_name).write_text(content, encoding="utf-8")
