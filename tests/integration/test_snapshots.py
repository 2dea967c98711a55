"""Snapshots are taken while a market runs, by another process, and a restart begins from the last one."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from market.adapters.codec import state_digest
from market.adapters.journal import open_journal
from market.adapters.journal_follower import open_follower
from market.adapters.manual_clock import ManualClock
from market.adapters.memory_bus import MemoryBroker
from market.journal_errors import JournalFormatError, JournalUnavailableError
from market.ports import Snapshot
from market.service import recovery as recovery_module
from market.service.clearing_worker import InlineClearer
from market.service.lottery import Lottery
from market.service.recovery import recover, restart
from market.service.service import MarketService
from market.service.snapshots import Folder, InlineFolder, ProcessFolder
from takt_sdk.wall_clock import OsEntropy
from tests.unit.market.service.small_market import MARKET, START_US, accepted, opening, order, until


async def run(path: Path, folder: Folder, orders: int) -> str:
    """Run a market of so many orders; return the digest of its state."""
    with closing(open_journal(path, entropy=OsEntropy())) as journal:
        service = MarketService(
            journal,
            MemoryBroker(MARKET).market(),
            clock=ManualClock(START_US),
            clearer=InlineClearer(),
            lottery=Lottery(bytes(32)),
            folder=folder,
            tick_s=None,
        )
        async with service:
            for number, command in enumerate(opening()):
                await accepted(service, "operator", command, f"set-up-{number}")
            for number in range(orders):
                await accepted(service, "buyer", order(f"k-{number}"), f"m-{number}")
            await until(lambda: service.snapshots.taken_us is not None or bool(service.snapshots.failures))
            return state_digest(service.state_of().state)


async def test_a_snapshot_is_taken_meanwhile_and_bounds_what_a_restart_folds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery_module, "SNAPSHOT_ENTRIES", 20)
    path = tmp_path / "journal.db"
    digest = await run(path, ProcessFolder(path), 30)
    with closing(open_journal(path, entropy=OsEntropy())) as journal:
        latest = journal.latest_snapshot()
        assert latest is not None
        assert latest.size >= 20
        state, held = restart(journal)
        assert (held, state_digest(state)) == (latest.size, digest)


class _Failing(InlineFolder):
    async def fold(self) -> Snapshot:
        raise JournalUnavailableError("here", "for some reason")


async def test_a_snapshot_that_fails_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery_module, "SNAPSHOT_ENTRIES", 20)
    path = tmp_path / "journal.db"
    with closing(open_journal(tmp_path / "other.db", entropy=OsEntropy())) as other:
        digest = await run(path, _Failing(other), 30)
    with closing(open_journal(path, entropy=OsEntropy())) as journal:
        assert state_digest(recover(journal)) == digest


def test_a_reader_sees_what_is_committed_while_the_writer_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with pytest.raises(JournalUnavailableError, match="no such file"):
        open_follower(path)
    with closing(open_journal(path, entropy=OsEntropy())) as journal, closing(open_follower(path)) as reader:
        assert reader.head() == journal.head()
        with pytest.raises(JournalUnavailableError, match="reading only"):
            reader.close_outbox(["m-1"])
    (tmp_path / "else.db").touch()
    with pytest.raises(JournalFormatError, match="no journal"):
        open_follower(tmp_path / "else.db")
