"""A participant's side of the bus on NATS. Needs nothing of the market but names and errors.

Durable messages come from the participant's own JetStream mailbox, one at a time and in order; the server
refuses every other participant's subjects, mailboxes and inboxes.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Literal, cast

import nats.errors
import nats.js.errors
from nats.aio.msg import Msg

from takt_sdk.errors import BusClosedError, BusPayloadError, BusRequestError, BusTimeoutError
from takt_sdk.nats.connection import NamedClient, close, connect
from takt_sdk.nats.creds import claims_of, jwt_of
from takt_sdk.nats.subjects import (
    FAILED_HEADER,
    MAILBOX_CHANNELS,
    MAILBOX_CONSUMER,
    inbox_prefix,
    participant_id,
    stream_name,
    subject,
)
from takt_sdk.ports import Delivery, RequestChannel

_LOG = logging.getLogger(__name__)
_FETCH_S = 2.0
"""A longer fetch would not notice for as long that the server has restarted."""
_RETRY_S = 0.1
_ACK_TIMEOUT_S = 2.0
_REMEMBERED = 10_000
_HEADERS_BYTES = 512
"""At most what the headers of a request take: signature and key."""


class NatsParticipantBus:
    """`takt_sdk.ports.ParticipantBus` over one NATS connection."""

    def __init__(
        self, client: NamedClient, market: str, participant: str, *, max_payload_bytes: int | None = None
    ) -> None:
        self._client = client
        self._max_payload_bytes = max_payload_bytes
        self._market = market
        self._participant = participant
        self._closed_here = False
        self._done: OrderedDict[str, None] = OrderedDict()
        self._own_subjects = {subject(market, channel, participant): channel for channel in MAILBOX_CHANNELS}

    @classmethod
    async def connect(
        cls,
        url: str,
        creds: str,
        market: str,
        participant: str,
        *,
        server_name: str | None = None,
        timeout_s: float = 10.0,
        tls: ssl.SSLContext | None = None,
    ) -> NatsParticipantBus:
        """Connect with the text of a ``.creds`` file; `BusRefusedError` as in `nats.connection.connect`."""
        client = await connect(
            url,
            creds,
            client_name=participant_id(participant),
            server_name=server_name,
            inbox=inbox_prefix(participant),
            timeout_s=timeout_s,
            tls=tls,
        )
        limit = int(claims_of(jwt_of(creds)).get("nats", {}).get("payload", -1))
        return cls(client, market, participant, max_payload_bytes=limit if limit > 0 else None)

    async def request(
        self,
        channel: RequestChannel,
        body: bytes,
        *,
        timeout_s: float,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> bytes:
        """Send a request and return the reply; a market that is away is tried until the time is up.

        Raises
        ------
        BusTimeoutError
            If no reply came; the request may have had its effect.
        BusRequestError
            If the market failed on it.
        BusPayloadError
            If the body is too large.
        BusClosedError
            If this bus is closed.
        WrongServerError
            If another server came back; it is a `BusClosedError` too.
        """
        self._check_size(body)
        to = subject(self._market, channel, self._participant)
        try:
            async with asyncio.timeout(timeout_s):
                reply = await self._ask(to, body, dict(headers) or None, timeout_s)
        except (TimeoutError, nats.errors.OutboundBufferLimitError):
            raise BusTimeoutError(f"no reply on {to} within {timeout_s} s") from None
        except (nats.errors.ConnectionClosedError, nats.errors.ConnectionDrainingError):
            raise self._closed("the connection is closed") from None
        if reply.headers and FAILED_HEADER in reply.headers:
            raise BusRequestError(f"the market failed on {to}: {reply.headers[FAILED_HEADER]}")
        return reply.data

    async def _ask(self, to: str, body: bytes, headers: dict[str, str] | None, timeout_s: float) -> Msg:
        loop = asyncio.get_running_loop()
        end_s = loop.time() + timeout_s
        while True:
            try:
                return await self._client.request(to, body, timeout=timeout_s, headers=headers)
            except nats.errors.NoRespondersError:
                if loop.time() >= end_s:  # nats-py may have swallowed the time-out
                    raise TimeoutError from None
                await asyncio.sleep(_RETRY_S)

    async def deliveries(self) -> AsyncIterator[tuple[Delivery, Callable[[], Awaitable[None]]]]:
        """Yield what is in the mailbox, in order; ends when this bus is closed.

        The next message comes after this one was acknowledged; one that was not is yielded again. One
        iteration at a time.

        Raises
        ------
        BusClosedError
            If the server closed the connection for good, e.g. because the credentials expired.
        WrongServerError
            If another server came back.
        """
        context = self._client.jetstream()
        try:
            subscription = await context.pull_subscribe_bind(
                consumer=MAILBOX_CONSUMER, stream=stream_name(self._market, self._participant)
            )
        except nats.errors.ConnectionClosedError:
            raise self._closed("the connection is closed") from None
        while not self._client.is_closed:
            try:
                (message,) = await subscription.fetch(1, timeout=_FETCH_S)
            except TimeoutError:
                continue
            except (nats.js.errors.Error, nats.errors.OutboundBufferLimitError):
                await asyncio.sleep(_RETRY_S)  # no mailbox yet, or no server
                continue
            except nats.errors.Error:
                break
            if (delivery := self._delivery(message)) is None:
                await self._acknowledge("", message)
            elif delivery.message_id in self._done:
                await self._acknowledge(delivery.message_id, message)
            else:
                yield delivery, partial(self._acknowledge, delivery.message_id, message)
        if not self._closed_here:
            raise self._closed("the server closed the connection")

    def _closed(self, what: str) -> BusClosedError:
        return self._client.wrong or BusClosedError(f"{self._participant!r}: {what}")

    def _delivery(self, message: Msg) -> Delivery | None:
        """Return what the market sent; None for anything that is not from our own mailbox."""
        channel = self._own_subjects.get(message.subject)
        message_id = (message.headers or {}).get("Nats-Msg-Id")
        if channel is None or not message_id:
            _LOG.warning("%s: dropped a message on %s", self._participant, message.subject)
            return None
        named = cast(Literal["cfp", "notice"], channel)
        return Delivery(message_id=message_id, channel=named, body=message.data)

    async def _acknowledge(self, message_id: str, message: Msg) -> None:
        """Tell the server; if it does not hear, the message comes again and is answered here."""
        if message_id:
            self._done[message_id] = None
            while len(self._done) > _REMEMBERED:
                self._done.popitem(last=False)
        try:
            await message.ack_sync(timeout=_ACK_TIMEOUT_S)
        except (TimeoutError, nats.errors.Error) as error:
            _LOG.warning(
                "%s: acknowledgement of %s was not confirmed: %r", self._participant, message_id, error
            )

    async def heartbeat(self, body: bytes) -> None:
        """Tell the market that this participant lives, best effort."""
        self._check_size(body)
        try:
            await self._client.publish(subject(self._market, "heartbeat", self._participant), body)
        except nats.errors.Error as error:
            _LOG.info("%s: heartbeat not sent: %r", self._participant, error)

    async def close(self) -> None:
        """Release the connection; idempotent."""
        self._closed_here = True
        await close(self._client)

    def _check_size(self, body: bytes) -> None:
        """Raise for what the server would close the connection for: headers count for it too."""
        limit = self._client.max_payload
        if self._max_payload_bytes is not None:
            limit = min(limit, self._max_payload_bytes - _HEADERS_BYTES)
        if len(body) > limit:
            raise BusPayloadError(len(body), limit)
