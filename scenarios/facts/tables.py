"""The facts as values: rows with low, typical and high figures, cities, and road distances.

Figures are exact decimals in the units of the table; whoever turns one into the model's integers
says so with `Fact.scaled`. Reading is the only I/O; nothing is drawn or decided here.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from scenarios.errors import MissingFactError

ANY_REGION = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A figure with its spread, unit, confidence (A official to E assumption) and source.

    ``low`` and ``high`` equal ``typical`` where the table has one figure only.
    """

    category: str
    key: str
    region: str
    low: Decimal
    typical: Decimal
    high: Decimal
    unit: str
    confidence: str
    source: str
    note: str

    def scaled(self, factor: Decimal | int = 1) -> tuple[int, int, int]:
        """Return low, typical and high x ``factor`` as integers, halves rounded up."""
        return whole(self.low * factor), whole(self.typical * factor), whole(self.high * factor)


@dataclass(frozen=True, slots=True, kw_only=True)
class City:
    """A city of the road table; coordinates in micro degrees, winter time as minutes after UTC."""

    id: str
    name: str
    country: str
    latitude_udeg: int
    longitude_udeg: int
    utc_offset_minutes: int


def whole(value: Decimal) -> int:
    """Return the nearest integer, halves up."""
    return int(value.quantize(Decimal(1), rounding=ROUND_HALF_UP))


class Facts:
    """All facts of this package.

    Parameters
    ----------
    facts, cities
        Rows.
    roads_km
        Road distance of each pair of cities, under both orders of the pair.
    """

    def __init__(
        self, facts: tuple[Fact, ...], cities: tuple[City, ...], roads_km: Mapping[tuple[str, str], int]
    ) -> None:
        self.rows = facts
        self.cities = MappingProxyType({city.id: city for city in cities})
        self.roads_km = roads_km
        self._by_name = {(fact.category, fact.key, fact.region): fact for fact in facts}

    def get(self, category: str, key: str, region: str = ANY_REGION) -> Fact:
        """Return the fact for a region, else the one for any region or the EU.

        Raises
        ------
        MissingFactError
            If there is none.
        """
        for place in (region, ANY_REGION, "EU"):
            fact = self._by_name.get((category, key, place))
            if fact is not None:
                return fact
        raise MissingFactError("facts", f"{category}.{key}", region, "no such fact")

    def with_cities(self, cities: Iterable[City]) -> Facts:
        """Return these facts with other cities in place of their own, without roads between them."""
        return Facts(self.rows, tuple(cities), MappingProxyType({}))

    def figure(self, category: str, key: str, region: str = ANY_REGION) -> Decimal:
        """Return the typical figure of `get`."""
        return self.get(category, key, region).typical

    def city(self, name: str) -> City:
        """Return a city of the road table.

        Raises
        ------
        MissingFactError
            If it is not one of the 21.
        """
        city = self.cities.get(name)
        if city is None:
            raise MissingFactError("facts", "city", name, f"must be one of {', '.join(self.cities)}")
        return city


@cache
def load_facts() -> Facts:
    """Read the CSV files of this package; once per process, the value is immutable."""
    facts = []
    for row in _rows("facts.csv"):
        low, typical, high = (
            Decimal(row[name]) if row[name] else None for name in ("low", "typical", "high")
        )
        known = [figure for figure in (typical, low, high) if figure is not None]
        middle = known[0]
        facts.append(
            Fact(
                category=row["category"],
                key=row["key"],
                region=row["region"],
                low=middle if low is None else low,
                typical=middle,
                high=middle if high is None else high,
                unit=row["unit"],
                confidence=row["confidence"],
                source=row["source"],
                note=row["note"],
            )
        )
    cities = tuple(
        City(
            id=row["city"],
            name=row["name"],
            country=row["country"],
            latitude_udeg=whole(Decimal(row["latitude"]) * 1_000_000),
            longitude_udeg=whole(Decimal(row["longitude"]) * 1_000_000),
            utc_offset_minutes=int(row["utc_offset_min"]),
        )
        for row in _rows("cities.csv")
    )
    roads = {(row["from"], row["to"]): int(row["road_km"]) for row in _rows("roads.csv")}
    roads |= {(target, source): km for (source, target), km in roads.items()}
    return Facts(tuple(facts), cities, MappingProxyType(roads))


def _rows(name: str) -> list[dict[str, str]]:
    text = (files("scenarios.facts") / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
