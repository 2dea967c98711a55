from __future__ import annotations

import itertools
import random

import pytest

from market.logistics.network import LogisticsNetwork, Route, with_transit, without_lane
from market.model.network import Lane, Network, Site
from takt_sdk.model.errors import OutOfRangeError, UnknownReferenceError


def network(*lanes: tuple[str, str, int, int, int], sites: str = "") -> Network:
    """Build a network of one-letter sites from (source, target, fixed, unit, minutes)."""
    names = sorted({end for lane in lanes for end in lane[:2]} | set(sites))
    return Network(
        sites=tuple(Site(id=name, name=name, country="DE") for name in names),
        lanes=tuple(
            Lane(
                source=source,
                target=target,
                distance_m=1000 * minutes,
                transit_minutes=minutes,
                fixed_minor=fixed,
                unit_minor=unit,
                emissions_g=2 * minutes,
                unit_emissions_g=minutes,
            )
            for source, target, fixed, unit, minutes in lanes
        ),
    )


def path(net: Network, source: str, target: str, reference_quantity: int = 1) -> str:
    route = LogisticsNetwork(net, reference_quantity=reference_quantity).route(source, target)
    assert route is not None
    return "".join(route.sites)


def test_sums_run_along_the_cheapest_path() -> None:
    net = network(("a", "b", 10, 1, 60), ("b", "c", 20, 2, 30), ("a", "c", 100, 0, 5))
    route = LogisticsNetwork(net).route("a", "c")
    assert route == Route(
        sites=("a", "b", "c"),
        distance_m=90_000,
        transit_minutes=90,
        fixed_minor=30,
        unit_minor=3,
        emissions_g=180,
        unit_emissions_g=90,
    )
    assert route.cost_minor(7) == 30 + 21
    assert route.total_emissions_g(7) == 180 + 630
    assert route.cost_minor(0) == route.total_emissions_g(0) == 0


def test_the_reference_quantity_decides_between_fixed_and_unit_cost() -> None:
    net = network(("a", "c", 100, 1, 1), ("a", "b", 1, 10, 1), ("b", "c", 1, 10, 1))
    assert path(net, "a", "c", reference_quantity=0) == "abc"
    assert path(net, "a", "c", reference_quantity=5) == "abc"
    assert path(net, "a", "c", reference_quantity=6) == "ac"
    with pytest.raises(OutOfRangeError, match=r"reference_quantity .* was -1"):
        LogisticsNetwork(net, reference_quantity=-1)


def test_equal_cost_goes_to_the_shorter_time_then_fewer_lanes_then_names() -> None:
    quick = network(("a", "b", 5, 0, 1), ("b", "d", 5, 0, 1), ("a", "c", 5, 0, 2), ("c", "d", 5, 0, 2))
    assert path(quick, "a", "d") == "abd"
    slow_b = with_transit(quick, "a", "b", 9)
    assert path(slow_b, "a", "d") == "acd"
    direct = network(("a", "b", 5, 0, 1), ("b", "d", 5, 0, 1), ("a", "d", 10, 0, 2))
    assert path(direct, "a", "d") == "ad"
    free = network(("a", "c", 0, 0, 0), ("a", "b", 0, 0, 0), ("b", "d", 0, 0, 0), ("c", "d", 0, 0, 0))
    assert path(free, "a", "d") == "abd"


def test_free_lanes_in_a_circle_do_not_confuse_it() -> None:
    net = network(("a", "b", 0, 0, 0), ("b", "a", 0, 0, 0), ("b", "c", 0, 0, 0), ("c", "b", 0, 0, 0))
    assert path(net, "a", "c") == "abc"
    assert path(net, "c", "a") == "cba"


def test_a_site_reaches_itself_for_nothing() -> None:
    net = network(("a", "b", 5, 1, 1), ("a", "a", 3, 3, 3))
    route = LogisticsNetwork(net).route("a", "a")
    assert route == Route(sites=("a",))
    assert route.cost_minor(100) == 0


def test_unconnected_sites_have_no_route_and_unknown_ones_are_refused() -> None:
    routes = LogisticsNetwork(network(("a", "b", 5, 1, 1), sites="z"))
    assert routes.route("b", "a") is None
    assert routes.route("a", "z") is None
    assert set(routes.table("abz", "abz")) == {("a", "b")}
    with pytest.raises(UnknownReferenceError, match="target is unknown; was 'q'"):
        routes.route("a", "q")
    with pytest.raises(UnknownReferenceError, match="source is unknown; was 'q'"):
        routes.table("q", "a")


def test_a_symmetric_network_has_symmetric_costs() -> None:
    rng = random.Random(7)
    names = "abcdefgh"
    lanes = []
    for source, target in itertools.combinations(names, 2):
        fixed, unit, minutes = rng.randrange(1, 90), rng.randrange(3), rng.randrange(60)
        lanes += [(source, target, fixed, unit, minutes), (target, source, fixed, unit, minutes)]
    table = LogisticsNetwork(network(*lanes), reference_quantity=3).table(names, names)
    assert len(table) == 8 * 7
    for (source, target), route in table.items():
        back = table[target, source]
        assert (route.cost_minor(3), route.transit_minutes) == (back.cost_minor(3), back.transit_minutes)
    assert list(table) == sorted(table)


def test_it_agrees_with_all_paths_tried_one_by_one() -> None:
    rng = random.Random(11)
    for _ in range(40):
        names = "abcdef"
        pairs = [pair for pair in itertools.permutations(names, 2) if rng.random() < 0.45]
        net = network(
            *((s, t, rng.randrange(4), rng.randrange(2), rng.randrange(3)) for s, t in pairs), sites=names
        )
        by_pair = {(lane.source, lane.target): lane for lane in net.lanes}
        routes = LogisticsNetwork(net, reference_quantity=2)
        for source, target in itertools.permutations(names, 2):
            best: tuple[int, int, int, tuple[str, ...]] | None = None
            between = [name for name in names if name not in {source, target}]
            for count in range(len(between) + 1):
                for middle in itertools.permutations(between, count):
                    steps = list(itertools.pairwise((source, *middle, target)))
                    if all(step in by_pair for step in steps):
                        lanes = [by_pair[step] for step in steps]
                        cost = sum(lane.fixed_minor + 2 * lane.unit_minor for lane in lanes)
                        minutes = sum(lane.transit_minutes for lane in lanes)
                        key = (cost, minutes, len(steps), (source, *middle, target))
                        best = key if best is None else min(best, key)
            found = routes.route(source, target)
            assert (found.sites if found else None) == (best[3] if best else None)


def test_the_order_of_lanes_changes_nothing() -> None:
    lanes = [("a", "b", 1, 0, 1), ("a", "c", 1, 0, 1), ("b", "d", 1, 0, 1), ("c", "d", 1, 0, 1)]
    assert path(network(*lanes), "a", "d") == path(network(*reversed(lanes)), "a", "d") == "abd"


def test_lanes_are_removed_and_slowed_as_new_values() -> None:
    net = network(("a", "b", 1, 0, 1), ("b", "a", 1, 0, 1), ("a", "c", 1, 0, 1), ("c", "b", 1, 0, 1))
    cut = without_lane(net, "a", "b")
    assert path(cut, "a", "b") == "acb"
    assert path(cut, "b", "a") == "ba"
    assert path(net, "a", "b") == "ab"
    slow = with_transit(net, "a", "b", 500)
    route = LogisticsNetwork(slow).route("a", "b")
    assert route is not None
    assert route.transit_minutes == 500
    with pytest.raises(UnknownReferenceError, match="lane is unknown; was 'c -> a'"):
        without_lane(net, "c", "a")
