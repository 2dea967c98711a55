"""The bridge: stands at a participant's site between its 2193 program and the market's bus.

Frames in, receipts out; calls and results in, frames out. A message of the market is acknowledged only after
its frame was taken. Keeps nothing that the market does not hold. Decides nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Protocol, TypeVar

from market.adapters.vdi2193.conversation import Conversation
from market.adapters.vdi2193.dialect import Dialect2193, Parties, ToMarket, ToParticipant
from market.adapters.vdi2193.errors import FrameError, NotCarriedError, NotUnderstoodError
from market.adapters.vdi2193.frame import Frame, frame_to_json, read_frame
from takt_sdk.codec import DecodeError, decode_heard, decode_reply, encode
from takt_sdk.endings import end
from takt_sdk.errors import BusPayloadError, BusRequestError, BusTimeoutError
from takt_sdk.model.errors import ModelError
from takt_sdk.model.messages import (
    CallForProposals,
    ContractAmended,
    ContractNotice,
    DeclineCall,
    Envelope,
    QuerySync,
    Receipt,
    Refused,
    ReportBreakdown,
    ReportMilestone,
    RoundResult,
    SyncReply,
)
from takt_sdk.model.sealed import SealedSheet
from takt_sdk.model.sheet import BidSheet
from takt_sdk.ports import Clock, ParticipantBus, RequestChannel
from takt_sdk.sealer import InvalidSheetError, Sealer

_Kept = TypeVar("_Kept")
_LOG = logging.getLogger(__name__)
_Told = CallForProposals | RoundResult | ContractNotice | ContractAmended
_TIMEOUT_S = 5.0
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 2.0
_REMEMBERED = 10_000
_CONVERSATIONS = 1_000


class FramePort(Protocol):
    """The participant's program: a duplex stream of frames."""

    async def send(self, frame: bytes) -> None:
        """Hand a frame over; returns once the program has it."""
        ...

    def frames(self) -> AsyncIterator[bytes]:
        """Yield the program's frames in order; ends when it is gone."""
        ...


