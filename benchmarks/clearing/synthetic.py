"""Synthetic manufacturing markets at any size, drawn from a seed.

Orders ask for one lot; every order gets bids from several plants and periods, each using a
plant's minutes in one to three consecutive periods and often a material pool. ``crowding`` is how much
of the demand presses on the popular part of plants and periods. ``splits`` lets
part of the bids be divided with minimum lots, ``openings`` charges a campaign cost per plant,
``bundles`` adds bids over two or three orders together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market.clearing.documents.problem_builder import ProblemBuilder
from market.clearing.problem import NO_TIME, NONE, Problem

DAY_MINUTES = 480

Column = NDArray[np.int64]


def market(
    orders: int,
    bids_per_order: int,
    plants: int,
    periods: int,
    *,
    crowding: float = 3.0,
    splits: float = 0.0,
    openings: bool = False,
    bundles: int = 0,
    seed: int = 1,
) -> Problem:
    """Return one market."""
    r = np.random.default_rng(seed)
    minutes = r.integers(60, 480, orders)
    quantity = r.integers(5, 60, orders)
    pools = max(1, plants // 5)
    n = orders * bids_per_order
    order = np.repeat(np.arange(orders), bids_per_order)
    plant = _popular_plants(r, orders, bids_per_order, plants, 1.0 / crowding)
    cost_level = r.uniform(0.8, 1.2, plants)
    base = minutes * 120 + quantity * r.integers(50, 300, orders)
    need = np.maximum(1, minutes[order] * r.uniform(0.85, 1.2, n)).astype(np.int64)
    length = np.minimum(r.integers(1, 4, n), periods)
    first = (r.random(n) * max(1.0, periods / crowding)).astype(np.int64) % (periods - length + 1)
    price = (
        base[order] * cost_level[plant] * r.uniform(0.9, 1.15, n) * (1 + 0.1 * (1 - first / periods))
    ).astype(np.int64)
    value = (base * r.uniform(1.1, 1.8, orders)).astype(np.int64)
    b = ProblemBuilder()
    names = [f"o{o:06d}" for o in range(orders)]
    b.add_orders(
        names,
        value=value.tolist(),
        must_serve=[False] * orders,
        partial=[False] * orders,
        max_suppliers=[NONE] * orders,
        lot_counts=[1] * orders,
        lot_ids=names,
        lot_quantity=quantity.tolist(),
        arc_counts=[0] * orders,
    )
    b.add_resources(
        [f"p{p:04d}/{t:03d}" for p in range(plants) for t in range(periods)],
        [DAY_MINUTES] * (plants * periods),
    )
    stock = int(quantity.sum() * 0.6 / pools) + 1
    b.add_resources([f"m{k:04d}" for k in range(pools)], [stock] * pools)
    if openings:
        campaign = (float(price.mean()) * r.uniform(2, 6, plants)).astype(np.int64)
        b.add_groups(
            [f"p{p:04d}" for p in range(plants)], max_accepted=[NONE] * plants, fixed_price=campaign.tolist()
        )
    divisible = r.random(n) < splits
    with_pool = r.random(n) < 0.5
    pool = r.integers(0, pools, n)
    draw = _Draw(
        plants=plants,
        periods=periods,
        quantity=quantity,
        order=order,
        plant=plant,
        price=price,
        need=need,
        first=first,
        length=length,
        divisible=divisible,
        pool=np.where(with_pool, pool, NONE),
        openings=openings,
    )
    _add_bids(b, names, draw)
    if bundles:
        _add_bundles(b, r, bundles, draw)
    return b.build(currency="EUR", mechanism="pay_as_bid", seed=seed)


BIDS_PER_ORDER, BIDS_PER_PLANT, BIDS_PER_BUNDLE, PERIODS, LEAST_PLANTS = 10, 200, 20, 50, 20


def big_market(bids: int, *, crowding: float = 1.0) -> Problem:
    """Return a market of so many bids on single orders, and a bundle for every twenty of them."""
    plants = max(LEAST_PLANTS, bids // BIDS_PER_PLANT)
    orders = bids // BIDS_PER_ORDER
    bundles = bids // BIDS_PER_BUNDLE
    return market(orders, BIDS_PER_ORDER, plants, PERIODS, crowding=crowding, bundles=bundles)


def _popular_plants(r: np.random.Generator, orders: int, k: int, plants: int, share: float) -> Column:
    """Return ``k`` distinct plants per order, most of them among the popular ``share`` of all."""
    popular = max(k, int(plants * share))
    chosen = np.empty((orders, k), dtype=np.int64)
    for o in range(orders):
        chosen[o] = r.choice(popular, size=k, replace=False)
    return chosen.ravel()


@dataclass(frozen=True, kw_only=True)
class _Draw:
    """What was drawn: columns per bid, but ``quantity`` per order; ``pool`` is ``NONE`` where unused."""

    plants: int
    periods: int
    quantity: Column
    order: Column
    plant: Column
    price: Column
    need: Column
    first: Column
    length: Column
    divisible: NDArray[np.bool_]
    pool: Column
    openings: bool


def _add_bids(b: ProblemBuilder, names: list[str], d: _Draw) -> None:
    n = d.order.size
    bids_per_order = n // len(names)
    pools_at = d.plants * d.periods
    uses_r: list[int] = []
    uses_f: list[int] = []
    uses_u: list[int] = []
    counts: list[int] = []
    for k in range(n):
        span = range(d.first[k], d.first[k] + d.length[k])
        uses_r += [int(d.plant[k]) * d.periods + t for t in span]
        each = int(d.need[k]) // len(span)
        per_unit = each // int(d.quantity[d.order[k]]) if d.divisible[k] else 0
        uses_u += [per_unit] * len(span)
        uses_f += [0 if per_unit else each] * len(span)
        if d.pool[k] != NONE:
            uses_r.append(pools_at + int(d.pool[k]))
            uses_u.append(1)
            uses_f.append(0)
        counts.append(len(span) + bool(d.pool[k] != NONE))
    q = d.quantity[d.order]
    fixed = np.where(d.divisible, d.price // 5, d.price)
    unit = np.where(d.divisible, (d.price * 4 // 5) // q, 0)
    b.add_bids(
        [f"{names[d.order[k]]}/{k % bids_per_order:02d}" for k in range(n)],
        bidder=[b.bidder(f"p{p:04d}") for p in d.plant.tolist()],
        site=NONE,
        item_counts=[1] * n,
        item_lot=d.order.tolist(),
        item_quantity=q.tolist(),
        divisible=d.divisible.tolist(),
        min_quantity=np.where(d.divisible, -(-q // 4), 0).tolist(),
        fixed_price=fixed.tolist(),
        unit_price=unit.tolist(),
        score=[0] * n,
        start=[NO_TIME] * n,
        end=[NO_TIME] * n,
        use_counts=counts,
        use_resource=uses_r,
        use_fixed=uses_f,
        use_unit=uses_u,
        group_counts=[1 if d.openings else 0] * n,
        groups=d.plant.tolist() if d.openings else [],
    )


def _add_bundles(b: ProblemBuilder, r: np.random.Generator, bundles: int, d: _Draw) -> None:
    orders = d.quantity.size
    cheapest = d.price.reshape(orders, -1).min(axis=1)
    need = d.need.reshape(orders, -1)[:, 0]
    counts: list[int] = []
    items: list[int] = []
    amounts: list[int] = []
    prices: list[int] = []
    uses_r: list[int] = []
    uses_f: list[int] = []
    bidders: list[int] = []
    spans: list[int] = []
    for _ in range(bundles):
        chosen = sorted(r.choice(orders, size=int(r.integers(2, 4)), replace=False).tolist())
        plant = int(r.integers(d.plants))
        counts.append(len(chosen))
        items += chosen
        amounts += d.quantity[chosen].tolist()
        prices.append(int(cheapest[chosen].sum() * r.uniform(0.9, 1.1)))
        minutes = int(need[chosen].sum() * 0.85)
        length = min(d.periods, -(-minutes // (DAY_MINUTES // 2)))
        t = int(r.integers(d.periods - length + 1))
        spans.append(length)
        uses_r += [plant * d.periods + t + day for day in range(length)]
        uses_f += [min(DAY_MINUTES, minutes // length)] * length
        bidders.append(b.bidder(f"p{plant:04d}"))
    n = bundles
    b.add_bids(
        [f"z{k:06d}" for k in range(n)],
        bidder=bidders,
        site=NONE,
        item_counts=counts,
        item_lot=items,
        item_quantity=amounts,
        divisible=[False] * n,
        min_quantity=[0] * n,
        fixed_price=prices,
        unit_price=[0] * n,
        score=[0] * n,
        start=[NO_TIME] * n,
        end=[NO_TIME] * n,
        use_counts=spans,
        use_resource=uses_r,
        use_fixed=uses_f,
        use_unit=[0] * len(uses_r),
    )
