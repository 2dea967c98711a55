"""The single writer: takes messages one after the other, decides, commits in groups, then answers.

Nothing is answered, sent or shown before its entry is fsynced. A commit for which there is no space or no
lock is tried again until it succeeds; meanwhile everybody is told to try again. After any other failure
the state is folded anew from the journal. A message that breaks the engine is refused and logged; it takes
nobody else's down. Decides nothing itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial

from market.engine.admission import RESERVED_IDS
from market.engine.decision import Inbound, Refusal, Repeated
from market.errors import InvariantError, MarketUnavailableError
from market.journal_errors import JournalError, JournalUnknownError
from market.ports import Decided, Journal, TreeHead
from market.service.fair_queue import FairQueue
from market.service.kernel import Handled, Kernel, refused, subject_of
from market.service.receipts import Receipts
from market.service.recovery import recover, restart, save_snapshot
from takt_sdk.endings import end
from takt_sdk.model.messages import Receipt, Refused, Tick
from takt_sdk.ports import Clock
from takt_sdk.signing import Signer

_LOG = logging.getLogger(__name__)

GROUP = 256
"""Most messages committed together."""

WAITING, WAITING_BYTES = 10_000, 256 << 20
"""Most messages that wait for the writer, and their bytes; more are told to try again."""

WAITING_EACH, WAITING_EACH_BYTES = 1_000, 16 << 20
"""The same of one sender."""

PATIENCE_S = 2.0
"""How long a commit is tried before those who wait for it are told to ask again."""

FIRST_RETRY_S, LONGEST_RETRY_S = 0.05, 1.0

LAST_COMMIT_S = 20.0
"""How long a market that stops waits for its journal."""

COMMIT_BOUNDS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, float("inf"))
"""Upper bounds of the durations that commits are counted by."""


@dataclass(slots=True, kw_only=True)
class Pending:
    """A message waiting for the writer, and whoever waits for its answer."""

    inbound: Inbound
    message_id: str
    source: str
    raw: bytes
    answer: asyncio.Future[Receipt | Refused]
    signature: bytes = b""

    @property
    def size_bytes(self) -> int:
        """What the message takes up while it waits."""
        return len(self.raw)


@dataclass(slots=True, kw_only=True)
class _Reading:
    """A view of the state that waits for its turn, and whoever waits for it."""

    view: Callable[[Kernel], bytes]
    answer: asyncio.Future[bytes]
    seen: bytes = b""

    @property
    def size_bytes(self) -> int:
        """A view is made when its turn comes."""
        return 0


@dataclass(slots=True, kw_only=True)
class Counters:
    """What the writer has done since it started."""

    commits: int = 0
    entries: int = 0
    refused: int = 0
    repeated: int = 0
    broken: int = 0
    failed_commits: int = 0
    commit_s: float = 0.0
    commits_by_s: Counter[float] = field(default_factory=Counter)
    bytes: int = 0
    messages: Counter[str] = field(default_factory=Counter)


class Writer:
    """Owns the kernel and everything that is written to the journal, but for acknowledgements of the outbox.

    ``committed`` is told of each group after its commit: the position of its first entry, and what
    was handled, in order.
    """

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        committed: Callable[[int, Sequence[Handled]], None],
        signer: Signer | None = None,
    ) -> None:
        self._journal, self._clock, self._committed = journal, clock, committed
        state, held = restart(journal)
        self.kernel = Kernel(state)
        self.snapshot_size = save_snapshot(journal, state, since=held)
        self.counters = Counters()
        self.trouble = ""
        self.queue: FairQueue[Pending | _Reading] = FairQueue(
            each=WAITING_EACH,
            each_bytes=WAITING_EACH_BYTES,
            every=WAITING,
            every_bytes=WAITING_BYTES,
            unbounded=RESERVED_IDS,
        )
        self._batch: list[Pending | _Reading] = []
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")
        self.receipts = Receipts(journal, lambda: self.kernel.state, signer)
        self._stopping = False
        self._is_held = False

    @property
    def is_idle(self) -> bool:
        """Whether no message waits or is being committed."""
        return not self.queue and not self._batch

    def now_us(self) -> int:
        """Return market time: the clock's, but never back."""
        return max(self._clock.now_us(), self.kernel.state.now_us)

    async def submit(self, pending: Pending) -> Receipt | Refused:
        """Put a message before the engine; returns after the commit.

        Raises
        ------
        MarketUnavailableError
            If nothing was done and it should be tried again.
        """
        self._put(pending.inbound.sender, pending)
        return await pending.answer

    async def read(self, sender: str, view: Callable[[Kernel], bytes]) -> bytes:
        """Return a view of the state for a sender, in its turn; all that it shows is committed.

        Raises
        ------
        MarketUnavailableError
            As `submit`.
        """
        reading = _Reading(view=view, answer=asyncio.get_running_loop().create_future())
        self._put(sender, reading)
        return await reading.answer

    def _put(self, sender: str, item: Pending | _Reading) -> None:
        if self._stopping:
            raise MarketUnavailableError("the market is stopping")
        if self._is_held:
            raise MarketUnavailableError(self.trouble)
        self.queue.put(sender, item)

    # --- the loop ----------------------------------------------------------------------------

    async def run(self) -> None:
        """Commit until `stop`; what was taken by then is committed and answered."""
        try:
            while not (self._stopping and not self.queue):
                if not self.queue:
                    await self.queue.wait()
                self._batch = self.queue.take(GROUP)
                await self._commit(self._batch)
                self._batch = []
            state = self.kernel.state
            await asyncio.to_thread(save_snapshot, self._journal, state, since=self.snapshot_size)
        finally:
            self._stopping = True
            self._abandon()
            self._thread.shutdown(wait=False)

    def stop(self) -> None:
        """Take nothing more; `run` ends once what was taken is answered."""
        self._stopping = True
        self.queue.wake()

    def _abandon(self) -> None:
        """Leave nobody waiting for an answer that will not come."""
        self._fail_waiting(MarketUnavailableError("the market has stopped"))
        _fail(self._batch, MarketUnavailableError("the market has stopped"))
        self._batch = []

    def _fail_waiting(self, error: MarketUnavailableError) -> None:
        while self.queue:
            _fail(self.queue.take(GROUP), error)

    async def _commit(self, batch: list[Pending | _Reading]) -> None:
        handled = await self._handle_all(batch)
        decided = [one.decided for one in handled.values() if one.decided is not None]
        try:
            head = await self._store(decided, batch)
        except JournalUnknownError:  # what is stored must be learnt by opening the journal anew
            _fail(batch, MarketUnavailableError("it is not known what was stored; ask again after a restart"))
            raise
        except JournalError as error:
            await self._roll_back(error)
            if not error.retryable and len(batch) > 1:  # one of them cannot be stored
                for item in batch:
                    await self._commit([item])
            else:
                _fail(batch, MarketUnavailableError(str(error)))
            return
        for number, item in enumerate(batch):
            if isinstance(item, _Reading):
                _answer(item.answer, item.seen)
            elif number in handled:
                await self._reply(item, handled[number], head)
        self._committed(head.size - len(decided), tuple(handled.values()))

    async def _handle_all(self, batch: list[Pending | _Reading]) -> dict[int, Handled]:
        """Return what each message came to, by its place; one that breaks the engine is absent."""
        broken: set[int] = set()
        while True:
            handled: dict[int, Handled] = {}
            for number, item in enumerate(batch):
                if number in broken:
                    continue
                try:
                    if isinstance(item, Pending):
                        handled[number] = self._handle(item)
                    else:
                        item.seen = item.view(self.kernel)
                except Exception:  # noqa: BLE001 - one message must not stop the market
                    _LOG.exception("the engine broke on a message")
                    self.counters.broken += 1
                    broken.add(number)
                    _refuse_broken(item)
                    if self.kernel.is_sound:  # it broke before anything was changed
                        continue
                    await self._recover()
                    break
            else:
                return handled

    def _handle(self, pending: Pending) -> Handled:
        body = pending.inbound.body
        state = self.kernel.state
        now_us = max(body.now_us, state.now_us) if isinstance(body, Tick) else self.now_us()
        return self.kernel.handle(
            pending.inbound,
            now_us,
            source=pending.source,
            raw=pending.raw,
            signature=pending.signature,
        )

    async def _store(self, decided: list[Decided], batch: Sequence[Pending | _Reading]) -> TreeHead:
        if not decided:
            return self._journal.head()
        started_s = self._clock.monotonic_s()
        leaves, head = await self._append(decided, batch)
        took_s = self._clock.monotonic_s() - started_s
        self.counters.commit_s += took_s
        self.counters.commits_by_s[next(bound_s for bound_s in COMMIT_BOUNDS_S if took_s <= bound_s)] += 1
        self.counters.bytes += sum(len(one.entry.message) + len(one.entry.events) for one in decided)
        self.receipts.stored([one.entry for one in decided], leaves, head.size)
        self.counters.commits += 1
        self.counters.entries += len(decided)
        self.trouble, self._is_held = "", False
        if head.size != self.kernel.state.size:
            raise InvariantError(f"journal has {head.size} entries, state {self.kernel.state.size}")
        return head

    async def _append(
        self, decided: list[Decided], batch: Sequence[Pending | _Reading]
    ) -> tuple[Sequence[bytes], TreeHead]:
        """Append, again and again while there is no space or no lock: nothing was stored then.

        Whoever waits for longer than is polite is told to ask again, and so is everybody who comes.
        """
        loop = asyncio.get_running_loop()
        append = partial(self._journal.append, decided, sign=self.receipts.sign)
        waited_s, pause_s = 0.0, FIRST_RETRY_S
        while True:
            try:
                return await loop.run_in_executor(self._thread, append)
            except JournalError as error:
                self.counters.failed_commits += 1
                if not error.retryable or self._stopping:
                    raise
                _LOG.error("a group is not stored yet: %s", error)
                self.trouble = str(error)
                if waited_s >= PATIENCE_S:
                    self._is_held = True
                    _fail(batch, MarketUnavailableError(self.trouble))
                    self._fail_waiting(MarketUnavailableError(self.trouble))
            await asyncio.sleep(pause_s)
            waited_s, pause_s = waited_s + pause_s, min(LONGEST_RETRY_S, 1.5 * pause_s)

    async def _roll_back(self, error: JournalError) -> None:
        _LOG.error("nothing of a group was stored: %s", error)
        self.trouble, self._is_held = str(error), False
        await self._recover()

    async def _recover(self) -> None:
        """Make the state anew as the journal has it; raises what the journal does if it cannot be read."""
        self.kernel = Kernel(await asyncio.to_thread(recover, self._journal))

    # --- answers -----------------------------------------------------------------------------

    async def _reply(self, pending: Pending, handled: Handled, head: TreeHead) -> None:
        reply = handled.decision.reply
        if pending.inbound.sender not in RESERVED_IDS:
            self.counters.messages[pending.inbound.body.kind] += 1
        self.counters.messages.update(handled.told)
        if isinstance(reply, Refusal):
            self.counters.refused += 1
            _answer(pending.answer, refused(pending.message_id, reply))
            return
        repeated = isinstance(reply, Repeated)
        self.counters.repeated += repeated
        try:
            receipt = await self.receipts.of(pending.message_id, handled.position, head, repeated=repeated)
        except JournalError as error:
            _fail([pending], MarketUnavailableError(str(error)))
            return
        _answer(pending.answer, replace(receipt, subject_id=subject_of(handled.decision)))

    async def leaf_at(self, position: int) -> bytes:
        """Return the leaf that the journal holds at a position."""
        (leaf,) = await asyncio.to_thread(self._journal.leaves, position, position + 1)
        return leaf


async def last_commit(writing: asyncio.Task[None]) -> None:
    """Wait until a writer that was stopped has ended; a journal that does not answer is given up."""
    await asyncio.wait((writing,), timeout=LAST_COMMIT_S)
    await end((writing,))


def _answer(answer: asyncio.Future[bytes] | asyncio.Future[Receipt | Refused], value: object) -> None:
    """Answer whoever still waits."""
    if not answer.done():
        answer.set_result(value)  # type: ignore[arg-type]


def _fail(items: Sequence[Pending | _Reading], error: MarketUnavailableError) -> None:
    for item in items:
        if not item.answer.done():
            item.answer.set_exception(error)


def _refuse_broken(item: Pending | _Reading) -> None:
    if isinstance(item, Pending):
        refusal = Refusal(code="invalid", detail="the market failed on this message and has logged it")
        _answer(item.answer, refused(item.message_id, refusal))
    elif not item.answer.done():
        item.answer.set_exception(InvariantError("a view of the state failed; see the log"))
