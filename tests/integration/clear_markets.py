"""Markets for tests of `takt clear`, as ``takt.problem.v1`` documents."""

from __future__ import annotations

import random

from tests.unit.market.clearing.documents import Document, bid, document, order, use


def hard_market(columns: int = 120, rows: int = 8, seed: int = 1) -> Document:
    """Return a multi-dimensional knapsack that nobody proves optimal in a few seconds."""
    r = random.Random(seed)
    names = [f"c{k:03d}" for k in range(columns)]
    sizes = [[r.randint(1, 1000) for _ in range(rows)] for _ in names]
    uses = [[use(f"r{i}", u) for i, u in enumerate(us)] for us in sizes]
    return document(
        orders=[
            order(name, sum(us) // rows + r.randint(0, 500)) for name, us in zip(names, sizes, strict=True)
        ],
        resources=[{"id": f"r{i}", "capacity": sum(us[i] for us in sizes) // 2} for i in range(rows)],
        bids=[bid(name, name, 0, uses=given) for name, given in zip(names, uses, strict=True)],
    )


def coupled_market() -> Document:
    """Return a small market whose orders compete for one machine, with an optimum that greedy misses."""
    sizes = {"a": 6, "b": 5, "c": 5}
    return document(
        orders=[order("a", 70), order("b", 50), order("c", 50)],
        resources=[{"id": "m", "capacity": 10}],
        bids=[bid(f"{name}1", name, 10, uses=[use("m", size)]) for name, size in sizes.items()],
    )


COUPLED_OPTIMUM = 80
COUPLED_GREEDY = 60
