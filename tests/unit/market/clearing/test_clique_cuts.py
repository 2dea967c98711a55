"""Cliques beside other rules: which bids exclude each other in any market, and what cutting proves."""

from __future__ import annotations

import random
from threading import Event
from typing import cast

import numpy as np
import pytest

from market.adapters.solver_pulp import PulpSolver
from market.clearing.checker.certificate import certified_bound
from market.clearing.checker.verify import verify
from market.clearing.clear import clear
from market.clearing.documents.problem_json import problem_from_document
from market.clearing.limits import Limits
from market.clearing.program import SolveLimits
from market.clearing.result import Multipliers, Status
from market.clearing.search import clique_cuts
from market.clearing.search.case import Case
from market.clearing.search.clique_cuts import cut_by_cliques
from market.clearing.search.hunt import Hunt
from market.clearing.search.incumbent import Incumbent
from market.clearing.search.sharpening import sharpen
from market.clearing.stable_sets.conflict_graph import conflict_graph, conflicts_beside
from market.clearing.terms import terms_of
from takt_sdk.wall_clock import WallClock
from tests.property.clearing_cliques import exclude
from tests.property.clearing_markets import Document, random_market
from tests.unit.market.clearing import documents
from tests.unit.market.clearing.documents import document, order, split, use
from tests.unit.market.clearing.test_stable_sets import auction, unpacked


def shared(seed: int, bids: int, goods: int) -> Document:
    """Return an auction of goods whose bids share a budget besides."""
    r = random.Random(seed)
    market = auction(r, bids, goods, largest=3)
    cast("list[Document]", market["resources"]).append({"id": "budget", "capacity": 100})
    for bid in cast("list[Document]", market["bids"]):
        bid["uses"] = [*bid["uses"], {"resource": "budget", "fixed": r.randint(5, 45), "per_unit": 0}]
    return market


def test_conflicts_are_those_of_the_document() -> None:
    found = 0
    for seed in range(150):
        market = random_market(seed) if seed % 3 == 0 else shared(seed, 14, 8)
        problem = problem_from_document(market)
        graph = conflicts_beside(problem, terms_of(problem))
        if graph is None:
            continue
        found += 1
        bids = {bid["id"]: bid for bid in market["bids"]}
        flags = unpacked(graph.adjacent, graph.bid.size)
        names = [problem.bid_ids[b] for b in graph.bid.tolist()]
        for j, one in enumerate(names):
            for k, other in enumerate(names[:j]):
                assert flags[j, k] == flags[k, j] == exclude(market, bids[one], bids[other]), (
                    seed,
                    one,
                    other,
                )
        for k in range(graph.clique_ptr.size - 1):
            inside = graph.clique_member[graph.clique_ptr[k] : graph.clique_ptr[k + 1]]
            assert (flags[np.ix_(inside, inside)] | np.eye(inside.size, dtype=np.bool_)).all()
    assert found > 60


def test_cliques_cut_the_certified_bound_and_never_the_optimum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clique_cuts, "LEAST_COLUMNS", 0)
    closer = 0
    for seed in range(30):
        problem = problem_from_document(shared(seed, 40, 12))
        terms = terms_of(problem)
        assert conflict_graph(problem, terms) is None
        case = Case(problem, terms, PulpSolver(), Incumbent(0))
        case.relax(SolveLimits())
        assert case.multipliers is not None
        plain = certified_bound(problem, case.multipliers)
        cut_by_cliques(case, lambda: True)
        cut = certified_bound(problem, case.multipliers)
        best = clear(problem, solver=PulpSolver(), limits=Limits(work=500_000), clock=WallClock())
        assert best.status is Status.OPTIMAL
        assert verify(problem, best) == []
        assert best.objective is not None
        assert best.objective <= cut <= plain, seed
        closer += cut < plain
    assert closer > 5


def test_shared_capacity_is_priced_without_cliques() -> None:
    """Two bids exclude each other, but most of what is scarce is shared: prices of capacity are kept."""
    market = shared(1, 12, 30)
    for k, bid in enumerate(cast("list[Document]", market["bids"])):
        bid["uses"] = [{"resource": "budget", "fixed": 60 if k < 2 else 20, "per_unit": 0}]
    problem = problem_from_document(market)
    assert conflicts_beside(problem, terms_of(problem)) is None


def test_single_uses_are_priced_from_the_relaxation_though_cliques_came_between(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is published proves what is claimed, however often pricing is left off and taken up again."""
    monkeypatch.setattr(clique_cuts, "LEAST_COLUMNS", 0)
    between = 0
    for seed in range(30):
        problem = problem_from_document(shared(seed, 40, 12))
        case = Case(problem, terms_of(problem), PulpSolver(), Incumbent(0))
        case.relax(SolveLimits())
        sharpen(case, lambda case=case: case.decomposition is None)  # type: ignore[misc]
        assert case.multipliers is not None
        cut = bool(case.multipliers.cliques)
        while not sharpen(case, lambda: True):
            pass
        assert case.prices is not None
        assert case.decomposition is not None
        assert case.published is not None
        between += cut and not case.multipliers.cliques
        claimed = case.prices.bound + case.decomposition.rounding + 1.0
        assert certified_bound(problem, case.published) <= claimed, seed
    assert between


def test_a_dominated_bid_that_may_take_less_stands_in_no_clique() -> None:
    """Goods flow in whole units, so both bids take all 20; one may take 5 by its words, which are checked."""
    lots = [{"id": "x", "quantity": 1}, {"id": "y", "quantity": 20}]
    arcs = [{"id": "x-y", "from": "x", "to": "y"}]
    same = {"bidder": "p", "site": "s", "uses": [use("r", 0, 1)]}
    problem = problem_from_document(
        document(
            orders=[order("o", 1000, lots=lots, arcs=arcs), order("q", 100, 15)],
            resources=[{"id": "r", "capacity": 30}],
            bids=[
                split("a", "y", 1, 20, 20, **same),
                split("b", "y", 2, 20, 5, **same),
                documents.bid("c", "q", 10, 15, uses=[use("r", 15)]),
                documents.bid("d", "x", 10, site="s"),
            ],
        )
    )
    hunt = Hunt(problem, PulpSolver(), Limits(work=1000), WallClock(), Event())
    told = hunt.told([Multipliers(cliques=((("a", "c"), 5),))])
    assert told.cliques == ((("a", "c"), 5),)
    assert certified_bound(problem, told) >= 0
