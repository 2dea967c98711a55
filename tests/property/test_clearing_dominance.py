"""Bids left out of a search change nothing: not the optimum, not the baseline, not a payment."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from market.adapters.solver_pulp import PulpSolver
from market.clearing.clear import clear
from market.clearing.documents.problem_json import problem_from_document
from market.clearing.formulation.dominance import dominated, hopeless, needed
from market.clearing.limits import Limits
from market.clearing.problem import Problem
from market.clearing.result import Clearing
from market.clearing.terms import terms_of
from takt_sdk.wall_clock import WallClock
from tests.property.clearing_markets import Document, best_objective, random_market
from tests.unit.market.clearing.documents import bid, document, order, use


def with_twins(seed: int) -> Document:
    """Return a random market in which many bids have a twin of the same bidder, as good or dearer."""
    market, r = random_market(seed, bids=5), random.Random(seed)
    twins = [
        b | {"id": b["id"] + r.choice("xA"), "fixed_price": b["fixed_price"] + r.choice([0, 0, 1, 5])}
        for b in market["bids"]
        if r.random() < 0.6
    ]
    return market | {"bids": [*market["bids"], *twins]}


def cleared(p: Problem) -> Clearing:
    return clear(p, solver=PulpSolver(), limits=Limits(), clock=WallClock())


def only(market: Document, p: Problem, kept: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Problem:
    names = {p.bid_ids[b] for b in np.flatnonzero(kept).tolist()}
    return problem_from_document(market | {"bids": [b for b in market["bids"] if b["id"] in names]})


@pytest.mark.parametrize("block", range(4))
def test_optimum_and_baseline_stay(block: int) -> None:
    dropped = 0
    for seed in range(block * 30, block * 30 + 30):
        market = with_twins(seed)
        p = problem_from_document(market)
        kept = needed(p, terms_of(p))
        rest = cleared(only(market, p, kept))
        assert rest.objective == best_objective(market), seed
        assert rest.greedy_objective == cleared(p).greedy_objective, seed
        dropped += int((terms_of(p).usable & ~kept).sum())
    assert dropped > 30


@pytest.mark.parametrize("mechanism", ["vcg", "core"])
def test_payments_stay(mechanism: str) -> None:
    """A company with all its bids is the player, so what is dominated is no alternative of anybody."""
    for seed in range(25):
        market = with_twins(seed)
        p = replace(problem_from_document(market), mechanism=mechanism)
        kept = needed(p, terms_of(p))
        rest = replace(only(market, p, kept), mechanism=mechanism)
        one, other = cleared(p), cleared(rest)
        assert one.objective == other.objective
        if one.payments is not None and one.accepted == other.accepted:
            assert one.payments == other.payments


def names(market: Document) -> tuple[set[str], set[str]]:
    """Return the hopeless and the dominated bids."""
    p = problem_from_document(market)
    terms = terms_of(p)
    gone = hopeless(p, terms)
    less = dominated(p, terms, terms.usable & ~gone)
    return (
        {p.bid_ids[b] for b in np.flatnonzero(gone).tolist()},
        {p.bid_ids[b] for b in np.flatnonzero(less).tolist()},
    )


def twins(**changes: object) -> Document:
    """Return an order of 10 with two bids of one company, the second one dearer."""
    first = bid("a", "o", 50, 10, bidder="p", uses=[use("m", 5)])
    second = bid("b", "o", 60, 10, bidder="p", uses=[use("m", 5)]) | changes
    resources = [{"id": name, "capacity": 9} for name in ("m", "n")]
    return document(orders=[order("o", 100, 10)], resources=resources, bids=[first, second])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"b"}),
        ({"fixed_price": 40}, {"a"}),
        ({"uses": [use("m", 6)]}, {"b"}),
        ({"start": 10, "end": 20}, {"b"}),  # nothing moves, so dates do not matter
        ({"bidder": "q"}, set()),
        ({"uses": [use("m", 4)]}, set()),  # dearer, but it leaves more
        ({"uses": [use("n", 5)]}, set()),
        ({"uses": []}, set()),
        ({"score": 11}, {"a"}),
        ({"items": [{"lot": "o", "quantity": 4}]}, set()),
    ],
)
def test_who_dominates_whom(changes: Document, expected: set[str]) -> None:
    assert names(twins(**changes)) == (set(), expected)


def test_bids_that_can_both_be_accepted_do_not_dominate() -> None:
    half = [{"lot": "o", "quantity": 5}]
    market = twins(items=half)
    market["bids"][0]["items"] = half
    assert names(market) == (set(), set())
    market["groups"] = [{"id": "g", "max_accepted": 1, "fixed_price": 0}]
    for row in market["bids"]:
        row["groups"] = ["g"]
    assert names(market) == (set(), {"b"})


def test_a_bid_above_the_value_is_hopeless_unless_the_order_must_be_served() -> None:
    market = twins(fixed_price=101, bidder="q")
    assert names(market) == ({"b"}, set())
    market["orders"][0]["must_serve"] = True
    assert names(market) == (set(), set())


def test_a_score_of_another_bid_can_carry_a_dear_one() -> None:
    lots = [{"id": "x", "quantity": 1}, {"id": "y", "quantity": 1}]
    market = document(
        orders=[order("o", 100, lots=lots)],
        bids=[bid("dear", "x", 120), bid("green", "y", 10, score=60)],
    )
    assert names(market) == (set(), set())
    assert cleared(problem_from_document(market)).objective == 30
    market["bids"][1]["score"] = 25
    assert names(market) == ({"dear"}, set())
