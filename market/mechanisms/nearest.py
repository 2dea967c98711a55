"""The bidder-optimal point nearest to a reference, in integers, under limits on sums.

Maximise the total of ``x`` with ``0 <= x`` and ``sum(x[members]) <= limit`` for every limit, then
take the point of that total nearest to the reference, then whole numbers: rounded down, and raised
one by one in the order of the largest remainder, ties by rank, as far as the limits allow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Limit = tuple[frozenset[int], int]
"""Members (positions in ``x``) and what they may sum to."""


def nearest_point(reference: Sequence[int], limits: Sequence[Limit], rank: Sequence[int]) -> list[int]:
    """Return the point; ``rank`` breaks ties of the last step (lower first).

    Every position must stand in some limit, and every limit must be at least 0.
    """
    from scipy.optimize import linprog  # noqa: PLC0415  costs half a second, which only core prices need

    n = len(reference)
    if not n or not any(reference):
        return [0] * n
    matrix = np.zeros((len(limits), n))
    for row, (members, _) in enumerate(limits):
        matrix[row, sorted(members)] = 1.0
    scale = float(max(reference))
    bound = np.array([limit for _, limit in limits], dtype=np.float64) / scale
    target = np.array(reference, dtype=np.float64) / scale
    most = linprog(-np.ones(n), A_ub=matrix, b_ub=bound, bounds=(0, None), method="highs")
    assert most.x is not None, most.message
    total = float(most.x.sum())
    point = _projected(target, matrix, bound, total) if total < target.sum() - 1e-12 else target
    return _whole(point * scale, limits, rank)


def _projected(target: Floats, matrix: Floats, bound: Floats, total: float) -> Floats:
    """Return the nearest point with at least the given total: least distance programming [1]_.

    .. [1] Lawson, Hanson (1974), Solving Least Squares Problems, chapter 23.
    """
    from scipy.optimize import nnls  # noqa: PLC0415

    n = target.size
    left = np.vstack([-matrix, np.eye(n), np.ones((1, n))])
    right = np.concatenate([matrix @ target - bound, -target, [total * (1 - 1e-12) - target.sum()]])
    system = np.vstack([left.T, right])
    goal = np.zeros(n + 1)
    goal[n] = 1.0
    weights = nnls(system, goal, maxiter=100 * left.shape[0])[0]
    residual = system @ weights - goal
    nearest: Floats = target - residual[:n] / residual[n]
    return nearest


def _whole(point: Floats, limits: Sequence[Limit], rank: Sequence[int]) -> list[int]:
    """Return whole numbers that obey every limit and of which none can be raised."""
    down = np.maximum(0, np.floor(point + 1e-6))
    x = [int(v) for v in down]
    slack = [limit - sum(x[i] for i in members) for members, limit in limits]
    containing = [[k for k, (members, _) in enumerate(limits) if i in members] for i in range(len(x))]

    def move(i: int, amount: int) -> None:
        x[i] += amount
        for k in containing[i]:
            slack[k] -= amount

    for k, (members, _) in enumerate(limits):
        for i in sorted(members, key=lambda i: (point[i] - x[i], -rank[i])):
            if slack[k] < 0:
                move(i, -min(x[i], -slack[k]))
    order = sorted(range(len(x)), key=lambda i: (-(point[i] - x[i]), rank[i]))
    for i in order:
        if point[i] - x[i] > 0:
            move(i, min(1, *(slack[k] for k in containing[i])))
    for i in order:
        move(i, min(slack[k] for k in containing[i]))
    return x
