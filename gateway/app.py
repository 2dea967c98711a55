"""The application: routes over a desk, problems for everything else, an OpenAPI document that is true."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.context import Context
from gateway.problems import ProblemBody, install
from gateway.routes import contracts, metrics, operation, operator, orders, page, parts, public
from gateway.schemas import OrderRequest, PartRequest
from gateway.settings import GatewaySettings
from market.desk import Desk

DESCRIPTION = """
Orders for a market of manufacturing capacity. Money is integer minor units beside its currency, instants are
RFC 3339 date-times, quantities are integers. Every answer that is not a success is an RFC 9457 problem
(`application/problem+json`) that names the field and the value.
"""

_BODIES = (
    OrderRequest,
    PartRequest,
    ProblemBody,
    contracts.ApprovalRequest,
    contracts.AppealRequest,
    contracts.ChangeRequest,
    contracts.PaymentRequest,
    operator.AdmissionRequest,
    operator.SuspensionRequest,
    operator.RotationRequest,
    operator.RulesRequest,
    operation.ReasonRequest,
)


def create_app(desk: Desk, settings: GatewaySettings | None = None) -> FastAPI:
    """Return the gateway of the market behind ``desk``, as an ASGI application for one event loop."""
    app = FastAPI(
        title="Takt",
        version="1",
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        redirect_slashes=False,
    )
    context = app.state.context = Context(desk, settings or GatewaySettings())
    install(app)
    for module in (orders, contracts, parts, public, operator, operation, metrics, page):
        app.include_router(module.router)
    app.add_middleware(_Edge, max_body_bytes=context.settings.max_body_bytes)
    _document(app)
    return app


class _Edge:
    """Keeps browsers from guessing types, and ends connections whose body nobody will read.

    Plain ASGI, for the hot path. An answer that comes before an endless or oversized body was read closes
    the connection; otherwise the rest would be read and thrown away for as long as it comes.
    """

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        arriving = self._is_long(scope)

        async def receive_all() -> Message:
            nonlocal arriving
            message = await receive()
            arriving = arriving and bool(message.get("more_body"))
            return message

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message["headers"] = list(message["headers"])
                if not any(name == b"x-content-type-options" for name, _ in headers):
                    headers.append((b"x-content-type-options", b"nosniff"))
                if arriving:
                    headers.append((b"connection", b"close"))
            await send(message)

        await self._app(scope, receive_all if arriving else receive, send_with_headers)

    def _is_long(self, scope: Scope) -> bool:
        for name, value in scope["headers"]:
            if name == b"transfer-encoding":
                return True
            if name == b"content-length":
                return not value.isdigit() or int(value[:18]) > self._max_body_bytes
        return False


def _document(app: FastAPI) -> None:
    """Add to the OpenAPI document what the routes read and refuse by themselves."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            _, schemas = models_json_schema(
                [(model, "validation") for model in _BODIES], ref_template="#/components/schemas/{model}"
            )
            components = document.setdefault("components", {})
            known = components.setdefault("schemas", {})
            known.update(schemas["$defs"])
            for name in ("HTTPValidationError", "ValidationError"):
                known.pop(name, None)
            components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
            for path, methods in document["paths"].items():
                for operation in methods.values():
                    _complete(path, operation)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(path: str, operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    if "application/json" in responses.get("422", {}).get("content", {}):
        del responses["422"]
    if "401" in responses:
        operation["security"] = [{"key": []}]
    assert path.startswith("/")
