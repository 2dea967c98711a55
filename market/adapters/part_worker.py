"""``python -m market.adapters.part_worker PARENT``: search parts of markets for a `ProcessHelper`.

Reads tasks from standard input, writes what was found to standard output, ends with its input or its
parent.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import sys
from threading import Event, Thread
from typing import TYPE_CHECKING

from market.adapters.part_process import read_frame, write_frame
from market.adapters.solver_pulp import PulpSolver
from market.clearing.search.part_search import PartFound, PartSearch, PartTask
from takt_sdk.wall_clock import WallClock

if TYPE_CHECKING:
    from typing import BinaryIO

_PR_SET_PDEATHSIG = 1


def search(task: PartTask, halt: Event) -> PartFound:
    """Search one part; whatever its search raises, the best so far is what was found."""
    search_ = PartSearch(task, PulpSolver())
    try:
        return search_.run(WallClock().monotonic_s, halt)
    except Exception as error:  # noqa: BLE001  whatever a solver does, the answer is typed
        search_.case.failures.append(f"{type(error).__name__}: {error}")
        return search_.found()


def serve(tasks: BinaryIO, answers: BinaryIO) -> None:
    """Search one part after the other until there is nobody to search for."""
    halt = Event()
    while (body := read_frame(tasks)) is not None:
        if not body:
            halt.set()
            continue
        halt = Event()
        task: PartTask = pickle.loads(body)  # noqa: S301  from our own parent

        def job(task: PartTask = task, halt: Event = halt) -> None:
            write_frame(answers, pickle.dumps(search(task, halt), protocol=pickle.HIGHEST_PROTOCOL))

        Thread(target=job, name="search", daemon=True).start()


def main() -> None:
    """Serve on the standard streams, which nothing else may write to."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(sys.argv[1]):
        os._exit(1)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, answers)
    os._exit(0)


if __name__ == "__main__":
    main()
