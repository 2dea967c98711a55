"""Changes and cancellations by the customer: priced first, then accepted. Decides; changes nothing itself.

Nothing is silently impossible: every state has a price, or says when to ask again. What is accepted
takes effect at its place in the log, before or after a clearing, and the quote says which.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from market.engine.decision import Decision, Inbound, accept, refuse, repeat
from market.engine.execution import settlement
from market.engine.ledger import CHANGED, cancellation_minor, cut_minor
from market.engine.orders import cancellation, terms_refused
from market.engine.snapshot import fee_minor
from market.engine.state import ContractRecord, OrderRecord, State
from market.engine.transitions import STANDING, UNSTARTED, next_order_state
from market.model import events
from market.model.contract_events import ChangeAccepted, ChangeQuoted, ContractReduced, OrderChanged
from market.model.events import Event
from market.model.order import Order, expand, order_id
from takt_sdk.model.contract import Contract, ContractItem
from takt_sdk.model.errors import ModelError
from takt_sdk.model.execution import AcceptChange, ChangeQuote, RequestChange
from takt_sdk.model.messages import TERMINAL_ORDER_STATES
from takt_sdk.model.order import OrderTerms
from takt_sdk.model.plan import PlannedArc, PlannedLot, ProcessPlan

MOST_QUOTES = 100
"""Most quotes that one order can have."""

_UNAWARDED = frozenset({"submitted", "calling"})
_GONE = frozenset({"shipped", "delivered"})
_UNSETTLED = frozenset({"at_risk", "reallocating", "awaiting_approval"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Offer:
    """What a change costs and what it does."""

    price_minor: int
    clearing: Literal["before", "after", "none"]
    detail: str
    effects: tuple[Event, ...]


def request(state: State, inbound: Inbound, command: RequestChange, now_us: int) -> Decision:
    """Price a change of an own order; nothing changes yet."""
    record = _own(state, inbound, command.order_id)
    if isinstance(record, Decision):
        return record
    asked = [command.quantity, command.due_us, command.deadline_us]
    if command.cancel == any(value is not None for value in asked):
        return refuse("invalid", "either cancel or change something", field="cancel", value=command.cancel)
    offer = _offer(state, record, command, f"{command.order_id}.q{state.size}", now_us)
    if isinstance(offer, Decision):
        return offer
    quotes = state.contracting.quotes.get(command.order_id, {})
    for known in quotes.values():
        told = (known.digest, known.quote.price_minor, known.quote.clearing)
        same = told == (inbound.digest, offer.price_minor, offer.clearing)
        if same and known.accepted_position is None and now_us < known.quote.expires_us:
            return repeat(known.position, known.quote.quote_id)
    if len(quotes) >= MOST_QUOTES:
        return refuse(
            "limit", f"at most {MOST_QUOTES} quotes for an order", field="order_id", value=len(quotes)
        )
    quote = ChangeQuote(
        quote_id=f"{command.order_id}.q{state.size}",
        order_id=command.order_id,
        participant=inbound.sender,
        price_minor=offer.price_minor,
        expires_us=now_us + state.rules.contracts.quote_valid_us,
        clearing=offer.clearing,
        detail=offer.detail,
    )
    return accept(
        ChangeQuoted(quote=quote, request=command, digest=inbound.digest, at_us=now_us),
        subject_id=quote.quote_id,
    )


def accept_change(state: State, inbound: Inbound, command: AcceptChange, now_us: int) -> Decision:
    """Carry out a change at the price that was quoted; at another price nothing happens."""
    record = _own(state, inbound, command.order_id)
    known = state.contracting.quotes.get(command.order_id, {}).get(command.quote_id)
    if known is not None and known.accepted_position is not None:
        return repeat(known.accepted_position, command.quote_id)
    if isinstance(record, Decision):
        return record
    if known is None:
        return refuse("unknown", "no such quote", field="quote_id", value=command.quote_id)
    if now_us >= known.quote.expires_us:
        return refuse(
            "closed", f"it held until {known.quote.expires_us}", field="quote_id", value=command.quote_id
        )
    offer = _offer(state, record, known.request, command.quote_id, now_us)
    if isinstance(offer, Decision):
        return offer
    if (offer.price_minor, offer.clearing) != (known.quote.price_minor, known.quote.clearing):
        detail = f"the price is {offer.price_minor} by now, clearing {offer.clearing}: ask again"
        return refuse("conflict", detail, field="quote_id", value=command.quote_id, state=record.state)
    accepted = ChangeAccepted(order_id=command.order_id, quote_id=command.quote_id, at_us=now_us)
    return accept(accepted, *offer.effects, subject_id=command.quote_id)


def _own(state: State, inbound: Inbound, id_: str) -> OrderRecord | Decision:
    record = state.orders.get(id_)
    if record is None or record.order.customer != inbound.sender:
        return refuse("unknown", "no such order", field="order_id", value=id_)
    if record.state in TERMINAL_ORDER_STATES:
        return refuse(
            "state", f"the order is {record.state}", field="order_id", value=id_, state=record.state
        )
    return record


def _offer(
    state: State, record: OrderRecord, command: RequestChange, quote_id: str, now_us: int
) -> _Offer | Decision:
    if command.cancel:
        return _cancel(state, record, now_us)
    if _is_cleared(state, record) or (record.state in _UNSETTLED and command.quantity is not None):
        return refuse(
            "state",
            "ask again once the clearing is known",
            field="order_id",
            value=record.order.id,
            state=record.state,
            retryable=True,
        )
    try:
        if record.state in _UNAWARDED:
            return _change_unawarded(state, record, command, now_us)
        if command.quantity is not None and command.quantity > record.order.terms.quantity:
            return _add(state, record, command, quote_id, now_us)
        if command.quantity is not None:
            return _cut(state, record, command, now_us)
        return _move_dates(state, record, command, now_us)
    except ModelError as error:
        return refuse("invalid", str(error), field=error.field, value=error.value)


def _is_cleared(state: State, record: OrderRecord) -> bool:
    round_ = state.round
    return round_ is not None and round_.state != "open" and record.order.id in round_.orders


# --- cancelling ------------------------------------------------------------------------------


def _cancel(state: State, record: OrderRecord, now_us: int) -> _Offer:
    """Price the end of an order: free before the award, by state after it, in full once it has left."""
    if record.state in _GONE:
        settled = settlement(state, record, now_us)
        detail = "the goods have left: they are delivered and charged in full"
        return _Offer(price_minor=settled.charge_minor, clearing="none", detail=detail, effects=(settled,))
    price = sum(cancellation_minor(state, state.contracts[id_]) for id_ in record.contracts)
    price += state.contracting.sunk.get(record.order.id, 0)
    if _is_cleared(state, record) and record.state in {"clearing", "reallocating"}:
        noted: tuple[Event, ...] = (events.CancellationNoted(order_id=record.order.id, at_us=now_us),)
        if record.cancel_position is not None:
            noted = ()
        return _Offer(
            price_minor=price, clearing="after", detail="ends once the clearing is known", effects=noted
        )
    open_round = record.state in {"calling", "reallocating"}
    return _Offer(
        price_minor=price,
        clearing="before" if open_round else "none",
        detail="leaves the open round" if open_round else "ends at once",
        effects=cancellation(state, record, now_us),
    )


# --- changing --------------------------------------------------------------------------------


def _changed_terms(
    state: State, record: OrderRecord, command: RequestChange, now_us: int
) -> OrderTerms | Decision:
    """Return an order's terms with what is asked for in place of the old, or why they can not be."""
    terms = replace(
        record.order.terms,
        quantity=command.quantity or record.order.terms.quantity,
        due_us=command.due_us or record.order.terms.due_us,
        deadline_us=_deadline_us(record, command),
    )
    refused = terms_refused(state, record.order.customer, terms, now_us, limit_orders=False)
    return terms if refused is None else refused


