"""Published prices: every lot and resource that has one."""

from __future__ import annotations

import json
from typing import Any

from market.clearing.checker.verify import verify
from market.clearing.documents.problem_json import problem_from_document
from market.clearing.documents.result_json import clearing_from_json
from market.clearing.result import clearing_to_document, clearing_to_json, sealed
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


def test_prices_say_where_they_come_from() -> None:
    shared = market(
        [order("o", 100), order("q", 90)],
        [bid("x", "p", 40, "o", uses=("m",)), bid("y", "p", 40, "q", uses=("m",))],
        resources={"m": 1},
    )
    assert cleared(shared, "pay_as_bid").prices_kind == "lp_dual"
    alone = market([order("o", 100)], [bid("x", "p", 40, "o")])
    # Multipliers of 0 prove it: no relaxation is solved.
    assert cleared(alone, "pay_as_bid").prices_kind == "lagrangian"
    empty = cleared(market([], []), "pay_as_bid")
    assert (empty.prices, empty.prices_kind) == ((), None)
    assert "prices_kind" not in clearing_to_document(empty)  # as in version 0.1.0
    assert clearing_from_json(clearing_to_json(empty)).digest == sealed(empty).digest


def test_a_kind_that_is_not_known_is_found_out() -> None:
    document = market([order("o", 100)], [bid("x", "p", 40, "o")])
    clearing = cleared(document, "pay_as_bid")
    problem = problem_from_document(document)
    assert verify(problem, clearing) == []
    for wrong in ({"prices_kind": "guess"}, {"prices": ()}):
        changed = json.dumps(clearing_to_document(clearing) | {"prices": []} | wrong)
        assert any("prices" in fault for fault in verify(problem, clearing_from_json(changed)))
