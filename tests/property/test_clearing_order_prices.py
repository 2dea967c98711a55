"""Prices without the relaxation: they never prove too much, and mostly what the relaxation does."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from market.adapters.solver_pulp import PulpSolver
from market.clearing.bounds import order_trees
from market.clearing.bounds.multipliers import with_senders
from market.clearing.bounds.order_prices import OrderPrices
from market.clearing.checker.certificate import certified_bound
from market.clearing.documents.problem_json import problem_from_document
from market.clearing.formulation.formulate import formulate
from market.clearing.program import SolveLimits
from market.clearing.terms import terms_of
from tests.property.clearing_chains import random_chains
from tests.property.clearing_markets import Document, best_objective, random_market


def priced(d: Document) -> tuple[OrderPrices, int]:
    """Return the prices of a market and the bound that the checker finds them to prove."""
    p = problem_from_document(d)
    found = OrderPrices(p, terms_of(p), -math.inf)
    found.run(lambda: True)
    return found, certified_bound(p, with_senders(p, found.multipliers()))


@pytest.mark.parametrize("block", range(3))
def test_prices_bound_the_optimum_of_any_market(block: int) -> None:
    tried = 0
    for seed in range(block * 50, (block + 1) * 50):
        for d in (random_market(seed), random_chains(seed, orders=1)):
            best = best_objective(d)
            if best is None:
                continue
            found, certified = priced(d)
            if found.sound:
                assert found.bound >= best - 1e-6, seed
                assert certified >= best, seed
                tried += 1
    assert tried > 60


def test_prices_reach_the_relaxation() -> None:
    """Rings, packages, divisible bids, openings: mostly the same bound without the program, within 2 %.

    Limits on suppliers are not priced.
    """
    close = 0
    for seed in range(60):
        d = random_chains(seed)
        p = problem_from_document(d)
        relaxed = PulpSolver().solve_relaxation(formulate(p).program, SolveLimits())
        found, certified = priced(d)
        scale = max(10.0, abs(relaxed.bound))
        assert found.bound >= relaxed.bound - 1e-6 * scale, seed
        close += found.bound <= relaxed.bound + 0.02 * scale and certified <= found.bound + 1 + 0.02 * scale
    assert close >= 50


def test_an_order_alone_is_priced_exactly() -> None:
    """Where capacity is ample and bids make whole lots, trees of lots leave nothing open."""
    for seed in range(80):
        d = random_chains(seed, orders=1, whole=True, ample=True)
        if len(d["orders"][0]["arcs"]) > 4:
            continue  # a ring
        best = best_objective(d)
        found, certified = priced(d)
        assert best is not None
        assert abs(found.bound - best) < 1e-3, seed
        assert best <= certified <= best + 1, seed


def test_accepting_a_bid_loses_at_least_what_prices_say() -> None:
    """Without the bids that the bound excludes from better answers, the optimum is the same."""
    excluded = 0
    for seed in range(60):
        d = random_chains(seed, orders=1)
        best = best_objective(d)
        assert best is not None
        found, _ = priced(d)
        gone = found.losses() < best - found.bound - 1e-6
        excluded += int(gone.sum())
        p = problem_from_document(d)
        names = {p.bid_ids[b] for b in gone.nonzero()[0].tolist()}
        d["bids"] = [bid for bid in d["bids"] if bid["id"] not in names]
        assert best_objective(d) == best, seed
    assert excluded > 20


def test_bids_that_a_search_left_out_send_nothing_for_free() -> None:
    """Prices of two bids lost: what they send would be free, and the bound far above that of the search."""
    lower, higher = 0, 0
    for seed in range(60):
        d = random_chains(seed)
        p = problem_from_document(d)
        found = OrderPrices(p, terms_of(p), -math.inf)
        found.run(lambda: True)
        told = found.multipliers()
        lost = {bid for _, bid, _ in told.arcs[:2]}
        cut = replace(told, arcs=tuple(x for x in told.arcs if x[1] not in lost))
        bare, again = certified_bound(p, cut), certified_bound(p, with_senders(p, cut))
        best = best_objective(d)
        assert best is not None
        assert again >= best, seed
        lower += again < bare
        higher += again > bare
    assert lower >= 10
    assert higher <= 3


def test_costs_are_the_same_however_many_pairs_are_taken_together(monkeypatch: pytest.MonkeyPatch) -> None:
    several = 0
    for seed in range(20):
        p = problem_from_document(random_chains(seed, orders=4))
        whole = order_trees.trees_of(p, terms_of(p))
        with monkeypatch.context() as few:
            few.setattr(order_trees, "PAIRS_AT_ONCE", 3)
            cut = order_trees.trees_of(p, terms_of(p))
        assert np.array_equal(cut.forest.table, whole.forest.table), seed
        assert np.array_equal(cut.rings.table, whole.rings.table), seed
        several += whole.forest.table.size > 3
    assert several > 10
