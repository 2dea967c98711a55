"""Customers' commands: parts, orders, cancellations. Decides; changes nothing itself."""

from __future__ import annotations

from itertools import pairwise
from math import gcd

from market.engine.decision import Decision, Inbound, accept, refuse, repeat
from market.engine.ledger import cancellation_minor
from market.engine.state import OrderRecord, State
from market.engine.transitions import BEGUN, STANDING, next_contract_state
from market.model import events
from market.model.events import Event
from market.model.order import expand, order_id
from takt_sdk.model.errors import ModelError
from takt_sdk.model.messages import CancelOrder, PublishPart, SubmitOrder
from takt_sdk.model.order import OrderTerms
from takt_sdk.model.plan import Document, ProcessPlan


def _not_a_customer(state: State, sender: str) -> Decision | None:
    record = state.participants.get(sender)
    if record is None or "customer" not in record.admission.roles:
        return refuse("not_allowed", "only an admitted customer may do this", field="sender", value=sender)
    if record.suspended:
        return refuse(
            "not_allowed", "this participant is suspended", field="sender", value=sender, state="suspended"
        )
    return None


def publish_part(state: State, inbound: Inbound, command: PublishPart) -> Decision:
    """Put a part into the sender's catalogue; the same part again is a retry."""
    refused = _not_a_customer(state, inbound.sender)
    if refused is not None:
        return refused
    known = state.parts.get(inbound.sender, {}).get(command.part.id)
    if known is not None and known.part == command.part:
        return repeat(known.position, command.part.id)
    return accept(
        events.PartPublished(customer=inbound.sender, part=command.part), subject_id=command.part.id
    )


def submit(state: State, inbound: Inbound, command: SubmitOrder, now_us: int) -> Decision:
    """Take an order for the next takt.

    A retry (same key, same content) repeats the first answer; another content under the same key is
    a conflict.
    """
    id_ = order_id(state.market, inbound.sender, command.idempotency_key, state.id_salt)
    known = state.orders.get(id_)
    if known is not None:
        if known.digest == inbound.digest:
            return repeat(known.position, id_)
        return refuse(
            "conflict",
            "another order was sent under this key",
            field="idempotency_key",
            value=command.idempotency_key,
        )
    refused = _not_a_customer(state, inbound.sender) or terms_refused(
        state, inbound.sender, command.terms, now_us
    )
    if refused is not None:
        return refused
    resolved = _plan(state, inbound.sender, command)
    if isinstance(resolved, Decision):
        return resolved
    plan, documents = resolved
    common = gcd(*(lot.quantity_per_piece for lot in plan.lots))
    if command.terms.partial and common > 1:
        detail = f"all lots come in multiples of {common} a piece: parts of a piece can not be told apart"
        return refuse("invalid", detail, field="terms.partial", value=True)
    try:
        order = expand(
            order_id=id_,
            customer=inbound.sender,
            part_id=command.part_id,
            plan=plan,
            terms=command.terms,
            documents=documents,
            transit_us=state.rules.transit_us,
        )
    except ModelError as error:
        return refuse("invalid", str(error), field=f"terms.{error.field}", value=error.value)
    return accept(
        events.OrderSubmitted(
            order=order, idempotency_key=command.idempotency_key, digest=inbound.digest, at_us=now_us
        ),
        subject_id=id_,
    )


def _plan(
    state: State, customer: str, command: SubmitOrder
) -> tuple[ProcessPlan, tuple[Document, ...]] | Decision:
    if command.plan is not None:
        return command.plan, command.documents
    part = state.parts.get(customer, {}).get(command.part_id)
    if part is None:
        return refuse("unknown", "no such part in your catalogue", field="part_id", value=command.part_id)
    return part.part.plan, part.part.documents + command.documents


def terms_refused(
    state: State, customer: str, terms: OrderTerms, now_us: int, *, limit_orders: bool = True
) -> Decision | None:
    """Return why terms can not be taken, None if they can."""
    if state.network.sites and terms.destination not in {site.id for site in state.network.sites}:
        return refuse("unknown", "no such site", field="terms.destination", value=terms.destination)
    if terms.due_us <= now_us:
        return refuse(
            "dates", f"must be after market time {now_us}", field="terms.due_us", value=terms.due_us
        )
    if terms.reservation_value_minor > state.rules.max_price_minor:
        limit = state.rules.max_price_minor
        return refuse(
            "limit",
            f"at most {limit}",
            field="terms.reservation_value_minor",
            value=terms.reservation_value_minor,
        )
    penalty = terms.lateness_penalty_minor_per_day
    if penalty > state.rules.max_price_minor:
        detail = f"at most {state.rules.max_price_minor}"
        return refuse("limit", detail, field="terms.lateness_penalty_minor_per_day", value=penalty)
    if terms.deadline_us > now_us + state.rules.max_horizon_us:
        detail = f"at most {state.rules.max_horizon_us} us from now"
        return refuse("dates", detail, field="terms.deadline_us", value=terms.deadline_us)
    limit = state.rules.max_open_orders_per_customer
    if limit_orders and state.index.open_by_customer.get(customer, 0) >= limit:
        return refuse("limit", f"at most {limit} open orders", field="orders", value=limit, retryable=True)
    return None


_CANCELLED_AT_ONCE = frozenset({"submitted", "calling", "awarded"})
"""Orders that end without a price; others are priced first (`market.engine.changes`)."""


def cancel(state: State, inbound: Inbound, command: CancelOrder, now_us: int) -> Decision:
    """Cancel an own order that costs nobody anything yet.

    Before the close it leaves the round. After the close it is noted, and takes effect once the
    clearing is known. Another customer's order does not exist.
    """
    record = state.orders.get(command.order_id)
    if record is None or record.order.customer != inbound.sender:
        return refuse("unknown", "no such order", field="order_id", value=command.order_id)
    if record.cancel_position is not None and not _cancelled_otherwise(state, record):
        return repeat(record.cancel_position, command.order_id)
    if record.state == "clearing" and record.cancel_position is None:
        return accept(
            events.CancellationNoted(order_id=command.order_id, at_us=now_us), subject_id=command.order_id
        )
    begun = any(state.contracts[contract_id].state in BEGUN for contract_id in record.contracts)
    price = sum(cancellation_minor(state, state.contracts[id_]) for id_ in record.contracts)
    if begun or price or record.state not in _CANCELLED_AT_ONCE:
        return refuse(
            "state",
            f"an order that is {record.state} can not be cancelled at once: ask for the price of it",
            field="order_id",
            value=command.order_id,
            state=record.state,
        )
    return accept(*cancellation(state, record, now_us), subject_id=command.order_id)


def _cancelled_otherwise(state: State, record: OrderRecord) -> bool:
    """Return whether a priced change or the operator cancels an order: then no such message stands there."""
    quotes = state.contracting.quotes.get(record.order.id, {}).values()
    by_change = any(quote.accepted_position == record.cancel_position for quote in quotes)
    return by_change or any(
        (before.state, after.state) == ("awaiting_approval", "cancelled")
        for before, after in pairwise(record.history)
    )


def cancellation(state: State, record: OrderRecord, now_us: int) -> tuple[Event, ...]:
    """Return the events that end an order and the contracts that stand for it."""
    ended = tuple(
        events.ContractEnded(contract_id=contract_id, at_us=now_us, reason="order cancelled")
        for contract_id in record.contracts
        if state.contracts[contract_id].state in STANDING | {"at_risk"}
        and next_contract_state(state.contracts[contract_id].state, "ended") is not None
    )
    return (*ended, events.OrderCancelled(order_id=record.order.id, at_us=now_us))
