"""Published prices: every lot and resource that has one."""

from __future__ import annotations

from typing import Any

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
