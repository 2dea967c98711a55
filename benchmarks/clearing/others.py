"""Drawn markets of structures that the other families do not have, one of each.

Jobs that just fit and must all be served, location without capacity, exclusive packages, partition by
packages and by those of neighbours, divisible bids with set-ups, machines booked by the hour, goods that pass
a plant and a depot, orders of several lots and few suppliers. Other draws of these generators showed
faults of the search once (decisions 67 and 69).
"""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, Any

from market.clearing.documents.problem_json import problem_from_document

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from market.clearing.problem import Problem

Record = dict[str, Any]


def jobs_that_just_fit(r: random.Random, jobs: int = 80, machines: int = 16, room: float = 0.012) -> Record:
    """Return jobs of which every one must be served, on machines with hardly more minutes than they need."""
    size = [r.randint(20, 100) for _ in range(jobs)]
    capacity = int(sum(size) / machines * (1 + room)) + 1
    return _document(
        [_order(k, 0, must_serve=True) for k in range(jobs)],
        [
            _bid(f"b{k}.{m}", f"p{m}", [k], r.randint(100, 1000), uses=[(f"r{m}", size[k], 0)])
            for k in range(jobs)
            for m in range(machines)
        ],
        resources={f"r{m}": capacity for m in range(machines)},
    )


def location(r: random.Random, customers: int = 200, plants: int = 60) -> Record:
    """Return customers and plants on a square, each plant with an opening cost and no capacity."""
    at = [(r.random(), r.random()) for _ in range(customers + plants)]
    return _document(
        [_order(k, 0, must_serve=True) for k in range(customers)],
        [
            _bid(f"b{k}.{i}", f"p{i}", [k], int(1000 * math.dist(at[k], at[customers + i])), groups=[f"g{i}"])
            for k in range(customers)
            for i in range(plants)
        ],
        groups={f"g{i}": (None, r.randint(2000, 4000)) for i in range(plants)},
    )


def exclusive_packages(r: random.Random, orders: int = 120, bidders: int = 60, offers: int = 25) -> Record:
    """Return bidders who offer packages of one to five orders each and can win one of them."""
    bids = []
    for i in range(bidders):
        for k in range(offers):
            items = r.sample(range(orders), r.randint(1, 5))
            price = int(0.8 * sum(r.randint(60, 200) for _ in items))
            bids.append(_bid(f"b{i}.{k}", f"p{i}", items, price, groups=[f"g{i}"]))
    groups = {f"g{i}": (1, r.randint(0, 50)) for i in range(bidders)}
    return _document([_order(k, r.randint(100, 400)) for k in range(orders)], bids, groups=groups)


def partition(r: random.Random, orders: int = 80, packages: int = 3000) -> Record:
    """Return packages of two to eight orders, each of which must be served; a partition is among them."""
    hidden, rest = [], r.sample(range(orders), orders)
    while rest:
        size = r.randint(2, 8)
        hidden.append((rest[:size], (90, 130)))
        rest = rest[size:]
    drawn = [(r.sample(range(orders), r.randint(2, 8)), (60, 160)) for _ in range(packages)]
    bids = [
        _bid(f"b{k}", f"p{k}", items, len(items) * r.randint(*price))
        for k, (items, price) in enumerate(r.sample(hidden + drawn, len(hidden) + packages))
    ]
    return _document([_order(k, 0, must_serve=True) for k in range(orders)], bids)


