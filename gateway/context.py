"""What the routes share: the desk, the limits, and the word that the gateway is closing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TypeVar

from fastapi import Request

from gateway.gate import Gate
from gateway.rates import Customers, Guesses
from gateway.settings import GatewaySettings
from gateway.stream import StreamLimit
from market.desk import Desk, Status
from market.model.commands import Command
from market.ports import ReadModel, RowChange
from takt_sdk.errors import BusTimeoutError
from takt_sdk.model.execution import ContractQuery, ContractReply
from takt_sdk.model.messages import Receipt, Refused

_Answer = TypeVar("_Answer")


class Context:
    """One gateway's shared parts. Belongs to one event loop."""

    def __init__(self, desk: Desk, settings: GatewaySettings) -> None:
        self.desk = desk
        self.settings = settings
        self.gate = Gate(settings.max_in_flight_per_customer)
        self.customers = Customers(per_s=settings.requests_per_s, burst=settings.request_burst)
        self.guesses = Guesses(
            free=settings.free_guesses,
            per_s=settings.guesses_per_s,
            delay_s=settings.guess_delay_s,
            waiting=settings.max_guesses_waiting,
        )
        self.streams = StreamLimit(settings.max_streams, settings.max_streams_per_customer)
        self.closing = asyncio.Event()

    async def submit(self, sender: str, command: Command, message_id: str) -> Receipt | Refused:
        """Put a command before the market, for as long as an answer may take.

        Raises
        ------
        MarketUnavailableError, BusTimeoutError
            Both can be answered by repeating the request.
        """
        return await self._in_time(self.desk.submit(sender, command, message_id=message_id))

    async def rows(
        self,
        model: ReadModel,
        *,
        tenant: str | None = None,
        key: str | None = None,
        status: str | None = None,
        after: str = "",
        limit: int = 1,
    ) -> Sequence[RowChange]:
        """Return committed rows, within the time that an answer may take; raises as `submit`."""
        return await self._in_time(
            self.desk.rows(model, tenant=tenant, key=key, status=status, after=after, limit=limit)
        )

    async def query(self, participant: str, query: ContractQuery) -> ContractReply | Refused:
        """Return what a participant asks, within the time that an answer may take; raises as `submit`."""
        return await self._in_time(self.desk.query(participant, query))

    async def status(self) -> Status:
        """Return what an operator looks at, within the time that an answer may take; raises as `submit`."""
        return await self._in_time(self.desk.status())

    async def _in_time(self, answer: Awaitable[_Answer]) -> _Answer:
        try:
            async with asyncio.timeout(self.settings.answer_timeout_s):
                return await answer
        except TimeoutError:
            raise BusTimeoutError(f"no answer within {self.settings.answer_timeout_s:g} s") from None


def address_of(request: Request) -> str:
    """Return where a request comes from, as far as the connection tells."""
    return "" if request.client is None else request.client.host


def context_of(request: Request) -> Context:
    """Return the context of the application that serves ``request``."""
    context = request.app.state.context
    assert isinstance(context, Context)
    return context
