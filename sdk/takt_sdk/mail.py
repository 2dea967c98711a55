"""A company's outgoing mail: envelopes with stable ids, numbered per conversation, sent until answered."""

from __future__ import annotations

import asyncio
import logging
from hashlib import sha256

from takt_sdk.codec import DecodeError, decode_reply, encode
from takt_sdk.errors import BusRequestError, BusTimeoutError
from takt_sdk.model.messages import (
    Envelope,
    Heartbeat,
    ParticipantCommand,
    QuerySync,
    Receipt,
    Refused,
    SyncReply,
)
from takt_sdk.ports import ParticipantBus, RequestChannel
from takt_sdk.role import Outgoing

_LOG = logging.getLogger(__name__)

REQUEST_TIMEOUT_S = 5.0
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 2.0


class RefusedError(Exception):
    """The market has refused a message for good.

    Attributes
    ----------
    message_id
        Of the message.
    refused
        The refusal.
    """

    def __init__(self, message_id: str, refused: Refused) -> None:
        self.message_id = message_id
        self.refused = refused
        super().__init__(f"{refused.code}: {refused.field} {refused.detail}; was {refused.value!r}")


class Mail:
    """Numbers and sends one company's messages, one at a time.

    The number rises per conversation (round or contract) and is 0 elsewhere. The id is a hash of
    sender, conversation, number and body: the same message has the same id after any restart.
    """

    def __init__(self, sender: str) -> None:
        self.sender = sender
        self.sent = 0
        self.refused = 0
        self.last_refusal = ""
        self._numbers: dict[str, int] = {}

    def restore(self, reply: SyncReply) -> None:
        """Continue the numbering that the market has of this company; other conversations are over."""
        self._numbers = {status.contract.id: status.report_sequence for status in reply.contracts}
        for sheet in reply.sheets:
            self._numbers[sheet.round_id] = max(self._numbers.get(sheet.round_id, 0), sheet.sequence)

    def seal(
        self,
        correlation_id: str,
        body: ParticipantCommand | QuerySync | Heartbeat,
        now_us: int,
        causation_id: str = "",
    ) -> tuple[str, bytes]:
        """Return the id and the bytes of the next message of a conversation."""
        number = 0
        if correlation_id:
            number = self._numbers.get(correlation_id, 0) + 1
            self._numbers[correlation_id] = number
        content = f"{self.sender}\n{correlation_id}\n{number}\n".encode() + encode(body)
        message_id = f"m-{sha256(content).hexdigest()[:32]}"
        envelope = Envelope(
            message_id=message_id,
            correlation_id=correlation_id,
            causation_id=causation_id,
            sender=self.sender,
            sequence=number,
            occurred_us=now_us,
            body=body,
        )
        return message_id, encode(envelope)

    async def deliver(self, bus: ParticipantBus, out: Outgoing, now_us: int, causation_id: str) -> Receipt:
        """Send a command until the market has answered it; always the same bytes.

        Raises
        ------
        RefusedError
            If the market refused it for good.
        BusPayloadError
            If it is too large for the bus.
        BusClosedError
            If the connection is gone for good.
        """
        message_id, data = self.seal(out.correlation_id, out.body, now_us, causation_id)
        reply = await self._ask(bus, out.channel, data)
        if isinstance(reply, Receipt):
            self.sent += 1
            return reply
        assert isinstance(reply, Refused), "commands are answered by a receipt or a refusal"
        error = RefusedError(message_id, reply)
        self.refused += 1
        self.last_refusal = f"{out.body.kind} {error}"
        _LOG.warning("%s: %s refused: %s", self.sender, out.body.kind, error)
        raise error

    async def query(self, bus: ParticipantBus, now_us: int) -> SyncReply:
        """Ask the market for everything that concerns this company, until it answers.

        Raises
        ------
        RefusedError
            If the market does not know the company.
        """
        message_id, data = self.seal("", QuerySync(), now_us)
        reply = await self._ask(bus, "query", data)
        if isinstance(reply, Refused):
            raise RefusedError(message_id, reply)
        assert isinstance(reply, SyncReply), "a query is answered by a state or a refusal"
        return reply

    async def _ask(
        self, bus: ParticipantBus, channel: RequestChannel, data: bytes
    ) -> Receipt | Refused | SyncReply:
        """Return the market's final answer; time-outs and retryable refusals are tried again for ever."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                reply = decode_reply(await bus.request(channel, data, timeout_s=REQUEST_TIMEOUT_S))
                if not (isinstance(reply, Refused) and reply.retryable):
                    return reply
                _LOG.info("%s: %s again: %s", self.sender, channel, reply.detail)
            except (BusTimeoutError, BusRequestError, DecodeError) as error:
                _LOG.info("%s: %s again: %s", self.sender, channel, error)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
