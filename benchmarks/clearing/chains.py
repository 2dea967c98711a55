"""Orders of three lots in a row, between sites, with lot sizes: a family that the search was not tuned on.

Blank, machining and finishing follow each other; goods move from winner to winner and to the customer, and
arrive in time or the combination cannot be chosen. Half of the bids may be divided down to a minimum lot,
a finishing bid also carries a score for lateness, and every finisher pays a campaign once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from market.clearing.documents.problem_builder import ProblemBuilder
from market.clearing.problem import NONE, Problem

if TYPE_CHECKING:
    from numpy.typing import NDArray

STAGES = ("blank", "machine", "finish")
DAY = 1440
PERIODS = 5
SHIFT_MINUTES = 900


def chains(orders: int, bids_per_lot: int, plants: int, *, seed: int) -> Problem:
    """Return a market of orders with three lots and two to three moves each."""
    r = np.random.default_rng(seed)
    b = ProblemBuilder()
    sites = [b.site(f"s{k:02d}") for k in range(max(4, plants // 3))]
    where = r.integers(0, 1000, (len(sites), 2))
    _add_roads(b, sites, where)
    quantity = r.integers(20, 81, orders)
    names = [f"o{o:05d}" for o in range(orders)]
    b.add_orders(
        names,
        value=(quantity * r.integers(9_000, 16_000, orders)).tolist(),
        must_serve=[False] * orders,
        partial=[False] * orders,
        max_suppliers=[NONE if x else 4 for x in r.random(orders) < 0.5],
        lot_counts=[len(STAGES)] * orders,
        lot_ids=[f"{name}.{stage}" for name in names for stage in STAGES],
        lot_quantity=np.repeat(quantity, len(STAGES)).tolist(),
        arc_counts=[len(STAGES)] * orders,
        arc_ids=[f"{name}.{k}" for name in names for k in range(len(STAGES))],
        arc_from=list(range(orders * len(STAGES))),
        arc_to=[3 * o + k + 1 if k < 2 else NONE for o in range(orders) for k in range(3)],
        arc_site=[NONE if k < 2 else int(r.integers(len(sites))) for o in range(orders) for k in range(3)],
    )
    b.add_resources(
        [f"p{p:03d}/{t}" for p in range(plants) for t in range(PERIODS)], [SHIFT_MINUTES] * (plants * PERIODS)
    )
    finishers = [p for p in range(plants) if p % len(STAGES) == 2]
    b.add_groups(
        [f"p{p:03d}" for p in finishers],
        max_accepted=[NONE] * len(finishers),
        fixed_price=r.integers(20_000, 90_000, len(finishers)).tolist(),
    )
    campaign = {p: k for k, p in enumerate(finishers)}
    for o in range(orders):
        for stage in range(len(STAGES)):
            able = np.arange(stage, plants, len(STAGES))
            chosen = r.choice(able, size=min(bids_per_lot, able.size), replace=False)
            _add_offers(b, r, names[o], 3 * o + stage, stage, int(quantity[o]), chosen, campaign, len(sites))
    return b.build(currency="EUR", mechanism="pay_as_bid", seed=seed)


def _add_roads(b: ProblemBuilder, sites: list[int], where: NDArray[np.int64]) -> None:
    pairs = [(i, j) for i in sites for j in sites if i != j]
    far = [int(np.hypot(*(where[i] - where[j]))) for i, j in pairs]
    b.add_transport(
        from_site=[i for i, _ in pairs],
        to_site=[j for _, j in pairs],
        fixed=[2_000 + 60 * km for km in far],
        per_unit=[5 + km // 4 for km in far],
        minutes=[30 + km for km in far],
    )


def _add_offers(
    b: ProblemBuilder,
    r: np.random.Generator,
    name: str,
    lot: int,
    stage: int,
    quantity: int,
    plants: NDArray[np.int64],
    campaign: dict[int, int],
    sites: int,
) -> None:
    n = plants.size
    period = np.minimum(stage + r.integers(0, 3, n), PERIODS - 1)
    divisible = r.random(n) < 0.5
    minutes = r.integers(3, 9, n)
    unit = r.integers(1_200, 3_200, n)
    setup = r.integers(4_000, 15_000, n)
    columns: dict[str, Any] = {
        "divisible": divisible.tolist(),
        "min_quantity": np.where(divisible, max(1, quantity // 4), 0).tolist(),
        "fixed_price": np.where(divisible, setup, setup + unit * quantity).tolist(),
        "unit_price": np.where(divisible, unit, 0).tolist(),
        "score": (-period * 50 * quantity if stage == 2 else np.zeros(n, dtype=np.int64)).tolist(),
        "start": (period * DAY).tolist(),
        "end": (period * DAY + 600).tolist(),
        "use_fixed": np.where(divisible, 40, 40 + minutes * quantity).tolist(),
        "use_unit": np.where(divisible, minutes, 0).tolist(),
    }
    b.add_bids(
        [f"{name}.{STAGES[stage]}/{k:02d}" for k in range(n)],
        bidder=[b.bidder(f"p{p:03d}") for p in plants.tolist()],
        site=[p // len(STAGES) % sites for p in plants.tolist()],
        item_counts=[1] * n,
        item_lot=[lot] * n,
        item_quantity=[quantity] * n,
        use_counts=[1] * n,
        use_resource=(plants * PERIODS + period).tolist(),
        group_counts=[int(stage == 2)] * n,
        groups=[campaign[p] for p in plants.tolist()] if stage == 2 else [],
        **columns,
    )
