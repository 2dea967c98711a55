"""Choices of the search that an end-to-end answer shows by luck only: each fails here if it is taken out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from benchmarks.clearing.synthetic import market
from market.adapters.solver_pulp import PulpSolver
from market.clearing.bounds.prices import no_prices
from market.clearing.documents.problem_json import problem_from_document
from market.clearing.limits import Deadline
from market.clearing.local_search.annealing import Annealer
from market.clearing.local_search.packing import packing_of
from market.clearing.problem import Problem
from market.clearing.program import Improved, Program, ProgramResult, SolveLimits, Suggest
from market.clearing.search.case import Case
from market.clearing.search.incumbent import Incumbent
from market.clearing.search.timed_search import _Improver, _Prover
from market.clearing.terms import terms_of
from tests.unit.market.clearing.documents import bid, document, order, use

SPAN_S = 100.0


class Watched(PulpSolver):
    """Remembers how large the programs were that it solved."""

    def __init__(self) -> None:
        super().__init__()
        self.columns: list[int] = []

    def solve(
        self,
        program: Program,
        limits: SolveLimits,
        *,
        start: np.ndarray[tuple[int], np.dtype[np.float64]] | None = None,
        stop: Callable[[], bool] | None = None,
        improved: Improved | None = None,
        suggest: Suggest | None = None,
    ) -> ProgramResult:
        """Solve the program."""
        self.columns.append(program.n_columns)
        return super().solve(program, limits, start=start, stop=stop, improved=improved, suggest=suggest)


class At:
    """A clock that stands where it is put."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def searched(p: Problem, solver: PulpSolver | None = None) -> tuple[Case, _Prover, At]:
    """Return a market after its relaxation, with the greedy answer, and its prover on a clock that stands."""
    case = Case(p, terms_of(p), solver or PulpSolver(), Incumbent(0))
    case.run_greedy()
    case.relax(SolveLimits())
    clock = At()
    return case, _Prover(case, Deadline(now=clock, start_s=0.0, end_s=SPAN_S)), clock


@pytest.fixture(scope="module")
def crowded() -> Problem:
    return market(60, 12, 15, 3, seed=3, splits=0.3)


def test_a_tree_that_found_the_best_answer_goes_on(crowded: Problem) -> None:
    case, prover, clock = searched(crowded)
    case.incumbent.bound = 2.0 * case.incumbent.objective
    clock.now_s = 0.9 * SPAN_S
    assert prover.hopeless()
    case.by_tree = case.incumbent.best
    assert not prover.hopeless()
    case.by_tree = case.baseline if case.baseline is not case.incumbent.best else None
    assert prover.hopeless()


def test_searching_the_program_says_which_answer_it_found() -> None:
    case, _, _ = searched(market(30, 12, 15, 10, crowding=2.0, seed=4))
    first = case.incumbent.objective
    assert case.by_tree is None
    case.exact(SolveLimits(), lambda: False)
    assert case.incumbent.objective > first
    assert case.by_tree is case.incumbent.best


@pytest.mark.parametrize(
    ("planted_s", "hopeful_s", "hopeless_s"), [(55.0, 39.0, 41.0), (65.0, 64.0, 66.0), (95.0, 39.0, 41.0)]
)
def test_a_tree_begun_in_time_has_its_share(
    crowded: Problem, planted_s: float, hopeful_s: float, hopeless_s: float
) -> None:
    """Begun with so many of 100 seconds left, it is not given up before 40 have passed, nor within 30."""
    case, prover, clock = searched(crowded)
    case.incumbent.bound = 2.0 * case.incumbent.objective
    prover.planted = planted_s
    clock.now_s = hopeful_s
    assert not prover.hopeless()
    clock.now_s = hopeless_s
    assert prover.hopeless()


def test_a_gap_that_a_tree_may_close_is_no_reason_to_leave_off(crowded: Problem) -> None:
    case, prover, clock = searched(crowded)
    case.incumbent.bound = 1.01 * case.incumbent.objective
    clock.now_s = 0.9 * SPAN_S
    assert not prover.hopeless()
    case.incumbent.bound = 1.03 * case.incumbent.objective
    assert prover.hopeless()


def test_a_restricted_program_that_is_proven_grows() -> None:
    solver = Watched()
    case, prover, clock = searched(market(30, 12, 15, 10, crowding=1.5, seed=3), solver)
    improver = _Improver(case, prover.deadline, prover)
    solver.columns.clear()
    for _ in range(3):
        improver.narrow()
        assert improver.narrow_proven
    assert solver.columns == sorted(set(solver.columns))
    clock.now_s, proven = SPAN_S, improver.per_order
    improver.narrow()  # no time is left
    assert not improver.narrow_proven
    assert improver.per_order == proven


def rivals() -> Problem:
    """Return an order that must be served and thirty that together earn far more in its place."""
    names = [f"o{k}" for k in range(30)]
    return problem_from_document(
        document(
            orders=[order("m", 0, must_serve=True), *(order(name, 1_000) for name in names)],
            resources=[{"id": "r", "capacity": 30}],
            bids=[
                bid("m", "m", 1, uses=[use("r", 30)]),
                *(bid(name, name, 1, uses=[use("r", 1)]) for name in names),
            ],
        )
    )


@pytest.mark.parametrize("way", ["pool", "elsewhere"])
def test_what_must_be_served_is_worth_more_than_all_savings_once_it_is(way: str) -> None:
    p = rivals()
    annealer = Annealer(packing_of(p, terms_of(p), np.arange(p.n_bids), no_prices(p)), 1)
    must = (np.array(p.bid_ids) == "m").astype(np.int64)
    annealer.restart(1 - must)
    if way == "pool":
        assert annealer.cover(lambda: True)
    else:
        annealer.restart(must)
    assert (annealer.best_quantity() == must).all()
    annealer.restart(1 - must)  # worth more than four times the dearest item
    assert (annealer.best_quantity() == must).all()


def test_many_dear_orders_that_must_be_served_stay_within_64_bits() -> None:
    """Four times the dearest, for each of 400 orders, would be worth 1,600 × 2⁵³: 64 bits hold 1,024."""
    names, dear = [f"o{k:03d}" for k in range(400)], 2**53 - 1
    p = problem_from_document(
        document(
            orders=[order(name, 0, must_serve=True) for name in names],
            resources=[{"id": "r", "capacity": 400}],
            bids=[
                bid(f"{name}.{k}", name, dear - k, uses=[use("r", 1 + k)]) for name in names for k in range(2)
            ],
        )
    )
    annealer = Annealer(packing_of(p, terms_of(p), np.arange(p.n_bids), no_prices(p)), 1)
    assert annealer.cover(lambda: True)
    m = annealer.packing.model
    assert sum(map(int, m.profit[annealer.best > 0])) == int(annealer.value[1]) < 2**63
    assert annealer.packing.bonus > 0
    steps = iter(range(51))
    annealer.cycle(lambda: next(steps) / 50, 4_000, 0.3, lambda _: None)
    chosen = annealer.best_quantity()
    assert [name for k, name in enumerate(p.bid_ids) if chosen[k]] == [f"{name}.0" for name in names]
