"""Disruptions as messages: breakdowns, lanes, demand, and silence. Decides; changes nothing itself."""

from __future__ import annotations

from dataclasses import replace

from market.engine import changes
from market.engine.contesting import contest, may_go_on
from market.engine.decision import Decision, Inbound, accept, refuse, repeat
from market.engine.execution import reallocates
from market.engine.partly_done import done_items
from market.engine.reallocation import breaks, lose, steps
from market.engine.state import ContractRecord, State
from market.engine.transitions import UNSTARTED
from market.engine.uses import uses_within
from market.logistics.network import with_transit, without_lane
from market.model import events
from market.model.contract_commands import NoteSilence
from market.model.contract_events import DisruptionNoted, ParticipantSilent
from market.model.events import Event
from takt_sdk.model.execution import EFFECTS, NotifyDisruption, RequestChange
from takt_sdk.model.values import Window

OPERATOR = "operator"
_NEEDED: dict[str, tuple[str, ...]] = {
    "breakdown": ("resource", "window"),
    "logistics": ("lane_source", "lane_target"),
    "demand": (),
}
_SENDERS = {"breakdown": ("plant", "supplier"), "demand": ("customer",)}


def notify(state: State, inbound: Inbound, command: NotifyDisruption, now_us: int) -> Decision:
    """Take a notice of a disruption from whom its cause concerns; ids are the market's, once each."""
    known = state.contracting.disruptions.get(command.notice_id)
    if known is not None:
        if (known.sender, known.digest) == (inbound.sender, inbound.digest):
            return repeat(known.position, command.notice_id)
        return refuse(
            "equivocation", "another notice has this id", field="notice_id", value=command.notice_id
        )
    refused = (
        _shape_refused(command)
        or _sender_refused(state, inbound, command)
        or _source_refused(state, inbound, command)
    )
    if refused is not None:
        return refused
    if command.cause == "logistics":
        return _lane(state, inbound, command, now_us)
    noted = DisruptionNoted(notice=command, sender=inbound.sender, digest=inbound.digest, at_us=now_us)
    if command.status == "resolved":
        return accept(noted, subject_id=command.notice_id)
    if command.cause == "breakdown":
        assert command.window is not None
        lost = stopped(state, inbound.sender, command.resource, command.window, now_us)
        return accept(noted, *lost, *steps(state, lost, now_us), subject_id=command.notice_id)
    return _demand(state, inbound, command, noted, now_us)


def _shape_refused(command: NotifyDisruption) -> Decision | None:
    """Refuse what does not fit together: an effect of another cause, or nothing where something is due."""
    if command.effect not in EFFECTS[command.cause]:
        detail = f"{command.cause} has {', '.join(EFFECTS[command.cause])}"
        return refuse("invalid", detail, field="effect", value=command.effect)
    needed = ("source_id",) if command.status == "resolved" else _NEEDED[command.cause]
    for name in needed:
        if not getattr(command, name):
            return refuse("invalid", f"{command.cause} names it", field=name, value=getattr(command, name))
    return None


def _sender_refused(state: State, inbound: Inbound, command: NotifyDisruption) -> Decision | None:
    if command.cause == "logistics":
        allowed = inbound.sender == OPERATOR
    else:
        record = state.participants.get(inbound.sender)
        roles = () if record is None else record.admission.roles
        allowed = bool(set(_SENDERS[command.cause]) & set(roles))
    if allowed:
        return None
    return refuse(
        "not_allowed", f"{command.cause} is not yours to tell of", field="sender", value=inbound.sender
    )


def _source_refused(state: State, inbound: Inbound, command: NotifyDisruption) -> Decision | None:
    if command.status == "open":
        return None
    known = state.contracting.disruptions.get(command.source_id)
    if known is None or known.sender != inbound.sender or known.notice.cause != command.cause:
        return refuse("unknown", "no such notice of yours", field="source_id", value=command.source_id)
    if known.resolved_us is not None:
        return refuse(
            "state", "it is resolved already", field="source_id", value=command.source_id, state="resolved"
        )
    return None


# --- breakdown -------------------------------------------------------------------------------


