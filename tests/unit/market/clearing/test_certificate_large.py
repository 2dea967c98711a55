"""Bounds of amounts that micro units take beyond 64 bits are exact: Python's integers take over."""

from __future__ import annotations

import pytest

from market.clearing.checker.certificate import certified_bound
from market.clearing.documents.problem_json import problem_from_document
from market.clearing.result import MICRO, Multipliers
from tests.unit.market.clearing.documents import bid, document, order, use


def wrapping(near: int, *, to: int) -> int:
    """Return a number above ``near`` whose micro units would be of sign ``to`` in 64 bits."""
    return next(n for n in range(near, 2 * near, 2**40 + 1) if (n * MICRO % 2**64 >= 2**63) == (to < 0))


LARGE = 2**52
PRICE, VALUE = wrapping(LARGE, to=-1), wrapping(LARGE, to=-1)
"""A price that looks like a gain, a value that looks like a loss."""


@pytest.mark.parametrize(
    ("value", "quantity", "changes"),
    [
        (VALUE, 1, {}),
        (5, 1, {"fixed_price": PRICE}),
        (5, 4, {"unit_price": wrapping(LARGE, to=-1) // 4 + 1}),
        (5, 1, {"score": -PRICE}),
        (5, 1, {"score": VALUE}),
    ],
)
def test_a_bound_at_prices_of_zero_is_exact(value: int, quantity: int, changes: dict[str, int]) -> None:
    p = problem_from_document(
        document(orders=[order("a", value, quantity)], bids=[bid("a1", "a", 1, quantity) | changes])
    )
    price = changes.get("fixed_price", 1) + changes.get("unit_price", 0) * quantity
    assert certified_bound(p, Multipliers()) == max(0, value - price + changes.get("score", 0))


@pytest.mark.parametrize("micro", [10**3, 10**9, 10**15])
def test_a_bound_at_large_prices_is_exact(micro: int) -> None:
    """What the capacity is worth comes in, what the bid would pay for its use keeps it out."""
    p = problem_from_document(
        document(
            orders=[order("a", 5)],
            resources=[{"id": "m", "capacity": LARGE}],
            bids=[bid("a1", "a", 1, uses=[use("m", LARGE)])],
        )
    )
    gain = max(0, 4 * MICRO - micro * LARGE)
    expected = (micro * LARGE + gain) // MICRO
    assert certified_bound(p, Multipliers(resources=(("m", micro),))) == expected
    priced = certified_bound(p, Multipliers(lots=(("a", -micro),)))
    assert priced == 4  # the lot's price is paid by the bid and got by the order
