"""The best allocation and the best bound so far, shared between searching threads."""

from __future__ import annotations

import math
from threading import Event, Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from market.clearing.formulation.allocation import Allocation


class Incumbent:
    """Best so far; ``offer`` and ``lower_bound`` are safe from any thread.

    ``stopped`` is set when searching should end: limit reached, optimum proven, interrupted.
    """

    def __init__(self, gap_ppm: int, watch: Callable[[float, float], None] | None = None) -> None:
        self._lock = Lock()
        self._gap = gap_ppm / 1e6
        self._watch = watch
        self.best: Allocation | None = None
        self.bound = math.inf
        self.stopped = Event()

    @property
    def objective(self) -> float:
        """The best objective, or -inf."""
        return -math.inf if self.best is None else self.best.objective

    def offer(self, allocation: Allocation) -> bool:
        """Take an allocation if it is better; return whether it was."""
        with self._lock:
            if self.best is not None and allocation.objective <= self.best.objective:
                return False
            self.best = allocation
        self._changed()
        return True

    def lower_bound(self, bound: float) -> None:
        """Take a bound if it is tighter. Every allocation is worth a whole number."""
        with self._lock:
            if not bound < self.bound:
                return
            self.bound = bound
        self._changed()

    def good_enough(self) -> bool:
        """Return whether no allocation can be better, or the asked gap is reached."""
        if self.best is None or not math.isfinite(self.bound):
            return False
        room = self.bound + 1e-6 * max(1.0, abs(self.bound)) ** 0.5 - self.best.objective
        return bool(room < 1.0 or room <= self._gap * max(1.0, abs(self.best.objective)))

    def _changed(self) -> None:
        if self._watch is not None:
            self._watch(self.objective, self.bound)
        if self.good_enough():
            self.stopped.set()
