"""Runs a script against the real market on the bus in memory and writes down what was said.

Clock, salts and the lottery are fixed. From one version of the market to the next only the hashes in receipts
may differ, which cover everything that the market writes into its journal (`same` leaves them out).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256

from market.adapters.journal_memory import MemoryJournal
from market.adapters.manual_clock import ManualClock
from market.adapters.memory_bus import MemoryBroker
from market.adapters.solver_pulp import PulpSolver
from market.clearing.clear import clear
from market.clearing.limits import Limits
from market.clearing.problem import Problem
from market.clearing.result import Clearing
from market.engine.admission import OPERATOR
from market.protocol.script import MARKET, START_US, Pass, Step, market_signer, opening, seed_of
from market.service.lottery import Lottery
from market.service.service import MarketService
from takt_sdk.model.messages import Receipt
from takt_sdk.ports import ParticipantBus
from takt_sdk.signing import Signer

_DEADLINE_S = 60.0
_RECEIPT_HASHES = re.compile(
    rb'"(leaf|root|salt|outcome)":"[0-9a-f]*"|"proof":\[[^\]]*\]|"head_signature":"[^"]*"'
)
_PARTICIPANTS = ("acme", "buyer", "forge")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One message as it went over the bus. ``channel`` is ``reply`` for the answer to the one before."""

    title: str
    at_us: int
    sender: str
    receiver: str
    channel: str
    data: bytes


class _Salts:
    """`takt_sdk.ports.Entropy` that is the same in every run."""

    def __init__(self) -> None:
        self._count = 0

    def token(self, size: int) -> bytes:
        """Return the next bytes of the sequence."""
        self._count += 1
        return sha256(str(self._count).encode()).digest()[:size]


class _StoppedClock:
    """`takt_sdk.ports.Clock` on which nothing takes any time: a clearing's record is then always the same."""

    def now_us(self) -> int:
        """Return the start of the exchange."""
        return START_US

    def monotonic_s(self) -> float:
        """Return nought."""
        return 0.0


class _Clearer:
    """`market.service.clearing_worker.Clearer` in a thread of this process, on a stopped clock."""

    async def clear(self, problem: Problem, limits: Limits) -> Clearing:
        """Return the clearing."""
        return await asyncio.to_thread(
            clear, problem, solver=PulpSolver(), limits=limits, clock=_StoppedClock()
        )

    async def close(self) -> None:
        """Nothing was started."""


async def play(steps: Sequence[Step]) -> list[Said]:
    """Return everything that is said when the participants follow ``steps``."""
    broker = MemoryBroker(MARKET)
    said: list[Said] = []
    clock = ManualClock(START_US)
    async with _market(broker, clock) as service:
        mailboxes = [_Mailbox(name, broker.participant(name)) for name in _PARTICIPANTS]
        async with asyncio.timeout(_DEADLINE_S):
            for step in steps:
                clock.set(step.at_us)
                if isinstance(step, Pass):
                    while await service.tick(step.at_us):
                        await _settled(service)
                else:
                    said += await _send(mailboxes, step)
                await _settled(service)
                for mailbox in mailboxes:
                    said += mailbox.taken(step)
        for mailbox in mailboxes:
            await mailbox.close()
    return said


async def _send(mailboxes: Sequence[_Mailbox], step: Step) -> list[Said]:
    """Return what a participant says and what it is answered."""
    assert not isinstance(step, Pass)
    (bus,) = (mailbox.bus for mailbox in mailboxes if mailbox.participant == step.participant)
    sent = Said(
        title=step.title,
        at_us=step.at_us,
        sender=step.participant,
        receiver=MARKET,
        channel=step.channel,
        data=step.data,
    )
    if step.channel == "heartbeat":
        await bus.heartbeat(step.data)
        return [sent]
    headers = Signer(seed_of(step.participant)).headers(MARKET, step.channel, step.participant, step.data)
    reply = await bus.request(step.channel, step.data, timeout_s=_DEADLINE_S, headers=headers)
    answer = Said(
        title=step.title,
        at_us=step.at_us,
        sender=MARKET,
        receiver=step.participant,
        channel="reply",
        data=reply,
    )
    return [sent, answer]


def same(one: bytes, other: bytes) -> bool:
    """Return whether two messages are equal but for the hashes in a receipt."""
    return _RECEIPT_HASHES.sub(b"", one) == _RECEIPT_HASHES.sub(b"", other)


class _Mailbox:
    """Takes and acknowledges one participant's deliveries."""

    def __init__(self, participant: str, bus: ParticipantBus) -> None:
        self.participant, self.bus = participant, bus
        self._taken: list[tuple[str, bytes]] = []
        self._task = asyncio.create_task(self._take())

    async def _take(self) -> None:
        async for delivery, acknowledge in self.bus.deliveries():
            self._taken.append((delivery.channel, delivery.body))
            await acknowledge()

    def taken(self, step: Step) -> list[Said]:
        """Return what came since last asked."""
        taken, self._taken = self._taken, []
        return [
            Said(
                title=step.title,
                at_us=step.at_us,
                sender=MARKET,
                receiver=self.participant,
                channel=channel,
                data=data,
            )
            for channel, data in taken
        ]

    async def close(self) -> None:
        """Stop taking."""
        await self.bus.close()
        await self._task


@asynccontextmanager
async def _market(broker: MemoryBroker, clock: ManualClock) -> AsyncIterator[MarketService]:
    service = MarketService(
        MemoryJournal(entropy=_Salts()),
        broker.market(),
        clock=clock,
        clearer=_Clearer(),
        lottery=Lottery(bytes(32)),
        tick_s=None,
        signer=market_signer(),
    )
    async with service:
        for number, command in enumerate(opening(signed=True)):
            reply = await service.submit(OPERATOR, command, message_id=f"opening-{number}")
            assert isinstance(reply, Receipt), reply
        yield service


async def _settled(service: MarketService) -> None:
    while not service.is_settled:  # noqa: ASYNC110 - it has no event of its own
        await asyncio.sleep(0.001)
