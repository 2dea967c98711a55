"""A disk that fills up: appends are refused whole, reads go on, and space brings the journal back."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from market.adapters.journal import open_journal
from market.adapters.journal_audit import audit_tree
from market.adapters.journal_sql import SqlJournal
from market.journal_errors import JournalBackupError, JournalFullError
from takt_sdk.wall_clock import OsEntropy
from tests.integration.journal_checks import assert_kept, told
from tests.integration.journal_writer import numbered
from tests.integration.small_disk import fill, mounted_disk
from tests.integration.test_journal_crash import WRITER

BATCH = 50


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted_disk(tmp_path, 4) as disk:
        yield disk


def append_until_full(journal: SqlJournal) -> None:
    for _ in range(10_000):
        size = journal.head().size
        try:
            journal.append([numbered(size + at) for at in range(BATCH)])
        except JournalFullError:
            return
    pytest.fail("the disk never filled up")


def test_a_full_disk(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 1_500_000)
    path = small_disk / "market.db"
    with closing(open_journal(path, entropy=OsEntropy())) as journal:
        append_until_full(journal)
        head = journal.head()
        assert head.size > 0
        for _ in range(3):
            with pytest.raises(JournalFullError, match=f"journal {path}: no space left"):
                journal.append([numbered(head.size + at) for at in range(BATCH)])
        assert journal.head() == head == audit_tree(journal, location=journal.location)
        assert len(journal.rows("orders", limit=10_000)) == len(journal.open_outbox()) == head.size
        with pytest.raises(JournalBackupError, match="full"):
            journal.backup_to(small_disk / "backup.db")
        assert not list(small_disk.glob("backup*"))

        ballast.unlink()
        _, grown = journal.append([numbered(head.size + at) for at in range(BATCH)])
        assert grown.size == head.size + BATCH
        heads = list(journal.heads())
    assert assert_kept(path, heads) == grown.size


def test_a_journal_that_crashed_on_a_full_disk_opens_when_there_is_space(small_disk: Path) -> None:
    path = small_disk / "market.db"
    run = subprocess.run(
        [*WRITER, str(path), "--batches=8", "--batch-size=20", "--die"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    acknowledged = told(run.stdout).acknowledged
    assert len(acknowledged) == 8
    assert path.with_name("market.db-wal").exists()
    path.with_name("market.db-shm").unlink()
    fill(small_disk / "ballast")
    with pytest.raises(JournalFullError, match=f"journal {path}: no space left"):
        open_journal(path, entropy=OsEntropy())
    (small_disk / "ballast").unlink()
    assert assert_kept(path, acknowledged) == acknowledged[-1].size
