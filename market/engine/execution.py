"""After the award: milestones, breakdowns, expiry, settlement. Decides; changes nothing itself."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping
from typing import Literal

from market.engine.decision import Decision, Inbound, accept, refuse, repeat
from market.engine.numbering import own_contract
from market.engine.signatures import equivocation
from market.engine.state import ContractRecord, OrderRecord, State
from market.engine.transitions import BEGUN, STANDING, UNSTARTED, next_contract_state, next_order_state
from market.engine.uses import uses_within
from market.model import events
from market.model.events import Event
from takt_sdk.model.contract import ContractState
from takt_sdk.model.messages import OrderState, ReportBreakdown, ReportMilestone

_Step = Literal["confirmed", "started", "at_risk", "shipped", "delivered"]
_GONE = frozenset({"shipped", "delivered"})
"""Orders whose goods have left: no contract can be lost any more, whatever was left unreported."""


def milestone(state: State, inbound: Inbound, command: ReportMilestone, now_us: int) -> Decision:
    """Take a contract's progress from its own participant; what its number may be, `numbering` says."""
    record = own_contract(state, inbound, command.contract_id, now_us)
    if isinstance(record, Decision):
        return record
    order = state.orders[record.contract.order_id]
    refused = _milestone_refused(record, order, command, now_us)
    if refused is not None:
        return refused
    reported = events.MilestoneReported(
        contract_id=command.contract_id,
        sequence=inbound.sequence,
        digest=inbound.digest,
        milestone=command.milestone,
        at_us=command.at_us,
        lot_id=command.lot_id,
        quantity=command.quantity,
        expected_end_us=command.expected_end_us,
    )
    after = next_contract_state(record.state, command.milestone)
    assert after is not None
    return accept(
        reported,
        *progress(state, order, {command.contract_id: after}, now_us),
        subject_id=command.contract_id,
    )


def _milestone_refused(
    record: ContractRecord, order: OrderRecord, command: ReportMilestone, now_us: int
) -> Decision | None:
    if command.milestone == "refused" and order.state in _GONE:
        return refuse(
            "state",
            f"the goods of an order that is {order.state} have left",
            field="milestone",
            value=command.milestone,
            state=order.state,
        )
    if next_contract_state(record.state, command.milestone) is None:
        return refuse(
            "state",
            f"a contract that is {record.state} can not be {command.milestone}",
            field="milestone",
            value=command.milestone,
            state=record.state,
        )
    if command.at_us > now_us:
        return refuse("dates", f"not after market time {now_us}", field="at_us", value=command.at_us)
    items = {item.lot_id: item.quantity for item in record.contract.items}
    if command.lot_id is not None and command.lot_id not in items:
        return refuse("unknown", "no such lot in the contract", field="lot_id", value=command.lot_id)
    total = items[command.lot_id] if command.lot_id is not None else sum(items.values())
    final = sum(s.quantity for s in record.contract.shipments if s.to_contract is None)
    if command.milestone == "delivered" and final:
        total = min(total, final)  # pieces, whatever else the contract made on the way
    if command.quantity > total:
        return refuse("invalid", f"at most {total}", field="quantity", value=command.quantity)
    return None


def progress(
    state: State, order: OrderRecord, changed: Mapping[str, ContractState], now_us: int
) -> tuple[events.OrderProgressed, ...]:
    """Return the steps that an order takes once its contracts are in the states of ``changed``."""
    states = {id_: changed.get(id_, state.contracts[id_].state) for id_ in order.contracts}
    standing = {id_: known for id_, known in states.items() if known in STANDING}
    lost = any(
        states[id_] in {"ended", "at_risk"} and state.contracts[id_].state in STANDING for id_ in changed
    )
    if lost:
        at_risk = next_order_state(order.state, "at_risk") is not None
        return (_progressed(order.order.id, "at_risk", now_us),) if at_risk else ()
    final = [
        known
        for id_, known in standing.items()
        if any(shipment.to_contract is None for shipment in state.contracts[id_].contract.shipments)
    ]
    return _steps(order.order.id, order.state, standing.values(), final, now_us)


def resumed(state: State, awarded: events.OrderAwarded) -> tuple[events.OrderProgressed, ...]:
    """Return the steps of an order awarded anew whose goods had all arrived when they were kept.

    Nobody has anything left to report; elsewhere the next report tells the steps.
    """
    states = {contract_id: state.contracts[contract_id].state for contract_id, _ in awarded.kept}
    final = [
        states[contract_id]
        for contract_id, shipments in awarded.kept
        if any(shipment.to_contract is None for shipment in shipments)
    ]
    if awarded.contracts or not final or any(known != "delivered" for known in final):
        return ()
    return _steps(awarded.order_id, "awarded", states.values(), final, awarded.at_us)


