"""The takt: when a round opens, whom it calls for what, when it closes. Decides on ticks.

Eligibility is decided here, before anything is sent.
"""

from __future__ import annotations

from dataclasses import replace

from market.engine.audience import HIDDEN_ROUND, PUBLIC_ROUND, is_open_order
from market.engine.decision import Decision, accept
from market.engine.execution import expiries, reallocates, settlements, silences, unconfirmed
from market.engine.partly_done import done_items
from market.engine.retention import retirements
from market.engine.state import OrderRecord, RoundRecord, State
from market.engine.transitions import STANDING
from market.model import events
from market.model.events import Event
from takt_sdk.model.capability import DataClass, Requirement
from takt_sdk.model.messages import Tick
from takt_sdk.model.order import Lot


def tick(state: State, command: Tick, now_us: int) -> Decision:
    """Let time pass: close what is due, settle, expire, open the next round.

    What is due is due at ``now_us``: a tick that was overtaken by a later message turns nothing back.
    """
    happened = unconfirmed(state, now_us)
    happened += silences(state, happened, now_us)
    happened += settlements(state, now_us)
    happened += expiries(state, happened, now_us)
    round_ = state.round
    if round_ is None:
        if now_us >= state.next_call_us and not happened and state.paused_us is None:
            happened += open_round(state, now_us, command)
    elif round_.state == "open" and now_us >= round_.deadline_us:
        happened.append(events.RoundClosed(round_id=round_.id, at_us=now_us, reason="deadline"))
    elif (
        round_.state == "open"
        and state.rules.early_close
        and not round_.sealing_key
        and _present_answered(round_, command.absent)
    ):
        happened.append(events.RoundClosed(round_id=round_.id, at_us=now_us, reason="present_answered"))
    return accept(*happened, *retirements(state, now_us))


def _present_answered(round_: RoundRecord, absent: tuple[str, ...]) -> bool:
    """Return whether somebody is there and all who are have answered; with nobody there the round waits."""
    if not absent:
        return False
    present = round_.eligible.keys() - set(absent)
    return bool(present) and present <= round_.answers.keys()


def open_round(state: State, now_us: int, tick: Tick) -> list[Event]:
    """Return the call for everything that is open now; nothing if nothing is, or its seal has no key.

    A round in which nobody is eligible closes at once where rounds may close early.
    """
    orders, lots = _callable(state, now_us)
    if not orders:
        return []
    round_id = _next_id(state, orders)
    sealed = state.rules.sealed
    if sealed and not (tick.sealing_key and tick.sealing_round == round_id):
        return []
    eligible = _eligible(state, lots)
    opened = events.RoundOpened(
        round_id=round_id,
        number=state.next_round_number,
        opened_us=now_us,
        deadline_us=now_us + state.rules.response_us,
        seed_commitment=tick.seed_commitment,
        orders=tuple(orders),
        lots=tuple(lots),
        eligible=eligible,
        sealing_key=tick.sealing_key if sealed else "",
    )
    if eligible or sealed or not state.rules.early_close:
        return [opened]
    return [opened, events.RoundClosed(round_id=round_id, at_us=now_us, reason="all_answered")]


def key_due(state: State, now_us: int) -> str:
    """Return the id of the sealed round that a tick at ``now_us`` could open, given its key; or nothing."""
    if not state.rules.sealed or state.round is not None or state.paused_us is not None:
        return ""
    if now_us < state.next_call_us:
        return ""
    orders, _ = _callable(state, now_us)
    return _next_id(state, orders) if orders else ""


def _next_id(state: State, orders: list[str]) -> str:
    """Return the id of the next round, numbered apart where no order in it is for everybody's eyes.

    Whoever may know of no restricted order then sees no gap in the numbers either.
    """
    if any(is_open_order(state, order_id) for order_id in orders):
        return f"{PUBLIC_ROUND}{state.next_round_number - state.hidden_rounds:06d}"
    return f"{HIDDEN_ROUND}{state.hidden_rounds + 1:06d}"


