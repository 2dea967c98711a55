"""Snapshots while the market runs: another process folds the journal, so that the writer never waits.

The child reads the last snapshot and the entries after it, as a restart would: the snapshot is an
independent replay. Decides nothing.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Protocol

from market.adapters.journal_follower import open_follower
from market.errors import ReplayError
from market.journal_errors import JournalError
from market.ports import Journal, Snapshot
from market.service.child_pool import child_pool, put_down
from market.service.recovery import recover, take_snapshot
from takt_sdk.endings import end

_LOG = logging.getLogger(__name__)

_NICE = 10
"""How much the fold steps back behind the market."""


class Folder(Protocol):
    """Makes a snapshot of a journal without holding up whoever writes it."""

    async def fold(self) -> Snapshot:
        """Return the state after every entry of now."""
        ...


class ProcessFolder:
    """A `Folder` that starts a process for each snapshot; its memory is given back."""

    def __init__(self, database: str | Path) -> None:
        self._database = database

    async def fold(self) -> Snapshot:
        """Return the state after every entry of now; raises as a restart does."""
        pool = child_pool()
        try:
            return await asyncio.wrap_future(pool.submit(_fold, self._database))
        finally:
            await put_down(pool)


class InlineFolder:
    """A `Folder` in a thread of this process, for journals in memory."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def fold(self) -> Snapshot:
        """Return the state after every entry of now."""
        return await asyncio.to_thread(lambda: take_snapshot(recover(self._journal)))


def _fold(database: str | Path) -> Snapshot:
    os.nice(_NICE)
    reader = open_follower(database)
    try:
        return take_snapshot(recover(reader))
    finally:
        reader.close()


class Snapshots:
    """Takes a snapshot every ``entries`` entries, one at a time; without a folder none while it runs.

    Attributes
    ----------
    size
        Entries that the latest snapshot holds.
    taken_us
        Market time of the latest taken in this run; None before.
    """

    def __init__(
        self, journal: Journal, folder: Folder | None, *, size: int, entries: int, now_us: Callable[[], int]
    ) -> None:
        self._journal, self._folder, self._entries, self._now_us = journal, folder, entries, now_us
        self._task: asyncio.Task[None] | None = None
        self._tried = size
        self.size = size
        self.taken_us: int | None = None
        self.failures = 0

    def committed(self, size: int) -> None:
        """Take note of a commit; begin a snapshot if it is time."""
        if self._folder is None or size - self._tried < self._entries:
            return
        if self._task is None or self._task.done():
            self._tried = size
            self._task = asyncio.create_task(self._take(self._folder), name="market: snapshot")

    async def _take(self, folder: Folder) -> None:
        try:
            snapshot = await folder.fold()
            await asyncio.to_thread(self._journal.save_snapshot, snapshot)
        except (JournalError, ReplayError, BrokenProcessPool, OSError):
            self.failures += 1
            _LOG.exception("no snapshot was taken; a restart only takes longer")
        else:
            self.size, self.taken_us = snapshot.size, self._now_us()

    async def close(self) -> None:
        """Let a snapshot that was begun go."""
        if self._task is not None and not self._task.done():
            await end((self._task,))
