"""The journal in SQL: entries, tree heads, read models and outbox in one transaction per batch.

SQLAlchemy Core over a `SqlStore` (SQLite, PostgreSQL), which holds everything particular to one
database. One writer; any number of threads may read while it writes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Insert,
    RootTransaction,
    Row,
    Table,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError

from market.adapters.journal_checks import (
    check_batch,
    check_ids,
    check_query,
    check_range,
    check_replacement,
    check_snapshot,
    is_intact,
)
from market.adapters.journal_projection import Projection
from market.adapters.journal_rows import entry_values, head_values, stored_of
from market.adapters.journal_schema import (
    ENTRIES,
    FRONTIERS,
    OUTBOX,
    READ_MODEL_TABLES,
    SNAPSHOTS,
    TREE_HEADS,
    upgrade_schema,
)
from market.journal_errors import (
    JournalClosedError,
    JournalCorruptError,
    JournalError,
    JournalUnknownError,
)
from market.leaf import SALT_SIZE, entry_leaf
from market.merkle import EMPTY_ROOT, HASH_SIZE, Frontier
from market.ports import (
    Decided,
    HeadSigner,
    OutboxMessage,
    ReadModel,
    RowChange,
    Snapshot,
    Stored,
    TreeHead,
)
from takt_sdk.ports import Entropy

FRONTIER_INTERVAL = 4_096
"""Entries after which the frontier is stored again: the most leaves, but for a batch, hashed on opening."""
KEPT_SNAPSHOTS = 2
PAGE = 1_000
"""Rows fetched at a time where a result may be long."""

_INSERT_ENTRY = insert(ENTRIES)
_INSERT_HEAD = insert(TREE_HEADS)
_INSERT_FRONTIER = insert(FRONTIERS)


class SqlStore(Protocol):
    """What a database must offer to keep a journal."""

    location: str
    durable: bool
    writer: Connection
    readers: Engine

    def upsert(self, table: Table) -> Insert:
        """Return the statement that writes a row of a read model unless it is another tenant's."""
        ...

    def insert_new(self, table: Table) -> Insert:
        """Return the statement that inserts a row unless its key is taken."""
        ...

    def write(self, connection: Connection, statement: Insert, rows: Sequence[Mapping[str, Any]]) -> int:
        """Execute a single-row INSERT for many rows; return how many were written."""
        ...

    def translate(self, error: DBAPIError) -> JournalError:
        """Return the journal's error for one of the driver's."""
        ...

    def is_rolled_back(self, error: DBAPIError) -> bool:
        """Return whether a failed COMMIT certainly stored nothing."""
        ...

    def backup_to(self, path: Path) -> None:
        """Copy the journal as of now to a new file, while it is being written."""
        ...

    def size_bytes(self) -> int:
        """Return what the store takes up."""
        ...

    def close(self) -> None:
        """Release the connections and the writer's lock."""
        ...


