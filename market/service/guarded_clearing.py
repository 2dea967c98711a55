"""Clear in a guarded child: drafts on the way, an answer even if the search raises or gets stuck.

The search runs in a thread; the main thread waits for it, tells the parent how far it is, and
publishes the best so far when the search does not come back in time. Decides nothing.
"""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from threading import Event, Thread
from typing import TYPE_CHECKING

from market.clearing.publishing.publish import publish
from market.clearing.result import Clearing, Seconds
from market.clearing.search.hunt import Hunt, publishing_s
from market.mechanisms.rule import UNRESOLVED
from market.service.drafts import Drafts
from market.service.standing import Standing

if TYPE_CHECKING:
    from collections.abc import Callable

    from market.adapters.guarded_process import Link
    from market.clearing.limits import Limits, Stopwatch
    from market.clearing.problem import Problem
    from market.clearing.program import Solver
    from market.clearing.publishing.publish import Found
    from market.clearing.search.part_search import Hire
    from market.mechanisms.rule import Resolve

STUCK_S = 0.3
"""How long after its end a search is waited for."""

HALTED_S = 0.6
"""How long after an interrupt."""

RESOLVING = frozenset({"vcg", "core"})
"""Payment rules that solve again; an answer without payments is left before they do."""

LOOK_S = 0.1


def clear_in_child(
    problem: Problem,
    *,
    solver: Solver,
    limits: Limits,
    clock: Stopwatch,
    link: Link,
    write: Callable[[Clearing], bytes],
    before: Seconds,
    hire: Hire | None = None,
) -> Clearing:
    """Clear a problem under the guard's eyes and return the checked result.

    ``write`` makes the bytes of a draft; ``before`` holds the seconds that passed already; ``hire``
    returns helpers for parts of the market.
    """
    hunt = Hunt(problem, solver, limits, clock, link.halt, hire=hire)
    return _Watched(hunt, clock, link, write, before).clear()


class _Watched:
    def __init__(
        self,
        hunt: Hunt,
        clock: Stopwatch,
        link: Link,
        write: Callable[[Clearing], bytes],
        before: Seconds,
    ) -> None:
        self.hunt, self.clock, self.link, self.write, self.before = hunt, clock, link, write, before
        self.problem = hunt.p
        self.started = clock.monotonic_s()
        self.done = Event()
        self.found: Found | None = None
        self.told: Standing | None = None
        limit_s = hunt.limits.time_s
        self.drafts = Drafts(
            start_s=self.started,
            end_s=float("inf") if limit_s is None else self.started + limit_s,
            cost_s=publishing_s(hunt.p),
        )

    def clear(self) -> Clearing:
        """Search, and publish what was found."""
        drafts = self.drafts
        if drafts.before:
            self._draft()
        Thread(target=self._search, name="search", daemon=True).start()
        if drafts.beside:
            self._draft()
        halted_s: float | None = None
        asked = False
        while not self.done.wait(LOOK_S):
            now = self.clock.monotonic_s()
            self._tell()
            asked = asked or (halted_s is None and self.link.halt.is_set())
            if drafts.late(now):
                self.link.halt.set()  # a slow machine: publishing took longer than foreseen
            if self.link.halt.is_set() and halted_s is None:
                halted_s = now
            if halted_s is not None and now > halted_s + HALTED_S:
                break
            if self.hunt.end_s is not None and now > self.hunt.end_s + STUCK_S:
                break
            if halted_s is None and drafts.due(now, None if self.told is None else self.told.objective):
                self._draft()
        found = self.found
        if found is None:
            # Where the user asked for the end, nothing failed that has no answer yet.
            return self._published(replace(self.hunt.so_far(), failed=not asked))
        if self.problem.mechanism in RESOLVING:
            self.link.draft(self.write(self._published(found)))
        return self._published(found, self.hunt.counterfactuals())

    def _draft(self) -> None:
        """Leave the best so far with the guard, should this process crash or hang."""
        found = self.hunt.so_far()
        begin_s = self.clock.monotonic_s()
        clearing = self._published(found)
        self.link.draft(self.write(clearing))
        self.drafts.left(begin_s, self.clock.monotonic_s(), clearing.objective)

    def _search(self) -> None:
        """Run the search; one that raises leaves its best so far."""
        try:
            self.found = self.hunt.run()
        except Exception as error:  # noqa: BLE001  whatever a solver does, the answer is typed
            sys.stderr.write(f"takt: the search failed: {type(error).__name__}: {error}\n")
        finally:
            self.done.set()

    def _published(self, found: Found, resolve: Resolve = UNRESOLVED) -> Clearing:
        solved = self.clock.monotonic_s()
        clearing = publish(self.problem, self.hunt.terms, found, resolve)
        checked = self.clock.monotonic_s()
        seconds = replace(self.before, solve=solved - self.started, check=checked - solved)
        return replace(clearing, seconds=seconds)

    def _tell(self) -> None:
        """Tell the parent where the search stands."""
        objective, bound, begun = self.hunt.standing()
        standing = Standing(
            objective=int(objective) if math.isfinite(objective) else None,
            bound=bound if math.isfinite(bound) else None,
            part=begun,
            parts=len(self.hunt.parts),
        )
        self.told = standing
        self.link.news(standing.to_bytes())
