"""Server-sent events: the response that sends them, and the bounded inbox that feeds one client.

A slow client holds at most one row per order and `Inbox.capacity` orders; one that takes nothing is
dropped. Knows nothing of orders.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import suppress

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.errors import ProblemError
from market.desk import Change
from market.ports import RowChange

HEARTBEAT = b": still here\n\n"
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
]


def sse_event(name: str, data: object, event_id: str = "") -> bytes:
    """Return one event as text/event-stream; ``data`` goes out as one line of JSON."""
    identified = f"id: {event_id}\n" if event_id else ""
    return f"{identified}event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


class StreamLimit:
    """How many streams are open, in all and per customer."""

    def __init__(self, total: int, per_customer: int) -> None:
        self._total = total
        self._per_customer = per_customer
        self._open: Counter[str] = Counter()

    def acquire(self, customer: str) -> Callable[[], None]:
        """Take a place and return how to give it back, or raise ``too_many_requests``."""
        if self._open[customer] >= self._per_customer or self._open.total() >= self._total:
            raise ProblemError(
                "too_many_requests", f"at most {self._per_customer} streams may be open", retry_after_s=5
            )
        self._open[customer] += 1

        def release() -> None:
            self._open[customer] -= 1
            if not self._open[customer]:
                del self._open[customer]

        return release

    @property
    def open(self) -> int:
        """How many streams are open."""
        return self._open.total()


class Inbox:
    """The newest row per key of what a client has yet to be told.

    A row replaces an older one of its key. Beyond ``capacity`` keys everything is dropped and `take` says
    so: the reader lists again.
    """

    def __init__(self, wanted: Callable[[RowChange], bool], capacity: int = 256) -> None:
        self._wanted = wanted
        self._capacity = capacity
        self._rows: dict[str, RowChange] = {}
        self._lost = False
        self._ended = False
        self._arrived = asyncio.Event()

    async def fill(self, changes: AsyncIterator[Change]) -> None:
        """Put ``changes`` in until they end."""
        try:
            async for change in changes:
                if not self._wanted(change.row):
                    continue
                self._rows[change.row.key] = change.row
                if len(self._rows) > self._capacity:
                    self._rows.clear()
                    self._lost = True
                self._arrived.set()
        finally:
            self._ended = True
            self._arrived.set()

    async def take(self, timeout_s: float) -> tuple[list[RowChange], bool] | None:
        """Return the waiting rows and whether some were dropped; after a time-out none; at the end None."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._arrived.wait()
        except TimeoutError:
            return [], False
        rows, lost = list(self._rows.values()), self._lost
        if self._ended and not rows and not lost:
            return None
        self._rows.clear()
        self._lost = False
        if not self._ended:
            self._arrived.clear()
        return rows, lost


class EventStream(Response):
    """Sends chunks until they end, the client goes, it gets too old, or the gateway closes."""

    def __init__(
        self,
        chunks: AsyncGenerator[bytes],
        *,
        closing: asyncio.Event,
        max_age_s: float,
        send_timeout_s: float,
        release: Callable[[], None],
    ) -> None:
        super().__init__(media_type="text/event-stream")
        self._chunks = chunks
        self._closing = closing
        self._max_age_s = max_age_s
        self._send_timeout_s = send_timeout_s
        self._release = release

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream (ASGI)."""
        tasks = [
            asyncio.ensure_future(self._pump(send)),
            asyncio.ensure_future(_disconnected(receive)),
            asyncio.ensure_future(self._closing.wait()),
        ]
        try:
            await asyncio.wait(tasks, timeout=self._max_age_s, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with suppress(TimeoutError):
                if not tasks[0].cancelled():
                    tasks[0].result()
                async with asyncio.timeout(self._send_timeout_s):
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            for task in tasks:
                task.cancel()
            self._release()
            await self._chunks.aclose()

    async def _pump(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        async for chunk in self._chunks:
            async with asyncio.timeout(self._send_timeout_s):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
