"""Capacity that a group with an opening cost holds while others use it too: bounds hold and are tighter."""

from __future__ import annotations

import random

import numpy as np
import pytest

from benchmarks.clearing.synthetic import market
from market.adapters.solver_pulp import PulpSolver
from market.clearing.bounds.held_capacity import Held, with_held
from market.clearing.bounds.multipliers import at_most_value, multipliers_of
from market.clearing.checker.certificate import certified_bound
from market.clearing.clear import clear
from market.clearing.documents.problem_json import problem_from_document
from market.clearing.formulation.formulate import formulate
from market.clearing.limits import Limits
from market.clearing.problem import Problem
from market.clearing.program import Answer, SolveLimits
from market.clearing.result import Multipliers
from market.clearing.terms import terms_of
from takt_sdk.wall_clock import WallClock
from tests.unit.market.clearing.documents import bid, document, order, use


def relaxed(p: Problem) -> tuple[float, Multipliers]:
    """Return worth and multipliers of the linear relaxation."""
    f = formulate(p)
    found = PulpSolver().solve_relaxation(f.program, SolveLimits())
    assert found.duals is not None
    return found.objective, multipliers_of(f, found.duals)


def shared(seed: int) -> tuple[Problem, Held]:
    """Return a market in which bundles use capacity of plants without belonging to their opening."""
    p = market(40, 5, 8, 6, seed=seed, splits=0.3, openings=True, bundles=10)
    held = with_held(p, terms_of(p))
    assert held is not None
    return p, held


@pytest.mark.parametrize("seed", range(4))
def test_copies_tighten_the_relaxation_and_its_bound_is_recomputed(seed: int) -> None:
    p, held = shared(seed)
    worth, _ = relaxed(p)
    tighter, multipliers = relaxed(held.problem)
    assert tighter < worth - 1.0
    told = at_most_value(p, held.merged(multipliers))
    assert {r for r, _ in told.resources} | {r for _, r, _ in told.uses} <= set(p.resource_ids)
    assert certified_bound(p, told) <= tighter + 1.0


@pytest.mark.parametrize("seed", range(3))
def test_a_clearing_publishes_that_bound_whatever_was_left_out_of_the_search(seed: int) -> None:
    p, held = shared(seed)
    clearing = clear(p, solver=PulpSolver(), limits=Limits(work=3_000), clock=WallClock())
    assert clearing.multipliers is not None
    assert certified_bound(p, clearing.multipliers) <= relaxed(held.problem)[0] + 1.0


def test_no_copies_where_nothing_is_gained() -> None:
    plain = market(40, 5, 8, 6, seed=1)
    assert with_held(plain, terms_of(plain)) is None
    alone = market(40, 5, 8, 6, seed=1, openings=True)
    held = with_held(alone, terms_of(alone))
    assert held is None or all(alone.resource_ids[r].startswith("m") for r in held.resource)


@pytest.mark.parametrize("seed", range(12))
def test_no_prices_of_copies_prove_too_much(seed: int) -> None:
    p = market(8, 3, 3, 4, seed=seed, splits=0.2, openings=True, bundles=5)
    held = with_held(p, terms_of(p))
    assert held is not None
    best = PulpSolver().solve(formulate(p).program, SolveLimits())
    assert best.answer is Answer.OPTIMAL
    r, extended = random.Random(seed), held.problem
    for size in (10_000_000, 300_000_000, 3_000_000_000):
        drawn = Multipliers(
            resources=tuple((i, r.randint(0, size)) for i in extended.resource_ids),
            lots=tuple((i, r.randint(0, 20 * size)) for i in p.lot_ids),
            uses=tuple(
                (extended.bid_ids[b], extended.resource_ids[x], r.randint(0, 100 * size))
                for b in range(p.n_bids)
                for x in extended.use_resource[extended.bid_use_ptr[b] : extended.bid_use_ptr[b + 1]]
                if not p.bid_divisible[b] and r.random() < 0.5
            ),
        )
        told = held.merged(drawn)
        assert best.objective - 1e-3 <= certified_bound(p, at_most_value(p, told)) <= certified_bound(p, told)


def test_prices_of_copies_are_shares_of_the_opening() -> None:
    p, held = shared(1)
    f = formulate(held.problem)
    found = PulpSolver().solve_relaxation(f.program, SolveLimits())
    assert found.duals is not None
    from market.clearing.bounds.prices import prices_of_duals  # noqa: PLC0415

    prices = prices_of_duals(f, found.duals)
    folded = held.folded(prices)
    assert folded.resource.size == len(p.resource_ids)
    extended = held.problem
    user = np.repeat(np.arange(p.n_bids), np.diff(extended.bid_use_ptr))
    size = np.bincount(
        np.repeat(np.arange(p.n_bids), np.diff(p.bid_item_ptr)), weights=p.item_quantity, minlength=p.n_bids
    )
    copies = extended.use_resource >= len(p.resource_ids)
    amount = extended.use_fixed + extended.use_unit * size[user]
    paid = (prices.resource[extended.use_resource] * amount)[copies]
    assert folded.link.sum() - prices.link.sum() == pytest.approx(paid.sum())
    assert paid.sum() > 0


def test_a_use_of_nothing_pays_its_price_whoever_holds_the_resource() -> None:
    opening = {"id": "g", "max_accepted": None, "fixed_price": 1000}
    p = problem_from_document(
        document(
            orders=[order("o", 10), order("q", 60)],
            resources=[{"id": "r", "capacity": 10}],
            bids=[
                bid("member", "o", 40, uses=[use("r", 5)], groups=["g"]),
                bid("other", "q", 10, uses=[use("r", 0)]),
            ],
            groups=[opening],
        )
    )
    assert certified_bound(p, Multipliers(uses=(("other", "r", 50_000_000),))) >= 50
