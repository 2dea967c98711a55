"""Parts: a customer's own catalogue."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from gateway.auth import customer_of
from gateway.bodies import read_json
from gateway.context import context_of
from gateway.errors import ProblemError
from gateway.refusals import accepted
from gateway.resources import Acknowledgement, PartList, PartPlan, PartResource, part_of
from gateway.routes.answers import answer, body_of, problems
from gateway.routes.paging import After, Limit, read_page
from gateway.schemas import PartRequest, validate

router = APIRouter(tags=["parts"])


@router.put(
    "/v1/parts/{part_id:path}",
    response_model=Acknowledgement,
    responses=problems(
        "invalid_json",
        "unauthorized",
        "forbidden",
        "in_flight",
        "request_timeout",
        "body_too_large",
        "unsupported_media_type",
        "invalid_content",
        "too_many_requests",
        "market_unavailable",
        "no_answer",
    ),
    openapi_extra=body_of(PartRequest),
)
async def publish_part(
    request: Request,
    part_id: Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$")],
) -> Response:
    """Put a part into the own catalogue, replacing an earlier one; orders that exist keep theirs."""
    context = context_of(request)
    customer = await customer_of(request, context.desk)
    with context.gate.enter(customer, f"part {part_id}"):
        part = validate(PartRequest, await read_json(request, context.settings))
        reply = await context.submit(customer, part.command(part_id), f"part-{part_id}"[:128])
    return answer(Acknowledgement.of(part_id, accepted(reply)))


@router.get(
    "/v1/parts",
    response_model=PartList,
    responses=problems("unauthorized", "invalid_content", "market_unavailable", "no_answer"),
)
async def list_parts(request: Request, after: After = "", limit: Limit = 100) -> Response:
    """List the own catalogue."""
    context = context_of(request)
    customer = await customer_of(request, context.desk)
    page = await read_page(context, "parts", path="/v1/parts", tenant=customer, after=after, limit=limit)
    parts = [PartResource.of(part_of(row)) for row in page.rows]
    return answer(PartList(parts=parts, next=page.next))


@router.get(
    "/v1/parts/{part_id:path}",
    response_model=PartPlan,
    responses=problems("unauthorized", "not_found", "market_unavailable", "no_answer"),
)
async def show_part(request: Request, part_id: Annotated[str, Path(max_length=300)]) -> Response:
    """Show a part of the own catalogue with its plan."""
    context = context_of(request)
    customer = await customer_of(request, context.desk)
    key = f"{customer}/{part_id}"
    rows = await context.rows("parts", tenant=customer, key=key) if part_id.isprintable() else ()
    if not rows:
        raise ProblemError("not_found", "no such part")
    return answer(PartPlan.of(part_of(rows[0])))
