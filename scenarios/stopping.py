"""How a command is told to stop, and by when it has ended. Decides nothing."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

import click

from takt_sdk.endings import exit_by

T = TypeVar("T")

STOP_S = 60.0
"""After so long a process that was told to stop ends as it is, and says where it hung."""

BY_SIGNAL = 128
"""What shells add to a signal's number in the exit code of a command that it ended."""


@dataclass(slots=True, kw_only=True)
class Stop:
    """Whether this process was told to stop.

    What is not up yet when the signal comes is given up: its task is cancelled. Further signals change
    nothing.
    """

    task: asyncio.Task[Any]
    told: asyncio.Event = field(default_factory=asyncio.Event)
    is_up: bool = False
    number: int = 0
    """The signal that came."""

    @classmethod
    def on_signals(cls) -> Self:
        """Return the one that SIGINT and SIGTERM tell, for the running task."""
        task = asyncio.current_task()
        assert task is not None
        stop = cls(task=task)
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.tell, number)
        return stop

    def tell(self, number: int) -> None:
        """Let the process end, since a signal has come."""
        if self.told.is_set():
            return
        self.number = number
        exit_by(STOP_S)
        self.told.set()
        if not self.is_up:
            self.task.cancel()


def until_told(work: Callable[[], Awaitable[T]], *, words: str = "stopped") -> T:
    """Return what a command's work comes to; SIGINT or SIGTERM ends the command, whenever it comes.

    The work is cancelled, what it holds is given back, and the process ends with exit code 128 + the signal's
    number, whatever threads still compute. What computes long has to do so in a thread: nothing else reaches
    it, and a clearing could take the interrupt for its own. A SIGINT that this process inherited as ignored,
    as shells leave it to what they start in the background, is heeded.
    """
    stops: list[Stop] = []

    async def told() -> T:
        stops.append(Stop.on_signals())
        return await work()

    try:
        found = asyncio.run(told())
    except BaseException:
        if not (stops and stops[0].number):
            raise
    else:
        if not stops[0].number:
            return found
    click.echo(words, err=True)
    code = BY_SIGNAL + stops[0].number
    if threading.active_count() > 1:  # Python can end a thread that computes only by an abort
        gc.collect()  # what is left of worker processes' queues
        os._exit(code)
    raise SystemExit(code)
