"""Accepted quantities as an allocation: what moves, what it is worth, what is let through."""

from __future__ import annotations

import numpy as np
import pytest

from market.clearing.documents.problem_json import problem_from_document
from market.clearing.formulation.allocation import allocation_of, allowed
from market.clearing.terms import terms_of
from tests.unit.market.clearing.documents import bid, document, order, split, use, way


@pytest.mark.parametrize("pieces", [1, 2, 7])
def test_goods_move_between_the_winners_of_two_lots(pieces: int) -> None:
    lots = [{"id": "x", "quantity": pieces}, {"id": "y", "quantity": pieces}]
    p = problem_from_document(
        document(
            orders=[order("a", 100, lots=lots, arcs=[{"id": "x-y", "from": "x", "to": "y"}])],
            bids=[bid("x1", "x", 10, pieces, site="s"), bid("y1", "y", 20, pieces, site="t")],
            transport=[way("s", "t", 5, 1)],
        )
    )
    a = allocation_of(p, terms_of(p), np.array([pieces, pieces]))
    assert a.moves == ((0, 0, 1, pieces),)
    assert a.objective == 100 - 10 - 20 - 5 - pieces


@pytest.mark.parametrize(
    ("accepted", "whether"),
    [
        ({}, True),
        ({"a1": 2}, True),
        ({"a2": 2}, True),
        ({"a1": 2, "a2": 2}, False),  # twice what is wanted
        ({"b1": 3}, True),
        ({"b1": 6}, True),
        ({"b1": 2}, False),  # below its minimum
        ({"b1": 4}, True),
        ({"b1": 6, "b2": 6}, False),
        ({"a1": 2, "c1": 1}, False),  # beyond the capacity
        ({"a2": 2, "c1": 1}, True),
        ({"b1": 3, "b3": 3}, False),  # two of a group that lets one in
    ],
)
def test_only_what_obeys_coverage_capacities_and_groups_is_let_through(
    accepted: dict[str, int], whether: bool
) -> None:
    """A solver that is wrong, or lies, costs its own answer and not the search's."""
    p = problem_from_document(
        document(
            orders=[order("a", 90, 2), order("b", 90, 6, partial=True), order("c", 90)],
            resources=[{"id": "m", "capacity": 2}],
            groups=[{"id": "g", "max_accepted": 1, "fixed_price": 0}],
            bids=[
                bid("a1", "a", 1, 2, uses=[use("m", 2)]),
                bid("a2", "a", 1, 2),
                split("b1", "b", 1, 6, 3, bidder="q", groups=["g"]),
                bid("b2", "b", 1, 6),
                split("b3", "b", 1, 6, bidder="q", groups=["g"]),
                bid("c1", "c", 1, uses=[use("m", 1)]),
            ],
        )
    )
    quantity = np.array([accepted.get(name, 0) for name in p.bid_ids], dtype=np.int64)
    assert allowed(p, terms_of(p), allocation_of(p, terms_of(p), quantity)) is whether
