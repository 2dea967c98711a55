"""Which way goods go: the cheapest; by rule the fastest, where nobody can wait for the cheapest.

A problem has one way per pair of sites. Goods that must hurry start from a site of their own there, which
stands for the same place and has other ways. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from market.clearing.problem import Problem
from market.logistics.network import LogisticsNetwork, Route
from market.model.network import Network
from market.model.order import Order
from takt_sdk.model.values import DAY_US, MINUTE_US

_HURRIED = "/fast"
"""Ends the name of such a site; no id of a real one has a slash."""


@lru_cache(maxsize=8)
def logistics(network: Network) -> LogisticsNetwork:
    """Return the cheapest ways of a network, kept for the networks last used."""
    return LogisticsNetwork(network)


@lru_cache(maxsize=8)
def ways(network: Network) -> Ways:
    """Return both kinds of ways of a network, kept for the networks last used."""
    return Ways(network)


class Ways:
    """The cheapest ways of a network, and the fastest, which few markets need."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.cheapest = logistics(network)

    @cached_property
    def fastest(self) -> LogisticsNetwork:
        """The fastest ways."""
        return LogisticsNetwork(self._network, fastest=True)

    def between(self, source: str, target: str) -> Route | None:
        """Return the way between two sites of a problem."""
        routes = self.fastest if source.endswith(_HURRIED) else self.cheapest
        return routes.route(source.removesuffix(_HURRIED), target.removesuffix(_HURRIED))


def hurried(site: str) -> str:
    """Return the name of a site in a problem for goods that must hurry."""
    return site + _HURRIED


def hurried_bids(problem: Problem) -> frozenset[str]:
    """Return the bids of a problem whose goods go the fastest way."""
    fast = {number for number, site in enumerate(problem.sites) if site.endswith(_HURRIED)}
    if not fast:
        return frozenset()
    return frozenset(
        id_ for id_, site in zip(problem.bid_ids, problem.bid_site.tolist(), strict=True) if site in fast
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Hurry:
    """Tells which goods of a round must hurry.

    ``final`` are the orders by their last lots, ``fed`` the lots that a lot's goods go to, ``starts_us`` the
    latest start of any offer or standing contract for a lot, by its site.
    """

    ways: Ways
    opened_us: int
    final: Mapping[str, Order]
    fed: Mapping[str, Sequence[str]]
    starts_us: Mapping[str, Mapping[str, int]]

    def needed(self, site: str, end_us: int, lots: Iterable[str]) -> bool:
        """Return whether goods, ready at ``end_us``, are too late the cheapest way, and not the fastest.

        Nobody who needs them starts late enough for the cheapest; or it would miss the order's deadline; or
        the fastest saves more for lateness than it costs more.
        """
        return any(
            self._to_customer(site, end_us, self.final[lot])
            if lot in self.final
            else any(self._to_maker(site, end_us, target) for target in self.fed.get(lot, ()))
            for lot in lots
        )

    def arrival_us(self, site: str, end_us: int, order: Order) -> int:
        """Return when goods are with the customer, the way that they would go."""
        at_us = self._both(site, end_us, order.terms.destination)
        return end_us if at_us is None else at_us[self._to_customer(site, end_us, order)]

    def _to_customer(self, site: str, end_us: int, order: Order) -> bool:
        terms = order.terms
        at_us = self._both(site, end_us, terms.destination)
        if at_us is None or at_us[1] >= at_us[0] or at_us[0] <= terms.due_us:
            return False
        if at_us[0] > terms.deadline_us:
            return at_us[1] <= terms.deadline_us
        slow, fast = (-(-max(0, one - terms.due_us) // DAY_US) for one in at_us)
        cheap_minor, fast_minor = (
            route.cost_minor(terms.quantity) for route in self._routes(site, terms.destination)
        )
        return (slow - fast) * terms.lateness_penalty_minor_per_day > fast_minor - cheap_minor

    def _to_maker(self, site: str, end_us: int, target: str) -> bool:
        found = [
            (at_us, start_us)
            for other, start_us in self.starts_us.get(target, {}).items()
            if (at_us := self._both(site, end_us, other)) is not None
        ]
        return not any(self._fits(slow, start) for (slow, _), start in found) and any(
            self._fits(fast, start) for (_, fast), start in found
        )

    def _fits(self, at_us: int, start_us: int) -> bool:
        """Return whether goods are there before work begins, in the whole minutes of the round's problem."""
        return -((self.opened_us - at_us) // MINUTE_US) <= (start_us - self.opened_us) // MINUTE_US

    def _routes(self, site: str, target: str) -> tuple[Route, Route]:
        cheap, fast = self.ways.cheapest.route(site, target), self.ways.fastest.route(site, target)
        assert cheap is not None
        assert fast is not None
        return cheap, fast

    def _both(self, site: str, end_us: int, target: str) -> tuple[int, int] | None:
        """Return when goods arrive the cheapest and the fastest way; None where no way leads there."""
        if self.ways.cheapest.route(site, target) is None:
            return None
        cheap, fast = self._routes(site, target)
        return end_us + cheap.transit_minutes * MINUTE_US, end_us + fast.transit_minutes * MINUTE_US
