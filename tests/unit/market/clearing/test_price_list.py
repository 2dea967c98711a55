"""Published prices: every lot and resource that has one; public only where enough could bid."""

from __future__ import annotations

from typing import Any

from market.clearing.price_list import public_prices
from market.clearing.problem_json import problem_from_document
from market.clearing.result import Price
from tests.papers.markets import bid, cleared, market, order

Document = dict[str, Any]


def prices(document: Document) -> dict[str, int]:
    return {
        price.resource or price.lot or "": price.price_micro
        for price in cleared(document, "pay_as_bid").prices
    }


def test_auctions_of_their_own_are_priced_at_cost_or_value_per_unit() -> None:
    document = market(
        [order("o", 100, ("o", 8)), order("q", 30, ("q", 4)), order("z", 30)],
        [bid("x", "p", 40, ("o", 8)), bid("y", "r", 55, ("o", 8)), bid("w", "s", 48, ("q", 4))],
    )
    assert prices(document) == {"o": 5_000_000, "q": 7_500_000}


def test_scarce_machine_has_the_price_of_what_it_turns_away() -> None:
    document = market(
        [order("o", 100), order("q", 90)],
        [bid("x", "p", 40, "o", uses=("m",)), bid("y", "p", 40, "q", uses=("m",))],
        resources={"m": 1},
    )
    assert 50_000_000 <= prices(document)["m"] <= 60_000_000


def test_prices_that_would_tell_about_one_bidder_stay_private() -> None:
    names = ("a", "b", "c")
    document = market(
        [order("o", 100), order("q", 90)],
        [bid(f"x{n}", n, 40, "o", uses=(f"{n}/mill/1",)) for n in names]
        + [bid("y", "a", 40, "q", uses=("a/mill/2",)), bid("y2", "b", 40, "q", uses=("b/mill/2",))],
        resources={**{f"{n}/mill/1": 10 for n in names}, "a/mill/2": 10, "b/mill/2": 30},
    )
    p = problem_from_document(document)
    product_of = {name: name.split("/", 1)[1] for name in p.resource_ids}
    found = [Price("a/mill/1", None, 9_000_000), Price("a/mill/2", None, 8_000_000)]
    assert public_prices(p, found, product_of) == {"mill/1": 3_000_000}
    assert public_prices(p, [], {"o": "milling", "q": "coating"}) == {"milling": 0}
