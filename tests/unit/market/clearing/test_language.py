"""Each feature of the language decides who wins: the same market with and without it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from market.adapters.solver_pulp import PulpSolver
from market.clearing.checker.verify import verify
from market.clearing.clear import clear
from market.clearing.documents.problem_json import problem_from_document
from market.clearing.limits import Limits
from market.clearing.result import Clearing, Status
from takt_sdk.wall_clock import WallClock
from tests.unit.market.clearing.documents import Document, bid, document, order, split, use, way


def cleared(market: Document) -> Clearing:
    problem = problem_from_document(market)
    clearing = clear(problem, solver=PulpSolver(), limits=Limits(), clock=WallClock())
    assert verify(problem, clearing) == []
    return clearing


def winners(market: Document) -> dict[str, int]:
    clearing = cleared(market)
    assert clearing.status is Status.OPTIMAL
    return {a.bid: a.quantity for a in clearing.accepted}


@dataclass(frozen=True)
class Case:
    """A market in which a feature decides, what takes the feature away, and who wins with and without."""

    market: Document
    without: Callable[[Document], object]
    wins: dict[str, int]
    wins_without: dict[str, int]


def change(part: str, index: int, **fields: object) -> Callable[[Document], object]:
    def apply(market: Document) -> object:
        return market[part][index].update(fields)

    return apply


def drop(part: str, index: int) -> Callable[[Document], object]:
    def apply(market: Document) -> object:
        return market[part].pop(index)

    return apply


def two_lots(**changes: object) -> Document:
    """Return an order of two lots, x then y, of 10 each; the second is fed by the first."""
    plain: Document = {
        "lots": [{"id": "x", "quantity": 10}, {"id": "y", "quantity": 10}],
        "arcs": [{"id": "x-y", "from": "x", "to": "y"}],
    }
    return order("o", 1000, **(plain | changes))


def chain(*ways: Document, arcs: list[Document] | None = None, start: int = 120) -> Document:
    """Return an order of two steps: near and dear, or far and cheap, before a finisher at home."""
    changes = {} if arcs is None else {"arcs": arcs}
    return document(
        orders=[two_lots(**changes)],
        bids=[
            bid("near", "x", 100, 10, site="home"),
            bid("far", "x", 60, 10, site="away", end=100),
            bid("finish", "y", 50, 10, site="home", start=start),
        ],
        transport=list(ways),
    )


FAR = {"far": 10, "finish": 10}
NEAR = {"near": 10, "finish": 10}
BOTH = [{"lot": "a", "quantity": 1}, {"lot": "b", "quantity": 1}]
AND_B = [order("a", 100), order("b", 100)]
STOCK = [{"id": "steel", "capacity": 10}]

CASES = {
    "a package wins against the singles": Case(
        document(
            orders=AND_B,
            bids=[bid("ab", "a", 70, items=BOTH), bid("a1", "a", 40), bid("b1", "b", 40)],
        ),
        drop("bids", 0),
        {"ab": 2},
        {"a1": 1, "b1": 1},
    ),
    "a package is all or nothing": Case(
        document(
            orders=[order("a", 100), order("b", 0)], bids=[bid("ab", "a", 60, items=BOTH), bid("a1", "a", 90)]
        ),
        change("bids", 0, items=BOTH[:1]),
        {"ab": 2},
        {"ab": 1},
    ),
    "a minimum quantity excludes a small share": Case(
        document(
            orders=[order("a", 1000, 10)],
            bids=[split("big", "a", 5, 8), split("rest", "a", 6, 10, low=4)],
        ),
        change("bids", 1, min_quantity=1),
        {"big": 6, "rest": 4},
        {"big": 8, "rest": 2},
    ),
    "a setup price makes one supplier cheaper than two": Case(
        document(
            orders=[order("a", 1000, 10)],
            bids=[split("half", "a", 5, 5, fixed_price=20), split("all", "a", 6, 10, fixed_price=20)],
        ),
        change("bids", 0, fixed_price=0),
        {"all": 10},
        {"half": 5, "all": 5},
    ),
    "a unit price counts the quantity": Case(
        document(
            orders=[order("a", 1000, 10)],
            bids=[bid("fixed", "a", 45, 10), bid("unit", "a", 0, 10, unit_price=5)],
        ),
        change("bids", 1, unit_price=4),
        {"fixed": 10},
        {"unit": 10},
    ),
    "exclusive offers of one bidder": Case(
        document(
            orders=AND_B,
            bids=[
                bid("a1", "a", 10, bidder="p", groups=["g"]),
                bid("b1", "b", 10, bidder="p", groups=["g"]),
                bid("b2", "b", 30),
            ],
            groups=[{"id": "g", "max_accepted": 1, "fixed_price": 0}],
        ),
        change("groups", 0, max_accepted=None),
        {"a1": 1, "b2": 1},
        {"a1": 1, "b1": 1},
    ),
    "at most two of three": Case(
        document(
            orders=[*AND_B, order("c", 50)],
            bids=[bid(f"{x}1", x, 10, bidder="p", groups=["g"]) for x in "abc"],
            groups=[{"id": "g", "max_accepted": 2, "fixed_price": 0}],
        ),
        change("groups", 0, max_accepted=3),
        {"a1": 1, "b1": 1},
        {"a1": 1, "b1": 1, "c1": 1},
    ),
    "an opening price is paid once for all": Case(
        document(
            orders=AND_B,
            bids=[bid(f"{x}1", x, 10, bidder="p", groups=["g"]) for x in "ab"]
            + [bid("a2", "a", 30), bid("b2", "b", 30)],
            groups=[{"id": "g", "max_accepted": None, "fixed_price": 50}],
        ),
        change("groups", 0, fixed_price=30),
        {"a2": 1, "b2": 1},
        {"a1": 1, "b1": 1},
    ),
    "an order that must be served takes the capacity": Case(
        document(
            orders=[order("a", 0, must_serve=True), order("b", 100)],
            resources=[{"id": "m", "capacity": 10}],
            bids=[bid("a1", "a", 50, uses=[use("m", 6)]), bid("b1", "b", 10, uses=[use("m", 6)])],
        ),
        change("orders", 0, must_serve=False),
        {"a1": 1},
        {"b1": 1},
    ),
    "a partial order takes what there is": Case(
        document(
            orders=[order("a", 100, 10, partial=True)],
            resources=STOCK,
            bids=[split("a1", "a", 1, 10, uses=[use("steel", 0, 2)])],
        ),
        change("orders", 0, partial=False),
        {"a1": 5},
        {},
    ),
    "a partial order keeps its lots in step": Case(
        document(
            orders=[
                order("o", 120, partial=True, lots=[{"id": "x", "quantity": 4}, {"id": "y", "quantity": 6}])
            ],
            resources=STOCK,
            bids=[split("x1", "x", 1, 4), split("y1", "y", 1, 6, uses=[use("steel", 0, 2)])],
        ),
        change("resources", 0, capacity=12),
        {"x1": 2, "y1": 3},
        {"x1": 4, "y1": 6},
    ),
    "at most one supplier": Case(
        document(
            orders=[order("a", 1000, 10, max_suppliers=1)],
            bids=[split("a1", "a", 5, 6), split("a2", "a", 6, 6), split("a3", "a", 8, 10)],
        ),
        change("orders", 0, max_suppliers=2),
        {"a3": 10},
        {"a1": 6, "a2": 4},
    ),
    "suppliers are bidders, not bids": Case(
        document(
            orders=[order("a", 1000, 10, max_suppliers=1)],
            bids=[
                bid("a1", "a", 10, 5, bidder="p"),
                bid("a2", "a", 10, 5, bidder="p"),
                bid("a3", "a", 30, 10),
            ],
        ),
        change("bids", 1, bidder="q"),
        {"a1": 5, "a2": 5},
        {"a3": 10},
    ),
    "capacity of every resource that a bid uses": Case(
        document(
            orders=AND_B,
            resources=[{"id": "m", "capacity": 10}, {"id": "n", "capacity": 10}],
            bids=[
                bid("a1", "a", 10, uses=[use("m", 3), use("n", 7)]),
                bid("b1", "b", 10, uses=[use("n", 7)]),
                bid("b2", "b", 20, uses=[use("m", 7)]),
            ],
        ),
        change("resources", 1, capacity=14),
        {"a1": 1, "b2": 1},
        {"a1": 1, "b1": 1},
    ),
    "use per unit of a stock": Case(
        document(
            orders=[order("a", 100, 5), order("b", 100, 5)],
            resources=STOCK,
            bids=[
                bid("a1", "a", 10, 5, uses=[use("steel", 0, 2)]),
                bid("b1", "b", 5, 5, uses=[use("steel", 0, 1)]),
                bid("b2", "b", 50, 5),
            ],
        ),
        change("resources", 0, capacity=15),
        {"a1": 5, "b2": 5},
        {"a1": 5, "b1": 5},
    ),
    "a setup uses capacity however little is made": Case(
        document(
            orders=[order("a", 1000, 4)],
            resources=STOCK,
            bids=[split("a1", "a", 1, 4, uses=[use("steel", 7, 1)]), split("a2", "a", 5, 4)],
        ),
        change("bids", 0, uses=[use("steel", 6, 1)]),
        {"a1": 3, "a2": 1},
        {"a1": 4},
    ),
    "a score decides without being paid": Case(
        document(orders=[order("a", 100)], bids=[bid("late", "a", 10, score=-30), bid("good", "a", 30)]),
        change("bids", 0, score=0),
        {"good": 1},
        {"late": 1},
    ),
    "a score of a divisible bid is in proportion": Case(
        document(
            orders=[order("a", 1000, 10)],
            bids=[split("green", "a", 5, 10, score=20), split("grey", "a", 4, 10)],
        ),
        change("bids", 0, score=5),
        {"green": 10},
        {"grey": 10},
    ),
    "a value below every price": Case(
        document(orders=[order("a", 50)], bids=[bid("a1", "a", 51)]),
        change("orders", 0, value=52),
        {},
        {"a1": 1},
    ),
    "transport once per move": Case(
        chain(way("away", "home", 50)), change("transport", 0, fixed=30), NEAR, FAR
    ),
    "transport per unit": Case(
        chain(way("away", "home", 0, per_unit=5)), change("transport", 0, per_unit=3), NEAR, FAR
    ),
    "time on the road": Case(
        chain(way("away", "home", 0, minutes=21)), change("transport", 0, minutes=20), NEAR, FAR
    ),
    "a start after the end of the step before": Case(
        chain(way("away", "home", 0), start=99), change("bids", 2, start=None), NEAR, FAR
    ),
    "no way is no move": Case(
        chain(), lambda market: market["transport"].append(way("away", "home", 0)), NEAR, FAR
    ),
    "a way has a direction": Case(
        chain(way("home", "away", 0)), change("transport", 0, **{"from": "away", "to": "home"}), NEAR, FAR
    ),
    "without an arc nothing moves": Case(
        chain(way("away", "home", 50)), lambda market: market["orders"][0]["arcs"].clear(), NEAR, FAR
    ),
    "delivery to a place": Case(
        chain(way("away", "home", 50), arcs=[{"id": "x-home", "from": "x", "to_site": "home"}]),
        change("transport", 0, fixed=30),
        NEAR,
        FAR,
    ),
    "only quantities that make the flow whole": Case(
        document(
            orders=[
                order(
                    "o",
                    1000,
                    lots=[{"id": "plates", "quantity": 10}, {"id": "boxes", "quantity": 4}],
                    arcs=[{"id": "p-b", "from": "plates", "to": "boxes"}],
                )
            ],
            bids=[
                split("plates", "plates", 1, 10, site="s"),
                split("cheap", "boxes", 1, 3, site="s"),
                split("dear", "boxes", 2, 4, site="s"),
            ],
        ),
        lambda market: market["orders"][0]["arcs"].clear(),
        {"plates": 10, "cheap": 2, "dear": 2},
        {"plates": 10, "cheap": 3, "dear": 1},
    ),
    "a bid over two orders": Case(
        document(orders=AND_B, bids=[bid("ab", "a", 150, items=BOTH), bid("a1", "a", 90)]),
        change("orders", 1, value=50),
        {"ab": 2},
        {"a1": 1},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_feature_decides(name: str) -> None:
    case = CASES[name]
    plain = copy.deepcopy(case.market)
    case.without(plain)
    assert winners(case.market) == case.wins
    assert winners(plain) == case.wins_without


def test_splitting_conserves_the_pieces() -> None:
    """Two makers feed two finishers; goods cross only as far as they must."""
    market = document(
        orders=[two_lots()],
        bids=[
            split("x1", "x", 1, 6, site="s"),
            split("x2", "x", 1, 4, site="t"),
            split("y1", "y", 1, 5, site="s"),
            split("y2", "y", 1, 5, site="t"),
        ],
        transport=[way("s", "t", 7, 1), way("t", "s", 7, 1)],
    )
    clearing = cleared(market)
    moves = {(m.from_bid, m.to_bid): m.quantity for m in clearing.moves}
    assert moves == {("x1", "y1"): 5, ("x1", "y2"): 1, ("x2", "y2"): 4}
    assert clearing.objective == 1000 - 20 - 8


def test_a_score_is_never_paid() -> None:
    clearing = cleared(document(orders=[order("a", 100)], bids=[bid("a1", "a", 10, score=-30)]))
    assert clearing.objective == 60
    assert clearing.payments is not None
    assert [p.amount for p in clearing.payments] == [10]


def test_equal_bids_win_by_the_seed() -> None:
    market = document(orders=[order("a", 100)], bids=[bid("a1", "a", 10), bid("a2", "a", 10)])
    won = [next(iter(winners(market | {"seed": seed}))) for seed in range(40)]
    assert {"a1", "a2"} == set(won)
    assert 8 < won.count("a1") < 32


@pytest.mark.parametrize(
    ("market", "reason", "detail"),
    [
        (document(orders=[order("a", 9)]), "no_bid", "a"),
        (document(orders=[order("a", 9)], bids=[bid("a1", "a", 10)]), "price", ""),
        (
            document(
                orders=[order("a", 9), order("b", 99)],
                resources=[{"id": "m", "capacity": 5}],
                bids=[bid("a1", "a", 1, uses=[use("m", 5)]), bid("b1", "b", 1, uses=[use("m", 5)])],
            ),
            "capacity",
            "m",
        ),
        (
            document(
                orders=[order("a", 9), order("b", 99)],
                bids=[bid(f"{x}1", x, 1, bidder="p", groups=["g"]) for x in "ab"],
                groups=[{"id": "g", "max_accepted": 1, "fixed_price": 0}],
            ),
            "group",
            "g",
        ),
        (
            document(
                orders=[order("a", 99, 2, max_suppliers=1)],
                bids=[bid("a1", "a", 1), bid("a2", "a", 1)],
            ),
            "max_suppliers",
            "",
        ),
    ],
)
def test_an_unserved_order_knows_why(market: Document, reason: str, detail: str) -> None:
    unserved = {u.order: (u.reason, u.detail) for u in cleared(market).unserved}
    assert unserved == {"a": (reason, detail)}


def test_dates_and_ways_are_reasons() -> None:
    late = chain(way("away", "home", 0, minutes=50))
    late["bids"].pop(0)
    assert [u.reason for u in cleared(late).unserved] == ["dates"]
    late["transport"].clear()
    assert [u.reason for u in cleared(late).unserved] == ["transport"]
