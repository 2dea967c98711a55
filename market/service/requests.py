"""Participants' requests from the bus: decoded, held against their sender, answered.

The bus vouches for the participant (the server enforces its subject); an envelope that names another
sender is refused. Decides nothing else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, cast, get_args

from market.engine.decision import Refusal
from market.engine.queries import answer
from market.errors import MarketBusyError, MarketUnavailableError
from market.model.commands import Command
from market.ports import Request
from market.service.intake import UNREAD, Intake
from market.service.kernel import Kernel
from market.service.kernel import refused as refused_as
from market.service.signatures import check_signature
from takt_sdk.codec import DecodeError, encode, read_envelope
from takt_sdk.model.execution import ContractQuery
from takt_sdk.model.messages import (
    BidderCommand,
    CustomerCommand,
    Envelope,
    Query,
    QuerySync,
    Receipt,
    Refused,
    ReportCommand,
    WireBody,
)
from takt_sdk.model.proof import LogAnswer, LogQuery, QueryLog, QueryProof
from takt_sdk.ports import RequestChannel

_ALLOWED: Mapping[RequestChannel, tuple[type, ...]] = {
    "bid": get_args(BidderCommand),
    "report": get_args(ReportCommand),
    "order": get_args(CustomerCommand),
    "query": get_args(Query),
}
"""Which bodies each channel carries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A message as it came: its bytes, the digest of its body, and who signed it how, if somebody must."""

    raw: bytes
    digest: str
    key: str | None = None
    signature: bytes = b""


class Submit(Protocol):
    """`MarketService.submit`."""

    async def __call__(
        self,
        sender: str,
        body: Command,
        *,
        message_id: str,
        sequence: int = 0,
        source: str = "",
        received: Received | None = None,
    ) -> Receipt | Refused:
        """Put a command before the engine."""
        ...


class RequestHandler:
    """Answers requests; its replies are bytes for the bus."""

    def __init__(
        self,
        kernel: Callable[[], Kernel],
        submit: Submit,
        read: Callable[[str, Callable[[Kernel], bytes]], Awaitable[bytes]],
        prove: Callable[[str, LogQuery], Awaitable[LogAnswer | Refusal]],
        now_us: Callable[[], int],
        monotonic_s: Callable[[], float],
    ) -> None:
        self._kernel, self._submit, self._read, self._now_us = kernel, submit, read, now_us
        self._prove, self._monotonic_s = prove, monotonic_s
        self.intake = Intake()
        self.last_heard_us: dict[str, int] = {}
        self.beating: set[str] = set()
        """Who has sent a heartbeat since the start: only they can miss one."""

    def arrived(self, request: Request) -> bytes | None:
        """Return None if a request is to be handled; what to answer otherwise, nothing if empty."""
        state = self._kernel().state
        known = request.participant in state.participants
        return self.intake.arrived(request, state.rules, self._monotonic_s(), known=known)

    async def handle(self, request: Request) -> bytes:
        """Return the reply to a request: a receipt, a refusal, or the answer to a query."""
        self.intake.begun(request.participant)
        try:
            return await self._handle(request)
        finally:
            self.intake.ended(request.participant)

    def _answer(
        self, kernel: Kernel, message_id: str, participant: str, query: QuerySync | ContractQuery
    ) -> bytes:
        found = answer(kernel.state, participant, query, self._now_us())
        return encode(refused_as(message_id, found) if isinstance(found, Refusal) else found)

    async def _handle(self, request: Request) -> bytes:
        self.heartbeat(request.participant)
        try:
            envelope, digest = read_envelope(request.body)
        except DecodeError as error:
            return encode(
                Refused(
                    message_id=UNREAD,
                    code="malformed",
                    detail=error.detail,
                    field=error.field,
                    value=error.value,
                )
            )
        refused = self._refused(request, envelope)
        if refused is not None:
            return encode(refused)
        signed = check_signature(self._kernel().state, request)
        if isinstance(signed, Refusal):
            return encode(refused_as(envelope.message_id, signed))
        try:
            if isinstance(envelope.body, QueryProof | QueryLog):
                proof = await self._prove(request.participant, envelope.body)
                return encode(refused_as(envelope.message_id, proof) if isinstance(proof, Refusal) else proof)
            if isinstance(envelope.body, QuerySync | ContractQuery):
                query = envelope.body
                return await self._read(
                    request.participant,
                    lambda kernel: encode(answer(kernel.state, request.participant, query, self._now_us())),
                )
            reply = await self._submit(
                request.participant,
                cast("Command", envelope.body),
                message_id=envelope.message_id,
                sequence=envelope.sequence,
                source=request.channel,
                received=Received(
                    raw=request.body, digest=digest, key=signed.key, signature=signed.signature
                ),
            )
        except MarketBusyError as error:
            reply = Refused(
                message_id=envelope.message_id,
                code="busy",
                detail=str(error),
                retryable=True,
                retry_after_us=error.retry_after_us,
            )
        except MarketUnavailableError as error:
            reply = Refused(message_id=envelope.message_id, code="state", detail=str(error), retryable=True)
        return encode(reply)

    def heartbeat(self, participant: str, body: bytes = b"") -> None:
        """Take note that a participant of this market lives; with a body, that it says so by itself."""
        if participant in self._kernel().state.participants:
            self.last_heard_us[participant] = self._now_us()
            if body:
                self.beating.add(participant)

    def _refused(self, request: Request, envelope: Envelope[WireBody]) -> Refused | None:
        if envelope.sender != request.participant:
            return Refused(
                message_id=envelope.message_id,
                code="not_allowed",
                detail="the envelope names another sender than its subject",
                field="sender",
                value=envelope.sender,
            )
        if not isinstance(envelope.body, _ALLOWED[request.channel]):
            return Refused(
                message_id=envelope.message_id,
                code="invalid",
                detail=f"the {request.channel} channel does not carry it",
                field="body.kind",
                value=envelope.body.kind,
            )
        if request.participant not in self._kernel().state.participants:
            return Refused(
                message_id=envelope.message_id,
                code="not_allowed",
                detail="not admitted to this market",
                field="sender",
                value=envelope.sender,
            )
        return None
