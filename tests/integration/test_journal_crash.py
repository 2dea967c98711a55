"""Nothing acknowledged is lost or doubled when the writer dies: at any moment, at any system call."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deadlines import killed_after
from tests.integration.journal_checks import assert_kept, told

WRITER = (sys.executable, "-m", "tests.integration.journal_writer")
DEADLINE_S = 60
needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


def kill_after(path: Path, acks: int, *, batch_size: int, checkpoint_pages: int) -> str:
    """Run a writer, kill it after it said ``acks`` acknowledgements, and return all that it said."""
    command = [*WRITER, str(path), "--batches=1000000", f"--batch-size={batch_size}"]
    with subprocess.Popen(
        [*command, f"--checkpoint-pages={checkpoint_pages}"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        with killed_after(process, DEADLINE_S):
            lines = [process.stdout.readline() for _ in range(acks)]
            process.kill()
            lines.append(process.stdout.read())
        assert process.wait(DEADLINE_S) == -9
    return "".join(lines)


@pytest.mark.parametrize("rounds", [6, pytest.param(60, marks=pytest.mark.slow)])
def test_killed_at_random_moments(tmp_path: Path, rounds: int) -> None:
    path = tmp_path / "market.db"
    chance = random.Random(rounds)
    size = 0
    for _ in range(rounds):
        output = kill_after(
            path,
            chance.randrange(0, 150),
            batch_size=chance.choice((1, 2, 7)),
            checkpoint_pages=chance.choice((10, 200, 4_000)),
        )
        acknowledged = told(output).acknowledged
        before, size = size, assert_kept(path, acknowledged)
        assert size >= before


def inject(path: Path, fault: str, *, batches: int = 12, checkpoint_pages: int = 8) -> tuple[int, str]:
    """Run a writer under strace that puts a fault into its system calls on the journal's files."""
    run = subprocess.run(
        [
            *("strace", "-f", "-qq", "-o", "/dev/null", "-P", str(path), "-P", f"{path}-wal"),
            *("-e", f"inject={fault}", "--", *WRITER, str(path), f"--batches={batches}", "--batch-size=3"),
            f"--checkpoint-pages={checkpoint_pages}",
        ],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    return run.returncode, run.stdout


def prepared(path: Path) -> Path:
    """Return a copy of a journal of 6 entries, so that a fault can hit the first call of a writer."""
    template = path.with_name("template.db")
    if not template.exists():
        subprocess.run(
            [*WRITER, str(template), "--batches=2", "--batch-size=3"],
            check=True,
            capture_output=True,
            timeout=120,
        )
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()
    shutil.copy(template, path)
    return path


def kill_points(first: int, stop: int, step: int) -> list[str]:
    return [
        f"{call}:signal=KILL:when={at}"
        for call in ("pwrite64", "fdatasync")
        for at in range(first, stop, step)
    ]


@needs_strace
@pytest.mark.parametrize(
    "faults",
    [
        pytest.param(kill_points(2, 60, 24), id="sample"),
        pytest.param(kill_points(1, 60, 1), id="every", marks=pytest.mark.slow),
    ],
)
def test_killed_inside_a_write_or_an_fsync(tmp_path: Path, faults: list[str]) -> None:
    path = tmp_path / "market.db"
    killed = 0
    for fault in faults:
        code, output = inject(prepared(path), fault)
        killed += code in {-9, 137}
        assert assert_kept(path, told(output).acknowledged) >= 6
    assert killed >= len(faults) // 2


@needs_strace
@pytest.mark.parametrize("when", [2, 5, 9])
def test_a_write_without_space_is_refused_whole_and_retried(tmp_path: Path, when: int) -> None:
    path = tmp_path / "market.db"
    code, output = inject(prepared(path), f"pwrite64:error=ENOSPC:when={when}", checkpoint_pages=4_000)
    said = told(output)
    assert said.failed == ("JournalFullError",)
    assert code == 0
    assert len(said.acknowledged) == 11
    assert assert_kept(path, said.acknowledged) == 6 + 11 * 3


@needs_strace
def test_a_failed_fsync_ends_the_journal_and_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    """After a failed fsync nobody knows what is stored: the writer must stop, not go on as if nothing was."""
    path = tmp_path / "market.db"
    code, output = inject(prepared(path), "fdatasync:error=EIO:when=4", checkpoint_pages=4_000)
    said = told(output)
    assert said.failed == ("JournalUnknownError", "JournalUnknownError")
    assert code == 3
    assert said.acknowledged
    size = assert_kept(path, said.acknowledged)
    assert size in {said.acknowledged[-1].size, said.acknowledged[-1].size + 3}
