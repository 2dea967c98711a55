"""Markets of pairwise conflicts: what is one, cliques, and branch and bound against enumeration."""

from __future__ import annotations

import random
from functools import partial
from itertools import combinations
from threading import Thread
from typing import cast

import numpy as np
import pytest

from market.adapters.solver_pulp import PulpSolver
from market.clearing.checker.certificate import certified_bound
from market.clearing.checker.check import check_answer
from market.clearing.clear import clear
from market.clearing.documents.problem_json import problem_from_document
from market.clearing.limits import Limits
from market.clearing.problem import Problem
from market.clearing.program import SolveLimits
from market.clearing.result import Status
from market.clearing.search.case import Case
from market.clearing.search.incumbent import Incumbent
from market.clearing.search.stable_search import DEEP_STEPS, Branch, StableSearch, blocks
from market.clearing.stable_sets.cliques import grown, violated
from market.clearing.stable_sets.conflict_graph import conflict_graph, packed
from market.clearing.stable_sets.stable_set import SHORTEST, STEPS, descend, enter, new_node
from market.clearing.stable_sets.stable_tabu import climb
from market.clearing.terms import terms_of
from takt_sdk.wall_clock import WallClock
from tests.property.clearing_markets import Document


def auction(
    r: random.Random, bids: int, goods: int, *, capacity: int = 1, largest: int = 4
) -> dict[str, object]:
    """Return single-bid orders over goods; amounts above half of a capacity shut each other out."""
    least = capacity // 2 + 1
    chosen = [r.sample(range(goods), r.randint(1, largest)) for _ in range(bids)]
    return {
        "kind": "takt.problem.v1",
        "currency": "EUR",
        "mechanism": "pay_as_bid",
        "seed": 1,
        "orders": [
            {
                "id": f"o{k}",
                "value": r.randint(1, 100),
                "must_serve": False,
                "partial": False,
                "max_suppliers": None,
                "lots": [{"id": f"o{k}", "quantity": 1}],
                "arcs": [],
            }
            for k in range(bids)
        ],
        "resources": [{"id": f"g{g}", "capacity": capacity} for g in range(goods)],
        "bids": [
            {
                "id": f"b{k}",
                "bidder": f"p{k % 3}",
                "site": None,
                "items": [{"lot": f"o{k}", "quantity": 1}],
                "divisible": False,
                "min_quantity": 0,
                "fixed_price": r.choice([0, 0, 5]),
                "unit_price": 0,
                "score": 0,
                "start": None,
                "end": None,
                "uses": [
                    {"resource": f"g{g}", "fixed": r.randint(least, capacity), "per_unit": 0}
                    for g in chosen[k]
                ],
                "groups": [f"x{k % 3}"] if k < bids // 2 else [],
            }
            for k in range(bids)
        ],
        "groups": [{"id": f"x{k}", "max_accepted": 1, "fixed_price": 0} for k in range(3)],
        "transport": [],
    }


def heaviest(weight: np.ndarray, conflict: np.ndarray) -> int:
    """Return the weight of the heaviest stable set, by enumeration with nothing but the sum left as bound."""

    def best(vertices: list[int]) -> int:
        if not vertices:
            return 0
        v, rest = vertices[0], vertices[1:]
        taken = int(weight[v]) + best([u for u in rest if not conflict[v, u]])
        if not conflict[v][rest].any():
            return taken
        return max(taken, best(rest))

    return best(list(range(weight.size)))


def unpacked(adjacent: np.ndarray, n: int) -> np.ndarray:
    bits = np.unpackbits(adjacent.view(np.uint8), axis=1, bitorder="little")
    return bits[:, :n].astype(bool)


@pytest.mark.parametrize("capacity", [1, 9])
def test_the_search_finds_what_enumeration_finds_and_proves_it(capacity: int) -> None:
    for seed in range(40):
        r = random.Random(seed)
        market = auction(r, r.randint(6, 26), r.randint(5, 14), capacity=capacity)
        problem = problem_from_document(market)
        terms = terms_of(problem)
        graph = conflict_graph(problem, terms)
        assert graph is not None
        conflict = unpacked(graph.adjacent, graph.bid.size)
        best = heaviest(graph.weight, conflict)
        case = Case(problem, terms, PulpSolver(), Incumbent(0))
        search = StableSearch(case, graph)
        search.relax(partial(bool, seed % 2), lambda: SolveLimits(work=10_000))
        search.work(lambda: True)
        assert case.incumbent.objective == best, seed
        assert case.incumbent.bound == pytest.approx(best), seed
        again = Case(problem, terms, PulpSolver(), Incumbent(0))
        assert StableSearch(again, graph).enumerate(100_000) < 100_000
        assert (again.incumbent.objective, again.incumbent.bound) == (best, best), seed
        clearing = clear(problem, solver=PulpSolver(), limits=Limits(work=50_000), clock=WallClock())
        assert (clearing.status, clearing.objective) == (Status.OPTIMAL, best)
        assert check_answer(problem, clearing) == []


