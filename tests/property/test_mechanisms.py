"""Payment rules against brute force on small random markets that mix every feature."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import pytest

from market.adapters.solver_pulp import PulpSolver
from market.clearing.clear import clear
from market.clearing.documents.problem_json import problem_from_document
from market.clearing.limits import Limits
from market.clearing.result import Clearing, Status
from takt_sdk.wall_clock import WallClock
from tests.property.clearing_markets import best_objective, random_market

Document = dict[str, Any]
BLOCK = 40


def cleared(market: Document, mechanism: str) -> Clearing:
    problem = problem_from_document({**market, "mechanism": mechanism})
    return clear(problem, solver=PulpSolver(), limits=Limits(), clock=WallClock())


def with_only(market: Document, bidders: Iterable[str]) -> Document:
    chosen = set(bidders)
    return {**market, "bids": [b for b in market["bids"] if b["bidder"] in chosen]}


def bidders_of(market: Document) -> list[str]:
    return sorted({b["bidder"] for b in market["bids"]})


def surpluses(market: Document, clearing: Clearing) -> dict[str, int]:
    """Return what each winner is paid beyond its prices, from the published result."""
    assert clearing.payments is not None
    bid = {b["id"]: b for b in market["bids"]}
    found: dict[str, int] = {}
    for accepted in clearing.accepted:
        b = bid[accepted.bid]
        price = b["fixed_price"] + b["unit_price"] * accepted.quantity
        found[b["bidder"]] = found.get(b["bidder"], 0) - price
    for payment in clearing.payments:
        if payment.bid is not None:
            found[bid[payment.bid]["bidder"]] += payment.amount
    return found


def optimum(market: Document) -> int | None:
    return best_objective(market)


def without_winners(market: Document, clearing: Clearing) -> dict[str, int | None]:
    """Return the brute-force optimum without each winner."""
    bidder = {b["id"]: b["bidder"] for b in market["bids"]}
    everyone = bidders_of(market)
    return {
        name: optimum(with_only(market, [other for other in everyone if other != name]))
        for name in sorted({bidder[accepted.bid] for accepted in clearing.accepted})
    }


@pytest.mark.parametrize("block", range(6))
def test_vcg_pays_the_brute_force_pivots_or_says_that_there_are_none(block: int) -> None:
    paid = 0
    for seed in range(1000 + block * BLOCK, 1000 + (block + 1) * BLOCK):
        market = random_market(seed, bids=8)
        clearing = cleared(market, "vcg")
        if clearing.status is not Status.OPTIMAL:
            continue
        assert clearing.objective is not None
        rest = without_winners(market, clearing)
        if any(value is None for value in rest.values()):
            assert clearing.payments is None, seed
            assert clearing.payment_refusal is not None
            assert "must-serve" in clearing.payment_refusal, (seed, clearing.payment_refusal)
            continue
        pivots = {name: clearing.objective - value for name, value in rest.items() if value is not None}
        if clearing.payments is None:
            assert clearing.payment_refusal is not None
            assert "exceed what orders can pay" in clearing.payment_refusal, (seed, clearing.payment_refusal)
        else:
            assert surpluses(market, clearing) == pivots, seed
            paid += 1
    assert paid >= BLOCK // 4


@pytest.mark.parametrize("block", range(6))
def test_no_coalition_blocks_core_payments_and_none_can_be_raised(block: int) -> None:
    paid = 0
    for seed in range(2000 + block * BLOCK, 2000 + (block + 1) * BLOCK):
        market = random_market(seed, bids=8)
        clearing = cleared(market, "core")
        if clearing.status is not Status.OPTIMAL or clearing.payments is None:
            continue
        assert clearing.objective is not None
        paid += 1
        surplus = surpluses(market, clearing)
        assert all(amount >= 0 for amount in surplus.values()), seed
        for size in range(len(surplus) + 1):
            for coalition in itertools.combinations(bidders_of(market), size):
                alone = optimum(with_only(market, coalition))
                left_out = sum(amount for name, amount in surplus.items() if name not in coalition)
                assert alone is None or left_out <= clearing.objective - alone, (seed, coalition)
    assert paid >= BLOCK // 4
