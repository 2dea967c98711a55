"""Why an order is not served: the reason is the one that can be shown."""

from __future__ import annotations

from typing import Any

import pytest

from tests.papers.markets import bid, cleared, market, order

Document = dict[str, Any]


def reasons(document: Document) -> dict[str, tuple[str, str]]:
    clearing = cleared(document, "pay_as_bid")
    return {entry.order: (entry.reason, entry.detail) for entry in clearing.unserved}


def delivery(name: str, lot: str, site: str) -> Document:
    return {"id": name, "from": lot, "to_site": site}


def at(site: str, one: Document) -> Document:
    return {**one, "site": site}


def test_lot_without_any_bid() -> None:
    document = market([order("o", 50, "a", "b")], [bid("x", "p", 10, "a")])
    assert reasons(document) == {"o": ("no_bid", "b")}


@pytest.mark.parametrize("lots", [("a",), ("a", "b")])
def test_every_bid_above_the_value_is_price_and_not_no_bid(lots: tuple[str, ...]) -> None:
    bids = [bid(f"x{k}", f"p{k}", 60, lot) for k, lot in enumerate(lots)]
    assert reasons(market([order("o", 50, *lots)], bids)) == {"o": ("price", "")}


def test_package_over_several_orders_that_costs_more_than_both_is_price() -> None:
    document = market([order("o", 50), order("q", 40)], [bid("x", "p", 95, "o", "q")])
    assert reasons(document) == {"o": ("price", ""), "q": ("price", "")}


def test_dear_bid_beside_an_order_that_is_served() -> None:
    document = market([order("o", 50), order("q", 50)], [bid("x", "p", 60, "o"), bid("y", "p", 10, "q")])
    assert reasons(document) == {"o": ("price", "")}


def test_bid_that_no_resource_could_ever_hold_is_capacity() -> None:
    document = market(
        [order("o", 50, ("o", 5))], [bid("x", "p", 10, ("o", 5), uses=("m",))], resources={"m": 4}
    )
    assert reasons(document) == {"o": ("capacity", "m")}


def test_capacity_that_a_better_order_took() -> None:
    document = market(
        [order("o", 50), order("q", 90)],
        [bid("x", "p", 10, "o", uses=("m",)), bid("y", "p", 10, "q", uses=("m",))],
        resources={"m": 1},
    )
    assert reasons(document) == {"o": ("capacity", "m")}


def test_package_whose_machine_is_taken_is_capacity() -> None:
    document = market(
        [order("o", 50), order("q", 40), order("z", 200)],
        [bid("x", "p", 20, "o", "q", uses=("m",)), bid("y", "p", 10, "z", uses=("m",))],
        resources={"m": 2},
    )
    assert reasons(document) == {"o": ("capacity", "m"), "q": ("capacity", "m")}


def test_group_that_a_better_bid_took_and_group_that_is_closed() -> None:
    document = market(
        [order("o", 50), order("q", 90)],
        [bid("x", "p", 10, "o", groups=("g",)), bid("y", "p", 10, "q", groups=("g",))],
        exclusive=("g",),
    )
    assert reasons(document) == {"o": ("group", "g")}
    document["groups"] = [{"id": "g", "max_accepted": 0, "fixed_price": 0}]
    assert reasons(document) == {"o": ("group", "g"), "q": ("group", "g")}


def test_goods_that_cannot_reach_their_site() -> None:
    document = market(
        [{**order("o", 50), "arcs": [delivery("z", "o", "ulm")]}], [at("kiel", bid("x", "p", 10, "o"))]
    )
    assert reasons(document) == {"o": ("transport", "o")}
    document["transport"] = [{"from": "kiel", "to": "ulm", "fixed": 45, "per_unit": 0, "minutes": 1}]
    assert reasons(document) == {"o": ("price", "")}


def test_dates_that_do_not_meet() -> None:
    chain = {**order("o", 50, "a", "b"), "arcs": [{"id": "z", "from": "a", "to": "b"}]}
    early = {**at("ulm", bid("y", "q", 10, "b")), "start": 5, "end": 9}
    late = {**at("ulm", bid("x", "p", 10, "a")), "start": 5, "end": 9}
    assert reasons(market([chain], [late, early])) == {"o": ("dates", "")}


def test_more_suppliers_than_the_order_allows() -> None:
    document = market(
        [order("o", 50, "a", "b", max_suppliers=1)], [bid("x", "p", 10, "a"), bid("y", "q", 10, "b")]
    )
    assert reasons(document) == {"o": ("max_suppliers", "")}