class SqlJournal:
    """A `market.ports.Journal` in a SQL database; see `market.adapters.journal.open_journal`.

    Raises
    ------
    JournalVersionError
        If a newer release wrote it.
    JournalFormatError
        If the database holds something else.
    JournalCorruptError
        If the stored leaves contradict the last tree head.
    """

    def __init__(self, store: SqlStore, *, entropy: Entropy) -> None:
        self._store = store
        self._entropy = entropy
        self._mutex = Lock()
        self._unusable: JournalError | None = None
        self._projection = Projection(
            location=store.location,
            upsert=store.upsert,
            insert_new=store.insert_new,
            write=store.write,
        )
        try:
            with self._transaction() as connection:
                upgrade_schema(connection, store.location)
            self._frontier, self._head = self._load_frontier()
            self._last_salts = (self._frontier.size, b"")
        except BaseException:
            store.close()
            raise

    @property
    def location(self) -> str:
        """Path or URL (without password)."""
        return self._store.location

    @property
    def durable(self) -> bool:
        """Whether a returned `append` is fsynced."""
        return self._store.durable

    # --- entries -----------------------------------------------------------------------------

    def append(
        self, batch: Sequence[Decided], *, sign: HeadSigner | None = None
    ) -> tuple[Sequence[bytes], TreeHead]:
        """Store a batch in one durable transaction; return its leaf hashes and the new head.

        ``sign`` is asked for the head as it is stored.

        Raises
        ------
        JournalValueError, JournalConflictError, JournalFullError, JournalBusyError
            Nothing of the batch is stored; the journal goes on.
        JournalUnknownError, JournalUnavailableError
            The journal must be opened again.
        """
        check_batch(self.location, batch)
        with self._mutex:
            if not batch:
                return (), self.head()
            first, salts = self._frontier.size, self._entropy.token(SALT_SIZE * len(batch))
            leaves: list[bytes] = []
            entries: list[dict[str, int | str | bytes]] = []
            for at, decided in enumerate(batch):
                salt = salts[at * SALT_SIZE : (at + 1) * SALT_SIZE]
                leaves.append(entry_leaf(decided.entry, salt))
                entries.append(entry_values(first + at, decided.entry, salt, leaves[-1]))
            frontier = self._frontier.extend(leaves)
            head = TreeHead(size=frontier.size, root=frontier.root())
            head = head if sign is None else sign(head)
            with self._transaction() as connection:
                self._store.write(connection, _INSERT_ENTRY, entries)
                self._store.write(connection, _INSERT_HEAD, [head_values(head)])
                if head.size // FRONTIER_INTERVAL > first // FRONTIER_INTERVAL:
                    peaks = b"".join(frontier.peaks)
                    self._store.write(connection, _INSERT_FRONTIER, [{"size": head.size, "peaks": peaks}])
                self._projection.write_rows(connection, [row for decided in batch for row in decided.rows])
                self._projection.write_outbox(connection, batch, first=first)
            self._frontier, self._head = frontier, head
            self._last_salts = (first, salts)
            return leaves, head

    def head(self) -> TreeHead:
        """Return the current tree head (size 0 and SHA-256 of nothing when empty)."""
        self._check_open()
        return self._head

    def heads(self, start: int = 0, stop: int | None = None) -> Iterator[TreeHead]:
        """Yield the tree heads of commits with ``start < size <= stop``, smallest first."""
        check_range(self.location, start, stop)
        end = self._frontier.size if stop is None else stop
        pages = self._pages(TREE_HEADS, TREE_HEADS.c.size, start + 1, end + 1)
        return (read_head(row) for page in pages for row in page)

    def leaves(self, start: int = 0, stop: int | None = None) -> Sequence[bytes]:
        """Return the leaf hashes of entries ``start <= position < stop`` in order."""
        check_range(self.location, start, stop)
        query = select(ENTRIES.c.leaf).where(ENTRIES.c.position >= start).order_by(ENTRIES.c.position)
        if stop is not None:
            query = query.where(ENTRIES.c.position < stop)
        with self._reading() as connection:
            return connection.scalars(query).all()

    def salts(self, start: int, stop: int) -> Sequence[bytes]:
        """Return the salts of entries ``start <= position < stop``; those of the last batch are at hand."""
        check_range(self.location, start, stop)
        first, salts = self._last_salts
        if first <= start and stop <= first + len(salts) // SALT_SIZE:
            return [salts[(at - first) * SALT_SIZE :][:SALT_SIZE] for at in range(start, stop)]
        known = ENTRIES.c.position
        query = select(ENTRIES.c.salt).where(known >= start, known < stop).order_by(known)
        with self._reading() as connection:
            return connection.scalars(query).all()

    def peaks(self) -> tuple[int, tuple[bytes, ...]]:
        """Return the log's size and the roots of its complete subtrees, largest first."""
        frontier = self._frontier
        return frontier.size, frontier.peaks

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[Stored]:
        """Yield entries ``start <= position < stop`` in order."""
        check_range(self.location, start, stop)
        end = self._frontier.size if stop is None else stop
        return (
            stored_of(row) for page in self._pages(ENTRIES, ENTRIES.c.position, start, end) for row in page
        )

    # --- snapshots ---------------------------------------------------------------------------

    def save_snapshot(self, snapshot: Snapshot) -> None:
        """Store a snapshot and drop all but the newest two."""
        with self._mutex:
            check_snapshot(self.location, snapshot, size=self._frontier.size)
            kept = select(SNAPSHOTS.c.size).order_by(SNAPSHOTS.c.size.desc()).limit(KEPT_SNAPSHOTS)
            with self._transaction() as connection:
                connection.execute(delete(SNAPSHOTS).where(SNAPSHOTS.c.size == snapshot.size))
                connection.execute(
                    insert(SNAPSHOTS),
                    [{"size": snapshot.size, "state": snapshot.state, "digest": snapshot.digest}],
                )
                connection.execute(delete(SNAPSHOTS).where(SNAPSHOTS.c.size.not_in(kept)))

    def latest_snapshot(self) -> Snapshot | None:
        """Return the newest snapshot whose digest is that of its state, or None."""
        with self._reading() as connection:
            rows = connection.execute(select(SNAPSHOTS).order_by(SNAPSHOTS.c.size.desc())).mappings()
            return next(filter(is_intact, (Snapshot(**row) for row in rows)), None)

    # --- outbox ------------------------------------------------------------------------------

    def open_outbox(self) -> Sequence[OutboxMessage]:
        """Return messages not yet closed, oldest first."""
        columns = (OUTBOX.c.message_id, OUTBOX.c.channel, OUTBOX.c.participant, OUTBOX.c.body)
        query = select(*columns).where(OUTBOX.c.is_open == 1).order_by(OUTBOX.c.number)
        with self._reading() as connection:
            rows = connection.execute(query).all()
        return [
            OutboxMessage(message_id=message_id, channel=channel, participant=participant, body=body)
            for message_id, channel, participant, body in rows
        ]

    def close_outbox(self, message_ids: Sequence[str]) -> None:
        """Mark messages as acknowledged by their participant; unknown ids are ignored."""
        check_ids(self.location, message_ids)
        if not message_ids:
            return
        with self._mutex, self._transaction() as connection:
            for start in range(0, len(message_ids), PAGE):
                known = OUTBOX.c.message_id.in_(message_ids[start : start + PAGE])
                connection.execute(update(OUTBOX).where(known).values(is_open=0))

    # --- read models -------------------------------------------------------------------------

    def rows(
        self,
        model: ReadModel,
        *,
        tenant: str | None = None,
        key: str | None = None,
        status: str | None = None,
        after: str = "",
        limit: int = 1_000,
    ) -> Sequence[RowChange]:
        """Return rows of a read model ordered by key, after ``after``; ``tenant`` filters."""
        check_query(self.location, model, tenant=tenant, key=key, status=status, after=after, limit=limit)
        table = READ_MODEL_TABLES[model]
        query = select(table).where(table.c.key > after).order_by(table.c.key).limit(limit)
        for column, wanted in ((table.c.tenant, tenant), (table.c.key, key), (table.c.status, status)):
            if wanted is not None:
                query = query.where(column == wanted)
        with self._reading() as connection:
            return [RowChange(model=model, **row) for row in connection.execute(query).mappings()]

    def replace_rows(self, rows: Sequence[RowChange]) -> None:
        """Replace all read models by ``rows`` in one transaction (a rebuild)."""
        check_replacement(self.location, rows)
        with self._mutex, self._transaction() as connection:
            for table in READ_MODEL_TABLES.values():
                connection.execute(delete(table))
            self._projection.write_rows(connection, rows)

    # --- care --------------------------------------------------------------------------------

    def size_bytes(self) -> int:
        """Return what the store takes up."""
        self._check_open()
        return self._store.size_bytes()

    def backup_to(self, path: Path) -> None:
        """Copy the journal as of now to a new file, while it is being written."""
        self._check_open()
        self._store.backup_to(path)

    def close(self) -> None:
        """Release the store; closing again does nothing."""
        with self._mutex:
            if not isinstance(self._unusable, JournalClosedError):
                self._unusable = JournalClosedError(self.location)
                self._store.close()

    # --- inside ------------------------------------------------------------------------------

    def _check_open(self) -> None:
        if isinstance(self._unusable, JournalClosedError):
            raise self._unusable

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        if self._unusable is not None:
            raise self._unusable
        connection = self._store.writer
        try:
            with connection.begin() as transaction:
                yield connection
                self._commit(connection, transaction)
        except DBAPIError as error:
            failure = self._store.translate(error)
            if error.connection_invalidated:
                self._unusable = failure
            raise failure from error

    def _commit(self, connection: Connection, transaction: RootTransaction) -> None:
        unknown = JournalUnknownError(self.location, "a commit did not return, so its batch may be stored")
        self._unusable = unknown
        try:
            transaction.commit()
        except DBAPIError as error:
            if not self._store.is_rolled_back(error):
                raise unknown from error
            # SQLAlchemy only forgets its side of a transaction whose COMMIT failed; the driver's may be open.
            connection.rollback()
            connection.connection.rollback()
            self._unusable = None
            raise
        self._unusable = None

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        self._check_open()
        try:
            with self._store.readers.connect() as connection:
                yield connection
        except DBAPIError as error:
            raise self._store.translate(error) from error

    def _pages(
        self,
        table: Table,
        number: Column[int],
        start: int,
        stop: int,
    ) -> Iterator[Sequence[Row[*tuple[Any, ...]]]]:
        while start < stop:
            query = select(table).where(number >= start, number < stop).order_by(number).limit(PAGE)
            with self._reading() as connection:
                page = connection.execute(query).all()
            if not page:
                return
            yield page
            start = page[-1][0] + 1

    def _load_frontier(self) -> tuple[Frontier, TreeHead]:
        with self._reading() as connection:
            last = connection.execute(select(TREE_HEADS).order_by(TREE_HEADS.c.size.desc()).limit(1)).first()
            kept = connection.execute(select(FRONTIERS).order_by(FRONTIERS.c.size.desc()).limit(1)).first()
            stored = connection.scalar(select(func.max(ENTRIES.c.position)))
        head = TreeHead(size=0, root=EMPTY_ROOT) if last is None else read_head(last)
        size = 0 if stored is None else stored + 1
        if size != head.size:
            detail = f"the last tree head must cover all {size} entries; was of size {head.size}"
            raise JournalCorruptError(self.location, detail, position=min(size, head.size))
        frontier = Frontier()
        if kept is not None:
            peaks = tuple(kept.peaks[at : at + HASH_SIZE] for at in range(0, len(kept.peaks), HASH_SIZE))
            try:
                frontier = Frontier(size=kept.size, peaks=peaks)
            except ValueError as error:
                raise JournalCorruptError(self.location, f"frontier: {error}", position=kept.size) from error
        whole = frontier.extend(self.leaves(frontier.size))
        if (whole.size, whole.root()) != (head.size, head.root):
            detail = f"the leaves from here must hash to the tree head of size {head.size}; did not"
            raise JournalCorruptError(self.location, detail, position=frontier.size)
        return whole, head


def read_head(row: Row[*tuple[Any, ...]]) -> TreeHead:
    """Return the head that a row of its table holds."""
    size, root, at_us, signature = row
    return TreeHead(size=size, root=root, at_us=at_us, signature=signature)
