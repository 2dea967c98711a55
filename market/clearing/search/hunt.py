"""Search a market part after part, several at a time where there are helpers, and join what is found.

Parts that hold most of the market are searched last, one by one, with all workers on each; the others
by turns: this process takes one, every helper another. Under a time limit each part gets its share of
what is left; under a work limit its share of the work, fixed before the start.
"""

from __future__ import annotations

import math
from collections import deque
from contextlib import suppress
from dataclasses import replace
from functools import partial
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING

import numpy as np

from market.clearing.bounds.multipliers import at_most_value, with_senders, without_charge
from market.clearing.errors import HelperLostError
from market.clearing.formulation.allocation import Allocation, allocation_of
from market.clearing.formulation.components import parts_of
from market.clearing.formulation.dominance import dominators, hopeless, needed
from market.clearing.limits import Deadline
from market.clearing.order_by_order.greedy import greedy
from market.clearing.order_by_order.uncoupled import best_bids
from market.clearing.publishing.counterfactual import Budget, Counterfactuals
from market.clearing.publishing.publish import Found
from market.clearing.result import Multipliers
from market.clearing.search.conflict import conflicting_orders
from market.clearing.search.part_search import PartFound, PartSearch, PartTask
from market.clearing.stable_sets.clique_list import with_dominated
from market.clearing.stable_sets.conflict_graph import bending
from market.clearing.terms import terms_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from market.clearing.formulation.components import Part
    from market.clearing.limits import Limits, Stopwatch
    from market.clearing.problem import Problem
    from market.clearing.program import Solver
    from market.clearing.search.part_search import Helper, Hire

HELPED_BIDS = 3_000
"""A helper starts in about half a second of a core: no fewer bids are worth it, or less time than this."""

HELPED_S = 3.0

POLL_S = 0.05
LEAVE_S = 0.5
"""How long helpers are waited for after a halt."""


