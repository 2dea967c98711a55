"""When a search leaves a draft of its answer, and when it has to stop so that its answer can be published.

A draft is what is delivered should the search's process crash, hang or be too slow at its end; it costs what
publishing costs. Decides by times and objectives it is given; reads no clock.
"""

from __future__ import annotations

CHEAP_S = 0.02
"""Where publishing is as fast as this, the greedy answer is left before the search begins."""

TIGHT_SHARE = 0.2
"""Where it takes more of the time than this, too: there may be time for no other."""

FIRST_S = 0.5
"""How long after its start a search's own first draft is left."""

WAIT, ROOM = 10.0, 6.0
"""A draft is left when so many times its cost has passed since the last, and so many times is left."""

MUCH_BETTER = 0.02
"""A gain on the last draft, as a share of it, that is not to be lost: it waits less and needs less room."""

SHORT_WAIT, SHORT_ROOM = 2.0, 3.0

SPARE = 1.5
"""Publishing is given so many times what the last draft took."""


class Drafts:
    """Paces the drafts of one search.

    Parameters
    ----------
    start_s, end_s
        When the search begins and when the answer is due, on one clock; ``end_s`` infinite without a limit.
    cost_s
        Seconds that publishing is thought to take; replaced by what the last draft took.
    """

    def __init__(self, *, start_s: float, end_s: float, cost_s: float) -> None:
        self.start_s, self.end_s, self.cost_s = start_s, end_s, cost_s
        self.spare = 1.0
        self._left_s: float | None = None
        self._objective: int | None = None

    @property
    def before(self) -> bool:
        """Whether the greedy answer is left before the search begins."""
        return self.cost_s < CHEAP_S or self.cost_s > TIGHT_SHARE * (self.end_s - self.start_s)

    @property
    def beside(self) -> bool:
        """Whether it is left while the search begins, which it slows down a little."""
        return not self.before and self.end_s < float("inf")

    def due(self, now_s: float, objective: int | None) -> bool:
        """Return whether to leave a draft of an answer worth ``objective``, None if there is none."""
        if objective is None or objective == self._objective:
            return False
        if self._left_s is None:
            return self.start_s + FIRST_S <= now_s < self.end_s - ROOM * self.cost_s
        last = self._objective
        better = last is None or objective - last > MUCH_BETTER * max(1, abs(last))
        wait, room = (SHORT_WAIT, SHORT_ROOM) if better else (WAIT, ROOM)
        return self._left_s + max(FIRST_S, wait * self.cost_s) <= now_s < self.end_s - room * self.cost_s

    def left(self, begin_s: float, now_s: float, objective: int | None) -> None:
        """Note that a draft worth ``objective`` was begun and left at these times."""
        self._left_s, self._objective = now_s, objective
        self.cost_s, self.spare = now_s - begin_s, SPARE

    def late(self, now_s: float) -> bool:
        """Return whether publishing has to begin for the answer to be in time."""
        return now_s > self.end_s - self.spare * self.cost_s
