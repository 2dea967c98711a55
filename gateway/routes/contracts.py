"""After the award: timelines, risks, changes, contracts, statement, scorecard; the operator's part."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, Field, TypeAdapter
from starlette.responses import Response

from gateway.auth import customer_of
from gateway.bodies import read_json
from gateway.context import Context, context_of
from gateway.contract_resources import (
    ContractResource,
    QuoteResource,
    RisksResource,
    ScorecardResource,
    StatementResource,
    TimelineResource,
    in_http_terms,
)
from gateway.errors import ProblemError
from gateway.order_events import order_row, watching
from gateway.refusals import accepted, refusal_problem
from gateway.resources import Acknowledgement, WaitingList, WaitingResource
from gateway.routes.answers import answer, body_of, problems
from gateway.routes.operator import WRITING, operator_context, read_body, submit
from gateway.routes.paging import After, Limit, read_page
from gateway.schemas import Id, Instant, Text, validate
from gateway.schemas import Request as Body
from gateway.stream import HEARTBEAT, EventStream, sse_event
from market.model.contract_commands import ApproveReallocation, RecordPayment, ResolveAppeal
from market.model.views import ContractView
from takt_sdk.model.errors import ModelError
from takt_sdk.model.execution import (
    AcceptChange,
    ContractQuery,
    ContractReply,
    QueryRisks,
    QueryScorecard,
    QueryStatement,
    QueryTimeline,
    RequestChange,
    RisksReply,
    ScorecardReply,
    StatementReply,
    TimelineReply,
)
from takt_sdk.model.messages import TERMINAL_ORDER_STATES, Refused
from takt_sdk.model.values import MAX_MINOR, MAX_QUANTITY

router = APIRouter(tags=["contracts"])

_ORDER_ID = re.compile(r"o-[0-9a-f]{20}", re.ASCII)
_CONTRACT_ID = re.compile(r"c-[0-9a-f]{20}", re.ASCII)
_CONTRACT = TypeAdapter(ContractView)
_LISTING = ("unauthorized", "market_unavailable", "no_answer")
_READING = ("not_found", *_LISTING)
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"description": "Events", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
}
OrderId = Annotated[str, Path(max_length=300)]


class ChangeRequest(Body):
    """What is to change of an order, or ``cancel``; times of an order that is not named stay."""

    cancel: bool = False
    quantity: Annotated[int, Field(ge=1, le=MAX_QUANTITY)] | None = None
    due: Instant | None = None
    deadline: Instant | None = None


class ApprovalRequest(Body):
    """Whether an order that waits for a human is called again, or ends."""

    approve: bool


class PaymentRequest(Body):
    """Money that came in from a participant or (negative) went out to it; ``reference`` is the bank's."""

    amount_minor: Annotated[int, Field(ge=-MAX_MINOR, le=MAX_MINOR)]
    reference: Id


class AppealRequest(Body):
    """The operator's decision on an appeal."""

    upheld: bool
    reason: Text = ""


class QuoteAnswer(BaseModel):
    """What a change costs, until when, and on which side of the clearing it lies."""

    quote: QuoteResource


class TimelineAnswer(BaseModel):
    """Plan against actual of an order."""

    timeline: TimelineResource


class RisksAnswer(BaseModel):
    """What put own orders at risk that are not over."""

    risks: RisksResource


class StatementAnswer(BaseModel):
    """Own account with the market, in minor units of its currency."""

    currency: str
    statement: StatementResource


class ScorecardAnswer(BaseModel):
    """Own record as a bidder and as a buyer."""

    scorecard: ScorecardResource


class ContractList(BaseModel):
    """Own contracts, by id, and where the next page begins."""

    contracts: list[ContractResource]
    next: str | None


class ContractAnswer(BaseModel):
    """An own contract."""

    contract: ContractResource


async def _ask(context: Context, participant: str, query: ContractQuery) -> ContractReply:
    reply = await context.query(participant, query)
    if isinstance(reply, Refused):
        raise refusal_problem(reply)
    return reply


async def _timeline(context: Context, customer: str, order_id: str) -> TimelineReply:
    if _ORDER_ID.fullmatch(order_id) is None:
        raise ProblemError("not_found", "no such order")
    reply = await _ask(context, customer, QueryTimeline(order_id=order_id))
    assert isinstance(reply, TimelineReply), reply
    return reply


def _shown(reply: TimelineReply) -> TimelineResource:
    return TimelineResource.model_validate(in_http_terms(reply))


