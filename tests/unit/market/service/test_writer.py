from __future__ import annotations

import asyncio
from typing import Any, NoReturn

import pytest

from market.adapters.codec import state_digest
from market.engine.decision import Inbound
from market.errors import MarketBusyError, MarketUnavailableError
from market.journal_errors import (
    JournalConflictError,
    JournalFullError,
    JournalUnavailableError,
)
from market.ports import Snapshot
from market.service import recovery as recovery_module
from market.service import writer as writer_module
from market.service.fair_queue import TURN
from market.service.kernel import Handled, Kernel
from market.service.recovery import recover
from market.service.writer import Writer
from takt_sdk.model.messages import PublishPart, QuerySync, Receipt, Refused, SyncReply
from takt_sdk.model.plan import Part
from tests.unit.market.service.small_market import (
    PLAN,
    BreakableJournal,
    SmallMarket,
    accepted,
    entered,
    order,
    states,
    submitted,
    until,
)


@pytest.fixture
def journal() -> BreakableJournal:
    return BreakableJournal()


@pytest.fixture
def small(journal: BreakableJournal) -> SmallMarket:
    return SmallMarket(journal=journal)


FULL = JournalFullError("memory", "no space is left")


async def test_nothing_is_answered_shown_or_sent_before_the_append_has_returned(
    small: SmallMarket, journal: BreakableJournal
) -> None:
    async with small.running() as service:
        watcher = service.watch("buyer")
        journal.gate.clear()
        journal.entered.clear()
        sent = [asyncio.create_task(submitted(service, "buyer", order(f"k-{n}"), f"m-{n}")) for n in range(3)]
        change = asyncio.ensure_future(anext(watcher))
        await entered(journal)
        query = asyncio.create_task(small.ask("query", "buyer", QuerySync()))
        await asyncio.sleep(0)
        assert len(states(service)) == 3
        assert not any(task.done() for task in [*sent, change, query])
        assert await service.rows("orders", tenant="buyer") == []
        journal.gate.set()
        receipts = await asyncio.gather(*sent)
        assert [isinstance(receipt, Receipt) for receipt in receipts] == [True] * 3
        assert (await change).row.tenant == "buyer"
        answer = await query
        assert isinstance(answer, SyncReply)
        assert len(answer.orders) == 3


async def test_what_arrives_during_a_commit_is_committed_together(
    small: SmallMarket, journal: BreakableJournal
) -> None:
    async with small.running() as service:
        journal.gate.clear()
        journal.entered.clear()
        first = asyncio.create_task(submitted(service, "buyer", order("k-0"), "m-0"))
        await entered(journal)
        rest = [
            asyncio.create_task(submitted(service, "buyer", order(f"k-{n}"), f"m-{n}")) for n in range(1, 60)
        ]
        await asyncio.sleep(0)
        commits = service.counters.commits
        journal.gate.set()
        receipts = await asyncio.gather(first, *rest)
        assert service.counters.commits == commits + 2
        assert len({receipt.size for receipt in receipts if isinstance(receipt, Receipt)}) == 2


async def test_a_failed_commit_leaves_the_state_as_the_journal_has_it_and_later_orders_are_fine(
    small: SmallMarket, journal: BreakableJournal
) -> None:
    error = JournalUnavailableError("memory", "is gone")
    async with small.running() as service:
        await accepted(service, "buyer", order("kept"), "m-kept")
        journal.failures = [error]
        with pytest.raises(MarketUnavailableError, match="journal memory"):
            await submitted(service, "buyer", order("lost"), "m-lost")
        assert states(service) == {"kept": "submitted"}
        assert state_digest(service.state_of().state) == state_digest(recover(journal))
        health = await service.health()
        assert (health.ready, str(error) in health.problems) == (False, True)

        receipt = await accepted(service, "buyer", order("lost"), "m-lost")
        assert receipt.position == journal.head().size - 1
        assert states(service) == {"kept": "submitted", "lost": "submitted"}
        assert (await service.health()).ready


