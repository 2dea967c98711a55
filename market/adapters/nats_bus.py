"""The market's side of the bus on NATS.

Requests come on plain subjects whose participant token the server enforces; each participant's durable
messages lie in a stream of its own, so that nobody can read or suppress another's. The stream is a cache
of the journal's outbox, not the record.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import cast

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DiscardPolicy,
    PubAck,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)

from market.adapters.nats_listening import Listening
from market.bus_errors import BusMailboxError, BusMailboxFullError
from market.ports import OutboxMessage, Request
from takt_sdk.endings import end
from takt_sdk.errors import BusClosedError, BusPayloadError, BusTimeoutError
from takt_sdk.nats.connection import close, connect, settle
from takt_sdk.nats.subjects import (
    FAILED_HEADER,
    MAILBOX_CHANNELS,
    MAILBOX_CONSUMER,
    MAX_PAYLOAD_BYTES,
    REQUEST_CHANNELS,
    market_id,
    stream_name,
    subject,
    tape_subject,
)
from takt_sdk.ports import RequestChannel

_LOG = logging.getLogger(__name__)
_TIMEOUT_S = 5.0
_CLOSE_TIMEOUT_S = 5.0
_LEAVE_S = _CLOSE_TIMEOUT_S + _TIMEOUT_S + 2.0
_PARALLEL = 32
_DUPLICATE_WINDOW_S = 3600.0
_FROM_ANOTHER_ACCOUNT = "_R_."


class _Mailbox:
    """What the market knows of one participant's stream: what was sent and is not acknowledged yet.

    ``created`` tells this stream from a later one of the same name, whose sequences begin again.
    """

    def __init__(self, created: object) -> None:
        self.created = created
        self.sent: dict[int, str] = {}

    def acknowledge_up_to(self, floor: int) -> list[str]:
        """Return the ids at and below the acknowledged sequence, and forget them."""
        return [self.sent.pop(sequence) for sequence in sorted(self.sent) if sequence <= floor]


class NatsMarketBus:
    """`market.ports.MarketBus` over one NATS connection.

    ``ack_wait_s`` is how long a participant may take for a message before it comes again. At most
    ``max_requests`` handlers run at once; later requests wait in the connection. A message that is sent
    again within ``duplicate_window_s`` does not come twice.
    """

    def __init__(
        self,
        client: Client,
        market: str,
        *,
        ack_wait_s: float = 5.0,
        max_requests: int = 256,
        mailbox_messages: int = 10_000,
        mailbox_bytes: int = 64 * MAX_PAYLOAD_BYTES,
        duplicate_window_s: float = _DUPLICATE_WINDOW_S,
    ) -> None:
        self._client = client
        self._context = client.jetstream(timeout=_TIMEOUT_S)
        self._market = market_id(market)
        self._ack_wait_s = ack_wait_s
        self._slots = asyncio.Semaphore(max_requests)
        self._mailbox_messages = mailbox_messages
        self._mailbox_bytes = mailbox_bytes
        self._duplicate_window_s = duplicate_window_s
        self._mailboxes: dict[str, _Mailbox] = {}
        self._tape_done: list[str] = []
        self._running: set[asyncio.Task[None]] = set()
        self._listening: Listening | None = None

    @classmethod
    async def connect(
        cls,
        url: str,
        creds: str,
        market: str,
        *,
        server_name: str | None = None,
        ack_wait_s: float = 5.0,
        max_requests: int = 256,
        mailbox_messages: int = 10_000,
        duplicate_window_s: float = _DUPLICATE_WINDOW_S,
        tls: ssl.SSLContext | None = None,
    ) -> NatsMarketBus:
        """Connect with the market's own credentials; `BusRefusedError` as in `nats_connection.connect`."""
        client = await connect(
            url,
            creds,
            client_name=f"{market_id(market)}.market",
            server_name=server_name,
            tls=tls,
            stays=True,
        )
        return cls(
            client,
            market,
            ack_wait_s=ack_wait_s,
            max_requests=max_requests,
            mailbox_messages=mailbox_messages,
            duplicate_window_s=duplicate_window_s,
        )

    async def start(
        self,
        on_request: Callable[[Request], Awaitable[bytes]],
        on_heartbeat: Callable[[str, bytes], None],
        on_arrival: Callable[[Request], bytes | None] | None = None,
    ) -> None:
        """Take requests and heartbeats from now on.

        A handler that raises is logged and answered as failed, without its reason. What ``on_arrival``
        refuses takes no slot.
        """

        async def take(message: Msg) -> None:
            request = self._request_of(message)
            if request is None:
                return
            refusal = None if on_arrival is None else on_arrival(request)
            if refusal is not None:
                if refusal:
                    await self._reply(request, message.reply, refusal)
                else:
                    listening.dropped(request.participant)
                return
            await self._slots.acquire()
            task = asyncio.create_task(self._answer(on_request, request, message.reply))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

        async def hear(message: Msg) -> None:
            prefix, _, participant = message.subject.rpartition(".")
            if prefix == f"takt.v1.{self._market}.heartbeat":
                on_heartbeat(participant, message.data)

        listening = self._listening = Listening(
            self._client, self._market, known=lambda: self._mailboxes, take=take, hear=hear
        )
        await listening.start()

    def _request_of(self, message: Msg) -> Request | None:
        """Return the request; None if it did not come out of a participant's account.

        Only then is the subject the sender's own, and the reply subject one that the server made up.
        """
        prefix, _, participant = message.subject.rpartition(".")
        base, _, channel = prefix.rpartition(".")
        if base != f"takt.v1.{self._market}" or channel not in REQUEST_CHANNELS:
            _LOG.warning("dropped a message delivered from %s", message.subject)
            return None
        if not message.reply.startswith(_FROM_ANOTHER_ACCOUNT):
            _LOG.warning("dropped a request on %s that asks for no reply", message.subject)
            return None
        return Request(
            channel=cast(RequestChannel, channel),
            participant=participant,
            body=message.data,
            headers=tuple(
                pair for pair in (message.headers or {}).items() if not pair[0].startswith("Nats-")
            ),
        )

    async def _answer(
        self, handler: Callable[[Request], Awaitable[bytes]], request: Request, reply_to: str
    ) -> None:
        failed: str | None = None
        reply = b""
        try:
            reply = await handler(request)
            if len(reply) > self._client.max_payload:
                _LOG.error("reply to %s on %s is too large", request.participant, request.channel)
                failed, reply = "reply-too-large", b""
        except Exception:  # noqa: BLE001  (the host loop: log, answer, go on)
            _LOG.exception("request of %s on %s failed", request.participant, request.channel)
            failed = "internal"
        finally:
            self._slots.release()
        await self._reply(request, reply_to, reply, {FAILED_HEADER: failed} if failed else None)

    async def _reply(
        self, request: Request, reply_to: str, reply: bytes, headers: dict[str, str] | None = None
    ) -> None:
        try:
            await self._client.publish(reply_to, reply, headers=headers)
        except nats.errors.Error as error:
            _LOG.warning("reply to %s not sent: %r", request.participant, error)

    async def admit(self, participant: str) -> None:
        """Create the participant's mailbox; idempotent.

        Acknowledged messages leave it; a full one refuses new ones and drops nothing.
        """
        stream = StreamConfig(
            name=stream_name(self._market, participant),
            subjects=[subject(self._market, channel, participant) for channel in MAILBOX_CHANNELS],
            retention=RetentionPolicy.WORK_QUEUE,
            storage=StorageType.FILE,
            discard=DiscardPolicy.NEW,
            max_msgs=self._mailbox_messages,
            max_bytes=self._mailbox_bytes,
            duplicate_window=self._duplicate_window_s,
            deny_delete=True,
            allow_direct=False,
        )
        consumer = ConsumerConfig(
            durable_name=MAILBOX_CONSUMER,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=self._ack_wait_s,
            max_ack_pending=1,  # strict order: nothing overtakes a message that comes again
            max_waiting=8,
        )
        try:
            info = await self._context.add_stream(stream)
            await self._context.add_consumer(stream_name(self._market, participant), consumer)
        except nats.errors.ConnectionClosedError:
            raise BusClosedError("the market's connection is closed") from None
        except (TimeoutError, nats.errors.Error) as error:
            raise BusTimeoutError(f"no mailbox for {participant!r} yet: {error!r}") from error
        if participant not in self._mailboxes or self._mailboxes[participant].created != info.created:
            self._mailboxes[participant] = _Mailbox(info.created)
        if self._listening is not None:
            await self._listening.admitted(participant)

    async def send(self, message: OutboxMessage) -> None:
        """Put a message into its participant's mailbox; returns when it is synced there.

        Sending again within an hour changes nothing. Several may be sent at once; their order is then
        that of the calls.

        Raises
        ------
        BusTimeoutError
            If the server did not confirm; send it again.
        BusMailboxError, BusMailboxFullError, BusPayloadError, BusClosedError
            As they say.
        """
        if len(message.body) > self._client.max_payload:
            raise BusPayloadError(len(message.body), self._client.max_payload)
        if message.channel == "tape":
            await self.publish_tape(message.body)
            self._tape_done.append(message.message_id)
            return
        if message.participant not in self._mailboxes:
            raise BusMailboxError(message.participant)
        try:
            receipt = await self._publish(message)
        except nats.js.errors.NoStreamResponseError:  # the store was lost: begin a new one
            await self.admit(message.participant)
            receipt = await self._publish(message)
        self._mailboxes[message.participant].sent[receipt.seq] = message.message_id

    async def _publish(self, message: OutboxMessage) -> PubAck:
        try:
            return await self._context.publish(
                subject(self._market, message.channel, message.participant),
                message.body,
                timeout=_TIMEOUT_S,
                stream=stream_name(self._market, message.participant),
                headers={"Nats-Msg-Id": message.message_id},
            )
        except nats.js.errors.NoStreamResponseError:
            raise
        except nats.errors.ConnectionClosedError:
            raise BusClosedError("the market's connection is closed") from None
        except nats.js.errors.APIError as error:
            if "maximum" in str(error.description):
                raise BusMailboxFullError(message.participant) from None
            raise BusTimeoutError(f"message {message.message_id!r} was not stored: {error}") from error
        except (TimeoutError, nats.errors.Error) as error:
            raise BusTimeoutError(f"message {message.message_id!r} was not confirmed") from error

    async def acknowledged(self) -> Sequence[str]:
        """Return the ids of messages that their participants acknowledged since last asked.

        Knows those sent or sent again on this bus. What cannot be asked now is reported later.
        """
        done, self._tape_done = self._tape_done, []
        gate = asyncio.Semaphore(_PARALLEL)
        waiting = [participant for participant, mailbox in self._mailboxes.items() if mailbox.sent]
        for ids in await asyncio.gather(*(self._acknowledged_by(p, gate) for p in waiting)):
            done += ids
        return tuple(done)

    async def _acknowledged_by(self, participant: str, gate: asyncio.Semaphore) -> list[str]:
        mailbox = self._mailboxes[participant]
        try:
            async with gate:
                info = await self._context.consumer_info(
                    stream_name(self._market, participant), MAILBOX_CONSUMER
                )
        except (TimeoutError, nats.errors.Error) as error:
            _LOG.info("mailbox of %s not asked: %r", participant, error)
            return []
        return mailbox.acknowledge_up_to(info.ack_floor.stream_seq if info.ack_floor else 0)

    @property
    def is_connected(self) -> bool:
        """Whether the connection to the server stands."""
        return bool(self._client.is_connected)

    async def publish_tape(self, body: bytes) -> None:
        """Publish to the public tape, best effort."""
        if len(body) > self._client.max_payload:
            raise BusPayloadError(len(body), self._client.max_payload)
        try:
            await self._client.publish(tape_subject(self._market), body)
        except nats.errors.Error as error:
            _LOG.warning("tape not published: %r", error)

    async def close(self) -> None:
        """Stop taking requests, let running handlers answer, release the connection; idempotent."""
        leaving = asyncio.create_task(self._leave())
        try:
            done, _ = await asyncio.wait((leaving,), timeout=_LEAVE_S)
            for one in done:
                one.result()
        finally:
            await end((leaving, *self._running))
            await close(self._client)

    async def _leave(self) -> None:
        """Hear nobody any more and answer those who were heard."""
        if self._listening is not None:
            await self._listening.stop()
        if self._running:
            await asyncio.wait(self._running, timeout=_CLOSE_TIMEOUT_S)
        if self._client.is_connected:
            try:
                async with asyncio.timeout(_TIMEOUT_S):
                    await settle(self._client)
            except (TimeoutError, nats.errors.Error):
                _LOG.warning("the last replies may not have been sent")
