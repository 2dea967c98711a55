"""One company on the bus: its role, its connection, its numbering, its clock.

Waits, sends and repeats so that the role need not: a message of the market is acknowledged only
after everything that followed from it has a receipt. Decides nothing about bids or milestones.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress

from takt_sdk.codec import DecodeError, decode_heard
from takt_sdk.endings import end
from takt_sdk.errors import BusClosedError, BusError, BusPayloadError, BusTimeoutError
from takt_sdk.mail import Mail, RefusedError
from takt_sdk.model.messages import (
    BidsRefused,
    CallForProposals,
    ContractAmended,
    ContractNotice,
    DeclineCall,
    Envelope,
    Heartbeat,
    OrderNotice,
    Receipt,
    RoundResult,
    SyncReply,
    Tick,
    WireBody,
)
from takt_sdk.model.sheet import BidSheet
from takt_sdk.narrator import Narrator
from takt_sdk.outbox import Outbox
from takt_sdk.pace import CompanyStatus, Pace
from takt_sdk.ports import Delivery, ParticipantBus
from takt_sdk.repeats import Repeats
from takt_sdk.role import Outgoing, Role

_LOG = logging.getLogger(__name__)

RECONNECT_S = 0.5
"""Pause before a lost connection is made anew; it doubles up to the next."""
LONGEST_RECONNECT_S = 2.0
MAX_CATCH_UPS = 3
"""Most times in a row that a refused report makes the state be rebuilt."""
MAX_IN_FLIGHT = 64
"""Most conversations with the market at a time."""


def _never() -> bool:
    return False


class Company:
    """Runs one role on one bus until stopped.

    Parameters
    ----------
    participant
        The company's id.
    make_role
        Makes the role as new; it is asked again whenever the state is to be rebuilt from the market.
    connect
        Makes a connection; asked again when the server has closed one for good.
    pace
        Where time comes from.
    outbox
        Where what is said is stored before it is sent. Without one, what was under way is decided again
        after a crash, from what the market knows.
    renewed
        Whether there are newer credentials than those of the last connection; asked at each tick of the
        clock. If so, the connection is made anew.
    narrator
        Is told what happens.
    """

    def __init__(
        self,
        participant: str,
        make_role: Callable[[], Role],
        connect: Callable[[], Awaitable[ParticipantBus]],
        pace: Pace,
        *,
        outbox: Outbox | None = None,
        renewed: Callable[[], bool] = _never,
        narrator: Narrator | None = None,
    ) -> None:
        self.participant = participant
        self.role = make_role()
        self._renewed = renewed
        self._narrator = narrator or Narrator()
        self._troubles = Repeats(_LOG)
        self._make_role = make_role
        self._connect = connect
        self._pace = pace
        self._bus: ParticipantBus | None = None
        self._mail = Mail(participant, outbox)
        self._lock = asyncio.Lock()
        self._connected = asyncio.Event()
        self._slots = asyncio.Semaphore(MAX_IN_FLIGHT)
        self._tasks: list[asyncio.Task[None]] = []
        self._now_us = 0
        self._ahead_us = 0
        self._stale = True
        self._handled = 0
        self._failures = 0
        self._refused_ids: set[str] = set()

    # --- life --------------------------------------------------------------------------------

    async def start(self) -> None:
        """Connect, catch up with the market, and take messages from then on.

        Raises
        ------
        BusRefusedError
            If the server is not the right one or refuses the credentials.
        RefusedError
            If the market does not know the company.
        """
        self._bus = await self._connect()
        async with self._lock:
            await self._catch_up(afresh=True)
        self._connected.set()
        loops = [self._receive()]
        if self._pace.clock is not None:
            loops += [self._live(), self._beat()]
        self._tasks = [asyncio.create_task(loop) for loop in loops]
        for task in self._tasks:
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failures += 1
            self._connected.clear()
            _LOG.critical("%s: a loop ended", self.participant, exc_info=error)

    async def wait(self) -> None:
        """Return when the company has been stopped; raises what ended it otherwise."""
        await asyncio.gather(*self._tasks)

    async def stop(self) -> None:
        """Stop at once: what has no receipt yet comes again after a restart. Idempotent."""
        await end(self._tasks)
        self._tasks.clear()
        self._connected.clear()
        if self._bus is not None:
            await self._bus.close()
            self._bus = None

    async def advance(self, now_us: int) -> None:
        """Let market time reach ``now_us``; return when all that follows from it has receipts.

        The barrier of a scenario run is complete when the market's outbox is empty as well: messages
        that are still on their way are not waited for here.
        """
        while True:
            await self._connected.wait()
            try:
                async with self._lock:
                    self._now_us = max(self._now_us, now_us)
                    await self._handle(Tick(now_us=self._now_us))
            except BusClosedError:
                await asyncio.sleep(RECONNECT_S)
            else:
                return

    async def post(self, out: Outgoing) -> Receipt:
        """Send a command of the company's own; return when it is in the market's journal.

        With an outbox it is stored before anything else happens: once this was called and the process
        dies, it is sent by the next.

        Raises
        ------
        RefusedError
            If the market refused it for good.
        """
        async with self._lock:
            stored = self._mail.store(out, self._read_clock())
        while True:
            await self._connected.wait()
            with suppress(BusClosedError):
                async with self._lock:
                    assert self._bus is not None
                    receipt = await self._mail.send(self._bus, stored, self._now_us)
                self._narrator.said(out, receipt)
                return receipt
            await asyncio.sleep(RECONNECT_S)

    async def beat(self) -> None:
        """Tell the market once that this company lives, best effort."""
        if self._bus is not None and self._connected.is_set():
            await self._bus.heartbeat(self._mail.seal("", Heartbeat(), self._now_us)[1])

    def now_us(self) -> int:
        """Return market time, as well as it is known here."""
        return self._read_clock()

    def status(self) -> CompanyStatus:
        """Return how this host is."""
        return CompanyStatus(
            participant=self.participant,
            connected=self._connected.is_set(),
            now_us=self._now_us,
            handled=self._handled,
            sent=self._mail.sent,
            refused=self._mail.refused,
            failures=self._failures,
            last_refusal=self._mail.last_refusal,
        )

    # --- loops -------------------------------------------------------------------------------

    async def _receive(self) -> None:
        while True:
            assert self._bus is not None
            try:
                async for delivery, acknowledge in self._bus.deliveries():
                    async with self._lock:
                        await self._take(delivery)
                    await acknowledge()
            except BusClosedError as error:
                self._troubles.warn(f"{self.participant}: {error}")
            except Exception:  # noqa: BLE001 - whatever it was, the message comes again on a new connection
                self._failures += 1
                _LOG.exception("%s: receiving failed; connecting anew", self.participant)
            await self._reconnect()

    async def _reconnect(self) -> None:
        """Make a new connection, however long it takes, and catch up."""
        self._connected.clear()
        pause_s = RECONNECT_S
        while not self._connected.is_set():
            if self._bus is not None:
                await self._bus.close()
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_RECONNECT_S)
            try:
                self._bus = await self._connect()
                async with self._lock:
                    await self._catch_up(afresh=True)
            except (BusError, BusTimeoutError, RefusedError, OSError, ValueError) as error:
                self._troubles.warn(f"{self.participant}: cannot connect: {error}")
            else:
                self._troubles.forget()
                self._connected.set()

    async def _live(self) -> None:
        while True:
            await self._connected.wait()
            try:
                if self._renewed() and self._bus is not None:
                    self._narrator.tell("new credentials: connecting anew")
                    self._connected.clear()
                    async with self._lock:
                        await self._bus.close()  # the receiving loop makes the next connection
                    continue
                async with self._lock:
                    self._read_clock()
                    await self._handle(Tick(now_us=self._now_us))
            except BusClosedError as error:
                self._troubles.warn(f"{self.participant}: {error}")
            await asyncio.sleep(self._pace.tick_s)

    async def _beat(self) -> None:
        while True:
            await self.beat()
            await asyncio.sleep(self._pace.heartbeat_s)

    # --- one message -------------------------------------------------------------------------

    async def _take(self, delivery: Delivery) -> None:
        """Handle a delivery; one that cannot be read or handled is logged, counted and left behind."""
        try:
            envelope = decode_heard(delivery.body)
        except DecodeError:
            self._failures += 1
            _LOG.exception("%s: message %s cannot be read", self.participant, delivery.message_id)
            return
        self._now_us = max(self._read_clock(), envelope.occurred_us)
        if isinstance(
            envelope.body,
            CallForProposals | RoundResult | BidsRefused | ContractAmended | ContractNotice | OrderNotice,
        ):
            self._narrator.heard(envelope.body)
            await self._handle(envelope.body, envelope)
        else:
            self._failures += 1
            _LOG.error("%s: a %s is not for participants", self.participant, envelope.body.kind)

    async def _handle(
        self,
        message: CallForProposals
        | RoundResult
        | BidsRefused
        | ContractAmended
        | ContractNotice
        | OrderNotice
        | Tick,
        cause: Envelope[WireBody] | None = None,
    ) -> None:
        if self._stale:
            await self._catch_up()
        if isinstance(message, CallForProposals):
            self._mail.called(message)
        try:
            outgoing = self.role.handle(message, self._now_us)
        except Exception:  # noqa: BLE001 - a message that breaks the role must not stop the company
            self._failures += 1
            self._stale = True
            _LOG.exception("%s: the role failed on a %s", self.participant, message.kind)
            return
        self._handled += 1
        await self._send(outgoing, cause.message_id if cause else "")
        if self._stale:
            await self._catch_up()

    async def _catch_up(self, *, afresh: bool = False) -> None:
        """Make the role anew from what the market says; again where the market then refuses a report.

        What an earlier connection, or process, left unanswered goes first; ``afresh`` on a new connection.
        """
        assert self._bus is not None
        for _ in range(MAX_CATCH_UPS):
            if sent := await self._mail.send_stored(self._bus, self._read_clock()):
                self._narrator.tell(f"{sent} stored messages delivered")
            reply = await self._mail.query(self._bus, self._now_us)
            if afresh:
                self._narrator.connected(reply)
                afresh = False
            self._mail.restore(reply)
            self._keep_time(reply)
            self.role = self._make_role()
            self._stale = False
            await self._send(self.role.handle(reply, self._now_us), "")
            if not self._stale:
                return
        self._stale = False
        _LOG.error("%s: the market keeps refusing: %s", self.participant, self._mail.last_refusal)

    def _keep_time(self, reply: SyncReply) -> None:
        """Set market time by the market's: live, it may step back where the own clock ran ahead."""
        if self._pace.clock is None:
            self._now_us = max(self._now_us, reply.now_us)
        else:
            self._ahead_us = reply.now_us - self._pace.clock.now_us()
            self._now_us = reply.now_us

    def _read_clock(self) -> int:
        """Return market time: the own clock as set at the last query, never back in between.

        The market read its clock before its reply arrived, so this runs ahead of the market only as
        clocks drift apart; a report that is refused for it is made again after the next query.
        """
        if self._pace.clock is not None:
            self._now_us = max(self._now_us, self._pace.clock.now_us() + self._ahead_us)
        return self._now_us

    async def _send(self, outgoing: tuple[Outgoing, ...], causation_id: str) -> None:
        """Send commands, each until its receipt: in order within a conversation, those side by side.

        What belongs to none (a breakdown, an order) goes first. A refused report, or a connection that
        is lost for good, makes the state doubtful.
        """
        conversations: dict[str, list[Outgoing]] = {}
        for out in outgoing:
            conversations.setdefault(out.correlation_id, []).append(out)
        try:
            await self._converse(conversations.pop("", []), causation_id)
            async with asyncio.TaskGroup() as group:
                for commands in conversations.values():
                    group.create_task(self._converse(commands, causation_id))
        except* BusClosedError as errors:
            self._stale = True
            raise BusClosedError(str(errors.exceptions[0])) from errors

    async def _converse(self, commands: list[Outgoing], causation_id: str) -> None:
        assert self._bus is not None
        waiting = deque(commands)
        async with self._slots:
            while waiting:
                out = waiting.popleft()
                try:
                    receipt = await self._mail.deliver(self._bus, out, self._now_us, causation_id)
                    self._narrator.said(out, receipt)
                except RefusedError as error:
                    if out.channel == "report" and error.message_id not in self._refused_ids:
                        self._refused_ids.add(error.message_id)
                        self._stale = True
                except BusPayloadError as error:
                    if not isinstance(out.body, BidSheet):
                        raise
                    decline = DeclineCall(round_id=out.body.round_id, code="other", detail=str(error))
                    waiting.appendleft(
                        Outgoing(channel="bid", correlation_id=out.correlation_id, body=decline)
                    )
