"""What a disruption costs an order: what is done stays, what remains is open again. Decides only.

Unstarted work is at risk and called again. Begun work ends with what is done of it: the contract is
reduced to it, and paid for it. Finished goods stay where they are.
"""

from __future__ import annotations

from collections.abc import Iterable

from market.engine.contesting import LATE, agreed_us, contest, may_go_on
from market.engine.execution import reallocates
from market.engine.ledger import PREEMPTED, RELEASED
from market.engine.partly_done import done_items, reduced
from market.engine.risks import lost_contract, remaining
from market.engine.state import ContractRecord, OrderRecord, State
from market.engine.transitions import STANDING, UNSTARTED, next_order_state
from market.engine.ways import logistics
from market.model import events
from market.model.contract_events import (
    ContractReduced,
    ProgressReported,
)
from market.model.events import Event
from market.model.network import Network
from takt_sdk.model.contract import ContractItem
from takt_sdk.model.messages import OrderState
from takt_sdk.model.values import MINUTE_US

GONE = frozenset({"shipped", "delivered"})
_BEFORE_SHIPPING: tuple[OrderState, ...] = ("awarded", "confirmed", "in_production")


# --- losing work -----------------------------------------------------------------------------


def lose(
    state: State,
    record: ContractRecord,
    reason: str,
    now_us: int,
    done: tuple[ContractItem, ...] | None = None,
) -> list[Event]:
    """Return the end of what is not done of a contract; nothing where it is finished or over.

    ``done`` is by default what was reported.
    """
    id_ = record.contract.id
    if state.orders[record.contract.order_id].state in GONE:
        return []
    if record.state in UNSTARTED:
        return [events.ContractAtRisk(contract_id=id_, at_us=now_us, cause=reason)]
    if record.state != "in_production":
        return []
    done = done_items(state, record) if done is None else done
    if done:
        return [ContractReduced(contract=reduced(record.contract, done), at_us=now_us, reason=reason)]
    return [events.ContractEnded(contract_id=id_, at_us=now_us, reason=reason)]


def steps(state: State, lost: Iterable[Event], now_us: int) -> list[events.OrderProgressed]:
    """Return the steps to at risk of the orders that lose contracts."""
    orders: dict[str, None] = {}
    for event in lost:
        contract_id = lost_contract(event)
        if contract_id is not None:
            orders[state.contracts[contract_id].contract.order_id] = None
    return [
        events.OrderProgressed(order_id=id_, step="at_risk", at_us=now_us)
        for id_ in orders
        if next_order_state(state.orders[id_].state, "at_risk") is not None
    ]


# --- what breaks -----------------------------------------------------------------------------


def breaks(state: State, record: ContractRecord, end_us: int) -> bool:
    """Return whether goods that are ready at ``end_us`` come too late for who waits for them.

    Who has not begun waits until its start and the tolerance, the customer until the due date and the
    tolerance.
    """
    tolerance_us = state.rules.contracts.tolerance_us
    latest_us = agreed_us(state, record.contract) + (tolerance_us or 0)
    if tolerance_us is None or not reallocates(state) or end_us <= latest_us:
        return False
    for shipment in record.contract.shipments:
        arrival_us = end_us + shipment.transit_minutes * MINUTE_US
        if arrival_us > _awaited_us(state, record, shipment.to_contract) + tolerance_us:
            return True
    return False


def _awaited_us(state: State, record: ContractRecord, to_contract: str | None) -> int:
    if to_contract is None:
        return state.orders[record.contract.order_id].order.terms.due_us
    receiver = state.contracts[to_contract]
    return receiver.contract.start_us if receiver.state in UNSTARTED else receiver.contract.end_us


def late(state: State, event: Event, now_us: int) -> list[Event]:
    """Return what a report of lateness loses: work that would come too late for who waits for it."""
    if isinstance(event, ProgressReported):
        contract_id, end_us = event.contract_id, event.predicted_end_us
    elif isinstance(event, events.MilestoneReported) and event.milestone == "delayed":
        contract_id, end_us = event.contract_id, event.expected_end_us or 0
    else:
        return []
    record = state.contracts[contract_id]
    if not breaks(state, record, end_us):
        return []
    done = done_items(state, record)
    if isinstance(event, ProgressReported) and record.state == "in_production":
        done = tuple(
            ContractItem(lot_id=item.lot_id, quantity=quantity)
            for item in record.contract.items
            if (quantity := min(item.quantity, _done(state, record, event, item.lot_id)))
        )
    if may_go_on(state, record, end_us):
        return contest(state, record, end_us, LATE, now_us, done)
    return lose(state, record, LATE, now_us, done)


def _done(state: State, record: ContractRecord, event: ProgressReported, lot_id: str) -> int:
    """Return what is done of a lot, this report included."""
    if lot_id == event.lot_id:
        return event.done
    known = state.contracting.work.get(record.contract.id, {}).get(lot_id)
    return 0 if known is None else known.done


