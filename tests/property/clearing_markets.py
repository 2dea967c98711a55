"""Small random markets that mix every feature of the language, and a brute-force optimum.

The oracle reads the JSON document, not our columns, and shares nothing with the clearing.
"""

from __future__ import annotations

import itertools
import math
import random
from typing import Any

Document = dict[str, Any]


def random_market(seed: int, *, orders: int = 3, bids: int = 7) -> Document:
    """Return a small ``takt.problem.v1`` document drawn from the seed."""
    r = random.Random(seed)
    sites = ["s0", "s1", "s2"]
    documents, lots = [], []
    for o in range(r.randint(1, orders)):
        sizes = [r.choice([1, 2, 3, 4, 6]) for _ in range(r.randint(1, 2))]
        own = [{"id": f"o{o}.{k}", "quantity": q} for k, q in enumerate(sizes)]
        arcs: list[Document] = []
        if len(own) == 2 and r.random() < 0.6:
            arcs.append({"id": f"o{o}.a", "from": own[0]["id"], "to": own[1]["id"]})
        if r.random() < 0.3:
            arcs.append({"id": f"o{o}.z", "from": own[-1]["id"], "to_site": r.choice(sites)})
        must = r.random() < 0.1
        documents.append(
            {
                "id": f"o{o}",
                "value": r.randint(0, 80),
                "must_serve": must,
                "partial": not must and r.random() < 0.25,
                "max_suppliers": r.choice([None, None, 1, 2]),
                "lots": own,
                "arcs": arcs,
            }
        )
        lots += own
    resources = [{"id": f"r{k}", "capacity": r.randint(2, 14)} for k in range(r.randint(0, 3))]
    bidders = ["p0", "p1", "p2"]
    groups = [
        {
            "id": f"g{k}",
            "max_accepted": r.choice([None, 1, 2]),
            "fixed_price": r.choice([0, 0, 5, 15]),
            "owner": r.choice(bidders),
        }
        for k in range(r.randint(0, 2))
    ]
    offered = [
        _random_bid(r, f"b{b}", lots, resources, groups, bidders, sites) for b in range(r.randint(1, bids))
    ]
    pairs = [(s, t) for s in sites for t in sites if s != t and r.random() < 0.8]
    return {
        "kind": "takt.problem.v1",
        "currency": "EUR",
        "mechanism": "pay_as_bid",
        "seed": r.randint(0, 99),
        "orders": documents,
        "resources": resources,
        "bids": offered,
        "groups": [{k: v for k, v in g.items() if k != "owner"} for g in groups],
        "transport": [
            {
                "from": s,
                "to": t,
                "fixed": r.choice([0, 0, 3, 6]),
                "per_unit": r.randint(0, 2),
                "minutes": r.randint(0, 20),
            }
            for s, t in pairs
        ],
    }


def _random_bid(
    r: random.Random,
    name: str,
    lots: list[Document],
    resources: list[Document],
    groups: list[Document],
    bidders: list[str],
    sites: list[str],
) -> Document:
    divisible = r.random() < 0.45
    bidder = r.choice(bidders)
    chosen = r.sample(lots, 1 if divisible else min(len(lots), r.choice([1, 1, 1, 2, 2, 3])))
    items = [
        {"lot": lot["id"], "quantity": lot["quantity"] if r.random() < 0.6 else r.randint(1, lot["quantity"])}
        for lot in chosen
    ]
    begin = r.randint(0, 60)
    uses = [
        {"resource": x["id"], "fixed": r.randint(0, 2), "per_unit": r.randint(0, 2)}
        for x in resources
        if r.random() < 0.4
    ]
    return {
        "id": name,
        "bidder": bidder,
        "site": r.choice(sites),
        "items": items,
        "divisible": divisible,
        "min_quantity": r.randint(1, items[0]["quantity"]) if divisible else 0,
        "fixed_price": r.randint(0, 12),
        "unit_price": r.randint(0, 6),
        "score": r.choice([0, 0, 0, -5, 4, 7]),
        "start": r.choice([None, begin]),
        "end": r.choice([None, begin + r.randint(1, 30)]),
        "uses": uses,
        "groups": [g["id"] for g in groups if g["owner"] == bidder and r.random() < 0.5],
    }


def best_objective(d: Document) -> int | None:
    """Return the optimum by enumeration, None if must-serve orders cannot be served."""
    return _Oracle(d).best()


