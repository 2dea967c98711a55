"""Faults on the way to a result: a clique that is none, a part that a thread of ours still searches."""

from __future__ import annotations

from threading import Event

import numpy as np

from market.adapters.solver_pulp import PulpSolver
from market.clearing.checker.verify import verify
from market.clearing.documents.problem_json import problem_from_document
from market.clearing.formulation.allocation import allocation_of
from market.clearing.formulation.components import parts_of
from market.clearing.limits import Limits
from market.clearing.publishing.publish import Found, publish
from market.clearing.result import Multipliers, Status
from market.clearing.search.hunt import Hunt
from market.clearing.search.part_search import PartFound, PartSearch, PartTask
from market.clearing.terms import terms_of
from takt_sdk.wall_clock import WallClock
from tests.unit.market.clearing import documents
from tests.unit.market.clearing.documents import document, order


def test_a_clique_that_is_none_costs_the_cliques_not_the_clearing() -> None:
    """Both bids fit; the search believes that they do not, and that 60 is the most there is."""
    problem = problem_from_document(
        document(
            orders=[order("o", 100), order("q", 50)],
            bids=[documents.bid("a", "o", 40), documents.bid("b", "q", 30)],
        )
    )
    terms = terms_of(problem)
    best = allocation_of(problem, terms, np.ones(2, dtype=np.int64), ())
    found = Found(
        allocation=best, greedy=best, bound=60.0, multipliers=Multipliers(cliques=((("a", "b"), 60_000_000),))
    )
    clearing = publish(problem, terms, found)
    assert clearing.objective == best.objective == 80
    assert clearing.multipliers is not None
    assert not clearing.multipliers.cliques
    assert (clearing.bound, clearing.bound_kind) == (80, "certified")
    assert clearing.status is Status.OPTIMAL
    assert verify(problem, clearing) == []


def test_a_part_under_search_is_not_searched_again() -> None:
    """After a halt a second search would end with the greedy answer, and what the first has would be lost."""
    problem = problem_from_document(
        document(
            orders=[order("o", 100), order("q", 90)],
            resources=[{"id": "r", "capacity": 10}],
            bids=[
                documents.bid("a", "o", 10, uses=[{"resource": "r", "fixed": 10, "per_unit": 0}]),
                documents.bid("b", "o", 20, uses=[{"resource": "r", "fixed": 4, "per_unit": 0}]),
                documents.bid("c", "q", 10, uses=[{"resource": "r", "fixed": 6, "per_unit": 0}]),
            ],
        )
    )
    halt = Event()
    hunt = Hunt(problem, PulpSolver(), Limits(work=1000), WallClock(), halt)
    hunt.parts, _ = parts_of(problem, hunt.terms)
    hunt.sizes = [part.problem.n_bids + 1 for part in hunt.parts]
    task = PartTask(problem=hunt.parts[0].problem, gap_ppm=0, work=1000)
    under_search = PartSearch(task, PulpSolver())
    under_search.run(WallClock().monotonic_s, Event())
    hunt._known[0] = under_search  # a thread that has not returned
    halt.set()
    hunt.in_turn(hunt.unanswered())
    [known] = hunt.known()
    assert known.best is not None
    assert known.baseline is not None
    assert known.best.objective == 160 > known.baseline.objective


def test_a_part_that_nobody_answered_is_searched() -> None:
    problem = problem_from_document(document(orders=[order("o", 100)], bids=[documents.bid("a", "o", 10)]))
    hunt = Hunt(problem, PulpSolver(), Limits(work=1000), WallClock(), Event())
    hunt.parts, _ = parts_of(problem, hunt.terms)
    assert hunt.unanswered() == [0]
    hunt._known[0] = PartSearch(PartTask(problem=hunt.parts[0].problem, gap_ppm=0), PulpSolver())
    assert hunt.unanswered() == [0]  # begun, and nothing found
    hunt._known[0] = PartFound()
    assert hunt.unanswered() == []
