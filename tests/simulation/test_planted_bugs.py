"""The simulation can fail: bugs that this kind of system has had are planted, and each must be caught.

They are planted from outside, in this process only; the product has no switch for any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest

from market.clearing.documents.result_json import clearing_from_json
from market.clearing.result import clearing_to_json
from market.engine import apply as applying
from market.engine import awards, bidding, execution, orders, views
from market.engine.decision import Decision, Inbound, Repeated
from market.engine.state import RoundRecord, State
from market.errors import InvariantError
from market.model import events
from market.model.views import ClearingView
from market.service.kernel import Handled
from scenarios.faults import ROUGH
from scenarios.outcome import outcome_digest
from takt_sdk.model.messages import ReportMilestone, SubmitOrder
from takt_sdk.model.sheet import BidSheet
from tests.simulation.hostile import Hostile
from tests.simulation.populations import random_population
from tests.simulation.watched import Watched

MAX_SEEDS = 40
"""Within so many seeds each bug must be caught."""

Planting = Callable[[], Iterator[type[Hostile]]]


class LyingSolver(Hostile):
    """The solver says "optimal" of an answer that leaves out a winner."""

    def _report_clearing(self) -> None:
        assert self._solved is not None
        report, problem, clearing = self._solved
        told = clearing_from_json(report.result)
        if len(told.accepted) > 1:
            paid = tuple(p for p in told.payments or () if p.bid != told.accepted[0].bid)
            lie = replace(told, accepted=told.accepted[1:], payments=paid, moves=())
            self._solved = (replace(report, result=clearing_to_json(lie).decode()), problem, clearing)
        super()._report_clearing()


@contextmanager
def acknowledge_before_commit() -> Iterator[type[Hostile]]:
    class Hasty(Hostile):
        def _take(self, inbound: Inbound, source: str, raw: bytes, signature: bytes = b"") -> Handled:
            if self.dice.happens("commit_crash"):
                handled = self.kernel.handle(inbound, self.now_us, source=source, raw=raw)
                self._restart()
                return handled
            return super()._take(inbound, source, raw, signature)

    yield Hasty


@contextmanager
def trust_the_solver() -> Iterator[type[Hostile]]:
    with patch.object(awards, "verify", lambda _problem, _clearing: []):
        yield LyingSolver


@contextmanager
def accept_a_late_bid() -> Iterator[type[Hostile]]:
    real = bidding.answer

    def answer(state: State, inbound: Inbound, command: Any, now_us: int) -> Decision:  # noqa: ANN401
        round_ = state.rounds.get(command.round_id)
        if round_ is None or round_.state != "clearing" or not isinstance(command, BidSheet):
            return real(state, inbound, command, now_us)
        closed, deadline = round_.state, round_.deadline_us
        round_.state, round_.deadline_us = "open", now_us + 1
        try:
            decision = real(state, inbound, command, now_us)
        finally:
            round_.state, round_.deadline_us = closed, deadline
        return replace(decision, events=decision.events[:1])

    with patch.object(bidding, "answer", answer):
        yield Hostile


@contextmanager
def let_anybody_report() -> Iterator[type[Hostile]]:
    real = execution.milestone

    def milestone(state: State, inbound: Inbound, command: ReportMilestone, now_us: int) -> Decision:
        known = state.contracts.get(command.contract_id)
        sender = inbound.sender if known is None else known.contract.participant
        return real(state, replace(inbound, sender=sender), command, now_us)

    with patch.object(execution, "milestone", milestone):
        yield Hostile


@contextmanager
def ignore_the_idempotency_key() -> Iterator[type[Hostile]]:
    real = orders.submit

    def submit(state: State, inbound: Inbound, command: SubmitOrder, now_us: int) -> Decision:
        decision = real(state, inbound, command, now_us)
        if isinstance(decision.reply, Repeated):
            id_ = decision.reply.subject_id
            known = state.orders.pop(id_)
            decision = real(state, inbound, command, now_us)
            state.orders[id_] = known
        return decision

    with patch.object(orders, "submit", submit):
        yield Hostile


@contextmanager
def forget_the_outbox_on_restart() -> Iterator[type[Hostile]]:
    class Forgetful(Hostile):
        def _restart(self) -> None:
            super()._restart()
            self.mailbox = {}

    yield Forgetful


@contextmanager
def depend_on_the_order_of_arrival() -> Iterator[type[Hostile]]:
    real = applying._APPLIERS[events.SheetReceived]

    def received(state: State, event: events.SheetReceived) -> None:
        real(state, event)
        round_ = state.rounds[event.sheet.round_id]
        if next(iter(round_.answers)) != event.participant:  # who comes first, is served first
            dearer = tuple(price + 500 for price in event.sheet.bids.fixed_price_minor)
            bids = replace(event.sheet.bids, fixed_price_minor=dearer)
            round_.answers[event.participant].sheet = replace(event.sheet, bids=bids)

    with patch.dict(applying._APPLIERS, {events.SheetReceived: received}):
        yield Hostile


@contextmanager
def tell_prices_before_the_close() -> Iterator[type[Hostile]]:
    real = views.clearing_view

    def view(*given: Any) -> ClearingView:  # noqa: ANN401
        (round_,) = (one for one in given if isinstance(one, RoundRecord))
        prices = [p for a in round_.answers.values() if a.sheet for p in a.sheet.bids.fixed_price_minor]
        return replace(real(*given), greedy_objective=min(prices, default=None))

    with patch.object(views, "clearing_view", view):
        yield Hostile


BUGS = (
    acknowledge_before_commit,
    trust_the_solver,
    accept_a_late_bid,
    let_anybody_report,
    ignore_the_idempotency_key,
    forget_the_outbox_on_restart,
    depend_on_the_order_of_arrival,
    tell_prices_before_the_close,
)


def is_caught(simulation_type: type[Hostile], seed: int, expected: str) -> bool:
    """Return whether a run under faults and attacks breaks an invariant or comes to another outcome."""
    simulation = simulation_type(random_population(seed), faults=ROUGH, fault_seed=seed)
    try:
        simulation.finish()
    except (AssertionError, InvariantError):  # a `Violation` is an AssertionError
        return True
    return outcome_digest(simulation.kernel.state) != expected


def calm_outcome(seed: int) -> str:
    calm = Watched(random_population(seed), check_every_step=False)
    calm.finish()
    return outcome_digest(calm.kernel.state)


@pytest.mark.parametrize("first", [0, 10, 20])
def test_attacks_have_no_effect(first: int) -> None:
    attacks = 0
    for seed in range(first, first + 10):
        hostile = Hostile(random_population(seed), faults=ROUGH, fault_seed=seed)
        hostile.finish()
        assert hostile.harmless == hostile.attacks
        assert outcome_digest(hostile.kernel.state) == calm_outcome(seed), f"seed {seed}"
        attacks += hostile.attacks
    assert attacks > 200


def test_planted_bugs_are_caught(capsys: pytest.CaptureFixture[str]) -> None:
    expected: dict[int, str] = {}
    needed: dict[str, int | None] = {}
    for plant in BUGS:
        needed[plant.__name__] = None
        for seed in range(MAX_SEEDS):
            if seed not in expected:
                expected[seed] = calm_outcome(seed)
            with ExitStack() as stack:
                if is_caught(stack.enter_context(plant()), seed, expected[seed]):
                    needed[plant.__name__] = seed + 1
                    break
    caught = [name for name, seeds in needed.items() if seeds is not None]
    with capsys.disabled():
        seeds = ", ".join(f"{name} {seeds}" for name, seeds in needed.items())
        print(f"\nplanted bugs caught: {len(caught)} of {len(BUGS)} (seeds needed: {seeds})")  # noqa: T201
    assert len(caught) == len(BUGS), needed