@router.get("/v1/orders/{order_id}/timeline", response_model=TimelineAnswer, responses=problems(*_READING))
async def show_timeline(request: Request, order_id: OrderId) -> Response:
    """Show plan against actual of an own order, its forecast, its risks and open quotes."""
    context = context_of(request)
    customer = await customer_of(request, context.desk)
    return answer(TimelineAnswer(timeline=_shown(await _timeline(context, customer, order_id))))


@router.get(
    "/v1/orders/{order_id}/timeline/events",
    response_class=Response,
    responses=_STREAM | problems("too_many_requests", *_READING),
)
async def follow_timeline(request: Request, order_id: OrderId) -> Response:
    """Follow plan against actual of an own order: a ``timeline`` event now and after every change."""
    context = context_of(request)
    customer = await customer_of(request, context.desk)
    await _timeline(context, customer, order_id)
    settings = context.settings
    return EventStream(
        _timelines(context, customer, order_id),
        closing=context.closing,
        max_age_s=settings.stream_max_age_s,
        send_timeout_s=settings.stream_send_timeout_s,
        release=context.streams.acquire(customer),
    )


async def _timelines(context: Context, customer: str, order_id: str) -> AsyncGenerator[bytes]:
    shown: dict[str, Any] = {}
    async with watching(context, customer, order_id) as inbox:
        while await order_row(context, customer, order_id) is not None:
            reply = await _timeline(context, customer, order_id)
            now = in_http_terms(replace(reply, now_us=0))
            if now != shown:
                yield sse_event("timeline", in_http_terms(reply))
                shown = now
            if reply.state in TERMINAL_ORDER_STATES:
                yield sse_event("end", {"state": reply.state})
                return
            taken = await inbox.take(context.settings.stream_heartbeat_s)
            if taken is None:
                return
            if not taken[0]:
                yield HEARTBEAT


@router.get("/v1/risks", response_model=RisksAnswer, responses=problems(*_LISTING))
async def list_risks(request: Request) -> Response:
    """List what put own open orders at risk, the newest first, and what came of it."""
    context = context_of(request)
    reply = await _ask(context, await customer_of(request, context.desk), QueryRisks())
    assert isinstance(reply, RisksReply), reply
    return answer(RisksAnswer(risks=RisksResource.model_validate(in_http_terms(reply))))


@router.post(
    "/v1/orders/{order_id}/changes",
    status_code=201,
    response_model=QuoteAnswer,
    responses=problems("not_found", "conflict", "request_timeout", "too_many_requests", *WRITING),
    openapi_extra=body_of(ChangeRequest),
)
async def request_change(request: Request, order_id: OrderId) -> Response:
    """Ask what a change or the cancellation of an own order costs. Nothing changes before it is accepted."""
    context = context_of(request)
    customer = await customer_of(request, context.desk)
    body = validate(ChangeRequest, await read_json(request, context.settings))
    await _timeline(context, customer, order_id)
    command = RequestChange(
        order_id=order_id,
        cancel=body.cancel,
        quantity=body.quantity,
        due_us=body.due,
        deadline_us=body.deadline,
    )
    with context.gate.enter(customer, f"change {order_id}"):
        receipt = accepted(await context.submit(customer, command, f"change-{order_id}"))
    timeline = await _timeline(context, customer, order_id)
    quote = next(known for known in timeline.quotes if known.quote_id == receipt.subject_id)
    return answer(QuoteAnswer(quote=QuoteResource.model_validate(in_http_terms(quote))), 201)


@router.post(
    "/v1/orders/{order_id}/changes/{quote_id}/accept",
    response_model=Acknowledgement,
    responses=problems("conflict", "too_many_requests", *_READING),
)
async def accept_change(request: Request, order_id: OrderId, quote_id: OrderId) -> Response:
    """Accept the price of a change; at another price nothing happens. Repeat it at will."""
    context = context_of(request)
    customer = await customer_of(request, context.desk)
    await _timeline(context, customer, order_id)
    try:
        command = AcceptChange(order_id=order_id, quote_id=quote_id)
    except ModelError as error:
        raise ProblemError("not_found", "no such quote") from error
    with context.gate.enter(customer, f"change {order_id}"):
        receipt = accepted(await context.submit(customer, command, f"accept-{quote_id}"))
    return answer(Acknowledgement.of(order_id, receipt))


@router.get("/v1/statement", response_model=StatementAnswer, responses=problems("invalid_content", *_LISTING))
async def show_statement(
    request: Request, after: Annotated[str, Query(max_length=40, pattern="^[a-z0-9-]*$")] = ""
) -> Response:
    """Show the lines on one's own account after a posting, each with the balance after it."""
    context = context_of(request)
    reply = await _ask(context, await customer_of(request, context.desk), QueryStatement(after=after))
    assert isinstance(reply, StatementReply), reply
    currency = (await context.desk.terms()).rules.currency
    statement = StatementResource.model_validate(in_http_terms(reply))
    return answer(StatementAnswer(currency=currency, statement=statement))


