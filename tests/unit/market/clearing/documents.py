"""Short ways to write ``takt.problem.v1`` documents in tests."""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]


def document(**lists: list[Document]) -> Document:
    """Return a problem document with the given lists, the others empty."""
    empty: Document = {name: [] for name in ("orders", "resources", "bids", "groups", "transport")}
    head: Document = {"kind": "takt.problem.v1", "currency": "EUR", "mechanism": "pay_as_bid", "seed": 1}
    return head | empty | lists


def order(name: str, value: int, quantity: int = 1, **changes: object) -> Document:
    """Return an order of one lot of the same name."""
    plain: Document = {
        "id": name,
        "value": value,
        "must_serve": False,
        "partial": False,
        "max_suppliers": None,
        "lots": [{"id": name, "quantity": quantity}],
        "arcs": [],
    }
    return plain | changes


def bid(name: str, lot: str, price: int, quantity: int = 1, **changes: object) -> Document:
    """Return an all-or-nothing bid on one lot."""
    plain: Document = {
        "id": name,
        "bidder": "p-" + name,
        "site": None,
        "items": [{"lot": lot, "quantity": quantity}],
        "divisible": False,
        "min_quantity": 0,
        "fixed_price": price,
        "unit_price": 0,
        "score": 0,
        "start": None,
        "end": None,
        "uses": [],
        "groups": [],
    }
    return plain | changes


def use(resource: str, fixed: int, per_unit: int = 0) -> Document:
    """Return one use of a resource."""
    return {"resource": resource, "fixed": fixed, "per_unit": per_unit}


def split(name: str, lot: str, unit_price: int, quantity: int, low: int = 1, **changes: object) -> Document:
    """Return a divisible bid on one lot."""
    plain = {"divisible": True, "min_quantity": low, "unit_price": unit_price}
    return bid(name, lot, 0, quantity, **(plain | changes))


def way(start: str, end: str, fixed: int, per_unit: int = 0, minutes: int = 0) -> Document:
    """Return one transport row."""
    return {"from": start, "to": end, "fixed": fixed, "per_unit": per_unit, "minutes": minutes}
