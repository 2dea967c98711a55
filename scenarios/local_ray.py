"""A Ray of our own on this machine, or somebody's cluster: started for a run and left when it ends."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

from takt_sdk.endings import in_thread, in_time
from takt_sdk.wall_clock import OsEntropy

_LOG = logging.getLogger(__name__)

SHUTDOWN_S = 20.0

OBJECT_STORE_BYTES = 100_000_000
"""Companies send nothing through the object store; Ray wants at least 78 MB."""

_KILL_AGAIN_S = 0.05
GIVE_UP_S = 2.0
"""How long a start of Ray that is given up may go on while its servers are killed."""

_AGENTS = (b"ray::DashboardAgent", b"ray::RuntimeEnvAgent")
_FIRST = b"gcs_server"
_SERVERS = (b"/ray/core/src/ray/", b"/ray/_private/", b"ray::")


@asynccontextmanager
async def local_ray(address: str | None, *, cpus: int = 2) -> AsyncIterator[None]:
    """Connect to the Ray at ``address``, or start one of our own; leave it when the block is left.

    A Ray that this process has already is used, and stays. One of our own ends with this process, however
    that ends.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray  # noqa: PLC0415 - takes a second to import, and only these runs need it

    if ray.is_initialized():
        yield
        return

    start = (
        partial(start_ray, cpus=cpus)
        if address is None
        else partial(ray.init, address, logging_level=logging.ERROR, log_to_driver=False)
    )
    async with _begun(start):
        _take_back_sigterm()
        # Killed with us, Ray leaves its agents for another minute: so long they look for the head.
        guard = _guard(_below(_AGENTS)) if address is None else None
        try:
            yield
        finally:
            if guard is not None:
                guard.kill()
                guard.wait()
            if not await in_time(ray.shutdown, SHUTDOWN_S):
                _LOG.error("Ray does not end within %g s; it is left alone", SHUTDOWN_S)


@asynccontextmanager
async def _begun(start: Callable[[], object]) -> AsyncIterator[None]:
    """Start Ray in a thread of its own, which lives until the block is left: with it its servers die.

    Given up, its servers are killed and the thread is not waited for: Ray looks for servers that come up
    late for up to half a minute and can not be interrupted.
    """
    loop = asyncio.get_running_loop()
    ended, left = threading.Event(), threading.Event()

    def started() -> None:
        try:
            start()
        finally:
            ended.set()

    try:
        await in_thread(started, name="ray", after=left.wait)
    except asyncio.CancelledError:
        until_s = loop.time() + GIVE_UP_S
        while loop.time() < until_s:
            servers = _below(_SERVERS, anywhere=True)
            # Alone, the first server is left to end with us: Ray waits for its port with Python locked.
            if not all(_FIRST in _command(pid) for pid in servers):
                for pid in servers:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            if ended.wait(_KILL_AGAIN_S):
                break
        left.set()
        raise
    try:
        yield
    finally:
        left.set()


def start_ray(*, cpus: int) -> None:
    """Start a Ray that ends with this process and that nobody else gets into.

    Its servers listen on every address of the machine, whatever they are told, and run what they are
    given: they must know their own by a token. One in the environment is kept.
    """
    import ray  # noqa: PLC0415
    from ray._raylet import Config  # type: ignore[attr-defined]  # noqa: PLC0415 - Ray has no public way

    os.environ.setdefault("RAY_AUTH_MODE", "token")
    os.environ.setdefault("RAY_AUTH_TOKEN", OsEntropy().token(32).hex())
    Config.initialize("")  # Ray read the environment when it was imported
    ray.init(
        num_cpus=cpus,
        include_dashboard=False,
        object_store_memory=OBJECT_STORE_BYTES,
        logging_level=logging.ERROR,
        log_to_driver=False,
        _node_ip_address="127.0.0.1",
    )


def _below(names: tuple[bytes, ...], *, anywhere: bool = False) -> list[int]:
    """Return our descendants whose command begins with one of some names, or has one ``anywhere``."""
    parents: dict[int, int] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError):
            parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
    own = {os.getpid()}
    while grown := {pid for pid, parent in parents.items() if parent in own} - own:
        own |= grown
    own.discard(os.getpid())
    return sorted(
        pid
        for pid in own
        if (anywhere and any(name in _command(pid) for name in names)) or _command(pid).startswith(names)
    )


def _command(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _guard(pids: list[int]) -> subprocess.Popen[bytes] | None:
    """Start a shell that kills these processes once this one has gone, however it went."""
    if not pids:
        return None
    return subprocess.Popen(  # noqa: S603 - our own words and numbers
        ["/bin/sh", "-c", 'read -r _; kill -9 "$@" 2>/dev/null', "takt-ray-guard", *map(str, pids)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _take_back_sigterm() -> None:
    """Set the handler of SIGTERM again: Ray has put one before it that prints a stack trace."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))
