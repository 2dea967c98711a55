"""What is said of orders at risk: each loss, what is at stake, the promise that answers it. Decides only.

Every loss has a risk of its own, also in an order that is at risk already. A new promise answers all that
are open, but not the loss of contracts that its round still counted on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from market.engine.contracting import Risk
from market.engine.ledger import BREACHES, PREEMPTED, RELEASED
from market.engine.partly_done import reduced
from market.engine.state import OrderRecord, State
from market.engine.transitions import STANDING
from market.model import events
from market.model.contract_events import (
    CallHastened,
    ContractContested,
    ContractReduced,
    DisruptionNoted,
    OrderHeld,
    ParticipantSilent,
    PromiseChanged,
    RiskNoted,
)
from market.model.events import Event
from takt_sdk.model.contract import ContractItem

_AT_RISK = frozenset({"at_risk", "reallocating", "awaiting_approval"})
_GIVEN_WAY = (RELEASED, PREEMPTED)
"""Causes that a failed round brings about: the next takt is soon enough."""

_OVER = (events.OrderCancelled, events.OrderExpired, events.OrderSettled, events.OrderReturned)

_Lost = Mapping[str, Event]
"""What loses contracts, by contract."""


def lost_contract(event: Event) -> str | None:
    """Return the contract of which an event loses what is not done; None for other events."""
    match event:
        case events.ContractAtRisk() | events.ContractEnded():
            return event.contract_id
        case events.MilestoneReported(milestone="refused"):
            return event.contract_id
        case ContractContested():
            return event.contract_id
        case ContractReduced() if not event.by_customer:
            return event.contract.id
        case _:
            return None


def open_risks(state: State, order_id: str) -> list[Risk]:
    """Return the risks of an order that no new promise has answered."""
    return [risk for risk in state.contracting.risks.get(order_id, ()) if risk.awarded_us is None]


def cause_of(risks: Iterable[Risk]) -> str:
    """Return the reasons of risks as one."""
    return "; ".join(dict.fromkeys(risk.cause for risk in risks))


def risks(state: State, happened: Iterable[Event], now_us: int) -> Iterator[Event]:
    """Yield what is said of orders that lose something, and of those that get a new promise."""
    hastened = False
    for event in _said(state, tuple(happened), now_us):
        if not isinstance(event, CallHastened) or not hastened:
            yield event
        hastened = hastened or isinstance(event, CallHastened)


def _said(state: State, told: tuple[Event, ...], now_us: int) -> Iterator[Event]:
    lost = _lost_by_order(state, told)
    awarded: dict[str, events.OrderAwarded] = {}
    done = {event.order_id for event in told if isinstance(event, _OVER)}
    for event in told:
        match event:
            case events.OrderAwarded():
                awarded[event.order_id] = event
                done.add(event.order_id)
                yield from _promise(state, event, now_us)
            case events.OrderProgressed(step="at_risk"):
                done.add(event.order_id)
                known = _unanswered(state, awarded.get(event.order_id))
                if known:
                    yield from _followed(state, event.order_id, known, known[-1].cause, now_us)
                else:
                    yield from _noted(state, told, event.order_id, lost.get(event.order_id, {}), now_us)
            case events.OrderPassedOver(final=False) if event.order_id not in done:
                yield from _held(state, event.order_id, open_risks(state, event.order_id), now_us)
            case _:
                pass
    for order_id, losses in lost.items():
        more = {id_: event for id_, event in losses.items() if _is_more(state, id_, event)}
        at = state.orders[order_id].state
        if more and order_id not in done and at in _AT_RISK:
            yield from _noted(state, told, order_id, more, now_us, may_wait=at == "at_risk")


def _lost_by_order(state: State, told: Iterable[Event]) -> dict[str, dict[str, Event]]:
    lost: dict[str, dict[str, Event]] = {}
    for event in told:
        id_ = lost_contract(event)
        if id_ is not None and id_ in state.contracts:
            lost.setdefault(state.contracts[id_].contract.order_id, {})[id_] = event
    return lost


def _is_more(state: State, contract_id: str, event: Event) -> bool:
    """Return whether an order at risk loses more by an event: not by a failed round or a new forecast."""
    if isinstance(event, events.ContractAtRisk):
        return not event.cause.startswith(_GIVEN_WAY)
    return not isinstance(event, ContractContested) or contract_id not in state.contracting.contested


def _unanswered(state: State, awarded: events.OrderAwarded | None) -> list[Risk]:
    """Return the open risks of contracts that an award still counted on."""
    if awarded is None:
        return []
    lost = {contract_id for contract_id, _ in awarded.lost}
    return [risk for risk in open_risks(state, awarded.order_id) if not lost.isdisjoint(risk.lost)]


def _noted(
    state: State,
    told: tuple[Event, ...],
    order_id: str,
    lost: _Lost,
    now_us: int,
    *,
    may_wait: bool = True,
) -> Iterator[Event]:
    """Yield the risk of a loss and what follows; an order under way, or held already, can not wait."""
    cause, source = _cause(told, lost)
    risk = Risk(
        cause=cause,
        source_id=source,
        at_us=now_us,
        lost=tuple(sorted(lost)),
        remaining=remaining(state, state.orders[order_id], lost),
        occurred_us=_occurred_us(state, told, lost, now_us),
        value_minor=sum(_value(state, id_, event) for id_, event in lost.items()),
    )
    yield RiskNoted(
        order_id=order_id,
        at_us=now_us,
        cause=cause,
        source_id=source,
        lost=risk.lost,
        remaining=risk.remaining,
        occurred_us=risk.occurred_us,
        value_minor=risk.value_minor,
    )
    known = [*open_risks(state, order_id), risk] if may_wait else []
    yield from _followed(state, order_id, known, cause, now_us)


def _followed(state: State, order_id: str, known: Iterable[Risk], cause: str, now_us: int) -> Iterator[Event]:
    """Yield that a human must approve what is lost, or else that it is called at once, by rule."""
    held = list(_held(state, order_id, known, now_us))
    yield from held
    if not held and state.rules.contracts.recall_at_once and not cause.startswith(_GIVEN_WAY):
        yield CallHastened(at_us=now_us)


def _held(state: State, order_id: str, known: Iterable[Risk], now_us: int) -> Iterator[Event]:
    """Yield that a human must approve what nobody has approved of the losses that are known."""
    value = sum(risk.value_minor for risk in known if risk.held_us is None)
    limit = state.rules.contracts.approve_above_minor
    if limit is not None and value > limit:
        yield OrderHeld(order_id=order_id, at_us=now_us, value_minor=value)


def _promise(state: State, event: events.OrderAwarded, now_us: int) -> Iterator[Event]:
    record = state.orders[event.order_id]
    if record.state != "reallocating":
        return
    lost = tuple(contract_id for contract_id, _ in event.lost)
    answered = [risk for risk in open_risks(state, event.order_id) if set(lost).isdisjoint(risk.lost)]
    yield PromiseChanged(
        order_id=event.order_id,
        at_us=now_us,
        before_us=record.promised_us or 0,
        promised_us=event.promised_us,
        charge_before_minor=record.charge_minor or 0,
        charge_minor=event.charge_minor,
        cause=cause_of(answered) or "reallocated",
        lost=lost,
    )


def _cause(told: tuple[Event, ...], lost: _Lost) -> tuple[str, str]:
    """Return why an order is at risk, and the notice that says so."""
    source = next((e.notice.notice_id for e in told if isinstance(e, DisruptionNoted)), "")
    source = source or next((e.notice_id for e in told if isinstance(e, events.BreakdownReported)), "")
    for event in lost.values():
        if isinstance(event, events.ContractAtRisk):
            return event.cause, source
        if isinstance(event, events.ContractEnded | ContractReduced | ContractContested):
            return event.reason, source
    if any(isinstance(e, events.NetworkPublished) for e in told):
        return "a lane is closed or slower", source
    return "a contract was refused", source


def _occurred_us(state: State, told: tuple[Event, ...], lost: _Lost, now_us: int) -> int:
    """Return since when the work was lost: the breakdown, the last sign of life, or what was missed."""
    for event in told:
        match event:
            case events.BreakdownReported():
                return min(now_us, event.window.start_us)
            case DisruptionNoted() if event.notice.window is not None:
                return min(now_us, event.notice.window.start_us)
            case ParticipantSilent():
                return event.last_heard_us
            case _:
                pass
    missed = [
        known.awarded_us if event.reason == "not confirmed in time" else known.expected_end_us
        for id_, event in lost.items()
        if isinstance(event, events.ContractEnded) and event.reason in BREACHES
        for known in (state.contracts[id_],)
    ]
    return min(now_us, *missed) if missed else now_us


def remaining(state: State, record: OrderRecord, lost: _Lost) -> tuple[tuple[str, int], ...]:
    """Return the units of each lot that nobody is to make any more, once ``lost`` is."""
    covered: dict[str, int] = {}
    for id_ in record.contracts:
        event = lost.get(id_)
        if state.contracts[id_].state not in STANDING or (
            event is not None and not isinstance(event, ContractReduced | ContractContested)
        ):
            continue
        for item in _still_made(state, id_, event):
            covered[item.lot_id] = covered.get(item.lot_id, 0) + item.quantity
    return tuple(
        (lot.id, rest)
        for lot in record.order.lots
        if (rest := lot.quantity * record.pieces // record.order.terms.quantity - covered.get(lot.id, 0)) > 0
    )


def _still_made(state: State, contract_id: str, event: Event | None) -> tuple[ContractItem, ...]:
    if isinstance(event, ContractReduced):
        return event.contract.items
    if isinstance(event, ContractContested):
        return event.done
    return state.contracts[contract_id].contract.items


def _value(state: State, contract_id: str, event: Event) -> int:
    record = state.contracts[contract_id]
    payment = record.contract.payment_minor
    if isinstance(event, ContractContested):
        return payment - reduced(record.contract, event.done).payment_minor
    return payment - event.contract.payment_minor if isinstance(event, ContractReduced) else payment
