"""Journal: commits and entries per second, and the restart, beside the plain sqlite3 module.

The plain module writes the same bytes into one bare table (no tree, no salts, no read models, no
checks) with the same pragmas, so its rows are the price of durable SQLite itself.

    python benchmarks/journal/bench_journal.py [--entries 100000] [--folder DIR]
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from time import perf_counter

from market.adapters.journal import open_journal
from market.adapters.journal_audit import audit_tree
from market.adapters.journal_memory import MemoryJournal
from market.adapters.journal_sqlite import SqliteSettings
from market.ports import Decided, Entry, OutboxMessage, RowChange
from takt_sdk.wall_clock import OsEntropy

MESSAGE = b'{"kind":"takt.order.v1","lots":["' + b"x" * 500 + b'"]}'
EVENTS = b'[{"kind":"takt.order_submitted.v1","order":"' + b"y" * 250 + b'"}]'
DOCUMENT = b'{"order":"' + b"z" * 300 + b'"}'


def decided(number: int, *, full: bool) -> Decided:
    """Return an entry of about 900 bytes; ``full`` adds a row of 310 bytes and an outbox message."""
    return Decided(
        entry=Entry(
            now_us=number,
            source="acme",
            message=MESSAGE,
            events=EVENTS,
            engine_version="0.1.0",
            rules_version=1,
        ),
        rows=(
            RowChange(
                model="orders",
                key=f"{number:012}",
                tenant=f"customer-{number % 12}",
                status="calling",
                updated_us=number,
                document=DOCUMENT,
            ),
        )
        if full
        else (),
        outbox=(OutboxMessage(message_id=f"m{number}", channel="cfp", participant="plant-1", body=DOCUMENT),)
        if full
        else (),
    )


@contextmanager
def plain_sqlite(path: Path, settings: SqliteSettings) -> Iterator[Callable[[list[Decided]], None]]:
    """Yield an append that stores entries in one bare table of the sqlite3 module."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for pragma, value in settings.pragmas().items():
            connection.execute(f"PRAGMA {pragma} = {value}")
        connection.execute(
            "CREATE TABLE entries (position INTEGER PRIMARY KEY, now_us INTEGER, source TEXT, message BLOB, "
            "events BLOB, engine_version TEXT, rules_version INTEGER) STRICT"
        )

        def append(batch: list[Decided]) -> None:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "INSERT INTO entries (now_us, source, message, events, engine_version, rules_version) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (
                        one.entry.now_us,
                        one.entry.source,
                        one.entry.message,
                        one.entry.events,
                        one.entry.engine_version,
                        one.entry.rules_version,
                    )
                    for one in batch
                ],
            )
            connection.execute("COMMIT")

        yield append


def rate(append: Callable[[list[Decided]], object], batches: list[list[Decided]]) -> tuple[float, float]:
    """Return entries per second and the median milliseconds of a commit, after a warm-up of a tenth."""
    warm_up = len(batches) // 10
    for batch in batches[:warm_up]:
        append(batch)
    batches = batches[warm_up:]
    seconds: list[float] = []
    started = perf_counter()
    for batch in batches:
        before = perf_counter()
        append(batch)
        seconds.append(perf_counter() - before)
    entries = sum(len(batch) for batch in batches)
    return entries / (perf_counter() - started), statistics.median(seconds) * 1e3


def batches_of(count: int, size: int, *, full: bool, first: int = 0) -> list[list[Decided]]:
    """Return ``count`` batches of ``size`` entries, numbered on from ``first``."""
    return [[decided(first + number * size + at, full=full) for at in range(size)] for number in range(count)]


