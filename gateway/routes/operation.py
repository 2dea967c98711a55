"""The operator's routes that run the market: its status, pause and resume, taking a clearing back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import Field
from starlette.responses import Response

from gateway.instants import format_instant
from gateway.resources import Acknowledgement, Moment, Resource
from gateway.routes.answers import answer, body_of, problems
from gateway.routes.operator import WRITING, operator_context, read_body, submit
from gateway.schemas import Request as Body
from gateway.schemas import Text
from market.desk import Status
from market.model.commands import PauseMarket, ResumeMarket, VoidClearing

router = APIRouter(prefix="/v1/operator", tags=["operator"])

Reason = Annotated[Text, Field(min_length=1)]


class ReasonRequest(Body):
    """Why the operator does it; it is journaled, and customers see the reason of a pause."""

    reason: Reason


class PresenceResource(Resource):
    """A participant and when it was last heard of in this run."""

    participant: str
    suspended: bool
    agent: bool
    last_heard: Moment | None


class StatusResource(Resource):
    """What an operator looks at. Counts by state are those that the state holds."""

    market: str
    now: Moment
    started: Moment
    ready: bool
    problems: list[str]
    paused: str | None
    entries: int
    journal_bytes: int
    snapshot_entries: int
    snapshot: Moment | None
    round_id: str | None
    round_state: str
    round_deadline: Moment | None
    orders: dict[str, int]
    contracts: dict[str, int]
    rounds: dict[str, int]
    waiting_messages: int
    waiting_bytes: int
    waiting_senders: int
    waiting_most: int
    outbox_open: int
    nats_connected: bool
    escrow: str
    participants: list[PresenceResource]
    counts: dict[str, int]
    messages: dict[str, int]
    resilience: dict[str, int]

    @classmethod
    def of(cls, status: Status) -> StatusResource:
        """Return a status in the operator's terms."""
        health = status.health
        return cls(
            market=health.market,
            now=format_instant(health.now_us),
            started=format_instant(status.started_us),
            ready=health.ready,
            problems=list(health.problems),
            paused=health.pause_reason or None,
            entries=status.entries,
            journal_bytes=status.journal_bytes,
            snapshot_entries=status.snapshot_entries,
            snapshot=_moment(status.snapshot_us),
            round_id=health.round_id,
            round_state=status.round_state,
            round_deadline=_moment(status.round_deadline_us),
            orders=dict(status.orders),
            contracts=dict(status.contracts),
            rounds=dict(status.rounds),
            waiting_messages=status.waiting_messages,
            waiting_bytes=status.waiting_bytes,
            waiting_senders=status.waiting_senders,
            waiting_most=status.waiting_most,
            outbox_open=status.outbox_open,
            nats_connected=status.bus_connected,
            escrow=status.escrow,
            participants=[
                PresenceResource(
                    participant=one.participant,
                    suspended=one.suspended,
                    agent=one.agent,
                    last_heard=_moment(one.last_heard_us),
                )
                for one in status.participants
            ],
            counts=dict(status.counts),
            messages=dict(status.messages),
            resilience=dict(status.resilience),
        )


@router.get(
    "/status",
    response_model=StatusResource,
    responses=problems("unauthorized", "market_unavailable", "no_answer"),
)
async def show_status(request: Request) -> Response:
    """Show sizes, queues and ages of the running market; no prices, no values, no secrets."""
    return answer(StatusResource.of(await operator_context(request).status()))


@router.post(
    "/pause",
    response_model=Acknowledgement,
    responses=problems("conflict", *WRITING),
    openapi_extra=body_of(ReasonRequest),
)
async def pause_market(request: Request) -> Response:
    """Open no further round. Orders are acknowledged and wait; an open round and contracts go on."""
    context = operator_context(request)
    body = await read_body(request, context, ReasonRequest)
    return await submit(context, "pause", PauseMarket(reason=body.reason))


@router.post(
    "/resume",
    response_model=Acknowledgement,
    responses=problems("conflict", *WRITING),
    openapi_extra=body_of(ReasonRequest),
)
async def resume_market(request: Request) -> Response:
    """Open rounds again."""
    context = operator_context(request)
    body = await read_body(request, context, ReasonRequest)
    return await submit(context, "resume", ResumeMarket(reason=body.reason))


@router.post(
    "/rounds/{round_id}/void",
    response_model=Acknowledgement,
    responses=problems("conflict", *WRITING),
    openapi_extra=body_of(ReasonRequest),
)
async def void_clearing(
    request: Request, round_id: Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$")]
) -> Response:
    """Take a round back that is being cleared, or whose contracts nobody has confirmed yet."""
    context = operator_context(request)
    body = await read_body(request, context, ReasonRequest)
    return await submit(context, round_id, VoidClearing(round_id=round_id, reason=body.reason))


def _moment(time_us: int | None) -> str | None:
    return None if time_us is None else format_instant(time_us)
