"""How tasks, threads and processes are ended for certain. Decides nothing."""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

_LOG = logging.getLogger(__name__)
_AGAIN_S = 0.1
PATIENCE_S = 10.0


async def end(tasks: Iterable[asyncio.Future[Any]], *, within_s: float = PATIENCE_S) -> None:
    """Cancel tasks until all are over; what they raised stays with them.

    One cancellation may not do: `asyncio.wait_for`, which nats-py uses, swallows it where its result
    arrives in the same moment (Python 3.11). A task that outlives ``within_s`` is logged and left alone.
    """
    pending = {task for task in tasks if not task.done()}
    end_s = asyncio.get_running_loop().time() + within_s
    while pending:
        if asyncio.get_running_loop().time() >= end_s:
            _LOG.error("left alone, since they do not end: %s", ", ".join(map(repr, pending)))
            return
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_AGAIN_S)


async def in_time(call: Callable[[], object], seconds: float) -> bool:
    """Run a blocking call in a thread of its own; return whether it was over in time.

    What is late goes on, but keeps neither the event loop nor the process from ending. What it raised
    in time is raised here.
    """
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()

    def tell(error: BaseException | None) -> None:
        if over.done():
            return
        if error is None:
            over.set_result(None)
        else:
            over.set_exception(error)

    def run() -> None:
        error: BaseException | None = None
        try:
            call()
        except Exception as raised:  # noqa: BLE001 - it is raised again where it is waited for
            error = raised
        with suppress(RuntimeError):  # the loop has closed: nobody waits any more
            loop.call_soon_threadsafe(tell, error)

    threading.Thread(target=run, name="in_time", daemon=True).start()
    done, _ = await asyncio.wait((over,), timeout=seconds)
    for one in done:
        one.result()
    return bool(done)


def exit_by(seconds: float) -> None:
    """End this process within so many seconds, whatever holds it up: exit code 1, stacks on standard error.

    For a command that was told to stop; the last call counts.
    """
    with suppress(RuntimeError, ValueError, OSError):  # there is no standard error to write to
        faulthandler.dump_traceback_later(seconds, exit=True)
