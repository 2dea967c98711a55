"""Sealing changes when the market learns of prices, and nothing else: the same outcome, under faults too."""

from __future__ import annotations

from dataclasses import replace

import pytest

from market.adapters.codec import state_digest
from market.service.audit import audit
from market.service.recovery import recover
from scenarios.faults import NO_FAULTS, ROUGH
from scenarios.outcome import outcome_digest
from scenarios.population import Population
from tests.simulation.populations import random_population
from tests.simulation.watched import Watched

SEEDS, MORE_SEEDS = 16, 160
PER_TEST = 8


def sealed(population: Population, *, is_sealed: bool) -> Population:
    """Return a population whose rounds close at their deadline, with bids sealed or not."""
    return replace(population, rules=replace(population.rules, early_close=False, sealed=is_sealed))


@pytest.mark.parametrize("first", range(0, SEEDS, PER_TEST))
def test_the_outcome_is_that_of_open_bids_with_and_without_faults(first: int) -> None:
    run(first)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(SEEDS, MORE_SEEDS, PER_TEST))
def test_more_seeds(first: int) -> None:
    run(first)


def run(first: int) -> None:
    rounds = 0
    for seed in range(first, first + PER_TEST):
        population = random_population(seed)
        digests = set()
        for is_sealed, faults in ((False, NO_FAULTS), (True, NO_FAULTS), (True, ROUGH)):
            watched = Watched(
                sealed(population, is_sealed=is_sealed),
                faults=faults,
                fault_seed=seed,
                check_every_step=faults is ROUGH,
            )
            watched.finish()
            digests.add(outcome_digest(watched.kernel.state))
            if is_sealed:
                assert all(round_.sealing_key for round_ in watched.kernel.state.rounds.values())
                rounds += len(watched.kernel.state.rounds)
                assert state_digest(recover(watched.journal)) == state_digest(watched.kernel.state)
                audit(watched.journal)
        assert len(digests) == 1, f"seed {seed}"
    assert rounds >= PER_TEST


def test_the_same_run_comes_to_the_same_state_ciphertexts_and_all() -> None:
    population = sealed(random_population(5), is_sealed=True)
    one, other = Watched(population), Watched(population)
    one.finish()
    other.finish()
    assert one.kernel.state.size == other.kernel.state.size
    assert state_digest(one.kernel.state) == state_digest(other.kernel.state)
