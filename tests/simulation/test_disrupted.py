"""Disruptions of every cause under every fault: what must hold holds, and all work finishes."""

from __future__ import annotations

import pytest

from tests.simulation.disrupted import disrupted_population
from tests.simulation.histories import history
from tests.simulation.watched import Watched

SEEDS = 30
MORE_SEEDS = 2_000
PER_TEST = 10


def run(first: int) -> None:
    for seed in range(first, first + PER_TEST):
        history(seed)


@pytest.mark.parametrize("first", range(0, SEEDS, PER_TEST))
def test_seeds(first: int) -> None:
    run(first)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(SEEDS, MORE_SEEDS, PER_TEST))
def test_more_seeds(first: int) -> None:
    run(first)


def test_the_seeds_reach_what_they_are_for() -> None:
    """Check that work is lost in each way, reallocated, and paid for."""
    causes: set[str] = set()
    kinds: set[str] = set()
    reduced = awarded = 0
    for seed in range(60):
        simulation = Watched(disrupted_population(seed), check_every_step=False)
        simulation.finish()
        book = simulation.kernel.state.contracting
        for known in book.risks.values():
            causes |= {risk.cause.split(" of ")[0] for risk in known}
            awarded += sum(risk.awarded_us is not None for risk in known)
        for contract in simulation.kernel.state.contracts.values():
            reduced += any(
                entry.cause.startswith(("breakdown", "late", "heart")) for entry in contract.history
            )
        for lines in book.statements.values():
            kinds |= {line.kind for line in lines}
    assert {"breakdown", "heartbeat missed", "late beyond tolerance"} <= causes
    assert {"charge", "price", "set_up", "breach", "cancellation", "milestone"} <= kinds
    assert awarded >= 10
    assert reduced >= 5
