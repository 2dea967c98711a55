"""The journal in memory: every promise of `market.ports.Journal` but durability.

For simulations and tests. It outlives a simulated crash of its host: keep the object, do not close it.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock

from market.adapters.journal_checks import (
    READ_MODELS,
    check_batch,
    check_ids,
    check_query,
    check_range,
    check_replacement,
    check_snapshot,
)
from market.journal_errors import JournalClosedError, JournalConflictError
from market.leaf import SALT_SIZE, entry_leaf
from market.merkle import EMPTY_ROOT, Frontier
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

LOCATION = "memory"


@dataclass(slots=True)
class _Table:
    """One read model: its rows, and its keys in order."""

    rows: dict[str, RowChange] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)

    def put(self, key: str, row: RowChange | None) -> None:
        if row is None:
            if self.rows.pop(key, None) is not None:
                self.keys.pop(bisect_right(self.keys, key) - 1)
        else:
            if key not in self.rows:
                insort(self.keys, key)
            self.rows[key] = row


class MemoryJournal:
    """A `market.ports.Journal` that ends with its process."""

    durable = False
    location = LOCATION

    def __init__(self, *, entropy: Entropy) -> None:
        self._entropy = entropy
        self._mutex = Lock()
        self._closed = False
        self._stored: list[Stored] = []
        self._heads: list[TreeHead] = []
        self._frontier = Frontier()
        self._snapshot: Snapshot | None = None
        self._open_messages: dict[str, OutboxMessage] = {}
        self._message_ids: set[str] = set()
        self._tables: dict[ReadModel, _Table] = {model: _Table() for model in READ_MODELS}

    # --- entries -----------------------------------------------------------------------------

    def append(
        self, batch: Sequence[Decided], *, sign: HeadSigner | None = None
    ) -> tuple[Sequence[bytes], TreeHead]:
        """Store a batch; return its leaf hashes and the new head, signed by ``sign``."""
        check_batch(LOCATION, batch)
        with self._mutex:
            if not batch:
                return (), self.head()
            self._check_open()
            changes = self._folded([row for decided in batch for row in decided.rows])
            messages = [message for decided in batch for message in decided.outbox]
            for message in messages:
                if message.message_id in self._message_ids:
                    raise JournalConflictError(
                        LOCATION, "outbox.message_id", message.message_id, "must be new"
                    )
            salts = self._entropy.token(SALT_SIZE * len(batch))
            first = self._frontier.size
            stored = []
            for at, decided in enumerate(batch):
                salt = salts[at * SALT_SIZE : (at + 1) * SALT_SIZE]
                leaf = entry_leaf(decided.entry, salt)
                stored.append(Stored(position=first + at, entry=decided.entry, salt=salt, leaf=leaf))
            leaves = [one.leaf for one in stored]
            frontier = self._frontier.extend(leaves)
            head = TreeHead(size=frontier.size, root=frontier.root())
            head = head if sign is None else sign(head)
            # Nothing below can fail: all of the batch is stored, or nothing.
            self._stored.extend(stored)
            self._heads.append(head)
            self._frontier = frontier
            for (model, key), row in changes.items():
                self._tables[model].put(key, row)
            self._open_messages.update((message.message_id, message) for message in messages)
            self._message_ids.update(message.message_id for message in messages)
            return leaves, head

    def head(self) -> TreeHead:
        """Return the current tree head (size 0 and SHA-256 of nothing when empty)."""
        self._check_open()
        return self._heads[-1] if self._heads else TreeHead(size=0, root=EMPTY_ROOT)

    def heads(self, start: int = 0, stop: int | None = None) -> Iterator[TreeHead]:
        """Yield the tree heads of commits with ``start < size <= stop``, smallest first."""
        check_range(LOCATION, start, stop)
        self._check_open()
        end = self._frontier.size if stop is None else stop
        return (head for head in tuple(self._heads) if start < head.size <= end)

    def leaves(self, start: int = 0, stop: int | None = None) -> Sequence[bytes]:
        """Return the leaf hashes of entries ``start <= position < stop``, for proofs."""
        check_range(LOCATION, start, stop)
        self._check_open()
        return [stored.leaf for stored in self._stored[start:stop]]

    def salts(self, start: int, stop: int) -> Sequence[bytes]:
        """Return the salts of entries ``start <= position < stop``."""
        check_range(LOCATION, start, stop)
        self._check_open()
        return [stored.salt for stored in self._stored[start:stop]]

    def peaks(self) -> tuple[int, tuple[bytes, ...]]:
        """Return the log's size and the roots of its complete subtrees, largest first."""
        return self._frontier.size, self._frontier.peaks

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[Stored]:
        """Yield entries ``start <= position < stop`` in order."""
        check_range(LOCATION, start, stop)
        self._check_open()
        return iter(self._stored[start:stop])

    # --- snapshots ---------------------------------------------------------------------------

    def save_snapshot(self, snapshot: Snapshot) -> None:
        """Store a snapshot unless a newer one is kept."""
        with self._mutex:
            self._check_open()
            check_snapshot(LOCATION, snapshot, size=self._frontier.size)
            if self._snapshot is None or snapshot.size >= self._snapshot.size:
                self._snapshot = snapshot

    def latest_snapshot(self) -> Snapshot | None:
        """Return the newest snapshot, or None."""
        self._check_open()
        return self._snapshot

    # --- outbox ------------------------------------------------------------------------------

    def open_outbox(self) -> Sequence[OutboxMessage]:
        """Return messages not yet closed, oldest first."""
        with self._mutex:
            self._check_open()
            return list(self._open_messages.values())

    def close_outbox(self, message_ids: Sequence[str]) -> None:
        """Mark messages as acknowledged by their participant; unknown ids are ignored."""
        check_ids(LOCATION, message_ids)
        with self._mutex:
            self._check_open()
            for message_id in message_ids:
                self._open_messages.pop(message_id, None)

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
        check_query(LOCATION, model, tenant=tenant, key=key, status=status, after=after, limit=limit)
        with self._mutex:
            self._check_open()
            table = self._tables[model]
            found: list[RowChange] = []
            keys = table.keys[bisect_right(table.keys, after) :] if key is None else [key]
            for candidate in keys:
                row = table.rows.get(candidate)
                if row is None or candidate <= after:
                    continue
                if tenant in {None, row.tenant} and status in {None, row.status}:
                    found.append(row)
                    if len(found) == limit:
                        break
            return found

    def replace_rows(self, rows: Sequence[RowChange]) -> None:
        """Replace all read models by ``rows`` (a rebuild)."""
        check_replacement(LOCATION, rows)
        with self._mutex:
            self._check_open()
            tables: dict[ReadModel, _Table] = {model: _Table() for model in READ_MODELS}
            for row in sorted(rows, key=lambda row: row.key):
                tables[row.model].put(row.key, row)
            self._tables = tables

    # --- care --------------------------------------------------------------------------------

    def size_bytes(self) -> int:
        """Return what the entries' messages and events take up."""
        return sum(len(stored.entry.message) + len(stored.entry.events) for stored in self.read())

    def close(self) -> None:
        """Refuse every further call; closing again does nothing."""
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise JournalClosedError(LOCATION)

    def _folded(self, changes: Sequence[RowChange]) -> Mapping[tuple[ReadModel, str], RowChange | None]:
        """Return the rows (None: deleted) that the changes leave where they are written in order."""
        folded: dict[tuple[ReadModel, str], RowChange | None] = {}
        for change in changes:
            place = (change.model, change.key)
            present = folded[place] if place in folded else self._tables[change.model].rows.get(change.key)
            if present is not None and present.tenant != change.tenant:
                rule = f"belongs to {present.tenant}, not to {change.tenant}"
                raise JournalConflictError(LOCATION, f"{change.model}.key", change.key, rule)
            folded[place] = None if change.document is None else change
        return folded
