"""Run a job in a child process that cannot outlive its deadline or its parent.

The child computes; the parent waits, passes an interrupt on once, and kills the child when its
time is over, so neither a stuck solver nor a crash keeps the caller from answering. POSIX only.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

_PR_SET_PDEATHSIG = 1
INTERRUPT_GRACE_S = 2.0
"""How long a child may take to hand over its best after an interrupt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """What a job wrote, and how it ended: ``completed`` False if it crashed or was killed."""

    output: bytes
    completed: bool
    interrupted: bool


def process_age_s() -> float:
    """Return seconds since this process was started; 0 where the system does not tell."""
    try:
        with open("/proc/self/stat", "rb") as file:  # noqa: PTH123  as early and cheap as possible
            ticks = int(file.read().rsplit(b")", 1)[1].split()[19])
    except (OSError, ValueError, IndexError):
        return 0.0
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"))


def run_guarded(job: Callable[[Event], bytes], limit_s: float | None) -> JobResult:
    """Run ``job`` in a forked child and return its bytes within ``limit_s`` seconds.

    The job is given an event that is set when the user interrupts. Must be called before any
    thread is started.
    """
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read_end)
        _child(job, write_end)
    os.close(write_end)
    try:
        return _wait(child, read_end, limit_s)
    finally:
        os.close(read_end)
        _reap(child)


def _child(job: Callable[[Event], bytes], write_end: int) -> None:
    """Run the job, write its bytes, leave without running anybody's exit handlers."""
    from threading import Event  # noqa: PLC0415

    halt = Event()
    code = 1
    try:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.signal(signal.SIGINT, lambda *_: halt.set())
        output = job(halt)
        while output:
            output = output[os.write(write_end, output) :]
        code = 0
    except BaseException as error:  # noqa: BLE001  the child must end here whatever happens
        sys.stderr.write(f"takt clear: {type(error).__name__}: {error}\n")
    finally:
        sys.stderr.flush()
        os._exit(code)


def _wait(child: int, read_end: int, limit_s: float | None) -> JobResult:
    """Collect the child's bytes until it ends, the limit passes or an interrupt's grace is over."""
    end = None if limit_s is None else time.monotonic() + limit_s
    chunks: list[bytes] = []
    interrupted = False
    while True:
        left = None if end is None else end - time.monotonic()
        if left is not None and left <= 0:
            return JobResult(output=b"".join(chunks), completed=False, interrupted=interrupted)
        try:
            ready, _, _ = select.select([read_end], [], [], left)
            if not ready:
                continue
            chunk = os.read(read_end, 1 << 20)
        except KeyboardInterrupt:
            if interrupted:
                return JobResult(output=b"", completed=False, interrupted=True)
            interrupted = True
            os.kill(child, signal.SIGINT)
            grace = time.monotonic() + INTERRUPT_GRACE_S
            end = grace if end is None else min(end, grace)
            continue
        if not chunk:
            break
        chunks.append(chunk)
    return JobResult(output=b"".join(chunks), completed=True, interrupted=interrupted)


def _reap(child: int) -> None:
    """Make sure the child is gone."""
    try:
        done, _ = os.waitpid(child, os.WNOHANG)
        if done == 0:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    except (ChildProcessError, ProcessLookupError):
        pass
