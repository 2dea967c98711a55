"""An acknowledgement means fsynced: shown in the system calls, and by taking away what was not synced."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from market.journal_errors import JournalError
from tests.integration.journal_checks import assert_kept, told
from tests.integration.test_journal_crash import DEADLINE_S, WRITER, needs_strace

CALL = re.compile(
    r"^(?:\d+ +)?(?P<name>\w+)\((?P<fd>\d+)<(?P<file>[^>]*)>(?P<rest>.*)\) += (?P<result>-?\d+)"
)
EXTENT = re.compile(r", (?P<size>\d+), (?P<offset>\d+)$")


@dataclass
class Disk:
    """What the trace says of one file: how much was written, and how much of that is on the disk."""

    written: int = 0
    synced: int = 0
    is_dirty: bool = False


@dataclass
class Trace:
    """The acknowledgements of a traced writer, each with the synced length of the log before it."""

    unsynced_acks: list[int] = field(default_factory=list)
    synced_at_ack: list[int] = field(default_factory=list)


def traced(path: Path, *options: str) -> tuple[Trace, str]:
    log = path.with_name("strace.log")
    run = subprocess.run(
        [
            *("strace", "-f", "-y", "-qq", "-s", "64", "-o", str(log)),
            *("-e", "trace=pwrite64,write,fdatasync,fsync", "--", *WRITER, str(path)),
            *("--batches=12", "--batch-size=2", *options),
        ],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert run.returncode == (-9 if "--die" in options else 0), run.stderr
    return read_trace(log, path), run.stdout


def read_trace(log: Path, path: Path) -> Trace:
    trace = Trace()
    disks = {str(path): Disk(), f"{path}-wal": Disk()}
    for line in log.read_text().splitlines():
        call = CALL.match(line)
        if call is None:
            continue
        disk = disks.get(call["file"])
        if disk is not None and call["name"] == "pwrite64":
            extent = EXTENT.search(call["rest"])
            assert extent is not None, line
            disk.written = max(disk.written, int(extent["size"]) + int(extent["offset"]))
            disk.is_dirty = True
        elif disk is not None and call["name"] in {"fsync", "fdatasync"}:
            disk.synced, disk.is_dirty = disk.written, False
        elif call["name"] == "write" and call["rest"].startswith(', "ack '):
            if any(disk.is_dirty for disk in disks.values()):
                trace.unsynced_acks.append(len(trace.synced_at_ack))
            trace.synced_at_ack.append(disks[f"{path}-wal"].synced)
    return trace


def lose_power(path: Path, copy: Path, synced: int) -> Path:
    """Copy a journal as the disk holds it when only the first ``synced`` bytes of its log were synced."""
    shutil.copy(path, copy)
    wal = copy.with_name(copy.name + "-wal")
    wal.write_bytes(path.with_name(path.name + "-wal").read_bytes()[:synced])
    return copy


@needs_strace
def test_every_acknowledgement_follows_its_fsync(tmp_path: Path) -> None:
    trace, output = traced(tmp_path / "market.db")
    assert len(told(output).acknowledged) == len(trace.synced_at_ack) == 12
    assert trace.unsynced_acks == []
    assert trace.synced_at_ack == sorted(set(trace.synced_at_ack))


@needs_strace
def test_the_check_sees_a_writer_that_does_not_sync(tmp_path: Path) -> None:
    trace, output = traced(tmp_path / "market.db", "--not-durable")
    assert len(told(output).acknowledged) == 12
    assert trace.unsynced_acks == list(range(12))


@needs_strace
@pytest.mark.parametrize("durable", [True, False])
def test_what_was_synced_at_an_acknowledgement_holds_all_of_it(tmp_path: Path, durable: bool) -> None:
    """The writer dies without a checkpoint; then its log is cut to what each acknowledgement had synced."""
    path = tmp_path / "market.db"
    trace, output = traced(path, "--die", *(() if durable else ("--not-durable",)))
    acknowledged = told(output).acknowledged
    assert len(acknowledged) == len(trace.synced_at_ack) == 12
    kept = 0
    for number, synced in enumerate(trace.synced_at_ack):
        copy = lose_power(path, tmp_path / f"after-{number}.db", synced)
        try:
            kept += assert_kept(copy, acknowledged[: number + 1]) >= acknowledged[number].size
        except (AssertionError, JournalError):
            assert not durable
    assert kept == (len(acknowledged) if durable else 0)
