"""Participants' requests from the bus: decoded, held against their sender, answered.

The bus vouches for the participant (the server enforces its subject); an envelope that names another
sender is refused. Decides nothing else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, cast, get_args

from market.engine.views import sync_reply
from market.errors import MarketUnavailableError
from market.model.commands import Command
from market.ports import Request
from market.service.kernel import Kernel
from takt_sdk.codec import DecodeError, decode_envelope, encode
from takt_sdk.model.messages import (
    BidderCommand,
    CustomerCommand,
    Envelope,
    QuerySync,
    Receipt,
    Refused,
    ReportCommand,
    WireBody,
)
from takt_sdk.ports import RequestChannel

_ALLOWED: Mapping[RequestChannel, tuple[type, ...]] = {
    "bid": get_args(BidderCommand),
    "report": get_args(ReportCommand),
    "order": get_args(CustomerCommand),
    "query": (QuerySync,),
}
"""Which bodies each channel carries."""

UNREAD = "unread"
"""Message id in the refusal of bytes whose own id could not be read."""


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
        raw: bytes = b"",
    ) -> Receipt | Refused:
        """Put a command before the engine."""
        ...


class RequestHandler:
    """Answers requests; its replies are bytes for the bus."""

    def __init__(
        self,
        kernel: Callable[[], Kernel],
        submit: Submit,
        read: Callable[[Callable[[Kernel], bytes]], Awaitable[bytes]],
        now_us: Callable[[], int],
    ) -> None:
        self._kernel, self._submit, self._read, self._now_us = kernel, submit, read, now_us
        self.last_heard_us: dict[str, int] = {}

    async def handle(self, request: Request) -> bytes:
        """Return the reply to a request: a receipt, a refusal, or the answer to a query."""
        self.last_heard_us[request.participant] = self._now_us()
        try:
            envelope = decode_envelope(request.body)
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
        try:
            if isinstance(envelope.body, QuerySync):
                return await self._read(
                    lambda kernel: encode(sync_reply(kernel.state, request.participant, self._now_us()))
                )
            reply = await self._submit(
                request.participant,
                cast("Command", envelope.body),
                message_id=envelope.message_id,
                sequence=envelope.sequence,
                source=request.channel,
                raw=request.body,
            )
        except MarketUnavailableError as error:
            reply = Refused(message_id=envelope.message_id, code="state", detail=str(error), retryable=True)
        return encode(reply)

    def heartbeat(self, participant: str, _body: bytes) -> None:
        """Take note that a participant lives."""
        self.last_heard_us[participant] = self._now_us()

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
