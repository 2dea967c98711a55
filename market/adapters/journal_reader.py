"""A journal read by somebody who does not trust it: no lock, no upgrade, no write, whatever is stored.

Reads what any release has written, from a SQLite file (also a copy on a medium that cannot be written) or
a PostgreSQL schema. Holds nothing in memory but a page.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from sqlalchemy import (
    URL,
    Column,
    Connection,
    Engine,
    Row,
    Table,
    create_engine,
    inspect,
    literal,
    make_url,
    select,
)
from sqlalchemy.exc import ArgumentError, DBAPIError

from market.adapters.journal_rows import stored_of
from market.adapters.journal_schema import ENTRIES, JOURNAL_FORMAT, TREE_HEADS
from market.journal_errors import JournalFormatError, JournalUnavailableError
from market.merkle import EMPTY_ROOT
from market.ports import Stored, TreeHead

PAGE = 5_000

_EARLIER = {"signature": b"", "key": "", "at_us": 0}
"""What columns hold that an earlier release did not have."""


class JournalReader:
    """A `market.service.chain.Log`.

    Raises
    ------
    JournalUnavailableError
        If it cannot be opened.
    JournalFormatError
        If it is no journal.
    """

    def __init__(self, database: str | Path) -> None:
        self.location = str(database)
        try:
            self._engine = _engine(database)
            known = inspect(self._engine)
            if not known.has_table(JOURNAL_FORMAT.name):
                raise JournalFormatError(self.location, f"table {JOURNAL_FORMAT.name} must exist")
            self._entries = _columns(ENTRIES, known.get_columns(ENTRIES.name))
            self._heads = _columns(TREE_HEADS, known.get_columns(TREE_HEADS.name))
        except (DBAPIError, ArgumentError, ModuleNotFoundError) as error:
            raise JournalUnavailableError(self.location, str(error).splitlines()[0]) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Release the connections."""
        self._engine.dispose()

    def read(self, start: int = 0) -> Iterator[Stored]:
        """Return the entries from ``start`` on, in the order of their positions."""
        return map(stored_of, self._rows(self._entries, ENTRIES.c.position, start))

    def heads(self) -> Iterator[TreeHead]:
        """Yield the heads of commits, smallest first."""
        for size, root, at_us, signature in self._rows(self._heads, TREE_HEADS.c.size, 0):
            yield TreeHead(size=size, root=root, at_us=at_us, signature=signature)

    def head(self) -> TreeHead:
        """Return the last head."""
        query = select(*self._heads).order_by(TREE_HEADS.c.size.desc()).limit(1)
        with self._reading() as connection:
            row = connection.execute(query).first()
        if row is None:
            return TreeHead(size=0, root=EMPTY_ROOT)
        return TreeHead(size=row[0], root=row[1], at_us=row[2], signature=row[3])

    def damage(self) -> str:
        """Return what is broken anywhere in a SQLite file, or nothing; PostgreSQL looks after its own."""
        if self._engine.dialect.name != "sqlite":
            return ""
        with self._reading() as connection:
            found = str(connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar_one())
        return "" if found == "ok" else found.splitlines()[-1]

    def _rows(
        self, columns: Sequence[Column[Any]], number: Column[int], start: int
    ) -> Iterator[Row[*tuple[Any, ...]]]:
        while True:
            query = select(*columns).where(number >= start).order_by(number).limit(PAGE)
            with self._reading() as connection:
                page = connection.execute(query).all()
            yield from page
            if len(page) < PAGE:
                return
            start = page[-1][0] + 1

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        try:
            with self._engine.connect() as connection:
                yield connection
        except DBAPIError as error:
            raise JournalUnavailableError(self.location, str(error).splitlines()[0]) from error


def _columns(table: Table, known: Sequence[Any]) -> list[Any]:
    """Return a table's columns, with a value for each that this journal has not."""
    names = {column["name"] for column in known}
    return [
        column if column.name in names else literal(_EARLIER[column.name]).label(column.name)
        for column in table.columns
    ]


def _engine(database: str | Path) -> Engine:
    text = str(database)
    url = make_url(text) if "://" in text else URL.create("sqlite", database=text)
    if url.drivername.startswith("postgresql"):
        options = {"options": "-c default_transaction_read_only=on"}
        return create_engine(url.set(drivername="postgresql+psycopg"), connect_args=options)
    path = Path(url.database or "").absolute()
    if not path.is_file():
        raise JournalUnavailableError(text, "is no file")
    log = path.with_name(path.name + "-wal")
    mode = "mode=ro" if log.exists() and log.stat().st_size else "mode=ro&immutable=1"
    quoted = path.as_uri().removeprefix("file://")
    return create_engine(f"sqlite:///file:{quoted}?{mode}&uri=true")
