"""The server: uvicorn inside the caller's event loop, on a port of its own, with limits and an end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Generator
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from gateway.context import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Where a gateway listens and what its connections may cost.

    With ``tls_cert`` it speaks HTTPS only. ``port`` 0 takes a free one. ``grace_s`` is how long running
    requests may take to end once the server stops; streams end at once.
    """

    host: str = "127.0.0.1"
    port: int = 0
    tls_cert: Path | None = None
    tls_key: Path | None = None
    max_connections: int = 2_000
    keep_alive_s: int = 20
    max_header_bytes: int = 32_768
    backlog: int = 1_024
    grace_s: int = 10


class _Embedded(uvicorn.Server):
    """Leaves the process's signals to whoever embeds it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningServer:
    """A gateway that takes requests at ``url``."""

    url: str
    port: int


@contextlib.asynccontextmanager
async def serving(app: FastAPI, settings: ServerSettings | None = None) -> AsyncIterator[RunningServer]:
    """Serve ``app`` in the running event loop until the block is left.

    Raises
    ------
    OSError
        If the address is taken or not ours.
    """
    settings = settings or ServerSettings()
    context = app.state.context
    assert isinstance(context, Context)
    listener = _listen(settings)
    server = _Embedded(
        uvicorn.Config(
            app,
            loop="none",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=settings.max_connections,
            timeout_keep_alive=settings.keep_alive_s,
            timeout_graceful_shutdown=settings.grace_s,
            h11_max_incomplete_event_size=settings.max_header_bytes,
            backlog=settings.backlog,
            ssl_certfile=settings.tls_cert,
            ssl_keyfile=settings.tls_key or settings.tls_cert,
        )
    )
    port = int(listener.getsockname()[1])
    running = asyncio.ensure_future(server.serve(sockets=[listener]))
    try:
        await _started(server, running)
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        yield RunningServer(url=f"{'https' if settings.tls_cert else 'http'}://{host}:{port}", port=port)
    finally:
        context.closing.set()
        server.should_exit = True
        await running
        listener.close()


def _listen(settings: ServerSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
        listener.listen(settings.backlog)
        listener.setblocking(False)  # noqa: FBT003
    except OSError:
        listener.close()
        raise
    return listener


async def _started(server: uvicorn.Server, running: asyncio.Future[None]) -> None:
    while not server.started:
        if running.done():
            await running
            raise OSError("the HTTP server ended before it began")
        await asyncio.sleep(0.005)
