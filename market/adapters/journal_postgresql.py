"""The PostgreSQL store of a journal: its connections, the writer's lock, settings and errors.

It holds what differs from other databases; `market.adapters.journal_sql` holds the journal itself.
One journal per schema, the first of the connection's search path.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, Insert, Table, create_engine, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from market.journal_errors import (
    JournalBackupError,
    JournalBusyError,
    JournalError,
    JournalFullError,
    JournalLockedError,
    JournalSettingError,
    JournalUnavailableError,
)

LOCK_NAMESPACE = 0x54414B54
"""First key of the advisory locks; the second is the hash of the schema's name."""
REQUIRED_SETTINGS = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "server_encoding": "UTF8",
}
LOCK_TIMEOUT_MS = 5_000

_DISK_FULL = "53100"
_BUSY = frozenset({"55P03", "57014", "40001", "40P01"})
"""lock_not_available, query_canceled, serialization_failure, deadlock_detected"""


class PostgresqlStore:
    """An open journal in a PostgreSQL schema.

    The URL's own ``options`` come last, so they may change what is not required.

    Raises
    ------
    JournalLockedError
        If another writer has it open.
    JournalSettingError
        If the server does not fsync, or does not keep text as UTF-8.
    JournalUnavailableError
        If the server cannot be reached or refuses the user.
    """

    durable = True

    def __init__(self, url: URL) -> None:
        self.location = url.render_as_string(hide_password=True)
        self._writers = self._engine(url, f"-c synchronous_commit=on -c lock_timeout={LOCK_TIMEOUT_MS}")
        self.readers = self._engine(url, "-c default_transaction_read_only=on", isolation_level="AUTOCOMMIT")
        try:
            self.writer = self._writers.connect()
            try:
                self._check_settings()
                self._lock()
            except BaseException:
                self.writer.invalidate()
                raise
        except DBAPIError as error:
            raise self.translate(error) from error

    def upsert(self, table: Table) -> Insert:
        """Return the statement that writes a row of a read model unless it is another tenant's."""
        statement = insert(table)
        new = statement.excluded
        return statement.on_conflict_do_update(
            index_elements=[table.c.key],
            set_={name: new[name] for name in ("status", "updated_us", "document")},
            where=table.c.tenant == new.tenant,
        ).execution_options(preserve_rowcount=True)

    def insert_new(self, table: Table) -> Insert:
        """Return the statement that inserts a row unless its key is taken."""
        return insert(table).on_conflict_do_nothing().execution_options(preserve_rowcount=True)

    def write(self, connection: Connection, statement: Insert, rows: Sequence[Mapping[str, Any]]) -> int:
        """Execute a single-row INSERT for many rows; return how many were written."""
        return connection.execute(statement, rows).rowcount

    def translate(self, error: DBAPIError) -> JournalError:
        """Return the journal's error for one of the driver's."""
        state = _sqlstate(error)
        detail = f"{state or type(error.orig).__name__}: {str(error.orig).strip()}"
        if state == _DISK_FULL:
            return JournalFullError(self.location, f"no space left ({detail})")
        if state in _BUSY:
            return JournalBusyError(self.location, f"another session is in the way ({detail})")
        return JournalUnavailableError(self.location, detail)

    def is_rolled_back(self, error: DBAPIError) -> bool:
        """Return whether a failed COMMIT certainly stored nothing: the server answered that it failed."""
        return bool(_sqlstate(error)) and not error.connection_invalidated

    def backup_to(self, path: Path) -> None:
        """Refuse: the server's own tools back it up, and their dump restores into a journal."""
        raise JournalBackupError(
            self.location, f"back it up with pg_dump, or by its server; was asked for {path}"
        )

    def size_bytes(self) -> int:
        """Return the size of the database."""
        with self.readers.connect() as connection:
            return int(connection.scalar(text("SELECT pg_database_size(current_database())")))

    def close(self) -> None:
        """Close the connections; with the writer's session ends its lock."""
        self.writer.invalidate()
        self.writer.close()
        self.readers.dispose()
        self._writers.dispose()

    def _engine(self, url: URL, options: str, **settings: Any) -> Engine:  # noqa: ANN401 - as create_engine
        own = url.query.get("options", "")
        given = own if isinstance(own, str) else " ".join(own)
        return create_engine(
            url.set(drivername="postgresql+psycopg").update_query_dict(
                {"options": f"{options} {given}".strip()}
            ),
            **settings,
        )

    def _check_settings(self) -> None:
        for setting, expected in REQUIRED_SETTINGS.items():
            value = self.writer.scalar(text("SELECT current_setting(:setting)"), {"setting": setting})
            if value != expected:
                raise JournalSettingError(self.location, setting=setting, value=value, expected=expected)
        self.writer.rollback()

    def _lock(self) -> None:
        """Take the session's lock on the schema; it ends with the connection, however that ends."""
        lock = text("SELECT pg_try_advisory_lock(:namespace, hashtext(current_schema()))")
        is_locked = self.writer.scalar(lock, {"namespace": LOCK_NAMESPACE})
        self.writer.rollback()
        if not is_locked:
            raise JournalLockedError(self.location)


def _sqlstate(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""
