"""The journal contract over SQLite, and what only a file can meet."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, Table, insert, select

from market.adapters import journal_sqlite
from market.adapters.journal import open_journal as open_database
from market.adapters.journal_audit import audit_tree
from market.adapters.journal_schema import MIGRATIONS, Migration, upgrade_schema
from market.adapters.journal_sql import SqlJournal
from market.adapters.journal_sqlite import SqliteSettings
from market.journal_errors import (
    JournalBackupError,
    JournalBusyError,
    JournalCorruptError,
    JournalFormatError,
    JournalFullError,
    JournalLockedError,
    JournalSettingError,
    JournalUnavailableError,
    JournalUnknownError,
    JournalVersionError,
)
from market.ports import Decided
from tests.contract.journal_contract import (
    FIRST_RELEASE,
    SIGNED,
    CountingEntropy,
    OpenJournal,
    StoredJournalContract,
    decided,
    ids,
    keys,
    message,
    row,
    signed,
    snapshot,
)

OpenSettings = Callable[[SqliteSettings], SqlJournal]


class TestSqliteJournal(StoredJournalContract):
    @pytest.fixture
    def open_journal(self, path: Path) -> OpenJournal:
        return lambda: open_database(path, entropy=CountingEntropy())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "market.db"


@pytest.fixture
def open_with(path: Path) -> Iterator[OpenSettings]:
    opened: list[SqlJournal] = []

    def open_journal(settings: SqliteSettings) -> SqlJournal:
        opened.append(open_database(path, entropy=CountingEntropy(), sqlite=settings))
        return opened[-1]

    yield open_journal
    for journal in opened:
        journal.close()


@pytest.fixture
def journal(open_with: OpenSettings) -> SqlJournal:
    return open_with(SqliteSettings())


def execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


# --- settings --------------------------------------------------------------------------------


def test_durability_is_in_force_on_the_writing_connection(journal: SqlJournal) -> None:
    assert journal.durable
    writer = journal._store.writer
    for pragma, value in (("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)):
        found = writer.connection.driver_connection.execute(f"PRAGMA {pragma}").fetchone()  # type: ignore[union-attr]
        assert found == (value,)


def test_without_durability_it_says_so(open_with: OpenSettings) -> None:
    assert not open_with(SqliteSettings(durable=False)).durable


def test_readers_cannot_write(journal: SqlJournal) -> None:
    with journal._store.readers.connect() as connection, pytest.raises(Exception, match="readonly"):
        connection.exec_driver_sql("DELETE FROM entries")


def test_readers_never_checkpoint(journal: SqlJournal) -> None:
    with journal._store.readers.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA wal_autocheckpoint").scalar() == 0


def test_a_setting_that_is_not_in_force_is_named(path: Path) -> None:
    """A file that is larger already cannot be bounded to one page, whatever is asked of it."""
    open_database(path, entropy=CountingEntropy()).close()
    with pytest.raises(JournalSettingError, match=r"PRAGMA max_page_count must be 1; was \d+") as caught:
        open_database(path, entropy=CountingEntropy(), sqlite=SqliteSettings(max_pages=1))
    assert caught.value.setting == "PRAGMA max_page_count"
    open_database(path, entropy=CountingEntropy()).close()


def test_a_sqlite_without_strict_tables_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_sqlite, "OLDEST_SQLITE", (99, 0, 0))
    with pytest.raises(JournalSettingError, match=r"SQLite must be '>= 99.0.0'; was '3"):
        open_database(path, entropy=CountingEntropy())


def test_tables_are_strict(journal: SqlJournal, path: Path) -> None:
    journal.append([decided(0)])
    with pytest.raises(sqlite3.IntegrityError, match="cannot store TEXT value in INTEGER column"):
        execute(path, "UPDATE entries SET now_us = 'noon'")


# --- opening ---------------------------------------------------------------------------------


def test_a_second_writer_is_refused_and_told_the_path(journal: SqlJournal, path: Path) -> None:
    with pytest.raises(JournalLockedError, match=str(path)) as caught:
        open_database(path, entropy=CountingEntropy())
    assert caught.value.location == str(path)
    journal.append([decided(0)])
    journal.close()
    with closing(open_database(path, entropy=CountingEntropy())) as again:
        assert again.head().size == 1


def test_a_second_writer_by_another_name_of_the_file_is_refused(journal: SqlJournal, tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(journal.location)
    with pytest.raises(JournalLockedError, match=journal.location):
        open_database(link, entropy=CountingEntropy())


def test_a_second_process_is_refused(journal: SqlJournal, path: Path) -> None:
    program = (
        "import sys\n"
        "from market.adapters.journal import open_journal\n"
        "from takt_sdk.wall_clock import OsEntropy\n"
        "open_journal(sys.argv[1], entropy=OsEntropy())\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 1
    assert f"JournalLockedError: journal {path}: another writer has it open" in run.stderr
    assert journal.head().size == 0


def test_a_failed_opening_leaves_no_lock(path: Path) -> None:
    path.write_bytes(b"not a database at all, but long enough to look like one" * 50)
    for _ in range(2):
        with pytest.raises(JournalFormatError, match="SQLITE_NOTADB"):
            open_database(path, entropy=CountingEntropy())
    path.unlink()
    with closing(open_database(path, entropy=CountingEntropy())):
        pass


def test_another_programs_database_is_refused_untouched(path: Path) -> None:
    execute(path, "CREATE TABLE invoices (id INTEGER)")
    with pytest.raises(JournalFormatError, match="journal_format must exist; was a database of invoices"):
        open_database(path, entropy=CountingEntropy())
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("invoices",)]


def test_a_journal_without_its_version_is_refused(journal: SqlJournal, path: Path) -> None:
    journal.close()
    execute(path, "DELETE FROM journal_format")
    with pytest.raises(JournalFormatError, match="must have one row; was empty"):
        open_database(path, entropy=CountingEntropy())


def test_a_journal_of_a_newer_release_is_refused(journal: SqlJournal, path: Path) -> None:
    journal.close()
    execute(path, "UPDATE journal_format SET version = 7")
    with pytest.raises(JournalVersionError, match="schema version must be at most 2; was 7") as caught:
        open_database(path, entropy=CountingEntropy())
    assert (caught.value.found, caught.value.supported) == (7, 2)


def test_an_older_journal_is_brought_up_to_date_once(journal: SqlJournal) -> None:
    journal.append([decided(0)])
    table = Table("later", MetaData(), Column("number", Integer))

    def add_table(connection: Connection) -> None:
        table.create(connection)
        connection.execute(insert(table).values(number=1))

    steps = (*MIGRATIONS, Migration(version=3, upgrade=add_table))
    for _ in range(2):
        with journal._store.writer.begin() as transaction:
            upgrade_schema(transaction.connection, journal.location, steps)
    with journal._store.readers.connect() as connection:
        assert connection.scalars(select(table.c.number)).all() == [1]
    journal.close()
    with pytest.raises(JournalVersionError, match="at most 2; was 3"):
        open_database(Path(journal.location), entropy=CountingEntropy())


def test_a_journal_of_the_first_release_is_brought_up_to_date(journal: SqlJournal, path: Path) -> None:
    journal.append([decided(0), decided(1)])
    before = list(journal.read()), journal.head()
    journal.close()
    execute(path, *FIRST_RELEASE)
    with closing(open_database(path, entropy=CountingEntropy())) as later:
        assert (list(later.read()), later.head()) == before
        later.append([Decided(entry=SIGNED)], sign=signed)
        assert [one.entry for one in later.read(2)] == [SIGNED]
        assert audit_tree(later, location=later.location) == later.head()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_migrations_are_numbered_without_gaps() -> None:
    assert [migration.version for migration in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))


@pytest.mark.parametrize("name", ["missing/market.db", "."])
def test_a_path_that_cannot_be_opened_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(JournalUnavailableError, match=str(tmp_path)):
        open_database(tmp_path / name, entropy=CountingEntropy())


def test_a_lock_that_cannot_be_made_is_named(path: Path) -> None:
    path.with_name("market.db.lock").mkdir()
    with pytest.raises(JournalUnavailableError, match="cannot create its lock file"):
        open_database(path, entropy=CountingEntropy())


def test_a_path_or_url_may_name_the_file(tmp_path: Path) -> None:
    for database in (tmp_path / "a.db", str(tmp_path / "b.db"), f"sqlite:///{tmp_path}/c.db"):
        with closing(open_database(database, entropy=CountingEntropy())) as journal:
            assert Path(journal.location).exists()


@pytest.mark.parametrize("url", ["mysql://u:secret@h/db", "sqlite://", "://", "sqlite+aiosqlite:///x"])
def test_another_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(JournalUnavailableError, match="database URL") as caught:
        open_database(url, entropy=CountingEntropy())
    assert "secret" not in str(caught.value)


# --- damage ----------------------------------------------------------------------------------

DAMAGE_SEEN_ON_OPENING = {
    "an entry is dropped from the end": ("DELETE FROM entries WHERE position = 4", 4),
    "a commit is dropped from the end": ("DELETE FROM tree_heads WHERE size = 5", 3),
    "a leaf is changed": ("UPDATE entries SET leaf = zeroblob(32) WHERE position = 1", 0),
    "an entry is missing inside": ("DELETE FROM entries WHERE position = 1", 0),
    "the last head is changed": ("UPDATE tree_heads SET root = zeroblob(32) WHERE size = 5", 0),
    "a frontier is broken": ("INSERT INTO frontiers VALUES (2, zeroblob(40))", 2),
    "a frontier is false": ("INSERT INTO frontiers VALUES (2, zeroblob(32))", 2),
}


@pytest.mark.parametrize("damage", DAMAGE_SEEN_ON_OPENING)
def test_damage_is_seen_on_opening(journal: SqlJournal, path: Path, damage: str) -> None:
    statement, position = DAMAGE_SEEN_ON_OPENING[damage]
    journal.append([decided(number) for number in range(3)])
    journal.append([decided(number) for number in range(2)])
    journal.close()
    execute(path, statement)
    with pytest.raises(JournalCorruptError) as caught:
        open_database(path, entropy=CountingEntropy())
    assert caught.value.position == position
    assert str(path) in str(caught.value)


DAMAGE_SEEN_BY_THE_AUDIT = {
    "a message is changed": ("UPDATE entries SET message = x'00' WHERE position = 1", 1),
    "events are changed": ("UPDATE entries SET events = x'00' WHERE position = 2", 2),
    "a time is changed": ("UPDATE entries SET now_us = now_us + 1 WHERE position = 4", 4),
    "a salt is changed": ("UPDATE entries SET salt = zeroblob(16) WHERE position = 0", 0),
    "a salt is cut": ("UPDATE entries SET salt = x'00' WHERE position = 0", 0),
    "an early head is changed": ("UPDATE tree_heads SET root = zeroblob(32) WHERE size = 3", 0),
    "an early entry is missing": ("DELETE FROM entries WHERE position = 1", 1),
    "the last head is gone": ("DELETE FROM tree_heads WHERE size = 5", 3),
}


@pytest.mark.parametrize("damage", DAMAGE_SEEN_BY_THE_AUDIT)
def test_damage_is_named_by_the_audit(journal: SqlJournal, path: Path, damage: str) -> None:
    statement, position = DAMAGE_SEEN_BY_THE_AUDIT[damage]
    journal.append([decided(number) for number in range(3)])
    journal.append([decided(number) for number in range(2)])
    execute(path, statement)
    with pytest.raises(JournalCorruptError) as caught:
        audit_tree(journal, location=journal.location)
    assert caught.value.position == position


def test_the_audit_compares_with_the_current_head(journal: SqlJournal, path: Path) -> None:
    journal.append([decided(0)])
    journal.append([decided(1)])
    execute(path, "DELETE FROM tree_heads WHERE size = 2", "DELETE FROM entries WHERE position = 1")
    with pytest.raises(JournalCorruptError, match="the current head must be the last one stored"):
        audit_tree(journal, location=journal.location)


def test_a_damaged_snapshot_is_passed_over(journal: SqlJournal, path: Path) -> None:
    journal.append([decided(0), decided(1), decided(2)])
    for size in (1, 2, 3):
        journal.save_snapshot(snapshot(size))
    execute(path, "UPDATE snapshots SET state = x'00' WHERE size = 3")
    assert journal.latest_snapshot() == snapshot(2)
    execute(path, "UPDATE snapshots SET state = x'00'")
    assert journal.latest_snapshot() is None


def test_two_snapshots_are_kept(journal: SqlJournal, path: Path) -> None:
    journal.append([decided(0), decided(1), decided(2)])
    for size in (0, 1, 2, 3):
        journal.save_snapshot(snapshot(size))
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT size FROM snapshots ORDER BY size").fetchall() == [(2,), (3,)]


def append_until_full(journal: SqlJournal) -> int:
    for number in range(100):
        try:
            journal.append([decided(number, rows=(row(f"k{number}", document=b"x" * 50_000),))])
        except JournalFullError:
            return number
    pytest.fail("the file never filled up")


# --- trouble ---------------------------------------------------------------------------------


def test_a_full_file_refuses_the_batch_and_goes_on_when_there_is_space(open_with: OpenSettings) -> None:
    journal = open_with(SqliteSettings(max_pages=200))
    big = decided(0, rows=(row("a", document=b"x" * 100_000),), outbox=(message("m"),))
    stored = append_until_full(journal)
    head = journal.head()
    assert head.size == stored > 3
    with pytest.raises(JournalFullError, match="no space left") as caught:
        journal.append([decided(1), big])
    assert caught.value.retryable
    assert journal.head() == head == audit_tree(journal, location=journal.location)
    assert len(journal.rows("orders")) == stored
    assert list(journal.open_outbox()) == []
    journal._store.writer.exec_driver_sql("PRAGMA max_page_count = 100000")
    journal._store.writer.rollback()
    _, grown = journal.append([decided(1), big])
    assert grown.size == stored + 2
    assert audit_tree(journal, location=journal.location) == grown
    assert ids(journal.open_outbox()) == ["m"]


def test_a_file_that_another_program_locks_is_busy_then_goes_on(open_with: OpenSettings, path: Path) -> None:
    journal = open_with(SqliteSettings(busy_timeout_ms=50))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalBusyError, match="another program locked it for 50 ms"):
            journal.append([decided(0, rows=(row("a"),))])
        other.execute("ROLLBACK")
    _, head = journal.append([decided(0, rows=(row("a"),))])
    assert head.size == 1
    assert keys(journal.rows("orders")) == ["a"]


def test_a_commit_that_fails_in_another_way_ends_the_journal(journal: SqlJournal, path: Path) -> None:
    """A deferred foreign key fails at COMMIT only, as an fsync does."""
    journal.append([decided(0)])
    execute(
        path,
        "CREATE TABLE parents (id INTEGER PRIMARY KEY)",
        "CREATE TABLE children (id INTEGER REFERENCES parents DEFERRABLE INITIALLY DEFERRED)",
        "CREATE TRIGGER orphan AFTER INSERT ON entries BEGIN INSERT INTO children VALUES (7); END",
    )
    for _ in range(2):
        with pytest.raises(JournalUnknownError, match="may be stored"):
            journal.append([decided(1)])
    with pytest.raises(JournalUnknownError):
        journal.close_outbox(["m"])
    assert len(list(journal.read())) == 1
    journal.close()
    execute(path, "DROP TRIGGER orphan")
    with closing(open_database(path, entropy=CountingEntropy())) as again:
        assert again.append([decided(1)])[1].size == 2


def test_a_read_that_fails_is_the_journals_error(journal: SqlJournal, path: Path) -> None:
    execute(path, "DROP TABLE orders")
    with pytest.raises(JournalUnavailableError, match="no such table: orders"):
        journal.rows("orders")


def test_entries_written_behind_its_back_are_not_overwritten(journal: SqlJournal, path: Path) -> None:
    journal.append([decided(0)])
    execute(path, "INSERT INTO entries SELECT 1, 0, '', x'', x'', '', 0, salt, leaf, x'', '' FROM entries")
    with pytest.raises(JournalUnavailableError, match=r"UNIQUE constraint failed: entries\.position"):
        journal.append([decided(1)])
    assert journal.head().size == 1


# --- backup ----------------------------------------------------------------------------------


def test_a_backup_taken_while_writing_is_a_whole_earlier_journal(journal: SqlJournal, tmp_path: Path) -> None:
    journal.append([decided(number, rows=(row(f"k{number}"),)) for number in range(500)])
    stop = threading.Event()
    appended: list[int] = []

    def append() -> None:
        while not stop.is_set():
            number = 500 + len(appended)
            journal.append([decided(number, rows=(row(f"k{number}"),), outbox=(message(f"m{number}"),))])
            appended.append(number)

    thread = threading.Thread(target=append)
    thread.start()
    try:
        for number in range(3):
            journal.backup_to(tmp_path / f"backup-{number}.db")
    finally:
        stop.set()
        thread.join(timeout=30)
    assert not thread.is_alive()
    assert appended
    live = {head.size: head for head in journal.heads()}
    for number in range(3):
        with closing(open_database(tmp_path / f"backup-{number}.db", entropy=CountingEntropy(7))) as restored:
            head = audit_tree(restored, location=restored.location)
            assert live[head.size] == head
            assert len(restored.rows("orders", limit=10_000)) == head.size
            assert len(restored.open_outbox()) == head.size - 500
            assert restored.append([decided(0)])[1].size == head.size + 1
    assert not list(tmp_path.glob("*.partial"))


def test_a_backup_never_overwrites(journal: SqlJournal, tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("keep")
    with pytest.raises(JournalBackupError, match=r"backup path must not exist; was .*precious"):
        journal.backup_to(target)
    assert target.read_text() == "keep"


def test_a_backup_that_fails_leaves_no_file(journal: SqlJournal, tmp_path: Path) -> None:
    with pytest.raises(JournalBackupError, match="failed"):
        journal.backup_to(tmp_path / "missing" / "backup.db")
    assert {path.name.partition(".")[0] for path in tmp_path.iterdir()} == {"market"}
    journal.append([decided(0)])
