"""Search one case until it is proven, good enough, or out of budget.

Two threads work on one case: one proves (relaxation, then the program cut down by reduced costs), one
improves (annealing, then large neighbourhoods). Under a work limit: `counted_search`. Solvers and
compiled code release the GIL.
"""

from __future__ import annotations

from threading import Event, Lock, Thread
from typing import TYPE_CHECKING

import numpy as np

from market.clearing.errors import SolverError
from market.clearing.formulation.packing_rules import woven
from market.clearing.problem import NONE
from market.clearing.program import Answer, SolveLimits
from market.clearing.search.block_turns import bound_by_blocks
from market.clearing.search.case import LARGE_COLUMNS
from market.clearing.search.neighbourhood import Neighbourhoods
from market.clearing.search.sharpening import sharpen
from market.clearing.search.stable_turns import stable_workers

if TYPE_CHECKING:
    from collections.abc import Callable

    from market.clearing.limits import Deadline
    from market.clearing.local_search.annealing import Annealer
    from market.clearing.local_search.plan_rounds import PlanRounds
    from market.clearing.search.case import Case

SMALL_COLUMNS = 3000
"""Programs up to this size are searched without a restart."""

MEDIUM_COLUMNS = 6000
"""Above this size the relaxation may be solved roughly."""

MANY_ROWS = 1000
"""Below so many capacities the relaxation is quick however many bids there are."""

LARGE_ROWS = 20_000
"""But not with so many rows."""

ACCURACY = 1e-4
"""How roughly large relaxations are solved; pricing single uses gains a hundred times as much."""


def search_for(case: Case, deadline: Deadline, workers: int, halt: Event) -> None:
    """Search under a time limit; returns when done or shortly after the deadline."""
    prover = _Prover(case, deadline)
    stopped = case.incumbent.stopped
    if case.f.program.n_columns <= TINY_COLUMNS:
        prover.relax()
        if not stopped.is_set():
            case.exact(SolveLimits(time_s=deadline.within(QUICK_S)), stopped.is_set)
        if stopped.is_set() or deadline.passed():
            return
    improver = _Improver(case, deadline, prover)
    work = stable_workers(case, deadline, workers)
    if not work:
        work = (prover.run, improver.run) if workers > 1 else (lambda: _by_turns(prover, improver),)
    threads = [Thread(target=_quietly, args=(run, case)) for run in work]
    for thread in threads:
        thread.start()
    try:
        while any(thread.is_alive() for thread in threads):
            if stopped.wait(POLL_S) or deadline.passed() or halt.is_set():
                break
        stopped.set()
        for thread in threads:
            thread.join(GRACE_S)
    except KeyboardInterrupt:
        stopped.set()
        raise


TINY_COLUMNS = 300
"""Programs up to this size are tried at once, before any thread starts."""

QUICK_S = 0.3
POLL_S = 0.02

GRACE_S = 0.15
"""How long threads are waited for after the end: their best is already with the incumbent."""


def _by_turns(prover: _Prover, improver: _Improver) -> None:
    """Search with one worker: prove for a share of the time, then improve, then prove on."""
    prover.relax()
    prover.sharpen(FIRST_PROOF)
    case, left = prover.case, prover.deadline.left()
    first = None if left is None else left * FIRST_PROOF
    if case.searchable and not case.incumbent.stopped.is_set():
        case.exact(SolveLimits(time_s=first), case.incumbent.stopped.is_set)
    if not case.incumbent.stopped.is_set():
        improver.run()


FIRST_PROOF = 0.3


def _quietly(run: Callable[[], None], case: Case) -> None:
    """Run a worker; a solver that fails leaves the other worker to go on."""
    try:
        run()
    except SolverError as error:
        case.failures.append(str(error))


def rough(case: Case) -> float | None:
    """Return how roughly to solve the relaxation: where it is large, the simplex method takes too long."""
    rows = int((case.f.resource_row != NONE).sum())
    large = rows > MANY_ROWS or case.f.program.n_rows > LARGE_ROWS
    return ACCURACY if large and case.f.program.n_columns > MEDIUM_COLUMNS else None