def _change_unawarded(
    state: State, record: OrderRecord, command: RequestChange, now_us: int
) -> _Offer | Decision:
    """Put new terms in place of the old; what is called leaves the open round and is called again."""
    terms = _changed_terms(state, record, command, now_us)
    if isinstance(terms, Decision):
        return terms
    order = expand(
        order_id=record.order.id,
        customer=record.order.customer,
        part_id=record.order.part_id,
        plan=plan_of(record.order),
        terms=terms,
        documents=record.order.documents,
        transit_us=state.rules.transit_us,
    )
    called = record.state == "calling"
    return _Offer(
        price_minor=0,
        clearing="before" if called else "none",
        detail="leaves the open round and is called again" if called else "holds from the next call on",
        effects=(OrderChanged(order=order, trigger="changed" if called else "", pieces=0, at_us=now_us),),
    )


def plan_of(order: Order) -> ProcessPlan:
    """Return the plan that an order was expanded from."""
    prefix = len(order.id) + 1
    return ProcessPlan(
        lots=tuple(
            PlannedLot(
                id=lot.id[prefix:],
                kind=lot.kind,
                requirement=lot.requirement,
                quantity_per_piece=lot.quantity // order.terms.quantity,
                run_time_us=lot.run_time_us,
            )
            for lot in order.lots
        ),
        arcs=tuple(
            PlannedArc(source=arc.source[prefix:], target=arc.target[prefix:])
            for arc in order.arcs
            if arc.target is not None
        ),
    )


def _deadline_us(record: OrderRecord, command: RequestChange) -> int:
    """Return the new deadline; a due date that moves back takes it along."""
    terms = record.order.terms
    if command.deadline_us is not None:
        return command.deadline_us
    return max(terms.deadline_us, command.due_us or 0)


