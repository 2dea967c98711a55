"""The two functions of the market: ``decide(state, inbound, now)`` and ``apply(state, event)``.

Every host (service, simulator, replay) calls these and nothing else. No clock, no chance, no I/O.
"""

from __future__ import annotations

from typing import assert_never

from market.engine import (
    admission,
    awards,
    bidding,
    contracts,
    execution,
    notifications,
    operation,
    orders,
    passing_over,
    rounds,
    sealing,
    stand_in,
)
from market.engine.apply import apply, fold
from market.engine.consequences import with_consequences
from market.engine.decision import Decision, Inbound, refuse
from market.engine.signatures import signature_refused
from market.engine.state import State
from market.model.commands import (
    AdmitParticipant,
    ChangeRules,
    HostCommand,
    OpenMarket,
    OpenSeals,
    OperatorCommand,
    PauseMarket,
    PublishMarketKey,
    PublishNetwork,
    ReinstateParticipant,
    ReportClearing,
    ResumeMarket,
    RevokeParticipant,
    RotateKey,
    SuspendParticipant,
    VoidClearing,
    VoidRound,
)
from market.model.contract_commands import (
    ApproveReallocation,
    NoteSilence,
    RecordPayment,
    ResolveAppeal,
)
from takt_sdk.model.execution import (
    AcceptChange,
    AppealScore,
    NotifyDisruption,
    ReportProgress,
    RequestChange,
)
from takt_sdk.model.messages import (
    CancelOrder,
    DeclineCall,
    ParticipantCommand,
    PublishPart,
    ReportBreakdown,
    ReportMilestone,
    SubmitOrder,
    Tick,
)
from takt_sdk.model.sealed import SealedSheet
from takt_sdk.model.sheet import BidSheet

__all__ = ["ENGINE_VERSION", "apply", "decide", "fold"]

ENGINE_VERSION = "2"
"""Version of ``decide``: replay compares decisions only where it matches."""


def decide(state: State, inbound: Inbound, now_us: int) -> Decision:
    """Say what a message does at market time ``now_us``; ``state`` is only read."""
    return with_consequences(state, _decide(state, inbound, now_us), now_us)


def _decide(state: State, inbound: Inbound, now_us: int) -> Decision:
    command = inbound.body
    if not state.market and not isinstance(command, OpenMarket):
        return refuse("state", "the market is not open yet", state="unopened", retryable=True)
    if now_us < state.now_us:
        return refuse("dates", f"time went back from {state.now_us}", field="now_us", value=now_us)
    refused = _sender_refused(state, inbound)
    if refused is not None:
        return refused
    if isinstance(command, OperatorCommand):
        return _operator(state, command, now_us)
    if isinstance(command, HostCommand):
        return _host(state, command, now_us)
    return _participant(state, inbound, command, now_us)


def _sender_refused(state: State, inbound: Inbound) -> Decision | None:
    sender = inbound.sender
    if isinstance(inbound.body, OperatorCommand):
        allowed, detail = sender == admission.OPERATOR, "only the operator may do this"
    elif isinstance(inbound.body, HostCommand):
        allowed, detail = sender == admission.HOST, "only the market's host may do this"
    elif isinstance(inbound.body, NotifyDisruption) and sender == admission.OPERATOR:
        return None
    else:
        allowed, detail = sender in state.participants, "not admitted to this market"
    return (
        signature_refused(state, inbound)
        if allowed
        else refuse("not_allowed", detail, field="sender", value=sender)
    )


def _host(state: State, command: HostCommand, now_us: int) -> Decision:
    match command:
        case Tick():
            return (
                sealing.overdue(state, now_us)
                or stand_in.fill(state, now_us)
                or rounds.tick(state, command, now_us)
            )
        case OpenSeals():
            return sealing.open_seals(state, command, now_us)
        case ReportClearing():
            return awards.publish(state, command, now_us)
        case VoidRound():
            return passing_over.void(state, command, now_us)
        case NoteSilence():
            return notifications.silence(state, command, now_us)
        case _:
            assert_never(command)


def _participant(state: State, inbound: Inbound, command: ParticipantCommand, now_us: int) -> Decision:
    match command:
        case SubmitOrder():
            return orders.submit(state, inbound, command, now_us)
        case CancelOrder():
            return orders.cancel(state, inbound, command, now_us)
        case PublishPart():
            return orders.publish_part(state, inbound, command)
        case BidSheet() | DeclineCall() | SealedSheet():
            return bidding.answer(state, inbound, command, now_us)
        case ReportMilestone():
            return execution.milestone(state, inbound, command, now_us)
        case ReportBreakdown():
            return execution.breakdown(state, inbound, command, now_us)
        case ReportProgress() | NotifyDisruption() | AppealScore() | RequestChange() | AcceptChange():
            return contracts.participant(state, inbound, command, now_us)
        case _:
            assert_never(command)


def _operator(state: State, command: OperatorCommand, now_us: int) -> Decision:
    match command:
        case OpenMarket():
            return admission.open_market(state, command, now_us)
        case ChangeRules():
            return admission.change_rules(state, command)
        case PublishNetwork():
            return admission.publish_network(state, command)
        case AdmitParticipant():
            return admission.admit(state, command)
        case SuspendParticipant():
            return admission.suspend(state, command)
        case ReinstateParticipant():
            return admission.reinstate(state, command)
        case PauseMarket() | ResumeMarket() | VoidClearing():
            return operation.operate(state, command, now_us)
        case ApproveReallocation() | RecordPayment() | ResolveAppeal():
            return contracts.operator(state, command, now_us)
        case PublishMarketKey() | RotateKey() | RevokeParticipant():
            return _keys(state, command, now_us)
        case _:
            assert_never(command)


def _keys(state: State, command: PublishMarketKey | RotateKey | RevokeParticipant, now_us: int) -> Decision:
    match command:
        case PublishMarketKey():
            return admission.publish_market_key(state, command)
        case RotateKey():
            return admission.rotate_key(state, command)
        case RevokeParticipant():
            return admission.revoke(state, command, now_us)
        case _:
            assert_never(command)
