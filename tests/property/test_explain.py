"""Threshold prices against brute force: just below it a bid wins, just above it does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from market.adapters.solver_pulp import PulpSolver
from market.clearing.clear import clear
from market.clearing.documents.problem_json import problem_from_document
from market.clearing.errors import UnprovenError
from market.clearing.limits import Limits
from market.clearing.program import Answer, Improved, Program, ProgramResult, SolveLimits, Suggest
from market.clearing.publishing.counterfactual import Budget
from market.clearing.publishing.estimates import estimates
from market.clearing.publishing.explain import explain_estimate, explain_exact
from takt_sdk.wall_clock import WallClock
from tests.papers.markets import bid, market, order
from tests.property.clearing_markets import best_objective, random_market

Document = dict[str, Any]
ENDLESS = Budget(left_s=lambda: None)


def with_price(document: Document, name: str, change: int) -> Document | None:
    """Return the market with a bid's fixed price changed; None if it would be below 0."""
    bids = [
        {**b, "fixed_price": b["fixed_price"] + change} if b["id"] == name else b for b in document["bids"]
    ]
    return {**document, "bids": bids} if all(b["fixed_price"] >= 0 for b in bids) else None


@pytest.mark.parametrize("block", range(4))
def test_exact_threshold_parts_winning_from_losing(block: int) -> None:
    checked = 0
    for seed in range(5000 + block * 30, 5000 + (block + 1) * 30):
        document = random_market(seed, bids=7)
        if best_objective(document) is None:
            continue
        p = problem_from_document(document)
        for b in document["bids"]:
            without = best_objective(
                {**document, "bids": [x for x in document["bids"] if x["id"] != b["id"]]}
            )
            said = explain_exact(p, b["id"], solver=PulpSolver(), budget=ENDLESS)
            assert said.estimate is False
            if said.threshold_price is None:
                free = with_price(document, b["id"], -b["fixed_price"])
                assert free is not None
                if "any price" in said.detail:
                    assert without is None
                elif "no allocation" in said.detail:
                    assert best_objective(free) == without, (seed, b["id"])
                continue
            assert without is not None
            margin = said.threshold_price - said.price
            for beyond, best in ((-1, without + 1), (1, without)):
                changed = with_price(document, b["id"], margin + beyond)
                if changed is not None:
                    checked += 1
                    assert best_objective(changed) == best, (seed, b["id"], said, beyond)
    assert checked > 30


def test_estimate_is_exact_where_orders_are_auctions_of_their_own() -> None:
    document = market(
        [order("o", 100), order("q", 30)],
        [bid("x", "p", 40, "o"), bid("y", "r", 55, "o"), bid("z", "s", 48, "q")],
    )
    p = problem_from_document(document)
    clearing = clear(p, solver=PulpSolver(), limits=Limits(), clock=WallClock())
    for name, threshold in (("x", 55), ("y", 40), ("z", 30)):
        estimate = explain_estimate(p, clearing, name)
        exact = explain_exact(p, name, solver=PulpSolver(), budget=ENDLESS)
        assert (estimate.estimate, estimate.threshold_price) == (True, threshold)
        assert (exact.estimate, exact.threshold_price) == (False, threshold)
        assert exact.price == estimate.price


def test_estimate_is_near_where_capacity_is_priced() -> None:
    near = total = 0
    for seed in range(5100, 5140):
        document = random_market(seed, bids=8)
        p = problem_from_document(document)
        clearing = clear(p, solver=PulpSolver(), limits=Limits(), clock=WallClock())
        if clearing.objective is None:
            continue
        for b in document["bids"]:
            estimate = explain_estimate(p, clearing, b["id"])
            exact = explain_exact(p, b["id"], solver=PulpSolver(), budget=ENDLESS)
            assert estimate.estimate
            assert not exact.estimate
            if estimate.threshold_price is not None and exact.threshold_price is not None:
                total += 1
                near += abs(estimate.threshold_price - exact.threshold_price) <= max(5, exact.price)
    assert total > 30
    assert near / total > 0.6


