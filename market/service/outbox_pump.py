"""The way from the outbox to the participants: sent after the commit, sent again until acknowledged.

The journal's outbox is the record and the bus only carries it. Decides nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable
from contextlib import suppress

from market.bus_errors import BusMailboxError, BusMailboxFullError
from market.journal_errors import JournalError
from market.ports import Journal, MarketBus, OutboxMessage
from takt_sdk.errors import BusError, BusPayloadError, BusTimeoutError
from takt_sdk.ports import Clock

_LOG = logging.getLogger(__name__)

FIRST_POLL_S = 0.01
LONGEST_POLL_S = 0.25
RETRY_S = 0.5
PARALLEL = 64
RESEND_S = 60.0
LONGEST_RESEND_S = 86_400.0


class OutboxPump:
    """Sends what was committed and closes rows once their participants acknowledged them.

    ``absent`` are participants of whom a scenario's runner expects no acknowledgement now.

    Each participant's messages go in their order, one after the other; one whose mailbox is full or
    missing holds up nobody else.
    """

    def __init__(self, journal: Journal, bus: MarketBus, clock: Clock) -> None:
        self._journal, self._bus, self._clock = journal, bus, clock
        self._waiting: dict[str, deque[OutboxMessage]] = {}
        self._sent: dict[str, tuple[OutboxMessage, float]] = {}
        self._tries: dict[str, int] = {}
        self._held_until_s: dict[str, float] = {}
        self._done: list[str] = []
        self._refused_since_s: float | None = None
        self.absent: frozenset[str] = frozenset()
        self._changed = asyncio.Event()
        self._slots = asyncio.Semaphore(PARALLEL)

    @property
    def open_count(self) -> int:
        """Messages not yet acknowledged by their participants, but for those who are ``absent``."""
        waiting = sum(len(queue) for name, queue in self._waiting.items() if name not in self.absent)
        sent = sum(message.participant not in self.absent for message, _ in self._sent.values())
        return waiting + sent + len(self._done)

    @property
    def refused_s(self) -> float:
        """For how long the bus has taken nothing that was tried; 0 where it takes what there is."""
        since_s = self._refused_since_s
        return 0.0 if since_s is None else self._clock.monotonic_s() - since_s

    def begin_anew(self) -> None:
        """Forget that the bus took nothing: it was started again."""
        self._refused_since_s = None

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
                async with asyncio.timeout(poll_s if self._waiting or self._sent or self._done else None):
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
            if message.message_id not in self._done:
                tries = self._tries.get(message.message_id, 0)
                due_s = self._clock.monotonic_s() + min(LONGEST_RESEND_S, RESEND_S * 2**tries)
                self._sent[message.message_id] = (message, due_s)
        self._waiting.pop(participant)
        self._held_until_s.pop(participant, None)

    async def _send(self, message: OutboxMessage, *, admitted: bool = False) -> bool:
        """Hand a message to the bus; return whether the next one may follow."""
        try:
            await self._bus.send(message)
        except BusMailboxFullError:
            _LOG.warning("the mailbox of %s is full", message.participant)
        except BusMailboxError:
            if not admitted and await self._admit(message.participant):
                return await self._send(message, admitted=True)
        except BusPayloadError as error:  # it will never fit: its participant learns of it by query
            _LOG.error("message %s to %s is dropped: %s", message.message_id, message.participant, error)
            self._done.append(message.message_id)
            return True
        except (BusError, BusTimeoutError) as error:
            _LOG.warning("could not send %s: %s", message.message_id, error)
            if self._refused_since_s is None:
                self._refused_since_s = self._clock.monotonic_s()
        else:
            self._refused_since_s = None
            return True
        return False

    async def _admit(self, participant: str) -> bool:
        try:
            await self._bus.admit(participant)
        except (BusError, BusTimeoutError) as error:
            _LOG.warning("no mailbox for %s yet: %s", participant, error)
            return False
        return True

    async def _close_acknowledged(self) -> bool:
        """Close what was acknowledged; return whether anything was."""
        if not self._sent and not self._done:
            return False
        try:
            acknowledged = await self._bus.acknowledged()
        except (BusError, BusTimeoutError) as error:
            _LOG.warning("could not learn of acknowledgements: %s", error)
            return False
        self._done += [id_ for id_ in acknowledged if self._sent.pop(id_, None) is not None]
        if not self._done:
            return False
        try:
            await asyncio.to_thread(self._journal.close_outbox, self._done)
        except JournalError as error:  # closed with the next ones; until then they count as open
            _LOG.warning("%d acknowledgements were not stored: %s", len(self._done), error)
            return False
        for message_id in self._done:
            self._tries.pop(message_id, None)
        self._done = []
        return True

    def _resend_overdue(self) -> None:
        """Send again what was not acknowledged for long: the bus may have lost its store.

        The gap doubles with every try, so that a participant that stays away costs little.
        """
        now_s = self._clock.monotonic_s()
        overdue = [message for message, due_s in self._sent.values() if now_s > due_s]
        for message in overdue:
            del self._sent[message.message_id]
            self._tries[message.message_id] = self._tries.get(message.message_id, 0) + 1
        self.put(overdue)
