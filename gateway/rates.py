"""How fast one client may go: requests of a customer, wrong keys of an address. Belongs to one event loop."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from dataclasses import dataclass

from gateway.errors import ProblemError

_REMEMBERED = 10_000
"""Most clients that are kept apart; the one not seen for longest is forgotten first."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at_s: float


class Buckets:
    """A token bucket per name: ``burst`` at once, ``per_s`` in the long run; 0 a second is no limit."""

    def __init__(self, *, per_s: float, burst: int) -> None:
        self._per_s, self._burst = per_s, burst
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def draw(self, name: str) -> float:
        """Take a token; return the seconds until there is one, 0 if there was."""
        if not self._per_s:
            return 0.0
        now_s = asyncio.get_running_loop().time()
        bucket = self._buckets.setdefault(name, _Bucket(float(self._burst), now_s))
        self._buckets.move_to_end(name)
        while len(self._buckets) > _REMEMBERED:
            self._buckets.popitem(last=False)
        bucket.tokens = min(float(self._burst), bucket.tokens + (now_s - bucket.at_s) * self._per_s)
        bucket.at_s = now_s
        if bucket.tokens >= 1:
            bucket.tokens -= 1
            return 0.0
        return (1 - bucket.tokens) / self._per_s


class Customers:
    """Bounds how many requests a customer may send."""

    def __init__(self, *, per_s: float, burst: int) -> None:
        self._buckets = Buckets(per_s=per_s, burst=burst)
        self.refused = 0

    def enter(self, customer: str) -> None:
        """Let a request through, or raise ``too_many_requests``."""
        wait_s = self._buckets.draw(customer)
        if wait_s:
            self.refused += 1
            raise ProblemError(
                "too_many_requests",
                "more requests than may be sent in a second",
                retry_after_s=-int(-wait_s // 1),
            )


class Guesses:
    """Slows whoever tries keys: after a few wrong ones an address waits for each answer.

    So many may wait at once; while that many do, no key of that address is looked at but those that were
    right before, so that trying in parallel gains nothing and a customer at the same address loses nothing.
    """

    def __init__(self, *, free: int, per_s: float, delay_s: float, waiting: int) -> None:
        self._free = Buckets(per_s=per_s, burst=free)
        self._delay_s, self._most = delay_s, waiting
        self._waiting: Counter[str] = Counter()
        self._right: OrderedDict[str, None] = OrderedDict()
        self.wrong = 0

    def check(self, address: str, digest: str) -> None:
        """Raise ``too_many_requests`` if no new key of this address is looked at now."""
        if self._waiting[address] >= self._most and digest not in self._right:
            raise ProblemError("too_many_requests", "too many wrong keys from this address", retry_after_s=1)

    def right(self, digest: str) -> None:
        """Take note of a key that is somebody's."""
        self._right[digest] = None
        while len(self._right) > _REMEMBERED:
            self._right.popitem(last=False)

    async def failed(self, address: str) -> None:
        """Return when the answer to a wrong key may be given."""
        self.wrong += 1
        if not self._free.draw(address):
            return
        self._waiting[address] += 1
        try:
            await asyncio.sleep(self._delay_s)
        finally:
            self._waiting[address] -= 1
            if not self._waiting[address]:
                del self._waiting[address]
