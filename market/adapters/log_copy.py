"""An auditor's own copy of a market's log: entries and heads in one SQLite file that `takt verify` reads.

Each batch is one durable transaction that ends with a head: a copy that was cut off anywhere is whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from sqlalchemy import URL, create_engine, event, insert, inspect
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from market.adapters.journal_reader import JournalReader
from market.adapters.journal_rows import entry_values, head_values
from market.adapters.journal_schema import ENTRIES, JOURNAL_FORMAT, METADATA, MIGRATIONS, OUTBOX, TREE_HEADS
from market.journal_errors import JournalFormatError, JournalUnavailableError
from market.ports import Stored, TreeHead
from market.service.chain import Chain, check_chain


class LogCopy:
    """One file, made where there is none, readable by its owner only.

    Raises
    ------
    JournalFormatError
        If the file is a market's own journal, or something else.
    JournalUnavailableError
        If it cannot be opened or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.touch(mode=0o600)
        except OSError as error:
            raise JournalUnavailableError(str(path), error.strerror or str(error)) from error
        self._engine = create_engine(URL.create("sqlite", database=str(path)))

        @event.listens_for(self._engine, "connect")
        def durable(driver: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
            for pragma in ("journal_mode=WAL", "synchronous=FULL"):
                driver.cursor().execute(f"PRAGMA {pragma}")

        try:
            tables = set(inspect(self._engine).get_table_names())
            if OUTBOX.name in tables:
                raise JournalFormatError(str(path), "is a market's own journal, not an auditor's copy")
            if tables and JOURNAL_FORMAT.name not in tables:
                raise JournalFormatError(str(path), f"table {JOURNAL_FORMAT.name} must exist")
            if not tables:
                with self._engine.begin() as connection:
                    METADATA.create_all(connection, tables=[JOURNAL_FORMAT, ENTRIES, TREE_HEADS])
                    connection.execute(insert(JOURNAL_FORMAT).values(version=MIGRATIONS[-1].version))
        except DBAPIError as error:
            raise self._unavailable(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Release the file."""
        self._engine.dispose()

    def chain(self) -> Chain:
        """Return what the copy hashes to; raises `AuditError` if it was touched."""
        with JournalReader(self.path) as log:
            return check_chain(log)

    def append(self, entries: Sequence[Stored], heads: Sequence[TreeHead]) -> None:
        """Store entries with the heads that cover them, durably or not at all."""
        if not entries:
            return
        try:
            with self._engine.begin() as connection:
                connection.execute(
                    insert(ENTRIES),
                    [entry_values(one.position, one.entry, one.salt, one.leaf) for one in entries],
                )
                connection.execute(insert(TREE_HEADS), [head_values(head) for head in heads])
        except DBAPIError as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: DBAPIError) -> JournalUnavailableError:
        return JournalUnavailableError(str(self.path), str(error).splitlines()[0])
