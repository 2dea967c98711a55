"""Commands that compute are ended by a signal that comes while they clear, and while they take a row."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCARCITY = str(ROOT / "scenarios" / "library" / "scarcity")
DEADLINE_S = 120

AT_A_MOMENT = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell leaves it to what it starts in the background
from market.clearing.search.part_search import PartSearch
from scenarios.cli import main
from scenarios.study.table import StudyTable

owner, name, number = {"clearing": PartSearch, "row": StudyTable}[sys.argv[1]], sys.argv[2], int(sys.argv[3])
inner, told = getattr(owner, name), []

def tell_and_go_on(*arguments):
    if not told:
        told.append(number)
        os.kill(os.getpid(), number)
    return inner(*arguments)

setattr(owner, name, tell_and_go_on)
sys.argv[1:] = sys.argv[4:]
main()
"""

RUN = ["run", SCARCITY]
SWEEP = ["sweep", SCARCITY, "--workers", "1", "--seeds", "3", "--mechanism", "pay_as_bid"]
REGRET = ["regret", SCARCITY, "--seller", "lyons-mill", "--mechanism", "pay_as_bid"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize(
    ("moment", "command"),
    [
        (["clearing", "run"], RUN),
        (["clearing", "run"], SWEEP),
        (["clearing", "run"], REGRET),
        (["row", "add"], SWEEP),
    ],
    ids=["run", "sweep", "regret", "row"],
)
def test_a_signal_ends_a_command_whatever_it_does(
    tmp_path: Path, moment: list[str], command: list[str], number: signal.Signals
) -> None:
    """A clearing takes a KeyboardInterrupt for a wish to have its best so far, and the run would go on."""
    done = subprocess.run(
        [sys.executable, "-c", AT_A_MOMENT, *moment, str(number.value), *command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 128 + number, done.stdout + done.stderr
    assert "stopped" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("summary.json"))
    assert not list(tmp_path.rglob("table.parquet"))
