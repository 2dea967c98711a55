"""A process that appends to a journal until it is killed; it prints each batch that was acknowledged.

``python -m tests.integration.journal_writer PATH --batches N --batch-size K [--not-durable]``
prints ``ack SIZE ROOT`` after each append, and ``failed NAME`` when one raises.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

from market.adapters.journal import open_journal
from market.adapters.journal_sqlite import SqliteSettings
from market.journal_errors import JournalError
from market.ports import Decided, Entry, OutboxMessage, RowChange
from takt_sdk.wall_clock import OsEntropy


def numbered(number: int) -> Decided:
    """Return entry ``number`` with the row and the message that belong to it."""
    return Decided(
        entry=Entry(
            now_us=number,
            source="acme",
            message=b'{"number":%d}' % number,
            events=b"[]" * (number % 700),
            engine_version="0.1.0",
            rules_version=1,
        ),
        rows=(
            RowChange(
                model="orders",
                key=f"{number:09}",
                tenant="acme",
                status="calling",
                updated_us=number,
                document=b"{}" * (number % 500),
            ),
        ),
        outbox=(OutboxMessage(message_id=f"m{number}", channel="cfp", participant="plant-1", body=b"{}"),),
    )


def say(line: str) -> None:
    """Write a line in one system call."""
    os.write(sys.stdout.fileno(), f"{line}\n".encode())


def main() -> None:
    """Append until the given number of batches is stored, or one fails twice."""
    parser = argparse.ArgumentParser()
    parser.add_argument("path", type=Path)
    parser.add_argument("--batches", type=int, required=True)
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--checkpoint-pages", type=int, default=4_000)
    parser.add_argument("--not-durable", action="store_true")
    parser.add_argument("--die", action="store_true", help="end without closing the journal")
    options = parser.parse_args()
    settings = SqliteSettings(durable=not options.not_durable, checkpoint_pages=options.checkpoint_pages)
    journal = open_journal(options.path, entropy=OsEntropy(), sqlite=settings)
    failures = 0
    for _ in range(options.batches):
        first = journal.head().size
        batch = [numbered(first + at) for at in range(options.batch_size)]
        try:
            _, head = journal.append(batch)
        except JournalError as error:
            say(f"failed {type(error).__name__}")
            failures += 1
            if failures == 2:
                sys.exit(3)
        else:
            say(f"ack {head.size} {head.root.hex()}")
    if options.die:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
