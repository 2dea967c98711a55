"""The gate before the market: one running request per idempotency key, so many per customer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.errors import ProblemError


class Gate:
    """Counts what is on its way to the market. Belongs to one event loop."""

    def __init__(self, max_per_customer: int) -> None:
        self._max = max_per_customer
        self._keys: set[tuple[str, str]] = set()
        self._count: Counter[str] = Counter()

    @contextmanager
    def enter(self, customer: str, key: str) -> Iterator[None]:
        """Let a request through, or raise ``in_flight`` or ``too_many_requests``."""
        if (customer, key) in self._keys:
            raise ProblemError(
                "in_flight",
                "the first request with this key has not been answered yet",
                field="Idempotency-Key",
                value=key,
                retry_after_s=1,
            )
        if self._count[customer] >= self._max:
            raise ProblemError(
                "too_many_requests", f"at most {self._max} requests may wait at once", retry_after_s=1
            )
        self._keys.add((customer, key))
        self._count[customer] += 1
        try:
            yield
        finally:
            self._keys.discard((customer, key))
            self._count[customer] -= 1
            if not self._count[customer]:
                del self._count[customer]