def short(state: State, event: Event, now_us: int) -> list[Event]:
    """Return the reduction of a contract that is finished with fewer good units than agreed."""
    if not isinstance(event, events.MilestoneReported) or event.milestone != "finished":
        return []
    contract = state.contracts[event.contract_id].contract
    units = sum(item.quantity for item in contract.items)
    if len(contract.items) != 1 or not 0 < event.quantity < units:
        return []
    items = (ContractItem(lot_id=contract.items[0].lot_id, quantity=event.quantity),)
    return [ContractReduced(contract=reduced(contract, items), at_us=now_us, reason="finished short")]


def lanes_broken(state: State, network: Network, now_us: int) -> list[events.OrderProgressed]:
    """Return the orders whose goods can not move as planned on a network, as steps to at risk."""
    tolerance_us = state.rules.contracts.tolerance_us
    if tolerance_us is None or not reallocates(state):
        return []
    routes = logistics(network)
    found: list[events.OrderProgressed] = []
    for order_id in sorted(state.index.open_orders):
        record = state.orders[order_id]
        if record.state not in _BEFORE_SHIPPING:
            continue
        for contract_id in record.contracts:
            known = state.contracts[contract_id]
            if known.state not in STANDING or contract_id in state.contracting.moved:
                continue
            for shipment in known.contract.shipments:
                route = routes.route(known.contract.site, shipment.to_site)
                awaited_us = _awaited_us(state, known, shipment.to_contract) + tolerance_us
                if route is not None and (
                    route.transit_minutes <= shipment.transit_minutes
                    or known.expected_end_us + route.transit_minutes * MINUTE_US <= awaited_us
                ):
                    continue
                found.append(events.OrderProgressed(order_id=order_id, step="at_risk", at_us=now_us))
                break
            else:
                continue
            break
    return found


def passed_over(state: State, event: Event, now_us: int) -> list[Event]:
    """Return what gives way after rounds that did not serve an order at risk, by the rules."""
    if not isinstance(event, events.OrderPassedOver) or event.final:
        return []
    record, rules = state.orders[event.order_id], state.rules.contracts
    if record.state != "reallocating" or record.cancel_position is not None:
        return []
    failed = state.contracting.failed.get(event.order_id, 0) + 1
    given: list[Event] = []
    if rules.release_after and failed % rules.release_after == 0:
        given += [
            events.ContractAtRisk(
                contract_id=id_, at_us=now_us, cause=f"{RELEASED}what comes before it is late"
            )
            for id_ in record.contracts
            if state.contracts[id_].state in UNSTARTED and id_ not in state.contracting.contested
        ]
    if rules.preempt_after and failed >= rules.preempt_after:
        given += _preempted(state, record, now_us)
    return given


def _preempted(state: State, record: OrderRecord, now_us: int) -> list[Event]:
    """Return the contract that gives way: unstarted, of the open process, for the order due last.

    An order gives way once: two of them can not push each other out for ever.
    """
    open_lots = {lot_id for lot_id, _ in remaining(state, record, {})}
    wanted = {lot.requirement.process for lot in record.order.lots if lot.id in open_lots}
    rivals = []
    for participant in sorted(state.index.active_contracts):
        for id_ in state.index.active_contracts[participant]:
            known = state.contracts[id_]
            other = state.orders[known.contract.order_id]
            lots = {item.lot_id for item in known.contract.items}
            asked = {lot.requirement.process for lot in other.order.lots if lot.id in lots}
            if (
                known.state in UNSTARTED
                and other.state in _BEFORE_SHIPPING
                and not any(
                    risk.cause == PREEMPTED for risk in state.contracting.risks.get(other.order.id, ())
                )
                and other.order.terms.due_us > record.order.terms.due_us
                and asked & wanted
            ):
                rivals.append((other.order.terms.due_us, id_))
    if not rivals:
        return []
    return [events.ContractAtRisk(contract_id=max(rivals)[1], at_us=now_us, cause=PREEMPTED)]


# --- after all that is decided ----------------------------------------------------------------


def consequences(state: State, happened: tuple[Event, ...], now_us: int) -> list[Event]:
    """Return what reports, networks and failed rounds bring about."""
    following: list[Event] = []
    gone = {lost_contract(event) for event in happened} - {None}
    risky = {
        event.order_id
        for event in happened
        if isinstance(event, events.OrderProgressed) and event.step == "at_risk"
    }
    for event in happened:
        lost: list[Event] = []
        for one in (
            *late(state, event, now_us),
            *short(state, event, now_us),
            *passed_over(state, event, now_us),
        ):
            contract_id = lost_contract(one)
            if contract_id not in gone:
                gone.add(contract_id)
                lost.append(one)
        stepped = steps(state, lost, now_us)
        if isinstance(event, events.NetworkPublished):
            stepped += lanes_broken(state, event.network, now_us)
        following += [*lost, *(one for one in stepped if one.order_id not in risky)]
        risky |= {one.order_id for one in stepped}
    return following
