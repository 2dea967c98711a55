"""The operator's routes: participants and rules. Guarded by the operator's key; used by the command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, TypeVar

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, Field, ValidationError
from starlette.responses import Response

from gateway.auth import check_operator
from gateway.bodies import read_checked
from gateway.context import Context, context_of
from gateway.errors import ProblemError
from gateway.field_errors import content_problem
from gateway.refusals import accepted
from gateway.resources import Acknowledgement, ParticipantList, ParticipantResource
from gateway.routes.answers import answer, body_of, problems
from gateway.routes.paging import After, Limit, read_page
from gateway.schemas import Id, Sha256, Text
from gateway.schemas import Request as Body
from market.model.commands import (
    AdmitParticipant,
    ChangeRules,
    Command,
    ReinstateParticipant,
    RevokeParticipant,
    RotateKey,
    SuspendParticipant,
)
from market.model.rules import Rules
from takt_sdk.model.capability import Qualification
from takt_sdk.model.errors import ModelError
from takt_sdk.model.messages import Role

router = APIRouter(prefix="/v1/operator", tags=["operator"])

OPERATOR = "operator"
"""Sender of the operator's commands."""

_Schema = TypeVar("_Schema", bound=BaseModel)
WRITING = (
    "invalid_json",
    "unauthorized",
    "request_timeout",
    "body_too_large",
    "unsupported_media_type",
    "invalid_content",
    "market_unavailable",
    "no_answer",
)

PublicKey = Annotated[str, Field(max_length=56)]
"""A public nkey; empty where the participant has none of its own yet."""

ParticipantId = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


class AdmissionRequest(Body):
    """What the market knows of a participant; of its API key it knows the SHA-256 only."""

    roles: Annotated[list[Role], Field(min_length=1, max_length=3)]
    sites: Annotated[list[Id], Field(max_length=1000, default_factory=list)]
    qualification: Qualification = Qualification()
    api_key_sha256: Sha256 | None = None
    agent: bool = True
    signing_key: PublicKey = ""


class SuspensionRequest(Body):
    """Why a participant is suspended."""

    reason: Text = ""


class RotationRequest(Body):
    """The public nkey that signs a participant's messages from now on."""

    signing_key: Annotated[str, Field(min_length=1, max_length=56)]


class RulesRequest(Body):
    """The next version of the rules, complete; durations in microseconds."""

    rules: Rules


class RulesAnswer(BaseModel):
    """The rules in force."""

    rules: Rules


@router.get(
    "/participants",
    response_model=ParticipantList,
    responses=problems("unauthorized", "invalid_content", "market_unavailable", "no_answer"),
)
async def list_participants(request: Request, after: After = "", limit: Limit = 100) -> Response:
    """List who is admitted."""
    context = operator_context(request)
    page = await read_page(
        context,
        "participants",
        path="/v1/operator/participants",
        tenant=None,
        after=after,
        limit=limit,
    )
    participants = [ParticipantResource.of(row) for row in page.rows]
    return answer(ParticipantList(participants=participants, next=page.next))


@router.put(
    "/participants/{participant}",
    response_model=Acknowledgement,
    responses=problems("conflict", *WRITING),
    openapi_extra=body_of(AdmissionRequest),
)
async def admit_participant(request: Request, participant: ParticipantId) -> Response:
    """Admit a participant, or replace what is known of it."""
    context = operator_context(request)
    body = await read_body(request, context, AdmissionRequest)
    with _named():
        command = AdmitParticipant(
            participant=participant,
            roles=tuple(body.roles),
            sites=tuple(body.sites),
            qualification=body.qualification,
            api_key_sha256=body.api_key_sha256,
            agent=body.agent,
            signing_key=body.signing_key,
        )
    return await submit(context, participant, command)


@router.post(
    "/participants/{participant}/suspend",
    response_model=Acknowledgement,
    responses=problems("not_found", *WRITING),
    openapi_extra=body_of(SuspensionRequest),
)
async def suspend_participant(request: Request, participant: ParticipantId) -> Response:
    """Stop a participant from bidding and ordering; its contracts go on."""
    context = operator_context(request)
    body = await read_body(request, context, SuspensionRequest)
    return await submit(context, participant, SuspendParticipant(participant=participant, reason=body.reason))


@router.post(
    "/participants/{participant}/reinstate",
    response_model=Acknowledgement,
    responses=problems("unauthorized", "conflict", "invalid_content", "market_unavailable", "no_answer"),
)
async def reinstate_participant(request: Request, participant: ParticipantId) -> Response:
    """Let a suspended participant bid and order again."""
    return await submit(operator_context(request), participant, ReinstateParticipant(participant=participant))


@router.post(
    "/participants/{participant}/revoke",
    response_model=Acknowledgement,
    responses=problems("not_found", "conflict", *WRITING),
    openapi_extra=body_of(SuspensionRequest),
)
async def revoke_participant(request: Request, participant: ParticipantId) -> Response:
    """End a participant's part: its keys end, work that has not begun is called again."""
    context = operator_context(request)
    body = await read_body(request, context, SuspensionRequest)
    return await submit(context, participant, RevokeParticipant(participant=participant, reason=body.reason))


@router.post(
    "/participants/{participant}/rotate",
    response_model=Acknowledgement,
    responses=problems("not_found", "conflict", *WRITING),
    openapi_extra=body_of(RotationRequest),
)
async def rotate_key(request: Request, participant: ParticipantId) -> Response:
    """Let another key sign for a participant from now on; what the old one signed stays valid."""
    context = operator_context(request)
    body = await read_body(request, context, RotationRequest)
    with _named():
        command = RotateKey(participant=participant, signing_key=body.signing_key)
    return await submit(context, participant, command)


@router.get("/rules", response_model=RulesAnswer, responses=problems("unauthorized"))
async def show_rules(request: Request) -> Response:
    """Show the rules in force, complete."""
    context = operator_context(request)
    return answer(RulesAnswer(rules=(await context.desk.terms()).rules))


@router.put(
    "/rules",
    response_model=Acknowledgement,
    responses=problems("conflict", *WRITING),
    openapi_extra=body_of(RulesRequest),
)
async def change_rules(request: Request) -> Response:
    """Set the next version of the rules: ``rules.version`` is one more than that in force."""
    context = operator_context(request)
    body = await read_body(request, context, RulesRequest)
    return await submit(context, "rules", ChangeRules(rules=body.rules))


@contextmanager
def _named() -> Iterator[None]:
    """Turn what a command refuses into the problem that names it."""
    try:
        yield
    except ModelError as error:
        raise ProblemError(
            "invalid_content", str(error), field=error.field, value=str(error.value)[:100]
        ) from error


def operator_context(request: Request) -> Context:
    """Return the context of a request that holds the operator's key."""
    context = context_of(request)
    check_operator(request, context.settings)
    return context


async def read_body(request: Request, context: Context, schema: type[_Schema]) -> _Schema:
    """Return the body of a request as ``schema``; what is wrong with it is a problem."""
    body, _ = await read_checked(request, context.settings)
    try:
        return schema.model_validate_json(body)
    except ValidationError as error:
        raise content_problem(error.errors(include_url=False)) from error


async def submit(context: Context, subject: str, command: Command) -> Response:
    """Put an operator's command before the market and acknowledge it."""
    reply = await context.submit(OPERATOR, command, f"{OPERATOR}-{subject}")
    return answer(Acknowledgement.of(subject, accepted(reply)))
