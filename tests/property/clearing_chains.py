"""Small random markets of orders whose goods move between lots: chains, joins, splits, rings, packages."""

from __future__ import annotations

import random

from tests.property.clearing_markets import Document

SHAPES = (
    ((0, 1), (1, 2)),
    ((0, 2), (1, 2)),
    ((0, 1), (0, 2)),
    ((0, 1), (1, 3), (0, 2), (2, 3)),
    ((0, 1),),
)
"""Arcs between lots: a chain, a join, a split, a ring, and a single arc beside a lot that stands alone."""

LOTS = (3, 3, 3, 4, 3)


def random_chains(seed: int, *, orders: int = 2, whole: bool = False, ample: bool = False) -> Document:
    """Return a ``takt.problem.v1`` document.

    ``whole`` bids make their lots alone; with ``ample`` capacity never binds and every way is there.
    """
    r = random.Random(seed)
    sites = ["s0", "s1", "s2"]
    documents: list[Document] = []
    bids: list[Document] = []
    resources = [{"id": f"r{k}", "capacity": 10_000 if ample else r.randint(6, 16)} for k in range(2)]
    groups = [{"id": "g", "max_accepted": None, "fixed_price": 0 if ample else r.choice([0, 9])}]
    for o in range(r.randint(1, orders)):
        shape = r.randrange(len(SHAPES))
        size = r.choice([2, 4, 6])
        lots = [{"id": f"o{o}.{k}", "quantity": size} for k in range(LOTS[shape])]
        arcs = [
            {"id": f"o{o}.{a}{b}", "from": lots[a]["id"], "to": lots[b]["id"]} for a, b in SHAPES[shape]
        ] + [{"id": f"o{o}.z", "from": lots[-1]["id"], "to_site": r.choice(sites)}]
        documents.append(
            {
                "id": f"o{o}",
                "value": r.randint(60, 160),
                "must_serve": False,
                "partial": not whole and r.random() < 0.15,
                "max_suppliers": None if ample else r.choice([None, None, 2]),
                "lots": lots,
                "arcs": arcs,
            }
        )
        for k, lot in enumerate(lots):
            count = r.choice([1, 2, 2])
            bids += [_bid(r, f"o{o}.{k}.{n}", lot, size, k, sites, whole=whole) for n in range(count)]
        if not whole and r.random() < 0.4:
            package = _bid(r, f"o{o}.p", lots[0], size, 0, sites, whole=True)
            package["items"].append({"lot": lots[1]["id"], "quantity": size})
            bids.append(package)
    return {
        "kind": "takt.problem.v1",
        "currency": "EUR",
        "mechanism": "pay_as_bid",
        "seed": 1,
        "orders": documents,
        "resources": resources,
        "bids": bids,
        "groups": groups,
        "transport": [
            {
                "from": s,
                "to": t,
                "fixed": r.choice([0, 5]),
                "per_unit": r.randint(0, 2),
                "minutes": r.randint(0, 9),
            }
            for s in sites
            for t in sites
            if s != t and (ample or r.random() < 0.85)
        ],
    }


def _bid(
    r: random.Random, name: str, lot: Document, size: int, stage: int, sites: list[str], *, whole: bool
) -> Document:
    divisible = not whole and r.random() < 0.4
    begin = stage * 20 + r.randint(0, 15)
    bidder = r.choice(["p0", "p1", "p2"])
    return {
        "id": name,
        "bidder": bidder,
        "site": r.choice(sites),
        "items": [{"lot": lot["id"], "quantity": size}],
        "divisible": divisible,
        "min_quantity": r.randint(1, max(1, size // 2)) if divisible else 0,
        "fixed_price": r.randint(2, 14),
        "unit_price": r.randint(0, 4),
        "score": r.choice([0, 0, -4]),
        "start": r.choice([None, begin]),
        "end": r.choice([None, begin + r.randint(1, 15)]),
        "uses": [
            {"resource": f"r{r.randrange(2)}", "fixed": r.randint(0, 2), "per_unit": r.choice([0, 1, 1])}
        ],
        "groups": ["g"] if bidder == "p0" else [],
    }