def test_estimates_of_all_losing_bids_are_those_of_each() -> None:
    total = 0
    for seed in range(5100, 5160):
        p = problem_from_document(random_market(seed, bids=8))
        clearing = clear(p, solver=PulpSolver(), limits=Limits(), clock=WallClock())
        if clearing.objective is None:
            continue
        told = estimates(p, clearing)
        won = {entry.bid for entry in clearing.accepted}
        assert not set(told) & won
        for name in set(p.bid_ids) - won:
            one = explain_estimate(p, clearing, name).threshold_price
            if one is None:
                assert name not in told, (seed, name)
            else:
                total += 1
                assert told[name] == one, (seed, name)
    assert total > 40


def test_exact_threshold_is_not_guessed_without_time() -> None:
    p = problem_from_document(market([order("o", 100, "a", "b")], [bid("x", "p", 40, "a", "b")]))
    with pytest.raises(UnprovenError):
        explain_exact(p, "x", solver=PulpSolver(), budget=Budget(left_s=lambda: 0.0))


class Liar(PulpSolver):
    """Calls optimal what is not: ``lie`` changes right results."""

    def __init__(self, lie: Callable[[ProgramResult], ProgramResult]) -> None:
        super().__init__()
        self.lie = lie

    def solve(
        self,
        program: Program,
        limits: SolveLimits,
        *,
        start: NDArray[np.float64] | None = None,
        stop: Callable[[], bool] | None = None,
        improved: Improved | None = None,
        suggest: Suggest | None = None,
    ) -> ProgramResult:
        """Solve the program, and lie."""
        right = super().solve(program, limits, start=start, stop=stop, improved=improved, suggest=suggest)
        return self.lie(right)


LIES: dict[str, Callable[[ProgramResult], ProgramResult]] = {
    "its bound says that more may be had": lambda right: replace(right, bound=right.bound + 2.0),
    "its point is not allowed": lambda right: replace(
        right, values=None if right.values is None else np.ones_like(right.values)
    ),
    "it has no point": lambda right: replace(right, values=None),
    "it stopped before": lambda right: replace(right, answer=Answer.FEASIBLE),
}


@pytest.mark.parametrize("lie", LIES)
def test_what_a_solver_does_not_prove_is_not_called_exact(lie: str) -> None:
    p = problem_from_document(market([order("o", 100)], [bid("x", "p", 40, "o"), bid("y", "q", 50, "o")]))
    assert explain_exact(p, "x", solver=Liar(lambda right: right), budget=ENDLESS).threshold_price == 50
    with pytest.raises(UnprovenError):
        explain_exact(p, "x", solver=Liar(LIES[lie]), budget=ENDLESS)


@pytest.mark.parametrize(
    ("price", "detail"), [(40, "wins by 10"), (50, "ties: the lottery decides"), (60, "loses by 10")]
)
def test_the_verdict_says_by_how_much(price: int, detail: str) -> None:
    p = problem_from_document(market([order("o", 100)], [bid("x", "p", price, "o"), bid("y", "q", 50, "o")]))
    said = explain_exact(p, "x", solver=PulpSolver(), budget=ENDLESS)
    assert (said.threshold_price, said.detail) == (50, detail)


def test_a_threshold_of_nothing_is_one() -> None:
    p = problem_from_document(market([order("o", 100)], [bid("x", "p", 5, "o"), bid("y", "q", 0, "o")]))
    clearing = clear(p, solver=PulpSolver(), limits=Limits(), clock=WallClock())
    for said in (
        explain_exact(p, "x", solver=PulpSolver(), budget=ENDLESS),
        explain_estimate(p, clearing, "x"),
    ):
        assert (said.threshold_price, said.price) == (0, 5)


def test_unknown_bid_is_named() -> None:
    p = problem_from_document(market([order("o", 100)], [bid("x", "p", 40, "o")]))
    with pytest.raises(KeyError, match="nobody"):
        explain_exact(p, "nobody", solver=PulpSolver(), budget=ENDLESS)
