"""How tasks are ended for certain. Decides nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

_AGAIN_S = 0.1


async def end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks until all are over; what they raised stays with them.

    One cancellation may not do: `asyncio.wait_for`, which nats-py uses, swallows it where its result
    arrives in the same moment (Python 3.11).
    """
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_AGAIN_S)
