"""Which structures a market has that a search of its own suits."""

from __future__ import annotations

import pytest

from market.clearing.documents.problem_json import problem_from_document
from market.clearing.formulation import packing_rules
from market.clearing.formulation.packing_rules import priceable, woven
from market.clearing.terms import terms_of
from tests.unit.market.clearing.documents import Document, bid, document, order


def chain(first: int, second: int, *, moved: bool = True) -> Document:
    """Return an order of two lots with so many bids on each."""
    lots = [{"id": name, "quantity": 1} for name in ("x", "y")]
    arcs = [{"id": "x-y", "from": "x", "to": "y"}] if moved else []
    return document(
        orders=[order("a", 9, lots=lots, arcs=arcs)],
        bids=[bid(f"x{k}", "x", 1, site="s") for k in range(first)]
        + [bid(f"y{k}", "y", 1, site="s") for k in range(second)],
    )


@pytest.mark.parametrize(
    ("market", "most", "whether"),
    [
        (chain(3, 4), 12, True),
        (chain(3, 4), 11, False),
        (chain(3, 0), 12, False),
        (chain(3, 4, moved=False), 12, False),
    ],
)
def test_orders_are_priced_by_plans_where_goods_move_and_the_pairs_fit(
    monkeypatch: pytest.MonkeyPatch, market: Document, most: int, whether: bool
) -> None:
    monkeypatch.setattr(packing_rules, "MOST_PAIRS", most)
    p = problem_from_document(market)
    assert priceable(p, terms_of(p)) is whether


@pytest.mark.parametrize(("single", "several", "limited", "whether"), [(1, 1, 1, True), (2, 1, 1, False)])
def test_a_market_is_woven_where_more_than_half_of_its_orders_take_several_winners(
    single: int, several: int, limited: int, whether: bool
) -> None:
    """Those of several lots, and those that limit their suppliers."""
    two_lots = [
        order(f"s{k}", 9, lots=[{"id": f"s{k}{part}", "quantity": 1} for part in "xy"])
        for k in range(several)
    ]
    orders = [
        *(order(f"a{k}", 9) for k in range(single)),
        *two_lots,
        *(order(f"l{k}", 9, max_suppliers=2) for k in range(limited)),
    ]
    assert woven(problem_from_document(document(orders=orders))) is whether
