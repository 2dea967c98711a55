"""Who does what when a market that is a conflict graph is searched, under a time or a work limit.

One worker solves relaxations and then branches; the other enumerates and climbs for a while, then joins it.
"""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING

from market.clearing.errors import SolverError
from market.clearing.program import SolveLimits
from market.clearing.stable_sets.conflict_graph import conflict_graph

if TYPE_CHECKING:
    from collections.abc import Callable

    from market.clearing.limits import Deadline
    from market.clearing.search.case import Case
    from market.clearing.stable_sets.conflict_graph import ConflictGraph

ROOT_SHARE = 0.1
"""Of the time or work for adding cliques to the relaxation."""

RELAX_SHARE = 0.25
"""For the relaxation that prices are published from; branching has its own."""

CLIMBING = 0.06
MOST_CLIMBING = 0.5
"""Shares of a worker's time for tabu search: at least, and while its latter half gained something."""

ENUMERATE_SHARE = 0.04
DENSE_SHARE = 0.7
DENSE = 0.45
"""From this share of pairs in conflict stable sets are small and enumerating them is promising."""

FIRST_NODES = 20_000
SLICE_MOVES = 40_000
"""Of tabu search: about a twentieth of a second."""

MOVES_PER_WORK = 8


def stable_workers(case: Case, deadline: Deadline, workers: int) -> tuple[Callable[[], None], ...]:
    """Return what the workers do under a time limit; nothing if the market is no conflict graph."""
    graph = conflict_graph(case.p, case.terms)
    if graph is None:
        return ()
    turns = _Turns(case, graph, deadline)
    return (turns.prove, turns.improve) if workers > 1 else (turns.alone,)


class _Turns:
    def __init__(self, case: Case, graph: ConflictGraph, deadline: Deadline) -> None:
        from market.clearing.search.stable_search import StableSearch  # noqa: PLC0415  numba

        self.case, self.deadline = case, deadline
        self.search = StableSearch(case, graph)
        left = deadline.left()
        self.span_s = 10.0 if left is None else left
        self.opened = Event()

    def proceed(self) -> bool:
        """Return whether to go on."""
        return not self.case.incumbent.stopped.is_set() and not self.deadline.passed()

    def within(self, share: float) -> Callable[[], bool]:
        """Return whether to go on for a share of the time, from now."""
        end = self.deadline.now() + share * self.span_s
        return lambda: self.proceed() and self.deadline.now() < end

    def limits(self) -> SolveLimits:
        """Return limits for one relaxation."""
        return SolveLimits(time_s=self.deadline.left())

    def alone(self) -> None:
        """Enumerate for a moment, solve the relaxations, climb, then branch."""
        self.search.enumerate(FIRST_NODES)
        if self.proceed():
            self.relax()
            self.climb()
            self.search.work(self.proceed)

    def prove(self) -> None:
        """Solve the relaxations, then branch."""
        self.relax()
        self.search.work(self.proceed)

    def relax(self) -> None:
        """Solve the market's relaxation, then that with cliques; open the root."""
        try:
            self.case.relax(SolveLimits(time_s=self.deadline.within(RELAX_SHARE * self.span_s)))
            if self.proceed():
                self.search.relax(self.within(ROOT_SHARE), self.limits)
        except SolverError as error:
            self.case.failures.append(str(error))
            self.search.open_root()
        finally:
            self.opened.set()

    def enumerate(self) -> None:
        """Enumerate ever longer while that may end it within a share of the time."""
        share = DENSE_SHARE if self.search.density() > DENSE else ENUMERATE_SHARE
        go_on, begin = self.within(share), self.deadline.now()
        nodes = FIRST_NODES
        while go_on() and self.search.enumerate(nodes) > nodes:
            now = self.deadline.now()
            left = begin + share * self.span_s - now
            nodes = min(4 * nodes, int(nodes * left / max(now - begin, 1e-3)))
            if nodes < FIRST_NODES:
                return

    def improve(self) -> None:
        """Enumerate, climb, then branch."""
        self.enumerate()
        self.climb()
        self.opened.wait(self.deadline.left())
        self.search.work(self.proceed)

    def climb(self) -> None:
        """Climb for a share of the time, and on while that pays."""
        incumbent, begin = self.case.incumbent, self.deadline.now()
        last, known = begin, incumbent.objective
        while self.proceed():
            self.search.climb(SLICE_MOVES)
            now = self.deadline.now()
            if incumbent.objective > known:
                last, known = now, incumbent.objective
            share = MOST_CLIMBING if 2 * (last - begin) > now - begin else CLIMBING
            if now - begin > share * self.span_s:
                return


def search_stable_counted(case: Case, work: int) -> bool:
    """Search under a work limit, one step after the other; return whether the market is a conflict graph."""
    graph = conflict_graph(case.p, case.terms)
    if graph is None:
        return False
    from market.clearing.search.stable_search import StableSearch  # noqa: PLC0415  numba

    stopped = case.incumbent.stopped

    def left() -> int:
        return max(0, work - case.work)

    case.relax(SolveLimits(work=max(1000, left())))
    if stopped.is_set() or case.infeasible:
        return True
    search = StableSearch(case, graph)
    last = left() * (1.0 - ROOT_SHARE)
    search.relax(lambda: left() > last and not stopped.is_set(), lambda: SolveLimits(work=max(1000, left())))
    if not stopped.is_set():
        search.enumerate(min(FIRST_NODES, left()))
    moves = int(left() * CLIMBING) * MOVES_PER_WORK
    while moves > 0 and not stopped.is_set():
        done = search.climb(min(moves, SLICE_MOVES))
        case.work += -(-done // MOVES_PER_WORK)
        moves -= done
    search.work(lambda: left() > 0 and not stopped.is_set(), left)
    return True
