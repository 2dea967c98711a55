"""The engine dies before and after every single commit of a run: the outcome is the same."""

from __future__ import annotations

from market.adapters.codec import state_digest
from market.adapters.manual_clock import ManualClock
from market.engine.decision import Inbound
from market.service.kernel import Handled
from scenarios.outcome import outcome_digest
from scenarios.population import Population
from scenarios.simulator import Simulation
from tests.simulation.populations import random_population

SEED = 36
"""A small market with a breakdown, after which lots are called again."""


class Crashing(Simulation):
    """Dies once: around the commit of the entry at ``position``."""

    def __init__(self, population: Population, position: int, *, committed: bool) -> None:
        super().__init__(population, stopwatch=ManualClock(population.start_us))
        self.position, self.committed = position, committed

    def _take(self, inbound: Inbound, source: str, raw: bytes, signature: bytes = b"") -> Handled:
        due = self.kernel.state.size == self.position and self.crashes == 0
        if due and not self.committed:
            self.kernel.handle(inbound, self.now_us, source=source, raw=raw)
            self._restart()
        handled = super()._take(inbound, source, raw, signature)
        if due and self.committed and handled.decided is not None:
            live = state_digest(self.kernel.state)
            self._restart()
            assert state_digest(self.kernel.state) == live
        return handled


def test_the_engine_may_die_around_every_commit() -> None:
    population = random_population(SEED)
    calm = Simulation(population, stopwatch=ManualClock(population.start_us))
    calm.run()
    expected, size = outcome_digest(calm.kernel.state), calm.journal.head().size
    assert any(len(order.rounds) > 1 for order in calm.kernel.state.orders.values())
    for committed in (False, True):
        for position in range(size):
            crashing = Crashing(population, position, committed=committed)
            crashing.run()
            assert crashing.crashes == 1, f"no crash at entry {position}, committed {committed}"
            assert outcome_digest(crashing.kernel.state) == expected, (
                f"entry {position}, committed {committed}"
            )
            assert crashing.journal.head().size == size
