"""What needs no key or belongs to nobody: the market, its clearings, problems, health."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel
from starlette.responses import Response

from gateway.auth import reader_of
from gateway.context import context_of
from gateway.errors import ProblemError
from gateway.problems import PROBLEMS
from gateway.resources import ClearingList, ClearingResource, MarketResource, ReadinessResource
from gateway.routes.answers import answer, problems
from gateway.routes.paging import After, Limit, read_page

router = APIRouter(tags=["market"])


class ProblemKind(BaseModel):
    """What a kind of problem means, whatever the request."""

    type: str
    status: int
    title: str


class Alive(BaseModel):
    """The process answers."""

    alive: bool = True


@router.get("/v1/market", response_model=MarketResource, responses=problems("unauthorized"))
async def show_market(request: Request) -> Response:
    """Show the rules in force, the market's time, its currency, and the sites that goods can go to."""
    context = context_of(request)
    holder = await reader_of(request, context.desk, context.settings)
    return answer(MarketResource.of(await context.desk.health(), await context.desk.terms(), holder))


@router.get(
    "/v1/clearings",
    response_model=ClearingList,
    responses=problems("unauthorized", "invalid_content", "market_unavailable", "no_answer"),
)
async def list_clearings(request: Request, after: After = "", limit: Limit = 100) -> Response:
    """List the rounds and what came of them, by id."""
    context = context_of(request)
    await reader_of(request, context.desk, context.settings)
    currency = (await context.desk.terms()).rules.currency
    page = await read_page(context, "clearings", path="/v1/clearings", tenant=None, after=after, limit=limit)
    clearings = [ClearingResource.of(row, currency) for row in page.rows]
    return answer(ClearingList(clearings=clearings, next=page.next))


@router.get(
    "/v1/clearings/{round_id:path}",
    response_model=ClearingResource,
    responses=problems("unauthorized", "not_found", "market_unavailable", "no_answer"),
)
async def show_clearing(request: Request, round_id: Annotated[str, Path(max_length=300)]) -> Response:
    """Show a round."""
    context = context_of(request)
    await reader_of(request, context.desk, context.settings)
    currency = (await context.desk.terms()).rules.currency
    rows = await context.rows("clearings", key=round_id, limit=1) if round_id.isprintable() else ()
    if not rows:
        raise ProblemError("not_found", "no such round")
    return answer(ClearingResource.of(rows[0], currency))


@router.get("/v1/problems/{code}", response_model=ProblemKind, responses=problems("not_found"))
async def show_problem(code: str) -> Response:
    """Say what a problem's ``type`` means."""
    kind = PROBLEMS.get(code)
    if kind is None:
        raise ProblemError("not_found", "no such problem")
    return answer(ProblemKind(type=f"/v1/problems/{code}", status=kind.status, title=kind.title))


@router.get("/healthz", response_model=Alive, tags=["health"])
async def is_alive() -> Response:
    """Say that the process lives."""
    return answer(Alive())


@router.get(
    "/readyz",
    response_model=ReadinessResource,
    responses={503: {"description": "Not ready", "model": ReadinessResource}},
    tags=["health"],
)
async def is_ready(request: Request) -> Response:
    """Say whether orders can be taken now."""
    health = await context_of(request).desk.health()
    readiness = ReadinessResource(ready=health.ready, problems=list(health.problems))
    return answer(readiness, 200 if health.ready else 503)