def test_slices_cut_short_and_several_workers_prove_the_same() -> None:
    problem = problem_from_document(auction(random.Random(7), 90, 30))
    terms = terms_of(problem)
    graph = conflict_graph(problem, terms)
    assert graph is not None
    found = []
    for workers, most in ((1, 1_000_000), (1, 3), (2, 3)):
        case = Case(problem, terms, PulpSolver(), Incumbent(0))
        search = StableSearch(case, graph)
        search.open_root()
        jobs = [Thread(target=search.work, args=(lambda: True, lambda m=most: m)) for _ in range(workers)]
        for job in jobs:
            job.start()
        for job in jobs:
            job.join(60)
        assert not search.open
        assert case.incumbent.bound == pytest.approx(case.incumbent.objective)
        found.append(case.incumbent.objective)
    assert len(set(found)) == 1


def priced_alike(seed: int) -> Problem:
    """Return an auction of 400 bids that pay about the same for a good: far from any bound."""
    r = random.Random(seed)
    market = cast("Document", auction(r, 400, 100, largest=12))
    for order, bid in zip(market["orders"], market["bids"], strict=True):
        order["value"] = len(bid["uses"]) * r.randint(900, 1100)
    return problem_from_document(market)


class DeepOnly(StableSearch):
    """Goes deep with every slice."""

    def next_steps(self, node: Branch) -> int:
        del node
        return DEEP_STEPS


def searched_for(search: type[StableSearch], problem: Problem, work: int) -> Incumbent:
    """Branch until so much work is done, without relaxations before."""
    terms = terms_of(problem)
    graph = conflict_graph(problem, terms)
    assert graph is not None
    case = Case(problem, terms, PulpSolver(), Incumbent(0))
    one = search(case, graph)
    one.relax(lambda: True, SolveLimits)
    end = case.work + work
    one.work(lambda: case.work < end, lambda: end - case.work)
    return case.incumbent


@pytest.mark.parametrize("seed", [1, 2])
def test_bounds_fall_faster_where_most_slices_are_nodes_of_the_largest_bound(seed: int) -> None:
    problem = priced_alike(seed)
    deep, mixed = (searched_for(kind, problem, 3000) for kind in (DeepOnly, StableSearch))
    best = max(deep.objective, mixed.objective)
    assert mixed.bound >= best
    assert mixed.bound - best < 0.9 * (deep.bound - best)


def test_what_a_slice_rounds_to_is_climbed_from() -> None:
    problem = problem_from_document(auction(random.Random(5), 60, 20))
    terms = terms_of(problem)
    graph = conflict_graph(problem, terms)
    assert graph is not None
    case = Case(problem, terms, PulpSolver(), Incumbent(0))
    lightest = int(np.argmin(graph.weight))
    StableSearch(case, graph).improve([lightest])
    assert case.incumbent.objective > 2 * int(graph.weight.max())
    assert case.work > 0


def test_steps_towards_a_target_far_away_are_shorter() -> None:
    total = [0.0, 0.0]
    for seed in range(4):
        problem = priced_alike(seed)
        terms = terms_of(problem)
        graph = conflict_graph(problem, terms)
        assert graph is not None
        search = StableSearch(Case(problem, terms, PulpSolver(), Incumbent(0)), graph)
        search.relax(lambda: True, SolveLimits)
        g, root = search.compiled, search.open[0][2]
        assert g is not None
        taken = int(np.argmax(graph.weight))
        left = root.alive & ~graph.adjacent[taken]
        left[taken >> 6] &= ~(np.uint64(1) << np.uint64(taken & 63))
        for k, factor in enumerate((1.0, SHORTEST)):
            node = new_node(g, root.price.size)
            vertices, cliques = enter(g, left, root.price.copy(), node)
            target = 0.3 * root.bound
            total[k] += descend(g, node, vertices, cliques, target, STEPS, factor)[0]
    assert total[1] < total[0]


def test_under_a_work_limit_the_answer_is_a_function_of_the_file() -> None:
    problem = problem_from_document(auction(random.Random(3), 200, 40, largest=3))
    digests = {
        clear(problem, solver=PulpSolver(), limits=Limits(work=900, workers=w), clock=WallClock()).digest
        for w in (1, 2, 1)
    }
    assert len(digests) == 1


def test_bids_that_limit_each_other_otherwise_are_no_conflict_graph() -> None:
    def graph_of(**changed: object) -> object:
        market = auction(random.Random(1), 24, 6)
        market.update(changed)
        problem = problem_from_document(market)
        return conflict_graph(problem, terms_of(problem))

    market = auction(random.Random(1), 24, 6)
    assert graph_of() is not None
    assert graph_of(resources=[{"id": f"g{g}", "capacity": 2} for g in range(6)]) is None
    assert graph_of(groups=[{"id": f"x{k}", "max_accepted": 1, "fixed_price": 3} for k in range(3)]) is None
    assert graph_of(groups=[{"id": f"x{k}", "max_accepted": 2, "fixed_price": 0} for k in range(3)]) is None
    orders = market["orders"]
    assert isinstance(orders, list)
    must = [order | {"must_serve": k == 0} for k, order in enumerate(orders)]
    assert graph_of(orders=must) is None


