"""A Ray of our own on this machine, or somebody's cluster: started for a run and left when it ends."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

OBJECT_STORE_BYTES = 100_000_000
"""Companies send nothing through the object store; Ray wants at least 78 MB."""


@asynccontextmanager
async def local_ray(address: str | None, *, cpus: int = 2) -> AsyncIterator[None]:
    """Connect to the Ray at ``address``, or start one on loopback; leave it when the block is left.

    A Ray that this process has already is used, and stays. One of our own ends with this process, however
    that ends; but where this process is killed, two of Ray's agents look for their head for another minute.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray  # noqa: PLC0415 - takes a second to import, and only these runs need it

    if ray.is_initialized():
        yield
        return

    def start() -> None:
        if address is not None:
            ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
            return
        ray.init(
            num_cpus=cpus,
            include_dashboard=False,
            object_store_memory=OBJECT_STORE_BYTES,
            logging_level=logging.ERROR,
            log_to_driver=False,
            _node_ip_address="127.0.0.1",
        )

    await asyncio.to_thread(start)
    _take_back_sigterm()
    try:
        yield
    finally:
        await asyncio.to_thread(ray.shutdown)


def _take_back_sigterm() -> None:
    """Set the handler of SIGTERM again: Ray has put one before it that prints a stack trace."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))
