"""What readers see of orders and contracts after the award: rows touched, timelines, risks.

Functions of the state. Stores nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from market.engine.contracting import Risk
from market.engine.state import ContractRecord, OrderRecord, State
from market.engine.transitions import STANDING
from market.model import contract_events as happened
from market.model.events import Event
from takt_sdk.model.execution import RemainingLot, RiskEntry, RisksReply, TimelineEntry, TimelineReply
from takt_sdk.model.messages import TERMINAL_ORDER_STATES
from takt_sdk.model.values import MINUTE_US

SHOWN = STANDING | {"at_risk", "settled"}


def touched_by(state: State, event: Event) -> list[tuple[Literal["orders", "contracts"], str]]:
    """Return the rows that an event about contracts changes, as (model, key)."""
    match event:
        case happened.ProgressReported():
            order_id = state.contracts[event.contract_id].contract.order_id
            return [("contracts", event.contract_id), ("orders", order_id)]
        case happened.ContractReduced():
            return [("contracts", event.contract.id), ("orders", event.contract.order_id)]
        case happened.BackupAwarded():
            contracts = [*(c.id for c in event.contracts), *(id_ for id_, _ in event.kept), *event.ended]
            return [*(("contracts", id_) for id_ in contracts), ("orders", event.order_id)]
        case happened.OrderChanged():
            return [("orders", event.order.id)]
        case happened.ChangeQuoted():
            return [("orders", event.quote.order_id)]
        case (
            happened.RiskNoted()
            | happened.OrderHeld()
            | happened.ReallocationApproved()
            | happened.PromiseChanged()
            | happened.ChangeAccepted()
        ):
            return [("orders", event.order_id)]
        case _:
            return []


def timeline(state: State, record: OrderRecord, now_us: int) -> TimelineReply:
    """Return plan against actual of an order, lot by lot in the order of its plan."""
    order = record.order
    standing = [state.contracts[id_] for id_ in record.contracts if state.contracts[id_].state in SHOWN]
    entries = [
        _entry(state, known, lot.id, item.quantity)
        for lot in order.lots
        for known in standing
        for item in known.contract.items
        if item.lot_id == lot.id
    ]
    arrivals = [
        _predicted_us(state, known) + shipment.transit_minutes * MINUTE_US
        for known in standing
        for shipment in known.contract.shipments
        if shipment.to_contract is None
    ]
    quotes = state.contracting.quotes.get(order.id, {})
    return TimelineReply(
        order_id=order.id,
        state=record.state,
        now_us=now_us,
        due_us=order.terms.due_us,
        first_promised_us=state.contracting.promised.get(order.id),
        promised_us=record.promised_us,
        predicted_us=max(arrivals, default=None),
        entries=tuple(entries),
        risks=tuple(_risk(record, risk) for risk in state.contracting.risks.get(order.id, ())),
        quotes=tuple(known.quote for known in quotes.values() if known.accepted_position is None),
    )


def _entry(state: State, known: ContractRecord, lot_id: str, quantity: int) -> TimelineEntry:
    at: dict[str, int] = {}
    for entry in known.history:
        at.setdefault(entry.state, entry.at_us)
    work = state.contracting.work.get(known.contract.id, {}).get(lot_id)
    over = known.state in {"finished", "shipped", "delivered", "settled"}
    return TimelineEntry(
        lot_id=lot_id,
        contract_id=known.contract.id,
        state=known.state,
        quantity=quantity,
        planned_start_us=known.contract.start_us,
        planned_end_us=known.contract.end_us,
        actual_start_us=at.get("in_production"),
        actual_end_us=at.get("finished"),
        done=quantity if over else (0 if work is None else work.done),
        scrapped=0 if work is None else work.scrapped,
        predicted_end_us=_predicted_us(state, known),
        confidence_ppm=None if work is None else work.confidence_ppm,
    )


def _predicted_us(state: State, known: ContractRecord) -> int:
    """Return when a contract is, or was, finished as far as is known."""
    work = state.contracting.work.get(known.contract.id)
    if known.state == "in_production" and work:
        return max(lot.predicted_end_us for lot in work.values())
    return known.expected_end_us


def _risk(record: OrderRecord, risk: Risk) -> RiskEntry:
    return RiskEntry(
        order_id=record.order.id,
        state=record.state,
        cause=risk.cause,
        source_id=risk.source_id,
        at_us=risk.at_us,
        remaining=tuple(RemainingLot(lot_id=lot_id, quantity=units) for lot_id, units in risk.remaining),
        held_us=risk.held_us,
        awarded_us=risk.awarded_us,
        promised_us=risk.promised_us,
        extra_minor=risk.extra_minor,
    )


def risks(state: State, participant: str, now_us: int) -> RisksReply:
    """Return the risks of a customer's open orders, the newest first."""
    found = sorted(_risks(state, participant), key=lambda risk: (-risk.at_us, risk.order_id))
    return RisksReply(participant=participant, now_us=now_us, risks=tuple(found))


def _risks(state: State, participant: str) -> Iterator[RiskEntry]:
    for order_id, known in state.contracting.risks.items():
        record = state.orders.get(order_id)
        if record is None or record.order.customer != participant:
            continue
        if record.state not in TERMINAL_ORDER_STATES:
            yield from (_risk(record, risk) for risk in known)
