"""The machine's clock and its source of chance: what the hosts of a live market pass to the core."""

from __future__ import annotations

import os
import time


class WallClock:
    """`takt_sdk.ports.Clock` of this machine."""

    def now_us(self) -> int:
        """Return the time in integer microseconds UTC, as the machine is set: it may step back."""
        return time.time_ns() // 1000

    def monotonic_s(self) -> float:
        """Return seconds of a clock that never goes back."""
        return time.monotonic()


class OsEntropy:
    """`takt_sdk.ports.Entropy` of the operating system."""

    def token(self, size: int) -> bytes:
        """Return ``size`` bytes fit for keys."""
        return os.urandom(size)
