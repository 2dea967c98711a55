"""Which opening a capacity is there for: all usable bids on it are of that group."""

from __future__ import annotations

import numpy as np
import pytest

from market.clearing.documents.problem_json import problem_from_document
from market.clearing.formulation.formulate import holders
from market.clearing.problem import NONE
from tests.unit.market.clearing.documents import bid, document, order, use


@pytest.mark.parametrize(
    ("fixed_price", "other", "other_use", "held"),
    [
        (5, "unusable", 1, True),
        (5, "unusable", 0, True),
        (5, "usable", 0, True),
        (5, "usable", 1, False),
        (0, "unusable", 1, False),
    ],
)
def test_bids_that_use_nothing_or_cannot_be_used_hold_nothing_open(
    fixed_price: int, other: str, other_use: int, held: bool
) -> None:
    p = problem_from_document(
        document(
            orders=[order("a", 9), order("b", 9), order("c", 9)],
            resources=[{"id": "m", "capacity": 9}, {"id": "n", "capacity": 9}],
            groups=[{"id": "g", "max_accepted": None, "fixed_price": fixed_price}],
            bids=[
                bid("1", "a", 1, bidder="p", uses=[use("m", 0, 1)], groups=["g"]),
                bid("2", "b", 1, bidder="p", uses=[use("m", 2)], groups=["g"]),
                bid("3", "c", 1, bidder="q", uses=[use("m", other_use)]),
            ],
        )
    )
    found = holders(p, np.array([True, True, other == "usable"]))
    assert found.tolist() == [0 if held else NONE, NONE]
