"""The ports of a participant: clock, chance and its side of the bus. Holds no behaviour."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, Protocol, get_args


class Clock(Protocol):
    """Where market time comes from."""

    def now_us(self) -> int:
        """Return the time in integer microseconds UTC."""
        ...

    def monotonic_s(self) -> float:
        """Return seconds of a clock that never goes back, for measuring durations only."""
        ...


class Entropy(Protocol):
    """Where unpredictable bytes (salts, secrets, keys) come from."""

    def token(self, size: int) -> bytes:
        """Return ``size`` unpredictable bytes."""
        ...


RequestChannel = Literal["bid", "report", "order", "query"]
REQUEST_CHANNELS: tuple[str, ...] = get_args(RequestChannel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A durable message to a participant, delivered at least once."""

    message_id: str
    channel: Literal["cfp", "notice"]
    body: bytes


class ParticipantBus(Protocol):
    """A participant's side of the bus."""

    async def request(
        self,
        channel: RequestChannel,
        body: bytes,
        *,
        timeout_s: float,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> bytes:
        """Send a request and return the reply.

        A market that is away is tried until the time is up. After `BusTimeoutError` and `BusRequestError`
        the request may have had its effect: repeat it with the same id.
        """
        ...

    def deliveries(self) -> AsyncIterator[tuple[Delivery, Callable[[], Awaitable[None]]]]:
        """Yield deliveries in order, each with the coroutine function that acknowledges it.

        One at a time: the next comes after this one was acknowledged, and one that was not comes again.
        Ends when this side is closed.
        """
        ...

    async def heartbeat(self, body: bytes) -> None:
        """Tell the market that this participant lives, best effort."""
        ...

    async def close(self) -> None:
        """Release the connection."""
        ...