class _Prover:
    """Relaxation, then the program: a bound, and a proof where there is time."""

    def __init__(self, case: Case, deadline: Deadline) -> None:
        self.case, self.deadline = case, deadline
        self.relaxed = Event()
        self.priced = Event()
        """Set when there are prices to rank bids by, or will be none."""
        self.warm = Event()
        """Set when the improver has had its first cycle."""
        self.kept = 1.0
        """Share of columns that the incumbent's worth leaves in play."""
        self.restarted = False
        self.whole = Lock()
        """Held by whoever searches the whole program."""
        self.planted = 0.0
        """Seconds that were left when the tree search began."""
        self.woven = woven(case.p) and case.f.program.n_columns <= MEDIUM_COLUMNS
        """Whether a tree is the best that there is, and gets on."""
        left = deadline.left()
        self.span_s = 0.0 if left is None else left

    def relax(self) -> None:
        """Solve the relaxation once, and price single uses for a while before others use the prices."""
        if not self.relaxed.is_set():
            try:
                self.case.relax(SolveLimits(time_s=self.deadline.left(), accuracy=rough(self.case)))
                if not self.case.incumbent.stopped.is_set():
                    self.sharpen(SHARPEN_FIRST)
            finally:
                self.relaxed.set()
                self.priced.set()

    def sharpen(self, share: float) -> None:
        """Price single uses for a share of the time left."""
        left, stopped = self.deadline.left(), self.case.incumbent.stopped
        end = self.deadline.now() + (10.0 if left is None else left * share)
        sharpen(self.case, lambda: not stopped.is_set() and self.deadline.now() < end)

    def run(self) -> None:
        """Prove until the end, or leave off where it is hopeless and improve instead."""
        case, stopped = self.case, self.case.incumbent.stopped
        try:
            self.relax()
            if stopped.is_set():
                return
            for share in SHARPEN_SHARES[2:] if bound_by_blocks(case, self.deadline) else SHARPEN_SHARES:
                if stopped.is_set():
                    return
                self.sharpen(share)
            if case.searchable:
                self.planted = self.deadline.within(self.span_s)
                with self.whole:
                    case.exact(SolveLimits(time_s=self.deadline.left()), self.leave)
                    if not stopped.is_set() and self.shrunk():
                        self.restarted = True
                        case.exact(SolveLimits(time_s=self.deadline.left()), self.leave)
        finally:
            self.priced.set()
        if not stopped.is_set() and case.prices is not None:
            helper = _Improver(case, self.deadline, self, seed=HELPER_SEED)
            if case.annealable:
                helper.annealer = case.annealer(HELPER_SEED)
                if case.by_order:
                    helper.anneal(share=LEAST_ANNEAL_SHARE, heat=HEAT)
            helper.neighbourhoods()

    def leave(self) -> bool:
        """Return whether to leave off searching the program as it is: done, restart pays, or hopeless."""
        return self.case.incumbent.stopped.is_set() or self.shrunk() or self.hopeless()

    def hopeless(self) -> bool:
        """Return whether half-time has passed with a gap that no tree search closes in the rest.

        A tree that found the best answer so far goes on, one that was begun in time has its share, and one
        over orders that take several winners is never left.
        """
        incumbent, left = self.case.incumbent, self.deadline.left()
        if incumbent.best is None or incumbent.best is self.case.by_tree or left is None or self.woven:
            return False
        half = self.span_s * (1.0 - HALF_TIME)
        if left > (half if self.planted < half else min(half, self.planted - TREE_SHARE * self.span_s)):
            return False
        return bool(incumbent.bound - incumbent.objective > WIDE_GAP * max(1.0, abs(incumbent.objective)))

    def shrunk(self) -> bool:
        """Return whether the improver's first cycle let reduced costs exclude much of the program."""
        if self.restarted or not self.warm.is_set() or self.kept > SHRUNK:
            return False
        return self.case.f.program.n_columns > SMALL_COLUMNS


SHARPEN_FIRST = 0.05
SHARPEN_SHARES = (0.15, 0.25, 0.6)
"""Shares of the time left after which the bound is published anew; the last leaves time to do so."""

SHRUNK = 0.6
HALF_TIME = 0.4
TREE_SHARE = 0.3
WIDE_GAP = 0.02
HELPER_SEED = 7


