"""Markets for tests of `takt clear`, as ``takt.problem.v1`` documents."""

from __future__ import annotations

import random
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


def hard_market(columns: int = 120, rows: int = 8, seed: int = 1) -> Document:
    """Return a multi-dimensional knapsack that nobody proves optimal in a few seconds."""
    r = random.Random(seed)
    names = [f"c{k:03d}" for k in range(columns)]
    use = [[r.randint(1, 1000) for _ in range(rows)] for _ in names]
    uses = [[{"resource": f"r{i}", "fixed": u, "per_unit": 0} for i, u in enumerate(us)] for us in use]
    return document(
        orders=[
            order(name, sum(us) // rows + r.randint(0, 500)) for name, us in zip(names, use, strict=True)
        ],
        resources=[{"id": f"r{i}", "capacity": sum(us[i] for us in use) // 2} for i in range(rows)],
        bids=[bid(name, name, 0, uses=given) for name, given in zip(names, uses, strict=True)],
    )


def coupled_market() -> Document:
    """Return a small market whose orders compete for one machine, with an optimum that greedy misses."""
    uses = {"a": 6, "b": 5, "c": 5}
    return document(
        orders=[order("a", 70), order("b", 50), order("c", 50)],
        resources=[{"id": "m", "capacity": 10}],
        bids=[
            bid(f"{name}1", name, 10, uses=[{"resource": "m", "fixed": fixed, "per_unit": 0}])
            for name, fixed in uses.items()
        ],
    )


COUPLED_OPTIMUM = 80
COUPLED_GREEDY = 60
