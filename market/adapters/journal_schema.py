"""Tables of a SQL journal, and the numbered steps that bring an older one up to date.

One `sqlalchemy.MetaData` for SQLite and PostgreSQL. Text that is compared or ordered uses the order
of code points in both. SQLite tables are STRICT: a value of the wrong type is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.schema import CreateColumn

from market.adapters.journal_checks import READ_MODELS
from market.journal_errors import JournalFormatError, JournalVersionError
from market.ports import ReadModel

METADATA = MetaData()

_INT64 = BigInteger().with_variant(Integer(), "sqlite")
_TEXT = Text().with_variant(Text(collation="C"), "postgresql")

JOURNAL_FORMAT = Table(
    "journal_format",
    METADATA,
    Column("version", _INT64, nullable=False),
    sqlite_strict=True,
)

ENTRIES = Table(
    "entries",
    METADATA,
    Column("position", _INT64, primary_key=True, autoincrement=False),
    Column("now_us", _INT64, nullable=False),
    Column("source", _TEXT, nullable=False),
    Column("message", LargeBinary, nullable=False),
    Column("events", LargeBinary, nullable=False),
    Column("engine_version", _TEXT, nullable=False),
    Column("rules_version", _INT64, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("leaf", LargeBinary, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Column("key", _TEXT, nullable=False),
    sqlite_strict=True,
)

TREE_HEADS = Table(
    "tree_heads",
    METADATA,
    Column("size", _INT64, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    Column("at_us", _INT64, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    sqlite_strict=True,
)
"""One row per commit."""

FRONTIERS = Table(
    "frontiers",
    METADATA,
    Column("size", _INT64, primary_key=True, autoincrement=False),
    Column("peaks", LargeBinary, nullable=False),
    sqlite_strict=True,
)
"""Frontiers of some tree heads, so that opening need not hash every leaf."""

SNAPSHOTS = Table(
    "snapshots",
    METADATA,
    Column("size", _INT64, primary_key=True, autoincrement=False),
    Column("state", LargeBinary, nullable=False),
    Column("digest", _TEXT, nullable=False),
    sqlite_strict=True,
)

OUTBOX = Table(
    "outbox",
    METADATA,
    Column("number", _INT64, primary_key=True),
    Column("message_id", _TEXT, nullable=False),
    Column("position", _INT64, nullable=False),
    Column("channel", _TEXT, nullable=False),
    Column("participant", _TEXT, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("is_open", _INT64, nullable=False),
    UniqueConstraint("message_id", name="outbox_message_id"),
    sqlite_strict=True,
)
"""``position`` is that of the entry that caused the message; ``is_open`` is 1 or 0."""
Index(
    "outbox_open",
    OUTBOX.c.number,
    sqlite_where=OUTBOX.c.is_open == 1,
    postgresql_where=OUTBOX.c.is_open == 1,
)


def _read_model(name: ReadModel) -> Table:
    return Table(
        name,
        METADATA,
        Column("key", _TEXT, primary_key=True),
        Column("tenant", _TEXT, nullable=False),
        Column("status", _TEXT, nullable=False),
        Column("updated_us", _INT64, nullable=False),
        Column("document", LargeBinary, nullable=False),
        Index(f"{name}_tenant", "tenant", "key"),
        Index(f"{name}_status", "status", "key"),
        sqlite_strict=True,
    )


READ_MODEL_TABLES: dict[ReadModel, Table] = {name: _read_model(name) for name in READ_MODELS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """The step from schema ``version`` - 1 to ``version``; it runs inside one transaction."""

    version: int
    upgrade: Callable[[Connection], None]


def _create_first_tables(connection: Connection) -> None:
    tables = [ENTRIES, TREE_HEADS, FRONTIERS, SNAPSHOTS, OUTBOX, *READ_MODEL_TABLES.values()]
    METADATA.create_all(connection, tables=tables, checkfirst=False)


def _add_signatures(connection: Connection) -> None:
    """Let entries and tree heads hold signatures: empty in all that an earlier release wrote."""
    _add(connection, ENTRIES.c.signature, sqlite="x''", postgresql="''::bytea")
    _add(connection, ENTRIES.c.key, sqlite="''", postgresql="''")
    _add(connection, TREE_HEADS.c.at_us, sqlite="0", postgresql="0")
    _add(connection, TREE_HEADS.c.signature, sqlite="x''", postgresql="''::bytea")


def _add(connection: Connection, column: Column[Any], *, sqlite: str, postgresql: str) -> None:
    """Add a column with a value for the rows that are there, unless the table was made with it."""
    if column.name in {known["name"] for known in inspect(connection).get_columns(column.table.name)}:
        return
    default = sqlite if connection.dialect.name == "sqlite" else postgresql
    quote = connection.dialect.identifier_preparer.quote
    definition = CreateColumn(column).compile(dialect=connection.dialect)
    connection.exec_driver_sql(
        f"ALTER TABLE {quote(column.table.name)} ADD COLUMN {definition} DEFAULT {default}"
    )


MIGRATIONS: tuple[Migration, ...] = (
    Migration(version=1, upgrade=_create_first_tables),
    Migration(version=2, upgrade=_add_signatures),
)
"""Every step since the first release, in order. The first makes the newest tables; each later one adds
to those of an earlier release what they lack. A released step never changes otherwise."""


def upgrade_schema(
    connection: Connection,
    location: str,
    migrations: Sequence[Migration] = MIGRATIONS,
) -> None:
    """Bring the journal up to the newest schema; call it in a transaction.

    Raises
    ------
    JournalVersionError
        If a newer release wrote it.
    JournalFormatError
        If tables are there, but no journal.
    """
    newest = migrations[-1].version
    tables = set(inspect(connection).get_table_names())
    if JOURNAL_FORMAT.name in tables:
        found = connection.scalar(select(JOURNAL_FORMAT.c.version))
        if found is None:
            raise JournalFormatError(location, f"table {JOURNAL_FORMAT.name} must have one row; was empty")
    elif tables:
        raise JournalFormatError(
            location,
            f"table {JOURNAL_FORMAT.name} must exist; was a database of {', '.join(sorted(tables)[:5])}",
        )
    else:
        found = 0
        JOURNAL_FORMAT.create(connection, checkfirst=False)
        connection.execute(insert(JOURNAL_FORMAT).values(version=0))
    if found > newest:
        raise JournalVersionError(location, found=found, supported=newest)
    for migration in migrations:
        if migration.version > found:
            migration.upgrade(connection)
            connection.execute(update(JOURNAL_FORMAT).values(version=migration.version))
