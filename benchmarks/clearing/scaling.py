"""Clear synthetic markets with the command itself, and print seconds, peak memory, gap.

The market is written as a problem file once; reading it counts. Peak memory is that of the largest
process; CPU seconds are those of all, and say more than the wall on a machine that others use too.

    python -m benchmarks.clearing.scaling BIDS GAP_PPM SECONDS WORKERS FOLDER
    python -m benchmarks.clearing.scaling curve GAP_PPM SECONDS WORKERS FOLDER BIDS...
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.clearing.synthetic import big_market
from market.clearing.documents.problem_document import problem_to_json


def written(bids: int, folder: Path) -> Path:
    """Return the problem file of a market of so many bids."""
    path = folder / f"market-{bids}.json.gz"
    if not path.exists():
        problem = big_market(bids)
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_bytes(gzip.compress(problem_to_json(problem), compresslevel=1))
        part.replace(path)
    return path


def cleared(bids: int, gap_ppm: str, limit_s: str, workers: str, folder: Path) -> dict[str, Any]:
    """Return the record of one market; the file is made in a process of its own, before the clock starts."""
    again = [sys.executable, "-m", "benchmarks.clearing.scaling", "write", str(bids), str(folder)]
    subprocess.run(again, check=True)
    path, out = written(bids, folder), folder / f"market-{bids}.out.json"
    takt = str(Path(sys.executable).with_name("takt"))
    limits = ["--gap", gap_ppm, "--time-limit", limit_s, "--workers", workers]
    start = perf_counter()
    child = subprocess.Popen([takt, "clear", str(path), *limits, "--out", str(out)])
    _, status, used = os.wait4(child.pid, 0)
    seconds = perf_counter() - start
    clearing = json.loads(out.read_text())
    record = {
        name: clearing[name]
        for name in ("status", "objective", "bound", "bound_kind", "gap_ppm", "components")
    }
    return record | {
        "parts": clearing["seconds"],
        "wall": seconds,
        "cpu": used.ru_utime + used.ru_stime,
        "exit": os.waitstatus_to_exitcode(status),
        "peak_kib": used.ru_maxrss,
        "file_bytes": path.stat().st_size,
        "greedy": clearing["greedy_objective"],
        "load": os.getloadavg()[0],
    }


def curve(sizes: list[int], *words: str, folder: Path) -> None:
    """Print one line a market."""
    print(f"{'bids':>9} {'wall':>8} {'cpu':>8} {'MiB':>6} {'gap':>8}  bound by   load")
    for bids in sizes:
        r = cleared(bids, words[0], words[1], words[2], folder)
        gap = "none" if r["gap_ppm"] is None else f"{r['gap_ppm'] / 1e4:.2f} %"
        sizes_and_times = f"{bids:>9,} {r['wall']:>6.1f} s {r['cpu']:>6.1f} s {r['peak_kib'] // 1024:>6}"
        print(f"{sizes_and_times} {gap:>8}  {r['bound_kind']}  {r['load']:.1f}", flush=True)


def main() -> None:
    """Print one JSON line, or a curve over several sizes."""
    if sys.argv[1] == "write":
        written(int(sys.argv[2]), Path(sys.argv[3]))
    elif sys.argv[1] == "curve":
        curve([int(word) for word in sys.argv[6:]], *sys.argv[2:5], folder=Path(sys.argv[5]))
    else:
        bids, gap_ppm, limit_s, workers, folder = sys.argv[1:6]
        print(json.dumps(cleared(int(bids), gap_ppm, limit_s, workers, Path(folder))))


if __name__ == "__main__":
    main()
