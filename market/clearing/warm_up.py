"""Compile the local search once, at set-up: ``python -m market.clearing.warm_up``.

Compiling takes about twenty seconds, loading the compiled code a third of one; the cache lies beside the
source and is renewed when the source changes.
"""

from __future__ import annotations

import numpy as np

from market.clearing.bounds.block_answers import BlockAnswers
from market.clearing.bounds.blocks import Block
from market.clearing.bounds.decomposition import Decomposition
from market.clearing.bounds.order_prices import OrderPrices
from market.clearing.bounds.prices import no_prices, prices_of_duals
from market.clearing.documents.problem_builder import ProblemBuilder
from market.clearing.formulation.formulate import formulate
from market.clearing.local_search.annealing import Annealer
from market.clearing.local_search.ejection_pool import cover_musts
from market.clearing.local_search.packing import packing_of
from market.clearing.problem import NO_TIME, NONE, Problem
from market.clearing.search.stable_search import first_node
from market.clearing.stable_sets.cliques import grown, violated
from market.clearing.stable_sets.conflict_graph import packed
from market.clearing.stable_sets.covered import enumerated
from market.clearing.stable_sets.stable_set import branch
from market.clearing.stable_sets.stable_tabu import climb
from market.clearing.terms import terms_of


def small_market() -> Problem:
    """Return a market of two orders, two bids each, one resource and one priced group."""
    b = ProblemBuilder()
    b.add_orders(
        ["o1", "o2"],
        value=[9, 9],
        must_serve=[False, True],
        partial=[False] * 2,
        max_suppliers=[NONE] * 2,
        lot_counts=[1, 1],
        lot_ids=["o1", "o2"],
        lot_quantity=[1, 1],
        arc_counts=[0, 0],
    )
    b.add_resources(["r"], [3])
    b.add_groups(["g"], max_accepted=[1], fixed_price=[1])
    b.add_bids(
        ["a", "b", "c", "d"],
        bidder=b.bidder("p"),
        site=NONE,
        item_counts=[1] * 4,
        item_lot=[0, 0, 1, 1],
        item_quantity=[1] * 4,
        divisible=[False] * 4,
        min_quantity=[0] * 4,
        fixed_price=[1, 2, 3, 4],
        unit_price=[0] * 4,
        score=[0] * 4,
        start=[NO_TIME] * 4,
        end=[NO_TIME] * 4,
        use_counts=[1] * 4,
        use_resource=[0] * 4,
        use_fixed=[2] * 4,
        use_unit=[0] * 4,
        group_counts=[1, 1, 0, 0],
        groups=[0, 0],
    )
    return b.build(currency="EUR", mechanism="pay_as_bid", seed=1)


def warm_up() -> None:
    """Run every compiled function once."""
    p = small_market()
    packing = packing_of(p, terms_of(p), np.arange(4), no_prices(p))
    annealer = Annealer(packing, 1)
    annealer.restart(np.zeros(p.n_bids, dtype=np.int64))
    annealer.calibrate()
    cover_musts(packing.model, packing.empty(), annealer.rng, np.ones(p.n_orders, dtype=np.int64), 1)
    f = formulate(p)
    Decomposition(f, prices_of_duals(f, np.zeros(f.program.n_rows))).prices()
    warm_up_orders()
    warm_up_blocks()
    warm_up_stable()


def warm_up_blocks() -> None:
    """Answer one block of one bid."""
    one, none, unit = np.ones(1, dtype=np.int64), np.zeros(1, dtype=np.int64), np.ones(1)
    block = Block(
        bids=none,
        member=np.ones(1, dtype=np.bool_),
        opening=1.0,
        ptr=np.arange(2),
        row=none,
        fixed=unit,
        unit=unit,
        capacity=unit * 3.0,
        resource=none,
        low=one,
        high=one,
    )
    BlockAnswers([block]).answer(0, 1, unit * 5.0, unit, seed=1, moves=1, steps=1)


def warm_up_orders() -> None:
    """Run the compiled prices of orders once."""
    p = small_market()
    found = OrderPrices(p, terms_of(p), 0.0)
    found.run(lambda: False)
    found.losses()


def warm_up_stable() -> None:
    """Run the compiled search of conflict graphs once, on a path of three vertices."""
    edge = np.eye(3, k=1, dtype=np.bool_) | np.eye(3, k=-1, dtype=np.bool_)
    adjacent, weight = packed(edge), np.array([2, 3, 2])
    ptr, member = grown(adjacent, np.array([0, 2, 4]), np.array([0, 1, 1, 2]), np.arange(3))
    violated(adjacent, np.full(3, 0.75), np.arange(3), np.stack([np.arange(3)] * 2), np.arange(3))
    branch(*first_node(adjacent, weight, ptr, member), 100, 10)
    enumerated(adjacent, weight, 0, 10, np.zeros(3, dtype=np.int64))
    climb(adjacent, weight, np.zeros(3, dtype=np.bool_), 7, 10, 1, np.zeros(3, dtype=np.int64))


if __name__ == "__main__":
    warm_up()
