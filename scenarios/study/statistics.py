"""Paired comparisons of mechanisms or settings over common random numbers.

Both sides of a pair ran the same draws (seed and settings), so their difference has no noise of the draw.
Intervals are bootstrap percentiles (BCa), p-values exact sign-flip permutation tests where the pairs are few,
and the family of all comparisons of one table is corrected by Benjamini and Hochberg (1995).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from scipy import stats

RESAMPLES = 5_000
CONFIDENCE = 0.95
MIN_PAIRS = 3
"""Fewer pairs give a mean and no interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean with its 95 % interval; both ends None where there are too few values."""

    count: int
    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The mean of paired differences; ``p`` raw and ``p_adjusted`` for the whole table, None if too few."""

    metric: str
    one: str
    other: str
    estimate: Estimate
    p: float | None
    p_adjusted: float | None = None


def estimate(values: Sequence[float], concern: str) -> Estimate:
    """Return the mean of values with its bootstrap interval, the resampling seeded by the concern."""
    data = np.asarray(values, dtype=float)
    mean = float(data.mean())
    if len(data) < MIN_PAIRS:
        return Estimate(count=len(data), mean=mean, low=None, high=None)
    if np.ptp(data) == 0:
        return Estimate(count=len(data), mean=mean, low=mean, high=mean)
    found = stats.bootstrap(
        (data,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="BCa",
        rng=_stream(concern),
    )
    interval = found.confidence_interval
    return Estimate(count=len(data), mean=mean, low=float(interval.low), high=float(interval.high))


def difference(metric: str, one: str, other: str, pairs: Sequence[tuple[float, float]]) -> Difference:
    """Return the mean of one − other over pairs, with interval and sign-flip p-value."""
    deltas = np.array([first - second for first, second in pairs], dtype=float)
    concern = f"{metric} {one} {other}"
    p: float | None = None
    if len(deltas) >= MIN_PAIRS:
        p = 1.0
        if np.any(deltas):
            test = stats.permutation_test(
                (deltas,),
                np.mean,
                permutation_type="samples",
                n_resamples=RESAMPLES,
                rng=_stream(concern),
            )
            p = float(test.pvalue)
    return Difference(metric=metric, one=one, other=other, estimate=estimate(deltas.tolist(), concern), p=p)


def adjusted(found: Sequence[Difference]) -> list[Difference]:
    """Return the differences with p-values corrected for their number (false discovery rate)."""
    known = [index for index, one in enumerate(found) if one.p is not None]
    values = [one.p for one in found if one.p is not None]
    corrected = dict(zip(known, stats.false_discovery_control(values), strict=True)) if values else {}
    return [
        Difference(
            metric=one.metric,
            one=one.one,
            other=one.other,
            estimate=one.estimate,
            p=one.p,
            p_adjusted=float(corrected[index]) if index in corrected else None,
        )
        for index, one in enumerate(found)
    ]


def _stream(concern: str) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(sha256(concern.encode()).digest()[:8], "big"))