def _steps(
    order_id: str,
    at: OrderState,
    standing: Collection[ContractState],
    final: Collection[ContractState],
    now_us: int,
) -> tuple[events.OrderProgressed, ...]:
    """Return an order's steps from a state; ``final`` are the contracts that deliver to the customer."""
    steps: list[events.OrderProgressed] = []

    def step(name: _Step) -> None:
        nonlocal at
        following = next_order_state(at, name)
        if following is not None:
            at = following
            steps.append(_progressed(order_id, name, now_us))

    if at == "awarded" and all(known != "awarded" for known in standing):
        step("confirmed")
    if at == "confirmed" and any(known in BEGUN for known in standing):
        step("started")
    if at == "in_production" and final and all(known in {"shipped", "delivered"} for known in final):
        step("shipped")
    if at == "shipped" and final and all(known == "delivered" for known in final):
        step("delivered")
    return tuple(steps)


def _progressed(order_id: str, step: _Step, now_us: int) -> events.OrderProgressed:
    return events.OrderProgressed(order_id=order_id, step=step, at_us=now_us)


def breakdown(state: State, inbound: Inbound, command: ReportBreakdown, now_us: int) -> Decision:
    """Put the sender's unstarted contracts on a resource that is down at risk."""
    participant = state.participants.get(inbound.sender)
    if participant is None or not {"plant", "supplier"} & set(participant.admission.roles):
        return refuse(
            "not_allowed", "only a plant or supplier has resources", field="sender", value=inbound.sender
        )
    seen = participant.notices.get(command.notice_id)
    if seen is not None:
        if seen[0] == inbound.digest:
            return repeat(seen[1], command.notice_id)
        twice = refuse(
            "equivocation", "another notice has this id", field="notice_id", value=command.notice_id
        )
        return equivocation(state, inbound, command.notice_id, seen, twice, now_us)
    happened: list[Event] = [
        events.BreakdownReported(
            participant=inbound.sender,
            notice_id=command.notice_id,
            digest=inbound.digest,
            resource=command.resource,
            window=command.window,
            at_us=now_us,
        )
    ]
    touched: dict[str, dict[str, ContractState]] = {}
    for contract_id in sorted(state.index.active_contracts.get(inbound.sender, ())):
        record = state.contracts[contract_id]
        if reallocates(state) and record.state in UNSTARTED and _touches(state, record, command):
            happened.append(
                events.ContractAtRisk(
                    contract_id=contract_id, at_us=now_us, cause=f"breakdown of {command.resource}"
                )
            )
            touched.setdefault(record.contract.order_id, {})[contract_id] = "at_risk"
    for order_id, changed in touched.items():
        happened += progress(state, state.orders[order_id], changed, now_us)
    return accept(*happened, subject_id=command.notice_id)


def lost_work(state: State, participant: str, cause: str, now_us: int) -> list[Event]:
    """Return what happens when a participant's work that has not begun can not be relied on any more."""
    happened: list[Event] = []
    touched: dict[str, dict[str, ContractState]] = {}
    for contract_id in sorted(state.index.active_contracts.get(participant, ())):
        record = state.contracts[contract_id]
        if record.state in UNSTARTED and state.orders[record.contract.order_id].state not in _GONE:
            happened.append(events.ContractAtRisk(contract_id=contract_id, at_us=now_us, cause=cause))
            touched.setdefault(record.contract.order_id, {})[contract_id] = "at_risk"
    for order_id, changed in touched.items():
        happened += progress(state, state.orders[order_id], changed, now_us)
    return happened


def reallocates(state: State) -> bool:
    """Return whether work that a disruption touches is taken away and awarded anew, by rule."""
    return state.rules.contracts.reallocation != "off"


def _touches(state: State, record: ContractRecord, command: ReportBreakdown) -> bool:
    contract, window = record.contract, command.window
    if state.orders[contract.order_id].state in _GONE:
        return False
    if contract.end_us <= window.start_us or window.end_us <= contract.start_us:
        return False
    return uses_within(contract, command.resource, window, state.rules.periods)


