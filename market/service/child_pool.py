"""A process pool of one that ends with this process, and can be put down while it works. Decides nothing."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor

from takt_sdk.endings import in_time

_LOG = logging.getLogger(__name__)

PUT_DOWN_S = 5.0


def child_pool() -> ProcessPoolExecutor:
    """Return a pool of one new process."""
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(max_workers=1, mp_context=context, initializer=_live_with_parent)


async def put_down(pool: ProcessPoolExecutor) -> None:
    """Kill a pool's process, whatever it does; what was asked of it fails."""
    for process in list((pool._processes or {}).values()):  # noqa: SLF001 - no public way to end a busy worker
        process.kill()
    if not await in_time(lambda: pool.shutdown(wait=True, cancel_futures=True), PUT_DOWN_S):
        _LOG.error("the threads of a process pool do not end; they are left alone")


def _live_with_parent() -> None:
    """End this process when its parent has died; Ctrl-C is for the parent to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()
