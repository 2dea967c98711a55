"""The nearest bidder-optimal point in whole numbers, against enumeration."""

from __future__ import annotations

import itertools
import random

import pytest

from market.mechanisms.nearest import Limit, nearest_point


def allowed(x: tuple[int, ...], limits: list[Limit]) -> bool:
    return all(sum(x[i] for i in members) <= limit for members, limit in limits)


def test_reference_that_is_allowed_stays() -> None:
    assert nearest_point([7, 3], [(frozenset({0}), 7), (frozenset({1}), 3)], [0, 1]) == [7, 3]


def test_what_is_missing_is_taken_equally() -> None:
    limits: list[Limit] = [(frozenset({0}), 14), (frozenset({1}), 8), (frozenset({0, 1}), 16)]
    assert nearest_point([14, 8], limits, [0, 1]) == [11, 5]


def test_nobody_falls_below_zero() -> None:
    limits: list[Limit] = [(frozenset({0}), 50), (frozenset({1}), 6), (frozenset({0, 1}), 40)]
    assert nearest_point([50, 6], limits, [0, 1]) == [40, 0]


@pytest.mark.parametrize(("rank", "expected"), [([0, 1, 2], [4, 3, 3]), ([2, 0, 1], [3, 4, 3])])
def test_odd_units_go_by_rank(rank: list[int], expected: list[int]) -> None:
    limits: list[Limit] = [*((frozenset({i}), 9) for i in range(3)), (frozenset({0, 1, 2}), 10)]
    assert nearest_point([9, 9, 9], limits, rank) == expected


def test_no_winners_no_point() -> None:
    assert nearest_point([], [], []) == []
    assert nearest_point([0, 0], [(frozenset({0, 1}), 0)], [0, 1]) == [0, 0]


@pytest.mark.parametrize("seed", range(60))
def test_point_is_allowed_maximal_and_as_near_as_rounding_permits(seed: int) -> None:
    r = random.Random(seed)
    n = r.randint(2, 4)
    reference = [r.randint(0, 9) for _ in range(n)]
    limits: list[Limit] = [(frozenset({i}), reference[i]) for i in range(n)]
    for _ in range(r.randint(1, 4)):
        members = frozenset(r.sample(range(n), r.randint(2, n)))
        limits.append((members, r.randint(0, sum(reference[i] for i in members))))
    x = tuple(nearest_point(reference, limits, list(range(n))))
    assert allowed(x, limits)
    for i in range(n):
        assert not allowed((*x[:i], x[i] + 1, *x[i + 1 :]), limits)
    points = [y for y in itertools.product(*(range(v + 1) for v in reference)) if allowed(y, limits)]
    most = max(map(sum, points))
    assert sum(x) > most - n

    def far(y: tuple[int, ...]) -> int:
        return sum((a - b) ** 2 for a, b in zip(y, reference, strict=True))

    if sum(x) == most:
        best = min(far(y) for y in points if sum(y) == most)
        assert far(x) <= best + 2 * n * max(reference)


def test_large_amounts_keep_their_units() -> None:
    big = 10**12
    limits: list[Limit] = [(frozenset({0}), big), (frozenset({1}), big), (frozenset({0, 1}), big + 1)]
    x = nearest_point([big, big], limits, [1, 0])
    assert sum(x) == big + 1
    assert abs(x[0] - x[1]) <= 1
