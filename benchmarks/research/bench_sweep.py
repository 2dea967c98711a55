"""The speed-up of a sweep on two workers, beside one process in the same run.

``python -m benchmarks.research.bench_sweep [--cells 40]``.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

import psutil

CELLS = 40
"""A minute of one process: Ray's own start takes some 7 s of CPU, a quarter of what a dozen cells take."""


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=CELLS)
    sweep(parser.parse_args().cells)


def sweep(cells: int) -> None:
    """Run the same cells with one and with two workers; importing is before the clock, Ray's start after it.

    On a machine that others use too, wall time says little: twice the CPU time of one process over all CPU
    time of two is the most that two cores of one's own could gain.
    """
    from click.testing import CliRunner  # noqa: PLC0415 - only here

    from scenarios.cli import main as takt  # noqa: PLC0415 - only here

    library = Path(__file__).resolve().parents[2] / "scenarios" / "library"
    wall_s, cpu_s = {}, {}
    for workers in (1, 2):
        with tempfile.TemporaryDirectory() as folder, _CpuOfAll() as cpu:
            options = ["--seeds", str(cells), "--workers", str(workers), "--out", folder]
            started_s = time.perf_counter()
            result = CliRunner().invoke(takt, ["sweep", str(library / "scarcity"), *options])
            wall_s[workers] = time.perf_counter() - started_s
            assert result.exit_code == 0, (result.output, result.exception)
        cpu_s[workers] = cpu.seconds()
    print(f"\nsweep of {cells} cells, load {os.getloadavg()[0]:.1f}")
    print(f"  one process                          {wall_s[1]:>6.1f} s wall {cpu_s[1]:>6.1f} s CPU")
    print(f"  two workers, Ray's start included    {wall_s[2]:>6.1f} s wall {cpu_s[2]:>6.1f} s CPU")
    print(
        f"  {wall_s[1] / wall_s[2]:.2f} times as fast; "
        f"{2 * cpu_s[1] / cpu_s[2]:.2f} at most by CPU time on two cores of one's own"
    )


class _CpuOfAll:
    """CPU seconds of this process and all below it while the block runs, looked up twice a second."""

    def __init__(self) -> None:
        self._spent: dict[tuple[int, float], float] = {}
        self._before: dict[tuple[int, float], float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._look()
        self._before = dict(self._spent)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._look()

    def seconds(self) -> float:
        """Return what was spent."""
        return sum(spent - self._before.get(process, 0.0) for process, spent in self._spent.items())

    def _watch(self) -> None:
        while not self._over.wait(0.5):
            self._look()

    def _look(self) -> None:
        me = psutil.Process()
        for process in (me, *me.children(recursive=True)):
            with suppress(psutil.Error):
                times = process.cpu_times()
                self._spent[process.pid, process.create_time()] = times.user + times.system


if __name__ == "__main__":
    main()
