"""A disk that fills up: appends are refused whole, reads go on, and space brings the journal back."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
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
from tests.integration.test_journal_crash import WRITER

BATCH = 50


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if not sys.platform.startswith("linux") or os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a small file system needs root on Linux")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"this machine lets nobody mount a tmpfs: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


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


def fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4_096)
        except OSError as error:
            assert error.errno == errno.ENOSPC  # noqa: PT017 - how the loop ends


def test_a_journal_that_crashed_on_a_full_disk_opens_when_there_is_space(small_disk: Path) -> None:
    path = small_disk / "market.db"
    run = subprocess.run(
        [*WRITER, str(path), "--batches=8", "--batch-size=20", "--die"],
        capture_output=True,
        text=True,
        check=False,
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
