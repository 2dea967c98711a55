"""The way from the outbox to the participants: sent after the commit, sent again until acknowledged.

The journal's outbox is the record and the bus only carries it. Decides nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque

from market.bus_errors import BusError, BusMailboxError
from market.errors import BusTimeoutError
from market.ports import Clock, Journal, MarketBus, OutboxMessage

_LOG = logging.getLogger(__name__)

FIRST_POLL_S = 0.01
LONGEST_POLL_S = 0.25
RETRY_S = 0.1
BATCH = 64
RESEND_S = 60.0


class OutboxPump:
    """Sends what was committed and closes rows once their participants acknowledged them."""

    def __init__(self, journal: Journal, bus: MarketBus, clock: Clock) -> None:
        self._journal, self._bus, self._clock = journal, bus, clock
        self._waiting: deque[OutboxMessage] = deque()
        self._sending: list[OutboxMessage] = []
        self._sent: dict[str, tuple[OutboxMessage, float]] = {}
        self._closing = 0
        self._changed = asyncio.Event()
        self.sent_count = 0

    @property
    def open_count(self) -> int:
        """Messages not yet acknowledged by their participants."""
        return len(self._waiting) + len(self._sending) + len(self._sent) + self._closing

    def put(self, messages: tuple[OutboxMessage, ...]) -> None:
        """Take committed messages for sending."""
        if messages:
            self._waiting.extend(messages)
            self._changed.set()

    async def run(self) -> None:
        """Send, learn of acknowledgements, send again after a gap; until cancelled."""
        self.put(tuple(await asyncio.to_thread(self._journal.open_outbox)))
        poll_s = FIRST_POLL_S
        while True:
            await self._send_waiting()
            progress = await self._close_acknowledged()
            self._resend_overdue()
            if self._waiting:
                continue
            self._changed.clear()
            try:
                async with asyncio.timeout(poll_s if self._sent else None):
                    await self._changed.wait()
                poll_s = FIRST_POLL_S
            except TimeoutError:
                poll_s = FIRST_POLL_S if progress else min(LONGEST_POLL_S, 1.5 * poll_s)

    async def _send_waiting(self) -> None:
        while self._waiting:
            self._sending = [self._waiting.popleft() for _ in range(min(len(self._waiting), BATCH))]
            outcomes = await asyncio.gather(*map(self._send, self._sending))
            failed = [message for message, done in zip(self._sending, outcomes, strict=True) if not done]
            self._sending = []
            if failed:
                self._waiting.extendleft(reversed(failed))
                await asyncio.sleep(RETRY_S)
                return

    async def _send(self, message: OutboxMessage) -> bool:
        try:
            await self._bus.send(message)
        except BusMailboxError:
            try:
                await self._bus.admit(message.participant)
            except (BusError, BusTimeoutError):
                _LOG.warning("no mailbox for %s yet", message.participant)
            return False
        except (BusError, BusTimeoutError) as error:
            _LOG.warning("could not send %s: %s", message.message_id, error)
            return False
        self._sent[message.message_id] = (message, self._clock.monotonic_s())
        self.sent_count += 1
        return True

    async def _close_acknowledged(self) -> bool:
        """Close what was acknowledged; return whether anything was."""
        if not self._sent:
            return False
        try:
            done = [id_ for id_ in await self._bus.acknowledged() if self._sent.pop(id_, None) is not None]
        except (BusError, BusTimeoutError) as error:
            _LOG.warning("could not learn of acknowledgements: %s", error)
            return False
        if done:
            self._closing = len(done)
            await asyncio.to_thread(self._journal.close_outbox, done)
            self._closing = 0
        return bool(done)

    def _resend_overdue(self) -> None:
        now_s = self._clock.monotonic_s()
        overdue = [message for message, sent_s in self._sent.values() if now_s - sent_s > RESEND_S]
        for message in overdue:
            del self._sent[message.message_id]
        self._waiting.extend(overdue)