class _Improver:
    """Annealing and large neighbourhoods, by turns that pay."""

    def __init__(self, case: Case, deadline: Deadline, prover: _Prover, seed: int = 1) -> None:
        self.case, self.deadline, self.prover = case, deadline, prover
        self.seed = seed
        self.annealer: Annealer | None = None
        self.chooser: PlanRounds | None = None
        left = deadline.left()
        self.span_s = 30.0 if left is None else left
        self.target = float(np.clip(case.f.program.n_columns / 100, 400, 2000))
        self.per_order = 4
        self.narrow_proven = True
        self.in_vain = 0
        """Turns of annealing since one found something."""

    def run(self) -> None:
        """Improve until the end."""
        case, stopped = self.case, self.case.incumbent.stopped
        if stopped.wait(self.deadline.within(HEAD_START_S)):
            return
        if case.annealable:
            from market.clearing.local_search import annealing  # noqa: F401, PLC0415  load numba while the relaxation is solved
        if not self.prover.priced.wait(self.deadline.within(PATIENCE * self.span_s)) and case.annealable:
            self.annealer = case.annealer(self.seed)
            self.anneal(share=UNPRICED_SHARE, heat=HEAT)
        self.prover.priced.wait(self.deadline.left())
        if stopped.is_set() or case.prices is None:
            return
        try:
            if case.annealable:
                self.annealer = case.annealer(self.seed)
                share = LEAST_ANNEAL_SHARE + case.f.program.n_columns / COLUMNS_PER_SHARE
                self.anneal(share=min(MOST_ANNEAL_SHARE, share), heat=HEAT)
        finally:
            self.prover.kept = float(case.candidates().mean())
            self.prover.warm.set()
        self.neighbourhoods()

    def anneal(self, share: float, heat: float) -> None:
        """Run one cooling cycle over a share of the time that is left."""
        annealer, deadline, stopped = self.annealer, self.deadline, self.case.incumbent.stopped
        assert annealer is not None
        span = max(0.05, share * (30.0 if (left := deadline.left()) is None else left))
        begin = deadline.now()

        def progress() -> float:
            return 1.0 if stopped.is_set() else (deadline.now() - begin) / span

        annealer.cycle(progress, SLICE_MOVES, heat, self.case.offer_quantity)

    def neighbourhoods(self) -> None:
        """Improve the incumbent until the end, by whatever gains most per second."""
        case, stopped = self.case, self.case.incumbent.stopped
        assert case.prices is not None
        hoods = Neighbourhoods(case.f, case.prices.worth, np.random.default_rng(self.seed))
        if case.incumbent.best is None or not case.annealable:
            self.first()
        arms: dict[str, Callable[[], None]] = {"free": lambda: self.rounds(hoods)}
        if self.annealer is not None:
            arms["anneal"] = self.anneal_again
            if case.planned:
                arms["plans"] = self.plans
        if case.f.program.n_columns <= LARGE_COLUMNS:
            arms["narrow"] = self.narrow
        rates = dict.fromkeys(arms, float("inf"))
        while not stopped.is_set() and not self.deadline.passed() and case.incumbent.best is not None:
            arm = max(rates, key=lambda name: rates[name])
            before, begin = case.incumbent.objective, self.deadline.now()
            arms[arm]()
            rate = (case.incumbent.objective - before) / max(self.deadline.now() - begin, 1e-3)
            rates[arm] = rate if rates[arm] == float("inf") else (rates[arm] + rate) / 2
            if arm == "narrow" or max(rates.values()) <= 0.0:
                rates = {name: 1.0 if name != arm else 0.5 for name in arms}
                if not self.narrow_proven:
                    rates["narrow"] = 0.0

    def rounds(self, hoods: Neighbourhoods) -> None:
        """Solve neighbourhood after neighbourhood for a turn."""
        case, stopped = self.case, self.case.incumbent.stopped
        begin = self.deadline.now()
        while not stopped.is_set() and self.deadline.now() < begin + self.turn_s():
            values = case.values()
            if values is None or case.incumbent.best is None:
                return
            free = hoods.draw(case.incumbent.best.quantity, int(self.target))
            start = self.deadline.now()
            solved = case.improve_within(
                free, values, SolveLimits(time_s=self.deadline.within(ROUND_S)), stopped.is_set
            )
            self.adapt(proven=solved.answer is Answer.OPTIMAL, seconds=self.deadline.now() - start)

    def plans(self) -> None:
        """Choose anew among the plans of some orders, round after round for a turn."""
        assert self.annealer is not None
        if self.chooser is None:
            self.chooser = self.case.plan_rounds(self.annealer.packing, self.seed)
        stopped, end_s = self.case.incumbent.stopped, self.deadline.now() + self.turn_s()
        while not stopped.is_set() and self.deadline.now() < end_s:
            self.case.choose_plans(self.chooser, SolveLimits(time_s=self.deadline.within(ROUND_S)))

    def anneal_again(self) -> None:
        """Anneal from the incumbent, colder; the hotter and longer the more turns have been in vain."""
        best, left = self.case.incumbent.best, self.deadline.left()
        assert self.annealer is not None
        assert best is not None
        before, again = self.case.incumbent.objective, 1 + self.in_vain % VAIN_TURNS
        self.annealer.restart(best.quantity)
        share = 0.1 if left is None else again * self.turn_s() / max(left, 1e-3)
        self.anneal(share=min(1.0, share), heat=HEAT * again / VAIN_TURNS)
        self.in_vain = 0 if self.case.incumbent.objective > before else self.in_vain + 1

    def narrow(self) -> None:
        """Search the best few bids of every order together; twice as many once that is done."""
        left = self.deadline.left()
        span = 5.0 if left is None else left * NARROW_SHARE
        limits = SolveLimits(time_s=self.deadline.within(span))
        solved = self.case.narrow(self.per_order, limits, self.case.incumbent.stopped.is_set)
        self.narrow_proven = solved is not None and solved.answer is Answer.OPTIMAL
        if self.narrow_proven:
            self.per_order *= 2

    def turn_s(self) -> float:
        """Return how long one turn of an arm lasts."""
        return max(LEAST_TURN_S, TURN_SHARE * self.span_s)

    def first(self) -> None:
        """Find a first allocation with the best few bids of every order, else with all of them."""
        case, left = self.case, self.deadline.left()
        share = 10.0 if left is None else left * 0.3
        for per_order in (3, 6):
            limits = SolveLimits(time_s=self.deadline.within(share))
            case.narrow(per_order, limits, case.incumbent.stopped.is_set)
            if self.answered():
                return
        while not self.answered() and not self.deadline.passed():  # the prover may be at it
            if self.prover.whole.acquire(blocking=False):
                try:
                    case.exact(SolveLimits(time_s=self.deadline.left()), self.answered)
                    return
                finally:
                    self.prover.whole.release()
            case.incumbent.stopped.wait(POLL_S)

    def answered(self) -> bool:
        """Return whether there is an answer, or no more time for one."""
        return self.case.incumbent.stopped.is_set() or self.case.incumbent.best is not None

    def adapt(self, *, proven: bool, seconds: float) -> None:
        """Grow neighbourhoods that are solved fast, shrink those that are not."""
        if proven and seconds < ROUND_S / 4:
            self.target = min(self.target * 1.2, LARGEST_TARGET, self.case.f.program.n_columns * 1.2)
        elif not proven:
            self.target = max(self.target * 0.8, 60.0)


HEAT = 0.3
"""Start of a cooling cycle, as a share of the sizes of losing moves."""

PATIENCE = 0.4
"""How long prices are waited for, as a share of the time; then annealing begins without."""

UNPRICED_SHARE = 0.3

VAIN_TURNS = 3
"""After so many turns of annealing in vain it has been as hot as it began."""

LEAST_ANNEAL_SHARE = 0.2
MOST_ANNEAL_SHARE = 0.55
COLUMNS_PER_SHARE = 150_000

HEAD_START_S = 0.05
"""The improver waits so long, so that easy programs end before it loads anything."""

SLICE_MOVES = 4000
ROUND_S = 0.6
LEAST_TURN_S = 0.3
TURN_SHARE = 0.06
NARROW_SHARE = 0.25
LARGEST_TARGET = 20_000.0
