"""When each payment rule is defined, and what it says where it is not."""

from __future__ import annotations

from typing import Any

import pytest

from market.clearing.documents.problem_json import problem_from_document
from market.clearing.formulation.allocation import allocation_of
from market.clearing.publishing.payment import pay
from market.clearing.terms import terms_of
from market.mechanisms.rule import UNRESOLVED
from market.mechanisms.spread import Shortfall, spread
from tests.papers.markets import bid, cleared, market, order, paid

Document = dict[str, Any]


def refusal(document: Document, mechanism: str) -> str:
    clearing = cleared(document, mechanism)
    assert (clearing.payments, clearing.charges) == (None, None)
    assert clearing.payment_refusal is not None
    return clearing.payment_refusal


@pytest.mark.parametrize("mechanism", ["vcg", "core"])
def test_no_pivots_without_a_proven_optimum(mechanism: str) -> None:
    document = market([order("o", 90)], [bid("b", "p", 40, "o")])
    p = problem_from_document({**document, "mechanism": mechanism})
    a = allocation_of(p, terms_of(p), terms_of(p).quantity)
    outcome = pay(p, a, proven=False, resolve=UNRESOLVED)
    assert outcome == (None, None, f"{mechanism} needs a proven optimum; this allocation is not proven")


@pytest.mark.parametrize("mechanism", ["vcg", "core"])
def test_no_pivots_without_time_to_solve_again(mechanism: str) -> None:
    document = market([order("o", 90, "a", "b")], [bid("x", "p", 40, "a"), bid("y", "q", 20, "b")])
    p = problem_from_document({**document, "mechanism": mechanism})
    a = allocation_of(p, terms_of(p), terms_of(p).quantity)
    payments, charges, reason = pay(p, a, proven=True, resolve=UNRESOLVED)
    assert (payments, charges) == (None, None)
    assert reason == f"{mechanism}: no time left to solve again what payments compare with"


@pytest.mark.parametrize("mechanism", ["vcg", "core"])
def test_indispensable_bidder_of_a_must_serve_order_has_no_pivot(mechanism: str) -> None:
    document = market(
        [order("o", 0, "a", "b", must_serve=True)],
        [bid("x", "p", 40, "a"), bid("y", "q", 20, "b"), bid("z", "r", 30, "b")],
    )
    assert "must-serve order cannot be served without" in refusal(document, mechanism)
    single = market([order("o", 0, must_serve=True)], [bid("x", "p", 40, "o")])
    assert "must-serve order cannot be served without" in refusal(single, mechanism)
    assert "has one bidder" in refusal(single, "second_price")


def test_pivot_counts_all_of_a_company() -> None:
    # p's second bid is no rival to its first.
    document = market(
        [order("o", 100)], [bid("x", "p", 40, "o"), bid("y", "p", 45, "o"), bid("z", "q", 70, "o")]
    )
    for mechanism in ("second_price", "vcg", "core"):
        assert paid(document, mechanism) == {"p": 70}


def test_scores_count_for_the_choice_and_the_pivot_but_are_not_paid() -> None:
    better = {**bid("x", "p", 50, "o"), "score": 15}
    document = market([order("o", 100)], [better, bid("z", "q", 40, "o")])
    for mechanism in ("second_price", "vcg", "core"):
        assert paid(document, mechanism) == {"p": 55}


def test_score_that_would_be_paid_from_nowhere_is_refused_by_vcg_and_cut_by_core() -> None:
    # Welfare 100 - 95 + 20: the pivot is 25, but the order can pay no more than 5 beyond the price.
    document = market([order("o", 100)], [{**bid("x", "p", 95, "o"), "score": 20}])
    assert refusal(document, "vcg") == "vcg: pivots exceed what orders can pay by 20 (o)"
    assert paid(document, "core") == {"p": 100}


def test_price_that_its_order_cannot_pay_is_refused_under_every_rule() -> None:
    document = market([order("o", 100)], [{**bid("x", "p", 110, "o"), "score": 20}])
    assert "charged above value" in refusal(document, "pay_as_bid")
    assert "accepted prices alone exceed what orders can pay (o)" in refusal(document, "core")


def test_opening_is_paid_at_its_price_and_counts_for_the_pivot() -> None:
    document = market([order("o", 100)], [bid("x", "p", 30, "o", groups=("g",)), bid("z", "q", 60, "o")])
    document["groups"] = [{"id": "g", "max_accepted": None, "fixed_price": 12}]
    payments = cleared(document, "vcg").payments
    assert payments is not None
    assert [(payment.bid, payment.group, payment.amount) for payment in payments] == [
        ("x", None, 48),
        (None, "g", 12),
    ]


