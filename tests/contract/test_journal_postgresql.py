"""The journal contract over PostgreSQL, and what only a server can meet."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from market.adapters.journal import open_journal as open_database
from market.adapters.journal_audit import audit_tree
from market.adapters.journal_reader import JournalReader
from market.adapters.journal_sql import SqlJournal
from market.journal_errors import (
    JournalBackupError,
    JournalBusyError,
    JournalClosedError,
    JournalFormatError,
    JournalFullError,
    JournalLockedError,
    JournalSettingError,
    JournalUnavailableError,
    JournalUnknownError,
    JournalVersionError,
)
from market.ports import Decided
from market.service.chain import check_chain
from tests.contract.journal_contract import (
    FIRST_RELEASE,
    SIGNED,
    CountingEntropy,
    OpenJournal,
    StoredJournalContract,
    decided,
    keys,
    row,
    signed,
)
from tests.integration.postgresql_server import PASSWORD, PostgresqlServer, available

OpenUrl = Callable[[], SqlJournal]


@pytest.fixture(scope="module")
def running_server() -> Iterator[PostgresqlServer]:
    server = PostgresqlServer(available())
    try:
        server.start()
        yield server
    finally:
        server.discard()


@pytest.fixture
def server(running_server: PostgresqlServer) -> PostgresqlServer:
    execute(running_server, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    return running_server


def execute(server: PostgresqlServer, *statements: str) -> None:
    with psycopg.connect(server.conninfo, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@pytest.fixture
def open_url(server: PostgresqlServer) -> Iterator[OpenUrl]:
    opened: list[SqlJournal] = []

    def open_journal() -> SqlJournal:
        opened.append(open_database(server.url, entropy=CountingEntropy()))
        return opened[-1]

    yield open_journal
    for journal in opened:
        journal.close()


@pytest.fixture
def journal(open_url: OpenUrl) -> SqlJournal:
    return open_url()


class TestPostgresqlJournal(StoredJournalContract):
    @pytest.fixture
    def open_journal(self, open_url: OpenUrl) -> OpenJournal:
        return open_url


def test_a_second_writer_is_refused_without_the_password(journal: SqlJournal, open_url: OpenUrl) -> None:
    with pytest.raises(JournalLockedError, match="another writer") as caught:
        open_url()
    assert PASSWORD not in str(caught.value)
    journal.close()
    with closing(open_url()) as again:
        assert again.head().size == 0


def test_two_schemas_hold_two_journals(server: PostgresqlServer, journal: SqlJournal) -> None:
    execute(server, "DROP SCHEMA IF EXISTS north CASCADE", "CREATE SCHEMA north")
    url = f"{server.url}&options=-csearch_path=north"
    with closing(open_database(url, entropy=CountingEntropy())) as north:
        north.append([decided(0), decided(1)])
        journal.append([decided(0)])
        assert (north.head().size, journal.head().size) == (2, 1)


def test_readers_cannot_write(journal: SqlJournal) -> None:
    with journal._store.readers.connect() as connection, pytest.raises(Exception, match="read-only"):
        connection.exec_driver_sql("DELETE FROM entries")


def test_a_server_that_does_not_fsync_is_refused() -> None:
    server = PostgresqlServer(available())
    try:
        server.start("fsync=off")
        with pytest.raises(JournalSettingError, match="fsync must be 'on'; was 'off'"):
            open_database(server.url, entropy=CountingEntropy())
    finally:
        server.discard()


def test_a_role_that_gave_up_durable_commits_gets_them_back(server: PostgresqlServer) -> None:
    execute(server, "ALTER ROLE takt SET synchronous_commit = off")
    try:
        with closing(open_database(server.url, entropy=CountingEntropy())) as journal:
            found = journal._store.writer.exec_driver_sql("SHOW synchronous_commit").scalar()
            journal._store.writer.rollback()
            assert found == "on"
    finally:
        execute(server, "ALTER ROLE takt RESET synchronous_commit")


def test_another_programs_database_is_refused(server: PostgresqlServer, open_url: OpenUrl) -> None:
    execute(server, "CREATE TABLE invoices (id bigint)")
    with pytest.raises(JournalFormatError, match="was a database of invoices"):
        open_url()


def test_a_newer_journal_is_refused(server: PostgresqlServer, open_url: OpenUrl) -> None:
    open_url().close()
    execute(server, "UPDATE journal_format SET version = 9")
    with pytest.raises(JournalVersionError, match="at most 2; was 9"):
        open_url()


def test_a_journal_of_the_first_release_is_brought_up_to_date(
    server: PostgresqlServer, open_url: OpenUrl
) -> None:
    with closing(open_url()) as journal:
        journal.append([decided(0), decided(1)])
        before = list(journal.read()), journal.head()
    execute(server, *FIRST_RELEASE)
    with closing(open_url()) as journal:
        assert (list(journal.read()), journal.head()) == before
        journal.append([Decided(entry=SIGNED)], sign=signed)
        assert [one.entry for one in journal.read(2)] == [SIGNED]
        assert audit_tree(journal, location=journal.location) == journal.head()


def test_an_auditor_reads_it_beside_the_writer(server: PostgresqlServer, open_url: OpenUrl) -> None:
    with closing(open_url()) as journal:
        journal.append([decided(0), Decided(entry=SIGNED)], sign=signed)
        with JournalReader(server.url) as log:
            assert list(log.read()) == list(journal.read())
            assert check_chain(log).head == journal.head()


@pytest.mark.parametrize("change", [("only-in-tests", "wrong"), ("host=/", "host=/nowhere/")])
def test_a_server_that_cannot_be_reached_is_named(server: PostgresqlServer, change: tuple[str, str]) -> None:
    with pytest.raises(JournalUnavailableError, match=r"postgresql\+psycopg://takt:\*\*\*@") as caught:
        open_database(server.url.replace(*change), entropy=CountingEntropy())
    assert "wrong" not in str(caught.value)


def test_without_the_driver_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(JournalUnavailableError, match=r"pip install 'takt\[postgresql\]'"):
        open_database("postgresql://takt@localhost/takt", entropy=CountingEntropy())


def test_a_table_that_another_session_locks_is_busy_then_goes_on(server: PostgresqlServer) -> None:
    url = f"{server.url}&options=-clock_timeout=50"
    with closing(open_database(url, entropy=CountingEntropy())) as journal:
        with psycopg.connect(server.conninfo) as other:
            other.execute("LOCK TABLE entries")
            with pytest.raises(JournalBusyError, match="another session is in the way"):
                journal.append([decided(0)])
        assert journal.append([decided(0)])[1].size == 1


@pytest.mark.parametrize("moment", ["", "CONSTRAINT"])
def test_a_server_without_space_refuses_the_batch_and_goes_on(
    server: PostgresqlServer, journal: SqlJournal, moment: str
) -> None:
    """A trigger says what a full disk says: at the statement, or (as a constraint) at COMMIT."""
    deferred = "DEFERRABLE INITIALLY DEFERRED" if moment else ""
    execute(
        server,
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'no more' USING ERRCODE = 'disk_full'; END $$",
        f"CREATE {moment} TRIGGER full_disk AFTER INSERT ON orders {deferred} "
        "FOR EACH ROW EXECUTE FUNCTION full_disk()",
    )
    with pytest.raises(JournalFullError, match="no space left"):
        journal.append([decided(0, rows=(row("a"),))])
    assert journal.head().size == 0
    execute(server, "DROP TRIGGER full_disk ON orders")
    assert journal.append([decided(0, rows=(row("a"),))])[1].size == 1
    assert audit_tree(journal, location=journal.location) == journal.head()


def test_a_backup_is_the_servers_business(journal: SqlJournal, tmp_path: Path) -> None:
    with pytest.raises(JournalBackupError, match="pg_dump"):
        journal.backup_to(tmp_path / "backup.db")


def test_a_crashed_server_ends_the_journal_and_loses_nothing(
    running_server: PostgresqlServer, journal: SqlJournal, open_url: OpenUrl
) -> None:
    journal.append([decided(0, rows=(row("a"),))])
    _, head = journal.append([decided(1, rows=(row("b"),))])
    running_server.kill()
    for _ in range(2):
        with pytest.raises((JournalUnavailableError, JournalUnknownError)):
            journal.append([decided(2, rows=(row("c"),))])
    running_server.start()
    with pytest.raises((JournalUnavailableError, JournalUnknownError)):
        journal.append([decided(2, rows=(row("c"),))])
    journal.close()
    with pytest.raises(JournalClosedError):
        journal.head()
    with closing(open_url()) as again:
        assert audit_tree(again, location=again.location) == head
        assert keys(again.rows("orders")) == ["a", "b"]
        assert again.append([decided(2)])[1].size == 3


def test_a_session_that_the_server_ended_frees_the_lock(
    server: PostgresqlServer, journal: SqlJournal, open_url: OpenUrl
) -> None:
    journal.append([decided(0)])
    execute(
        server,
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
        "AND backend_type = 'client backend'",
    )
    with pytest.raises(JournalUnavailableError):
        journal.append([decided(1)])
    with closing(open_url()) as again:
        assert again.append([decided(1)])[1].size == 2