def _callable(state: State, now_us: int) -> tuple[list[str], list[Lot]]:
    """Return the orders that a round would call now, and their open lots; both by id."""
    lots: list[Lot] = []
    orders: list[str] = []
    waiting = [state.orders[order_id] for order_id in state.index.callable_orders]
    for record in sorted(waiting, key=lambda record: (record.submitted_us, record.order.id)):
        if record.order.terms.deadline_us <= now_us:
            continue
        if record.state == "at_risk" and not reallocates(state):
            continue
        called = open_lots(state, record, now_us)
        if orders and len(lots) + len(called) > state.rules.max_lots_per_round:
            break
        orders.append(record.order.id)
        lots += called
    orders.sort()
    lots.sort(key=lambda lot: lot.id)
    return orders, lots


def _eligible(state: State, lots: list[Lot]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Return who is called for which lots, by participant id; who is eligible for nothing is absent."""
    alike: dict[tuple[str, Requirement, DataClass, str], list[int]] = {}
    for index, lot in enumerate(lots):
        order = state.orders[lot.order_id].order
        role = "supplier" if lot.kind == "material" else "plant"
        alike.setdefault((role, lot.requirement, order.terms.data_class, order.customer), []).append(index)
    called: dict[str, list[int]] = {}
    masters = _masters(state)
    for (role, requirement, data_class, customer), indices in alike.items():
        for participant in masters.get(requirement.process, ()):
            admitted = state.participants[participant].admission
            if (
                participant != customer
                and role in admitted.roles
                and admitted.qualification.eligible(requirement, data_class)
            ):
                called.setdefault(participant, []).extend(indices)
    return tuple((participant, tuple(sorted(called[participant]))) for participant in sorted(called))


def _masters(state: State) -> dict[str, list[str]]:
    """Return who masters each process, of those who may be called."""
    found: dict[str, list[str]] = {}
    for participant, record in state.participants.items():
        if not record.suspended and participant not in state.contracting.silent:
            for process in {capability.process for capability in record.admission.qualification.capabilities}:
                found.setdefault(process, []).append(participant)
    return found


def demand(record: OrderRecord, lot: Lot, *, kept: bool) -> int:
    """Return the units of a lot that the order needs: of all its pieces, or those awarded before."""
    return lot.quantity * record.pieces // record.order.terms.quantity if kept else lot.quantity


def open_lots(state: State, record: OrderRecord, now_us: int) -> list[Lot]:
    """Return what of an order must be procured, in quantities and windows as they stand now.

    Lots of a new order keep their slices. After a disruption a lot has all the time between the
    contracts that still stand before and after it, or until goods must leave to meet the deadline.
    """
    order = record.order
    covered: dict[str, int] = {}
    earliest: dict[str, int] = {}
    latest: dict[str, int] = {}
    stands = False
    for contract_id in record.contracts:
        known = state.contracts[contract_id]
        if known.state not in STANDING:
            continue
        stands = True
        contested = contract_id in state.contracting.contested
        for item in done_items(state, known) if contested else known.contract.items:
            covered[item.lot_id] = covered.get(item.lot_id, 0) + item.quantity
        for item in known.contract.items:
            earliest[item.lot_id] = max(earliest.get(item.lot_id, 0), known.expected_end_us)
            latest[item.lot_id] = min(
                latest.get(item.lot_id, known.contract.start_us), known.contract.start_us
            )
    lots = []
    for lot in order.lots:
        quantity = demand(record, lot, kept=stands) - covered.get(lot.id, 0)
        if quantity == 0:
            continue
        start_us, end_us = lot.earliest_start_us, lot.latest_end_us
        if record.state == "at_risk":
            before = [
                earliest[arc.source] for arc in order.arcs if arc.target == lot.id and arc.source in earliest
            ]
            after = [latest[a.target] for a in order.arcs if a.source == lot.id and a.target in latest]
            last_us = order.terms.deadline_us - state.rules.transit_us
            start_us, end_us = max(before, default=start_us), min(after, default=last_us)
        start_us = max(start_us, now_us)
        end_us = max(end_us, start_us + 1)
        same = (quantity, start_us, end_us) == (lot.quantity, lot.earliest_start_us, lot.latest_end_us)
        lots.append(
            lot if same else replace(lot, quantity=quantity, earliest_start_us=start_us, latest_end_us=end_us)
        )
    return lots
