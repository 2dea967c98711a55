"""Reads a journal that another process may be writing: no lock, no write, no upgrade of its schema.

What it shows is the journal as of its opening.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from threading import Lock
from typing import cast
from urllib.parse import quote

from sqlalchemy import URL, Engine, create_engine, inspect, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError

from market.adapters.journal_schema import FRONTIERS, JOURNAL_FORMAT, MIGRATIONS, TREE_HEADS
from market.adapters.journal_sql import SqlJournal, SqlStore, read_head
from market.journal_errors import (
    JournalCorruptError,
    JournalError,
    JournalFormatError,
    JournalUnavailableError,
    JournalVersionError,
)
from market.merkle import EMPTY_ROOT, HASH_SIZE, Frontier
from market.ports import TreeHead

_BUSY_TIMEOUT_MS = 5_000


class JournalFollower(SqlJournal):
    """A `market.ports.Journal` of which only what reads works; open it with `open_follower`.

    Raises
    ------
    JournalVersionError
        If it is of another release's schema: a market of this release upgrades it by opening it.
    JournalFormatError, JournalCorruptError, JournalUnavailableError
        As they say.
    """

    def __init__(self, location: str, readers: Engine) -> None:
        self._store = cast("SqlStore", _Readers(location, readers))  # what writes is never reached
        self._mutex = Lock()
        self._unusable = None
        try:
            self._check_schema()
            self._frontier, self._head = self._last_head()
        except DBAPIError as error:
            readers.dispose()
            raise self._store.translate(error) from error
        except BaseException:
            readers.dispose()
            raise
        self._unusable = JournalUnavailableError(location, "is open for reading only")

    def close(self) -> None:
        """Release the connections."""
        self._store.readers.dispose()

    def _check_schema(self) -> None:
        newest = MIGRATIONS[-1].version
        with self._reading() as connection:
            if JOURNAL_FORMAT.name not in inspect(connection).get_table_names():
                raise JournalFormatError(self.location, "holds no journal")
            found = connection.scalar(select(JOURNAL_FORMAT.c.version))
        if found != newest:
            raise JournalVersionError(self.location, found=found or 0, supported=newest)

    def _last_head(self) -> tuple[Frontier, TreeHead]:
        """Return the last head and its frontier; what is committed meanwhile lies behind it."""
        with self._reading() as connection:
            last = connection.execute(select(TREE_HEADS).order_by(TREE_HEADS.c.size.desc()).limit(1)).first()
            head = TreeHead(size=0, root=EMPTY_ROOT) if last is None else read_head(last)
            kept = connection.execute(
                select(FRONTIERS)
                .where(FRONTIERS.c.size <= head.size)
                .order_by(FRONTIERS.c.size.desc())
                .limit(1)
            ).first()
        peaks = b"" if kept is None else kept.peaks
        frontier = Frontier(
            size=0 if kept is None else kept.size,
            peaks=tuple(peaks[at : at + HASH_SIZE] for at in range(0, len(peaks), HASH_SIZE)),
        ).extend(self.leaves(0 if kept is None else kept.size, head.size))
        if (frontier.size, frontier.root()) != (head.size, head.root):
            detail = f"the leaves must hash to the tree head of size {head.size}; did not"
            raise JournalCorruptError(self.location, detail, position=frontier.size)
        return frontier, head


class _Readers:
    """The half of a `SqlStore` that reads."""

    durable = False

    def __init__(self, location: str, readers: Engine) -> None:
        self.location, self.readers = location, readers

    def translate(self, error: DBAPIError) -> JournalError:
        """Return the journal's error for one of the driver's."""
        return JournalUnavailableError(self.location, f"{type(error.orig).__name__}: {error.orig}")


def open_follower(database: str | Path) -> JournalFollower:
    """Open the journal that a path or URL names, for reading; as `open_journal`.

    Raises
    ------
    JournalError
        If it cannot be opened: see `market.journal_errors`.
    """
    if isinstance(database, Path) or "://" not in database:
        return JournalFollower(str(Path(database).resolve()), _sqlite(Path(database).resolve()))
    try:
        url = make_url(database)
    except ArgumentError as error:
        raise JournalUnavailableError(database, f"database URL cannot be read: {error}") from error
    if url.drivername.startswith("sqlite") and url.database:
        return JournalFollower(url.database, _sqlite(Path(url.database).resolve()))
    shown = url.render_as_string()
    if not url.drivername.startswith("postgresql"):
        raise JournalUnavailableError(
            shown, f"database URL must be SQLite or PostgreSQL; was {url.drivername}"
        )
    return JournalFollower(shown, _postgresql(url))


def _sqlite(path: Path) -> Engine:
    if not path.exists():
        raise JournalUnavailableError(str(path), "there is no such file")

    def connect() -> sqlite3.Connection:
        driver = sqlite3.connect(
            f"file:{quote(str(path))}?mode=ro", uri=True, check_same_thread=False, isolation_level=None
        )
        driver.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
        return driver

    return create_engine("sqlite://", creator=connect, isolation_level="AUTOCOMMIT")


def _postgresql(url: URL) -> Engine:
    own = url.query.get("options", "")
    given = own if isinstance(own, str) else " ".join(own)
    options = f"-c default_transaction_read_only=on {given}".strip()
    return create_engine(
        url.set(drivername="postgresql+psycopg").update_query_dict({"options": options}),
        isolation_level="AUTOCOMMIT",
    )
