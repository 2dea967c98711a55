"""Any multipliers bound the optimum: drawn at random, priced uses and knapsacks included."""

from __future__ import annotations

import random

import pytest

from market.clearing.checker.certificate import certified_bound
from market.clearing.documents.problem_json import problem_from_document
from market.clearing.problem import Problem
from market.clearing.result import Multipliers
from tests.property.clearing_markets import best_objective, random_market


def random_multipliers(p: Problem, r: random.Random) -> Multipliers:
    """Return multipliers of every kind, of the size of the market's prices or far off."""
    size, often = r.choice([0, 1, 3, 30]) * 1_000_000, r.choice([0.2, 0.9])

    def price(low: int = 0) -> int:
        return r.randint(low * size, size) if size else r.randint(0, 30_000_000) * (r.random() < 0.1)

    member = [
        (b, int(g)) for b in range(p.n_bids) for g in p.bid_group[p.bid_group_ptr[b] : p.bid_group_ptr[b + 1]]
    ]
    uses = [
        (b, int(x)) for b in range(p.n_bids) for x in p.use_resource[p.bid_use_ptr[b] : p.bid_use_ptr[b + 1]]
    ]
    return Multipliers(
        resources=tuple((i, price(-1)) for i in p.resource_ids if r.random() < 0.7),
        lots=tuple((i, price(-1)) for i in p.lot_ids if r.random() < 0.8),
        groups=tuple((i, price(-1)) for i in p.group_ids if r.random() < 0.7),
        openings=tuple((p.group_ids[g], p.bid_ids[b], price()) for b, g in member if r.random() < 0.5),
        uses=tuple((p.bid_ids[b], p.resource_ids[x], price(-1) * 5) for b, x in uses if r.random() < often),
        arcs=tuple((e, b, price(-1)) for e in p.arc_ids for b in p.bid_ids if r.random() < often),
    )


@pytest.mark.parametrize("block", range(6))
def test_no_multipliers_prove_too_much(block: int) -> None:
    tried = 0
    for seed in range(block * 60, (block + 1) * 60):
        market = random_market(seed, bids=8)
        best = best_objective(market)
        if best is None:
            continue
        p = problem_from_document(market)
        r = random.Random(seed)
        for _ in range(4):
            assert certified_bound(p, random_multipliers(p, r)) >= best, seed
            tried += 1
    assert tried > 100
