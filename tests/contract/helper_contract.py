"""What every `Helper` must do; a suite per adapter subclasses it."""

from __future__ import annotations

import time
from threading import Event, Thread, Timer

import numpy as np
import pytest

from benchmarks.clearing.vcg import regions
from market.adapters.solver_pulp import PulpSolver
from market.clearing.clear import clear
from market.clearing.documents.problem_json import problem_from_document
from market.clearing.errors import HelperLostError
from market.clearing.limits import Limits
from market.clearing.search.part_search import Helper, Hire, PartFound, PartSearch, PartTask
from takt_sdk.wall_clock import WallClock
from tests.integration.clear_markets import COUPLED_OPTIMUM, coupled_market, hard_market
from tests.property.clearing_markets import random_market
from tests.unit.market.clearing.documents import Document

PATIENCE_S = 60.0


def task_of(document: Document, *, work: int | None = None, time_s: float | None = None) -> PartTask:
    """Return the search of a whole small market."""
    return PartTask(problem=problem_from_document(document), gap_ppm=0, work=work, time_s=time_s)


def here(task: PartTask) -> PartFound:
    """Search a part in this process."""
    return PartSearch(task, PulpSolver()).run(WallClock().monotonic_s, Event())


class HelperContract:
    """Behaviour every helper shares."""

    @pytest.fixture
    def hire(self) -> Hire:
        """Return what hires; overridden by each adapter."""
        raise NotImplementedError

    @pytest.fixture
    def helper(self, hire: Hire) -> Helper:
        """Return a helper."""
        found = hire()
        assert found is not None
        return found

    def lose(self, helper: Helper) -> None:
        """End a helper from outside, as a crash does."""
        raise NotImplementedError

    def test_finds_what_is_found_here(self, helper: Helper) -> None:
        for document in (coupled_market(), *(random_market(seed) for seed in range(12))):
            task = task_of(document, work=20_000)
            there, mine = helper.search(task), here(task)
            for name in ("bound", "multipliers", "infeasible", "failures", "work"):
                assert getattr(there, name) == getattr(mine, name), name
            assert (there.best is None) == (mine.best is None)
            if there.best is not None and mine.best is not None:
                assert np.array_equal(there.best.quantity, mine.best.quantity)
                assert there.best.moves == mine.best.moves
        helper.close()

    def test_a_halt_ends_the_search_with_its_best(self, helper: Helper) -> None:
        assert helper.search(task_of(coupled_market(), work=1000)).bound == COUPLED_OPTIMUM  # it is there
        timer = Timer(1.0, helper.halt)
        timer.start()
        started = time.monotonic()
        found = helper.search(task_of(hard_market(), time_s=PATIENCE_S))
        assert time.monotonic() - started < PATIENCE_S / 2
        assert found.best is not None
        assert found.bound > found.best.objective
        helper.close()

    def test_one_that_is_lost_says_so(self, helper: Helper) -> None:
        said: list[str] = []

        def search() -> None:
            try:
                helper.search(task_of(hard_market(), time_s=PATIENCE_S))
            except HelperLostError as error:
                said.append(error.detail)

        assert helper.search(task_of(coupled_market(), work=1000)).best is not None
        thread = Thread(target=search)
        thread.start()
        self.lose(helper)
        thread.join(PATIENCE_S)
        assert len(said) == 1
        helper.halt()  # nobody there: nothing happens
        helper.close()

    def test_the_answer_is_the_same_whoever_searches(self, hire: Hire) -> None:
        problem = regions(5, 80)
        alone = clear(problem, solver=PulpSolver(), limits=Limits(work=200_000), clock=WallClock())
        assert alone.components == 5
        hired: list[Helper] = []

        def counted() -> Helper | None:
            found = hire()
            if found is not None:
                hired.append(found)
            return found

        limits = Limits(work=200_000, workers=2)
        shared = clear(problem, solver=PulpSolver(), limits=limits, clock=WallClock(), hire=counted)
        assert len(hired) == 1
        assert shared.digest == alone.digest

    def test_a_part_whose_helper_is_lost_is_searched_here(self, hire: Hire) -> None:
        problem = regions(5, 80)
        limits = Limits(work=200_000, workers=2)
        alone = clear(problem, solver=PulpSolver(), limits=limits, clock=WallClock())

        def doomed() -> Helper | None:
            found = hire()
            if found is not None:
                self.lose(found)
            return found

        shared = clear(problem, solver=PulpSolver(), limits=limits, clock=WallClock(), hire=doomed)
        assert shared.digest == alone.digest
