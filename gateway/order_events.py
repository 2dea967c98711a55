"""What a customer's event streams say: the history of one order, or changes of all of them.

An order's row carries its whole history, so the newest row is enough to catch up: a dropped change
loses nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress

from gateway.context import Context
from gateway.resources import OrderResource, order_view
from gateway.stream import HEARTBEAT, Inbox, sse_event
from market.ports import RowChange
from takt_sdk.model.messages import TERMINAL_ORDER_STATES

_RETRY = b"retry: 2000\n\n"


@asynccontextmanager
async def watching(context: Context, customer: str, key: str | None) -> AsyncIterator[Inbox]:
    """Yield an inbox of the changes of one order of a customer, or of all of them."""
    inbox = Inbox(lambda row: row.model == "orders" and row.tenant == customer and key in {None, row.key})
    changes = context.desk.watch(customer)
    filling = asyncio.ensure_future(inbox.fill(changes))
    try:
        await asyncio.sleep(0)  # lets the watch begin before the first read of the rows
        yield inbox
    finally:
        filling.cancel()
        with suppress(asyncio.CancelledError):
            await filling


async def order_row(context: Context, customer: str, order_id: str) -> RowChange | None:
    """Return the row of an order of ``customer``, or None."""
    rows = await context.rows("orders", tenant=customer, key=order_id, limit=1)
    return rows[0] if rows else None


async def one_order(context: Context, customer: str, order_id: str, seen: int) -> AsyncGenerator[bytes]:
    """Yield the order's history after the first ``seen`` entries, then live, until it is over.

    ``history`` events carry the number of the entry as id; after them an ``order`` event shows the
    order as it is; ``end`` says that nothing will follow.
    """
    currency = (await context.desk.terms()).rules.currency
    shown = b""
    yield _RETRY
    async with watching(context, customer, order_id) as inbox:
        row = await order_row(context, customer, order_id)
        while row is not None:
            order = OrderResource.of(order_view(row), currency)
            for number, entry in enumerate(order.history[seen:], start=seen + 1):
                yield sse_event("history", entry.model_dump(), str(number))
            if len(order.history) >= seen:
                seen = len(order.history)
                snapshot = sse_event("order", order.model_dump())
                if snapshot != shown:
                    yield snapshot
                    shown = snapshot
            if order.state in TERMINAL_ORDER_STATES:
                yield sse_event("end", {"state": order.state})
                return
            taken = await inbox.take(context.settings.stream_heartbeat_s)
            if taken is None:
                return
            if taken[0]:
                row = taken[0][-1]
            else:
                yield HEARTBEAT
                row = await order_row(context, customer, order_id)


async def all_orders(context: Context, customer: str) -> AsyncGenerator[bytes]:
    """Yield every change of the customer's orders from now on.

    ``ready`` comes first: what is listed after it misses nothing. ``reset`` says that changes were
    dropped and the orders should be listed again.
    """
    currency = (await context.desk.terms()).rules.currency
    yield _RETRY
    async with watching(context, customer, None) as inbox:
        yield sse_event("ready", {})
        while (taken := await inbox.take(context.settings.stream_heartbeat_s)) is not None:
            rows, lost = taken
            if lost:
                yield sse_event("reset", {})
            for row in rows:
                if row.document is not None:
                    yield sse_event("order", OrderResource.of(order_view(row), currency).model_dump())
            if not rows and not lost:
                yield HEARTBEAT
