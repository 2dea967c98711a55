from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

import pytest

from market.logistics.network import LogisticsNetwork
from scenarios.errors import MissingFactError
from scenarios.facts import compile as compiler
from scenarios.facts.roads import lane, road_network, truck_minutes
from scenarios.facts.tables import load_facts

FACTS = load_facts()
REPOSITORY = Path(__file__).parents[3]
REFERENCE = Path(os.environ.get("TAKT_REFERENCE_DATA", REPOSITORY.parent / "shared" / "data"))


@pytest.mark.skipif(
    not (REFERENCE / "reference_data.csv").exists(),
    reason="no folder of reference data beside the repository or in TAKT_REFERENCE_DATA",
)
def test_the_committed_facts_are_those_of_the_reference_data() -> None:
    for name, content in compiler.compile_files(REFERENCE).items():
        assert (Path(compiler.__file__).parent / name).read_text(encoding="utf-8") == content, name


def test_every_row_has_a_known_source_and_a_confidence() -> None:
    rows = (Path(compiler.__file__).parent / "sources.csv").read_text(encoding="utf-8").splitlines()[1:]
    sources = {row.split(",", 1)[0] for row in rows}
    for fact in FACTS.rows:
        assert fact.source in sources, fact
        assert fact.confidence in set("ABCDE"), fact
        assert fact.low <= fact.typical <= fact.high, fact
        if fact.source in {"derived", "takt", "assume"}:
            assert fact.confidence == "E", fact


def test_measured_cycle_times_are_the_medians_of_the_recorded_parts() -> None:
    medians = {part: FACTS.figure("cycle_time", part) for part in ("Box", "Cover", "Plate")}
    assert medians == {"Box": Decimal(118), "Cover": Decimal("37.4"), "Plate": Decimal("19.75")}


def test_rates_are_scaled_from_the_german_one_only_where_a_country_has_none() -> None:
    german = FACTS.get("machine_rate", "cnc_mill_3axis", "DE")
    assert (german.typical, german.confidence) == (Decimal("86.36"), "C")
    greek = FACTS.get("machine_rate", "cnc_mill_3axis", "GR")
    index = Decimal("0.12") + Decimal("0.88") * Decimal("16.7") / Decimal("43.4")
    assert abs(greek.typical - german.typical * index) < Decimal("0.01")
    assert (greek.confidence, greek.source) == ("E", "derived")
    french = FACTS.get("machine_rate", "cnc_mill_3axis", "FR")
    assert (french.confidence, french.source) == ("C", "pwp25")


def test_a_region_without_a_row_falls_back_and_a_missing_fact_is_named() -> None:
    assert FACTS.get("truck", "speed", "DE").region == "any"
    assert FACTS.get("truck", "break", "DE").region == "EU"
    assert FACTS.get("setup_time", "cnc_mill_3axis").scaled(60) == (1800, 2700, 3600)
    with pytest.raises(MissingFactError, match=r"facts: power\.loom: no such fact; was 'DE'"):
        FACTS.get("power", "loom", "DE")
    with pytest.raises(MissingFactError, match="must be one of athens"):
        FACTS.city("atlantis")


@pytest.mark.parametrize(
    ("distance_km", "minutes"),
    [
        (0, 120),
        (270, 120 + 270),
        (271, 120 + 271 + 45),
        (540, 120 + 540 + 45),
        (541, 120 + 541 + 45 + 660),
        (1080, 120 + 1080 + 2 * 45 + 660),
        (3360, 120 + 3360 + 6 * 45 + 6 * 660),
        (3361, 120 + 3361 + 6 * 45 + 6 * 660 + 2700),
    ],
)
def test_a_driver_rests_as_the_regulation_says(distance_km: int, minutes: int) -> None:
    assert truck_minutes(FACTS, distance_km) == minutes


def test_a_truck_makes_as_many_km_a_day_as_the_reference_says() -> None:
    per_day = 1080 * 1440 / (truck_minutes(FACTS, 2160) - truck_minutes(FACTS, 1080))
    assert 500 <= per_day <= 700


def test_a_lane_has_the_price_of_a_pallet_and_the_emissions_of_its_mass() -> None:
    near = lane(FACTS, "munich", "vienna")
    assert near.distance_m == 428_000
    assert near.fixed_minor == 5000 + 14 * 428
    assert near.unit_minor == 55
    assert near.emissions_g == round(25 * 428 * 0.12522)
    assert near.unit_emissions_g == round(1.5 * 428 * 0.12522)
    assert lane(FACTS, "athens", "stockholm").fixed_minor == 300_00


def test_goods_wait_a_day_for_customs_at_the_border_of_the_union() -> None:
    inside = truck_minutes(FACTS, FACTS.roads_km["geneva", "lyons"])
    assert lane(FACTS, "geneva", "lyons").transit_minutes == inside + 1440
    assert lane(FACTS, "paris", "lyons").transit_minutes == truck_minutes(
        FACTS, FACTS.roads_km["paris", "lyons"]
    )


def test_the_network_of_all_cities_is_complete_and_symmetric() -> None:
    network = road_network(FACTS, FACTS.cities)
    assert (len(network.sites), len(network.lanes)) == (21, 420)
    table = LogisticsNetwork(network, reference_quantity=20).table(FACTS.cities, FACTS.cities)
    assert len(table) == 420
    assert all(table[b, a].transit_minutes == route.transit_minutes for (a, b), route in table.items())
    assert len({(site.latitude_udeg, site.longitude_udeg) for site in network.sites}) == 21
