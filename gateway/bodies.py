"""Reading a request's body: type, size while it arrives, time, strict JSON."""

from __future__ import annotations

import asyncio

from fastapi import Request
from starlette.requests import ClientDisconnect

from gateway.errors import ProblemError, StrictJsonError
from gateway.settings import GatewaySettings
from gateway.strict_json import parse, printable

_LENGTH_DIGITS = 18
_LINGER_BYTES = 1_048_576


async def read_json(request: Request, settings: GatewaySettings) -> object:
    """Return the strict JSON value of the body.

    Raises
    ------
    ProblemError
        ``unsupported_media_type``, ``body_too_large``, ``request_timeout`` or ``invalid_json``.
    """
    _, value = await read_checked(request, settings)
    return value


async def read_checked(request: Request, settings: GatewaySettings) -> tuple[bytes, object]:
    """Return the body's bytes, known to be strict JSON, and their value; raises as `read_json`."""
    _check_type(request.headers.get("content-type", ""))
    body = await _read(request, settings)
    try:
        return body, parse(body)
    except StrictJsonError as error:
        raise ProblemError("invalid_json", str(error), field=error.field, value=error.value) from error


def _check_type(content_type: str) -> None:
    media, _, parameters = content_type.partition(";")
    charset = parameters.strip().lower()
    if media.strip().lower() != "application/json" or charset not in {
        "",
        "charset=utf-8",
        'charset="utf-8"',
    }:
        raise ProblemError(
            "unsupported_media_type",
            "the body must be application/json in UTF-8",
            field="Content-Type",
            value=printable(content_type),
        )


async def _read(request: Request, settings: GatewaySettings) -> bytes:
    """Return the body; one that is too large is read on for a little, so that its sender sees the answer."""
    limit = settings.max_body_bytes
    stated = request.headers.get("content-length", "")
    if stated.isdecimal() and int(stated[:_LENGTH_DIGITS]) > limit + _LINGER_BYTES:
        raise _too_large(limit, stated)
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(settings.body_timeout_s):
            async for chunk in request.stream():
                size += len(chunk)
                if size <= limit:
                    chunks.append(chunk)
                elif size > limit + _LINGER_BYTES:
                    break
    except TimeoutError:
        if size <= limit:
            raise ProblemError(
                "request_timeout", f"the body took longer than {settings.body_timeout_s:g} s"
            ) from None
    except ClientDisconnect:
        raise ProblemError("bad_request", "the body ended early") from None
    if size > limit:
        raise _too_large(limit, stated or f"more than {limit}")
    return b"".join(chunks)


def _too_large(limit: int, stated: str) -> ProblemError:
    return ProblemError(
        "body_too_large",
        f"the body may hold at most {limit} bytes",
        field="Content-Length",
        value=printable(stated),
    )
