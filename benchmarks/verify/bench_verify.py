"""How fast a log is verified, beside git's own check of as many commits in the same run.

Run: ``.venv/bin/python -m benchmarks.verify.bench_verify [--entries 100000]``. CPU seconds, so that the
figures hold on a busy machine. git is the hash chain that everybody has: each entry is one commit with the
same bytes in its one file, written by ``git fast-import`` and checked by ``git fsck``.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.cnp import contest, workload
from benchmarks.cnp.in_process import InProcess
from market.adapters.journal import open_journal
from market.adapters.journal_memory import MemoryJournal
from market.adapters.journal_reader import JournalReader
from market.adapters.journal_sqlite import SqliteSettings
from market.ports import Decided, Entry, TreeHead
from market.service.audit import audit
from market.service.chain import check_chain
from takt_sdk.signing import Signer, account_seed, head_bytes, is_signed, message_bytes, user_seed
from takt_sdk.wall_clock import OsEntropy

TARGET_PER_S = 50_000
BATCH = 100
MARKET = "bench"


def _entries(count: int, *, signed: bool) -> list[Entry]:
    """Return entries of about a kilobyte; with a participant's signature if asked."""
    signer = Signer(user_seed(bytes(range(32))))
    found = []
    for number in range(count):
        message = json.dumps({"number": number, "text": "x" * 600}).encode()
        data = message_bytes(MARKET, "bid", "acme", message)
        found.append(
            Entry(
                now_us=number,
                source="bid",
                message=message,
                events=b'[{"kind":"takt.sheet_received.v1","text":"' + b"y" * 300 + b'"}]',
                engine_version="2",
                rules_version=1,
                signature=signer.sign(data) if signed else b"",
                key=signer.key if signed else "",
            )
        )
    return found


def _write(path: Path, entries: list[Entry]) -> None:
    signer = Signer(account_seed(bytes(range(32))))

    def sign(head: TreeHead) -> TreeHead:
        signature = signer.sign(head_bytes(MARKET, head.size, head.root, 7))
        return TreeHead(size=head.size, root=head.root, at_us=7, signature=signature)

    journal = open_journal(path, entropy=OsEntropy(), sqlite=SqliteSettings(durable=False))
    for start in range(0, len(entries), BATCH):
        journal.append([Decided(entry=entry) for entry in entries[start : start + BATCH]], sign=sign)
    journal.close()


def _import(folder: Path, entries: list[Entry]) -> None:
    """Write the entries as commits of a git repository."""
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(folder)], check=True)
    process = subprocess.Popen(["git", "-C", str(folder), "fast-import", "--quiet"], stdin=subprocess.PIPE)
    assert process.stdin is not None
    for entry in entries:
        data = entry.message + entry.events
        process.stdin.write(
            b"commit refs/heads/main\ncommitter a <a@b> 0 +0000\ndata 1\nx\n"
            b"M 100644 inline entry\ndata %d\n%s\n" % (len(data), data)
        )
    process.stdin.close()
    assert process.wait() == 0


def _cpu(work: Callable[[], object]) -> float:
    """Return the CPU seconds of this process and of its children."""
    before = _used()
    work()
    return _used() - before


def _used() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


class _Auctions(InProcess):
    """Auctions of which every entry is a commit of its own, with a signed head."""

    def commit(self) -> None:
        """Store what was decided since the last commit, entry by entry."""
        for one in self.decided:
            self.journal.append([one], sign=_signed)
        self.decided = []


def _signed(head: TreeHead) -> TreeHead:
    data = head_bytes(contest.MARKET, head.size, head.root, 7)
    signature = contest.signer(contest.MARKET).sign(data)
    return TreeHead(size=head.size, root=head.root, at_us=7, signature=signature)


def _auctioned(takts: int) -> MemoryJournal:
    """Return the log of auctions of ten orders among 20 plants, every word of a plant signed."""
    journal = MemoryJournal(entropy=OsEntropy())
    _Auctions(20, signed=True, journal=journal).run(workload.prices(20, 10 * takts), 10)
    return journal


def _row(name: str, count: int, seconds: float, peer: float) -> float:
    rate = count / seconds
    print(f"{name:<58} {rate:>10,.0f}/s   {rate / peer:>6.2f} x git fsck")
    return rate


def main() -> int:
    """Print every row; return 1 if the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=100_000)
    count = parser.parse_args().entries
    print(f"{count} entries, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, per CPU second\n")
    with tempfile.TemporaryDirectory(prefix="takt-verify-") as name:
        folder = Path(name)
        plain, signed = _entries(count, signed=False), _entries(count, signed=True)
        _import(folder / "git", plain)
        _write(folder / "plain.db", plain)
        _write(folder / "signed.db", signed)
        fsck = ["git", "-C", str(folder / "git"), "fsck", "--full", "--no-progress"]
        peer = count / _cpu(lambda: subprocess.run(fsck, check=True, stdout=subprocess.DEVNULL))
        print(f"{'git fsck, a commit an entry':<58} {peer:>10,.0f}/s")
        rates = []
        for kind in ("plain", "signed"):
            with JournalReader(folder / f"{kind}.db") as log:
                seconds = _cpu(lambda log=log: check_chain(log))  # type: ignore[misc]
            rates.append(_row(f"takt verify --chain, {kind} entries, {BATCH} a commit", count, seconds, peer))
        few = signed[: max(1, count // 10)]

        def signatures() -> None:
            for entry in few:
                data = message_bytes(MARKET, entry.source, "acme", entry.message)
                assert is_signed(entry.key, entry.signature, data)

        _row("signatures of participants alone", len(few), _cpu(signatures), peer)
    journal = _auctioned(takts=20)
    seconds = _cpu(lambda: audit(journal))
    size = journal.head().size
    _row("takt verify, all of it: auctions of 10 orders, 20 plants", size, seconds, peer)
    met = min(rates) >= TARGET_PER_S
    print(f"\ntarget: chain >= {TARGET_PER_S:,}/s: {'met' if met else 'missed'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
