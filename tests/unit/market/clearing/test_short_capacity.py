"""Markets in which serving all that must be served is the difficulty, and openings that decide most."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from itertools import product

import numpy as np
import pytest

from benchmarks.clearing.others import other
from benchmarks.clearing.synthetic import market
from market.adapters.solver_pulp import PulpSolver
from market.clearing.bounds.prices import no_prices
from market.clearing.checker.check import check_answer
from market.clearing.clear import clear
from market.clearing.documents.problem_json import problem_from_document
from market.clearing.limits import Limits
from market.clearing.local_search.annealing import Annealer
from market.clearing.local_search.ejection_pool import cover_musts
from market.clearing.local_search.packing import packing_of
from market.clearing.problem import Problem
from market.clearing.program import Program, ProgramResult, SolveLimits
from market.clearing.result import Status
from market.clearing.search.case import Case
from market.clearing.search.incumbent import Incumbent
from market.clearing.terms import terms_of
from takt_sdk.wall_clock import WallClock
from tests.unit.market.clearing.documents import Document, bid, document, order, use


def full_bins(seed: int, bins: int = 12, capacity: int = 100) -> Problem:
    """Return jobs cut from full bins, so that they just fit: a bid per job and bin, prices drawn."""
    r = random.Random(seed)
    sizes: list[int] = []
    for _ in range(bins):
        cuts = sorted(r.sample(range(8, capacity - 7), 4))
        pieces = [b - a for a, b in zip([0, *cuts], [*cuts, capacity], strict=True)]
        sizes += [p for p in pieces if p > 0]
    r.shuffle(sizes)
    return problem_from_document(
        document(
            orders=[order(f"o{k}", 0, must_serve=True) for k in range(len(sizes))],
            resources=[{"id": f"r{i}", "capacity": capacity + 1} for i in range(bins)],
            bids=[
                bid(f"b{k}.{i}", f"o{k}", r.randint(100, 900), uses=[use(f"r{i}", size)], bidder=f"p{i}")
                for k, size in enumerate(sizes)
                for i in range(bins)
            ],
        )
    )


def annealer_of(p: Problem, seed: int = 1) -> Annealer:
    """Return an annealer with nothing in."""
    return Annealer(packing_of(p, terms_of(p), np.arange(p.n_bids), no_prices(p)), seed)


@pytest.mark.parametrize("seed", range(3))
def test_what_just_fits_is_found(seed: int) -> None:
    p = full_bins(seed)
    found = clear(p, solver=PulpSolver(), limits=Limits(work=20_000), clock=WallClock())
    assert found.status in (Status.FEASIBLE, Status.OPTIMAL)
    check_answer(p, found)


def test_a_work_limit_holds_where_not_all_can_be_served() -> None:
    """A thousand jobs, four bids each, and a little less capacity than they need."""
    r = random.Random(1)
    sizes = [r.randint(8, 40) for _ in range(1000)]
    p = problem_from_document(
        document(
            orders=[order(f"o{k}", 0, must_serve=True) for k in range(1000)],
            resources=[{"id": f"r{i}", "capacity": int(sum(sizes) * 0.955 / 30)} for i in range(30)],
            bids=[
                bid(
                    f"b{k}.{i}",
                    f"o{k}",
                    r.randint(100, 900),
                    uses=[use(f"r{i}", size + r.randint(-3, 3))],
                    bidder=f"p{i}",
                )
                for k, size in enumerate(sizes)
                for i in r.sample(range(30), 4)
            ],
        )
    )
    assert clear(p, solver=PulpSolver(), limits=Limits(work=10_000), clock=WallClock()).work < 15_000


def tiny(r: random.Random) -> Document:
    """Return a market of few packages over orders of which most must be served, with two resources."""
    orders = [order(f"o{k}", r.randint(0, 50), must_serve=r.random() < 0.8) for k in range(5)]
    bids = []
    for k in range(10):
        lots = r.sample(range(5), r.choice([1, 1, 2, 3]))
        package = bid(
            f"b{k}", f"o{lots[0]}", r.randint(1, 40), uses=[use(x, r.randint(1, 4)) for x in ("r", "s")]
        )
        package["items"] = [{"lot": f"o{lot}", "quantity": 1} for lot in lots]
        bids.append(package)
    return document(
        orders=orders,
        resources=[{"id": "r", "capacity": r.randint(4, 9)}, {"id": "s", "capacity": r.randint(4, 9)}],
        bids=bids,
    )


def coverable(p: Problem) -> bool:
    """Return whether some set of bids covers all that must be covered, by enumeration."""
    owner = np.repeat(np.arange(p.n_bids), np.diff(p.bid_item_ptr))
    user = np.repeat(np.arange(p.n_bids), np.diff(p.bid_use_ptr))
    for taken in product((0, 1), repeat=p.n_bids):
        chosen = np.array(taken)
        served = np.bincount(p.lot_order[p.item_lot], weights=chosen[owner], minlength=p.n_orders)
        load = np.bincount(
            p.use_resource, weights=p.use_fixed * chosen[user], minlength=p.resource_capacity.size
        )
        fits = (served <= 1).all() and (load <= p.resource_capacity).all()
        if fits and (served[p.order_must] == 1).all():
            return True
    return False


@pytest.mark.parametrize("seed", range(40))
def test_the_pool_covers_whatever_can_be_covered_and_overloads_nothing(seed: int) -> None:
    p = problem_from_document(tiny(random.Random(seed)))
    annealer = annealer_of(p)
    m, state = annealer.packing.model, annealer.state
    left = cover_musts(m, state, annealer.rng, np.ones(p.n_orders, dtype=np.int64), 2_000)
    assert (state.load <= m.capacity).all()
    uncovered = (m.must > 0) & (state.load[: p.n_orders] == 0)
    assert (left > 0) == uncovered.any() == (not coverable(p))


@pytest.mark.parametrize("seed", range(1, 5))
def test_what_the_pool_covers_is_allowed_and_stays(seed: int) -> None:
    p = other("jobs-that-just-fit", seed)
    case = Case(p, terms_of(p), PulpSolver(), Incumbent(0))
    case.relax(SolveLimits())
    annealer = case.annealer(1)
    assert case.incumbent.best is not None
    first = case.incumbent.objective
    steps = iter(range(51))
    annealer.cycle(lambda: next(steps) / 50, 4_000, 0.3, case.offer_quantity)
    assert (annealer.state.load <= annealer.packing.model.capacity).all()
    assert case.incumbent.objective > first


def openings(seed: int, orders: int = 60, plants: int = 20) -> Problem:
    """Return orders and plants on a square, costs by distance, each plant with a dear opening."""
    r = np.random.default_rng(seed)
    at, plant = r.random((orders, 2)), r.random((plants, 2))
    cost = np.rint(1_000 * np.linalg.norm(at[:, None] - plant[None], axis=2)).astype(int)
    return problem_from_document(
        document(
            orders=[order(f"o{k}", 0, must_serve=True) for k in range(orders)],
            bids=[
                bid(f"b{k}.{i}", f"o{k}", int(cost[k, i]), bidder=f"p{i}", groups=[f"g{i}"])
                for k in range(orders)
                for i in range(plants)
            ],
            groups=[
                {"id": f"g{i}", "max_accepted": None, "fixed_price": int(r.integers(2_000, 4_000))}
                for i in range(plants)
            ],
        )
    )


@pytest.mark.parametrize("seed", range(4))
def test_annealing_finds_which_plants_to_open(seed: int) -> None:
    p = openings(seed)
    case = Case(p, terms_of(p), PulpSolver(), Incumbent(0))
    case.relax(SolveLimits())
    annealer = case.annealer(1)
    assert annealer.heat < p.group_fixed.min() / 2
    steps = iter(range(101))
    annealer.cycle(lambda: next(steps) / 100, 4_000, 0.3, case.offer_quantity)
    best = clear(p, solver=PulpSolver(), limits=Limits(work=10**7), clock=WallClock())
    assert best.status is Status.OPTIMAL
    assert best.objective is not None
    assert case.incumbent.objective >= best.objective - abs(best.objective) // 50


class LateSolver(PulpSolver):
    """Finds relaxations when it is told to stop, and not before."""

    def solve_relaxation(
        self, program: Program, limits: SolveLimits, *, stop: Callable[[], bool] | None = None
    ) -> ProgramResult:
        """Solve the linear relaxation, too late."""
        assert stop is not None
        while not stop():
            time.sleep(0.01)
        return super().solve_relaxation(program, limits, stop=stop)


def test_prices_that_are_late_are_not_waited_for() -> None:
    p = market(200, 10, 40, 10, seed=1)
    found = clear(p, solver=LateSolver(), limits=Limits(time_s=3.0, workers=2), clock=WallClock())
    assert found.objective is not None
    assert found.greedy_objective is not None
    assert found.objective > found.greedy_objective