class Hunt:
    """Searches the parts of a market.

    ``end_s`` is when `run` should have returned, on the clock given, or None. Another thread may ask
    `so_far` for the best allocation and `standing` for numbers at any time.
    """

    def __init__(
        self,
        p: Problem,
        solver: Solver,
        limits: Limits,
        clock: Stopwatch,
        halt: Event,
        watch: Callable[[float, float], None] | None = None,
        hire: Hire | None = None,
    ) -> None:
        started = clock.monotonic_s()
        self.end_s: float | None = None
        if limits.time_s is not None:
            self.end_s = started + limits.time_s - min(0.3 * limits.time_s, publishing_s(p))
        self.p, self.solver, self.limits = p, solver, limits
        self.terms = terms_of(p)
        self.deadline = Deadline(now=clock.monotonic_s, start_s=started, end_s=self.end_s)
        self.halt, self.watch, self.hire = halt, watch, hire
        self.parts: list[Part] = []
        self.sizes: list[int] = []
        self._known: dict[int, PartFound | PartSearch] = {}
        self._lock = Lock()

    def run(self) -> Found:
        """Return what was found in all parts together."""
        quantity = best_bids(self.p, self.terms) if self.p.mechanism != "greedy" else None
        if quantity is not None:
            best = allocation_of(self.p, self.terms, quantity, ())
            return Found(
                allocation=best,
                bound=best.objective,
                multipliers=Multipliers(),
                greedy=best,
                components=self.p.n_orders,
            )
        self.parts, count = parts_of(self.p, replace(self.terms, usable=needed(self.p, self.terms)))
        self.sizes = [part.problem.n_bids + 1 for part in self.parts]
        helpers = self.helpers()
        if helpers:
            self.together(helpers)
        self.in_turn(self.unanswered())
        return self.merged(count)

    def helpers(self) -> list[Helper]:
        """Hire helpers where there is enough for them to do."""
        workers, left = self.limits.workers, self.deadline.left()
        if self.hire is None or workers == 1 or (left is not None and left < HELPED_S):
            return []
        shared = self.shared(workers)
        if len(shared) < 2 or sum(self.sizes[k] for k in shared) < HELPED_BIDS:  # noqa: PLR2004  one each
            return []
        hired = [self.hire() for _ in range(min(workers, len(shared)) - 1)]
        return [helper for helper in hired if helper is not None]

    def shared(self, lanes: int) -> list[int]:
        """Return the parts that are searched side by side, the largest first."""
        most = sum(self.sizes) / lanes
        return sorted((k for k, n in enumerate(self.sizes) if n <= most), key=lambda k: (-self.sizes[k], k))

    def together(self, helpers: list[Helper]) -> None:
        """Search parts here and with helpers side by side."""
        waiting = deque(self.shared(1 + len(helpers)))
        left = self.deadline.left()
        share = sum(self.sizes[k] for k in waiting) / sum(self.sizes)
        end_s = None if left is None else self.deadline.now() + left * share

        def next_part() -> tuple[int, float | None] | None:
            with self._lock:
                if not waiting or self.halt.is_set():
                    return None
                todo = sum(self.sizes[k] for k in waiting)
                k = waiting.popleft()
            if end_s is None:
                return k, None
            span = min(1.0, (1 + len(helpers)) * self.sizes[k] / todo)
            return k, span * max(0.0, end_s - self.deadline.now())

        def alongside(helper: Helper) -> None:
            with suppress(HelperLostError):  # what it held is searched here
                while (part := next_part()) is not None:
                    self._known[part[0]] = helper.search(self.task(*part, 1))

        def here() -> None:
            while (part := next_part()) is not None:
                self.here(self.task(*part, 1), part[0])

        jobs: list[Callable[[], None]] = [here, *(partial(alongside, helper) for helper in helpers)]
        threads = [Thread(target=job, name="part", daemon=True) for job in jobs]
        for thread in threads:
            thread.start()
        try:
            self.wait(threads, helpers)
        finally:
            for helper in helpers:
                helper.close()

    def wait(self, threads: list[Thread], helpers: list[Helper]) -> None:
        """Wait for parts searched side by side; after a halt, or too long, not for much longer."""
        end_s: float | None = None
        while any(thread.is_alive() for thread in threads):
            try:
                next(thread for thread in threads if thread.is_alive()).join(POLL_S)
            except KeyboardInterrupt:
                self.interrupted()
            if end_s is None and (self.halt.is_set() or self.deadline.passed()):
                end_s = self.deadline.now() + LEAVE_S
                for helper in helpers:
                    helper.halt()
            if end_s is not None and self.deadline.now() > end_s:
                return

    def unanswered(self) -> list[int]:
        """Return the parts that are to be searched yet.

        One that a thread of ours still searches is not: what it has found is known, and would be lost.
        """
        return [
            k
            for k, part in ((k, self._known.get(k)) for k in range(len(self.parts)))
            if part is None or (isinstance(part, PartSearch) and part.found().best is None)
        ]

    def in_turn(self, parts: list[int]) -> None:
        """Search parts here, one after the other, with all workers on each."""
        for n, k in enumerate(parts):
            left = self.deadline.left()
            share = self.sizes[k] / sum(self.sizes[j] for j in parts[n:])
            task = self.task(k, None if left is None else left * share, self.limits.workers)
            try:
                self.here(task, k)
            except KeyboardInterrupt:
                self.interrupted()

    def interrupted(self) -> None:
        """End the search with the best so far; one of so much work comes to what it must or to nothing."""
        self.halt.set()
        if self.end_s is None:
            raise KeyboardInterrupt

    def task(self, k: int, time_s: float | None, workers: int) -> PartTask:
        """Return the search of a part, its share of the work in it."""
        work = self.limits.work
        return PartTask(
            problem=self.parts[k].problem,
            gap_ppm=self.limits.gap_ppm,
            time_s=time_s,
            work=None if work is None else int(work * self.sizes[k] / sum(self.sizes)),
            workers=workers,
        )

    def here(self, task: PartTask, k: int) -> None:
        """Search a part in this process."""
        self._known[k] = search = PartSearch(task, self.solver, None if self.watch is None else self._tell)
        self._known[k] = search.run(self.deadline.now, self.halt)

    def known(self) -> list[PartFound]:
        """Return what is known about every part, from any thread."""
        known = (self._known.get(k, PartFound()) for k in range(len(self.parts)))
        return [part.found() if isinstance(part, PartSearch) else part for part in known]

    def standing(self) -> tuple[float, float, int]:
        """Return objective and bound of all parts so far, and how many are begun; ∓inf where unknown."""
        known = self.known()
        begun = len(self._known)
        worth = [part.best.objective for part in known if part.best is not None]
        bound = math.fsum(part.bound for part in known) if known else math.inf
        return sum(worth) if worth else -math.inf, bound, begun

    def _tell(self) -> None:
        """Report once every part has an answer."""
        known = self.known()
        if self.watch is not None and all(part.best is not None for part in known):
            objective, bound, _ = self.standing()
            self.watch(objective, bound)

    def so_far(self) -> Found:
        """Return the best of every part so far, greedy where none was begun; for when `run` is stuck."""
        cut = self.parts  # `run` may set it meanwhile
        parts = cut or parts_of(self.p, self.terms)[0]
        known = self.known() if cut else [PartFound()] * len(parts)
        best, base = [part.best for part in known], [part.baseline for part in known]
        for k, part in enumerate(parts):
            if best[k] is None:
                first, missed = greedy(part.problem, terms_of(part.problem))
                best[k] = base[k] = None if missed else first
        multipliers = [part.multipliers for part in known if part.multipliers is not None]
        return Found(
            allocation=self.joined(parts, best),
            greedy=self.joined(parts, base),
            multipliers=self.told(multipliers) if multipliers else None,
            failed=True,
            components=len(parts),
            work=sum(part.work for part in known),
        )

    def counterfactuals(self) -> Counterfactuals:
        """Return what payment rules may ask, within what is left of the limits."""
        budget = Budget(left_s=self.deadline.left, work=self.limits.work, workers=self.limits.workers)
        return Counterfactuals(self.solver, budget)

    def merged(self, count: int) -> Found:
        """Put the parts together."""
        known = self.known()
        work = sum(part.work for part in known)
        # An allocation at hand refutes a solver that says there is none.
        hopeless = [k for k, part in enumerate(known) if part.infeasible and part.best is None]
        if hopeless:
            p = self.parts[hopeless[0]].problem
            names = conflicting_orders(
                p, terms_of(p), self.solver, lambda: self.deadline.passed() or self.halt.is_set()
            )
            return Found(allocation=None, infeasible=True, conflict=names, components=count, work=work)
        multipliers = [part.multipliers for part in known if part.multipliers is not None]
        return Found(
            allocation=self.joined(self.parts, [part.best for part in known]),
            greedy=self.joined(self.parts, [part.baseline for part in known]),
            bound=math.fsum(part.bound for part in known),
            multipliers=self.told(multipliers) if len(multipliers) == len(known) else None,
            failed=any(part.failures or part.infeasible for part in known),
            components=count,
            work=work,
        )

    def told(self, parts: list[Multipliers]) -> Multipliers:
        """Return the multipliers of all parts, and those of the bids that no part has."""
        p, left_out = self.p, hopeless(self.p, self.terms)
        told = with_senders(p, at_most_value(p, concatenated(parts)))
        if told.cliques:
            kept = self.terms.usable & ~left_out & ~bending(p, self.terms)
            told = with_dominated(p, told, dominators(p, self.terms, kept))
        return without_charge(p, told, left_out)

    def joined(self, parts: list[Part], found: list[Allocation | None]) -> Allocation | None:
        """Return the allocation of the whole problem, or None if a part has none."""
        quantity = np.zeros(self.p.n_bids, dtype=np.int64)
        moves: list[tuple[int, int, int, int]] = []
        for part, a in zip(parts, found, strict=True):
            if a is None:
                return None
            quantity[part.bids] = a.quantity
            moves += [(int(part.arcs[e]), int(part.bids[s]), int(part.bids[t]), q) for e, s, t, q in a.moves]
        return allocation_of(self.p, self.terms, quantity, tuple(moves))


def concatenated(parts: list[Multipliers]) -> Multipliers:
    """Return the multipliers of all parts, sorted by id."""
    return Multipliers(
        resources=tuple(sorted(x for m in parts for x in m.resources)),
        lots=tuple(sorted(x for m in parts for x in m.lots)),
        groups=tuple(sorted(x for m in parts for x in m.groups)),
        openings=tuple(sorted(x for m in parts for x in m.openings)),
        uses=tuple(sorted(x for m in parts for x in m.uses)),
        arcs=tuple(sorted(x for m in parts for x in m.arcs)),
        cliques=tuple(sorted(x for m in parts for x in m.cliques)),
        kind="lp_dual" if all(m.kind == "lp_dual" for m in parts) else "lagrangian",
    )


def publishing_s(p: Problem) -> float:
    """Return about how many seconds publishing takes, which must end before the limit; a slow core's."""
    planned = int((np.diff(p.order_lot_ptr) > 1).any()) * 0.1
    flows = 2e-4 * len(p.arc_ids)
    return planned + flows + 1e-6 * p.n_bids + 4e-5 * p.n_orders + 4e-6 * p.use_resource.size
