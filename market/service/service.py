"""A live market: the single writer with its bus, its clock and the solver outside the writer.

The solver works on a snapshot and its decision comes back as a message. Hosts the engine; decides nothing
itself.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any, Self

from market.clearing.errors import ClearingError
from market.clearing.limits import Limits
from market.clearing.result import Clearing, clearing_to_json
from market.desk import Change, Health, Status, Terms
from market.engine.admission import HOST
from market.engine.decision import Inbound, Refusal
from market.engine.queries import answer
from market.engine.rounds import key_due
from market.engine.snapshot import snapshot
from market.engine.state import RoundRecord, State
from market.errors import MarketUnavailableError
from market.model.commands import Command, OpenSeals, ReportClearing, VoidRound
from market.model.events import RoundClosed
from market.model.order import order_id
from market.ports import Escrow, Journal, MarketBus, ReadModel, RowChange
from market.service import recovery
from market.service.clearing_worker import Clearer, fall_back
from market.service.kernel import Handled, Kernel, refused
from market.service.lottery import Lottery
from market.service.outbox_pump import OutboxPump
from market.service.requests import Received, RequestHandler
from market.service.seals import NoEscrow, Seals
from market.service.silence import silences
from market.service.snapshots import Folder, Snapshots
from market.service.status import counted, of_state
from market.service.watchers import Watchers
from market.service.writer import Counters, Pending, Writer, last_commit
from takt_sdk.codec import digest_of, encode
from takt_sdk.endings import end
from takt_sdk.model.execution import ContractQuery, ContractReply
from takt_sdk.model.messages import Envelope, Receipt, Refused, SyncReply, Tick
from takt_sdk.ports import Clock
from takt_sdk.signing import Signer

_LOG = logging.getLogger(__name__)

FREEZE_ENTRIES = 1_000
"""Entries after which the state leaves the garbage collector's sight: it has no cycles and only grows, and
a full pass over it holds up every acknowledgement (p99 at 400 orders/s: 211 ms before, 50 ms with it)."""

RETRY_S = 0.25
"""Pause before a clearing is reported again to a journal that could not take it."""


class MarketService:
    """A running market; implements `market.desk.Desk`.

    Use as an asynchronous context manager. ``tick_s`` is how often the clock is read for deadlines; None
    leaves time to `tick` (a scenario's runner).
    """

    def __init__(
        self,
        journal: Journal,
        bus: MarketBus,
        *,
        clock: Clock,
        clearer: Clearer,
        lottery: Lottery,
        escrow: Escrow | None = None,
        folder: Folder | None = None,
        tick_s: float | None = 0.25,
        signer: Signer | None = None,
    ) -> None:
        self._journal, self._bus, self._clock = journal, bus, clock
        self._clearer, self._lottery, self._tick_s = clearer, lottery, tick_s
        self._writer = Writer(journal, clock, self._committed, signer)
        self._frozen_size = self._writer.kernel.state.size
        self._writing: asyncio.Task[None] | None = None
        self._loops: list[asyncio.Task[None]] = []
        self._clearing: asyncio.Task[None] | None = None
        self._stopping = False
        self._failed = asyncio.Event()
        self._problems: list[str] = []
        self._watchers = Watchers()
        self.snapshots = Snapshots(
            journal,
            folder,
            size=self._writer.snapshot_size,
            entries=recovery.SNAPSHOT_ENTRIES,
            now_us=self._writer.now_us,
        )
        self.requests = RequestHandler(
            self.state_of,
            self.submit,
            self._writer.read,
            self._writer.receipts.prove,
            self._writer.now_us,
            clock.monotonic_s,
        )
        self._started_us = self._writer.now_us()
        self.pump = OutboxPump(journal, bus, clock)
        self._seals = Seals(journal, escrow or NoEscrow())

    # --- life --------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        for participant, record in sorted(self.state_of().state.participants.items()):
            if record.admission.agent:
                await self._bus.admit(participant)
        gc.freeze()
        self._writing = self._guarded(self._writer.run(), "writer")
        self._loops.append(self._guarded(self.pump.run(), "outbox"))
        if self._tick_s is not None:
            self._loops.append(self._guarded(self._keep_time(self._tick_s), "clock"))
        self._seals.forget_past(self.state_of().state)
        self._clear_if_closed()
        await self._bus.start(self.requests.handle, self.requests.heartbeat, self.requests.arrived)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop: what was taken is committed and answered, everything else is told to try again."""
        self._stopping = True
        await end([*self._loops, *([] if self._clearing is None else [self._clearing])])
        await self.snapshots.close()
        self._writer.snapshot_size = max(self._writer.snapshot_size, self.snapshots.size)
        self._writer.stop()
        if self._writing is not None:
            await last_commit(self._writing)
        await self._bus.close()
        await self._clearer.close()
        await self._seals.close()

    def _guarded(self, loop: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run a loop of ours; a crash makes the market unready instead of half alive."""

        async def run() -> None:
            try:
                await loop
            except Exception:  # noqa: BLE001 - whatever it was, the market must not go on half alive
                _LOG.exception("the %s of the market failed", name)
                self._problems.append(f"the {name} of the market failed; see the log")
                self._stopping = True
                self._writer.stop()
                self._failed.set()

        return asyncio.create_task(run(), name=f"market: {name}")

    @property
    def has_failed(self) -> bool:
        """Whether the market can not go on."""
        return self._failed.is_set()

    async def failed(self) -> str:
        """Return why, once the market can not go on; its host should end."""
        await self._failed.wait()
        return "; ".join(self._problems)

    # --- desk --------------------------------------------------------------------------------

    @property
    def market(self) -> str:
        """Id of the market; empty until it is opened."""
        return self.state_of().state.market

    @property
    def counters(self) -> Counters:
        """What was done since the start."""
        return self._writer.counters

    def state_of(self) -> Kernel:
        """Return the kernel, to be read only; what it shows may not be committed yet."""
        return self._writer.kernel

    async def submit(
        self,
        sender: str,
        body: Command,
        *,
        message_id: str,
        sequence: int = 0,
        source: str = "http",
        received: Received | None = None,
    ) -> Receipt | Refused:
        """Put a command before the engine; returns after the commit, or with a refusal."""
        if self._stopping:
            raise MarketUnavailableError("the market is stopping")
        if received is None:
            envelope = Envelope(
                message_id=message_id,
                correlation_id="",
                causation_id="",
                sender=sender,
                sequence=sequence,
                occurred_us=self._writer.now_us(),
                body=body,
            )
            received = Received(raw=encode(envelope), digest=digest_of(body))
        return await self._writer.submit(
            Pending(
                inbound=Inbound(
                    sender=sender,
                    sequence=sequence,
                    digest=received.digest,
                    body=body,
                    signed_by=received.key,
                ),
                message_id=message_id,
                source=source,
                raw=received.raw,
                signature=received.signature,
                answer=asyncio.get_running_loop().create_future(),
            )
        )

    async def rows(
        self,
        model: ReadModel,
        *,
        tenant: str | None = None,
        key: str | None = None,
        status: str | None = None,
        after: str = "",
        limit: int = 100,
    ) -> Sequence[RowChange]:
        """Return committed rows; with ``tenant`` only that tenant's."""
        return await asyncio.to_thread(
            self._journal.rows, model, tenant=tenant, key=key, status=status, after=after, limit=limit
        )

    def order_id(self, customer: str, idempotency_key: str) -> str:
        """Return the id that a customer's order has under a key, whether it exists or not."""
        state = self.state_of().state
        return order_id(state.market, customer, idempotency_key, state.id_salt)

    async def participant_of_key(self, api_key_sha256: str) -> str | None:
        """Return the admitted, unsuspended participant that holds an API key, or None."""
        state = self.state_of().state
        holder = state.index.key_holders.get(api_key_sha256)
        return None if holder is None or state.participants[holder].suspended else holder

    def watch(self, tenant: str | None) -> AsyncIterator[Change]:
        """Yield changes after their commit, from now on."""
        return self._watchers.watch(tenant)

    async def health(self) -> Health:
        """Return how the market is."""
        state = self.state_of().state
        problems = list(self._problems)
        if self._writer.trouble:
            problems.append(self._writer.trouble)
        if not state.market:
            problems.append("the market is not open yet")
        if not self._bus.is_connected:
            problems.append("the bus is away")
        ready = not problems and not self._stopping
        if self._seals.trouble:  # orders are taken and wait
            problems.append(self._seals.trouble)
        return Health(
            ready=ready,
            market=state.market,
            now_us=self._writer.now_us(),
            position=state.size,
            round_id=state.round_id,
            problems=tuple(problems),
            pause_reason=state.pause_reason,
        )

    async def query(self, participant: str, query: ContractQuery) -> ContractReply | Refused:
        """Return what a participant asks of its contracts, orders, account or record."""
        if self._stopping:
            raise MarketUnavailableError("the market is stopping")
        found: list[ContractReply | Refused] = []

        def look(kernel: Kernel) -> bytes:
            reply = answer(kernel.state, participant, query, self._writer.now_us())
            assert not isinstance(reply, SyncReply)
            found.append(refused("query", reply) if isinstance(reply, Refusal) else reply)
            return b""

        await self._writer.read(participant, look)
        return found[0]

    async def status(self) -> Status:
        """Return what an operator looks at."""
        return Status(
            **of_state(self.state_of().state, self.requests.last_heard_us),
            health=await self.health(),
            started_us=self._started_us,
            journal_bytes=await asyncio.to_thread(self._journal.size_bytes),
            snapshot_entries=max(self._writer.snapshot_size, self.snapshots.size),
            snapshot_us=self.snapshots.taken_us,
            waiting_messages=len(self._writer.queue),
            waiting_bytes=self._writer.queue.size_bytes,
            waiting_senders=self._writer.queue.senders,
            waiting_most=self._writer.queue.most,
            outbox_open=self.pump.open_count,
            bus_connected=self._bus.is_connected,
            escrow=self._seals.trouble,
            **counted(self._writer.counters, self.requests.intake, self.snapshots.failures),
        )

    async def terms(self) -> Terms:
        """Return the rules in force and the network."""
        state = self.state_of().state
        return Terms(rules=state.rules, network=state.network)

    # --- time --------------------------------------------------------------------------------

    async def tick(self, now_us: int) -> bool:
        """Let market time reach ``now_us``; return whether anything was due.

        What is due may make more due: call again until nothing is.
        """
        state = self.state_of().state
        sealed_round = key_due(state, now_us)
        tick = Tick(
            now_us=now_us,
            seed_commitment=self._lottery.next_commitment(state),
            absent=self._absent(state, now_us),
            sealing_round=sealed_round,
            sealing_key=await self._seals.key(state.market, sealed_round) if sealed_round else "",
        )
        receipt = await self.submit(HOST, tick, message_id=f"tick-{now_us}-{state.size}", source="clock")
        return isinstance(receipt, Receipt) and receipt.position >= 0

    async def note_silence(self, now_us: int) -> None:
        """Put before the engine who was not heard of for the rules' time, and who is heard again."""
        state = self.state_of().state
        heard, limit_us = self.requests.last_heard_us, state.rules.contracts.heartbeat_us
        found = silences(state, heard, self.requests.beating, now_us, self._started_us) if limit_us else ()
        for command in found:
            message_id = f"silence-{command.participant}-{command.last_heard_us}-{state.size}"
            await self.submit(HOST, command, message_id=message_id, source="clock")

    def _absent(self, state: State, now_us: int) -> tuple[str, ...]:
        """Return who is called and was not heard of for the rules' time, counted from the start at least."""
        round_ = state.round
        if not state.rules.heard_us or round_ is None or round_.state != "open":
            return ()
        since_us = now_us - state.rules.heard_us
        heard = self.requests.last_heard_us
        return tuple(name for name in round_.eligible if heard.get(name, self._started_us) < since_us)

    @property
    def is_settled(self) -> bool:
        """Whether nothing is on its way: no message unacknowledged, none undecided, no round in clearing."""
        return self._writer.is_idle and self._closed_round() is None and self.pump.open_count == 0

    async def _keep_time(self, tick_s: float) -> None:
        while not self._stopping:
            try:
                while self.market and await self.tick(self._writer.now_us()):
                    pass
                await self.note_silence(self._writer.now_us())
            except MarketUnavailableError as error:  # a commit failed: the next tick does what was due
                _LOG.info("a tick was not taken: %s", error)
            await asyncio.sleep(tick_s)

    # --- after each commit -------------------------------------------------------------------

    def _committed(self, position: int, handled: Sequence[Handled]) -> None:
        """Send and show what was committed; start what it makes due."""
        for one in handled:
            if one.decided is not None:
                self.pump.put(one.decided.outbox)
                self._watchers.publish(Change(position=position, row=row) for row in one.decided.rows)
                position += 1
        happened = [event for one in handled for event in one.events]
        if any(isinstance(event, RoundClosed) for event in happened):
            self._clear_if_closed()
        self._seals.forget_when_over(self.market, happened)
        size = self.state_of().state.size
        self.snapshots.committed(size)
        if size - self._frozen_size >= FREEZE_ENTRIES:
            self._frozen_size = size
            gc.collect()  # what is frozen is not looked at: this sees the last thousand entries only
            gc.freeze()

    # --- clearing ----------------------------------------------------------------------------

    def _closed_round(self) -> RoundRecord | None:
        round_ = self.state_of().state.round
        return round_ if round_ is not None and round_.state in {"opening", "clearing"} else None

    def _clear_if_closed(self) -> None:
        if self._closed_round() is not None and (self._clearing is None or self._clearing.done()):
            self._clearing = self._guarded(self._clear_all(), "clearing")

    async def _clear_all(self) -> None:
        """Clear the closed round, and the one that may have closed by the time it is reported."""
        while not self._stopping and (round_ := self._closed_round()) is not None:
            if round_.state == "opening":
                await self._open(round_)
            else:
                await self._clear(self.state_of().state, round_)

    async def _open(self, round_: RoundRecord) -> None:
        """Have a sealed round's answers opened, for as long as the engine waits for them."""
        command = await self._seals.opened(self.market, round_)
        if command is not None:
            reply = await self._decide(round_, command)
            if isinstance(reply, Receipt):
                return
            _LOG.error("the opening of %s was refused: %s", round_.id, reply.detail)
        await asyncio.sleep(RETRY_S)

    async def _clear(self, state: State, round_: RoundRecord) -> None:
        """Clear a round and report it; the greedy fallback if the engine refuses the answer."""
        assert round_.close_position is not None
        leaf = await self._writer.leaf_at(round_.close_position)
        seed = self._lottery.seed(state, round_.number, leaf)
        try:
            problem = snapshot(state, round_, seed)
        except ClearingError as error:
            _LOG.exception("round %s poses no problem that can be cleared", round_.id)
            await self._decide(round_, VoidRound(round_id=round_.id, reason=str(error)[:200]))
            return
        limits = Limits(
            time_s=state.rules.clearing_time_us / 1e6 or None, work=state.rules.clearing_work or None
        )
        secret = self._lottery.secret(state, round_.number)
        clearing = await self._clearer.clear(problem, limits)
        reply = await self._report(round_, clearing, secret, seed)
        closed = self._closed_round()
        if closed is None or closed.id != round_.id:  # done, or taken back by the operator meanwhile
            return
        if isinstance(reply, Refused):
            _LOG.error("clearing of %s refused: %s", round_.id, reply.detail)
            greedy = await asyncio.to_thread(fall_back, problem)
            reply = await self._report(round_, greedy, secret, seed)
        if isinstance(reply, Refused):
            _LOG.error("no answer to round %s passed the check: %s", round_.id, reply.detail)
            await self._decide(round_, VoidRound(round_id=round_.id, reason="no answer passed the check"))

    async def _report(
        self, round_: RoundRecord, clearing: Clearing, secret: str, seed: int
    ) -> Receipt | Refused:
        """Put a clearing before the engine."""
        command = ReportClearing(
            round_id=round_.id, secret=secret, seed=seed, result=clearing_to_json(clearing).decode()
        )
        return await self._decide(round_, command)

    async def _decide(
        self, round_: RoundRecord, command: ReportClearing | OpenSeals | VoidRound
    ) -> Receipt | Refused:
        """Put the host's word on a round before the engine, again while the journal cannot take it."""
        while True:
            try:
                source = "escrow" if isinstance(command, OpenSeals) else "solver"
                return await self.submit(HOST, command, message_id=f"clearing-{round_.id}", source=source)
            except MarketUnavailableError:
                if self._stopping:
                    raise
                await asyncio.sleep(RETRY_S)
