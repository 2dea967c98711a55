"""The SQLite store of a journal: one file in WAL mode, its settings, lock, errors and backup.

It holds what differs from other databases; `market.adapters.journal_sql` holds the journal itself.
The writer is one connection for life. Readers have connections of their own that cannot write.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from sqlalchemy import URL, Connection, Engine, Insert, Table, create_engine, event
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from market.adapters.sqlite_rows import RowWriter
from market.journal_errors import (
    JournalBackupError,
    JournalBusyError,
    JournalError,
    JournalFormatError,
    JournalFullError,
    JournalLockedError,
    JournalSettingError,
    JournalUnavailableError,
)

OLDEST_SQLITE = (3, 37, 0)
"""The first release with STRICT tables."""

_FULL = frozenset({"SQLITE_FULL", "SQLITE_IOERR_SHMSIZE"})
_BUSY = frozenset({"SQLITE_BUSY", "SQLITE_BUSY_SNAPSHOT", "SQLITE_BUSY_RECOVERY", "SQLITE_BUSY_TIMEOUT"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteSettings:
    """How a journal file is kept.

    ``durable`` False skips every fsync: for throw-away runs only, an acknowledgement then survives
    the death of the process but not a loss of power. ``max_pages`` bounds the file (pages of 4 KiB).
    """

    durable: bool = True
    busy_timeout_ms: int = 5_000
    checkpoint_pages: int = 4_000
    max_pages: int | None = None

    def pragmas(self) -> Mapping[str, int | str]:
        """Return what every connection is given, and must then report."""
        pragmas: dict[str, int | str] = {
            "journal_mode": "wal",
            "synchronous": 2 if self.durable else 0,
            "fullfsync": 1 if self.durable else 0,
            "foreign_keys": 1,
            "busy_timeout": self.busy_timeout_ms,
            "wal_autocheckpoint": self.checkpoint_pages,
        }
        if self.max_pages is not None:
            pragmas["max_page_count"] = self.max_pages
        return pragmas


class SqliteStore:
    """An open journal file.

    Raises
    ------
    JournalLockedError
        If another writer has the file open, in this process or another.
    JournalSettingError
        If a setting is not in force, e.g. on a file system without shared memory maps.
    JournalFormatError
        If the file is not a SQLite database.
    JournalUnavailableError
        If the file cannot be opened.
    """

    def __init__(self, path: Path, settings: SqliteSettings) -> None:
        self.path = path.resolve()
        self.location = str(self.path)
        self.durable = settings.durable
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            raise JournalSettingError(
                self.location,
                setting="SQLite",
                value=sqlite3.sqlite_version,
                expected=">= " + ".".join(map(str, OLDEST_SQLITE)),
            )
        self._settings = settings
        self._rows = RowWriter()
        self._lock = self._acquire_lock()
        try:
            self.readers = self._engine(writes=False)
            self._writers = self._engine(writes=True)
            self.writer = self._connect()
        except BaseException:
            self._lock.release()
            raise

    def upsert(self, table: Table) -> Insert:
        """Return the statement that writes a row of a read model unless it is another tenant's."""
        statement = insert(table)
        new = statement.excluded
        return statement.on_conflict_do_update(
            index_elements=[table.c.key],
            set_={name: new[name] for name in ("status", "updated_us", "document")},
            where=table.c.tenant == new.tenant,
        )

    def insert_new(self, table: Table) -> Insert:
        """Return the statement that inserts a row unless its key is taken."""
        return insert(table).on_conflict_do_nothing()

    def write(self, connection: Connection, statement: Insert, rows: Sequence[Mapping[str, Any]]) -> int:
        """Execute a single-row INSERT for many rows; return how many were written."""
        return self._rows.write(connection, statement, rows)

    def translate(self, error: DBAPIError) -> JournalError:
        """Return the journal's error for one of the driver's."""
        name = getattr(error.orig, "sqlite_errorname", "")
        detail = f"{name or type(error.orig).__name__}: {error.orig}"
        if name in _FULL:
            return JournalFullError(self.location, f"no space left ({detail})")
        if name in _BUSY:
            waited_ms = self._settings.busy_timeout_ms
            return JournalBusyError(self.location, f"another program locked it for {waited_ms} ms ({detail})")
        if name == "SQLITE_NOTADB":
            return JournalFormatError(self.location, f"must be a SQLite database ({detail})")
        return JournalUnavailableError(self.location, detail)

    def is_rolled_back(self, error: DBAPIError) -> bool:
        """Return whether a failed COMMIT certainly stored nothing.

        A commit that finds no space or no lock stops before its last frame is in the log; after
        any other failure (of an fsync) nobody can tell.
        """
        return isinstance(self.translate(error), JournalFullError | JournalBusyError)

    def backup_to(self, path: Path) -> None:
        """Copy the journal as of now to a new file, while it is being written.

        Raises
        ------
        JournalBackupError
            If ``path`` exists or cannot be written; no file is left behind.
        """
        if path.exists():
            raise JournalBackupError(self.location, f"backup path must not exist; was {path}")
        partial = path.with_name(path.name + ".partial")
        try:
            partial.unlink(missing_ok=True)
            self._copy_to(partial)
            _fsync(partial)
            partial.rename(path)
            _fsync(path.parent)
        except (OSError, sqlite3.Error) as error:
            partial.unlink(missing_ok=True)
            raise JournalBackupError(self.location, f"backup to {path} failed: {error}") from error

    def size_bytes(self) -> int:
        """Return the size of the file and its log."""
        files = (self.path, self.path.with_name(self.path.name + "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def close(self) -> None:
        """Close the connections, which checkpoints the log into the file, then free the lock."""
        try:
            self.writer.close()
            self.readers.dispose()
            self._writers.dispose()
        finally:
            self._lock.release()

    def _acquire_lock(self) -> FileLock:
        if not self.path.parent.is_dir():
            raise JournalUnavailableError(
                self.location, f"directory {self.path.parent} must exist; was missing"
            )
        lock = FileLock(self.location + ".lock", timeout=0, fallback_to_soft=False, thread_local=False)
        try:
            lock.acquire()
        except Timeout:
            raise JournalLockedError(self.location) from None
        except OSError as error:
            raise JournalUnavailableError(self.location, f"cannot create its lock file: {error}") from error
        return lock

    def _engine(self, *, writes: bool) -> Engine:
        engine = create_engine(
            URL.create("sqlite", database=self.location),
            isolation_level=None if writes else "AUTOCOMMIT",
            connect_args={"isolation_level": None, "check_same_thread": False},
        )

        @event.listens_for(engine, "connect")
        def set_up(driver: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
            for pragma, value in self._settings.pragmas().items():
                driver.execute(f"PRAGMA {pragma} = {value}")
            if not writes:
                # Releases before 3.51.3 can lose commits when two connections checkpoint at once: one may.
                driver.execute("PRAGMA wal_autocheckpoint = 0")
                driver.execute("PRAGMA query_only = 1")

        if writes:

            @event.listens_for(engine, "begin")
            def begin(connection: Connection) -> None:
                connection.exec_driver_sql("BEGIN IMMEDIATE")

        return engine

    def _connect(self) -> Connection:
        try:
            connection = self._writers.connect()
        except DBAPIError as error:
            raise self.translate(error) from error
        for pragma, expected in self._settings.pragmas().items():
            value = _driver(connection).execute(f"PRAGMA {pragma}").fetchone()[0]
            if value != expected:
                connection.close()
                raise JournalSettingError(
                    self.location,
                    setting=f"PRAGMA {pragma}",
                    value=value,
                    expected=expected,
                )
        return connection

    def _copy_to(self, path: Path) -> None:
        with closing(sqlite3.connect(path)) as target, self.readers.connect() as connection:
            _driver(connection).backup(target)


def _driver(connection: Connection) -> sqlite3.Connection:
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
