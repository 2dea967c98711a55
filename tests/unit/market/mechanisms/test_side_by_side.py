"""Payments of parts that do not touch, several at a time."""

from __future__ import annotations

from dataclasses import replace
from threading import Barrier, get_ident

import pytest

from benchmarks.clearing.vcg import regions
from market.adapters.solver_pulp import PulpSolver
from market.clearing.clear import clear
from market.clearing.errors import UnprovenError
from market.clearing.limits import Limits
from market.clearing.publishing.counterfactual import Budget, Counterfactuals
from takt_sdk.wall_clock import WallClock

PATIENCE_S = 30.0


def resolve(workers: int) -> Counterfactuals:
    return Counterfactuals(PulpSolver(), Budget(left_s=lambda: None, workers=workers))


def test_jobs_run_at_the_same_time_and_answer_in_order() -> None:
    meet = Barrier(2)

    def job(item: int) -> int:
        meet.wait(PATIENCE_S)
        return -item

    assert resolve(2).each(job, range(6)) == [0, -1, -2, -3, -4, -5]


def test_a_job_has_one_thread_for_what_it_asks() -> None:
    """Parts are solved side by side, or the winners of one; not both, which would be too many."""
    both = resolve(2)

    def outer(_: int) -> bool:
        return both.each(lambda _: get_ident(), range(4)) == [get_ident()] * 4

    assert both.each(outer, range(3)) == [True] * 3
    assert resolve(1).each(lambda _: get_ident(), range(3)) == [get_ident()] * 3


def test_a_job_that_fails_fails_all() -> None:
    def job(item: int) -> int:
        if item == 1:
            raise UnprovenError("not in time")
        return item

    with pytest.raises(UnprovenError, match="not in time"):
        resolve(2).each(job, range(3))


@pytest.mark.parametrize("mechanism", ["vcg", "core"])
def test_workers_change_no_payment(mechanism: str) -> None:
    problem = replace(regions(3, 20), mechanism=mechanism)
    one, two = (
        clear(problem, solver=PulpSolver(), limits=Limits(work=200_000, workers=n), clock=WallClock())
        for n in (1, 2)
    )
    assert one.components == 3
    assert one.payments is not None, one.payment_refusal
    assert one.digest == two.digest
