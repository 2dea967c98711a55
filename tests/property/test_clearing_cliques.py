"""Cliques in the certificate: they bound the optimum, and what is none is caught."""

from __future__ import annotations

import random
from collections import Counter
from itertools import combinations
from typing import cast

import pytest

from market.adapters.solver_pulp import PulpSolver
from market.clearing.checker import certificate_cliques
from market.clearing.checker.certificate import certified_bound
from market.clearing.checker.verify import verify
from market.clearing.clear import clear
from market.clearing.documents.problem_json import problem_from_document
from market.clearing.errors import CliqueError
from market.clearing.limits import Limits
from market.clearing.problem import Problem
from market.clearing.result import Clearing, Multipliers
from takt_sdk.wall_clock import WallClock
from tests.property.clearing_cliques import exclude, random_cliques, strangers
from tests.property.clearing_markets import Document, best_objective, random_market
from tests.property.clearing_mutations import mutations
from tests.unit.market.clearing.test_stable_sets import auction


@pytest.mark.parametrize("block", range(3))
def test_no_cliques_prove_less_than_the_optimum(block: int) -> None:
    priced = 0
    for seed in range(block * 40, block * 40 + 40):
        market, r = random_market(seed), random.Random(seed)
        best = best_objective(market)
        if best is None:
            continue
        problem = problem_from_document(market)
        for price in (10**6, 3 * 10**7, 10**30):
            chance = Multipliers(
                resources=tuple((i, r.randint(0, 10**7)) for i in problem.resource_ids),
                lots=tuple((i, r.randint(-(10**6), 3 * 10**7)) for i in problem.lot_ids),
                cliques=random_cliques(market, r, count=4, price=price),
            )
            assert certified_bound(problem, chance) >= best, (seed, price)
            priced += any(len(bids) > 1 for bids, _ in chance.cliques)
    assert priced > 50


def test_two_bids_that_fit_together_are_no_clique() -> None:
    """Every pair of many markets: refused exactly where the document lets both in."""
    tried: Counter[bool] = Counter()
    for seed in range(300):
        market = random_market(seed)
        problem = problem_from_document(market)
        apart = set(strangers(market))
        for k, one in enumerate(market["bids"]):
            for other in market["bids"][k + 1 :]:
                pair = (one["id"], other["id"])
                m = Multipliers(cliques=((pair, 5),))
                tried[pair in apart] += 1
                if pair in apart:
                    with pytest.raises(CliqueError, match=r"do not shut each other out") as caught:
                        certified_bound(problem, m)
                    assert {caught.value.bid, caught.value.other} == set(pair)
                else:
                    certified_bound(problem, m)
                    assert exclude(market, other, one)
    assert min(tried.values()) > 500


def cleared(seed: int) -> tuple[Problem, Clearing]:
    r = random.Random(seed)
    pairs = r.sample([*combinations(range(6), 2)], 9)
    market = auction(r, len(pairs), 6)
    for bid, pair in zip(cast("list[Document]", market["bids"]), pairs, strict=True):
        bid["uses"] = [{"resource": f"g{g}", "fixed": 1, "per_unit": 0} for g in pair]
        bid["groups"] = []
    problem = problem_from_document(market)
    return problem, clear(problem, solver=PulpSolver(), limits=Limits(work=50_000), clock=WallClock())


def sound(problem: Problem, clearing: Clearing, wrong: Clearing) -> bool:
    """Return whether changed multipliers prove all that is said: the bound, or no more than the solver."""
    assert clearing.bound is not None
    assert wrong.multipliers is not None
    try:
        proven = certified_bound(problem, wrong.multipliers)
    except (KeyError, CliqueError):
        return False
    return proven == clearing.bound or (clearing.bound_kind == "solver" and proven > clearing.bound)


def test_every_corruption_of_a_clearing_with_cliques_is_caught() -> None:
    tried: Counter[str] = Counter()
    missed = []
    shown = 0
    for seed in range(120):
        problem, clearing = cleared(seed)
        assert clearing.multipliers is not None
        assert verify(problem, clearing) == [], seed
        if not clearing.multipliers.cliques:
            continue
        shown += clearing.bound_kind == "certified"
        for name, wrong in mutations(problem, clearing):
            if name in {"multiplier", "clique larger"} and sound(problem, clearing, wrong):
                continue
            tried[name] += 1
            if not verify(problem, wrong):
                missed.append((seed, name, wrong))
    assert not missed, (Counter(name for _, name, _ in missed), missed[0])
    assert shown >= 5
    assert min(tried[name] for name in ("clique larger", "clique repeats a bid", "clique of nobody")) >= 7


def test_cliques_of_many_bids_are_checked_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    market = auction(random.Random(3), 40, 12)
    problem, r = problem_from_document(market), random.Random(3)
    good = Multipliers(cliques=random_cliques(market, r, count=30, price=10**7))
    whole = certified_bound(problem, good)
    bad = [Multipliers(cliques=(*good.cliques, (pair, 1))) for pair in strangers(market)[::40]]
    for most in (1, 7, 20):
        monkeypatch.setattr(certificate_cliques, "MOST_TOGETHER", most)
        assert certified_bound(problem, good) == whole
        for wrong in bad:
            with pytest.raises(CliqueError):
                certified_bound(problem, wrong)


def test_dominated_bids_stand_in_the_cliques_of_those_that_dominate_them() -> None:
    """A market with worse copies of its bids is certified as tightly as without them."""
    priced = 0
    for seed in range(120):
        r = random.Random(seed)
        pairs = r.sample([*combinations(range(6), 2)], 9)
        market = auction(r, len(pairs), 6)
        bids = cast("list[Document]", market["bids"])
        for bid, pair in zip(bids, pairs, strict=True):
            bid["uses"] = [{"resource": f"g{g}", "fixed": 1, "per_unit": 0} for g in pair]
            bid["groups"] = []
        bounds = []
        for copies in (0, 2):
            worse = [
                bid | {"id": f"{bid['id']}-{k}", "fixed_price": bid["fixed_price"] + k}
                for bid in bids
                for k in range(1, copies + 1)
            ]
            problem = problem_from_document(market | {"bids": [*bids, *worse]})
            clearing = clear(problem, solver=PulpSolver(), limits=Limits(work=50_000), clock=WallClock())
            assert verify(problem, clearing) == []
            assert clearing.multipliers is not None
            bounds.append(certified_bound(problem, clearing.multipliers))
            priced += len(clearing.multipliers.cliques)
        assert bounds[0] == bounds[1], seed
    assert priced > 10
