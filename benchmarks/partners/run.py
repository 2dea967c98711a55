"""Runs `market_process` with clients beside it; what `bench_sheets` and `bench_abuse` share."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PYTHON = (sys.executable, "-m")
ROOT = Path(__file__).parents[2]


class BenchMarket:
    """A running market process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._input, self._output = process.stdin, process.stdout
        self.told = self._output.readline()

    def status(self) -> dict[str, Any]:
        """Return what the market has done so far."""
        self._input.write("status\n")
        self._input.flush()
        found: dict[str, Any] = json.loads(self._output.readline())
        return found

    def begin(self, role: str, rate: float, seconds: float) -> subprocess.Popen[str]:
        """Start a client of this market."""
        process = subprocess.Popen(
            [*PYTHON, "benchmarks.partners.clients", role, str(rate), str(seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert process.stdin is not None
        process.stdin.write(self.told)
        process.stdin.close()
        return process

    def play(self, role: str, rate: float, seconds: float) -> dict[str, Any]:
        """Run a client to its end; return what it reports."""
        return ended(self.begin(role, rate, seconds))


def ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Return what a client reports at its end."""
    assert process.stdout is not None
    found: dict[str, Any] = json.loads(process.stdout.read())
    return found


@contextmanager
def bench_market(partners: int) -> Iterator[BenchMarket]:
    """Run a market of so many honest partners until the block is left."""
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [*PYTHON, "benchmarks.partners.market_process", str(partners), folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        try:
            yield BenchMarket(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(30)
