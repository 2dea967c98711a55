"""``apply``: how each event changes the state. Decides nothing, refuses nothing, reads no clock.

Restart folds this over the journal. An event that the transition table does not allow is a bug
and raises `InvariantError`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

from market.engine.admission_apply import ADMISSION_APPLIERS
from market.engine.audience import count_answers, is_hidden, is_open_order, public_part
from market.engine.contesting import kept_at_close
from market.engine.contract_apply import CONTRACT_APPLIERS, FOLLOWERS
from market.engine.state import (
    Answer,
    ContractRecord,
    OrderRecord,
    PartRecord,
    RoundRecord,
    State,
)
from market.engine.transitions import (
    CONTRACT_TRANSITIONS,
    ORDER_TRANSITIONS,
    ROUND_TRANSITIONS,
    STANDING,
    require,
)
from market.model import events
from market.model.events import Event
from market.model.views import HistoryEntry
from takt_sdk.model.contract import Contract


def fold(state: State, now_us: int, entry_events: Iterable[Event]) -> State:
    """Apply one journal entry: its events in order, then the log position and the time."""
    for event in entry_events:
        apply(state, event)
    state.size += 1
    state.now_us = now_us
    return state


def apply(state: State, event: Event) -> State:
    """Change ``state`` by one event and return it."""
    _APPLIERS[type(event)](state, event)
    follow = FOLLOWERS.get(type(event))
    if follow is not None:
        follow(state, event)
    return state


def move_order(state: State, order_id: str, trigger: str, at_us: int, cause: str) -> None:
    """Take an order along one arrow of the table and write its history."""
    record = state.orders[order_id]
    following = require(ORDER_TRANSITIONS, record.state, trigger, f"order {order_id}")
    if following != record.state:
        record.history.append(HistoryEntry(at_us=at_us, state=following, cause=cause))
    record.state = following
    state.index.watch_order(record)


def move_contract(state: State, contract_id: str, trigger: str, at_us: int, cause: str) -> None:
    """Take a contract along one arrow of the table and write its history."""
    record = state.contracts[contract_id]
    following = require(CONTRACT_TRANSITIONS, record.state, trigger, f"contract {contract_id}")
    if following != record.state:
        record.history.append(HistoryEntry(at_us=at_us, state=following, cause=cause))
    record.state = following
    state.index.watch_contract(record)


def _market_opened(state: State, event: events.MarketOpened) -> None:
    state.market, state.rules, state.network = event.market, event.rules, event.network
    state.seed, state.id_salt, state.next_call_us = event.seed, event.id_salt, event.at_us
    state.market_key = event.market_key


def _rules_changed(state: State, event: events.RulesChanged) -> None:
    state.rules = event.rules


def _network_published(state: State, event: events.NetworkPublished) -> None:
    if state.round is not None and state.round.state in {"opening", "clearing"}:
        state.contracting.next_network = event.network  # the awards are planned on the present one
    else:
        state.network = event.network


def _part_published(state: State, event: events.PartPublished) -> None:
    catalogue = state.parts.setdefault(event.customer, {})
    catalogue[event.part.id] = PartRecord(part=event.part, position=state.size)


def _order_submitted(state: State, event: events.OrderSubmitted) -> None:
    record = OrderRecord(
        order=event.order,
        digest=event.digest,
        idempotency_key=event.idempotency_key,
        position=state.size,
        submitted_us=event.at_us,
        history=[HistoryEntry(at_us=event.at_us, state="submitted", cause="order received")],
    )
    state.orders[event.order.id] = record
    state.index.watch_order(record)


def _order_cancelled(state: State, event: events.OrderCancelled) -> None:
    move_order(state, event.order_id, "cancelled", event.at_us, "cancelled by the customer")
    record = state.orders[event.order_id]
    if record.cancel_position is None:
        record.cancel_position = state.size
    _set_money(record, None, None, None, None)
    record.pieces, record.promised_us = 0, None


def _cancellation_noted(state: State, event: events.CancellationNoted) -> None:
    state.orders[event.order_id].cancel_position = state.size


def _order_expired(state: State, event: events.OrderExpired) -> None:
    move_order(state, event.order_id, "expired", event.at_us, "deadline passed")
    record = state.orders[event.order_id]
    if record.charge_minor is not None:
        _set_money(record, event.charge_minor, event.charge_minor, 0, 0)
    record.pieces, record.promised_us = 0, None
    _settle_contracts(state, event.payments, event.at_us)


def _set_money(
    record: OrderRecord, charge: int | None, production: int | None, transport: int | None, fee: int | None
) -> None:
    record.charge_minor, record.production_minor = charge, production
    record.transport_minor, record.fee_minor = transport, fee


def _round_opened(state: State, event: events.RoundOpened) -> None:
    for past in islice(reversed(state.rounds.values()), 1):
        past.lots, past.eligible, past.answers, past.kept = (), {}, {}, {}
        past.sites = {}
    state.rounds[event.round_id] = RoundRecord(
        id=event.round_id,
        number=event.number,
        state="open",
        opened_us=event.opened_us,
        deadline_us=event.deadline_us,
        seed_commitment=event.seed_commitment,
        rules_version=state.rules.version,
        orders=event.orders,
        lots=event.lots,
        eligible=dict(event.eligible),
        called=len(event.eligible),
        sealing_key=event.sealing_key,
        public=public_part(state, event),
    )
    state.round_id = event.round_id
    state.hidden_rounds += is_hidden(event.round_id)
    state.next_call_us = event.opened_us + state.rules.takt_us
    for order_id in event.orders:
        move_order(state, order_id, "called", event.opened_us, f"called in round {event.round_id}")
        state.orders[order_id].rounds.append(event.round_id)


def _answer(state: State, round_id: str, participant: str, sequence: int, digest: str) -> RoundRecord:
    round_ = state.rounds[round_id]
    round_.received.setdefault(participant, {})[sequence] = (digest, state.size)
    return round_


def _sheet_received(state: State, event: events.SheetReceived) -> None:
    round_ = _answer(state, event.sheet.round_id, event.participant, event.sequence, event.digest)
    round_.answers[event.participant] = Answer(sequence=event.sequence, sheet=event.sheet)
    count_answers(state, round_)


def _call_declined(state: State, event: events.CallDeclined) -> None:
    round_ = _answer(state, event.round_id, event.participant, event.sequence, event.digest)
    round_.answers[event.participant] = Answer(sequence=event.sequence, sheet=None)
    count_answers(state, round_)


def _sealed_received(state: State, event: events.SealedReceived) -> None:
    _answer(state, event.round_id, event.participant, event.sequence, event.digest)


def _seals_opened(state: State, event: events.SealsOpened) -> None:
    round_ = state.rounds[event.round_id]
    round_.state = require(ROUND_TRANSITIONS, round_.state, "opened", f"round {round_.id}")


def _answer_opened(state: State, event: events.AnswerOpened) -> None:
    round_ = state.rounds[event.round_id]
    if event.sheet is not None or event.code is not None:
        round_.answers[event.participant] = Answer(sequence=event.sequence, sheet=event.sheet)
        count_answers(state, round_)


def _round_closed(state: State, event: events.RoundClosed) -> None:
    round_ = state.rounds[event.round_id]
    trigger = "closed_sealed" if round_.sealing_key else "closed"
    round_.state = require(ROUND_TRANSITIONS, round_.state, trigger, f"round {round_.id}")
    round_.closed_us, round_.close_position = event.at_us, state.size
    if round_.sealing_key:  # what is opened later is held against what the market knew at the close
        round_.sites = {name: state.participants[name].admission.sites for name in round_.received}
    for order_id in round_.orders:
        if state.orders[order_id].state in {"calling", "reallocating"}:
            move_order(state, order_id, "closed", event.at_us, f"round closed: {event.reason}")
        for contract_id in sorted(state.orders[order_id].contracts):
            known = state.contracts[contract_id]
            if known.state in STANDING:
                round_.kept[contract_id] = kept_at_close(state, round_.id, known)


def _clearing_published(state: State, event: events.ClearingPublished) -> None:
    round_ = state.rounds[event.round_id]
    round_.state = require(ROUND_TRANSITIONS, round_.state, "published", f"round {round_.id}")
    round_.clearing_status, round_.objective, round_.bound = event.status, event.objective, event.bound
    round_.greedy_objective, round_.digest = event.greedy_objective, event.digest
    _end_round(state)


def _end_round(state: State) -> None:
    state.round_id = state.index.problem = None
    state.price_iteration, state.lot_prices = 1, ()


def _round_priced(state: State, event: events.RoundPriced) -> None:
    round_ = state.rounds[event.round_id]
    round_.state = require(ROUND_TRANSITIONS, round_.state, "priced", f"round {round_.id}")
    _end_round(state)
    state.next_call_us = event.at_us
    state.price_iteration, state.lot_prices = event.iteration + 1, event.prices


def _round_voided(state: State, event: events.RoundVoided) -> None:
    round_ = state.rounds[event.round_id]
    round_.state = require(ROUND_TRANSITIONS, round_.state, "voided", f"round {round_.id}")
    _end_round(state)


def _clearing_voided(state: State, event: events.ClearingVoided) -> None:
    round_ = state.rounds[event.round_id]
    round_.state = require(ROUND_TRANSITIONS, round_.state, "voided", f"round {round_.id}")
    round_.served = 0


def _order_returned(state: State, event: events.OrderReturned) -> None:
    record = state.orders[event.order_id]
    move_order(state, event.order_id, "voided", event.at_us, f"round {event.round_id} voided: {event.reason}")
    record.rounds.remove(event.round_id)
    if record.state == "submitted":
        _set_money(record, None, None, None, None)
        record.pieces, record.promised_us = 0, None


def _market_paused(state: State, event: events.MarketPaused) -> None:
    state.paused_us, state.pause_reason = event.at_us, event.reason


def _market_resumed(state: State, _event: events.MarketResumed) -> None:
    state.paused_us, state.pause_reason = None, ""


def _records_retired(state: State, event: events.RecordsRetired) -> None:
    for order_id in event.orders:
        record = state.orders.pop(order_id)
        state.index.forget_order(record)
        for contract_id in record.contracts:
            del state.contracts[contract_id]
    for round_id in event.rounds:
        del state.rounds[round_id]
    for participant, notice_id in event.notices:
        known = state.participants[participant]
        del known.notices[notice_id], known.notice_us[notice_id]


def _order_awarded(state: State, event: events.OrderAwarded) -> None:
    for contract_id, shipments in event.kept:
        record = state.contracts[contract_id]
        record.contract = _with_shipments(record.contract, shipments)
        state.index.watch_contract(record)
    for contract_id in event.ended:
        move_contract(state, contract_id, "ended", event.at_us, "replaced by a new award")
    for contract in event.contracts:
        record = ContractRecord(
            contract=contract,
            awarded_us=event.at_us,
            expected_end_us=contract.end_us,
            history=[
                HistoryEntry(at_us=event.at_us, state="awarded", cause=f"won in round {event.round_id}")
            ],
        )
        state.contracts[contract.id] = record
        state.index.watch_contract(record)
    order = state.orders[event.order_id]
    order.contracts += [contract.id for contract in event.contracts]
    order.pieces, order.promised_us, order.reasons = event.pieces, event.promised_us, ()
    _set_money(order, event.charge_minor, event.production_minor, event.transport_minor, event.fee_minor)
    move_order(state, event.order_id, "awarded", event.at_us, f"served in round {event.round_id}")
    round_ = state.rounds[event.round_id]
    round_.served += 1
    if round_.public is not None:
        round_.public.served += is_open_order(state, event.order_id)


def _with_shipments(contract: Contract, shipments: tuple[Any, ...]) -> Contract:
    fields = {name: getattr(contract, name) for name in Contract.__slots__}
    return Contract(**{**fields, "shipments": shipments})


def _order_passed_over(state: State, event: events.OrderPassedOver) -> None:
    record = state.orders[event.order_id]
    record.reasons = event.reasons
    trigger = "unserved" if event.final else "passed_over"
    move_order(state, event.order_id, trigger, event.at_us, f"not served in round {event.round_id}")


def _milestone_reported(state: State, event: events.MilestoneReported) -> None:
    record = state.contracts[event.contract_id]
    record.reports[event.sequence] = (event.digest, state.size)
    if event.milestone in {"progress", "finished"}:
        record.finished_quantity = event.quantity
    if event.expected_end_us is not None:
        record.expected_end_us = event.expected_end_us
    elif event.milestone == "finished":
        record.expected_end_us = event.at_us
    move_contract(state, event.contract_id, event.milestone, event.at_us, f"reported {event.milestone}")


def _breakdown_reported(state: State, event: events.BreakdownReported) -> None:
    record = state.participants[event.participant]
    record.notices[event.notice_id] = (event.digest, state.size)
    record.notice_us[event.notice_id] = event.at_us


def _contract_at_risk(state: State, event: events.ContractAtRisk) -> None:
    move_contract(state, event.contract_id, "at_risk", event.at_us, event.cause)


def _contract_ended(state: State, event: events.ContractEnded) -> None:
    record = state.contracts[event.contract_id]
    if record.state != "ended":
        move_contract(state, event.contract_id, "ended", event.at_us, event.reason)


def _order_progressed(state: State, event: events.OrderProgressed) -> None:
    move_order(state, event.order_id, event.step, event.at_us, f"contracts {event.step.replace('_', ' ')}")


def _order_settled(state: State, event: events.OrderSettled) -> None:
    move_order(state, event.order_id, "settled", event.at_us, "accepted and settled")
    state.orders[event.order_id].charge_minor = event.charge_minor
    _settle_contracts(state, event.payments, event.at_us)


def _settle_contracts(state: State, payments: tuple[tuple[str, int], ...], at_us: int) -> None:
    for contract_id, amount in payments:
        move_contract(state, contract_id, "settled", at_us, "order settled")
        state.contracts[contract_id].payment_due_minor = amount


_APPLIERS: dict[type, Callable[[State, Any], None]] = {
    events.MarketOpened: _market_opened,
    events.RulesChanged: _rules_changed,
    events.NetworkPublished: _network_published,
    events.PartPublished: _part_published,
    events.OrderSubmitted: _order_submitted,
    events.OrderCancelled: _order_cancelled,
    events.CancellationNoted: _cancellation_noted,
    events.OrderExpired: _order_expired,
    events.RoundOpened: _round_opened,
    events.SheetReceived: _sheet_received,
    events.CallDeclined: _call_declined,
    events.SealedReceived: _sealed_received,
    events.SealsOpened: _seals_opened,
    events.AnswerOpened: _answer_opened,
    events.RoundClosed: _round_closed,
    events.ClearingPublished: _clearing_published,
    events.RoundPriced: _round_priced,
    events.RoundVoided: _round_voided,
    events.OrderAwarded: _order_awarded,
    events.OrderPassedOver: _order_passed_over,
    events.MilestoneReported: _milestone_reported,
    events.BreakdownReported: _breakdown_reported,
    events.ContractAtRisk: _contract_at_risk,
    events.ContractEnded: _contract_ended,
    events.OrderProgressed: _order_progressed,
    events.OrderSettled: _order_settled,
    **ADMISSION_APPLIERS,
    **CONTRACT_APPLIERS,
    events.ClearingVoided: _clearing_voided,
    events.OrderReturned: _order_returned,
    events.MarketPaused: _market_paused,
    events.MarketResumed: _market_resumed,
    events.RecordsRetired: _records_retired,
}
