"""The bus in one process, for tests and for scenarios without NATS: same promises, no durability."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial

from market.bus_errors import BusMailboxError, BusMailboxFullError
from market.ports import OutboxMessage, Request
from takt_sdk.errors import BusClosedError, BusPayloadError, BusRequestError, BusTimeoutError
from takt_sdk.nats.subjects import MAX_PAYLOAD_BYTES, market_id, participant_id
from takt_sdk.ports import Delivery, RequestChannel

_LOG = logging.getLogger(__name__)
_REMEMBERED = 100_000


class _Mailbox:
    """One participant's messages, oldest first; at most the first is out for delivery."""

    def __init__(self) -> None:
        self.waiting: deque[Delivery] = deque()
        self.known: OrderedDict[str, None] = OrderedDict()
        self.out_until_s = 0.0
        self.changed = asyncio.Event()

    def put(self, delivery: Delivery) -> None:
        """Add a message unless its id is known."""
        if delivery.message_id in self.known:
            return
        self.known[delivery.message_id] = None
        while len(self.known) > _REMEMBERED:
            self.known.popitem(last=False)
        self.waiting.append(delivery)
        self.changed.set()

    def remove(self, message_id: str) -> bool:
        """Take the first message out if it is the one named."""
        if not self.waiting or self.waiting[0].message_id != message_id:
            return False
        self.waiting.popleft()
        self.out_until_s = 0.0
        self.changed.set()
        return True


class MemoryBroker:
    """What NATS is to the other adapter: holds the mailboxes and joins the two sides.

    ``ack_wait_s`` is how long a participant may take for a message before it comes again.
    """

    def __init__(
        self,
        market: str,
        *,
        ack_wait_s: float = 5.0,
        max_payload: int = MAX_PAYLOAD_BYTES,
        max_requests: int = 256,
        mailbox_messages: int = 10_000,
    ) -> None:
        self.market_id = market_id(market)
        self.ack_wait_s = ack_wait_s
        self.max_payload = max_payload
        self.mailbox_messages = mailbox_messages
        self.mailboxes: dict[str, _Mailbox] = {}
        self.acknowledged: list[str] = []
        self.handler: Callable[[Request], Awaitable[bytes]] | None = None
        self.heard: Callable[[str, bytes], None] | None = None
        self.arrived: Callable[[Request], bytes | None] | None = None
        self.started = asyncio.Event()
        self.slots = asyncio.Semaphore(max_requests)
        self.running: set[asyncio.Task[bytes]] = set()

    def market(self) -> MemoryMarketBus:
        """Return the market's side."""
        return MemoryMarketBus(self)

    def participant(self, participant: str) -> MemoryParticipantBus:
        """Return a participant's side."""
        return MemoryParticipantBus(self, participant_id(participant))

    def check_size(self, body: bytes) -> None:
        """Refuse a body above the limit."""
        if len(body) > self.max_payload:
            raise BusPayloadError(len(body), self.max_payload)


class MemoryMarketBus:
    """`market.ports.MarketBus` in memory."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker
        self._closed = False

    async def start(
        self,
        on_request: Callable[[Request], Awaitable[bytes]],
        on_heartbeat: Callable[[str, bytes], None],
        on_arrival: Callable[[Request], bytes | None] | None = None,
    ) -> None:
        """Take requests and heartbeats from now on."""
        self._broker.arrived = on_arrival
        self._broker.handler = on_request
        self._broker.heard = on_heartbeat
        self._broker.started.set()

    async def admit(self, participant: str) -> None:
        """Create the participant's mailbox; idempotent."""
        self._check_open()
        self._broker.mailboxes.setdefault(participant_id(participant), _Mailbox())

    async def send(self, message: OutboxMessage) -> None:
        """Put a message into its participant's mailbox; sending again changes nothing.

        Raises
        ------
        BusMailboxError, BusMailboxFullError, BusPayloadError, BusClosedError
            As they say.
        """
        self._check_open()
        self._broker.check_size(message.body)
        if message.channel == "tape":
            self._broker.acknowledged.append(message.message_id)
            return
        mailbox = self._broker.mailboxes.get(message.participant)
        if mailbox is None:
            raise BusMailboxError(message.participant)
        if message.message_id not in mailbox.known and len(mailbox.waiting) >= self._broker.mailbox_messages:
            raise BusMailboxFullError(message.participant)
        mailbox.put(Delivery(message_id=message.message_id, channel=message.channel, body=message.body))

    async def acknowledged(self) -> Sequence[str]:
        """Return the ids of messages that their participants acknowledged since last asked."""
        done, self._broker.acknowledged = self._broker.acknowledged, []
        return tuple(done)

    @property
    def is_connected(self) -> bool:
        """Whether the bus is open."""
        return not self._closed

    async def publish_tape(self, body: bytes) -> None:
        """Publish to the public tape: nobody listens in memory."""
        self._broker.check_size(body)

    async def close(self) -> None:
        """Stop taking requests and let running handlers answer; idempotent."""
        if self._closed:
            return
        self._closed = True
        self._broker.started.clear()
        self._broker.handler = self._broker.heard = self._broker.arrived = None
        if self._broker.running:
            await asyncio.wait(self._broker.running)

    def _check_open(self) -> None:
        if self._closed:
            raise BusClosedError("the market's bus is closed")


