"""How a command that runs until it is told to stop is told, and by when it has ended. Decides nothing."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass, field
from typing import Any, Self

from takt_sdk.endings import exit_by

STOP_S = 60.0
"""After so long a process that was told to stop ends as it is, and says where it hung."""


@dataclass(slots=True, kw_only=True)
class Stop:
    """Whether this process was told to stop.

    What is not up yet when the signal comes is given up: its task is cancelled. Further signals change
    nothing.
    """

    task: asyncio.Task[Any]
    told: asyncio.Event = field(default_factory=asyncio.Event)
    is_up: bool = False

    @classmethod
    def on_signals(cls) -> Self:
        """Return the one that SIGINT and SIGTERM tell, for the running task."""
        task = asyncio.current_task()
        assert task is not None
        stop = cls(task=task)
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.tell)
        return stop

    def tell(self) -> None:
        """Let the process end."""
        if self.told.is_set():
            return
        exit_by(STOP_S)
        self.told.set()
        if not self.is_up:
            self.task.cancel()
