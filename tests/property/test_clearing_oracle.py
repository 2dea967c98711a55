"""The clearing against brute force on small random markets that mix every feature."""

from __future__ import annotations

import random

import pytest

from market.adapters.solver_pulp import PulpSolver
from market.clearing.clear import clear
from market.clearing.documents.problem_json import problem_from_document
from market.clearing.limits import Limits
from market.clearing.result import Status
from takt_sdk.wall_clock import WallClock
from tests.property.clearing_markets import best_objective, random_market

BLOCK = 50


@pytest.mark.parametrize("block", range(8))
def test_every_optimum_is_the_brute_force_optimum(block: int) -> None:
    for seed in range(block * BLOCK, (block + 1) * BLOCK):
        market = random_market(seed, bids=9)
        clearing = clear(
            problem_from_document(market), solver=PulpSolver(), limits=Limits(), clock=WallClock()
        )
        best = best_objective(market)
        assert clearing.objective == best, seed
        if best is None:
            assert clearing.status is Status.INFEASIBLE, seed
        else:
            assert clearing.status is Status.OPTIMAL, seed
            assert clearing.checked, seed


@pytest.mark.parametrize("seed", range(40))
def test_permuting_the_document_changes_nothing(seed: int) -> None:
    market = random_market(seed, bids=9)
    shuffled = {k: list(v) if isinstance(v, list) else v for k, v in market.items()}
    shuffler = random.Random(seed)
    for name in ("orders", "resources", "bids", "groups", "transport"):
        shuffler.shuffle(shuffled[name])
    digests = {
        clear(
            problem_from_document(m), solver=PulpSolver(), limits=Limits(work=100_000), clock=WallClock()
        ).digest
        for m in (market, shuffled)
    }
    assert len(digests) == 1
