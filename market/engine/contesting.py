"""Late contracts that go on while what is left of them is offered to others.

When the round is cleared, the contract as a whole stands beside what is done of it and the new offers; it
goes on if that is best. Decides and applies nothing but that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from market.engine.contracting import Contested
from market.engine.partly_done import done_items, reduced
from market.engine.state import ContractRecord, Kept, State
from market.engine.transitions import CONTRACT_TRANSITIONS, UNSTARTED, require
from market.model import contract_events as happened
from market.model import events
from market.model.events import Event
from takt_sdk.model.contract import Contract, ContractItem, Shipment
from takt_sdk.model.values import MINUTE_US

LATE = "late beyond tolerance"
"""Why work is lost, or offered to others, that its own participant said would be late."""

BETTER = "a better offer was awarded"
"""How the reason of a contested contract's end ends."""

GOING_ON = frozenset({"awarded", "confirmed", "in_production"})


def agreed_us(state: State, contract: Contract) -> int:
    """Return by when a contract is to be finished: its end, or the later one that a clearing accepted."""
    return max(contract.end_us, state.contracting.extended.get(contract.id, 0))


def may_go_on(state: State, record: ContractRecord, end_us: int) -> bool:
    """Return whether a contract that would end at ``end_us`` may be held against new offers.

    Its goods must reach the customer by the deadline, and whoever has not begun before its start.
    """
    if not state.rules.contracts.keep_late or record.state not in GOING_ON:
        return False
    if record.contract.id in state.contracting.moved:
        return False
    deadline_us = state.orders[record.contract.order_id].order.terms.deadline_us
    for shipment in record.contract.shipments:
        arrival_us = end_us + shipment.transit_minutes * MINUTE_US
        if shipment.to_contract is None:
            awaited_us = deadline_us
        else:
            receiver = state.contracts[shipment.to_contract]
            awaited_us = receiver.contract.start_us if receiver.state in UNSTARTED else deadline_us
        if arrival_us > awaited_us:
            return False
    return True


def contest(
    state: State,
    record: ContractRecord,
    end_us: int,
    reason: str,
    now_us: int,
    done: tuple[ContractItem, ...],
) -> list[Event]:
    """Return the offer to others of what is left of a late contract; nothing if that is known already."""
    id_ = record.contract.id
    known = state.contracting.contested.get(id_)
    gone = state.orders[record.contract.order_id].state in {"shipped", "delivered"}
    if gone or (known is not None and known.end_us == end_us):
        return []
    return [
        happened.ContractContested(contract_id=id_, end_us=end_us, done=done, at_us=now_us, reason=reason)
    ]


def kept_at_close(state: State, round_id: str, record: ContractRecord) -> Kept:
    """Return a standing contract as it takes part in the clearing of a round that closes."""
    known = state.contracting.contested.get(record.contract.id)
    if known is None or known.round_id != round_id:
        return Kept(contract=record.contract, expected_end_us=record.expected_end_us)
    return Kept(contract=record.contract, expected_end_us=known.end_us, contested=True, done=known.done)


def overtaken(state: State, kept: Iterable[Kept]) -> bool:
    """Return whether a contract whose rest was on offer has ended, or all of its work, since the close."""
    return any(
        one.contested and (record.state not in GOING_ON or record.contract.items != one.contract.items)
        for one in kept
        for record in (state.contracts[one.contract.id],)
    )


def outbid(state: State, one: Kept, ways: Mapping[str, tuple[Shipment, ...]], now_us: int) -> Event:
    """Return the end of a late contract for which a better offer was awarded: what is done of it stays."""
    id_ = one.contract.id
    reason = f"{state.contracting.contested[id_].reason}: {BETTER}"
    if not one.done:
        return events.ContractEnded(contract_id=id_, at_us=now_us, reason=reason)
    left = replace(reduced(one.contract, one.done), shipments=ways[id_])
    return happened.ContractReduced(contract=left, at_us=now_us, reason=reason)


# --- apply -----------------------------------------------------------------------------------


def _contested(state: State, event: happened.ContractContested) -> None:
    record = state.contracts[event.contract_id]
    record.state = require(CONTRACT_TRANSITIONS, record.state, "contested", f"contract {event.contract_id}")
    book = state.contracting.contested
    known = book.get(event.contract_id)
    if known is None:
        book[event.contract_id] = Contested(end_us=event.end_us, reason=event.reason)
    else:
        known.end_us = event.end_us


CONTEST_APPLIERS: Mapping[type, Callable[[State, Any], None]] = {happened.ContractContested: _contested}


def called(state: State, event: events.RoundOpened) -> None:
    """Hold fast what is done of the contested contracts whose rest a round calls."""
    book = state.contracting.contested
    for contract_id in [id_ for id_ in book if state.contracts[id_].contract.order_id in set(event.orders)]:
        book[contract_id].round_id = event.round_id
        book[contract_id].done = done_items(state, state.contracts[contract_id])


def reforecast(state: State, contract_id: str, end_us: int) -> None:
    """Take over a contested contract's new forecast."""
    known = state.contracting.contested.get(contract_id)
    if known is not None:
        known.end_us = end_us


def resolved(state: State, contract_id: str) -> None:
    """Forget that a contract was contested."""
    state.contracting.contested.pop(contract_id, None)


def extended(state: State, event: events.OrderAwarded) -> None:
    """Let the contracts go on that the new plan keeps; what it keeps of the others is cut to what is done."""
    kept = state.rounds[event.round_id].kept
    for contract_id, _ in event.kept:
        if contract_id in kept and kept[contract_id].contested:
            resolved(state, contract_id)
            state.contracting.extended[contract_id] = kept[contract_id].expected_end_us
