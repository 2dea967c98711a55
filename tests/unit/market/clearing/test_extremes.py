"""Markets at the edges: nothing, one of everything, and numbers as large as they may be."""

from __future__ import annotations

import copy

import pytest

from market.adapters.solver_pulp import PulpSolver
from market.clearing.checker.verify import verify
from market.clearing.clear import clear
from market.clearing.documents.problem_json import problem_from_document
from market.clearing.errors import ProblemError
from market.clearing.limits import Limits
from market.clearing.problem import MECHANISMS
from market.clearing.result import Clearing, Status
from takt_sdk.wall_clock import WallClock
from tests.property.clearing_markets import best_objective, random_market
from tests.unit.market.clearing.documents import Document, bid, document, order, split, use, way

LARGEST = 2**53 - 1


def cleared(market: Document, time_s: float | None = None) -> Clearing:
    problem = problem_from_document(market)
    clearing = clear(problem, solver=PulpSolver(), limits=Limits(time_s=time_s), clock=WallClock())
    assert verify(problem, clearing) == []
    return clearing


EMPTY = {
    "nothing": document(),
    "an order nobody bids on": document(orders=[order("a", 5)]),
    "a resource nobody uses": document(resources=[{"id": "m", "capacity": 0}]),
    "a group without bids": document(groups=[{"id": "g", "max_accepted": 0, "fixed_price": 9}]),
    "ways between sites without bids": document(transport=[way("s", "t", 1)]),
    "an order worth nothing": document(orders=[order("a", 0)], bids=[bid("a1", "a", 1)]),
    "a bid that nothing is left for": document(
        orders=[order("a", 9)],
        resources=[{"id": "m", "capacity": 0}],
        bids=[bid("a1", "a", 1, uses=[use("m", 1)])],
    ),
    "a bid of more than is wanted": document(orders=[order("a", 9)], bids=[bid("a1", "a", 1, 2)]),
    "a bid of less than is wanted": document(orders=[order("a", 9, 3)], bids=[bid("a1", "a", 1, 2)]),
}


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("name", EMPTY)
def test_a_market_in_which_nothing_can_happen(name: str, mechanism: str) -> None:
    clearing = cleared(EMPTY[name] | {"mechanism": mechanism})
    assert clearing.objective == 0
    assert clearing.accepted == ()
    assert clearing.status is Status.OPTIMAL or mechanism == "greedy"
    assert len(clearing.unserved) == len(EMPTY[name]["orders"])


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_one_bid(mechanism: str) -> None:
    clearing = cleared(document(orders=[order("a", 9)], bids=[bid("a1", "a", 4)]) | {"mechanism": mechanism})
    assert [a.bid for a in clearing.accepted] == ["a1"]
    assert clearing.objective == 5


def test_must_serve_without_a_bid_is_infeasible() -> None:
    clearing = cleared(
        document(orders=[order("a", 0, must_serve=True), order("b", 9)], bids=[bid("b1", "b", 1)])
    )
    assert (clearing.status, clearing.objective, clearing.conflict) == (Status.INFEASIBLE, None, ("a",))


def times(market: Document, factor: int) -> Document:
    """Return the market with all money multiplied."""
    market = copy.deepcopy(market)
    for part, names in (
        ("orders", ("value",)),
        ("bids", ("fixed_price", "unit_price", "score")),
        ("groups", ("fixed_price",)),
        ("transport", ("fixed", "per_unit")),
    ):
        for row in market[part]:
            row.update({name: row[name] * factor for name in names})
    for k, row in enumerate(market["bids"]):
        row["fixed_price"] += k % 3
    return market


@pytest.mark.parametrize("power", [30, 40, 45])
def test_huge_amounts_never_prove_too_much(power: int) -> None:
    """Solvers compute in floats: what they cannot tell apart must not be called optimal."""
    optimal = 0
    for seed in range(16):
        market = times(random_market(seed, bids=6), 2**power)
        best = best_objective(market)
        clearing = cleared(market, time_s=0.4)
        assert (clearing.objective is None) == (best is None), seed
        if best is None or clearing.objective is None:
            continue
        optimal += clearing.objective == best
        assert clearing.objective <= best, seed
        assert clearing.bound is None or clearing.bound >= best, seed
        assert (clearing.status is not Status.OPTIMAL) or clearing.objective == best, seed
    assert optimal > 5


def test_the_largest_values_that_may_be() -> None:
    """1,023 orders of 2^53 − 1 stay below 2^63; one more order of that size does not matter, two do."""
    names = [f"o{k:04d}" for k in range(1024)]
    market = document(
        orders=[order(name, LARGEST) for name in names], bids=[bid(name, name, 0) for name in names]
    )
    clearing = cleared(market)
    assert clearing.objective == 1024 * LARGEST < 2**63
    assert clearing.status is Status.OPTIMAL
    market["orders"].append(order("more", LARGEST))
    with pytest.raises(ProblemError, match=r"the total of values and prices could reach 2\^63"):
        problem_from_document(market)


def test_the_largest_price_quantity_and_capacity() -> None:
    uses = [use("m", LARGEST)]
    market = document(
        orders=[order("a", LARGEST, LARGEST), order("b", LARGEST)],
        resources=[{"id": "m", "capacity": LARGEST}],
        bids=[
            bid("a1", "a", LARGEST - 1, LARGEST, uses=uses, start=-LARGEST, end=LARGEST),
            bid("b1", "b", LARGEST - 3, uses=uses),
        ],
    )
    clearing = cleared(market, time_s=5)
    assert ([a.bid for a in clearing.accepted], clearing.objective) == (["b1"], 3)


@pytest.mark.parametrize(
    ("market", "message"),
    [
        (
            document(orders=[order("a", 1, 10**6)], bids=[bid("a1", "a", 0, 10**6, unit_price=2**45)]),
            "problem: the total of values and prices could reach 2^63",
        ),
        (
            document(
                orders=[order("a", 1, 10**6)],
                resources=[{"id": "m", "capacity": 1}],
                bids=[bid("a1", "a", 0, 10**6, uses=[use("m", 0, 2**45)])],
            ),
            'resources: the total use of "m" could reach 2^63',
        ),
        (
            document(orders=[order("a", 2**40, 2**40, partial=True)]),
            'orders: value times quantity of the partial order "a" could reach 2^63',
        ),
        (
            document(orders=[order("a", 1, 2**40)], bids=[split("a1", "a", 0, 2**40, score=-(2**40))]),
            'bids: score times quantity of "a1" could reach 2^63',
        ),
        (
            document(
                orders=[
                    order(
                        "a",
                        1,
                        lots=[{"id": "x", "quantity": 2**40}, {"id": "y", "quantity": 2**40}],
                        arcs=[{"id": "x-y", "from": "x", "to": "y"}],
                    )
                ]
            ),
            'arcs: the quantities that "x-y" joins multiply to 2^63 or more',
        ),
    ],
)
def test_what_could_leave_64_bits_is_refused(market: Document, message: str) -> None:
    with pytest.raises(ProblemError) as caught:
        problem_from_document(market)
    assert message in str(caught.value)
