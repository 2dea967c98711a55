"""The logistics network as data: sites and directed lanes. Paths are found in `market.logistics`."""

from __future__ import annotations

from dataclasses import dataclass

from takt_sdk.model.errors import DuplicateIdError, UnknownReferenceError
from takt_sdk.model.values import (
    MAX_QUANTITY,
    check_count,
    check_id,
    check_ids,
    check_int,
    check_money,
    check_text,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A place where goods are made, stored or received. Coordinates in micro degrees (WGS 84)."""

    id: str
    name: str
    country: str
    latitude_udeg: int = 0
    longitude_udeg: int = 0

    def __post_init__(self) -> None:
        check_id("id", self.id)
        check_text("name", self.name)
        check_text("country", self.country, 2)
        check_int("latitude_udeg", self.latitude_udeg, -90_000_000, 90_000_000)
        check_int("longitude_udeg", self.longitude_udeg, -180_000_000, 180_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """A directed connection.

    A shipment costs ``fixed_minor`` + ``unit_minor`` × quantity, takes ``transit_minutes`` and emits
    ``emissions_g`` + ``unit_emissions_g`` × quantity.
    """

    source: str
    target: str
    distance_m: int
    transit_minutes: int
    fixed_minor: int
    unit_minor: int
    emissions_g: int = 0
    unit_emissions_g: int = 0

    def __post_init__(self) -> None:
        check_int("distance_m", self.distance_m, 0, MAX_QUANTITY)
        check_int("transit_minutes", self.transit_minutes, 0, MAX_QUANTITY)
        check_money("fixed_minor", self.fixed_minor)
        check_money("unit_minor", self.unit_minor)
        check_int("emissions_g", self.emissions_g, 0, MAX_QUANTITY)
        check_int("unit_emissions_g", self.unit_emissions_g, 0, MAX_QUANTITY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Sites and the lanes between them."""

    sites: tuple[Site, ...] = ()
    lanes: tuple[Lane, ...] = ()

    def __post_init__(self) -> None:
        check_count("sites", self.sites, 100_000)
        check_ids("sites.id", tuple(site.id for site in self.sites))
        known = {site.id for site in self.sites}
        pairs: set[tuple[str, str]] = set()
        for index, lane in enumerate(self.lanes):
            for end in ("source", "target"):
                if getattr(lane, end) not in known:
                    raise UnknownReferenceError(f"lanes[{index}].{end}", getattr(lane, end))
            if (lane.source, lane.target) in pairs:
                raise DuplicateIdError(f"lanes[{index}]", f"{lane.source} -> {lane.target}")
            pairs.add((lane.source, lane.target))
