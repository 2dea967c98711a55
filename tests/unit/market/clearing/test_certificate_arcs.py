"""The certified bound where goods move: as tight as the relaxation, and what it leaves out counts."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from benchmarks.clearing.chains import chains
from market.adapters.solver_pulp import PulpSolver
from market.clearing.bounds.multipliers import multipliers_of
from market.clearing.checker.certificate import certified_bound
from market.clearing.documents.problem_json import problem_from_document
from market.clearing.formulation.formulate import formulate
from market.clearing.program import SolveLimits
from market.clearing.result import Multipliers
from tests.unit.market.clearing.documents import Document, bid, document, order


@pytest.mark.parametrize("seed", range(3))
def test_chains_are_certified_to_the_relaxation(seed: int) -> None:
    """Three lots, splits, campaigns, dates, deliveries: nothing is lost but what rounding takes."""
    problem = chains(20, 5, 9, seed=seed)
    f = formulate(problem)
    relaxed = PulpSolver().solve_relaxation(f.program, SolveLimits())
    assert relaxed.duals is not None
    multipliers = multipliers_of(f, relaxed.duals)
    certified = certified_bound(problem, multipliers)
    assert math.floor(relaxed.bound) <= certified <= relaxed.bound + 2
    assert certified_bound(problem, replace(multipliers, arcs=())) > 2 * certified


def moving(**trip: int) -> Document:
    """Return an order of 10 pieces, x then y; x is made in ulm, y in ulm or augsburg."""
    road = {"from": "ulm", "to": "augsburg", "fixed": 0, "per_unit": 0, "minutes": 0} | trip
    lots = [{"id": "x", "quantity": 10}, {"id": "y", "quantity": 10}]
    return document(
        orders=[order("o", 1000, lots=lots, arcs=[{"id": "a", "from": "x", "to": "y"}])],
        bids=[
            bid("m", "x", 100, 10, site="ulm", end=60),
            bid("near", "y", 400, 10, site="ulm", start=60),
            bid("far", "y", 100, 10, site="augsburg", start=100),
        ],
        transport=[road],
    )


@pytest.mark.parametrize(
    ("trip", "bound"),
    [
        ({}, 800),  # a free trip: both at 100
        ({"per_unit": 7}, 730),
        ({"fixed": 123}, 677),
        ({"fixed": 50, "per_unit": 40}, 500),  # the near one
        ({"minutes": 41}, 500),  # too late for the far one
    ],
)
def test_a_bound_by_hand(trip: dict[str, int], bound: int) -> None:
    """Lots at what they cost, the arc at 0 per piece sent: the receiver bears the trip."""
    problem = problem_from_document(moving(**trip))
    micro = 1_000_000
    lots = (("x", 10 * micro), ("y", (1000 - 100 - bound) // 10 * micro))
    multipliers = Multipliers(lots=lots, arcs=(("a", "m", 0),))
    assert bound <= certified_bound(problem, multipliers) <= bound + 10


def test_an_arc_without_prices_is_free() -> None:
    """Clearings of version 0.1.0 keep their bounds."""
    problem = problem_from_document(moving(fixed=500))
    lots = (("x", 10_000_000), ("y", 10_000_000))
    assert certified_bound(problem, Multipliers(lots=lots)) == 800
    # Sold so cheaply, y is never made, at either site.
    assert certified_bound(problem, Multipliers(lots=lots, arcs=(("a", "m", 0),))) == 800


def test_an_arc_or_a_bid_that_is_not_there_is_an_error() -> None:
    problem = problem_from_document(moving())
    for row in (("b", "m", 1), ("a", "n", 1)):
        with pytest.raises(KeyError):
            certified_bound(problem, Multipliers(arcs=(row,)))