def unconfirmed(state: State, now_us: int) -> list[Event]:
    """Return the end of contracts whose participant did not confirm in time."""
    happened: list[Event] = []
    lost: dict[str, dict[str, ContractState]] = {}
    for contract_id in sorted(state.index.unconfirmed):
        record = state.contracts[contract_id]
        if now_us >= record.awarded_us + state.rules.confirm_us:
            happened.append(
                events.ContractEnded(contract_id=contract_id, at_us=now_us, reason="not confirmed in time")
            )
            lost.setdefault(record.contract.order_id, {})[contract_id] = "ended"
    for order_id, changed in lost.items():
        happened += progress(state, state.orders[order_id], changed, now_us)
    return happened


def silences(state: State, before: Iterable[Event], now_us: int) -> list[Event]:
    """Return the end of contracts whose participant is silent, and the receipt of goods long shipped.

    A contract is silent once its promised end, or its order's deadline, lies ``silence_us`` back and the
    report that is due has not come. Whoever vanishes strands no order. An order that was put at risk
    ``before``, in the same entry, is so already.
    """
    at_risk = {event.order_id for event in before if isinstance(event, events.OrderProgressed)}
    limit = (now_us - state.rules.silence_us + 1, "")
    silent = {contract_id for _, contract_id in state.index.ends[: bisect_left(state.index.ends, limit)]}
    for _, order_id in state.index.deadlines[: bisect_left(state.index.deadlines, limit)]:
        contracts = state.orders[order_id].contracts
        silent |= {contract_id for contract_id in contracts if state.contracts[contract_id].owes_report}
    lost: dict[str, dict[str, ContractState]] = {}
    for contract_id in sorted(silent):
        lost.setdefault(state.contracts[contract_id].contract.order_id, {})[contract_id] = "ended"
    happened: list[Event] = []
    for order_id, changed in lost.items():
        if state.orders[order_id].state in _GONE:
            continue
        happened += [
            events.ContractEnded(contract_id=contract_id, at_us=now_us, reason="silent past its end")
            for contract_id in changed
        ]
        if order_id not in at_risk:
            happened += progress(state, state.orders[order_id], changed, now_us)
    for order_id in sorted(state.index.shipped_orders):
        promised_us = state.orders[order_id].promised_us
        if promised_us is not None and now_us >= promised_us + state.rules.silence_us:
            happened.append(events.OrderProgressed(order_id=order_id, step="delivered", at_us=now_us))
    return happened


def settlements(state: State, now_us: int) -> list[Event]:
    """Return the settlement of orders whose time for acceptance has passed.

    All contracts that stand are paid: goods that were accepted hold the work of each.
    """
    happened: list[Event] = []
    for order_id in sorted(state.index.delivered_orders):
        record = state.orders[order_id]
        if now_us >= record.history[-1].at_us + state.rules.acceptance_us:
            happened.append(settlement(state, record, now_us))
    return happened


def settlement(state: State, record: OrderRecord, now_us: int) -> events.OrderSettled:
    """Return the settlement of an order whose goods have left: everybody who stands is paid."""
    assert record.charge_minor is not None
    return events.OrderSettled(
        order_id=record.order.id,
        at_us=now_us,
        charge_minor=record.charge_minor,
        payments=_payments(state, record, STANDING),
    )


def expiries(state: State, before: Iterable[Event], now_us: int) -> list[Event]:
    """Return the end of orders that nobody serves any more: their deadline has passed.

    Work already finished is paid and charged; what is not ends without payment, as does what ended
    ``before``, in the same entry.
    """
    happened: list[Event] = []
    gone = {event.contract_id for event in before if isinstance(event, events.ContractEnded)}
    passed = bisect_left(state.index.deadlines, (now_us + 1, ""))
    for order_id in sorted(order_id for _, order_id in state.index.deadlines[:passed]):
        record = state.orders[order_id]
        if next_order_state(record.state, "expired") is None:
            continue
        work = _payments(state, record, frozenset({"finished", "shipped", "delivered"}))
        done = tuple(one for one in work if one[0] not in gone)
        paid = {contract_id for contract_id, _ in done}
        happened += [
            events.ContractEnded(contract_id=contract_id, at_us=now_us, reason="order expired")
            for contract_id in record.contracts
            if contract_id not in paid
            and next_contract_state(state.contracts[contract_id].state, "ended") is not None
        ]
        happened.append(
            events.OrderExpired(
                order_id=order_id, at_us=now_us, charge_minor=sum(amount for _, amount in done), payments=done
            )
        )
    return happened


def _payments(state: State, record: OrderRecord, states: frozenset[str]) -> tuple[tuple[str, int], ...]:
    return tuple(
        (contract_id, state.contracts[contract_id].contract.payment_minor)
        for contract_id in sorted(record.contracts)
        if state.contracts[contract_id].state in states
        and next_contract_state(state.contracts[contract_id].state, "settled") is not None
    )
