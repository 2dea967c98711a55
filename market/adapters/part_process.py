"""Search parts of a market in a Python process of its own: the `Helper` of one machine.

The helper is started with the interpreter that runs this, reads tasks from its standard input and
ends when that closes; the kernel kills it with its parent, however the parent ends. Values are pickled
between two processes of the same code, never stored.
"""

from __future__ import annotations

import os
import pickle
import struct
import subprocess
import sys
from threading import Lock
from typing import TYPE_CHECKING

from market.clearing.errors import HelperLostError

if TYPE_CHECKING:
    from typing import IO

    from market.clearing.search.part_search import PartFound, PartTask

HEAD = struct.Struct("<Q")
HALT = b""


def write_frame(stream: IO[bytes], body: bytes) -> None:
    """Write one frame; an empty one asks for a halt."""
    stream.write(HEAD.pack(len(body)) + body)
    stream.flush()


def read_frame(stream: IO[bytes]) -> bytes | None:
    """Return one frame, None at the end of the stream."""
    head = stream.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    (size,) = HEAD.unpack(head)
    body = stream.read(size)
    return body if len(body) == size else None


class ProcessHelper:
    """A helper in a process of its own."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._process = subprocess.Popen(  # noqa: S603  this interpreter, this code
            [sys.executable, "-m", "market.adapters.part_worker", str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # the terminal's Ctrl-C is for the parent to handle
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def search(self, task: PartTask) -> PartFound:
        """Search a part there."""
        assert self._process.stdout is not None
        self._send(pickle.dumps(task, protocol=pickle.HIGHEST_PROTOCOL))
        try:
            answer = read_frame(self._process.stdout)
        except (OSError, ValueError) as error:
            raise HelperLostError(f"process {self.pid}: {error}") from error
        if not answer:
            raise HelperLostError(f"process {self.pid} ended before it answered")
        found: PartFound = pickle.loads(answer)  # noqa: S301  from our own child
        return found

    def halt(self) -> None:
        """Ask it to end its search."""
        try:
            self._send(HALT)
        except HelperLostError:
            return

    def close(self) -> None:
        """Kill it; it holds nothing."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            try:
                stream.close()
            except OSError:
                continue

    def _send(self, body: bytes) -> None:
        assert self._process.stdin is not None
        try:
            with self._lock:
                write_frame(self._process.stdin, body)
        except (OSError, ValueError) as error:
            raise HelperLostError(f"process {self.pid}: {error}") from error


def hire_process() -> ProcessHelper | None:
    """Return a helper in a process of its own, None where none can be started."""
    try:
        return ProcessHelper()
    except OSError:
        return None
