"""`takt sweep` as a command: on Ray and alone, stopped and started again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from scenarios.cli import main
from scenarios.study.table import read_table
from tests.unit.scenarios.study.test_tables import ROOT, sweep_file


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


def test_a_sweep_that_is_killed_loses_only_what_it_was_running(tmp_path: Path) -> None:
    file = sweep_file(tmp_path)
    script = "from scenarios.cli import main; main()"
    arguments = ["sweep", str(file), "--workers", "1", "--out", str(tmp_path / "o")]
    command = [sys.executable, "-c", script, *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not (tmp_path / "o" / "study.json").exists():
        pass
    process.kill()
    process.wait()
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert read_table(tmp_path / "o").num_rows == 4