def writing(folder: Path) -> None:
    """Print the rates of appends, each beside the plain module in the same round."""
    print(f"{'appends, durable (fsync per commit)':52} {'entries/s':>10} {'ms/commit':>10} {'of plain':>9}")
    for size, count in ((1, 3_000), (10, 1_000), (100, 300), (1_000, 30)):
        name = f"{size} entries a commit"
        with plain_sqlite(folder / f"plain-{size}.db", SqliteSettings()) as append:
            plain, plain_ms = rate(append, batches_of(count, size, full=False))
        print(f"{name + ', plain sqlite3':52} {plain:10,.0f} {plain_ms:10.3f} {1:9.2f}")
        for full in (False, True):
            label = f"{name}, journal{' + a row and a message each' if full else ''}"
            with closing(open_journal(folder / f"{size}-{full}.db", entropy=OsEntropy())) as journal:
                entries, ms = rate(journal.append, batches_of(count, size, full=full))
            print(f"{label:52} {entries:10,.0f} {ms:10.3f} {entries / plain:9.2f}")
    memory = MemoryJournal(entropy=OsEntropy())
    entries, ms = rate(memory.append, batches_of(20_000, 1, full=True))
    print(f"{'1 entry a commit, memory journal (not durable)':52} {entries:10,.0f} {ms:10.3f}")


def beside_a_busy_thread(folder: Path) -> None:
    """Print what a commit takes while another thread never waits, as a busy event loop does."""
    print(f"\n{'median commit beside a busy thread':52} {'ms':>10}")
    for switch_s in (0.005, 0.000_5):
        previous = sys.getswitchinterval()
        sys.setswitchinterval(switch_s)
        stop = threading.Event()

        def spin(stop: threading.Event = stop) -> None:
            turns = 0
            while turns >= 0:
                turns += 1
                if turns % 1_000 == 0 and stop.is_set():
                    return

        thread = threading.Thread(target=spin)
        path = folder / f"busy-{switch_s}.db"
        with closing(open_journal(path, entropy=OsEntropy())) as journal:
            thread.start()
            _, one = rate(journal.append, batches_of(50, 1, full=True))
            _, many = rate(journal.append, batches_of(20, 100, full=True, first=1_000))
            stop.set()
            thread.join()
        sys.setswitchinterval(previous)
        print(f"{f'1 entry + row + message, switch interval {switch_s} s':52} {one:10.2f}")
        print(f"{f'100 entries + rows + messages, switch interval {switch_s} s':52} {many:10.2f}")


def restart(folder: Path, entries: int) -> None:
    """Print what opening, reading and checking a long journal takes."""
    path = folder / "long.db"
    with closing(open_journal(path, entropy=OsEntropy())) as journal:
        for batch in batches_of(entries // 100, 100, full=False):
            journal.append(batch)
    print(f"\n{f'restart, {entries:,} entries, {path.stat().st_size / 1e6:,.0f} MB':52} {'seconds':>10}")
    started = perf_counter()
    with closing(open_journal(path, entropy=OsEntropy())) as journal:
        opened = perf_counter()
        read = sum(1 for _ in journal.read())
        finished = perf_counter()
        audit_tree(journal, location=journal.location)
        audited = perf_counter()
    with closing(sqlite3.connect(path)) as connection:
        plain_started = perf_counter()
        rows = sum(1 for _ in connection.execute("SELECT * FROM entries ORDER BY position"))
        plain = perf_counter() - plain_started
    assert read == rows == entries
    print(f"{'open: lock, settings, frontier against the last head':52} {opened - started:10.3f}")
    print(f"{'read every entry':52} {finished - opened:10.3f}   {(finished - opened) / plain:.1f} x plain")
    print(f"{'recompute every leaf and head':52} {audited - finished:10.3f}")


def main() -> None:
    """Run all three in a folder on a real disk."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument(
        "--folder", type=Path, default=None, help="where the files go; default a temporary one"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        print(f"SQLite {sqlite3.sqlite_version}, Python {sys.version.split()[0]}\n")
        writing(Path(folder))
        beside_a_busy_thread(Path(folder))
        restart(Path(folder), options.entries)


if __name__ == "__main__":
    main()
