"""Opens the journal that a URL or a path names."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from market.adapters.journal_postgresql import PostgresqlStore
from market.adapters.journal_sql import SqlJournal
from market.adapters.journal_sqlite import SqliteSettings, SqliteStore
from market.journal_errors import JournalUnavailableError
from takt_sdk.ports import Entropy


def open_journal(
    database: str | Path,
    *,
    entropy: Entropy,
    sqlite: SqliteSettings | None = None,
) -> SqlJournal:
    """Open the journal in a database for writing; create it if it is new.

    Parameters
    ----------
    database
        A file path or ``sqlite:///PATH`` for SQLite, ``postgresql://USER:PASSWORD@HOST/NAME`` for
        PostgreSQL (with the extra ``takt[postgresql]``).
    entropy
        Where the salts of the leaves come from.
    sqlite
        Settings of a SQLite file; durable by default.

    Raises
    ------
    JournalError
        If it cannot be opened: see `market.journal_errors`.
    """
    if isinstance(database, Path) or "://" not in database:
        return SqlJournal(SqliteStore(Path(database), sqlite or SqliteSettings()), entropy=entropy)
    try:
        url = make_url(database)
    except ArgumentError as error:
        raise JournalUnavailableError(database, f"database URL cannot be read: {error}") from error
    if url.drivername in {"sqlite", "sqlite+pysqlite"} and url.database:
        return SqlJournal(SqliteStore(Path(url.database), sqlite or SqliteSettings()), entropy=entropy)
    if url.drivername in {"postgresql", "postgresql+psycopg"}:
        return SqlJournal(_postgresql(url), entropy=entropy)
    raise JournalUnavailableError(
        url.render_as_string(),
        f"database URL must begin with sqlite:/// or postgresql://; was {url.drivername}://",
    )


def _postgresql(url: URL) -> PostgresqlStore:
    try:
        return PostgresqlStore(url)
    except ModuleNotFoundError as error:
        raise JournalUnavailableError(
            url.render_as_string(), "PostgreSQL needs the extra: pip install 'takt[postgresql]'"
        ) from error
