"""Random small markets under every fault: nothing that must hold is ever broken, and all work finishes.

When the outcome must be the same with and without faults: a fault may cost a message, a process or time
between two ticks, but a tick that passes a deadline is given only after everybody has come to rest (the
barrier of the determinism contract). So no deadline is ever missed because of a fault, every participant
has answered every call, and the outcome digest must be equal, always.
"""

from __future__ import annotations

import pytest

from scenarios.faults import ROUGH
from scenarios.outcome import outcome_digest
from tests.simulation.populations import random_population
from tests.simulation.watched import Watched

SEEDS = 200
MORE_SEEDS = 2_000
PER_TEST = 20


def run(first: int) -> None:
    for seed in range(first, first + PER_TEST):
        population = random_population(seed)
        rough = Watched(population, faults=ROUGH, fault_seed=seed)
        rough.finish()
        calm = Watched(population, check_every_step=False)
        calm.finish()
        assert calm.crashes == 0
        assert outcome_digest(rough.kernel.state) == outcome_digest(calm.kernel.state), f"seed {seed}"


@pytest.mark.parametrize("first", range(0, SEEDS, PER_TEST))
def test_seeds(first: int) -> None:
    run(first)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(SEEDS, MORE_SEEDS, PER_TEST))
def test_more_seeds(first: int) -> None:
    run(first)


def test_the_seeds_reach_what_they_are_for() -> None:
    """Check that faults do happen and that orders do end in each way that a run can bring about."""
    crashes = reallocated = 0
    ends: set[str] = set()
    for seed in range(40):
        simulation = Watched(random_population(seed), faults=ROUGH, fault_seed=seed, check_every_step=False)
        simulation.finish()
        crashes += simulation.crashes
        for order in simulation.kernel.state.orders.values():
            ends.add(order.state)
            reallocated += any(entry.state == "reallocating" for entry in order.history)
    assert crashes >= 40
    assert reallocated >= 10
    assert {"settled", "unserved"} <= ends
