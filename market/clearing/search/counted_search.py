"""Search one case under a work limit: the same steps as under a clock, one after the other.

Shares of the work are fixed in advance, so the answer depends on nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from market.clearing.program import Answer, SolveLimits
from market.clearing.search.neighbourhood import Neighbourhoods
from market.clearing.search.sharpening import sharpen, sharpened
from market.clearing.search.stable_turns import search_stable_counted
from market.clearing.search.timed_search import HEAT, SLICE_MOVES, SMALL_COLUMNS, rough

if TYPE_CHECKING:
    from market.clearing.local_search.annealing import Annealer
    from market.clearing.search.case import Case


def search_counted(case: Case, work: int) -> None:
    """Search under a work limit, one step after the other."""
    if search_stable_counted(case, work):
        return
    stopped = case.incumbent.stopped
    size = case.f.program.n_columns
    case.relax(SolveLimits(work=max(1000, work // 2), accuracy=rough(case)))
    root = case.work
    if not stopped.is_set():
        end = case.work + work // 5
        sharpen(case, lambda: case.work + sharpened(case) < end)
    if stopped.is_set() or case.prices is None:
        return
    if size <= SMALL_COLUMNS and work - case.work >= ROOTS_PER_SEARCH * root:
        case.exact(SolveLimits(work=max(0, work - case.work) // 4), stopped.is_set)
    left, annealer = max(0, work - case.work), None
    if not stopped.is_set() and case.annealable and left >= LEAST_ANNEALING:
        annealer = case.annealer(1, left // 2 * MOVES_PER_WORK)
        moves = min(left // 4, MOST_MOVES // MOVES_PER_WORK) * MOVES_PER_WORK
        slices = max(1, moves // SLICE_MOVES)
        done = iter(range(slices + 1))
        annealer.cycle(lambda: next(done, slices) / slices, SLICE_MOVES, HEAT, case.offer_quantity)
        case.work += annealer.moves // MOVES_PER_WORK
    if not stopped.is_set() and case.searchable and work - case.work >= ROOTS_PER_SEARCH * root:
        case.exact(SolveLimits(work=max(0, work - case.work) // 2), stopped.is_set)
    if not stopped.is_set():
        _counted_neighbourhoods(case, work, annealer)


ROOTS_PER_SEARCH = 6
"""A tree search is begun only with so many times the iterations of the relaxation left: its root, with cuts,
takes several times as many and cannot be interrupted on a count."""

LEAST_ANNEALING = 2000
MOVES_PER_WORK = 16
MOST_MOVES = 4_000_000


def _counted_neighbourhoods(case: Case, work: int, annealer: Annealer | None) -> None:
    stopped = case.incumbent.stopped
    assert case.prices is not None
    if case.incumbent.best is None:
        case.narrow(4, SolveLimits(work=max(0, work - case.work) // 2), stopped.is_set)
    if case.incumbent.best is None and not stopped.is_set():
        case.exact(SolveLimits(work=max(0, work - case.work)), lambda: case.incumbent.best is not None)
    hoods = Neighbourhoods(case.f, case.prices.worth, np.random.default_rng(1))
    target = 400.0
    rounds = case.plan_rounds(annealer.packing, 1) if annealer is not None and case.planned else None
    for _ in range(MOST_ROUNDS):
        if rounds is not None and case.work < work:
            case.choose_plans(rounds, SolveLimits(work=min(ROUND_WORK, work - case.work)))
        values = case.values()
        if stopped.is_set() or case.work >= work or values is None or case.incumbent.best is None:
            return
        free = hoods.draw(case.incumbent.best.quantity, int(target))
        before = case.work
        solved = case.improve_within(
            free, values, SolveLimits(work=min(ROUND_WORK, work - case.work)), stopped.is_set
        )
        case.work = max(case.work, before + 50)
        target = min(target * 1.25, 20_000.0) if solved.answer is Answer.OPTIMAL else max(target * 0.8, 60.0)


MOST_ROUNDS = 10_000
ROUND_WORK = 4000
