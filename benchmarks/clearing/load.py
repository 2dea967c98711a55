"""What clearing all orders together saves against one after the other, by how full the plants are.

Orders need minutes of one plant in one period; every order has several bids of plants at different prices
and may also be made elsewhere at its value. Cost is the accepted prices plus the value of what is not
served, so that a way that leaves orders out is not called cheap. One after the other means in the order of
arrival, each taking its cheapest bid that still fits.

    python -m benchmarks.clearing.load SECONDS WORKERS LOAD_PERCENT SEED
"""

from __future__ import annotations

import json
import sys

import numpy as np

from market.adapters.solver_pulp import PulpSolver
from market.clearing.clear import clear
from market.clearing.documents.problem_builder import ProblemBuilder
from market.clearing.limits import Limits
from market.clearing.problem import NO_TIME, NONE, Problem
from takt_sdk.wall_clock import WallClock

ORDERS, BIDS, PLANTS, SHIFT_MINUTES = 600, 8, 30, 480


def loaded_market(percent: int, seed: int) -> Problem:
    """Return a market whose orders ask for ``percent`` of the minutes of its plants."""
    r = np.random.default_rng(seed)
    minutes = r.integers(30, 181, ORDERS)
    periods = max(1, round(minutes.sum() * 100 / (percent * PLANTS * SHIFT_MINUTES)))
    capacity = round(minutes.sum() * 100 / (percent * PLANTS * periods))
    level = r.uniform(0.85, 1.15, PLANTS)
    value = (minutes * 150 * r.uniform(1.5, 2.0, ORDERS)).astype(int).tolist()
    plant = np.concatenate([r.choice(PLANTS, size=BIDS, replace=False) for _ in range(ORDERS)])
    order = np.repeat(np.arange(ORDERS), BIDS)
    price = (minutes[order] * 150 * level[plant] * r.uniform(0.85, 1.15, plant.size)).astype(int)
    n, b = plant.size, ProblemBuilder()
    names = [f"o{o:04d}" for o in range(ORDERS)]
    b.add_orders(
        names,
        value=value,
        must_serve=[False] * ORDERS,
        partial=[False] * ORDERS,
        max_suppliers=[NONE] * ORDERS,
        lot_counts=[1] * ORDERS,
        lot_ids=names,
        lot_quantity=[1] * ORDERS,
        arc_counts=[0] * ORDERS,
    )
    b.add_resources(
        [f"p{p:02d}/{t}" for p in range(PLANTS) for t in range(periods)], [capacity] * (PLANTS * periods)
    )
    b.add_bids(
        [f"{names[o]}/{k % BIDS}" for k, o in enumerate(order.tolist())],
        bidder=[b.bidder(f"p{p:02d}") for p in plant.tolist()],
        site=NONE,
        item_counts=[1] * n,
        item_lot=order.tolist(),
        item_quantity=[1] * n,
        divisible=[False] * n,
        min_quantity=[0] * n,
        fixed_price=price.tolist(),
        unit_price=[0] * n,
        score=[0] * n,
        start=[NO_TIME] * n,
        end=[NO_TIME] * n,
        use_counts=[1] * n,
        use_resource=(plant * periods + r.integers(0, periods, n)).tolist(),
        use_fixed=minutes[order].tolist(),
        use_unit=[0] * n,
    )
    return b.build(currency="EUR", mechanism="pay_as_bid", seed=seed)


def one_after_the_other(p: Problem, seed: int) -> int:
    """Return the worth when orders arrive by chance and each takes its cheapest bid that still fits."""
    room = p.resource_capacity.tolist()
    bids: list[list[int]] = [[] for _ in range(p.n_orders)]
    for bid, lot in enumerate(p.item_lot.tolist()):
        bids[lot].append(bid)
    worth = 0
    for order in np.random.default_rng(seed).permutation(p.n_orders).tolist():
        for bid in sorted(bids[order], key=lambda k: int(p.bid_fixed[k])):
            resource, use = int(p.use_resource[bid]), int(p.use_fixed[bid])
            gain = int(p.order_value[order]) - int(p.bid_fixed[bid])
            if use <= room[resource] and gain > 0:
                room[resource] -= use
                worth += gain
                break
    return worth


def main() -> None:
    """Print one JSON line."""
    limit_s, workers, percent, seed = float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    p = loaded_market(percent, seed)
    clearing = clear(
        p, solver=PulpSolver(), limits=Limits(time_s=limit_s, workers=workers), clock=WallClock()
    )
    assert clearing.objective is not None
    assert clearing.greedy_objective is not None
    total = int(p.order_value.sum())
    record = {
        "percent": percent,
        "joint_cost": total - clearing.objective,
        "greedy_cost": total - clearing.greedy_objective,
        "arrival_cost": total - one_after_the_other(p, seed),
        "served": len(clearing.served),
        "orders": p.n_orders,
        "gap_ppm": clearing.gap_ppm,
    }
    print(json.dumps(record))


if __name__ == "__main__":
    main()