class MemoryParticipantBus:
    """`takt_sdk.ports.ParticipantBus` in memory."""

    def __init__(self, broker: MemoryBroker, participant: str) -> None:
        self._broker = broker
        self._participant = participant
        self._closed = asyncio.Event()

    async def request(
        self,
        channel: RequestChannel,
        body: bytes,
        *,
        timeout_s: float,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> bytes:
        """Send a request and return the reply; a market that is away is waited for until the time is up.

        Raises
        ------
        BusTimeoutError
            If no reply came; the request may have had its effect.
        BusRequestError
            If the market failed on it.
        BusPayloadError, BusClosedError
            As they say.
        """
        if self._closed.is_set():
            raise BusClosedError(f"the bus of {self._participant!r} is closed")
        self._broker.check_size(body)
        request = Request(channel=channel, participant=self._participant, body=body, headers=headers)
        try:
            async with asyncio.timeout(timeout_s):
                await self._broker.started.wait()
                task = asyncio.create_task(self._handled(request))
                self._broker.running.add(task)
                task.add_done_callback(self._forget)
                reply = await asyncio.shield(task)
        except TimeoutError:
            raise BusTimeoutError(f"no reply on {channel} within {timeout_s} s") from None
        if len(reply) > self._broker.max_payload:
            raise BusRequestError(f"the market failed on {channel}: reply-too-large")
        return reply

    def _forget(self, task: asyncio.Task[bytes]) -> None:
        self._broker.running.discard(task)
        if not task.cancelled():
            task.exception()  # an answer that nobody waits for any more is no loose end

    async def _handled(self, request: Request) -> bytes:
        refusal = None if self._broker.arrived is None else self._broker.arrived(request)
        if refusal:
            return refusal
        if refusal is not None:
            raise BusTimeoutError(f"no reply on {request.channel}")
        async with self._broker.slots:
            handler = self._broker.handler
            if handler is None:
                raise BusRequestError(f"the market failed on {request.channel}: stopped")
            try:
                return await handler(request)
            except Exception as error:
                _LOG.exception("request of %s on %s failed", request.participant, request.channel)
                raise BusRequestError(f"the market failed on {request.channel}: internal") from error

    async def deliveries(self) -> AsyncIterator[tuple[Delivery, Callable[[], Awaitable[None]]]]:
        """Yield what is in the mailbox, in order; ends when this bus is closed.

        The next message comes after this one was acknowledged; one that was not is yielded again.
        """
        while not self._closed.is_set():
            mailbox = self._broker.mailboxes.setdefault(self._participant, _Mailbox())
            now_s = asyncio.get_running_loop().time()
            if mailbox.waiting and mailbox.out_until_s <= now_s:
                mailbox.out_until_s = now_s + self._broker.ack_wait_s
                delivery = mailbox.waiting[0]
                yield delivery, partial(self._acknowledge, delivery.message_id)
                continue
            mailbox.changed.clear()
            rest_s = mailbox.out_until_s - now_s if mailbox.waiting else None
            await self._wait(mailbox, rest_s)

    async def _wait(self, mailbox: _Mailbox, timeout_s: float | None) -> None:
        """Wait until the mailbox changes, the bus is closed or the time is up."""
        waits = [asyncio.create_task(mailbox.changed.wait()), asyncio.create_task(self._closed.wait())]
        try:
            await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _acknowledge(self, message_id: str) -> None:
        if self._broker.mailboxes[self._participant].remove(message_id):
            self._broker.acknowledged.append(message_id)

    async def heartbeat(self, body: bytes) -> None:
        """Tell the market that this participant lives, best effort."""
        self._broker.check_size(body)
        if self._broker.heard is not None and not self._closed.is_set():
            self._broker.heard(self._participant, body)

    async def close(self) -> None:
        """Stop this side; idempotent."""
        self._closed.set()