class _Oracle:
    def __init__(self, d: Document) -> None:
        self.d = d
        self.lots = {lot["id"]: lot["quantity"] for o in d["orders"] for lot in o["lots"]}
        self.capacity = {x["id"]: x["capacity"] for x in d["resources"]}
        self.trips = {(t["from"], t["to"]): t for t in d["transport"]}
        self.top: int | None = None

    def best(self) -> int | None:
        self.accept(0, [])
        return self.top

    def accept(self, index: int, taken: list[tuple[Document, int]]) -> None:
        """Try every quantity of every bid."""
        bids = self.d["bids"]
        if index == len(bids):
            worth = self.worth(taken)
            if worth is not None and (self.top is None or worth > self.top):
                self.top = worth
            return
        self.accept(index + 1, taken)
        bid = bids[index]
        size = sum(i["quantity"] for i in bid["items"])
        for q in range(bid["min_quantity"], size + 1) if bid["divisible"] else (size,):
            trial = [*taken, (bid, q)]
            if self.within(trial):
                self.accept(index + 1, trial)

    def made(self, bid: Document, q: int, lot: str) -> int:
        for item in bid["items"]:
            if item["lot"] == lot:
                return q if bid["divisible"] else int(item["quantity"])
        return 0

    def within(self, taken: list[tuple[Document, int]]) -> bool:
        for name, cap in self.capacity.items():
            if (
                sum(
                    u["fixed"] + u["per_unit"] * q
                    for b, q in taken
                    for u in b["uses"]
                    if u["resource"] == name
                )
                > cap
            ):
                return False
        for g in self.d["groups"]:
            if (
                g["max_accepted"] is not None
                and sum(g["id"] in b["groups"] for b, _ in taken) > g["max_accepted"]
            ):
                return False
        return all(sum(self.made(b, q, lot) for b, q in taken) <= size for lot, size in self.lots.items())

    def worth(self, taken: list[tuple[Document, int]]) -> int | None:
        total: int = 0
        for order in self.d["orders"]:
            value = self.order_worth(order, taken)
            if value is None:
                return None
            total += value
        for b, q in taken:
            total -= b["fixed_price"] + b["unit_price"] * q
            total += math.floor(b["score"] * q / b["items"][0]["quantity"]) if b["divisible"] else b["score"]
        opened: int = sum(
            g["fixed_price"] for g in self.d["groups"] if any(g["id"] in b["groups"] for b, _ in taken)
        )
        return total - opened

    def order_worth(self, order: Document, taken: list[tuple[Document, int]]) -> int | None:
        sizes = [lot["quantity"] for lot in order["lots"]]
        got = [sum(self.made(b, q, lot["id"]) for b, q in taken) for lot in order["lots"]]
        of = math.gcd(*sizes) if order["partial"] else 1
        units = got[0] * of // sizes[0]
        if any(n * of != units * size for n, size in zip(got, sizes, strict=True)) or (
            order["must_serve"] and units < of
        ):
            return None
        mine = [(b, q) for b, q in taken if any(self.made(b, q, lot["id"]) for lot in order["lots"])]
        if (
            order["max_suppliers"] is not None
            and len({b["bidder"] for b, _ in mine}) > order["max_suppliers"]
        ):
            return None
        total = 0 if order["must_serve"] else order["value"] * units // of
        for arc in order["arcs"]:
            cost = self.arc_cost(arc, mine)
            if cost is None:
                return None
            total -= cost
        return total

    def arc_cost(self, arc: Document, mine: list[tuple[Document, int]]) -> int | None:
        supply = [(b, n) for b, q in mine if (n := self.made(b, q, arc["from"]))]
        if "to_site" in arc:
            total = 0
            for b, n in supply:
                if b["site"] != arc["to_site"]:
                    trip = self.trips.get((b["site"], arc["to_site"]))
                    if trip is None:
                        return None
                    total += trip["fixed"] + trip["per_unit"] * n
            return total
        up, down = self.lots[arc["from"]], self.lots[arc["to"]]
        demand = []
        for b, q in mine:
            n = self.made(b, q, arc["to"])
            if n * up % down:
                return None
            if n:
                demand.append((b, n * up // down))
        return self.cheapest(supply, demand)

    def cheapest(self, supply: list[tuple[Document, int]], demand: list[tuple[Document, int]]) -> int | None:
        """Try every way to move the goods."""
        if not supply:
            return 0
        (a, n), rest = supply[0], supply[1:]
        best = None
        for flows in itertools.product(*(range(min(n, m) + 1) for _, m in demand)):
            if sum(flows) != n:
                continue
            cost = 0
            for (b, _), flow in zip(demand, flows, strict=True):
                step = self.pair_cost(a, b, flow)
                if step is None:
                    break
                cost += step
            else:
                later = self.cheapest(rest, [(b, m - f) for (b, m), f in zip(demand, flows, strict=True)])
                if later is not None and (best is None or cost + later < best):
                    best = cost + later
        return best

    def pair_cost(self, a: Document, b: Document, flow: int) -> int | None:
        if flow == 0 or a["id"] == b["id"]:
            return 0
        trip = self.trips.get((a["site"], b["site"]))
        if a["site"] == b["site"]:
            trip = {"fixed": 0, "per_unit": 0, "minutes": 0}
        if trip is None:
            return None
        if a["end"] is not None and b["start"] is not None and a["end"] + trip["minutes"] > b["start"]:
            return None
        return int(trip["fixed"] + trip["per_unit"] * flow)
