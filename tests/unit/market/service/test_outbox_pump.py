from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from market.adapters.memory_bus import MemoryBroker, MemoryMarketBus
from market.journal_errors import JournalFullError
from market.ports import Decided, Entry, OutboxMessage
from market.service import outbox_pump
from market.service.outbox_pump import OutboxPump
from takt_sdk.wall_clock import WallClock
from tests.unit.market.service.small_market import (
    DEADLINE_S,
    MARKET,
    BreakableJournal,
    SmallMarket,
    accepted,
    order,
    until,
)


def _message(participant: str, number: int, size: int = 10) -> OutboxMessage:
    return OutboxMessage(
        message_id=f"m-{participant}-{number}", channel="notice", participant=participant, body=b"x" * size
    )


def _store(journal: BreakableJournal, *messages: OutboxMessage) -> None:
    entry = Entry(now_us=1, source="test", message=b"{}", events=b"[]", engine_version="1", rules_version=1)
    journal.append([Decided(entry=entry, outbox=messages)])


async def _received(broker: MemoryBroker, participant: str, count: int) -> list[str]:
    """Take and acknowledge messages until there were ``count``."""
    found: list[str] = []
    async with asyncio.timeout(DEADLINE_S):
        async for delivery, acknowledge in broker.participant(participant).deliveries():
            await acknowledge()
            found.append(delivery.message_id)
            if len(found) == count:
                break
    return found


@contextlib.asynccontextmanager
async def _pumping(journal: BreakableJournal, bus: MemoryMarketBus) -> AsyncIterator[OutboxPump]:
    pump = OutboxPump(journal, bus, WallClock())
    running = asyncio.create_task(pump.run())
    try:
        yield pump
        assert not running.done()
    finally:
        running.cancel()
        await asyncio.wait([running])


@pytest.fixture
def journal() -> BreakableJournal:
    return BreakableJournal()


async def test_what_was_not_acknowledged_is_sent_again_after_a_restart_and_then_no_more(
    journal: BreakableJournal,
) -> None:
    messages = [_message("anna", number) for number in range(3)]
    _store(journal, *messages)
    broker = MemoryBroker(MARKET)
    async with _pumping(journal, broker.market()):
        assert await _received(broker, "anna", 1) == ["m-anna-0"]
        await until(lambda: len(journal.open_outbox()) == 2)
    broker = MemoryBroker(MARKET)  # the stream was lost: the journal has what matters
    async with _pumping(journal, broker.market()) as pump:
        assert await _received(broker, "anna", 2) == ["m-anna-1", "m-anna-2"]
        await until(lambda: pump.open_count == 0)
    assert journal.open_outbox() == []


async def test_a_full_mailbox_holds_up_nobody_else_and_is_filled_again_later(
    journal: BreakableJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_pump, "RETRY_S", 0.01)
    broker = MemoryBroker(MARKET, mailbox_messages=2)
    _store(
        journal,
        *(_message("anna", number) for number in range(5)),
        *(_message("bert", number) for number in range(2)),
    )
    async with _pumping(journal, broker.market()) as pump:
        assert await _received(broker, "bert", 2) == ["m-bert-0", "m-bert-1"]
        assert await _received(broker, "anna", 5) == [f"m-anna-{number}" for number in range(5)]
        await until(lambda: pump.open_count == 0)


async def test_a_message_too_large_for_the_bus_is_dropped_and_the_next_one_comes(
    journal: BreakableJournal,
) -> None:
    broker = MemoryBroker(MARKET, max_payload=100)
    _store(journal, _message("anna", 0, size=101), _message("anna", 1))
    async with _pumping(journal, broker.market()) as pump:
        assert await _received(broker, "anna", 1) == ["m-anna-1"]
        await until(lambda: pump.open_count == 0)
    assert journal.open_outbox() == []


async def test_acknowledgements_that_the_journal_cannot_take_are_kept_for_later(
    journal: BreakableJournal,
) -> None:
    journal.close_failures = [JournalFullError("memory", "no space")] * 3
    broker = MemoryBroker(MARKET)
    _store(journal, _message("anna", 0))
    async with _pumping(journal, broker.market()) as pump:
        assert await _received(broker, "anna", 1) == ["m-anna-0"]
        await until(lambda: pump.open_count == 0)
    assert not journal.close_failures
    assert journal.open_outbox() == []


async def test_a_silent_participant_is_sent_its_message_again_after_a_gap(
    journal: BreakableJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_pump, "RESEND_S", 0.02)
    broker = MemoryBroker(MARKET)
    _store(journal, _message("anna", 0))
    async with _pumping(journal, broker.market()) as pump:
        await until(lambda: bool(broker.mailboxes.get("anna") and broker.mailboxes["anna"].waiting))
        broker.mailboxes.clear()  # the bus lost it
        assert await _received(broker, "anna", 1) == ["m-anna-0"]
        await until(lambda: pump.open_count == 0)


async def test_a_market_started_again_sends_its_calls_again(journal: BreakableJournal) -> None:
    small = SmallMarket(journal=journal)
    async with small.running() as service:
        await accepted(service, "buyer", order("k"), "m-1")
        await small.pass_time(service, 0)
    assert {message.participant for message in journal.open_outbox()} >= {"anna", "bert"}
    small.broker = MemoryBroker(MARKET)
    async with small.running() as service:
        for plant in ("anna", "bert"):
            assert len(await _received(small.broker, plant, 1)) == 1
        await until(lambda: {message.participant for message in journal.open_outbox()} <= {"buyer"})
        assert not service.is_settled or service.pump.open_count == 0
