"""Turns of the timed search: what follows where a first answer, a tree or annealing gets nowhere."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.clearing.others import crews, partition, two_stages
from market.adapters.solver_pulp import PulpSolver
from market.clearing.documents.problem_json import problem_from_document
from market.clearing.limits import Deadline
from market.clearing.problem import Problem
from market.clearing.program import SolveLimits
from market.clearing.search.case import Case
from market.clearing.search.counted_search import _counted_neighbourhoods
from market.clearing.search.incumbent import Incumbent
from market.clearing.search.neighbourhood import Neighbourhoods
from market.clearing.search.timed_search import VAIN_TURNS, _Improver, _Prover
from market.clearing.terms import terms_of
from tests.unit.market.clearing.documents import bid, document, order, use

SPAN_S = 5.0
TICK_S = 0.02


class Ticking:
    """A clock that goes on by a little whenever it is read."""

    now_s = 0.0

    def __call__(self) -> float:
        self.now_s += TICK_S
        return self.now_s


def relaxed(p: Problem) -> tuple[Case, _Improver]:
    """Return a market after its relaxation, and its improver on a clock that ticks."""
    case = Case(p, terms_of(p), PulpSolver(), Incumbent(0))
    case.run_greedy()
    case.relax(SolveLimits())
    deadline = Deadline(now=Ticking(), start_s=0.0, end_s=SPAN_S)
    return case, _Improver(case, deadline, _Prover(case, deadline))


def full_machines(ways_out: int) -> Problem:
    """Return three orders that must be served, two machines that take one each, and some dear ways out."""
    orders = [f"o{k}" for k in range(3)]
    near = [
        bid(f"{name}.{m}.{n}", name, 10 + n, bidder=f"p{m}", uses=[use(f"m{m}", 2)])
        for name in orders
        for m in range(2)
        for n in range(4)
    ]
    far = [bid(f"far{k}", orders[k], 900, bidder="far") for k in range(ways_out)]
    resources: list[dict[str, Any]] = [{"id": f"m{m}", "capacity": 3} for m in range(2)]
    return problem_from_document(
        document(
            orders=[order(name, 0, must_serve=True) for name in orders], resources=resources, bids=near + far
        )
    )


def stuck(ways_out: int) -> tuple[Case, _Improver]:
    """Return the same where the relaxation ranks the ways out last and nothing is found yet."""
    case, improver = relaxed(full_machines(ways_out))
    assert case.prices is not None
    worth = case.prices.worth.copy()
    worth[case.f.bid_column[[name.startswith("far") for name in case.p.bid_ids]]] = -1e6
    case.prices = replace(case.prices, worth=worth)
    case.incumbent.best = None
    return case, improver


def test_a_first_answer_is_looked_for_among_all_bids_in_the_end() -> None:
    case, improver = stuck(ways_out=1)
    improver.first()
    assert case.incumbent.best is not None
    assert case.incumbent.objective == -920


def test_the_same_under_a_work_limit() -> None:
    case, _ = stuck(ways_out=1)
    _counted_neighbourhoods(case, 10_000, None)
    assert case.incumbent.best is not None
    assert case.incumbent.objective == -920


def test_what_few_bids_cannot_serve_and_all_cannot_either_is_infeasible() -> None:
    case, improver = stuck(ways_out=0)
    improver.first()
    assert case.infeasible
    assert case.incumbent.best is None


def test_whoever_looks_for_a_first_answer_waits_for_the_prover_that_does_so_too() -> None:
    case, improver = stuck(ways_out=1)
    improver.deadline.now.now_s = SPAN_S - 20 * TICK_S  # type: ignore[attr-defined]
    with improver.prover.whole:
        improver.first()
    assert case.incumbent.best is None  # until the end: the clock ticks on


def test_a_tree_over_orders_that_take_several_winners_is_not_left() -> None:
    for p, left in (
        (problem_from_document(two_stages(random.Random(1), orders=6)), False),
        (problem_from_document(crews(random.Random(1), orders=20, packages=60)), True),
    ):
        case, improver = relaxed(p)
        case.incumbent.bound = case.incumbent.objective + 2 * abs(case.incumbent.objective)
        improver.deadline.now.now_s = 0.9 * SPAN_S  # type: ignore[attr-defined]
        assert improver.prover.hopeless() is left


def test_packages_that_may_change_are_about_as_many_as_asked_for() -> None:
    """Each with all its orders, those among them too that the relaxation does not think much of."""
    p = problem_from_document(partition(random.Random(3)))
    case = Case(p, terms_of(p), PulpSolver(), Incumbent(0))
    case.relax(SolveLimits())
    assert case.prices is not None
    hoods = Neighbourhoods(case.f, case.prices.worth, np.random.default_rng(1))
    quantity = np.zeros(p.n_bids, dtype=np.int64)
    sizes, far = [], 0
    for _ in range(40):
        free = hoods.draw(quantity, 300)
        if hoods.among.any():
            bids = free[case.f.bid_column] & (case.f.bid_column >= 0)
            sizes.append(int(bids.sum()))
            far += int((bids & ~hoods.close).sum())
    assert len(sizes) > 20
    assert 300 <= min(sizes) <= max(sizes) < 600
    assert far > sum(sizes) / 4


def test_annealing_in_vain_gets_longer_and_begins_anew() -> None:
    case, improver = relaxed(problem_from_document(crews(random.Random(2), orders=30, packages=200)))
    case.exact(SolveLimits(), lambda: False)
    case.incumbent.stopped.clear()  # it is proven
    improver.annealer = case.annealer(1)
    moves = [improver.annealer.moves]
    for turn in range(VAIN_TURNS + 1):
        improver.anneal_again()
        moves.append(improver.annealer.moves)
        assert improver.in_vain == turn + 1  # the answer is the best that there is
    turns = [after - before for before, after in pairwise(moves)]
    assert turns[0] < turns[1] < turns[2]
    assert turns[3] < turns[1]
