"""Lanes from road distances: driving and rest times, pallet price and emissions of a truck.

Every figure is a fact (`scenarios.facts.tables`). One driver under Regulation (EC) 561/2006: 45 min
of break after 4.5 h at the wheel, 11 h of rest after 9 h, 45 h after 56 h in a week. A shipment books
one pallet at 50 + 0.14 x km EUR (60 to 300) and each piece its share of another.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from market.model.network import Lane, Network, Site
from scenarios.facts.tables import Facts, whole

# fmt: off
CUSTOMS_UNION = frozenset({
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU",
    "IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
})
# fmt: on
"""Members of the EU; a lane that leaves them for another country takes customs time."""
MINUTES_A_DAY = 24 * 60
KG_TO_G = 1000


def truck_minutes(facts: Facts, distance_km: int) -> int:
    """Return door-to-door minutes of a single-manned truck, loading included, customs not."""
    stops = (
        (_minutes(facts, "driving_a_week"), _minutes(facts, "weekly_rest")),
        (_minutes(facts, "driving_a_day"), _minutes(facts, "daily_rest")),
        (_minutes(facts, "driving_before_break"), _minutes(facts, "break")),
    )
    left = whole(Decimal(distance_km) * 60 / facts.figure("truck", "speed"))
    total = _minutes(facts, "loading") + left
    since = [0] * len(stops)
    while True:
        step = min(limit - driven for (limit, _), driven in zip(stops, since, strict=True))
        if left <= step:
            return total
        left -= step
        since = [driven + step for driven in since]
        longest = next(i for i, (limit, _) in enumerate(stops) if since[i] == limit)
        total += stops[longest][1]
        since[longest:] = [0] * (len(stops) - longest)  # a long rest is also every shorter one


def _minutes(facts: Facts, key: str) -> int:
    return whole(facts.figure("truck", key))


def lane(facts: Facts, source: str, target: str) -> Lane:
    """Return the lane between two different cities."""
    return lane_of_km(facts, source, target, facts.roads_km[source, target])


def lane_of_km(facts: Facts, source: str, target: str, distance_km: int) -> Lane:
    """Return the lane between two different cities that are so far from each other."""
    limits = facts.get("pallet", "price_limits")
    pallet_eur = facts.figure("pallet", "price_base") + facts.figure("pallet", "price_per_km") * distance_km
    pallet_eur = min(max(pallet_eur, limits.low), limits.high)
    co2_g_per_kg = facts.figure("truck", "co2") * distance_km
    ends = {facts.city(source).country, facts.city(target).country}
    customs = len(ends) > 1 and not ends <= CUSTOMS_UNION
    border_minutes = whole(facts.figure("customs", "eu_border") * MINUTES_A_DAY) if customs else 0
    return Lane(
        source=source,
        target=target,
        distance_m=distance_km * 1000,
        transit_minutes=truck_minutes(facts, distance_km) + border_minutes,
        fixed_minor=whole(pallet_eur * 100),
        unit_minor=whole(pallet_eur * 100 / facts.figure("pallet", "pieces")),
        emissions_g=whole(facts.figure("pallet", "tare") * co2_g_per_kg),
        unit_emissions_g=whole(facts.figure("pallet", "piece_mass") * co2_g_per_kg),
    )


def road_network(facts: Facts, cities: Iterable[str]) -> Network:
    """Return the network of some cities, with a lane each way between every two."""
    names = sorted(set(cities))
    lanes = (lane(facts, source, target) for source in names for target in names if source != target)
    return Network(sites=sites_of(facts, names), lanes=tuple(lanes))


def sites_of(facts: Facts, names: Iterable[str]) -> tuple[Site, ...]:
    """Return cities as sites."""
    cities = (facts.city(name) for name in names)
    return tuple(
        Site(
            id=city.id,
            name=city.name,
            country=city.country,
            latitude_udeg=city.latitude_udeg,
            longitude_udeg=city.longitude_udeg,
        )
        for city in cities
    )
