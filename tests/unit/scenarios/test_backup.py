"""Backup and restore of a folder's journal and keys, without a market in between."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from market.adapters.journal import open_journal
from scenarios.backup import Head, back_up, checked_head, restore
from scenarios.errors import RunError
from scenarios.market_folder import MarketFolder
from takt_sdk.wall_clock import OsEntropy
from tests.integration.journal_writer import numbered


def grown(folder: MarketFolder, entries: int) -> Head:
    """Append so many entries to the folder's journal; return its head."""
    folder.path.mkdir(exist_ok=True)
    with closing(open_journal(folder.journal, entropy=OsEntropy())) as journal:
        size = journal.head().size
        _, head = journal.append([numbered(size + at) for at in range(entries)])
    return Head(size=head.size, root=head.root.hex())


@pytest.fixture
def folder(tmp_path: Path) -> MarketFolder:
    made = MarketFolder(tmp_path / "market")
    made.path.mkdir()
    made.secret("operator")
    (made.nats / "store").mkdir(parents=True)
    (made.nats / "store" / "stream").write_text("a cache")
    made.escrow.mkdir()
    (made.escrow / "round").write_text("a key that would open bids")
    return made


def test_a_backup_holds_the_journal_and_the_keys_but_no_cache_and_no_escrow(
    folder: MarketFolder, tmp_path: Path
) -> None:
    head = grown(folder, 20)
    with closing(open_journal(folder.journal, entropy=OsEntropy())):  # its writer goes on
        assert back_up(folder, tmp_path / "copy") == head
    names = {str(file.relative_to(tmp_path / "copy")) for file in (tmp_path / "copy").rglob("*")}
    assert names == {"backup.json", "journal.db", "keys", "keys/operator", "nats"}
    assert (tmp_path / "copy").stat().st_mode & 0o077 == 0
    back_up(folder, tmp_path / "bare", keys=False)
    assert {file.name for file in (tmp_path / "bare").iterdir()} == {"backup.json", "journal.db"}
    with pytest.raises(RunError, match="exists"):
        back_up(folder, tmp_path / "copy")
    with pytest.raises(RunError, match="no journal"):
        back_up(MarketFolder(tmp_path / "empty"), tmp_path / "else")


def test_a_restore_brings_back_what_was_there_and_moves_the_rest_aside(
    folder: MarketFolder, tmp_path: Path
) -> None:
    head = grown(folder, 20)
    back_up(folder, tmp_path / "copy")
    other = MarketFolder(tmp_path / "other")
    assert restore(tmp_path / "copy", other) == (head, None)
    assert checked_head(other.journal) == head
    assert other.secret("operator") == folder.secret("operator")
    later = grown(folder, 5)
    with pytest.raises(RunError, match="5 acknowledged ones would be lost"):
        restore(tmp_path / "copy", folder)
    assert checked_head(folder.journal) == later
    _, aside = restore(tmp_path / "copy", folder, lose_newer=True)
    assert aside is not None
    assert checked_head(aside / "journal.db") == later
    assert checked_head(folder.journal) == head
    assert not (folder.nats / "store").exists(), "it knew a later history"
    restore(tmp_path / "copy", folder)
    assert (folder.path / "replaced-2").exists()


def test_a_restore_holds_the_backup_against_what_is_known(folder: MarketFolder, tmp_path: Path) -> None:
    head = grown(folder, 20)
    back_up(folder, tmp_path / "copy")
    other = MarketFolder(tmp_path / "other")
    with pytest.raises(RunError, match="1 acknowledged ones would be lost"):
        restore(tmp_path / "copy", other, known=Head(size=21, root="0" * 64))
    with pytest.raises(RunError, match="another history"):
        restore(tmp_path / "copy", other, known=Head(size=20, root="0" * 64))
    assert not other.journal.exists()
    restore(tmp_path / "copy", other, known=head)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE entries SET now_us = now_us + 1 WHERE position = 7",
        "DELETE FROM entries WHERE position = 7",
        "DELETE FROM entries WHERE position = 19",
    ],
)
def test_a_damaged_backup_is_named_and_not_restored(
    folder: MarketFolder, tmp_path: Path, damage: str
) -> None:
    grown(folder, 20)
    back_up(folder, tmp_path / "copy")
    with closing(sqlite3.connect(tmp_path / "copy" / "journal.db")) as database:
        database.execute(damage)
        database.commit()
    with pytest.raises(RunError, match=r"position 7|tree head of size 20"):
        restore(tmp_path / "copy", MarketFolder(tmp_path / "other"))
    assert not (tmp_path / "other").exists()
