"""``apply`` for the events of `market.model.contract_events`. Decides nothing, refuses nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from market.engine import contesting
from market.engine.backup_apply import BACKUP_APPLIERS, BACKUP_FOLLOWERS
from market.engine.contracting import (
    Appeal,
    Disruption,
    Forecasts,
    LotWork,
    Quote,
    Risk,
    Score,
    StatementLine,
)
from market.engine.posterior import MILLI, decayed, on_time_ppm, probation_left_minor
from market.engine.risks import open_risks
from market.engine.state import State
from market.engine.transitions import BEGUN, CONTRACT_TRANSITIONS, ORDER_TRANSITIONS, STANDING, require
from market.model import contract_events as happened
from market.model import events
from market.model.contract_rules import PPM
from market.model.ledger import Posting
from market.model.views import HistoryEntry
from takt_sdk.model.messages import UnservedReason

_PARTICIPANT, _ORDER = "participant/", "order/"
_EARNINGS = frozenset({"price", "set_up", "milestone"})


def _ledger_posted(state: State, event: happened.LedgerPosted) -> None:
    for posting in event.postings:
        _post(state, posting)


def _post(state: State, posting: Posting) -> None:
    book = state.contracting
    book.posted += 1
    for line in posting.lines:
        balance = book.balances.get(line.account, 0) + line.amount_minor
        book.balances[line.account] = balance
        if not line.account.startswith(_PARTICIPANT):
            continue
        if posting.kind == "charge":
            charged = book.charged.get(posting.order_id, 0)
            book.charged[posting.order_id] = charged - line.amount_minor
        if posting.kind in _EARNINGS:
            paid = book.paid.get(posting.contract_id, 0)
            book.paid[posting.contract_id] = paid + line.amount_minor
        book.statements.setdefault(line.account.removeprefix(_PARTICIPANT), []).append(
            StatementLine(
                posting_id=posting.id,
                kind=posting.kind,
                at_us=posting.at_us,
                order_id=posting.order_id,
                contract_id=posting.contract_id,
                amount_minor=line.amount_minor,
                balance_minor=balance,
                detail=posting.detail,
            )
        )


def _contracts_priced(state: State, event: happened.ContractsPriced) -> None:
    state.contracting.terms |= {terms.contract_id: terms for terms in event.terms}
    for order_id, promised_us in event.promises:
        state.contracting.promised.setdefault(order_id, promised_us)


def _payment_recorded(state: State, event: happened.PaymentRecorded) -> None:
    state.contracting.payments[f"{event.participant}/{event.reference}"] = state.size


def _progress_reported(state: State, event: happened.ProgressReported) -> None:
    record = state.contracts[event.contract_id]
    record.reports[event.sequence] = (event.digest, state.size)
    work = state.contracting.work.setdefault(event.contract_id, {})
    work[event.lot_id] = LotWork(
        done=event.done,
        scrapped=event.scrapped,
        at_us=event.at_us,
        expected_end_us=event.expected_end_us,
        confidence_ppm=event.confidence_ppm,
        predicted_end_us=event.predicted_end_us,
    )
    record.finished_quantity = sum(lot.done for lot in work.values())
    record.expected_end_us = event.expected_end_us
    contesting.reforecast(state, event.contract_id, event.predicted_end_us)
    state.index.watch_contract(record)


def _contract_reduced(state: State, event: happened.ContractReduced) -> None:
    record = state.contracts[event.contract.id]
    record.contract = event.contract
    units = sum(item.quantity for item in event.contract.items)
    record.finished_quantity = min(record.finished_quantity, units)
    trigger = "cut" if event.by_customer else "reduced"
    following = require(CONTRACT_TRANSITIONS, record.state, trigger, f"contract {event.contract.id}")
    if following != record.state:
        record.history.append(HistoryEntry(at_us=event.at_us, state=following, cause=event.reason))
    record.state = following
    if following == "finished":
        record.finished_quantity = units
        record.expected_end_us = event.at_us
        contesting.resolved(state, event.contract.id)
    state.index.watch_contract(record)


def _disruption_noted(state: State, event: happened.DisruptionNoted) -> None:
    notice, known = event.notice, state.contracting.disruptions
    known[notice.notice_id] = Disruption(
        notice=notice,
        sender=event.sender,
        digest=event.digest,
        position=state.size,
        at_us=event.at_us,
        lane=event.lane,
    )
    if notice.status == "resolved" and notice.source_id in known:
        known[notice.source_id].resolved_us = event.at_us


def _risk_noted(state: State, event: happened.RiskNoted) -> None:
    state.contracting.risks.setdefault(event.order_id, []).append(
        Risk(
            cause=event.cause,
            source_id=event.source_id,
            at_us=event.at_us,
            lost=event.lost,
            remaining=event.remaining,
            occurred_us=event.occurred_us,
            value_minor=event.value_minor,
        )
    )


def _order_held(state: State, event: happened.OrderHeld) -> None:
    for risk in open_risks(state, event.order_id):
        risk.held_us = risk.held_us or event.at_us
    _move_order(state, event.order_id, "held", event.at_us, "waits for approval of its reallocation")


def _reallocation_approved(state: State, event: happened.ReallocationApproved) -> None:
    for risk in open_risks(state, event.order_id):
        risk.held_us = risk.held_us or risk.at_us
    _move_order(state, event.order_id, "approved", event.at_us, "reallocation approved")


def _call_hastened(state: State, event: happened.CallHastened) -> None:
    if state.round_id is None:
        state.next_call_us = min(state.next_call_us, event.at_us)
    else:
        state.contracting.hasten = True


def _promise_changed(state: State, event: happened.PromiseChanged) -> None:
    record = state.orders[event.order_id]
    record.reasons = (UnservedReason(code="reallocated", detail=event.cause),)
    extra_minor = event.charge_minor - event.charge_before_minor
    for risk in open_risks(state, event.order_id):
        if set(event.lost).isdisjoint(risk.lost):
            risk.awarded_us, risk.promised_us = event.at_us, event.promised_us
            risk.extra_minor, extra_minor = extra_minor, 0


def _participant_silent(state: State, event: happened.ParticipantSilent) -> None:
    if event.silent:
        state.contracting.silent[event.participant] = event.last_heard_us
    else:
        state.contracting.silent.pop(event.participant, None)


def _reliability_observed(state: State, event: happened.ReliabilityObserved) -> None:
    book, rules = state.contracting, state.rules.contracts
    book.observed[event.contract_id] = event.on_time
    book.observed_count += 1
    book.observed_on_time += event.on_time
    forecasts = book.forecasts.setdefault(event.participant, Forecasts())
    forecasts.count += 1
    truth = PPM if event.on_time else 0
    forecasts.squares_ppm += (event.forecast_ppm - truth) ** 2 // PPM
    forecasts.base_squares_ppm += (event.base_ppm - truth) ** 2 // PPM
    scores = book.scores.setdefault(event.participant, {})
    for process in event.processes:
        score = scores.setdefault(process, Score(at_us=event.at_us))
        score.on_time_milli, score.late_milli = decayed(score, rules, event.at_us)
        score.at_us = event.at_us
        score.observed += 1
        if event.on_time:
            score.on_time_milli += MILLI
        else:
            score.late_milli += MILLI


def _appeal_recorded(state: State, event: happened.AppealRecorded) -> None:
    state.contracting.appeals[event.contract_id] = Appeal(
        participant=event.participant, reason=event.reason, at_us=event.at_us
    )


def _appeal_resolved(state: State, event: happened.AppealResolved) -> None:
    book = state.contracting
    appeal = book.appeals[event.contract_id]
    appeal.status = "upheld" if event.upheld else "rejected"
    record = state.contracts.get(event.contract_id)
    if not event.upheld or record is None or book.observed.get(event.contract_id) is not False:
        return
    lots = {item.lot_id for item in record.contract.items}
    order = state.orders[record.contract.order_id].order
    for process in {lot.requirement.process for lot in order.lots if lot.id in lots}:
        score = book.scores.get(appeal.participant, {}).get(process)
        if score is not None:
            score.late_milli = max(0, score.late_milli - MILLI)
    book.observed[event.contract_id] = True


def _change_quoted(state: State, event: happened.ChangeQuoted) -> None:
    quotes = state.contracting.quotes.setdefault(event.quote.order_id, {})
    quotes[event.quote.quote_id] = Quote(
        quote=event.quote, request=event.request, digest=event.digest, position=state.size
    )


def _change_accepted(state: State, event: happened.ChangeAccepted) -> None:
    state.contracting.quotes[event.order_id][event.quote_id].accepted_position = state.size


def _order_changed(state: State, event: happened.OrderChanged) -> None:
    record = state.orders[event.order.id]
    state.index.move_deadline(record.order, event.order)
    record.order, record.pieces = event.order, event.pieces
    if event.charge_minor is not None:
        record.charge_minor, record.production_minor = event.charge_minor, event.production_minor
        record.transport_minor, record.fee_minor = event.transport_minor, event.fee_minor
    if event.trigger:
        _move_order(state, event.order.id, event.trigger, event.at_us, "changed by the customer")


def _move_order(state: State, order_id: str, trigger: str, at_us: int, cause: str) -> None:
    record = state.orders[order_id]
    record.state = require(ORDER_TRANSITIONS, record.state, trigger, f"order {order_id}")
    record.history.append(HistoryEntry(at_us=at_us, state=record.state, cause=cause))
    state.index.watch_order(record)


# --- what follows from other events ----------------------------------------------------------


def _closed(state: State, event: events.RoundClosed) -> None:
    """Keep where goods are and what has begun as it is at the close."""
    book = state.contracting
    kept = state.rounds[event.round_id].kept
    book.closed_moved = {id_: book.moved[id_] for id_ in kept if id_ in book.moved}
    book.closed_begun = {id_: None for id_ in kept if state.contracts[id_].state in BEGUN}
    orders = dict.fromkeys(one.contract.order_id for one in kept.values())
    book.closed_sunk = {id_: book.sunk[id_] for id_ in orders if id_ in book.sunk}
    bidders = sorted(state.rounds[event.round_id].eligible)
    book.closed_late_ppm = {
        name: {process: PPM - on_time_ppm(state, name, process, event.at_us) for process in book.scores[name]}
        for name in bidders
        if name in book.scores
    }
    left = {name: probation_left_minor(state, name) for name in bidders}
    book.closed_probation = {name: value for name, value in left.items() if value is not None}


def _reported(state: State, event: events.MilestoneReported) -> None:
    if event.milestone in {"finished", "refused"}:
        contesting.resolved(state, event.contract_id)
    if event.milestone == "delayed" and event.expected_end_us is not None:
        contesting.reforecast(state, event.contract_id, event.expected_end_us)
    if event.milestone == "shipped":
        contract, book = state.contracts[event.contract_id].contract, state.contracting
        book.moved[contract.id] = contract.shipments
        cost = sum(shipment.cost_minor for shipment in contract.shipments)
        book.sunk[contract.order_id] = book.sunk.get(contract.order_id, 0) + cost


def _awarded(state: State, event: events.OrderAwarded) -> None:
    """Goods that had moved go on from where they lay; what their new way costs is spent."""
    book = state.contracting
    contesting.extended(state, event)
    for contract_id, shipments in event.lost:
        lost = state.contracts[contract_id]
        if lost.state not in STANDING:
            lost.contract = replace(lost.contract, shipments=shipments)
    new = 0
    for contract_id, shipments in event.kept:
        if contract_id in book.moved:
            book.moved[contract_id] = shipments
            new += sum(shipment.cost_minor for shipment in shipments)
    book.failed.pop(event.order_id, None)
    if new or event.order_id in book.sunk:
        book.sunk[event.order_id] = book.closed_sunk.get(event.order_id, 0) + new


def _passed_over(state: State, event: events.OrderPassedOver) -> None:
    if state.orders[event.order_id].state == "at_risk":
        state.contracting.failed[event.order_id] = state.contracting.failed.get(event.order_id, 0) + 1


def _ended(state: State, event: events.ContractAtRisk | events.ContractEnded) -> None:
    contesting.resolved(state, event.contract_id)


def _round_over(state: State, event: events.ClearingPublished | events.RoundVoided) -> None:
    book = state.contracting
    if book.hasten:
        book.hasten, state.next_call_us = False, event.at_us
    if book.next_network is not None:
        state.network, book.next_network = book.next_network, None


def _returned(state: State, event: events.OrderReturned) -> None:
    if state.orders[event.order_id].state == "submitted":
        state.contracting.promised.pop(event.order_id, None)


def _retired(state: State, event: events.RecordsRetired) -> None:
    """Forget what belongs to orders that left; balances stay."""
    book, orders = state.contracting, set(event.orders)
    if not orders:
        return
    tables: tuple[dict[str, Any], ...]
    tables = (book.paid, book.terms, book.moved, book.work, book.observed, book.appeals)
    tables += (book.extended, book.contested)
    for by_contract in tables:
        for id_ in [id_ for id_ in by_contract if id_ not in state.contracts]:
            del by_contract[id_]
    tables = (book.charged, book.promised, book.sunk, book.risks, book.failed, book.quotes)
    for by_order in tables:
        for id_ in orders & by_order.keys():
            del by_order[id_]
    for participant, lines in book.statements.items():
        book.statements[participant] = [line for line in lines if line.order_id not in orders]
    for account in [name for name in book.balances if name.removeprefix(_ORDER) in orders]:
        if not book.balances[account]:
            del book.balances[account]


FOLLOWERS: Mapping[type, Callable[[State, Any], None]] = {
    events.RoundOpened: contesting.called,
    events.RoundClosed: _closed,
    events.ContractAtRisk: _ended,
    events.ContractEnded: _ended,
    events.MilestoneReported: _reported,
    events.OrderAwarded: _awarded,
    events.OrderPassedOver: _passed_over,
    events.ClearingPublished: _round_over,
    events.RoundVoided: _round_over,
    events.OrderReturned: _returned,
    events.RecordsRetired: _retired,
    **BACKUP_FOLLOWERS,
}
"""What the side tables make of events that `market.engine.apply` has applied."""

CONTRACT_APPLIERS: Mapping[type, Callable[[State, Any], None]] = {
    happened.LedgerPosted: _ledger_posted,
    happened.ContractsPriced: _contracts_priced,
    happened.PaymentRecorded: _payment_recorded,
    happened.ProgressReported: _progress_reported,
    happened.ContractReduced: _contract_reduced,
    happened.DisruptionNoted: _disruption_noted,
    happened.RiskNoted: _risk_noted,
    happened.OrderHeld: _order_held,
    happened.ReallocationApproved: _reallocation_approved,
    happened.CallHastened: _call_hastened,
    happened.PromiseChanged: _promise_changed,
    happened.ParticipantSilent: _participant_silent,
    happened.ReliabilityObserved: _reliability_observed,
    happened.AppealRecorded: _appeal_recorded,
    happened.AppealResolved: _appeal_resolved,
    happened.ChangeQuoted: _change_quoted,
    happened.ChangeAccepted: _change_accepted,
    happened.OrderChanged: _order_changed,
    **BACKUP_APPLIERS,
    **contesting.CONTEST_APPLIERS,
}
