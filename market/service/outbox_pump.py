"""The way from the outbox to the participants: sent after the commit, sent again until acknowledged.

The journal's outbox is the record and the bus only carries it. Decides nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable
from contextlib import suppress

from market.bus_errors import BusError, BusMailboxError, BusMailboxFullError
from market.errors import BusTimeoutError
from market.ports import Clock, Journal, MarketBus, OutboxMessage

_LOG = logging.getLogger(__name__)

FIRST_POLL_S = 0.01
LONGEST_POLL_S = 0.25
RETRY_S = 0.5
PARALLEL = 64
RESEND_S = 60.0


class OutboxPump:
    """Sends what was committed and closes rows once their participants acknowledged them.

    Each participant's messages go in their order, one after the other; one whose mailbox is full or
    missing holds up nobody else.
    """

    def __init__(self, journal: Journal, bus: MarketBus, clock: Clock) -> None:
        self._journal, self._bus, self._clock = journal, bus, clock
        self._waiting: dict[str, deque[OutboxMessage]] = {}
        self._sent: dict[str, tuple[OutboxMessage, float]] = {}
        self._held_until_s: dict[str, float] = {}
        self._closing = 0
        self._changed = asyncio.Event()
        self._slots = asyncio.Semaphore(PARALLEL)

    @property
    def open_count(self) -> int:
        """Messages not yet acknowledged by their participants."""
        return sum(map(len, self._waiting.values())) + len(self._sent) + self._closing

    def put(self, messages: Iterable[OutboxMessage]) -> None:
        """Take committed messages for sending."""
        for message in messages:
            self._waiting.setdefault(message.participant, deque()).append(message)
            self._changed.set()

    async def run(self) -> None:
        """Send, learn of acknowledgements, send again after a gap; until cancelled."""
        self.put(await asyncio.to_thread(self._journal.open_outbox))
        poll_s = FIRST_POLL_S
        while True:
            self._changed.clear()
            await asyncio.gather(*map(self._send_all, self._ready()))
            progress = await self._close_acknowledged()
            self._resend_overdue()
            poll_s = FIRST_POLL_S if progress else min(LONGEST_POLL_S, 1.5 * poll_s)
            with suppress(TimeoutError):
                async with asyncio.timeout(poll_s if self._sent or self._waiting else None):
                    await self._changed.wait()
                poll_s = FIRST_POLL_S

    def _ready(self) -> list[str]:
        now_s = self._clock.monotonic_s()
        return [name for name in self._waiting if self._held_until_s.get(name, 0.0) <= now_s]

    async def _send_all(self, participant: str) -> None:
        """Send what waits for one participant, until the first failure."""
        queue = self._waiting[participant]
        while queue:
            async with self._slots:
                if not await self._send(queue[0]):
                    self._held_until_s[participant] = self._clock.monotonic_s() + RETRY_S
                    return
            message = queue.popleft()
            self._sent[message.message_id] = (message, self._clock.monotonic_s())
        self._waiting.pop(participant)
        self._held_until_s.pop(participant, None)

    async def _send(self, message: OutboxMessage) -> bool:
        try:
            await self._bus.send(message)
        except BusMailboxFullError:
            _LOG.warning("the mailbox of %s is full", message.participant)
        except BusMailboxError:
            await self._admit(message.participant)
        except (BusError, BusTimeoutError) as error:
            _LOG.warning("could not send %s: %s", message.message_id, error)
        else:
            return True
        return False

    async def _admit(self, participant: str) -> None:
        try:
            await self._bus.admit(participant)
        except (BusError, BusTimeoutError) as error:
            _LOG.warning("no mailbox for %s yet: %s", participant, error)

    async def _close_acknowledged(self) -> bool:
        """Close what was acknowledged; return whether anything was."""
        if not self._sent:
            return False
        try:
            done = [id_ for id_ in await self._bus.acknowledged() if id_ in self._sent]
        except (BusError, BusTimeoutError) as error:
            _LOG.warning("could not learn of acknowledgements: %s", error)
            return False
        if done:
            self._closing = len(done)
            for message_id in done:
                del self._sent[message_id]
            await asyncio.to_thread(self._journal.close_outbox, done)
            self._closing = 0
        return bool(done)

    def _resend_overdue(self) -> None:
        now_s = self._clock.monotonic_s()
        overdue = [message for message, sent_s in self._sent.values() if now_s - sent_s > RESEND_S]
        for message in overdue:
            del self._sent[message.message_id]
        self.put(overdue)
