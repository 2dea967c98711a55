"""Equals win by lottery: equally often over seeds, whatever their names or places in the file."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chisquare

from market.adapters.solver_pulp import PulpSolver
from market.clearing.clear import clear
from market.clearing.documents.problem_json import problem_from_document
from market.clearing.limits import Limits
from market.clearing.tie_break import lottery
from takt_sdk.wall_clock import WallClock
from tests.papers.markets import Document, bid, market, order

BIDDERS = [f"p{k}" for k in range(5)]


def equals_on_packages(*, own_machines: bool) -> Document:
    """Return two orders of two lots, and equal bids on each by everybody, of which few fit.

    A third order, worth most, would take all capacity: serving it first is a mistake, so that the
    winners are a solver's choice and not the greedy draft's.
    """
    bids = [
        {
            **bid(f"{bidder} o{k}", bidder, 40, f"o{k}a", f"o{k}b"),
            "uses": [{"resource": "shared", "fixed": 1, "per_unit": 0}]
            + ([{"resource": bidder, "fixed": 1, "per_unit": 0}] if own_machines else []),
        }
        for bidder in BIDDERS
        for k in range(2)
    ]
    big = {**bid("big", "q", 40, "za", "zb"), "uses": [{"resource": "shared", "fixed": 2, "per_unit": 0}]}
    capacity = {"shared": 2, **(dict.fromkeys(BIDDERS, 1) if own_machines else {})}
    orders = [order(f"o{k}", 1000, f"o{k}a", f"o{k}b") for k in range(2)]
    return market([*orders, order("z", 1500, "za", "zb")], [*bids, big], resources=capacity)


def winners(document: Document, seed: int) -> list[str]:
    problem = replace(problem_from_document(document), seed=seed)
    clearing = clear(problem, solver=PulpSolver(), limits=Limits(work=20_000), clock=WallClock())
    assert clearing.greedy_objective is not None
    assert clearing.objective is not None
    assert clearing.greedy_objective < clearing.objective
    return [accepted.bid for accepted in clearing.accepted]


@pytest.mark.parametrize("own_machines", [False, True])
def test_equals_win_equally_often_over_seeds(own_machines: bool) -> None:
    document = equals_on_packages(own_machines=own_machines)
    wins: Counter[str] = Counter()
    for seed in range(250):
        wins.update(name.split()[0] for name in winners(document, seed))
    assert wins.total() == 500
    # Under fairness this fails for one set of seeds in ten thousand; the seeds are fixed.
    assert chisquare([wins[bidder] for bidder in BIDDERS]).pvalue > 1e-4, wins


def test_equals_in_everything_but_id_and_bidder_win_in_the_order_of_the_keyed_lottery() -> None:
    document = equals_on_packages(own_machines=False)
    for seed in range(40):
        for name in winners(document, seed):
            rivals = [b["id"] for b in document["bids"] if b["id"].split()[1:] == name.split()[1:]]
            assert rivals[int(np.argmin(lottery(seed, rivals)))] == name


def test_a_new_name_moves_the_lottery_but_a_new_place_does_not() -> None:
    document = equals_on_packages(own_machines=False)
    turned = {**document, "bids": document["bids"][::-1], "orders": document["orders"][::-1]}
    assert [winners(document, seed) for seed in range(20)] == [winners(turned, seed) for seed in range(20)]
    renamed = {
        **document,
        "bids": [{**b, "id": f"a {b['id'][::-1]}"} for b in document["bids"]],
    }
    before = [[name.split()[0] for name in winners(document, seed)] for seed in range(20)]
    after = [[name[2:][::-1].split()[0] for name in winners(renamed, seed)] for seed in range(20)]
    assert before != after
