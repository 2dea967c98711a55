"""When a clearing stops improving, whom it tells of its progress, and the clock that it goes by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

Watch = Callable[[float, float], None]
"""Told the objective (-inf for none) and the bound (inf for none) whenever one improves."""


class Stopwatch(Protocol):
    """The part of the market's clock that a clearing needs."""

    def monotonic_s(self) -> float:
        """Return seconds of a clock that never goes back."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When to stop improving.

    ``time_s`` is the time for this clearing, publishing included; ``work`` counts own iterations
    plus LP iterations and makes the answer reproducible, whatever ``workers``; ``gap_ppm`` is
    good enough.
    """

    time_s: float | None = None
    work: int | None = None
    gap_ppm: int = 0
    workers: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """A stopwatch with an end; ``end_s`` None is no end."""

    now: Callable[[], float]
    start_s: float
    end_s: float | None

    def left(self) -> float | None:
        """Return the seconds left."""
        return None if self.end_s is None else max(0.0, self.end_s - self.now())

    def passed(self) -> bool:
        """Return whether the end has passed."""
        return self.end_s is not None and self.now() >= self.end_s

    def within(self, seconds: float) -> float:
        """Return at most so many seconds, and not beyond the end."""
        left = self.left()
        return seconds if left is None else min(seconds, left)