@router.get("/v1/scorecard", response_model=ScorecardAnswer, responses=problems(*_LISTING))
async def show_scorecard(request: Request) -> Response:
    """Show one's own record: reliability per process, forecasts beside the base rate, orders, balance."""
    context = context_of(request)
    reply = await _ask(context, await customer_of(request, context.desk), QueryScorecard())
    assert isinstance(reply, ScorecardReply), reply
    return answer(ScorecardAnswer(scorecard=ScorecardResource.model_validate(in_http_terms(reply))))


@router.get("/v1/contracts", response_model=ContractList, responses=problems("invalid_content", *_LISTING))
async def list_contracts(request: Request, after: After = "", limit: Limit = 100) -> Response:
    """List the contracts that the holder of the key has won, by id."""
    context = context_of(request)
    participant = await customer_of(request, context.desk)
    page = await read_page(
        context, "contracts", path="/v1/contracts", tenant=participant, after=after, limit=limit
    )
    contracts = [_contract(row.document) for row in page.rows]
    return answer(ContractList(contracts=contracts, next=page.next))


@router.get("/v1/contracts/{contract_id}", response_model=ContractAnswer, responses=problems(*_READING))
async def show_contract(request: Request, contract_id: OrderId) -> Response:
    """Show an own contract: what it owes, how far it is, its history."""
    context = context_of(request)
    participant = await customer_of(request, context.desk)
    known = contract_id.isprintable()
    rows = await context.rows("contracts", tenant=participant, key=contract_id) if known else ()
    if not rows:
        raise ProblemError("not_found", "no such contract")
    return answer(ContractAnswer(contract=_contract(rows[0].document)))


def _contract(document: bytes | None) -> ContractResource:
    return ContractResource.model_validate(in_http_terms(_CONTRACT.validate_json(document or b"")))


# --- the operator ----------------------------------------------------------------------------


@router.get(
    "/v1/operator/approvals",
    response_model=WaitingList,
    responses=problems("invalid_content", *_LISTING),
    tags=["operator"],
)
async def list_waiting(request: Request, after: After = "", limit: Limit = 100) -> Response:
    """List the orders that wait for a human's approval of their reallocation, by id."""
    context = operator_context(request)
    page = await read_page(
        context,
        "orders",
        path="/v1/operator/approvals",
        tenant=None,
        status="awaiting_approval",
        parameter="",
        after=after,
        limit=limit,
    )
    currency = (await context.desk.terms()).rules.currency
    orders = [WaitingResource.of(row, currency) for row in page.rows]
    return answer(WaitingList(orders=orders, next=page.next))


@router.post(
    "/v1/operator/orders/{order_id}/approval",
    response_model=Acknowledgement,
    responses=problems("not_found", "conflict", *WRITING),
    openapi_extra=body_of(ApprovalRequest),
    tags=["operator"],
)
async def approve(request: Request, order_id: OrderId) -> Response:
    """Let an order that waits for a human be called again, or end it."""
    context = operator_context(request)
    body = await read_body(request, context, ApprovalRequest)
    if _ORDER_ID.fullmatch(order_id) is None:
        raise ProblemError("not_found", "no such order")
    return await submit(context, order_id, ApproveReallocation(order_id=order_id, approve=body.approve))


@router.post(
    "/v1/operator/participants/{participant}/payments",
    response_model=Acknowledgement,
    responses=problems("not_found", *WRITING),
    openapi_extra=body_of(PaymentRequest),
    tags=["operator"],
)
async def record_payment(
    request: Request, participant: Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
) -> Response:
    """Book a payment of the bank, once per reference."""
    context = operator_context(request)
    body = await read_body(request, context, PaymentRequest)
    command = RecordPayment(participant=participant, amount_minor=body.amount_minor, reference=body.reference)
    return await submit(context, participant, command)


@router.post(
    "/v1/operator/appeals/{contract_id}",
    response_model=Acknowledgement,
    responses=problems("not_found", "conflict", *WRITING),
    openapi_extra=body_of(AppealRequest),
    tags=["operator"],
)
async def resolve_appeal(request: Request, contract_id: OrderId) -> Response:
    """Decide an appeal against how a contract counts."""
    context = operator_context(request)
    body = await read_body(request, context, AppealRequest)
    if _CONTRACT_ID.fullmatch(contract_id) is None:
        raise ProblemError("not_found", "no such appeal")
    command = ResolveAppeal(contract_id=contract_id, upheld=body.upheld, reason=body.reason)
    return await submit(context, contract_id, command)
