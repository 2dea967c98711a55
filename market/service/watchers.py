"""Readers of committed changes: bounded queues, so that a slow one loses the oldest and blocks nobody."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from weakref import WeakSet

from market.desk import Change

QUEUE = 1000


class _Watcher:
    def __init__(self, tenant: str | None) -> None:
        self.tenant = tenant
        self.waiting: deque[Change] = deque(maxlen=QUEUE)
        self.changed = asyncio.Event()


class Watchers:
    """Hands each committed change to those who may see it."""

    def __init__(self) -> None:
        self._watchers: WeakSet[_Watcher] = WeakSet()

    def publish(self, changes: Iterable[Change]) -> None:
        """Give changes to every watcher of their tenant."""
        if not self._watchers:
            return
        for change in changes:
            for watcher in self._watchers:
                if watcher.tenant is None or watcher.tenant == change.row.tenant:
                    watcher.waiting.append(change)
                    watcher.changed.set()

    def watch(self, tenant: str | None) -> AsyncIterator[Change]:
        """Yield changes from now on, for as long as the iterator is held, read or not."""
        watcher = _Watcher(tenant)
        self._watchers.add(watcher)
        return _changes(watcher)


async def _changes(watcher: _Watcher) -> AsyncIterator[Change]:
    while True:
        while watcher.waiting:
            yield watcher.waiting.popleft()
        watcher.changed.clear()
        await watcher.changed.wait()
