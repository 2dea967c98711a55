"""The ports of the market: what the core asks of the outside world.

Everything that waits, sends, stores, solves, reads the clock or draws chance implements one
of these protocols in `market.adapters`. This module holds no behaviour.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from takt_sdk.model.quickly_built import quickly_built
from takt_sdk.ports import RequestChannel

# --- clock, chance ---------------------------------------------------------------------------


# --- journal ---------------------------------------------------------------------------------

ReadModel = Literal["orders", "contracts", "ledger", "participants", "parts", "clearings", "idempotency"]


@quickly_built
@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One decided message: exactly what was received, and the events it caused.

    ``message`` and ``events`` are opaque canonical JSON to the journal; together with the other
    fields they are the leaf of the Merkle tree. ``key`` and ``signature`` are the sender's over the exact
    message, empty where the host attests the sender (`source` http, operator, clock, solver).
    """

    now_us: int
    source: str
    message: bytes
    events: bytes
    engine_version: str
    rules_version: int
    signature: bytes = b""
    key: str = ""


@quickly_built
@dataclass(frozen=True, slots=True, kw_only=True)
class RowChange:
    """A row of a read model to write (``document`` set) or delete (``document`` None).

    ``tenant`` is the participant whose row it is; queries filter by it.
    """

    model: ReadModel
    key: str
    tenant: str
    status: str
    updated_us: int
    document: bytes | None


@quickly_built
@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxMessage:
    """A message that must reach a participant: stored with its cause, sent after the commit.

    ``message_id`` is unguessable or derived from content and unique in the market.
    """

    message_id: str
    channel: Literal["cfp", "notice", "tape"]
    participant: str
    body: bytes


