"""Rounds over whole plans, and clearings without the relaxation: right, never worse, one for any workers."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.clearing.chains import chains
from market.adapters.solver_pulp import PulpSolver
from market.clearing.bounds.prices import no_prices
from market.clearing.checker.verify import verify
from market.clearing.clear import clear
from market.clearing.documents.problem_json import problem_from_document
from market.clearing.formulation.allocation import allocation_of
from market.clearing.limits import Limits
from market.clearing.local_search.packing import packing_of
from market.clearing.program import SolveLimits
from market.clearing.publishing.publish import Found, publish
from market.clearing.result import Status
from market.clearing.search import case as cases
from market.clearing.search.case import Case
from market.clearing.search.incumbent import Incumbent
from market.clearing.terms import terms_of
from market.clearing.tie_break import lottery
from takt_sdk.wall_clock import WallClock
from tests.property.clearing_chains import random_chains
from tests.property.clearing_markets import best_objective, random_market
from tests.unit.market.clearing.documents import bid, document, order, split


def test_rounds_lead_from_order_by_order_to_the_best_plans() -> None:
    """All orders freed at once, every plan in the pool: the brute-force optimum, openings included."""
    gained = 0
    for seed in range(90):
        d = random_chains(seed, whole=True)
        best = best_objective(d)
        p = problem_from_document(d)
        terms = terms_of(p)
        case = Case(p, terms, PulpSolver(), Incumbent(0, None))
        case.run_greedy()
        packing = packing_of(p, terms, lottery(p.seed, p.bid_ids), no_prices(p))
        assert case.incumbent.best is not None
        if not packing.n_items:
            continue
        rounds = case.plan_rounds(packing, seed)
        before = case.incumbent.objective
        for _ in range(12):
            case.choose_plans(rounds, SolveLimits(work=1000))
        assert case.incumbent.objective >= before
        assert case.incumbent.objective == best, seed
        clearing = publish(p, terms, Found(allocation=case.incumbent.best))
        assert clearing.objective == best
        gained += case.incumbent.objective > before
    assert gained >= 5


def test_divided_lots_outlast_rounds() -> None:
    """What no plan of the pool can do stays, moves and all, while other orders are served anew."""
    lots = {o: [{"id": f"{o}{k}", "quantity": 6} for k in "ab"] for o in "xy"}
    arcs = {o: [{"id": f"{o}-", "from": f"{o}a", "to": f"{o}b"}] for o in "xy"}
    d = document(
        orders=[order(o, 500, lots=lots[o], arcs=arcs[o]) for o in "xy"],
        bids=[
            split("a1", "xa", 1, 3, 1, site="s"),
            split("a2", "xa", 2, 3, 1, site="s"),
            bid("b", "xb", 10, 6, site="s"),
            bid("c", "ya", 10, 6, site="s"),
            bid("d", "yb", 10, 6, site="s"),
        ],
    )
    p = problem_from_document(d)
    terms = terms_of(p)
    case = Case(p, terms, PulpSolver(), Incumbent(0, None))
    case.offer(allocation_of(p, terms, np.array([3, 3, 6, 0, 0]), ((0, 0, 2, 3), (0, 1, 2, 3))))
    assert case.incumbent.objective == 500 - 9 - 10
    rounds = case.plan_rounds(packing_of(p, terms, lottery(1, p.bid_ids), no_prices(p)), 1)
    for _ in range(4):
        case.choose_plans(rounds, SolveLimits(work=1000))
    best = case.incumbent.best
    assert best is not None
    assert best.quantity.tolist() == [3, 3, 6, 6, 6]
    assert best.moves == ((0, 0, 2, 3), (0, 1, 2, 3), (1, 3, 4, 6))
    assert publish(p, terms, Found(allocation=best)).objective == best_objective(d) == 961


def test_markets_are_cleared_without_the_relaxation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every market of this kind as if it were too large: checked, bounded, mostly optimal."""
    monkeypatch.setattr(cases, "LARGEST_RELAXED", 0)
    met, impossible = 0, 0
    for seed in range(30):
        for d in (random_chains(seed), random_market(seed, bids=6)):
            best = best_objective(d)
            p = problem_from_document(d)
            clearing = clear(p, solver=PulpSolver(), limits=Limits(work=5000), clock=WallClock())
            if best is None:
                assert clearing.status is Status.INFEASIBLE, seed
                impossible += 1
                continue
            assert clearing.objective is not None
            assert clearing.bound is not None
            assert clearing.objective <= best <= clearing.bound, seed
            assert verify(p, clearing) == []
            met += clearing.objective == best
    assert met >= 50
    assert impossible >= 1


def test_large_chains_have_a_certificate_and_one_answer_for_any_workers() -> None:
    """Above the size where the relaxation is solved."""
    p = chains(70, 6, 18, seed=5)
    one, two = (
        clear(p, solver=PulpSolver(), limits=Limits(work=9000, workers=n), clock=WallClock()) for n in (1, 2)
    )
    assert one.digest == two.digest
    assert one.bound_kind == "certified"
    assert one.objective is not None
    assert one.greedy_objective is not None
    assert one.objective > 1.1 * one.greedy_objective
    assert one.gap_ppm is not None
    assert one.gap_ppm < 150_000
    assert verify(p, one) == []
