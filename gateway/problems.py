"""Problems: every answer that is not a success, as RFC 9457 ``application/problem+json``.

`PROBLEMS` is the closed list of what a client can meet; ``type`` is the address of its entry.
Refusals of the market are turned into problems here and nowhere else.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from gateway.context import address_of, context_of
from gateway.errors import ProblemError
from gateway.field_errors import content_problem
from gateway.strict_json import printable
from market.errors import MarketBusyError, MarketUnavailableError
from market.journal_errors import JournalError
from takt_sdk.errors import BusTimeoutError

_LOG = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
TYPE_PATH = "/v1/problems/"


@dataclass(frozen=True, slots=True)
class Problem:
    """A kind of problem: its status, and what it means whatever the request."""

    status: int
    title: str


PROBLEMS = {
    "bad_request": Problem(400, "The request is malformed"),
    "invalid_json": Problem(400, "The body is not strict JSON"),
    "idempotency_key_missing": Problem(400, "This request needs one valid Idempotency-Key header"),
    "unauthorized": Problem(401, "This needs a valid key: Authorization: Bearer <key>"),
    "forbidden": Problem(403, "This participant may not do that"),
    "not_found": Problem(404, "There is no such thing, or it is not yours"),
    "method_not_allowed": Problem(405, "The resource does not take this method"),
    "request_timeout": Problem(408, "The body did not arrive in time"),
    "in_flight": Problem(409, "A request with this Idempotency-Key is still running"),
    "conflict": Problem(409, "The state of the resource does not allow this"),
    "body_too_large": Problem(413, "The body is larger than the limit"),
    "unsupported_media_type": Problem(415, "The body must be application/json"),
    "invalid_content": Problem(422, "A field's value is not acceptable"),
    "idempotency_key_reused": Problem(422, "This Idempotency-Key was used with another body"),
    "too_many_requests": Problem(429, "Too many at once"),
    "internal_error": Problem(500, "The gateway failed"),
    "market_unavailable": Problem(503, "The market cannot take this now; repeat the request later"),
    "no_answer": Problem(504, "The market did not answer in time; repeat the request, it is safe"),
}

_BY_STATUS = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
    503: "market_unavailable",
}


class FieldProblem(BaseModel):
    """One offending field."""

    field: str
    value: str
    detail: str


class ProblemBody(BaseModel):
    """An RFC 9457 problem with the market's members."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(description="Address of the description of this kind of problem.")
    title: str
    status: int
    detail: str
    instance: str = Field(description="Path of the request.")
    field: str | None = Field(default=None, description="The offending field, as the request names it.")
    value: str | None = Field(default=None, description="Its value as text, shortened.")
    state: str | None = Field(default=None, description="The state that stands in the way.")
    errors: list[FieldProblem] | None = Field(default=None, description="All offending fields, if several.")


def problem_response(problem: ProblemError, instance: str) -> Response:
    """Return the answer that ``problem`` stands for."""
    kind = PROBLEMS[problem.code]
    body: dict[str, object] = {
        "type": TYPE_PATH + problem.code,
        "title": kind.title,
        "status": kind.status,
        "detail": problem.detail,
        "instance": printable(instance, 300),
    }
    if problem.field:
        body["field"] = problem.field
        body["value"] = problem.value
    if problem.state:
        body["state"] = problem.state
    if len(problem.errors) > 1:
        body["errors"] = [
            {"field": field, "value": value, "detail": detail} for field, value, detail in problem.errors
        ]
    headers = {"Cache-Control": "no-store"}
    if problem.code == "unauthorized":
        headers["WWW-Authenticate"] = 'Bearer realm="takt"'
    if problem.retry_after_s is not None:
        headers["Retry-After"] = str(problem.retry_after_s)
    return Response(json.dumps(body), kind.status, headers, MEDIA_TYPE)


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    if error.code == "unauthorized":
        await context_of(request).guesses.failed(address_of(request))
    return problem_response(error, request.url.path)


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = _BY_STATUS.get(error.status_code, "bad_request")
    response = problem_response(ProblemError(code, str(error.detail)), request.url.path)
    response.headers.update(error.headers or {})
    return response


async def _on_parameters(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return problem_response(content_problem(error.errors(), skip=1), request.url.path)


async def _on_unavailable(request: Request, error: Exception) -> Response:
    _LOG.warning("%s %s: %s", request.method, printable(request.url.path), error)
    detail = "the market is stopping or cannot read or write its journal"
    return problem_response(ProblemError("market_unavailable", detail, retry_after_s=1), request.url.path)


async def _on_busy(request: Request, error: Exception) -> Response:
    assert isinstance(error, MarketBusyError)
    problem = ProblemError(
        "too_many_requests", str(error), retry_after_s=-(-error.retry_after_us // 1_000_000)
    )
    return problem_response(problem, request.url.path)


async def _on_timeout(request: Request, error: Exception) -> Response:
    return problem_response(ProblemError("no_answer", str(error), retry_after_s=1), request.url.path)


async def _on_failure(request: Request, error: Exception) -> Response:
    _LOG.error("%s %s failed", request.method, printable(request.url.path), exc_info=error)
    return problem_response(ProblemError("internal_error", "the failure was logged"), request.url.path)


def install(app: FastAPI) -> None:
    """Answer every error of ``app`` with a problem."""
    app.add_exception_handler(ProblemError, _on_problem)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_parameters)
    app.add_exception_handler(MarketBusyError, _on_busy)
    app.add_exception_handler(MarketUnavailableError, _on_unavailable)
    app.add_exception_handler(JournalError, _on_unavailable)
    app.add_exception_handler(BusTimeoutError, _on_timeout)
    app.add_exception_handler(Exception, _on_failure)
