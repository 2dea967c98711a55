"""What a gap is measured against, and when."""

import math
from typing import Any

import pytest

from benchmarks.clearing.gaps import Reference, exponent, gap, objective_at, reference_of, spread

RUN = {"objective": -103, "bound": -99.5, "trace": [[0.5, -120.0], [2.0, -103.0]]}


def test_the_published_best_cost_is_the_reference_whatever_was_proven() -> None:
    reference = reference_of([RUN, {"objective": -101, "bound": -101}], best_cost=100)
    assert reference == Reference(worth=-100.0, kind="published")


def test_a_bound_that_an_answer_meets_is_a_proven_optimum() -> None:
    runs = [{"objective": 990, "bound": 1003.0}, {"objective": 1000, "bound": 1000.4}]
    assert reference_of(runs, None) == Reference(worth=1000.0, kind="proven")


def test_without_a_proof_the_tightest_bound_of_anyone_counts() -> None:
    runs: list[dict[str, Any]] = [
        {"objective": 990, "bound": 1100.0},
        {"objective": None, "bound": 1050.0},
        {"objective": 1, "bound": None},
    ]
    assert reference_of(runs, None) == Reference(worth=1050.0, kind="bound")


def test_nothing_known_is_no_reference() -> None:
    assert reference_of([{"objective": 5, "bound": None}], None) is None


@pytest.mark.parametrize(
    ("objective", "worth", "expected"),
    [
        (-103, -100, 0.03),
        (-100, -100, 0.0),
        (-99, -100, -0.01),
        (900, 1000, 0.1),
        (0, 1000, 1.0),
        (None, 1000, None),
    ],
)
def test_gap_is_relative_to_the_reference(objective: int | None, worth: int, expected: float | None) -> None:
    found = gap(objective, Reference(worth=worth, kind="published"))
    assert found == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(("seconds", "expected"), [(0.1, None), (0.5, -120), (1.9, -120), (2.0, -103)])
def test_the_best_so_far_is_read_off_the_trace(seconds: float, expected: float | None) -> None:
    assert objective_at(RUN, seconds, limit_s=5.0) == expected


def test_at_the_limit_only_the_checked_answer_counts() -> None:
    broken = {"objective": None, "trace": [[0.5, -120.0]]}
    assert objective_at(broken, 4.9, limit_s=5.0) == -120
    assert objective_at(broken, 5.0, limit_s=5.0) is None


def test_a_late_answer_counts_as_of_half_a_second_after_the_limit() -> None:
    late = {"objective": -103, "seconds": 9.0, "trace": [[0.5, -120.0], [5.4, -110.0], [8.9, -103.0]]}
    assert objective_at(late, 5.0, limit_s=5.0) == -110
    assert objective_at({**late, "seconds": 5.4}, 5.0, limit_s=5.0) == -103
    assert objective_at({**late, "trace": [[8.9, -103.0]]}, 5.0, limit_s=5.0) is None


def test_no_mean_is_claimed_where_an_answer_is_missing() -> None:
    some = spread([0.01, None, 0.03])
    assert (some.mean, some.worst, some.without) == (None, None, 1)
    assert some.median == 0.03
    assert spread([0.01, None, None]).median is None
    assert spread([0.01, 0.03]).mean == pytest.approx(0.02)


def test_exponent_of_a_power_law() -> None:
    points = [(n, 3.0 * n**1.25) for n in (10.0, 100.0, 1000.0)]
    found = exponent(points)
    assert found is not None
    assert math.isclose(found, 1.25)
    assert exponent(points[:1]) is None
