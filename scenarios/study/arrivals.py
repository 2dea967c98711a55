"""When an order's goods are really there: reported ends carried along the chain of its contracts.

Companies report their own work and know nothing of who is late before them. Here whoever waits for goods
starts when they are there, and a truck that meets a closed lane waits or goes round, whichever is sooner.
"""

from __future__ import annotations

from functools import lru_cache

from market.engine.state import ContractRecord, OrderRecord, State
from market.logistics.network import LogisticsNetwork, without_lane
from scenarios.population import Population
from takt_sdk.model.execution import NotifyDisruption
from takt_sdk.model.values import MINUTE_US, Window

Closure = tuple[str, str, Window]
"""A lane, from where to where, and when it is closed."""


def closures(population: Population) -> tuple[Closure, ...]:
    """Return the lanes that the operator closes, until the notice that says it is over."""
    told = [n for n in population.notices if isinstance(n.command, NotifyDisruption)]
    ends = {n.command.source_id: n.at_us for n in told if n.command.status == "resolved"}  # type: ignore[union-attr]
    return tuple(
        (
            command.lane_source,
            command.lane_target,
            Window(start_us=n.at_us, end_us=ends.get(command.notice_id, population.end_us)),
        )
        for n in told
        if isinstance(command := n.command, NotifyDisruption) and command.effect == "lane_closed"
        if command.status == "open"
    )


class Arrivals:
    """The arrivals of one finished run."""

    def __init__(self, population: Population, state: State) -> None:
        self.state = state
        self._network = population.network
        self._closures = closures(population)
        self._routes = lru_cache(maxsize=None)(self._routes_without)

    def of(self, order: OrderRecord) -> int | None:
        """Return when the last goods of an order arrive; None where nothing is on its way to its customer."""
        lasting = {
            id_: known for id_ in order.contracts if (known := self.state.contracts[id_]).state != "ended"
        }
        ready: dict[str, int] = {}
        found = [
            self._carried(known, self._ready(id_, lasting, ready), s.to_site, s.transit_minutes)
            for id_, known in lasting.items()
            for s in known.contract.shipments
            if s.to_contract is None
        ]
        return max(found, default=None)

    def _ready(self, id_: str, lasting: dict[str, ContractRecord], ready: dict[str, int]) -> int:
        """Return when a contract's work ends: as reported, or later by what it had to wait for."""
        if id_ not in ready:
            known = lasting[id_]
            contract = known.contract
            ready[id_] = known.expected_end_us
            for source_id, source in lasting.items():
                if source_id == id_:
                    continue  # lots of one contract: it has taken its own ways into account
                for s in source.contract.shipments:
                    if s.to_contract == id_:
                        left_us = self._ready(source_id, lasting, ready)
                        there_us = self._carried(source, left_us, s.to_site, s.transit_minutes)
                        if there_us > contract.start_us:
                            ready[id_] = max(ready[id_], there_us + contract.end_us - contract.start_us)
        return ready[id_]

    def _carried(self, source: ContractRecord, left_us: int, to_site: str, minutes: int) -> int:
        """Return when goods that can leave at ``left_us`` are there."""
        site = source.contract.site
        closed = [one for one in self._closures if one[2].start_us <= left_us < one[2].end_us]
        direct = self._routes(()).route(site, to_site)
        if not closed or direct is None or minutes > direct.transit_minutes:
            return left_us + minutes * MINUTE_US
        round_ = self._routes(tuple((a, b) for a, b, _ in closed)).route(site, to_site)
        waits_us = max(window.end_us for _, _, window in closed) + minutes * MINUTE_US
        if round_ is None:
            return waits_us
        return min(waits_us, left_us + max(minutes, round_.transit_minutes) * MINUTE_US)

    def _routes_without(self, lanes: tuple[tuple[str, str], ...]) -> LogisticsNetwork:
        network = self._network
        for source, target in lanes:
            network = without_lane(network, source, target)
        return LogisticsNetwork(network)
