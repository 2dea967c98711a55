"""What the market listens to on NATS: everybody's subjects; while somebody floods, everybody's but theirs.

What a flood sends to a subject that nobody listens to ends in the server: it no longer stands in the
connection before the requests of others.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from takt_sdk.endings import end
from takt_sdk.nats.connection import settle
from takt_sdk.nats.subjects import REQUEST_CHANNELS

_LOG = logging.getLogger(__name__)

DROPS = 50
"""Dropped requests of a participant after which nobody listens to it for a while."""

FIRST_S, LONGEST_S = 10.0, 600.0
"""How long: doubling each time."""


class Listening:
    """The market's subscriptions. Belongs to one event loop.

    ``known`` says who may be listened to alone; ``take`` gets requests, ``hear`` heartbeats.
    """

    def __init__(
        self,
        client: Client,
        market: str,
        *,
        known: Callable[[], Iterable[str]],
        take: Callable[[Msg], Awaitable[None]],
        hear: Callable[[Msg], Awaitable[None]],
    ) -> None:
        self._client, self._prefix = client, f"takt.v1.{market}"
        self._known, self._take, self._hear = known, take, hear
        self._all: list[Subscription] = []
        self._each: dict[str, list[Subscription]] = {}
        self._drops: Counter[str] = Counter()
        self._times: Counter[str] = Counter()
        self._until_s: dict[str, float] = {}
        self._changing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    @property
    def shut_out(self) -> tuple[str, ...]:
        """Whom nobody listens to now."""
        return tuple(sorted(self._until_s))

    async def start(self) -> None:
        """Listen to everybody."""
        self._all = await self._subscribe("*")
        await settle(self._client)

    def dropped(self, participant: str) -> None:
        """Count a request that was not answered; shut its sender out if there are too many."""
        self._drops[participant] += 1
        if self._drops[participant] < DROPS or participant in self._until_s:
            return
        pause_s = min(LONGEST_S, FIRST_S * 2.0 ** self._times[participant])
        self._times[participant] += 1
        self._until_s[participant] = asyncio.get_running_loop().time() + pause_s
        _LOG.warning("%s floods: nobody listens to it for %.0f s", participant, pause_s)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._shut())

    async def admitted(self, participant: str) -> None:
        """Listen to a participant that came while not everybody is listened to."""
        async with self._changing:
            if self._each and participant not in self._each and participant not in self._until_s:
                self._each[participant] = await self._subscribe(participant)

    async def stop(self) -> None:
        """Listen to nobody any more."""
        if self._task is not None:
            await end((self._task,))
        for subscription in [*self._all, *(one for each in self._each.values() for one in each)]:
            try:
                await subscription.unsubscribe()
            except nats.errors.Error:
                break
        self._all, self._each = [], {}

    async def _shut(self) -> None:
        """Listen to each of the others alone until the last one's time is over, then to everybody."""
        loop = asyncio.get_running_loop()
        try:
            while self._until_s:
                async with self._changing:
                    await self._change()
                next_s = min(self._until_s.values())
                await asyncio.sleep(min(0.25, max(0.0, next_s - loop.time())))
                for name in [name for name, until_s in self._until_s.items() if until_s <= loop.time()]:
                    del self._until_s[name], self._drops[name]
            async with self._changing:
                self._all = await self._subscribe("*")
                each, self._each = self._each, {}
                await self._end([one for subscriptions in each.values() for one in subscriptions])
        except nats.errors.Error as error:  # without a connection there is no flood either
            _LOG.warning("could not change what is listened to: %r", error)

    async def _change(self) -> None:
        wanted = set(self._known()) - self._until_s.keys()
        for name in sorted(wanted - self._each.keys()):
            self._each[name] = await self._subscribe(name)
        ended = [one for name in self._each.keys() - wanted for one in self._each.pop(name)]
        everybody, self._all = self._all, []
        await self._end([*everybody, *ended])

    async def _end(self, subscriptions: list[Subscription]) -> None:
        """End subscriptions; what has arrived by then is still taken."""
        if subscriptions:
            await self._client.flush()
        for subscription in subscriptions:
            await subscription.drain()  # type: ignore[no-untyped-call]

    async def _subscribe(self, participant: str) -> list[Subscription]:
        made = [
            await self._client.subscribe(f"{self._prefix}.{channel}.{participant}", cb=self._take)
            for channel in REQUEST_CHANNELS
        ]
        heartbeat = f"{self._prefix}.heartbeat.{participant}"
        return [*made, await self._client.subscribe(heartbeat, cb=self._hear)]
