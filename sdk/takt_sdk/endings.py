"""How tasks, threads and processes are ended for certain. Decides nothing."""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")
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


def in_thread(
    call: Callable[[], T], *, name: str, after: Callable[[], object] | None = None
) -> asyncio.Future[T]:
    """Run a blocking call in a thread of its own; return the future of what comes of it.

    The thread keeps neither the event loop nor the process from ending. A call that nobody waits for any
    more goes on. ``after`` runs in the thread once the call has returned, and not if it raised.
    """
    loop = asyncio.get_running_loop()
    over: asyncio.Future[T] = loop.create_future()

    def put(set_it: Callable[[Any], None], what: object) -> None:
        if not over.done():
            set_it(what)

    def run() -> None:
        with suppress(RuntimeError):  # the loop has closed: nobody waits any more
            try:
                found = call()
            except BaseException as error:  # noqa: BLE001 - it is raised again where it is waited for
                loop.call_soon_threadsafe(put, over.set_exception, error)
                return
            loop.call_soon_threadsafe(put, over.set_result, found)
        if after is not None:
            after()

    threading.Thread(target=run, name=name, daemon=True).start()
    return over


async def in_time(call: Callable[[], object], seconds: float) -> bool:
    """Run a blocking call in a thread of its own; return whether it was over in time.

    What is late goes on, but keeps neither the event loop nor the process from ending. What it raised
    in time is raised here.
    """
    done, _ = await asyncio.wait((in_thread(call, name="in_time"),), timeout=seconds)
    for one in done:
        one.result()
    return bool(done)


def exit_by(seconds: float) -> None:
    """End this process within so many seconds, whatever holds it up: exit code 1, stacks on standard error.

    For a command that was told to stop; the last call counts.
    """
    with suppress(RuntimeError, ValueError, OSError):  # there is no standard error to write to
        faulthandler.dump_traceback_later(seconds, exit=True)
