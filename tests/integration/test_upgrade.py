"""A folder of the first release opens, folds, verifies and goes on: its journal, written by its schema."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import struct
from contextlib import closing
from pathlib import Path

from market.adapters.journal import open_journal
from market.merkle import Frontier
from market.service.recovery import recover
from scenarios.outcome import outcome_digest
from takt_sdk.wall_clock import OsEntropy
from tests.golden.golden_journal import FOLDER, GoldenJournal
from tests.integration.live_market import market, takt, verified

FIRST = FOLDER / "smoke-engine-1.jsonl"
SCHEMA = """
CREATE TABLE journal_format (version INTEGER NOT NULL) STRICT;
INSERT INTO journal_format VALUES (1);
CREATE TABLE entries (position INTEGER NOT NULL PRIMARY KEY, now_us INTEGER NOT NULL, source TEXT NOT NULL,
 message BLOB NOT NULL, events BLOB NOT NULL, engine_version TEXT NOT NULL, rules_version INTEGER NOT NULL,
 salt BLOB NOT NULL, leaf BLOB NOT NULL) STRICT;
CREATE TABLE tree_heads (size INTEGER NOT NULL PRIMARY KEY, root BLOB NOT NULL) STRICT;
CREATE TABLE frontiers (size INTEGER NOT NULL PRIMARY KEY, peaks BLOB NOT NULL) STRICT;
CREATE TABLE snapshots (size INTEGER NOT NULL PRIMARY KEY, state BLOB NOT NULL, digest TEXT NOT NULL) STRICT;
CREATE TABLE outbox (number INTEGER NOT NULL PRIMARY KEY, message_id TEXT NOT NULL, position INTEGER NOT NULL,
 channel TEXT NOT NULL, participant TEXT NOT NULL, body BLOB NOT NULL, is_open INTEGER NOT NULL,
 CONSTRAINT outbox_message_id UNIQUE (message_id)) STRICT;
CREATE INDEX outbox_open ON outbox (number) WHERE is_open = 1;
""" + "".join(
    f"""
CREATE TABLE {name} (key TEXT NOT NULL PRIMARY KEY, tenant TEXT NOT NULL, status TEXT NOT NULL,
 updated_us INTEGER NOT NULL, document BLOB NOT NULL) STRICT;
CREATE INDEX {name}_tenant ON {name} (tenant, key);
CREATE INDEX {name}_status ON {name} (status, key);
"""
    for name in ("orders", "contracts", "ledger", "participants", "parts", "clearings", "idempotency")
)
"""As release 0.1.0 made it."""


def first_release(path: Path) -> GoldenJournal:
    """Write the golden journal of the first release as its SQLite file."""
    golden = GoldenJournal(FIRST)
    frontier = Frontier()
    with closing(sqlite3.connect(path)) as database:
        database.executescript("PRAGMA journal_mode = wal;" + SCHEMA)
        for stored in golden.read():
            entry = stored.entry
            frontier = frontier.extend([stored.leaf])
            values = (
                stored.position, entry.now_us, entry.source, entry.message, entry.events,
                entry.engine_version, entry.rules_version, stored.salt, stored.leaf,
            )  # fmt: skip
            database.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
            database.execute("INSERT INTO tree_heads VALUES (?, ?)", (frontier.size, frontier.root()))
        database.commit()
    return golden


def test_a_journal_of_the_first_release_opens_folds_and_verifies(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    golden = first_release(path)
    with closing(open_journal(path, entropy=OsEntropy())) as journal:
        assert journal.head().root.hex() == golden.golden.root
        state = recover(journal)
    assert outcome_digest(state) == golden.golden.outcome_digest
    verified(path)


def test_leaves_of_the_first_release_never_change(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    first_release(path)
    with closing(open_journal(path, entropy=OsEntropy())) as journal:
        for stored in journal.read():
            entry = stored.entry

            def field(data: bytes) -> bytes:
                return struct.pack(">I", len(data)) + data

            encoded = (
                b"takt.journal.entry.v1\n"
                + struct.pack(">q", entry.now_us)
                + field(entry.source.encode())
                + field(entry.message)
                + field(entry.events)
                + field(entry.engine_version.encode())
                + struct.pack(">q", entry.rules_version)
            )
            assert hashlib.sha256(b"\x00" + stored.salt + encoded).digest() == stored.leaf


def test_a_market_goes_on_with_the_folder_of_the_first_release(tmp_path: Path) -> None:
    folder = tmp_path / "market"
    folder.mkdir()
    first_release(folder / "journal.db")
    before = json.loads(json.dumps([entry.position for entry in GoldenJournal(FIRST).read()]))
    with market(folder, "--empty") as running:
        known = json.loads(takt("status", "--json", "--data", str(folder)).stdout)
        assert known["entries"] >= len(before)
        assert known["orders"]["settled"] > 0
        assert running.stop() == 0
    verified(folder / "journal.db")
    shutil.rmtree(folder)