class Bridge:
    """Lets a program that only speaks 2193 frames take part in a market.

    Parameters
    ----------
    bus
        The participant's own connection to the market.
    port
        Its program.
    parties
        Who is who.
    clock
        Set by the market's at the start; milestones without a time get it.
    """

    def __init__(self, bus: ParticipantBus, port: FramePort, parties: Parties, clock: Clock) -> None:
        self._bus, self._port, self._parties, self._clock = bus, port, parties, clock
        self._sealer = Sealer(parties.participant)
        self._dialect = Dialect2193(parties)
        self._conversations: OrderedDict[str, Conversation] = OrderedDict()
        self._numbers: dict[str, int] = {}
        self._answered: OrderedDict[str, tuple[bytes, bytes]] = OrderedDict()
        self._told: OrderedDict[str, None] = OrderedDict()
        self._ahead_us = 0

    async def run(self) -> None:
        """Catch up with the market, then carry frames both ways until the program or the bus is gone."""
        await self._catch_up()
        loops = [asyncio.create_task(self._to_market()), asyncio.create_task(self._to_participant())]
        try:
            done, _ = await asyncio.wait(loops, return_when=asyncio.FIRST_COMPLETED)
            for loop in done:
                loop.result()
        finally:
            await end(loops)

    async def _catch_up(self) -> None:
        """Take up the market's time, numbering, contracts and open calls; show calls that wait for an answer.

        Raises
        ------
        NotCarriedError
            If the market does not know the participant.
        """
        reply = await self._ask("query", self._envelope(QuerySync(), "", 0, "query"))
        if not isinstance(reply, SyncReply):
            raise NotCarriedError("participant", self._parties.participant, "is not known to the market")
        self._ahead_us = reply.now_us - self._clock.now_us()
        for sheet in reply.sheets:
            self._numbers[sheet.round_id] = max(self._numbers.get(sheet.round_id, 0), sheet.sequence)
        for status in reply.contracts:
            known = self._conversation(status.contract.round_id)
            self._keep(known.awarded(status.contract, status.state))
            self._numbers[status.contract.id] = status.report_sequence
        for call in reply.calls:
            if call.round_id in self._numbers:
                self._note(call)
                self._told[call.round_id] = None
            else:
                await self._show(call, f"call-{call.round_id}")

    def _now_us(self) -> int:
        return self._clock.now_us() + self._ahead_us

    def _conversation(self, round_id: str) -> Conversation:
        return self._conversations.get(round_id) or Conversation(round_id=round_id)

    def _keep(self, conversation: Conversation) -> None:
        self._conversations[conversation.round_id] = conversation
        self._conversations.move_to_end(conversation.round_id)
        while len(self._conversations) > _CONVERSATIONS:
            self._conversations.popitem(last=False)

    # --- market → participant ----------------------------------------------------------------

    async def _to_participant(self) -> None:
        async for delivery, acknowledge in self._bus.deliveries():
            try:
                envelope = decode_heard(delivery.body)
            except DecodeError:
                _LOG.exception("message %s cannot be read", delivery.message_id)
            else:
                if isinstance(envelope.body, _Told):
                    await self._show(envelope.body, envelope.message_id)
            await acknowledge()

    async def _show(self, body: _Told, message_id: str) -> None:
        """Take note of a message and hand its frame to the program; a call it has seen is not shown again."""
        round_id = self._note(body)
        if isinstance(body, CallForProposals):
            if round_id in self._told:
                return
            _remember(self._told, round_id, None)
        try:
            await self._say(body, message_id, round_id, "")
        except NotCarriedError:
            _LOG.exception("message %s cannot be told in 2193", message_id)

    def _note(self, body: _Told) -> str:
        """Keep what later frames refer to; return the conversation."""
        match body:
            case CallForProposals():
                self._keep(self._conversation(body.round_id).called(body))
                self._sealer.called(body)
                return body.round_id
            case RoundResult():
                for contract in body.awards:
                    if not self._of_contract(contract.id).contracts:  # else the result comes a second time
                        self._keep(self._conversation(body.round_id).awarded(contract))
                return body.round_id
            case ContractAmended():
                known = self._of_contract(body.contract.id)
                return known.round_id
            case ContractNotice():
                known = self._of_contract(body.contract_id)
                self._keep(known.moved(body.contract_id, body.state))
                return known.round_id

    def _of_contract(self, contract_id: str) -> Conversation:
        for conversation in reversed(self._conversations.values()):
            if any(contract.id == contract_id for contract, _ in conversation.contracts):
                return conversation
        return Conversation(round_id="")

    async def _say(self, body: ToParticipant, message_id: str, conversation_id: str, reply_to: str) -> bytes:
        frame = self._dialect.to_frame(
            body, message_id=message_id, conversation_id=conversation_id, reply_to=reply_to
        )
        data = frame_to_json(frame)
        await self._port.send(data)
        return data

    # --- participant → market ----------------------------------------------------------------

    async def _to_market(self) -> None:
        async for data in self._port.frames():
            try:
                frame = read_frame(data)
            except FrameError as error:
                await self._refuse(error, "", "")
                continue
            digest = sha256(data).digest()
            known = self._answered.get(frame.message_id)
            if known is not None and known[0] == digest:
                await self._port.send(known[1])
            elif known is not None:
                detail = "another frame has this id"
                await self._refuse(NotUnderstoodError("frame.messageId", frame.message_id, detail),
                                   frame.conversation_id, frame.message_id)  # fmt: skip
            else:
                answer = await self._take(frame)
                _remember(self._answered, frame.message_id, (digest, answer))

    async def _take(self, frame: Frame) -> bytes:
        """Put what a frame says before the market; return the frame that answered it."""
        conversation = self._conversation(frame.conversation_id)
        try:
            bodies = self._dialect.from_participant(frame, conversation, self._now_us())
        except FrameError as error:
            return await self._refuse(error, frame.conversation_id, frame.message_id)
        reply: Receipt | Refused | SyncReply | None = None
        for number, body in enumerate(bodies):
            reply = await self._deliver(body, frame, number)
            if not isinstance(reply, Receipt):
                break
            if isinstance(body, ReportMilestone):
                known = self._of_contract(body.contract_id)
                self._keep(known.moved(body.contract_id, body.milestone))
        assert reply is not None, "a frame that is carried says something"
        return await self._say(reply, f"re-{_takt_id(frame)}", frame.conversation_id, frame.message_id)

    async def _deliver(self, body: ToMarket, frame: Frame, number: int) -> Receipt | Refused | SyncReply:
        channel, conversation = _channel(body)
        sequence = 0
        if conversation:
            sequence = self._numbers.get(conversation, 0) + 1
            self._numbers[conversation] = sequence
        message_id = f"{_takt_id(frame)}-{number}"
        try:
            said = self._sealer.sealed(body, sequence) if isinstance(body, BidSheet | DeclineCall) else body
            data = self._envelope(said, conversation, sequence, message_id)
        except InvalidSheetError as error:
            fault = error.fault
            return Refused(message_id=message_id, code=fault.code, detail=fault.detail, field=fault.field)
        except ModelError as error:
            return Refused(message_id=message_id, code="malformed", detail=str(error), field=error.field)
        except BusPayloadError as error:
            return Refused(message_id=message_id, code="too_large", detail=str(error))
        try:
            return await self._ask(channel, data)
        except BusPayloadError as error:
            return Refused(message_id=message_id, code="too_large", detail=str(error))

    def _envelope(
        self, body: ToMarket | SealedSheet, conversation: str, sequence: int, message_id: str
    ) -> bytes:
        return encode(
            Envelope(
                message_id=message_id,
                correlation_id=conversation,
                causation_id="",
                sender=self._parties.participant,
                sequence=sequence,
                occurred_us=max(0, self._now_us()),
                body=body,
            )
        )

    async def _refuse(self, error: FrameError, conversation_id: str, reply_to: str) -> bytes:
        code = "malformed" if isinstance(error, NotUnderstoodError) else "state"
        refused = Refused(
            message_id=reply_to[:100] or "unread",
            code=code,
            detail=error.detail,
            field=error.field,
            value=error.value,
        )
        message_id = f"re-{sha256(f'{reply_to} {error}'.encode()).hexdigest()[:32]}"
        return await self._say(refused, message_id, conversation_id, reply_to)

    async def _ask(self, channel: RequestChannel, data: bytes) -> Receipt | Refused | SyncReply:
        """Return the market's final answer; what may come right is tried again for ever, same bytes."""
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                reply = decode_reply(await self._bus.request(channel, data, timeout_s=_TIMEOUT_S))
                assert isinstance(reply, Receipt | Refused | SyncReply), reply
                if not (isinstance(reply, Refused) and reply.retryable):
                    return reply
            except (BusTimeoutError, BusRequestError) as error:
                _LOG.info("%s again: %s", channel, error)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def _takt_id(frame: Frame) -> str:
    """Return the frame's id as one that Takt takes: a hash, since 2193 allows any text."""
    return f"f-{sha256(frame.message_id.encode()).hexdigest()[:32]}"


def _remember(memory: OrderedDict[str, _Kept], key: str, value: _Kept) -> None:
    memory[key] = value
    while len(memory) > _REMEMBERED:
        memory.popitem(last=False)


def _channel(body: ToMarket) -> tuple[RequestChannel, str]:
    """Return where a message goes, and the conversation that numbers it."""
    match body:
        case BidSheet() | DeclineCall():
            return "bid", body.round_id
        case ReportMilestone():
            return "report", body.contract_id
        case ReportBreakdown():
            return "report", ""
        case QuerySync():
            return "query", ""