async def test_a_commit_that_finds_no_space_is_tried_again_and_nobody_notices_if_that_helps_soon(
    small: SmallMarket, journal: BreakableJournal
) -> None:
    async with small.running() as service:
        journal.failures = [FULL, FULL]
        receipt = await accepted(service, "buyer", order("k"), "m-k")
        assert receipt.position == journal.head().size - 1
        assert service.counters.failed_commits == 2
        assert (await service.health()).ready


async def test_a_disk_that_stays_full_is_told_to_everybody_and_what_was_decided_is_stored_once_there_is_space(
    small: SmallMarket, journal: BreakableJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "PATIENCE_S", 0.0)
    monkeypatch.setattr(recovery_module, "restart", _no_replay)
    async with small.running() as service:
        journal.failures = [FULL] * 5
        outcomes = await asyncio.gather(
            *(submitted(service, "buyer", order(f"k-{n}"), f"m-{n}") for n in range(40)),
            service._writer.read("buyer", lambda _: b""),
            return_exceptions=True,
        )
        assert {type(outcome) for outcome in outcomes} == {MarketUnavailableError}
        assert not (await service.health()).ready
        with pytest.raises(MarketUnavailableError, match="no space is left"):
            await submitted(service, "buyer", order("late"), "m-late")
        await until(lambda: not service._writer.trouble)
        assert (await service.health()).ready
        again = [await accepted(service, "buyer", order(f"k-{n}"), f"m-{n}") for n in range(40)]
        assert len({receipt.position for receipt in again}) == 40
    monkeypatch.undo()
    assert state_digest(recover(journal)) == state_digest(service.state_of().state)


async def test_a_stop_while_the_disk_is_full_ends_and_keeps_what_was_acknowledged(
    small: SmallMarket, journal: BreakableJournal
) -> None:
    async with small.running() as service:
        await accepted(service, "buyer", order("kept"), "m-kept")
        journal.failures = [FULL] * 1_000
        lost = asyncio.create_task(submitted(service, "buyer", order("lost"), "m-lost"))
        await until(lambda: service.counters.failed_commits > 0)
    with pytest.raises(MarketUnavailableError):
        await lost
    assert [record.idempotency_key for record in recover(journal).orders.values()] == ["kept"]


def _no_replay(_: object) -> NoReturn:
    raise AssertionError("nothing was lost: nothing is to be read back")


