"""What waits for the writer: a queue for each sender, bounded, taken from in turns.

A sender that floods fills its own queue and waits in it; it holds up nobody else. Decides nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, Protocol, TypeVar

from market.errors import MarketBusyError

TURN = 16
"""Most items of one sender in a group while others wait too."""


class Sized(Protocol):
    """Something that takes up memory."""

    @property
    def size_bytes(self) -> int:
        """About how much."""
        ...


ItemT = TypeVar("ItemT", bound=Sized)


class FairQueue(Generic[ItemT]):
    """Queues by sender. Belongs to one event loop.

    ``each`` and ``each_bytes`` bound what waits of one sender, ``every`` and ``every_bytes`` of all; senders
    in ``unbounded`` are the market's own and are never refused.
    """

    def __init__(
        self, *, each: int, each_bytes: int, every: int, every_bytes: int, unbounded: frozenset[str]
    ) -> None:
        self._each, self._each_bytes = each, each_bytes
        self._every, self._every_bytes = every, every_bytes
        self._unbounded = unbounded
        self._queues: dict[str, deque[ItemT]] = {}
        self._bytes: dict[str, int] = {}
        self._count = self._count_bytes = 0
        self._changed = asyncio.Event()
        self.most = 0
        self.most_bytes = 0

    def __len__(self) -> int:
        return self._count

    @property
    def size_bytes(self) -> int:
        """Bytes that wait."""
        return self._count_bytes

    @property
    def senders(self) -> int:
        """How many senders have something waiting."""
        return len(self._queues)

    def put(self, sender: str, item: ItemT) -> None:
        """Add an item at the end of its sender's queue.

        Raises
        ------
        MarketBusyError
            If as much waits already as may: of this sender, or of all together.
        """
        size = item.size_bytes
        if sender not in self._unbounded:
            waiting = len(self._queues.get(sender, ()))
            if waiting >= self._each or (waiting and self._bytes[sender] + size > self._each_bytes):
                raise MarketBusyError(f"{waiting} messages of yours wait already")
            if self._count >= self._every or (self._count and self._count_bytes + size > self._every_bytes):
                raise MarketBusyError(f"more than {self._every} messages wait")
        self._queues.setdefault(sender, deque()).append(item)
        self._bytes[sender] = self._bytes.get(sender, 0) + size
        self._count += 1
        self._count_bytes += size
        self.most = max(self.most, self._count)
        self.most_bytes = max(self.most_bytes, self._count_bytes)
        self._changed.set()

    async def wait(self) -> None:
        """Return once something waits, or after `wake`."""
        await self._changed.wait()
        self._changed.clear()

    def wake(self) -> None:
        """Let `wait` return, whatever waits."""
        self._changed.set()

    def take(self, most: int) -> list[ItemT]:
        """Return up to ``most`` items, one of each sender in turn, each sender's in their order.

        Who was not reached comes first the next time. Alone, a sender may have them all.
        """
        taken: list[ItemT] = []
        turns = TURN if len(self._queues) > 1 else most
        for _ in range(turns):
            if not self._queues or len(taken) >= most:
                break
            for sender in list(self._queues)[: most - len(taken)]:
                queue = self._queues.pop(sender)
                item = queue.popleft()
                taken.append(item)
                self._count -= 1
                self._count_bytes -= item.size_bytes
                self._bytes[sender] -= item.size_bytes
                if queue:
                    self._queues[sender] = queue  # to the end of the round
                else:
                    del self._bytes[sender]
        if self._count:
            self._changed.set()
        return taken