def test_second_price_is_for_orders_that_are_auctions_of_their_own() -> None:
    two_lots = market([order("o", 90, "a", "b")], [bid("x", "p", 40, "a", "b")])
    assert "not one lot that every bid takes whole" in refusal(two_lots, "second_price")
    package = market([order("o", 90), order("q", 90)], [bid("x", "p", 40, "o", "q")])
    assert "on several lots" in refusal(package, "second_price")
    opening = market([order("o", 90)], [bid("x", "p", 30, "o", groups=("g",))])
    opening["groups"] = [{"id": "g", "max_accepted": None, "fixed_price": 12}]
    assert "group with a fixed price" in refusal(opening, "second_price")
    scarce = market(
        [order("o", 90), order("q", 90)],
        [bid("x", "p", 40, "o", uses=("m",)), bid("y", "p", 40, "q", uses=("m",)), bid("z", "r", 50, "o")],
        resources={"m": 1},
    )
    assert 'the best bid on order "o" did not win' in refusal(scarce, "second_price")


def test_uniform_price_per_product_not_per_market() -> None:
    # Milling and coating are different products: one price each, from their own sellers.
    document = market(
        [order("mill", 100, ("mill", 10)), order("coat", 300, ("coat", 10))],
        [
            bid("m", "p", 0, ("mill", 10), unit_price=4, between=(1, 10)),
            bid("m2", "q", 0, ("mill", 10), unit_price=6, between=(1, 10)),
            bid("c", "r", 0, ("coat", 10), unit_price=20, between=(1, 10)),
            bid("c2", "s", 0, ("coat", 10), unit_price=24, between=(1, 10)),
        ],
    )
    assert paid(document, "uniform") == {"p": 50, "r": 220}


def test_uniform_price_of_one_product_is_the_marginal_ask_where_it_is_split() -> None:
    sellers = [("p", 4), ("q", 6), ("r", 9)]
    document = market(
        [order(name, 200, (name, 10)) for name in ("a", "b")],
        [
            bid(f"{s} {o}", s, 0, (o, 10), unit_price=ask, between=(1, 10), uses=(s,))
            for s, ask in sellers
            for o in ("a", "b")
        ],
        resources={"p": 12, "q": 12, "r": 12},
    )
    # 12 from p, 8 of q's 12: q would sell more, so the price is q's ask.
    assert paid(document, "uniform") == {"p": 72, "q": 48}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"fixed_price": 5}, "a bid has a fixed price"),
        ({"score": 1}, "a bid has a score"),
        ({"items": [{"lot": "o", "quantity": 1}, {"lot": "q", "quantity": 1}]}, "a bid is on several lots"),
    ],
)
def test_uniform_price_is_for_prices_per_unit_alone(change: Document, reason: str) -> None:
    document = market([order("o", 90), order("q", 90)], [{**bid("x", "p", 0, "o", unit_price=40), **change}])
    assert refusal(document, "uniform") == f"uniform: {reason}: no uniform price is defined"


def test_uniform_price_needs_orders_of_one_lot() -> None:
    assert "an order has several lots" in refusal(
        market([order("o", 90, "a", "b")], [bid("x", "p", 0, "a", unit_price=4)]), "uniform"
    )


def test_must_serve_order_with_nothing_above_pays_the_dearest_ask() -> None:
    document = market([order("o", 0, must_serve=True)], [bid("x", "p", 0, "o", unit_price=40)])
    assert paid(document, "uniform") == {"p": 40}


def test_surplus_goes_where_orders_can_pay_it() -> None:
    # In proportion to prices p would take 40 of 80 from each order; o has only 5 left, q plenty.
    document = market([order("o", 55), order("q", 400)], [bid("x", "p", 50, "o"), bid("y", "p", 50, "q")])
    p = problem_from_document(document)
    a = allocation_of(p, terms_of(p), terms_of(p).quantity)
    placed = spread(p, a, {0: 80})
    assert not isinstance(placed, Shortfall)
    assert placed.total == 180
    assert placed.bids[0] <= 55
    short = spread(p, a, {0: 400})
    assert isinstance(short, Shortfall)
    assert (short.members, short.limit) == (frozenset({0}), 355)
