"""Compiled moves stay within their buffers and within capacity, whatever the market looks like."""

from __future__ import annotations

import math

import numpy as np
import pytest

from market.clearing.bounds.order_prices import OrderPrices
from market.clearing.bounds.prices import no_prices
from market.clearing.bounds.tree_messages import descend
from market.clearing.documents.problem_json import problem_from_document
from market.clearing.local_search.annealing import Annealer
from market.clearing.local_search.group_moves import close_group
from market.clearing.local_search.moves import chain
from market.clearing.local_search.packing import Packing, packing_of
from market.clearing.problem import Problem
from market.clearing.terms import terms_of
from tests.unit.market.clearing.documents import Document, bid, document, order, use

BEYOND = 7777


def packed(p: Problem) -> Packing:
    """Return a market as a packing without prices."""
    return packing_of(p, terms_of(p), np.arange(p.n_bids), no_prices(p))


def lots(name: str, letters: str, arcs: tuple[str, ...], *, must_serve: bool = True) -> Document:
    """Return an order of several lots with arcs such as ``ab``."""
    return order(
        name,
        0 if must_serve else 1000,
        must_serve=must_serve,
        lots=[{"id": name + x, "quantity": 1} for x in letters],
        arcs=[{"id": name + a, "from": name + a[0], "to": name + a[1]} for a in arcs],
    )


@pytest.mark.parametrize("size", range(40, 70, 2))
def test_moves_of_large_groups_end_with_their_log(size: int) -> None:
    """A group of thirty orders that must be served is closed, with room for so many entries."""
    p = problem_from_document(
        document(
            orders=[order(f"o{k:02}", 0, must_serve=True) for k in range(30)],
            groups=[{"id": "g", "max_accepted": None, "fixed_price": 5}],
            bids=[bid(f"a{k:02}", f"o{k:02}", 10, bidder="p", groups=["g"]) for k in range(30)]
            + [bid(f"b{k:02}", f"o{k:02}", 20, bidder="q") for k in range(30)],
        )
    )
    annealer = Annealer(packed(p), 1)
    annealer.restart(np.array([name.startswith("a") for name in p.bid_ids]).astype(np.int64))
    room = np.full(100, BEYOND, dtype=np.int64)
    _, used = close_group(0, annealer.packing.model, annealer.state, annealer.rng, room[:size], 0)
    assert used <= size
    assert (room[size:] == BEYOND).all()


def test_a_plan_that_cannot_fit_is_not_forced_in() -> None:
    """Both bids of the only plan use the same resource, together more than there is."""
    p = problem_from_document(
        document(
            orders=[lots("o", "ab", ())],
            resources=[{"id": "r", "capacity": 3}],
            bids=[bid(x, "o" + x, 10, uses=[use("r", 2)]) for x in "ab"],
        )
    )
    packing = packed(p)
    model, state = packing.model, packing.empty()
    assert packing.n_items == 1
    log = np.zeros(64, dtype=np.int64)
    log[0] = -1  # item 0 was taken out
    assert chain(model, state, np.array([7], dtype=np.uint64), log, 1, 0, 4) == (0, 1)
    assert (state.load <= model.capacity).all()


def test_arcs_from_lots_that_nobody_makes_have_no_sender() -> None:
    """An arc that closes a ring starts where there is no bid: nothing is written for it."""
    p = problem_from_document(
        document(
            orders=[lots("o", "abc", ("ab", "ac", "cb")), lots("q", "abc", ("ab", "ac", "cb"))],
            bids=[bid(f"o{x}{k}", f"o{x}", 10 + k, site="s") for x in "ab" for k in range(3)]
            + [bid(f"q{x}", f"q{x}", 10, site="s") for x in "abc"],
        )
    )
    found = OrderPrices(p, terms_of(p), -math.inf)
    assert found.trees.ring.size == 2
    room = np.full(64, float(BEYOND))
    slope = found.slope._replace(ring=room[32 : 32 + found.slope.ring.size])
    descend(
        found.coupling,
        found.trees.rings,
        found.trees.forest,
        found.now,
        found.best,
        found.mean,
        slope,
        found.fraction,
        found.control,
        1,
    )
    assert (room[:32] == BEYOND).all()
    assert (room[32 + found.slope.ring.size :] == BEYOND).all()


@pytest.mark.parametrize("stranded", [0, 1])
def test_many_costly_orders_are_priced_as_long_as_each_has_a_plan(stranded: int) -> None:
    """Forty must be served at 200 each; where one has no way between its sites, another is worth a lot."""
    names = [f"o{k:02}" for k in range(40)]
    p = problem_from_document(
        document(
            orders=[lots(name, "ab", ("ab",)) for name in names]
            + [lots("z", "ab", ("ab",), must_serve=False) | {"value": stranded * 10**6}],
            bids=[
                bid(name + x, name + x, 100, site="t" if k < stranded and x == "b" else "s")
                for k, name in enumerate([*names, "z"])
                for x in "ab"
            ],
        )
    )
    found = OrderPrices(p, terms_of(p), -math.inf)
    found.run(lambda: True)
    assert found.sound == (not stranded)
    assert stranded or found.bound == pytest.approx(-40 * 200)
