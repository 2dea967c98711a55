"""What the operator does to a running market: pause, resume, take a clearing back. Decides only."""

from __future__ import annotations

from typing import assert_never

from market.engine.decision import Decision, accept, refuse
from market.engine.orders import cancellation
from market.engine.snapshot import cleared_orders
from market.engine.state import RoundRecord, State
from market.engine.transitions import STANDING
from market.model import events
from market.model.commands import PauseMarket, ResumeMarket, VoidClearing
from market.model.events import Event


def operate(state: State, command: PauseMarket | ResumeMarket | VoidClearing, now_us: int) -> Decision:
    """Decide on what the operator does to the course of the market."""
    match command:
        case PauseMarket():
            return pause(state, command, now_us)
        case ResumeMarket():
            return resume(state, command, now_us)
        case VoidClearing():
            return void_clearing(state, command, now_us)
        case _:
            assert_never(command)


def pause(state: State, command: PauseMarket, now_us: int) -> Decision:
    """Open no round from now on. Orders are acknowledged and wait; the round that is open goes on."""
    if state.paused_us is not None:
        return refuse("state", f"paused already: {state.pause_reason}", state="paused")
    return accept(events.MarketPaused(at_us=now_us, reason=command.reason))


def resume(state: State, command: ResumeMarket, now_us: int) -> Decision:
    """Open rounds again; the next one as soon as its takt is due."""
    if state.paused_us is None:
        return refuse("state", "the market is not paused", state="running")
    return accept(events.MarketResumed(at_us=now_us, reason=command.reason))


def void_clearing(state: State, command: VoidClearing, now_us: int) -> Decision:
    """Take a round back that is being cleared, or that is cleared and that nobody has confirmed yet."""
    round_ = state.rounds.get(command.round_id)
    if round_ is None:
        return refuse("unknown", "no such round", field="round_id", value=command.round_id)
    if round_.state in {"opening", "clearing"}:
        return _void_undecided(state, round_, command, now_us)
    if round_.state != "cleared":
        return refuse(
            "state",
            "only a round that is being cleared or is cleared can be taken back",
            field="round_id",
            value=round_.id,
            state=round_.state,
        )
    return _void_unconfirmed(state, round_, command, now_us)


def _void_undecided(state: State, round_: RoundRecord, command: VoidClearing, now_us: int) -> Decision:
    returned: list[Event] = []
    for record in cleared_orders(state, round_):
        if record.cancel_position is None:
            returned.append(_returned(record.order.id, command, now_us))
        else:  # the cancellation that was noted meanwhile takes effect
            returned += [
                _returned(record.order.id, command, now_us),
                *cancellation(state, record, now_us),
            ]
    voided = events.RoundVoided(round_id=round_.id, at_us=now_us, reason=command.reason)
    return accept(voided, *returned, subject_id=round_.id)


def _void_unconfirmed(state: State, round_: RoundRecord, command: VoidClearing, now_us: int) -> Decision:
    known = [state.orders[order_id] for order_id in round_.orders if order_id in state.orders]
    taken_back: list[Event] = []
    for record in known:
        won = [state.contracts[id_] for id_ in record.contracts]
        own = [one for one in won if one.contract.round_id == round_.id]
        for one in own:
            if one.state not in {"awarded", "ended"}:
                return refuse(
                    "state",
                    f"contract {one.contract.id} is {one.state}",
                    field="round_id",
                    value=round_.id,
                    state=one.state,
                )
        taken_back += [
            events.ContractEnded(
                contract_id=one.contract.id, at_us=now_us, reason=f"clearing voided: {command.reason}"
            )
            for one in own
            if one.state == "awarded"
        ]
        if record.state == "awarded":
            kept = any(one.state in STANDING and one.contract.round_id != round_.id for one in won)
            taken_back.append(
                events.OrderProgressed(order_id=record.order.id, step="at_risk", at_us=now_us)
                if kept
                else _returned(record.order.id, command, now_us)
            )
    voided = events.ClearingVoided(round_id=round_.id, at_us=now_us, reason=command.reason)
    return accept(voided, *taken_back, subject_id=round_.id)


def _returned(order_id: str, command: VoidClearing, now_us: int) -> Event:
    return events.OrderReturned(
        order_id=order_id, round_id=command.round_id, at_us=now_us, reason=command.reason
    )