@quickly_built
@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """One entry with what must be stored in the same transaction."""

    entry: Entry
    rows: tuple[RowChange, ...] = ()
    outbox: tuple[OutboxMessage, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeHead:
    """The Merkle root (RFC 6962 hashing) over the first ``size`` entries.

    ``signature`` is the market's over `takt_sdk.signing.head_bytes`, at market time ``at_us``; both are
    empty where the market has no key.
    """

    size: int
    root: bytes
    at_us: int = 0
    signature: bytes = b""


HeadSigner = Callable[[TreeHead], TreeHead]
"""Returns a head with its time and signature."""


@quickly_built
@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An entry read back, with its position (0-based), salt and leaf hash."""

    position: int
    entry: Entry
    salt: bytes
    leaf: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A state after the first ``size`` entries, as canonical JSON, with the hex SHA-256 of these bytes."""

    size: int
    state: bytes
    digest: str


class Journal(Protocol):
    """The append-only system of record, one writer. Blocking: hosts call it off the event loop.

    Any thread may read while one appends. Errors are those of `market.journal_errors`. Text is free of
    NUL and lone surrogates, integers fit 64 bits.
    """

    def append(
        self, batch: Sequence[Decided], *, sign: HeadSigner | None = None
    ) -> tuple[Sequence[bytes], TreeHead]:
        """Store a batch in one durable transaction; return its leaf hashes and the new head.

        ``sign`` is asked for the head as it is stored.

        When it returns, the batch is fsynced. When it raises, nothing of the batch is stored, but for
        `JournalUnknownError`: then the journal must be opened again to learn it. Rows are written in
        order; a key keeps its tenant, and a message id is never given twice (`JournalConflictError`).
        """
        ...

    def head(self) -> TreeHead:
        """Return the current tree head (size 0 and SHA-256 of nothing when empty)."""
        ...

    def heads(self, start: int = 0, stop: int | None = None) -> Iterator[TreeHead]:
        """Yield the tree heads of commits with ``start < size <= stop``, smallest first."""
        ...

    def leaves(self, start: int = 0, stop: int | None = None) -> Sequence[bytes]:
        """Return the leaf hashes of entries ``start <= position < stop``, for proofs."""
        ...

    def salts(self, start: int, stop: int) -> Sequence[bytes]:
        """Return the salts of entries ``start <= position < stop``; quick for those of the last batch."""
        ...

    def peaks(self) -> tuple[int, tuple[bytes, ...]]:
        """Return the log's size and the roots of its complete subtrees, largest first."""
        ...

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[Stored]:
        """Yield entries ``start <= position < stop`` in order."""
        ...

    def save_snapshot(self, snapshot: Snapshot) -> None:
        """Store a snapshot; older ones may be dropped."""
        ...

    def latest_snapshot(self) -> Snapshot | None:
        """Return the newest snapshot, or None."""
        ...

    def open_outbox(self) -> Sequence[OutboxMessage]:
        """Return messages not yet closed, oldest first."""
        ...

    def close_outbox(self, message_ids: Sequence[str]) -> None:
        """Mark messages as acknowledged by their participant; unknown ids are ignored."""
        ...

    def rows(
        self,
        model: ReadModel,
        *,
        tenant: str | None = None,
        key: str | None = None,
        status: str | None = None,
        after: str = "",
        limit: int = 1000,
    ) -> Sequence[RowChange]:
        """Return rows of a read model ordered by key, after ``after``; ``tenant`` filters."""
        ...

    def replace_rows(self, rows: Sequence[RowChange]) -> None:
        """Replace all read models by ``rows`` in one transaction (a rebuild)."""
        ...

    def size_bytes(self) -> int:
        """Return what the store takes up."""
        ...

    def close(self) -> None:
        """Release the store."""
        ...


# --- escrow ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseProof:
    """That a round has closed: its close entry, and that a tree head of the journal covers it.

    ``path`` is the inclusion proof of the entry's leaf under ``head``.
    """

    market: str
    round_id: str
    close: Stored
    path: tuple[bytes, ...]
    head: TreeHead


class Escrow(Protocol):
    """Keeps the private keys of sealed rounds from the market until it has closed them.

    Errors are `EscrowUnavailableError` (ask again) and `EscrowRefusedError` (never).
    """

    async def public_key(self, market: str, round_id: str) -> str:
        """Return the public half (hex) of a round's key pair, which is made on the first request."""
        ...

    async def release(self, proof: CloseProof) -> str:
        """Return the private half (hex), again while it is asked for, once the close is proven."""
        ...

    async def forget(self, market: str, round_id: str) -> None:
        """Delete a round's key: it was opened, or never will be. Idempotent."""
        ...

    async def close(self) -> None:
        """Release what was started."""
        ...


# --- bus -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A participant's request as it arrived: the bus vouches for ``participant`` (its subject)."""

    channel: RequestChannel
    participant: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class MarketBus(Protocol):
    """The market's side of the bus."""

    async def start(
        self,
        on_request: Callable[[Request], Awaitable[bytes]],
        on_heartbeat: Callable[[str, bytes], None],
        on_arrival: Callable[[Request], bytes | None] | None = None,
    ) -> None:
        """Take requests: the handler's bytes are the reply. Heartbeats carry (participant, body).

        ``on_arrival`` is asked first, at once: what it returns is the reply and nothing is handled; empty
        bytes are no reply at all.
        """
        ...

    async def admit(self, participant: str) -> None:
        """Prepare a participant's durable mailbox; idempotent."""
        ...

    async def send(self, message: OutboxMessage) -> None:
        """Hand a message over durably (once in effect per message id and participant).

        Raises `BusTimeoutError` or `BusMailboxFullError` when it should be sent again later, and
        `BusMailboxError` for a participant that was not admitted on this bus.
        """
        ...

    async def acknowledged(self) -> Sequence[str]:
        """Return the ids of sent messages that their participants acknowledged since last asked."""
        ...

    @property
    def is_connected(self) -> bool:
        """Whether the bus answers now."""
        ...

    async def publish_tape(self, body: bytes) -> None:
        """Publish to the public tape, best effort."""
        ...

    async def close(self) -> None:
        """Stop taking requests and release connections."""
        ...
