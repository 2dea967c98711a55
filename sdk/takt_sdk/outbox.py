"""A company's outbox on disk: what it says is stored before it is sent, and kept with what was answered.

One SQLite file per company and market, fsynced at each write. Decides nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self, cast, get_args

from takt_sdk.errors import OutboxError
from takt_sdk.ports import RequestChannel
from takt_sdk.receipts import KeptReceipt, ReceiptError, receipt_to_json

_SCHEMA = """
CREATE TABLE IF NOT EXISTS owner (name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS message (
    position INTEGER PRIMARY KEY,
    message_id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    channel TEXT NOT NULL,
    body BLOB NOT NULL,
    stored_us INTEGER NOT NULL,
    reply BLOB,
    replied_us INTEGER
);
CREATE TABLE IF NOT EXISTS receipt (position INTEGER PRIMARY KEY, evidence BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS dispute (evidence BLOB NOT NULL, what TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS unanswered ON message (position) WHERE reply IS NULL;
"""
_ALL = "SELECT message_id, kind, channel, body, stored_us, reply FROM message {} ORDER BY position"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A message, exactly as sent, and the market's answer, exactly as received; empty while there is none."""

    message_id: str
    kind: str
    channel: RequestChannel
    body: bytes
    stored_us: int
    reply: bytes = b""


class Outbox:
    """The messages of ``owner`` in a file that one process at a time may have open.

    Raises
    ------
    OutboxError
        If the file is somebody else's, in use, or cannot be written.
    """

    def __init__(self, path: Path, owner: str) -> None:
        self.path = path
        try:
            path.touch(mode=0o600)  # it holds prices
            self._database = sqlite3.connect(path, isolation_level=None, timeout=0.5)
            self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.executescript(_SCHEMA)
            known = self._database.execute("SELECT name FROM owner").fetchone()
            if known is None:
                self._database.execute("INSERT INTO owner VALUES (?)", (owner,))
        except (sqlite3.Error, OSError) as error:
            why = "is in use by another process" if "locked" in str(error) else f"cannot be used: {error}"
            raise OutboxError(str(path), why) from error
        if known is not None and known[0] != owner:
            self.close()
            raise OutboxError(str(path), f"is the outbox of {known[0]}, not of {owner}")

    def put(self, message: Stored) -> None:
        """Store a message before it is sent; one that is stored already stays as it is."""
        self._write(
            "INSERT INTO message (message_id, kind, channel, body, stored_us) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (message_id) DO NOTHING",
            (message.message_id, message.kind, message.channel, message.body, message.stored_us),
        )

    def answered(self, message_id: str, reply: bytes, now_us: int) -> None:
        """Keep the market's final answer to a message."""
        self._write(
            "UPDATE message SET reply = ?, replied_us = ? WHERE message_id = ?", (reply, now_us, message_id)
        )

    def reply_to(self, message_id: str) -> bytes | None:
        """Return the market's final answer to a message, None while there is none."""
        found = self._database.execute("SELECT reply FROM message WHERE message_id = ?", (message_id,))
        row = found.fetchone()
        return None if row is None else row[0]

    def unanswered(self) -> tuple[Stored, ...]:
        """Return what was stored and never answered, in order."""
        return tuple(self._read(_ALL.format("WHERE reply IS NULL")))

    def keep(self, receipt: KeptReceipt) -> None:
        """Keep a receipt with the signed message that it is of: what `takt verify --receipt` takes."""
        self._write(
            "INSERT OR IGNORE INTO receipt VALUES (?, ?)",
            (receipt.receipt.position, receipt_to_json(receipt)),
        )

    def dispute(self, receipt: KeptReceipt, error: ReceiptError) -> None:
        """Keep a receipt that contradicts itself."""
        self._write("INSERT INTO dispute VALUES (?, ?)", (receipt_to_json(receipt), error.what))

    def receipts(self) -> Iterator[bytes]:
        """Yield every receipt that was kept, as the file that proves it, by position in the log."""
        for (evidence,) in self._database.execute("SELECT evidence FROM receipt ORDER BY position"):
            yield evidence

    def __iter__(self) -> Iterator[Stored]:
        """Yield everything, in order."""
        return self._read(_ALL.format(""))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the file go; idempotent."""
        self._database.close()

    def _read(self, query: str) -> Iterator[Stored]:
        for message_id, kind, channel, body, stored_us, reply in self._database.execute(query):
            assert channel in get_args(RequestChannel), "only our own channels are stored"
            yield Stored(
                message_id=message_id,
                kind=kind,
                channel=cast("RequestChannel", channel),
                body=body,
                stored_us=stored_us,
                reply=reply or b"",
            )

    def _write(self, statement: str, values: tuple[object, ...]) -> None:
        try:
            self._database.execute(statement, values)
        except sqlite3.Error as error:
            raise OutboxError(str(self.path), f"cannot be written: {error}") from error
