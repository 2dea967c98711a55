"""`takt sweep` as a command: on Ray and alone, stopped and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from scenarios.cli import main
from scenarios.study.table import read_table
from tests.unit.scenarios.study.test_tables import ROOT, sweep_file

DEADLINE_S = 120
STOPPED_S = 15
"""A start of Ray that nobody gives up takes 25 s to end on a busy machine."""


@pytest.mark.usefixtures("ray_session")
def test_a_sweep_is_the_same_on_one_worker_and_on_ray_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    file = sweep_file(tmp_path, '[[parameters]]\npath = "rules.fee_ppm"\nvalues = [0, 20_000]\n')
    runner = CliRunner()
    one = runner.invoke(main, ["sweep", str(file), "--out", str(tmp_path / "one"), "--workers", "1"])
    assert one.exit_code == 0, one.output
    two = runner.invoke(main, ["sweep", str(file), "--out", str(tmp_path / "two"), "--workers", "2"])
    assert two.exit_code == 0, two.output
    first = read_table(tmp_path / "one")
    assert first.num_rows == 8
    assert first.equals(read_table(tmp_path / "two"))
    part = next((tmp_path / "two" / "parts").glob("*.parquet"))
    part.unlink()
    (tmp_path / "two" / "table.parquet").unlink()
    resumed = runner.invoke(main, ["sweep", str(file), "--out", str(tmp_path / "two"), "--workers", "1"])
    assert resumed.exit_code == 0, resumed.output
    assert first.equals(read_table(tmp_path / "two"))


def test_a_ray_of_its_own_runs_cells_until_the_sweep_is_over(tmp_path: Path) -> None:
    """Ray's servers die with the thread that started them: one that ends too soon ends the sweep."""
    file, out = sweep_file(tmp_path), tmp_path / "o"
    arguments = ["sweep", str(file), "--workers", "3", "--seeds", "8", "--out", str(out)]
    done = subprocess.run(
        [sys.executable, "-c", SLOW_HERE, *arguments],
        env={name: value for name, value in os.environ.items() if not name.startswith("RAY_")},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert read_table(out).num_rows == 16


SLOW_HERE = """
import asyncio
from scenarios.cli import main
from scenarios.study import execute

async def never(case, cells, took):
    await asyncio.sleep(0)

execute.run_here = never
main()
"""
"""All cells are Ray's: this process leaves them to it."""


def test_ctrl_c_while_ray_starts_ends_the_sweep_and_all_of_ray(tmp_path: Path) -> None:
    file, out = sweep_file(tmp_path), tmp_path / "o"
    told = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    arguments = ["sweep", str(file), "--workers", "2", "--seeds", "500", "--out", str(out)]
    with subprocess.Popen(
        [sys.executable, "-c", IN_THE_BACKGROUND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=told,
    ) as process:
        try:
            servers = ray_servers(process)
            process.send_signal(signal.SIGINT)
            shown, _ = process.communicate(timeout=STOPPED_S)
        finally:
            process.kill()
    assert process.returncode == 130, shown
    assert "goes on where it was" in shown
    gone, alive = psutil.wait_procs(servers, timeout=STOPPED_S)
    assert all(one.status() == psutil.STATUS_ZOMBIE for one in alive), alive
    assert len(gone) + len(alive) == len(servers)


IN_THE_BACKGROUND = """
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
from scenarios.cli import main
main()
"""
"""Shells let what they start with & ignore SIGINT; the test itself may run so."""


def ray_servers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Return what a process has started as soon as a server of Ray is among it."""
    until_s = time.monotonic() + DEADLINE_S
    while time.monotonic() < until_s and process.poll() is None:
        below = psutil.Process(process.pid).children(recursive=True)
        if any("gcs_server" in one.name() for one in below):
            return below
        time.sleep(0.05)
    raise AssertionError(f"no server of Ray came up, exit code {process.poll()}")


KILLED_AFTER_THREE_ROWS = """
import os, signal
from scenarios.cli import main
from scenarios.study.table import StudyTable

add, taken = StudyTable.add, []

def add_and_die(table, number, *row):
    add(table, number, *row)
    taken.append(number)
    if len(taken) == 3:
        os.kill(os.getpid(), signal.SIGKILL)

StudyTable.add = add_and_die
main()
"""


def test_a_sweep_that_is_killed_keeps_every_row_it_took_and_runs_only_the_rest(tmp_path: Path) -> None:
    arguments = ["sweep", str(sweep_file(tmp_path)), "--workers", "1", "--out", str(tmp_path / "o")]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_AFTER_THREE_ROWS, *arguments],
        cwd=ROOT,
        capture_output=True,
        check=False,
        timeout=DEADLINE_S,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    kept = {part: part.stat().st_mtime_ns for part in (tmp_path / "o" / "parts").iterdir()}
    assert len(kept) == 3
    again = CliRunner().invoke(main, arguments)
    assert again.exit_code == 0, again.output
    assert read_table(tmp_path / "o").column("cell").to_pylist() == [0, 1, 2, 3]
    assert {part: part.stat().st_mtime_ns for part in kept} == kept, "a finished cell was run again"
