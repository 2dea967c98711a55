"""Run a job in a child process that can outlive neither its deadline nor its parent.

The child computes and leaves drafts of its answer; the parent waits, passes an interrupt on once,
and kills the child when its time is over, so neither a stuck solver nor a crash keeps the caller
from answering. Linux: the kernel kills the child with its parent, however the parent ends.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import struct
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from threading import Event
    from types import FrameType

INTERRUPT_GRACE_S = 3.0
"""How long a child may take to hand over its best after an interrupt."""

_PR_SET_PDEATHSIG = 1
_HEAD = struct.Struct("<cQ")
_ANSWER, _DRAFT, _NEWS = b"a", b"d", b"n"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """What a job wrote, and how it ended.

    ``output`` is its answer or, where ``completed`` is False because it crashed or was killed, its
    last draft; empty if there is neither.
    """

    output: bytes
    completed: bool
    interrupted: bool


class Link:
    """The child's side: ``halt`` is set when the user interrupts; drafts and news go to the parent."""

    def __init__(self, halt: Event, write_end: int) -> None:
        self.halt = halt
        self._write_end = write_end

    def draft(self, answer: bytes) -> None:
        """Leave an answer that stands should nothing better come. One thread at a time."""
        self._send(_DRAFT, answer)

    def news(self, body: bytes) -> None:
        """Tell the parent how far the job is. One thread at a time."""
        self._send(_NEWS, body)

    def answer(self, answer: bytes) -> None:
        """Hand the answer over."""
        self._send(_ANSWER, answer)

    def _send(self, kind: bytes, body: bytes) -> None:
        view = memoryview(_HEAD.pack(kind, len(body)) + body)
        while view:
            view = view[os.write(self._write_end, view) :]


def process_age_s() -> float:
    """Return seconds since this process was started; 0 where the system does not tell."""
    try:
        with open("/proc/self/stat", "rb") as file:  # noqa: PTH123  as early and cheap as possible
            ticks = int(file.read().rsplit(b")", 1)[1].split()[19])
    except (OSError, ValueError, IndexError):
        return 0.0
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"))


@contextmanager
def guarded(
    job: Callable[[Link], bytes], limit_s: float | None, on_news: Callable[[bytes], None] | None = None
) -> Iterator[JobResult]:
    """Run ``job`` in a forked child and give its bytes within ``limit_s`` seconds; the child ends at exit.

    SIGINT and SIGTERM set the link's ``halt`` once; a second one ends the job at once. To be called from
    the main thread, while no other thread runs.
    """
    read_end, write_end = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        os.close(read_end)
        _child(job, write_end, parent)
    os.close(write_end)
    try:
        yield _Guard(child, read_end, limit_s, on_news).wait()
    finally:
        os.close(read_end)
        _reap(child)


def _child(job: Callable[[Link], bytes], write_end: int, parent: int) -> None:
    """Run the job, write its bytes, leave without running anybody's exit handlers."""
    from threading import Event  # noqa: PLC0415

    link = Link(Event(), write_end)
    code = 1
    try:
        signal.signal(signal.SIGUSR1, lambda *_: link.halt.set())
        # The terminal's Ctrl-C reaches parent and child: only the parent decides.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(code)
        link.answer(job(link))
        code = 0
    except BaseException as error:  # noqa: BLE001  the child must end here whatever happens
        sys.stderr.write(f"takt: {type(error).__name__}: {error}\n")
    finally:
        sys.stderr.flush()
        os._exit(code)


class _Guard:
    """The parent's side: collects frames until the answer, the deadline or the end of an interrupt."""

    def __init__(
        self, child: int, read_end: int, limit_s: float | None, on_news: Callable[[bytes], None] | None
    ) -> None:
        self.child, self.read_end, self.on_news = child, read_end, on_news
        self.end = None if limit_s is None else time.monotonic() + limit_s
        self.buffer = bytearray()
        self.draft = b""
        self.answer: bytes | None = None
        self.interrupts = 0
        self.waker, self.wake = os.pipe()

    def wait(self) -> JobResult:
        """Return the answer, or the last draft of a job that crashed or was killed."""
        before = {
            number: signal.signal(number, self._interrupt) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            while self.answer is None and self._read():
                pass
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(self.waker)
            os.close(self.wake)
        done = self.answer is not None
        output = self.draft if self.answer is None else self.answer
        return JobResult(output=output, completed=done, interrupted=self.interrupts > 0)

    def _interrupt(self, _signal: int, _frame: FrameType | None) -> None:
        os.write(self.wake, b"!")

    def _read(self) -> bool:
        """Take what the child sent; return whether to go on."""
        left = None if self.end is None else self.end - time.monotonic()
        if left is not None and left <= 0:
            return False
        ready, _, _ = select.select([self.read_end, self.waker], [], [], left)
        if self.waker in ready:
            os.read(self.waker, 1)
            self.interrupts += 1
            if self.interrupts > 1:
                return False
            os.kill(self.child, signal.SIGUSR1)
            grace = time.monotonic() + INTERRUPT_GRACE_S
            self.end = grace if self.end is None else min(self.end, grace)
        if self.read_end in ready:
            chunk = os.read(self.read_end, 1 << 20)
            if not chunk:  # the child ended
                return False
            self.buffer += chunk
            self._take()
        return True

    def _take(self) -> None:
        """Take every frame that has arrived whole."""
        while len(self.buffer) >= _HEAD.size:
            kind, size = _HEAD.unpack_from(self.buffer)
            if len(self.buffer) < _HEAD.size + size:
                return
            body = bytes(self.buffer[_HEAD.size : _HEAD.size + size])
            del self.buffer[: _HEAD.size + size]
            if kind == _ANSWER:
                self.answer = body
            elif kind == _DRAFT:
                self.draft = body
            elif self.on_news is not None:
                self.on_news(body)


def _reap(child: int) -> None:
    """Make sure the child is gone."""
    try:
        done, _ = os.waitpid(child, os.WNOHANG)
        if done == 0:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    except (ChildProcessError, ProcessLookupError):
        pass