def _add(
    state: State, record: OrderRecord, command: RequestChange, quote_id: str, now_us: int
) -> _Offer | Decision:
    """Procure what is added as an order of its own: what was promised stays promised."""
    before = record.order.terms
    assert command.quantity is not None
    added = command.quantity - before.quantity
    terms = replace(
        before,
        quantity=added,
        release_us=min(now_us, before.due_us - 1),
        due_us=command.due_us or before.due_us,
        deadline_us=_deadline_us(record, command),
        reservation_value_minor=before.reservation_value_minor * added // before.quantity,
    )
    refused = terms_refused(state, record.order.customer, terms, now_us)
    if refused is not None:
        return refused
    id_ = order_id(state.market, record.order.customer, quote_id, state.id_salt)
    order = expand(
        order_id=id_,
        customer=record.order.customer,
        part_id=record.order.part_id,
        plan=plan_of(record.order),
        terms=terms,
        documents=record.order.documents,
        transit_us=state.rules.transit_us,
    )
    submitted = events.OrderSubmitted(order=order, idempotency_key=quote_id, digest=quote_id, at_us=now_us)
    return _Offer(
        price_minor=0, clearing="none", detail=f"{added} more become order {id_}", effects=(submitted,)
    )


def _cut(state: State, record: OrderRecord, command: RequestChange, now_us: int) -> _Offer:
    """Make less: contracts are cut to the new quantity; what is made already is delivered and charged."""
    before, pieces = record.order.terms.quantity, record.pieces
    wanted = command.quantity or before
    by_lot: dict[str, list[ContractRecord]] = {}
    for id_ in record.contracts:
        known = state.contracts[id_]
        if known.state in STANDING:
            for item in known.contract.items:
                by_lot.setdefault(item.lot_id, []).append(known)
    standing = {known.contract.id: known for found in by_lot.values() for known in found}
    can = (
        pieces == before
        and all(len(found) == 1 for found in by_lot.values())
        and all(known.state in {*UNSTARTED, "in_production"} for known in standing.values())
        and all(known.finished_quantity == 0 for known in standing.values())
    )
    if not can:
        price = (record.charge_minor or 0) * (before - wanted) // before
        return _Offer(
            price_minor=price,
            clearing="none",
            detail="they are made already: all are delivered and charged",
            effects=(),
        )
    cut = {id_: _scaled(known.contract, wanted, before) for id_, known in sorted(standing.items())}
    price = sum(cut_minor(state, known, cut[id_]) for id_, known in standing.items())
    saved = sum(standing[id_].contract.payment_minor - one.payment_minor for id_, one in cut.items())
    production = (record.production_minor or 0) - saved
    transport = record.transport_minor or 0
    fee = fee_minor(state.rules, production + transport)
    changed = OrderChanged(
        order=_smaller(record.order, wanted),
        trigger="",
        pieces=wanted,
        at_us=now_us,
        charge_minor=production + transport + fee,
        production_minor=production,
        transport_minor=transport,
        fee_minor=fee,
    )
    reduced = (
        ContractReduced(contract=one, at_us=now_us, reason=CHANGED, by_customer=True) for one in cut.values()
    )
    return _Offer(
        price_minor=price, clearing="none", detail=f"{saved} less to pay", effects=(*reduced, changed)
    )


def _scaled(contract: Contract, wanted: int, before: int) -> Contract:
    return replace(
        contract,
        items=tuple(
            ContractItem(lot_id=item.lot_id, quantity=item.quantity * wanted // before)
            for item in contract.items
        ),
        payment_minor=-(-contract.payment_minor * wanted // before),
        shipments=tuple(replace(s, quantity=s.quantity * wanted // before) for s in contract.shipments),
        emissions_g=-(-contract.emissions_g * wanted // before),
    )


def _smaller(order: Order, wanted: int) -> Order:
    before = order.terms.quantity
    return replace(
        order,
        terms=replace(order.terms, quantity=wanted),
        lots=tuple(replace(lot, quantity=lot.quantity * wanted // before) for lot in order.lots),
    )


def _move_dates(state: State, record: OrderRecord, command: RequestChange, now_us: int) -> _Offer | Decision:
    """Move the dates: later is free; earlier calls what has not begun again, at its price."""
    terms = _changed_terms(state, record, command, now_us)
    if isinstance(terms, Decision):
        return terms
    changed = OrderChanged(
        order=replace(record.order, terms=terms), trigger="", pieces=record.pieces, at_us=now_us
    )
    earlier = (record.promised_us or 0) > terms.deadline_us or terms.due_us < record.order.terms.due_us
    if not earlier or next_order_state(record.state, "at_risk") is None:
        return _Offer(price_minor=0, clearing="none", detail="contracts stand", effects=(changed,))
    again = [state.contracts[id_] for id_ in record.contracts if state.contracts[id_].state in UNSTARTED]
    lost: list[Event] = [
        events.ContractAtRisk(contract_id=known.contract.id, at_us=now_us, cause=CHANGED) for known in again
    ]
    if lost:
        lost.append(events.OrderProgressed(order_id=record.order.id, step="at_risk", at_us=now_us))
    return _Offer(
        price_minor=sum(cancellation_minor(state, known) for known in again),
        clearing="none",
        detail=f"{len(again)} contracts are called again",
        effects=(changed, *lost),
    )
