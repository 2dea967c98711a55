"""Whole blocks of a market with openings: what they prove holds for every answer, and beats relaxing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from threading import Event
from time import monotonic

import numpy as np
import pytest

from benchmarks.clearing.synthetic import market
from market.adapters.solver_pulp import PulpSolver
from market.clearing.bounds.block_prices import BlockPrices
from market.clearing.bounds.block_pricing import improve_block, price_rows
from market.clearing.bounds.block_program import program_of_block
from market.clearing.bounds.blocks import Blocks, blocks_of
from market.clearing.bounds.prices import Prices, no_prices, prices_of_duals
from market.clearing.formulation.formulate import formulate
from market.clearing.limits import Deadline
from market.clearing.problem import NONE, Problem
from market.clearing.program import Answer, SolveLimits
from market.clearing.search import block_turns
from market.clearing.search import timed_search as search
from market.clearing.search.case import Case
from market.clearing.search.incumbent import Incumbent
from market.clearing.terms import terms_of


def drawn(seed: int) -> Problem:
    """Return a small market of plants with openings, split bids, pools, bundles and every kind of order."""
    p = market(14, 4, 4, 5, seed=seed, splits=0.4, openings=True, bundles=6)
    r = np.random.default_rng(seed)
    must = np.zeros(p.n_orders, dtype=np.bool_)
    must[:1] = seed % 2 == 0
    limit = np.where(r.random(len(p.group_ids)) < 0.4, 3, NONE)
    # Openings of the generator are meant for a hundred bids a plant.
    return replace(
        p,
        group_max=limit,
        group_fixed=p.group_fixed // 12,
        order_must=must,
        order_partial=(r.random(p.n_orders) < 0.3) & ~must,
        resource_capacity=p.resource_capacity // 2,
    )


def optimum(p: Problem) -> float | None:
    """Return the worth of the best answer, None if there is none."""
    best = PulpSolver().solve(formulate(p).program, SolveLimits())
    assert best.answer in {Answer.OPTIMAL, Answer.INFEASIBLE}
    return None if best.answer is Answer.INFEASIBLE else best.objective


def relaxed(p: Problem) -> tuple[float, Prices]:
    """Return worth and prices of the relaxation."""
    f = formulate(p)
    found = PulpSolver().solve_relaxation(f.program, SolveLimits())
    assert found.duals is not None
    return found.objective, prices_of_duals(f, found.duals)


def blocks(p: Problem) -> Blocks:
    found = blocks_of(p, terms_of(p))
    assert found is not None
    return found


def rounds(prices: BlockPrices, count: int) -> Callable[[], bool]:
    """Return a budget of so many rounds."""
    return lambda: prices.rounds < count


@pytest.mark.parametrize("seed", range(10))
def test_no_prices_prove_less_than_the_best_answer(seed: int) -> None:
    p = drawn(seed)
    best = optimum(p)
    if best is None:
        pytest.skip("its order that must be served cannot be")
    found, r = blocks(p), np.random.default_rng(seed)
    for scale in (0.3, 1.0):
        start = no_prices(p)
        start = replace(
            start,
            lot=scale * r.random(len(p.lot_ids)) * (p.order_value[p.lot_order] / p.lot_quantity),
            resource=scale * 1_000 * r.random(len(p.resource_ids)),
        )
        prices = BlockPrices(p, terms_of(p), found, start, PulpSolver())
        prices.prove(lambda: True, SolveLimits())
        assert prices.bound >= best - 1e-3
        prices.prove(lambda: False, SolveLimits())
        prices.run(rounds(prices, 6))
        prices.prove(lambda: True, SolveLimits())
        assert prices.bound >= best - 1e-3


def test_blocks_prove_more_than_the_relaxation() -> None:
    closer = []
    for seed in range(3):
        p = market(60, 6, 10, 6, seed=seed, splits=0.3, openings=True, bundles=12)
        worth, start = relaxed(p)
        best = optimum(p)
        assert best is not None
        prices = BlockPrices(p, terms_of(p), blocks(p), start, PulpSolver())
        prices.run(rounds(prices, 40))
        prices.prove(lambda: True, SolveLimits())
        assert best - 1e-3 <= prices.bound
        closer.append((worth - prices.bound) / max(1.0, worth - best))
    assert min(closer) >= -1e-6
    assert sum(closer) / len(closer) > 0.1


@pytest.mark.parametrize("seed", range(8))
def test_a_block_is_never_priced_above_its_program(seed: int) -> None:
    p = drawn(seed)
    prices = BlockPrices(p, terms_of(p), blocks(p), relaxed(p)[1], PulpSolver())
    gain, rate = prices.gains(prices.best * 1.1)
    hit = 0
    for k, block in enumerate(prices.blocks):
        out = np.zeros(block.bids.size, dtype=np.int64)
        uses = (block.ptr, block.row, block.fixed, block.unit, block.capacity, block.low, block.high)
        here = slice(*prices.answers.layout.bid_ptr[k : k + 2])
        mine, price = (gain[here], rate[here]), np.ones(block.capacity.size)
        most = price_rows(200, *uses, *mine, price, np.zeros(out.size), np.zeros(out.size))
        worth = improve_block(*uses, *mine, price, seed, 200, out)
        taken = out > 0
        assert ((out >= block.low) | ~taken).all()
        assert (out <= block.high).all()
        owner = np.repeat(np.arange(block.bids.size), np.diff(block.ptr))
        use = np.bincount(
            block.row,
            weights=np.where(taken[owner], block.fixed + block.unit * out[owner], 0.0),
            minlength=block.capacity.size,
        )
        assert (use <= block.capacity + 1e-9).all()
        assert worth == pytest.approx(float((mine[0] * taken + mine[1] * out).sum()), abs=1e-6)
        program, columns = program_of_block(block, *mine)
        exact = PulpSolver().solve(program, SolveLimits()).objective if program.n_columns else 0.0
        assert worth <= exact + 1e-6 * max(1.0, exact)
        assert most >= exact - 1e-6 * max(1.0, exact)
        assert (columns.quantity(columns.values(out)) == out).all()
        hit += worth >= exact - 1e-6 * max(1.0, exact)
    assert hit >= len(prices.blocks) // 2


def test_a_stop_is_seen_within_a_round() -> None:
    p = market(60, 6, 10, 6, seed=1, splits=0.3, openings=True, bundles=12)
    prices = BlockPrices(p, terms_of(p), blocks(p), relaxed(p)[1], PulpSolver())
    before, looks = prices.best.copy(), iter([True, True, False])
    prices.run(lambda: next(looks))
    assert prices.rounds == 0
    assert (prices.best == before).all()
    prices.prove(lambda: False, SolveLimits())
    assert np.isfinite(prices.bound)


def test_every_bid_is_in_one_block_and_what_blocks_share_couples_them() -> None:
    p = market(60, 6, 10, 6, seed=1, splits=0.3, openings=True, bundles=12)
    terms, found = terms_of(p), blocks(p)
    together = np.sort(np.concatenate([b.bids for b in found.blocks]))
    assert (together == np.flatnonzero(terms.usable)).all()
    own = np.concatenate([b.resource[b.resource != NONE] for b in found.blocks])
    assert own.size == np.unique(own).size
    assert not set(own.tolist()) & set(found.coupling.tolist())
    apart = market(60, 6, 10, 6, seed=1, splits=0.3, openings=True)
    assert {apart.resource_ids[r][0] for r in blocks(apart).coupling} == {"m"}


def test_no_blocks_where_openings_do_not_shape_the_market() -> None:
    plain = market(40, 5, 8, 6, seed=1)
    assert blocks_of(plain, terms_of(plain)) is None
    single = market(40, 5, 8, 1, seed=1, openings=True)
    assert blocks_of(single, terms_of(single)) is None


def test_the_same_steps_prove_the_same() -> None:
    p = drawn(3)
    _, start = relaxed(p)
    bounds = []
    for _ in range(2):
        prices = BlockPrices(p, terms_of(p), blocks(p), start, PulpSolver())
        prices.run(rounds(prices, 10))
        prices.prove(lambda: True, SolveLimits())
        bounds.append((prices.bound, prices.best.tobytes()))
    assert bounds[0] == bounds[1]


def searched() -> tuple[Case, Deadline]:
    """Return a case with prices, and a stopwatch that is moved on by looking at it."""
    p = market(60, 6, 10, 6, seed=1, splits=0.3, openings=True, bundles=12)
    case = Case(p, terms_of(p), PulpSolver(), Incumbent(0))
    case.run_greedy()
    case.relax(SolveLimits())
    looks = iter(range(10**9))
    return case, Deadline(now=lambda: next(looks) / 1e5, start_s=0.0, end_s=60.0)


def test_large_markets_are_bounded_by_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    case, deadline = searched()
    before = case.incumbent.bound
    monkeypatch.setattr(block_turns, "LEAST_COLUMNS", case.f.program.n_columns - 1)
    assert block_turns.bound_by_blocks(case, deadline)
    assert case.incumbent.objective <= case.incumbent.bound <= before
    assert case.work > 0


def test_small_markets_are_searched_whole_instead() -> None:
    case, deadline = searched()
    before = case.incumbent.bound
    assert not block_turns.bound_by_blocks(case, deadline)
    assert case.incumbent.bound == before


def test_the_proving_thread_asks_for_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    case, _ = searched()
    asked: list[bool] = []

    def ask(case: Case, deadline: Deadline) -> bool:
        asked.append(block_turns.bound_by_blocks(case, deadline))
        case.incumbent.stopped.set()
        return asked[0]

    monkeypatch.setattr(search, "bound_by_blocks", ask)
    search.search_for(case, Deadline(now=monotonic, start_s=0.0, end_s=monotonic() + 60.0), 2, Event())
    assert asked == [False]