def cliques_of(ptr: np.ndarray, member: np.ndarray) -> list[set[int]]:
    return [set(member[ptr[k] : ptr[k + 1]].tolist()) for k in range(ptr.size - 1)]


def test_cliques_are_maximal_and_violated_ones_are_cut_off() -> None:
    r = np.random.default_rng(5)
    for _ in range(20):
        n = int(r.integers(5, 80))
        edge = np.triu(r.random((n, n)) < 0.5, 1)
        edge |= edge.T
        pairs = np.argwhere(np.triu(edge))
        ptr, member = np.arange(0, 2 * len(pairs) + 1, 2), pairs.ravel()
        sequence = r.permutation(n)
        x = r.random(n) * 0.7
        ways = np.stack([np.argsort(-x), sequence])
        for k, found in enumerate(
            (
                grown(packed(edge), ptr, member, sequence),
                violated(packed(edge), x, np.arange(n), ways, sequence),
            )
        ):
            for clique in cliques_of(*found):
                assert all(edge[a, b] for a, b in combinations(clique, 2))
                assert not any(edge[v][list(clique)].all() for v in set(range(n)) - clique)
                assert k == 0 or x[list(clique)].sum() > 1.0


def test_blocks_part_the_vertices_into_cliques() -> None:
    ptr, member = np.array([0, 3, 5, 7]), np.array([0, 1, 2, 2, 3, 3, 4])
    block, whole = blocks(6, ptr, member)
    assert block[0] == block[1] == block[2]
    assert block[3] == block[4] != block[0]
    assert block[5] not in block[:5]
    assert whole.tolist() == [True, False, True]


def test_climbing_meets_stable_sets_only_and_the_heaviest_of_small_graphs() -> None:
    reached = 0
    for seed in range(40):
        draw = np.random.default_rng(seed)
        n = int(draw.integers(3, 90))
        conflict = np.triu(draw.random((n, n)) < draw.choice([0.1, 0.4, 0.8]), 1)
        conflict |= conflict.T
        weight = draw.integers(1, 100, n)
        start = np.zeros(n, dtype=np.bool_)
        start[int(draw.integers(n))] = True
        best = np.zeros(n, dtype=np.int64)
        worth, size, moves = climb(packed(conflict), weight, start, 7, 3000, seed + 1, best)
        chosen = best[:size]
        assert not conflict[np.ix_(chosen, chosen)].any(), seed
        assert worth == weight[chosen].sum() >= weight[start].sum()
        assert 0 < moves <= 3000
        assert (worth, size, moves) == climb(packed(conflict), weight, start, 7, 3000, seed + 1, best)
        if n < 26:
            reached += 1
            assert worth == heaviest(weight, conflict), seed
    assert reached > 5


def test_the_root_certifies_a_bound_where_no_relaxation_was_solved() -> None:
    for seed in range(8):
        problem = problem_from_document(auction(random.Random(seed), 90, 30))
        terms = terms_of(problem)
        graph = conflict_graph(problem, terms)
        assert graph is not None
        case = Case(problem, terms, PulpSolver(), Incumbent(0))
        search = StableSearch(case, graph)
        search.open_root()
        search.slice(search.open[0][2], 400)
        assert case.multipliers is not None
        rooted = certified_bound(problem, case.multipliers)
        again = Case(problem, terms, PulpSolver(), Incumbent(0))
        StableSearch(again, graph).relax(lambda: True, lambda: SolveLimits(work=100_000))
        assert again.multipliers is not None
        relaxed = certified_bound(problem, again.multipliers)
        best = clear(problem, solver=PulpSolver(), limits=Limits(work=200_000), clock=WallClock()).objective
        assert best is not None
        assert best <= relaxed <= rooted < 1.1 * relaxed, seed


def test_where_enumerating_ends_before_any_relaxation_blocks_certify() -> None:
    """All bids shut each other out: one clique, and the largest bid is what it is worth."""
    market = auction(random.Random(5), 30, 3, largest=3)
    for bid in cast("list[Document]", market["bids"]):
        bid["uses"], bid["groups"] = [{"resource": "g0", "fixed": 1, "per_unit": 0}], []
    problem = problem_from_document(market)
    terms = terms_of(problem)
    graph = conflict_graph(problem, terms)
    assert graph is not None
    case = Case(problem, terms, PulpSolver(), Incumbent(0))
    StableSearch(case, graph).enumerate(100)
    assert case.incumbent.stopped.is_set()
    assert case.multipliers is not None
    assert certified_bound(problem, case.multipliers) == case.incumbent.objective == graph.weight.max()
