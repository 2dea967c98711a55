"""A company's outgoing mail: envelopes with stable ids, numbered per conversation, sent until answered."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from hashlib import sha256

from takt_sdk.codec import DecodeError, decode_reply, encode
from takt_sdk.errors import BusPayloadError, BusRequestError, BusTimeoutError
from takt_sdk.model.messages import (
    CallForProposals,
    DeclineCall,
    Envelope,
    Heartbeat,
    ParticipantCommand,
    QuerySync,
    Receipt,
    Refused,
    Reply,
    SyncReply,
)
from takt_sdk.model.sealed import SealedSheet
from takt_sdk.model.sheet import BidSheet
from takt_sdk.older import Unknown
from takt_sdk.outbox import Outbox, Stored
from takt_sdk.ports import ParticipantBus, RequestChannel
from takt_sdk.role import Outgoing
from takt_sdk.sealer import InvalidSheetError, Sealer

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

    With an ``outbox`` every command is stored before it is sent, and kept with its answer.
    """

    def __init__(self, sender: str, outbox: Outbox | None = None, *, sealer: Sealer | None = None) -> None:
        self.sender = sender
        self._sealer = sealer or Sealer(sender)
        self.outbox = outbox
        self.sent = 0
        self.refused = 0
        self.last_refusal = ""
        self._numbers: dict[str, int] = {}
        self._unknown = Unknown()

    def restore(self, reply: SyncReply) -> None:
        """Continue the numbering that the market has of this company; other conversations are over."""
        self._numbers = {status.contract.id: status.report_sequence for status in reply.contracts}
        for call in reply.calls:
            self.called(call)
        for sheet in reply.sheets:
            self._numbers[sheet.round_id] = max(self._numbers.get(sheet.round_id, 0), sheet.sequence)

    def called(self, call: CallForProposals) -> None:
        """Take note of a call, before it is answered: answers may have to be sealed to its key."""
        self._sealer.called(call)

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
        if isinstance(body, BidSheet | DeclineCall):
            body = self._sealed(body, number)
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

    def _sealed(self, body: BidSheet | DeclineCall, number: int) -> BidSheet | DeclineCall | SealedSheet:
        """Return the answer as it goes out; refused here for what the market would find after opening it."""
        try:
            return self._sealer.sealed(body, number)
        except InvalidSheetError as error:
            fault = error.fault
            refused = Refused(
                message_id=f"unsent-{number}",
                code=fault.code,
                detail=fault.detail,
                field=fault.field,
                value=repr(fault.value)[:200],
            )
            self.refused += 1
            self.last_refusal = f"{body.kind} {error}"
            _LOG.warning("%s: %s not sent: %s", self.sender, body.kind, error)
            raise RefusedError(refused.message_id, refused) from error

    async def deliver(self, bus: ParticipantBus, out: Outgoing, now_us: int, causation_id: str) -> Receipt:
        """Send a command until the market has answered it; always the same bytes, less what it does not know.

        Raises
        ------
        RefusedError
            If the market refused it for good, or would after opening a sealed sheet.
        BusPayloadError
            If it is too large for the bus.
        BusClosedError
            If the connection is gone for good.
        """
        return await self.send(bus, self.store(out, now_us, causation_id), now_us)

    def store(self, out: Outgoing, now_us: int, causation_id: str = "") -> Stored:
        """Seal a command and put it into the outbox, if there is one."""
        message_id, data = self.seal(out.correlation_id, out.body, now_us, causation_id)
        stored = Stored(
            message_id=message_id, kind=out.body.kind, channel=out.channel, body=data, stored_us=now_us
        )
        if self.outbox is not None:
            self.outbox.put(stored)
        return stored

    async def send(self, bus: ParticipantBus, stored: Stored, now_us: int) -> Receipt:
        """Send what was stored until the market has answered it; errors as of `deliver`."""
        reply = self._answer_to(stored) or await self._answer_of(bus, stored, now_us)
        if isinstance(reply, Receipt):
            self.sent += 1
            return reply
        refusal = RefusedError(stored.message_id, reply)
        self.refused += 1
        self.last_refusal = f"{stored.kind} {refusal}"
        _LOG.warning("%s: %s refused: %s", self.sender, stored.kind, refusal)
        raise refusal

    async def send_stored(self, bus: ParticipantBus, now_us: int) -> int:
        """Send what the outbox holds unanswered, as it was sealed; return how many messages that were.

        What the market refuses by now is told and done with; raises `BusClosedError` only.
        """
        waiting = () if self.outbox is None else self.outbox.unanswered()
        for one in waiting:
            with suppress(RefusedError, BusPayloadError):
                await self.send(bus, one, now_us)
        return len(waiting)

    async def _answer_of(self, bus: ParticipantBus, stored: Stored, now_us: int) -> Receipt | Refused:
        """Return the market's final answer, and keep it."""
        try:
            reply = await self._ask(bus, stored.channel, stored.body)
        except BusPayloadError as error:
            refused = Refused(message_id=stored.message_id, code="too_large", detail=str(error))
            self._keep(stored, refused, now_us)
            raise
        assert isinstance(reply, Receipt | Refused), "commands are answered by a receipt or a refusal"
        self._keep(stored, reply, now_us)
        return reply

    def _answer_to(self, stored: Stored) -> Receipt | Refused | None:
        """Return what the market has said to a stored message already."""
        kept = None if self.outbox is None else self.outbox.reply_to(stored.message_id)
        if kept is None:
            return None
        reply = decode_reply(kept)
        assert isinstance(reply, Receipt | Refused), "only final answers are kept"
        return reply

    def _keep(self, stored: Stored, reply: Receipt | Refused, now_us: int) -> None:
        if self.outbox is not None:
            self.outbox.answered(stored.message_id, encode(reply), now_us)

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

    async def _ask(self, bus: ParticipantBus, channel: RequestChannel, data: bytes) -> Reply:
        """Return the market's final answer; time-outs and retryable refusals are tried again for ever."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                said = self._unknown.spelt(data)
                reply = decode_reply(await bus.request(channel, said, timeout_s=REQUEST_TIMEOUT_S))
                if isinstance(reply, Refused) and self._unknown.learns(data, reply):
                    _LOG.warning("%s: an earlier market: said without %s", self.sender, reply.field)
                    continue
                if not (isinstance(reply, Refused) and reply.retryable):
                    return reply
                _LOG.info("%s: %s again: %s", self.sender, channel, reply.detail)
                pause_s = max(pause_s, reply.retry_after_us / 1e6)
            except (BusTimeoutError, BusRequestError, DecodeError) as error:
                _LOG.info("%s: %s again: %s", self.sender, channel, error)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
