"""What every journal refuses before it stores anything, so that all stores agree.

Text that PostgreSQL or SQLite would change or reject (NUL, lone surrogates), integers beyond 64
bits, and values of another type than declared.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import get_args

from market.journal_errors import JournalConflictError, JournalValueError
from market.ports import Decided, Entry, OutboxMessage, ReadModel, RowChange, Snapshot

READ_MODELS: tuple[ReadModel, ...] = get_args(ReadModel)
CHANNELS: tuple[str, ...] = ("cfp", "notice", "tape")
MAX_ROWS = 10_000
"""Most rows that one call of ``rows`` returns."""

_INT64 = range(-(2**63), 2**63)


def check_batch(location: str, batch: Sequence[Decided]) -> None:
    """Raise unless each part of a batch can be stored exactly and names no message twice."""
    seen: set[str] = set()
    for number, decided in enumerate(batch):
        where = f"batch[{number}]"
        if not _is_plain_entry(decided.entry):
            _check_entry(location, where, decided.entry)
        for at, row in enumerate(decided.rows):
            if not _is_plain_row(row):
                _check_row(location, f"{where}.rows[{at}]", row)
        for at, message in enumerate(decided.outbox):
            path = f"{where}.outbox[{at}]"
            _check_message(location, path, message)
            if message.message_id in seen:
                raise JournalConflictError(
                    location,
                    f"{path}.message_id",
                    message.message_id,
                    "is given twice in the batch",
                )
            seen.add(message.message_id)


def check_replacement(location: str, rows: Sequence[RowChange]) -> None:
    """Raise unless the rows can be the whole of the read models."""
    seen: set[tuple[str, str]] = set()
    for at, row in enumerate(rows):
        _check_row(location, f"rows[{at}]", row)
        if row.document is None:
            raise JournalValueError(location, f"rows[{at}].document", None, "must be bytes")
        if (row.model, row.key) in seen:
            raise JournalConflictError(location, f"rows[{at}].key", row.key, f"is given twice in {row.model}")
        seen.add((row.model, row.key))


def check_snapshot(location: str, snapshot: Snapshot, *, size: int) -> None:
    """Raise unless a snapshot covers stored entries only and carries the digest of its state."""
    _check_bytes(location, "snapshot", "state", snapshot.state)
    _check_integer(location, "snapshot", "size", snapshot.size)
    if not 0 <= snapshot.size <= size:
        raise JournalValueError(location, "snapshot.size", snapshot.size, f"must be in [0, {size}]")
    if not is_intact(snapshot):
        raise JournalValueError(
            location,
            "snapshot.digest",
            snapshot.digest,
            "must be the SHA-256 of the state in hex",
        )


def is_intact(snapshot: Snapshot) -> bool:
    """Return whether a snapshot's digest is that of its state."""
    return sha256(snapshot.state).hexdigest() == snapshot.digest


def check_query(
    location: str,
    model: ReadModel,
    *,
    tenant: str | None,
    key: str | None,
    status: str | None,
    after: str,
    limit: int,
) -> None:
    """Raise unless a query of a read model is one that can be answered."""
    for field, value in (("tenant", tenant), ("key", key), ("status", status), ("after", after)):
        if value is not None:
            _check_text(location, "query", field, value)
    if model not in READ_MODELS:
        raise JournalValueError(location, "model", model, f"must be one of {', '.join(READ_MODELS)}")
    if not 1 <= limit <= MAX_ROWS:
        raise JournalValueError(location, "limit", limit, f"must be in [1, {MAX_ROWS}]")


def check_ids(location: str, message_ids: Sequence[str]) -> None:
    """Raise unless each id is text that could be stored."""
    for at, message_id in enumerate(message_ids):
        _check_text(location, "message_ids", str(at), message_id)


def check_range(location: str, start: int, stop: int | None) -> None:
    """Raise unless positions are not negative."""
    if start < 0:
        raise JournalValueError(location, "start", start, "must not be negative")
    if stop is not None and stop < 0:
        raise JournalValueError(location, "stop", stop, "must not be negative")


def _is_plain_entry(entry: Entry) -> bool:
    """Return whether nothing can be wrong with an entry; the others are looked at field by field."""
    return (
        _are_plain(entry.source, entry.engine_version, entry.key)
        and type(entry.message) is type(entry.events) is type(entry.signature) is bytes
        and type(entry.now_us) is type(entry.rules_version) is int
        and entry.now_us in _INT64
        and entry.rules_version in _INT64
    )


def _is_plain_row(row: RowChange) -> bool:
    """Return whether nothing can be wrong with a row; the others are looked at field by field."""
    return (
        _are_plain(row.key, row.tenant, row.status)
        and row.key != ""
        and row.model in READ_MODELS
        and type(row.document) is bytes
        and type(row.updated_us) is int
        and row.updated_us in _INT64
    )


def _are_plain(one: object, two: object, three: object) -> bool:
    if type(one) is str and type(two) is str and type(three) is str:
        text = one + two + three
        return text.isascii() and "\0" not in text
    return False


def _check_entry(location: str, where: str, entry: Entry) -> None:
    _check_integer(location, where, "entry.now_us", entry.now_us)
    _check_text(location, where, "entry.source", entry.source)
    _check_bytes(location, where, "entry.message", entry.message)
    _check_bytes(location, where, "entry.events", entry.events)
    _check_text(location, where, "entry.engine_version", entry.engine_version)
    _check_integer(location, where, "entry.rules_version", entry.rules_version)
    _check_bytes(location, where, "entry.signature", entry.signature)
    _check_text(location, where, "entry.key", entry.key)


def _check_row(location: str, where: str, row: RowChange) -> None:
    _check_word(location, where, "model", row.model, READ_MODELS)
    _check_text(location, where, "key", row.key)
    _check_filled(location, where, "key", row.key)
    _check_text(location, where, "tenant", row.tenant)
    _check_text(location, where, "status", row.status)
    _check_integer(location, where, "updated_us", row.updated_us)
    if row.document is not None:
        _check_bytes(location, where, "document", row.document)


def _check_message(location: str, where: str, message: OutboxMessage) -> None:
    _check_text(location, where, "message_id", message.message_id)
    _check_filled(location, where, "message_id", message.message_id)
    _check_word(location, where, "channel", message.channel, CHANNELS)
    _check_text(location, where, "participant", message.participant)
    _check_bytes(location, where, "body", message.body)


def _check_text(location: str, where: str, field: str, value: object) -> None:
    if not isinstance(value, str):
        raise JournalValueError(location, f"{where}.{field}", value, "must be text")
    if "\0" in value or (not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value)):
        raise JournalValueError(location, f"{where}.{field}", value, "must have no NUL or surrogate")


def _check_filled(location: str, where: str, field: str, value: str) -> None:
    if not value:
        raise JournalValueError(location, f"{where}.{field}", value, "must not be empty")


def _check_word(location: str, where: str, field: str, value: str, words: Sequence[str]) -> None:
    if value not in words:
        raise JournalValueError(location, f"{where}.{field}", value, f"must be one of {', '.join(words)}")


def _check_bytes(location: str, where: str, field: str, value: object) -> None:
    if type(value) is not bytes:
        raise JournalValueError(location, f"{where}.{field}", value, "must be bytes")


def _check_integer(location: str, where: str, field: str, value: object) -> None:
    if type(value) is not int or value not in _INT64:
        raise JournalValueError(location, f"{where}.{field}", value, "must be an integer of 64 bits")