async def test_one_sender_that_floods_waits_alone(small: SmallMarket, journal: BreakableJournal) -> None:
    async with small.running() as service:
        journal.gate.clear()
        journal.entered.clear()
        held = asyncio.create_task(submitted(service, "rival", order("first"), "m"))
        await entered(journal)
        flood = [
            asyncio.create_task(submitted(service, "buyer", order(f"k-{n}"), f"m-{n}"))
            for n in range(writer_module.WAITING_EACH + 7)
        ]
        honest = asyncio.create_task(submitted(service, "rival", order("mine"), "m-mine"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(service._writer.queue) == writer_module.WAITING_EACH + 1
        journal.gate.set()
        await held
        receipt = await honest
        assert isinstance(receipt, Receipt)
        assert receipt.position <= journal.head().size
        mine = next(o for o in service.state_of().state.orders.values() if o.idempotency_key == "mine")
        before = [o for o in service.state_of().state.orders.values() if o.position < mine.position]
        assert len(before) <= 1 + TURN, "the flood's turn is a short one"
        outcomes = await asyncio.gather(*flood, return_exceptions=True)
    busy = [one for one in outcomes if isinstance(one, MarketBusyError)]
    assert (len(busy), busy[0].retryable) == (7, True)
    assert busy[0].retry_after_us > 0


async def test_a_message_that_cannot_be_stored_takes_nobody_elses_down(
    small: SmallMarket, journal: BreakableJournal
) -> None:
    async with small.running() as service:
        journal.gate.clear()
        journal.entered.clear()
        held = asyncio.create_task(submitted(service, "buyer", order("held"), "m-held"))
        await entered(journal)
        conflict = JournalConflictError("memory", "rows.key", "x", "belongs to another")
        journal.failures = [None, conflict, conflict]  # the group, then the first of it alone
        pair = [asyncio.create_task(submitted(service, "buyer", order(f"k-{n}"), f"m-{n}")) for n in range(2)]
        await asyncio.sleep(0)
        journal.gate.set()
        assert isinstance(await held, Receipt)
        outcomes = await asyncio.gather(*pair, return_exceptions=True)
    assert isinstance(outcomes[0], MarketUnavailableError)
    assert isinstance(outcomes[1], Receipt)


async def test_a_sender_that_has_gone_away_stops_nobody(
    small: SmallMarket, journal: BreakableJournal
) -> None:
    async with small.running() as service:
        for failures in ([], [FULL]):  # a commit that must be repeated
            journal.gate.clear()
            journal.entered.clear()
            gone = asyncio.create_task(submitted(service, "buyer", order(f"gone-{len(failures)}"), "m-gone"))
            await entered(journal)
            gone.cancel()
            journal.failures = list(failures)
            journal.gate.set()
            await asyncio.wait([gone])
            await accepted(service, "buyer", order(f"next-{len(failures)}"), "m-next")
        assert (await service.health()).ready
        assert set(states(service)) == {"gone-0", "next-0", "gone-1", "next-1"}


async def test_a_disk_that_is_full_for_a_while_does_not_stop_the_clock(
    small: SmallMarket, journal: BreakableJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "LONGEST_RETRY_S", 0.01)
    async with small.running(tick_s=0.001) as service:
        await accepted(service, "buyer", order("k"), "m-k")
        await until(lambda: states(service)["k"] == "calling")
        journal.failures = [FULL] * 20
        round_ = service.state_of().state.round
        assert round_ is not None
        small.clock.set(round_.deadline_us)
        await until(lambda: not journal.failures)
        await until(lambda: states(service)["k"] in {"submitted", "unserved"})
        assert (await service.health()).ready


class _Breaking(Kernel):
    early = False

    def handle(
        self,
        inbound: Inbound,
        now_us: int,
        **rest: Any,  # noqa: ANN401
    ) -> Handled:
        if self.early and isinstance(inbound.body, PublishPart):
            raise ZeroDivisionError(inbound.body.part.id)
        handled = super().handle(inbound, now_us, **rest)
        if isinstance(inbound.body, PublishPart):
            self.is_sound = False
            raise ZeroDivisionError(inbound.body.part.id)
        return handled


@pytest.mark.parametrize("early", [False, True])
async def test_a_message_that_breaks_the_engine_is_refused_and_changes_nothing(
    small: SmallMarket, journal: BreakableJournal, early: bool
) -> None:
    async with small.running() as service:
        breaking = service._writer.kernel = _Breaking(service.state_of().state)
        breaking.early = early
        poison = PublishPart(part=Part(id="poison", name="Poison", plan=PLAN))
        replies = await asyncio.gather(
            submitted(service, "buyer", order("before"), "m-1"),
            submitted(service, "buyer", poison, "m-2"),
            submitted(service, "buyer", order("after"), "m-3"),
        )
        assert [type(reply) for reply in replies] == [Receipt, Refused, Receipt]
        assert isinstance(replies[1], Refused)
        assert (replies[1].code, replies[1].retryable) == ("invalid", False)
        state = service.state_of().state
        assert state_digest(state) == state_digest(recover(journal))
        assert "buyer" not in state.parts
        assert service.counters.broken == 1
        assert (service._writer.kernel is breaking) == early, "what was not touched is not folded anew"


async def test_a_stop_answers_everybody_and_keeps_what_it_has_acknowledged(
    small: SmallMarket, journal: BreakableJournal
) -> None:
    context = small.running()
    service = await context.__aenter__()
    journal.gate.clear()
    journal.entered.clear()
    sent = [
        asyncio.create_task(small.ask("order", "buyer", order(f"k-{n}"), message_id=f"m-{n}"))
        for n in range(5)
    ]
    await entered(journal)
    direct = asyncio.create_task(submitted(service, "buyer", order("direct"), "m-direct"))
    await asyncio.sleep(0)
    stopping = asyncio.create_task(context.__aexit__(None, None, None))
    await asyncio.sleep(0)
    with pytest.raises(MarketUnavailableError, match="stopping"):
        await submitted(service, "buyer", order("late"), "m-late")
    journal.gate.set()
    async with asyncio.timeout(5):
        await stopping
        replies = await asyncio.gather(direct, *sent)
    taken = [
        isinstance(reply, Receipt) or (isinstance(reply, Refused) and reply.retryable) for reply in replies
    ]
    assert taken == [True] * 6
    acknowledged = sum(isinstance(reply, Receipt) for reply in replies)
    assert isinstance(replies[0], Receipt)
    assert len(recover(journal).orders) == acknowledged


async def test_a_repeated_message_gets_the_first_ones_position_and_leaf(small: SmallMarket) -> None:
    async with small.running() as service:
        first = await accepted(service, "buyer", order("k"), "m-1")
        await accepted(service, "buyer", order("other"), "m-2")
        again = await accepted(service, "buyer", order("k"), "m-1")
        assert (again.position, again.leaf, again.subject_id) == (
            first.position,
            first.leaf,
            first.subject_id,
        )
        conflict = await submitted(service, "buyer", order("k", limit_minor=1), "m-3")
        assert isinstance(conflict, Refused)
        assert (conflict.code, conflict.field, conflict.value) == ("conflict", "idempotency_key", "k")
        assert len(states(service)) == 2


async def test_more_than_can_wait_is_told_to_try_again(
    small: SmallMarket, journal: BreakableJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "WAITING", 5)
    async with small.running():
        pass
    writer = Writer(journal, small.clock, lambda _position, _handled: None)
    waiting = [asyncio.create_task(writer.read("buyer", lambda _: b"seen")) for _ in range(6)]
    await asyncio.sleep(0)
    with pytest.raises(MarketUnavailableError, match="more than 5 messages wait"):
        await waiting[5]
    writer.stop()
    await writer.run()
    assert await asyncio.gather(*waiting[:5]) == [b"seen"] * 5


async def test_a_snapshot_is_taken_at_the_stop_and_the_start_and_never_while_somebody_waits(
    small: SmallMarket, journal: BreakableJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery_module, "SNAPSHOT_ENTRIES", 6)
    async with small.running() as service:
        for number in range(9):
            await accepted(service, "buyer", order(f"k-{number}"), f"m-{number}")
        assert journal.latest_snapshot() is None
        live = state_digest(service.state_of().state)
    stopped = journal.latest_snapshot()
    assert stopped is not None
    assert stopped.size == journal.head().size
    assert state_digest(recover(journal)) == live
    async with small.running() as service:
        assert state_digest(service.state_of().state) == live
        assert journal.latest_snapshot() == stopped  # nothing new to take
        for number in range(9, 18):
            await accepted(service, "buyer", order(f"k-{number}"), f"m-{number}")
        live = state_digest(service.state_of().state)
        Writer(journal, small.clock, lambda _position, _handled: None)  # a start after kill -9
        started = journal.latest_snapshot()
        assert started is not None
        assert started.size == stopped.size + 9
    assert state_digest(recover(journal)) == live


async def test_a_snapshot_that_cannot_be_stored_costs_nothing(
    small: SmallMarket, journal: BreakableJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery_module, "SNAPSHOT_ENTRIES", 1)
    async with small.running() as service:
        await accepted(service, "buyer", order("k"), "m")
        monkeypatch.setattr(journal, "save_snapshot", _full)
    assert journal.latest_snapshot() is None
    assert len(recover(journal).orders) == 1


def _full(_: Snapshot) -> None:
    raise FULL
