"""The page for customers and the operator: files of our own, no other host, no inline script."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from gateway.errors import ProblemError

router = APIRouter(include_in_schema=False)

_TYPES = {
    "index.html": "text/html; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "view.js": "text/javascript; charset=utf-8",
    "client.js": "text/javascript; charset=utf-8",
    **dict.fromkeys(
        ("account.js", "change.js", "detail.js", "dialogs.js", "form.js", "market.js", "operator.js"),
        "text/javascript; charset=utf-8",
    ),
    "style.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@cache
def _file(name: str) -> tuple[bytes, str]:
    content = resources.files("gateway").joinpath("page", name).read_bytes()
    return content, f'"{hashlib.sha256(content).hexdigest()[:32]}"'


@router.get("/")
async def to_page() -> Response:
    """Lead a browser to the page."""
    return RedirectResponse("/page/", 307)


@router.get("/page/")
async def show_page(request: Request) -> Response:
    """Show the page."""
    return await show_file(request, "index.html")


@router.get("/page/{name}")
async def show_file(request: Request, name: str) -> Response:
    """Return a file of the page."""
    if name not in _TYPES:
        raise ProblemError("not_found", "no such file of the page")
    content, tag = _file(name)
    headers = _HEADERS | {"ETag": tag}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=_TYPES[name])