def set_ups(r: random.Random, orders: int = 150, plants: int = 30, periods: int = 8) -> Record:
    """Return divisible bids with a set-up in price and minutes; most orders may be served in part."""
    made, bids = [], []
    for k in range(orders):
        quantity = r.choice([60, 120, 240])
        made.append(_order(k, quantity * r.randint(60, 110), quantity, partial=r.random() < 0.6))
        for i in r.sample(range(plants), 8):
            minutes = (f"r{i}.{r.randrange(periods)}", r.randint(5, 40), r.randint(1, 3))
            bid = _bid(f"b{k}.{i}", f"p{i}", [k], r.randint(100, 2000), quantity, uses=[minutes])
            bids.append(
                bid | {"divisible": True, "min_quantity": quantity // 6, "unit_price": r.randint(20, 60)}
            )
    return _document(made, bids, resources={f"r{i}.{t}": 200 for i in range(plants) for t in range(periods)})


def by_the_hour(r: random.Random, orders: int = 60, machines: int = 4, hours: int = 80) -> Record:
    """Return jobs of two to nine hours on one of two machines, a bid for every start, dearer the later."""
    made, bids = [], []
    for k in range(orders):
        made.append(_order(k, r.randint(500, 2000)))
        length, rush, first = r.randint(2, 9), r.randint(1, 20), r.randint(0, hours // 2)
        for m in r.sample(range(machines), 2):
            bids += [
                _bid(
                    f"b{k}.{m}.{start}",
                    f"p{m}",
                    [k],
                    rush * (start - first),
                    uses=[(f"r{m}.{t}", 1, 0) for t in range(start, start + length)],
                )
                for start in range(first, hours - length + 1)
            ]
    return _document(made, bids, resources={f"r{m}.{t}": 1 for m in range(machines) for t in range(hours)})


def crews(r: random.Random, orders: int = 120, packages: int = 4000) -> Record:
    """Return orders in a row, all to be served, packages of neighbours, and each order alone for more."""
    bids = [_bid(f"alone{k}", f"a{k}", [k], 300) for k in range(orders)]
    for k in range(packages):
        length, first, step = r.randint(2, 8), r.randrange(orders), r.randint(1, 5)
        items = sorted({min(orders - 1, first + step * i + r.randint(0, 2)) for i in range(length)})
        bids.append(_bid(f"b{k}", f"p{k % 50}", items, 100 + len(items) * r.randint(60, 160)))
    return _document([_order(k, 0, must_serve=True) for k in range(orders)], bids)


def two_stages(r: random.Random, orders: int = 40, sites: int = 16) -> Record:
    """Return orders made in one of the plants and finished in one of the depots, each with an opening."""
    at = [(r.random(), r.random()) for _ in range(sites + orders)]
    made, bids, plants = [], [], sites // 2
    for k in range(orders):
        quantity = r.choice([10, 20, 40])
        made.append(
            _order(
                k,
                quantity * r.randint(100, 240),
                lots=[{"id": f"o{k}.{stage}", "quantity": quantity} for stage in range(2)],
                arcs=[
                    {"id": f"o{k}.on", "from": f"o{k}.0", "to": f"o{k}.1"},
                    {"id": f"o{k}.out", "from": f"o{k}.1", "to_site": f"c{k}"},
                ],
            )
        )
        for stage, among in ((0, range(plants)), (1, range(plants, sites))):
            for i in r.sample(among, min(5, len(among))):
                divisible = r.random() < 0.5
                uses = [(f"r{i}", 0, 1) if divisible else (f"r{i}", quantity, 0)]
                bid = _bid(f"b{k}.{stage}.{i}", f"p{i}", [], r.randint(20, 200), uses=uses, groups=[f"g{i}"])
                bids.append(
                    bid
                    | {
                        "site": f"s{i}",
                        "items": [{"lot": f"o{k}.{stage}", "quantity": quantity}],
                        "divisible": divisible,
                        "min_quantity": int(divisible),
                        "unit_price": r.randint(5, 25),
                    }
                )
    names = [f"s{i}" for i in range(sites)] + [f"c{k}" for k in range(orders)]
    trips = [(i, j) for i in range(sites) for j in range(len(names)) if i != j]
    transport = [
        {
            "from": names[i],
            "to": names[j],
            "fixed": r.randint(10, 100),
            "per_unit": int(20 * math.dist(at[i], at[j])),
            "minutes": 0,
        }
        for i, j in trips
    ]
    room = 15 * orders // plants
    return _document(
        made,
        bids,
        resources={f"r{i}": room for i in range(sites)},
        groups={f"g{i}": (None, r.randint(200, 1500)) for i in range(sites)},
    ) | {"transport": transport}


def few_suppliers(r: random.Random, orders: int = 120, plants: int = 20, lots: int = 4) -> Record:
    """Return orders of several lots of which one to three plants may make all, alone or as packages."""
    made, bids = [], []
    for k in range(orders):
        names = [f"o{k}.{lot}" for lot in range(lots)]
        made.append(
            _order(
                k,
                lots * r.randint(300, 600),
                lots=[{"id": name, "quantity": 10} for name in names],
                max_suppliers=r.randint(1, 3),
            )
        )
        for i in r.sample(range(plants), min(6, plants)):
            offers = [([name], r.randint(5, 30), r.randint(100, 500)) for name in names if r.random() < 0.8]
            if r.random() < 0.4:
                several = r.sample(names, r.randint(2, lots))
                offers.append((several, 15 * len(several), r.randint(100, 400) * len(several)))
            for n, (items, minutes, price) in enumerate(offers):
                bid = _bid(f"b{k}.{i}.{n}", f"p{i}", [], price, uses=[(f"r{i}", minutes, 0)])
                bids.append(bid | {"items": [{"lot": name, "quantity": 10} for name in items]})
    return _document(made, bids, resources={f"r{i}": 11 * orders * lots // plants for i in range(plants)})


OTHERS: dict[str, Callable[[random.Random], Record]] = {
    "jobs-that-just-fit": jobs_that_just_fit,
    "location": location,
    "exclusive-packages": exclusive_packages,
    "partition": partition,
    "crews": crews,
    "set-ups": set_ups,
    "by-the-hour": by_the_hour,
    "two-stages": two_stages,
    "few-suppliers": few_suppliers,
}


def other(name: str, seed: int = 1) -> Problem:
    """Return the market of a name in `OTHERS`."""
    return problem_from_document(OTHERS[name](random.Random(f"{name} {seed}")))


def _order(number: int, value: int, quantity: int = 1, **changes: object) -> Record:
    name = f"o{number}"
    plain = {"id": name, "value": value, "must_serve": False, "partial": False, "max_suppliers": None}
    return plain | {"lots": [{"id": name, "quantity": quantity}], "arcs": []} | changes


def _bid(
    name: str,
    bidder: str,
    orders: list[int],
    price: int,
    quantity: int = 1,
    *,
    uses: list[tuple[str, int, int]] | None = None,
    groups: list[str] | None = None,
) -> Record:
    return {
        "id": name,
        "bidder": bidder,
        "site": None,
        "items": [{"lot": f"o{k}", "quantity": quantity} for k in orders],
        "divisible": False,
        "min_quantity": 0,
        "fixed_price": price,
        "unit_price": 0,
        "score": 0,
        "start": None,
        "end": None,
        "uses": [{"resource": name, "fixed": fixed, "per_unit": unit} for name, fixed, unit in uses or []],
        "groups": groups or [],
    }


def _document(
    orders: list[Record],
    bids: list[Record],
    *,
    resources: dict[str, int] | None = None,
    groups: Mapping[str, tuple[int | None, int]] | None = None,
) -> Record:
    return {
        "kind": "takt.problem.v1",
        "currency": "EUR",
        "mechanism": "pay_as_bid",
        "seed": 1,
        "orders": orders,
        "resources": [{"id": name, "capacity": size} for name, size in (resources or {}).items()],
        "bids": bids,
        "groups": [
            {"id": name, "max_accepted": most, "fixed_price": price}
            for name, (most, price) in (groups or {}).items()
        ],
        "transport": [],
    }
