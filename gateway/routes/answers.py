"""Answers in one encoding, and what the OpenAPI document says about those that are problems."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from starlette.responses import Response

from gateway.problems import MEDIA_TYPE, PROBLEMS, ProblemBody


def answer(resource: BaseModel, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return ``resource`` as JSON that nobody caches."""
    return Response(
        resource.model_dump_json(),
        status,
        {"Cache-Control": "no-store"} | (headers or {}),
        "application/json",
    )


def problems(*codes: str) -> dict[int | str, dict[str, Any]]:
    """Return the ``responses`` of a route that can answer with these problems."""
    documented: dict[int | str, dict[str, Any]] = {}
    for code in sorted(codes, key=lambda code: PROBLEMS[code].status):
        kind = PROBLEMS[code]
        known = documented.get(kind.status)
        text = f"{known['description']}; {kind.title.lower()}" if known else kind.title
        documented[kind.status] = {
            "description": text,
            "content": {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{ProblemBody.__name__}"}}},
        }
    return documented


def body_of(schema: type[BaseModel]) -> dict[str, Any]:
    """Return the ``openapi_extra`` of a route that reads its body itself."""
    reference = {"$ref": f"#/components/schemas/{schema.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": reference}}}}