def stopped(state: State, participant: str, resource: str, window: Window, now_us: int) -> list[Event]:
    """Return what is lost of a participant's contracts on a resource that is down.

    Work that would come too late for who waits; without a tolerance, work that has not begun and needs it.
    """
    lost: list[Event] = []
    if not reallocates(state):
        return lost
    for contract_id in sorted(state.index.active_contracts.get(participant, ())):
        record = state.contracts[contract_id]
        if not _needs(state, record, resource, window):
            continue
        delayed_us = record.expected_end_us + max(0, window.end_us - max(window.start_us, now_us))
        lax = record.state in UNSTARTED and state.rules.contracts.tolerance_us is None
        late = breaks(state, record, delayed_us)
        if late and may_go_on(state, record, delayed_us):
            lost += contest(
                state, record, delayed_us, f"breakdown of {resource}", now_us, done_items(state, record)
            )
        elif lax or late:
            lost += lose(state, record, f"breakdown of {resource}", now_us)
    return lost


def _needs(state: State, record: ContractRecord, resource: str, window: Window) -> bool:
    contract = record.contract
    if record.state not in {*UNSTARTED, "in_production"}:
        return False
    if record.expected_end_us <= window.start_us or window.end_us <= contract.start_us:
        return False
    if record.state == "in_production":
        return any(use.resource == resource for use in contract.uses)
    return uses_within(contract, resource, window, state.rules.periods)


# --- logistics -------------------------------------------------------------------------------


def _lane(state: State, inbound: Inbound, command: NotifyDisruption, now_us: int) -> Decision:
    """Close a lane, slow it down, or bring back what it was."""
    network = state.contracting.next_network or state.network
    if command.status == "resolved":
        lane = state.contracting.disruptions[command.source_id].lane
        assert lane is not None
        others = (one for one in network.lanes if (one.source, one.target) != (lane.source, lane.target))
        changed = replace(network, lanes=(*others, lane))
    else:
        ends = (command.lane_source, command.lane_target)
        found = next((one for one in network.lanes if (one.source, one.target) == ends), None)
        if found is None:
            return refuse("unknown", "no such lane", field="lane_source", value=" -> ".join(ends))
        lane = found
        slower = max(lane.transit_minutes, command.transit_minutes)
        closed = command.effect == "lane_closed"
        changed = without_lane(network, *ends) if closed else with_transit(network, *ends, slower)
    noted = DisruptionNoted(
        notice=command, sender=inbound.sender, digest=inbound.digest, at_us=now_us, lane=lane
    )
    return accept(noted, events.NetworkPublished(network=changed), subject_id=command.notice_id)


# --- demand ----------------------------------------------------------------------------------


def _demand(
    state: State, inbound: Inbound, command: NotifyDisruption, noted: DisruptionNoted, now_us: int
) -> Decision:
    """Take note of demand; one that names an order and its new quantity is also asked for its price."""
    if not (command.order_id and command.quantity):
        return accept(noted, subject_id=command.notice_id)
    wanted = RequestChange(order_id=command.order_id, quantity=command.quantity)
    quoted = changes.request(state, inbound, wanted, now_us)
    return replace(quoted, events=(noted, *quoted.events)) if quoted.events else quoted


# --- silence ---------------------------------------------------------------------------------


def silence(state: State, command: NoteSilence, now_us: int) -> Decision:
    """Take the host's word that a participant is gone, or back: an input that is logged like any other."""
    name = command.participant
    if name not in state.participants:
        return refuse("unknown", "no such participant", field="participant", value=name)
    if command.silent == (name in state.contracting.silent):
        return accept()
    noted = ParticipantSilent(
        participant=name, last_heard_us=command.last_heard_us, silent=command.silent, at_us=now_us
    )
    lost: list[Event] = []
    if command.silent and reallocates(state):
        for contract_id in sorted(state.index.active_contracts.get(name, ())):
            record = state.contracts[contract_id]
            if state.orders[record.contract.order_id].state in {"shipped", "delivered"}:
                continue
            if record.state in UNSTARTED:
                lost.append(
                    events.ContractEnded(contract_id=contract_id, at_us=now_us, reason="heartbeat missed")
                )
            else:
                lost += lose(state, record, "heartbeat missed", now_us)
    return accept(noted, *lost, *steps(state, lost, now_us), subject_id=name)
