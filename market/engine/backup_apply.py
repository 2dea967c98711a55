"""``apply`` for bids that stand by. Decides nothing, refuses nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from market.engine.state import ContractRecord, State
from market.engine.transitions import CONTRACT_TRANSITIONS, ORDER_TRANSITIONS, require
from market.engine.uses import uses_within
from market.model import contract_events as happened
from market.model import events
from market.model.contract_events import Backup
from market.model.views import HistoryEntry
from takt_sdk.model.contract import Contract, Shipment


def _recorded(state: State, event: happened.BackupsRecorded) -> None:
    book = state.contracting.backups
    for backup in event.backups:
        order_id = backup.contract.order_id
        book[order_id] = (*book.get(order_id, ()), backup)


def _awarded(state: State, event: happened.BackupAwarded) -> None:
    at_us, order = event.at_us, state.orders[event.order_id]
    for contract_id, shipments in event.kept:
        known = state.contracts[contract_id]
        _move_on(state, known.contract, shipments)
        known.contract = replace(known.contract, shipments=shipments)
        state.index.watch_contract(known)
    for contract_id in event.ended:
        known = state.contracts[contract_id]
        known.state = require(CONTRACT_TRANSITIONS, known.state, "ended", f"contract {contract_id}")
        known.history.append(HistoryEntry(at_us=at_us, state=known.state, cause="replaced by its backup"))
        state.index.watch_contract(known)
    for contract in event.contracts:
        history = [HistoryEntry(at_us=at_us, state="awarded", cause=f"stood by in round {contract.round_id}")]
        known = ContractRecord(
            contract=contract, awarded_us=at_us, expected_end_us=contract.end_us, history=history
        )
        state.contracts[contract.id] = known
        state.index.watch_contract(known)
        order.contracts.append(contract.id)
    order.promised_us = event.promised_us
    order.charge_minor, order.production_minor = event.charge_minor, event.production_minor
    order.transport_minor, order.fee_minor = event.transport_minor, event.fee_minor
    order.state = require(ORDER_TRANSITIONS, order.state, "backed_up", f"order {event.order_id}")
    order.history.append(
        HistoryEntry(at_us=at_us, state=order.state, cause="a bid that stood by was awarded")
    )
    state.index.watch_order(order)
    state.contracting.failed.pop(event.order_id, None)
    used = {contract.id for contract in event.contracts}
    gone = {one.backs for one in _of(state, event.order_id) if one.contract.id in used}
    groups = {group for one in _of(state, event.order_id) if one.contract.id in used for group in one.groups}
    _drop(state, lambda one: one.backs in gone or not groups.isdisjoint(one.groups))


def _move_on(state: State, before: Contract, shipments: tuple[Shipment, ...]) -> None:
    """Let goods that had left go on, to who takes a lost place; what that costs is spent."""
    book = state.contracting
    if before.id in book.moved:
        book.moved[before.id] = shipments
        more = sum(new.cost_minor for new in shipments if new not in before.shipments)
        book.sunk[before.order_id] = book.sunk.get(before.order_id, 0) + more


def _of(state: State, order_id: str) -> tuple[Backup, ...]:
    return state.contracting.backups.get(order_id, ())


def _drop(state: State, over: Callable[[Backup], bool]) -> None:
    book = state.contracting.backups
    for order_id in list(book):
        left = tuple(one for one in book[order_id] if not over(one))
        if left:
            book[order_id] = left
        else:
            del book[order_id]


def _order_over(
    state: State, event: events.OrderCancelled | events.OrderExpired | events.OrderSettled
) -> None:
    state.contracting.backups.pop(event.order_id, None)


def _clearing_voided(state: State, event: events.ClearingVoided) -> None:
    _drop(state, lambda one: one.contract.round_id == event.round_id)


def _broken(state: State, event: events.BreakdownReported) -> None:
    """Nobody stands by on a resource that it reported to be down then."""
    _drop(
        state,
        lambda one: (
            one.contract.participant == event.participant
            and uses_within(one.contract, event.resource, event.window, state.rules.periods)
        ),
    )


BACKUP_FOLLOWERS: Mapping[type, Callable[[State, Any], None]] = {
    events.OrderCancelled: _order_over,
    events.OrderExpired: _order_over,
    events.OrderSettled: _order_over,
    events.ClearingVoided: _clearing_voided,
    events.BreakdownReported: _broken,
}

BACKUP_APPLIERS: Mapping[type, Callable[[State, Any], None]] = {
    happened.BackupsRecorded: _recorded,
    happened.BackupAwarded: _awarded,
}
