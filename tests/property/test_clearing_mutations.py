"""The checker can fail: whatever is changed in a clearing, it is caught."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import replace

import pytest

from market.adapters.solver_pulp import PulpSolver
from market.clearing.checker.certificate import certified_bound
from market.clearing.checker.verify import verify
from market.clearing.clear import clear
from market.clearing.documents.problem_json import problem_from_document
from market.clearing.documents.result_json import clearing_from_json
from market.clearing.errors import CliqueError
from market.clearing.limits import Limits
from market.clearing.problem import MECHANISMS, Problem
from market.clearing.result import Clearing, Multipliers, clearing_to_document
from takt_sdk.wall_clock import WallClock
from tests.property.clearing_markets import Document, best_objective, random_market
from tests.property.clearing_mutations import mutations


def cleared(seed: int, mechanism: str = "pay_as_bid") -> tuple[Problem, Clearing]:
    problem = problem_from_document(random_market(seed) | {"mechanism": mechanism})
    return problem, clear(problem, solver=PulpSolver(), limits=Limits(work=50_000), clock=WallClock())


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_what_is_published_verifies(mechanism: str) -> None:
    for seed in range(60):
        problem, clearing = cleared(seed, mechanism)
        assert verify(problem, clearing) == [], seed


def harmless(problem: Problem, wrong: Clearing) -> bool:
    """Return whether a changed multiplier proves the same bound: then nothing is wrong."""
    if wrong.multipliers is None:
        return False
    try:
        return certified_bound(problem, wrong.multipliers) == wrong.bound
    except (KeyError, CliqueError):
        return False


@pytest.mark.parametrize("mechanism", ["pay_as_bid", "greedy"])
def test_every_corruption_is_caught(mechanism: str, capsys: pytest.CaptureFixture[str]) -> None:
    tried: Counter[str] = Counter()
    caught: Counter[str] = Counter()
    missed = []
    for seed in range(60):
        problem, clearing = cleared(seed, mechanism)
        if clearing.objective is None:
            continue
        for name, wrong in mutations(problem, clearing):
            if name == "multiplier" and (clearing.bound_kind == "solver" or harmless(problem, wrong)):
                continue
            tried[name] += 1
            if verify(problem, wrong):
                caught[name] += 1
            else:
                missed.append((seed, name, wrong))
    with capsys.disabled():
        print(  # noqa: T201  the rate is asked for
            f"\n{mechanism}: {caught.total()} of {tried.total()} corruptions caught, {len(tried)} kinds"
        )
    assert not missed, (Counter(name for _, name, _ in missed), missed[0])
    assert len(tried) >= 30


def test_a_capacity_exceeded_by_one_is_caught() -> None:
    """The answer stands, the problem moves: one unit less than what is used."""
    tried = 0
    for seed in range(200):
        market = random_market(seed)
        clearing = cleared(seed)[1]
        taken = {a.bid: a.quantity for a in clearing.accepted}
        for r, resource in enumerate(market["resources"]):
            used = sum(
                use["fixed"] + use["per_unit"] * taken[bid["id"]]
                for bid in market["bids"]
                if bid["id"] in taken
                for use in bid["uses"]
                if use["resource"] == resource["id"]
            )
            if used == 0:
                continue
            tried += 1
            market["resources"][r] = resource | {"capacity": used}
            assert not any("is used" in fault for fault in verify(problem_from_document(market), clearing))
            market["resources"][r] = resource | {"capacity": used - 1}
            faults = verify(problem_from_document(market), clearing)
            assert f"resource {resource['id']} is used {used} of {used - 1}" in faults
            market["resources"][r] = resource
    assert tried > 50


def test_any_change_of_a_published_document_breaks_its_digest() -> None:
    for seed in range(20):
        problem, clearing = cleared(seed)
        document = clearing_to_document(clearing)
        for name, value in document.items():
            if name in {"kind", "seconds", "gap_ppm", "status", "bound_kind"} or not isinstance(value, int):
                continue
            wrong = clearing_from_json(json.dumps(document | {name: int(value) + 1}))
            assert any("digest" in fault for fault in verify(problem, wrong)), name
        assert verify(problem, replace(clearing, digest="sha256:" + "0" * 64))


def random_multipliers(problem: Problem, market: Document, r: random.Random, scale: int) -> Multipliers:
    def price() -> int:
        return r.choice([0, r.randint(-scale, scale)])

    used = [(bid["id"], use["resource"]) for bid in market["bids"] for use in bid["uses"]]
    return Multipliers(
        resources=tuple((i, price()) for i in problem.resource_ids),
        lots=tuple((i, price()) for i in problem.lot_ids),
        groups=tuple((i, price()) for i in problem.group_ids),
        openings=tuple((g, b["id"], price()) for b in market["bids"] for g in b["groups"]),
        uses=tuple((b, x, price()) for b, x in used if r.random() < 0.5) if scale < HUGE else (),
        arcs=tuple((e, b, price()) for e in problem.arc_ids for b in problem.bid_ids if r.random() < 0.5),
    )


HUGE = 10**30
"""Beyond 64 bits; the knapsacks of single uses stay within."""


@pytest.mark.parametrize("block", range(3))
def test_no_multipliers_prove_less_than_the_optimum(block: int) -> None:
    """Weak duality, whatever the prices: random ones, negative ones, prices of single uses."""
    for seed in range(block * 25, block * 25 + 25):
        market, r = random_market(seed, bids=6), random.Random(seed)
        best = best_objective(market)
        if best is None:
            continue
        problem = problem_from_document(market)
        for scale in (10**5, 10**6, 5 * 10**6, 3 * 10**7, HUGE):
            chance = random_multipliers(problem, market, r, scale)
            assert certified_bound(problem, chance) >= best, (seed, scale)
