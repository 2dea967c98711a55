"""A clock that stands still until it is set: market time of scenario runs and tests."""

from __future__ import annotations

import time


class ManualClock:
    """`takt_sdk.ports.Clock` whose market time only `set` moves; durations are measured for real."""

    def __init__(self, now_us: int) -> None:
        self._now_us = now_us

    def set(self, now_us: int) -> None:
        """Let market time reach ``now_us``; it never goes back."""
        self._now_us = max(self._now_us, now_us)

    def now_us(self) -> int:
        """Return the market time that was set."""
        return self._now_us

    def monotonic_s(self) -> float:
        """Return seconds of a clock that never goes back."""
        return time.monotonic()
