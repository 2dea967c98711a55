"""What if: a market's own log, its rounds cleared again by other rules, against what really happened.

Every round is taken as it was called and answered. What would have followed in later rounds from another
outcome, and how companies would have bid had they known of other rules, no log can tell: the comparison
assumes the same calls and the same bids, round by round.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from market.adapters.codec import decode_envelope, decode_events
from market.clearing.clear import clear
from market.clearing.documents.problem_document import problem_to_document
from market.clearing.documents.problem_json import problem_from_document
from market.clearing.documents.result_json import clearing_from_json
from market.clearing.limits import Limits, Stopwatch
from market.clearing.problem import Problem
from market.clearing.program import Solver
from market.clearing.result import Clearing
from market.engine.engine import fold
from market.engine.snapshot import snapshot
from market.engine.state import State
from market.model.commands import ReportClearing
from market.model.rules import Mechanism
from market.service.chain import Log

ASSUMPTIONS = (
    "every round is called and answered as it was",
    "bids are the same under any rule",
    "what an outcome would have changed in later rounds is left out",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """What is changed. ``without`` are participants whose bids are left out."""

    mechanism: Mechanism | None = None
    without: frozenset[str] = frozenset()
    work: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One outcome of a round; money is minor units. Without payments nothing is awarded, see ``refusal``."""

    mechanism: str
    status: str
    served: int
    welfare_minor: int
    payments_minor: int
    refusal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A round as it happened and as it would have been; ``left_out`` are those whose bids were."""

    round_id: str
    orders: int
    bids: int
    happened: Side
    instead: Side
    left_out: tuple[str, ...] = ()


def replay(log: Log, what: WhatIf, *, solver: Solver, stopwatch: Stopwatch) -> Iterator[Compared]:
    """Yield every cleared round of a log beside what would have been.

    Yields as it goes: rounds are large, and a log has many.
    """
    state = State()
    for stored in log.read():
        body = decode_envelope(stored.entry.message).body
        if (
            isinstance(body, ReportClearing)
            and (round_ := state.round) is not None
            and round_.id == body.round_id
        ):
            happened = clearing_from_json(body.result)
            problem = snapshot(state, round_, body.seed)
            changed = _changed(problem, what)
            limits = Limits(work=state.rules.clearing_work if what.work is None else what.work)
            instead = clear(changed, solver=solver, limits=limits, clock=stopwatch)
            yield Compared(
                round_id=round_.id,
                orders=problem.n_orders,
                bids=problem.n_bids,
                happened=_side(problem.mechanism, happened),
                instead=_side(changed.mechanism, instead),
                left_out=tuple(sorted(what.without.intersection(problem.bidders))),
            )
        fold(state, stored.entry.now_us, decode_events(stored.entry.events))


def _changed(problem: Problem, what: WhatIf) -> Problem:
    if what.without:
        document = problem_to_document(problem)
        left = [bid for bid in document["bids"] if bid["bidder"] not in what.without]
        document["bids"] = left
        used = {group for bid in left for group in bid["groups"]}
        document["groups"] = [group for group in document["groups"] if group["id"] in used]
        problem = problem_from_document(document)
    return problem if what.mechanism is None else replace(problem, mechanism=what.mechanism)


def _side(mechanism: str, clearing: Clearing) -> Side:
    if clearing.payments is None:
        reason = clearing.payment_refusal or "no payments"
        return Side(
            mechanism=mechanism,
            status=clearing.status,
            served=0,
            welfare_minor=0,
            payments_minor=0,
            refusal=reason,
        )
    return Side(
        mechanism=mechanism,
        status=clearing.status,
        served=len(clearing.served),
        welfare_minor=clearing.objective or 0,
        payments_minor=sum(payment.amount for payment in clearing.payments),
    )
