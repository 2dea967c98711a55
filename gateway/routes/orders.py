"""Orders: submit, list, show, cancel, follow."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from gateway.auth import customer_of
from gateway.bodies import read_json
from gateway.context import Context, context_of
from gateway.errors import ProblemError
from gateway.order_events import all_orders, one_order, order_row
from gateway.refusals import accepted
from gateway.resources import Acknowledgement, OrderList, OrderResource, order_view
from gateway.routes.answers import answer, body_of, problems
from gateway.routes.paging import After, Limit, read_page
from gateway.schemas import OrderRequest, validate
from gateway.stream import EventStream
from gateway.strict_json import printable
from market.ports import RowChange
from takt_sdk.model.messages import TERMINAL_ORDER_STATES, CancelOrder, OrderState, Refused

router = APIRouter(tags=["orders"])

_KEY = re.compile(r'"(?P<quoted>[\x21\x23-\x7e]{1,128})"|(?P<plain>[\x21\x23-\x7e]{1,128})', re.ASCII)
_ORDER_ID = re.compile(r"o-[0-9a-f]{20}", re.ASCII)
_KEY_PARAMETER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "Chosen by the client, one per order; kept for at least 7 days.",
    "schema": {"type": "string", "pattern": r"^[\x21\x23-\x7e]{1,128}$"},
}
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"description": "Events", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
}


@router.post(
    "/v1/orders",
    status_code=201,
    response_model=Acknowledgement,
    responses={
        201: {
            "description": "The order is in the market's log, durably; the same for a repeat.",
            "headers": {"Location": {"description": "The order.", "schema": {"type": "string"}}},
        },
        **problems(
            "invalid_json",
            "idempotency_key_missing",
            "unauthorized",
            "forbidden",
            "request_timeout",
            "in_flight",
            "body_too_large",
            "unsupported_media_type",
            "invalid_content",
            "idempotency_key_reused",
            "too_many_requests",
            "market_unavailable",
            "no_answer",
        ),
    },
    openapi_extra=body_of(OrderRequest) | {"parameters": [_KEY_PARAMETER]},
)
async def submit_order(request: Request) -> Response:
    """Submit an order. Answered after the market has it on disk; repeat it with the same key at will."""
    context = context_of(request)
    customer = await customer_of(request, context.desk)
    key = _idempotency_key(request)
    with context.gate.enter(customer, key):
        order = validate(OrderRequest, await read_json(request, context.settings))
        await _check_currency(context, order.currency)
        id_ = context.desk.order_id(customer, key)
        reply = await context.submit(customer, order.command(key), f"submit-{id_}")
    receipt = accepted(reply)
    return answer(Acknowledgement.of(id_, receipt), 201, {"Location": f"/v1/orders/{id_}"})


@router.get(
    "/v1/orders",
    response_model=OrderList,
    responses=problems("unauthorized", "invalid_content", "market_unavailable", "no_answer"),
)
async def list_orders(
    request: Request,
    state: Annotated[OrderState | None, Query(description="Only orders in this state.")] = None,
    after: After = "",
    limit: Limit = 100,
) -> Response:
    """List own orders, by id."""
    context = context_of(request)
    customer = await customer_of(request, context.desk)
    currency = (await context.desk.terms()).rules.currency
    page = await read_page(
        context, "orders", path="/v1/orders", tenant=customer, status=state, after=after, limit=limit
    )
    orders = [OrderResource.of(order_view(row), currency) for row in page.rows]
    return answer(OrderList(orders=orders, next=page.next))


@router.get(
    "/v1/orders/{order_id}",
    response_model=OrderResource,
    responses=problems("unauthorized", "not_found", "market_unavailable", "no_answer"),
)
async def show_order(request: Request, order_id: str) -> Response:
    """Show an own order."""
    context = context_of(request)
    customer = await customer_of(request, context.desk)
    return await _shown(context, await _own(context, customer, order_id))


@router.post(
    "/v1/orders/{order_id}/cancel",
    response_model=OrderResource,
    responses=problems(
        "unauthorized", "not_found", "conflict", "too_many_requests", "market_unavailable", "no_answer"
    ),
)
async def cancel_order(request: Request, order_id: str) -> Response:
    """Cancel an own order that is not yet confirmed; again is no error.

    While its round is being cleared the cancellation is noted and takes effect once the clearing is
    known: the answer then still says ``clearing``.
    """
    context = context_of(request)
    customer = await customer_of(request, context.desk)
    await _own(context, customer, order_id)
    command = CancelOrder(order_id=order_id)
    with context.gate.enter(customer, f"cancel {order_id}"):
        reply = await context.submit(customer, command, f"cancel-{order_id}")
    if not (isinstance(reply, Refused) and reply.state == "cancelled"):
        accepted(reply)
    return await _shown(context, await _own(context, customer, order_id))


@router.get(
    "/v1/orders/{order_id}/events",
    response_class=Response,
    responses=_STREAM
    | {204: {"description": "The order is over and everything was sent before."}}
    | problems(
        "unauthorized", "not_found", "invalid_content", "too_many_requests", "market_unavailable", "no_answer"
    ),
)
async def follow_order(
    request: Request,
    order_id: str,
    last_event_id: Annotated[
        int | None, Header(ge=0, le=10**9, description="Number of the last history entry that was received.")
    ] = None,
) -> Response:
    """Follow an own order: its history first, then live, until it is over.

    ``history`` events carry their number as id, ``order`` events the order as it is, ``end`` its last
    state. Comments in between say that the connection lives.
    """
    context = context_of(request)
    customer = await customer_of(request, context.desk)
    seen = last_event_id or 0
    view = order_view(await _own(context, customer, order_id))
    if last_event_id is not None and view.state in TERMINAL_ORDER_STATES and seen >= len(view.history):
        return Response(status_code=204)
    return _stream(context, customer, one_order(context, customer, order_id, seen))


@router.get(
    "/v1/events",
    response_class=Response,
    responses=_STREAM | problems("unauthorized", "too_many_requests"),
)
async def follow_all(request: Request) -> Response:
    """Follow all own orders from now on: ``ready`` first, then ``order`` events.

    List the orders after ``ready`` and again after ``reset`` or a new connection.
    """
    context = context_of(request)
    customer = await customer_of(request, context.desk)
    return _stream(context, customer, all_orders(context, customer))


def _stream(context: Context, customer: str, chunks: AsyncGenerator[bytes]) -> EventStream:
    settings = context.settings
    return EventStream(
        chunks,
        closing=context.closing,
        max_age_s=settings.stream_max_age_s,
        send_timeout_s=settings.stream_send_timeout_s,
        release=context.streams.acquire(customer),
    )


def _idempotency_key(request: Request) -> str:
    """Return the key; the quotes of a structured header are not part of it."""
    values = request.headers.getlist("idempotency-key")
    key = values[0] if len(values) == 1 else ""
    match = _KEY.fullmatch(key)
    if match is None:
        raise ProblemError(
            "idempotency_key_missing",
            "give exactly one Idempotency-Key of 1 to 128 visible ASCII characters without quotes",
            field="Idempotency-Key",
            value=printable(", ".join(values)),
        )
    return match["quoted"] or match["plain"]


async def _check_currency(context: Context, currency: str | None) -> None:
    if currency is None:
        return
    expected = (await context.desk.terms()).rules.currency
    if currency != expected:
        raise ProblemError(
            "invalid_content", f"currency: this market's is {expected}", field="currency", value=currency
        )


async def _own(context: Context, customer: str, order_id: str) -> RowChange:
    """Return the row of an own order; what is not one's own does not exist."""
    row = await order_row(context, customer, order_id) if _ORDER_ID.fullmatch(order_id) else None
    if row is None:
        raise ProblemError("not_found", "no such order")
    return row


async def _shown(context: Context, row: RowChange) -> Response:
    currency = (await context.desk.terms()).rules.currency
    return answer(OrderResource.of(order_view(row), currency))
