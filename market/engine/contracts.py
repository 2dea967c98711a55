"""Commands about contracts, each sent to the module that decides it; and the operator's part of them."""

from __future__ import annotations

from typing import assert_never

from market.engine import changes, notifications, progress
from market.engine.decision import Decision, Inbound, accept, refuse, repeat
from market.engine.orders import cancellation
from market.engine.state import State
from market.model.contract_commands import (
    ApproveReallocation,
    ContractOperatorCommand,
    RecordPayment,
    ResolveAppeal,
)
from market.model.contract_events import (
    AppealRecorded,
    AppealResolved,
    CallHastened,
    PaymentRecorded,
    ReallocationApproved,
)
from takt_sdk.model.execution import (
    AcceptChange,
    AppealScore,
    ChangeCommand,
    ExecutionReport,
    NotifyDisruption,
    ReportProgress,
    RequestChange,
)


def participant(
    state: State, inbound: Inbound, command: ExecutionReport | ChangeCommand, now_us: int
) -> Decision:
    """Decide on what a participant says of contracts and orders after the award."""
    match command:
        case ReportProgress():
            return progress.report(state, inbound, command, now_us)
        case NotifyDisruption():
            return notifications.notify(state, inbound, command, now_us)
        case AppealScore():
            return appeal(state, inbound, command, now_us)
        case RequestChange():
            return changes.request(state, inbound, command, now_us)
        case AcceptChange():
            return changes.accept_change(state, inbound, command, now_us)
        case _:
            assert_never(command)


def operator(state: State, command: ContractOperatorCommand, now_us: int) -> Decision:
    """Decide on what the operator does about contracts."""
    match command:
        case ApproveReallocation():
            return approve(state, command, now_us)
        case RecordPayment():
            return payment(state, command, now_us)
        case ResolveAppeal():
            return resolve(state, command, now_us)
        case _:
            assert_never(command)


def approve(state: State, command: ApproveReallocation, now_us: int) -> Decision:
    """Let an order that waits be called again, or end it."""
    record = state.orders.get(command.order_id)
    if record is None:
        return refuse("unknown", "no such order", field="order_id", value=command.order_id)
    if record.state != "awaiting_approval":
        return refuse(
            "state",
            f"an order that is {record.state} waits for nobody",
            field="order_id",
            value=command.order_id,
            state=record.state,
        )
    if not command.approve:
        return accept(*cancellation(state, record, now_us), subject_id=command.order_id)
    approved = ReallocationApproved(order_id=command.order_id, at_us=now_us)
    hastened = (CallHastened(at_us=now_us),) if state.rules.contracts.recall_at_once else ()
    return accept(approved, *hastened, subject_id=command.order_id)


def payment(state: State, command: RecordPayment, now_us: int) -> Decision:
    """Book money of the bank, once per reference."""
    if command.participant not in state.participants:
        return refuse("unknown", "no such participant", field="participant", value=command.participant)
    position = state.contracting.payments.get(f"{command.participant}/{command.reference}")
    if position is not None:
        return repeat(position, command.reference)
    return accept(
        PaymentRecorded(
            participant=command.participant,
            amount_minor=command.amount_minor,
            reference=command.reference,
            at_us=now_us,
        ),
        subject_id=command.reference,
    )


def appeal(state: State, inbound: Inbound, command: AppealScore, now_us: int) -> Decision:
    """Record an objection to how an own contract counts, once per contract."""
    record = state.contracts.get(command.contract_id)
    if record is None or record.contract.participant != inbound.sender:
        return refuse("unknown", "no such contract", field="contract_id", value=command.contract_id)
    if command.contract_id not in state.contracting.observed:
        return refuse(
            "state",
            "it does not count yet",
            field="contract_id",
            value=command.contract_id,
            state=record.state,
        )
    if command.contract_id in state.contracting.appeals:
        known = state.contracting.appeals[command.contract_id]
        return refuse(
            "conflict",
            f"it was appealed before: {known.status}",
            field="contract_id",
            value=command.contract_id,
        )
    return accept(
        AppealRecorded(
            participant=inbound.sender,
            contract_id=command.contract_id,
            reason=command.reason,
            at_us=now_us,
        ),
        subject_id=command.contract_id,
    )


def resolve(state: State, command: ResolveAppeal, now_us: int) -> Decision:
    """Decide an appeal that is open."""
    known = state.contracting.appeals.get(command.contract_id)
    if known is None:
        return refuse("unknown", "no such appeal", field="contract_id", value=command.contract_id)
    if known.status != "open":
        return refuse(
            "state",
            f"it is {known.status}",
            field="contract_id",
            value=command.contract_id,
            state=known.status,
        )
    return accept(
        AppealResolved(
            contract_id=command.contract_id, upheld=command.upheld, reason=command.reason, at_us=now_us
        ),
        subject_id=command.contract_id,
    )
