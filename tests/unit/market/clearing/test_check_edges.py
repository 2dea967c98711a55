"""Edges of what the checker holds that random markets seldom reach."""

from __future__ import annotations

from dataclasses import replace

from market.adapters.solver_pulp import PulpSolver
from market.clearing.checker.certificate import certified_bound
from market.clearing.checker.verify import verify
from market.clearing.clear import clear
from market.clearing.documents.problem_json import problem_from_document
from market.clearing.limits import Limits
from market.clearing.problem import Problem
from market.clearing.result import MICRO, Clearing, Multipliers, sealed
from takt_sdk.wall_clock import WallClock
from tests.unit.market.clearing.documents import Document, bid, document, order, split, use


def cleared(market: Document) -> tuple[Problem, Clearing]:
    """Return a problem and its clearing, which the checker finds right."""
    p = problem_from_document(market)
    clearing = clear(p, solver=PulpSolver(), limits=Limits(), clock=WallClock())
    assert verify(p, clearing) == []
    return p, clearing


def dearer(clearing: Clearing, more: int) -> Clearing:
    """Return the clearing with every payment and charge so much higher."""
    assert clearing.payments is not None
    assert clearing.charges is not None
    return sealed(
        replace(
            clearing,
            payments=tuple(replace(entry, amount=entry.amount + more) for entry in clearing.payments),
            charges=tuple(replace(entry, amount=entry.amount + more) for entry in clearing.charges),
        )
    )


def test_a_part_of_an_order_pays_at_most_what_that_part_is_worth() -> None:
    p, clearing = cleared(
        document(
            orders=[order("a", 100, 4, partial=True)],
            resources=[{"id": "m", "capacity": 1}],
            bids=[split("a1", "a", 20, 4, uses=[use("m", 0, 1)])],
        )
    )
    assert [served.units for served in clearing.served] == [1]
    assert not any("worth" in fault for fault in verify(p, dearer(clearing, 5)))
    assert any("is charged 26, worth 25" in fault for fault in verify(p, dearer(clearing, 6)))


def test_a_whole_order_of_many_pieces_pays_at_most_its_value() -> None:
    p, clearing = cleared(document(orders=[order("a", 10, 4)], bids=[bid("a1", "a", 9, 4)]))
    assert not any("worth" in fault for fault in verify(p, dearer(clearing, 1)))
    assert any("is charged 11, worth 10" in fault for fault in verify(p, dearer(clearing, 2)))


def test_a_divisible_bid_is_bounded_by_what_capacity_allows() -> None:
    """Nine a unit at the lot's price: of six units wanted, the machine has minutes for three."""
    p = problem_from_document(
        document(
            orders=[order("a", 40, 6)],
            resources=[{"id": "m", "capacity": 7}],
            bids=[split("a1", "a", 1, 6, uses=[use("m", 1, 2)])],
        )
    )
    assert certified_bound(p, Multipliers(lots=(("a", 10 * MICRO),))) == 3 * 9
