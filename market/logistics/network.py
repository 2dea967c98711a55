"""Cheapest or fastest routes over the logistics network, by single-source shortest paths (networkx).

A clearing wants one row of cost and time per pair of sites, before it knows how much will move. So
the route of a pair is chosen once, for a reference quantity: fixed cost + unit cost x reference
quantity, summed over its lanes; then the shorter time, fewer lanes, and names in order. The
chosen route's fixed and unit costs then price any quantity. The fastest route is the one of least
time; then the lower cost, and so on. Does no I/O and holds no state but a
cache of what it has computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import networkx as nx

from market.model.network import Lane, Network
from takt_sdk.model.errors import UnknownReferenceError
from takt_sdk.model.values import MAX_QUANTITY, check_int


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A path over lanes, its sums, and the price of moving goods along it in one shipment.

    A route from a site to itself has no lanes, costs nothing and takes no time.
    """

    sites: tuple[str, ...]
    distance_m: int = 0
    transit_minutes: int = 0
    fixed_minor: int = 0
    unit_minor: int = 0
    emissions_g: int = 0
    unit_emissions_g: int = 0

    def cost_minor(self, quantity: int) -> int:
        """Return what one shipment of ``quantity`` units costs; nothing moved costs nothing."""
        return self.fixed_minor + self.unit_minor * quantity if quantity else 0

    def total_emissions_g(self, quantity: int) -> int:
        """Return what one shipment of ``quantity`` units emits, grams CO2e."""
        return self.emissions_g + self.unit_emissions_g * quantity if quantity else 0


class LogisticsNetwork:
    """The routes of one `Network` value; another value is another object.

    Parameters
    ----------
    network
        Sites and directed lanes.
    reference_quantity
        Units of a typical shipment, for which a pair's route is the cheapest. 0 lets fixed costs
        alone decide.
    fastest
        Whether time comes before cost.
    """

    def __init__(self, network: Network, *, reference_quantity: int = 1, fastest: bool = False) -> None:
        check_int("reference_quantity", reference_quantity, 0, MAX_QUANTITY)
        self.network = network
        self.reference_quantity = reference_quantity
        self._lanes = {(lane.source, lane.target): lane for lane in network.lanes}
        self._graph: nx.DiGraph[str] = nx.DiGraph()
        self._graph.add_nodes_from(site.id for site in network.sites)
        # One exact integer orders (cost, minutes, lanes): no path can overflow into the next part.
        hops = len(network.sites) + 1
        costs = {lane: lane.fixed_minor + lane.unit_minor * reference_quantity for lane in network.lanes}
        minutes = 1 + sum(lane.transit_minutes for lane in network.lanes)
        dearest = 1 + sum(costs.values())
        for lane, cost in costs.items():
            first = (
                lane.transit_minutes * dearest + cost if fastest else cost * minutes + lane.transit_minutes
            )
            weight = first * hops + 1
            self._graph.add_edge(lane.source, lane.target, weight=weight)
        self._from: dict[str, dict[str, Route]] = {}

    def route(self, source: str, target: str) -> Route | None:
        """Return the route of a pair, or None where no path leads there.

        Raises
        ------
        UnknownReferenceError
            If a site is not part of the network.
        """
        for name, site in (("source", source), ("target", target)):
            if site not in self._graph:
                raise UnknownReferenceError(name, site)
        return self._routes_from(source).get(target)

    def table(self, sources: Iterable[str], targets: Iterable[str]) -> Mapping[tuple[str, str], Route]:
        """Return the routes between all pairs of different sites that are connected.

        One search per source. Keys stand in order of source and target name.
        """
        ends = sorted(set(targets))
        pairs = ((source, target) for source in sorted(set(sources)) for target in ends if source != target)
        routes = ((pair, self.route(*pair)) for pair in pairs)
        return {pair: route for pair, route in routes if route is not None}

    def _routes_from(self, source: str) -> dict[str, Route]:
        known = self._from.get(source)
        if known is None:
            known = self._from[source] = self._search(source)
        return known

    def _search(self, source: str) -> dict[str, Route]:
        """Search from one site; all cheapest paths to a site have equally many lanes, so names decide."""
        before, weight = nx.dijkstra_predecessor_and_distance(self._graph, source, weight="weight")
        routes = {source: Route(sites=(source,))}
        for site in sorted(weight, key=lambda name: (weight[name], name)):
            if site != source:
                best = min((routes[name] for name in before[site]), key=lambda route: route.sites)
                routes[site] = _extended(best, self._lanes[best.sites[-1], site])
        return routes


def _extended(route: Route, lane: Lane) -> Route:
    return Route(
        sites=(*route.sites, lane.target),
        distance_m=route.distance_m + lane.distance_m,
        transit_minutes=route.transit_minutes + lane.transit_minutes,
        fixed_minor=route.fixed_minor + lane.fixed_minor,
        unit_minor=route.unit_minor + lane.unit_minor,
        emissions_g=route.emissions_g + lane.emissions_g,
        unit_emissions_g=route.unit_emissions_g + lane.unit_emissions_g,
    )


def without_lane(network: Network, source: str, target: str) -> Network:
    """Return the network without the lane from ``source`` to ``target``; the way back stays.

    Raises
    ------
    UnknownReferenceError
        If there is no such lane.
    """
    lane = _lane(network, source, target)
    return replace(network, lanes=tuple(other for other in network.lanes if other is not lane))


def with_transit(network: Network, source: str, target: str, transit_minutes: int) -> Network:
    """Return the network with another transit time on one lane.

    Raises
    ------
    UnknownReferenceError
        If there is no such lane.
    """
    lane = _lane(network, source, target)
    changed = replace(lane, transit_minutes=transit_minutes)
    return replace(network, lanes=tuple(changed if other is lane else other for other in network.lanes))


def _lane(network: Network, source: str, target: str) -> Lane:
    for lane in network.lanes:
        if (lane.source, lane.target) == (source, target):
            return lane
    raise UnknownReferenceError("lane", f"{source} -> {target}")
