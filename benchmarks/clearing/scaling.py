"""Clear one synthetic market with the command itself, and print seconds, peak memory, gap.

The market is written as a problem file once; reading it counts. Peak memory is that of the largest process.

    python -m benchmarks.clearing.scaling BIDS GAP_PPM SECONDS WORKERS FOLDER
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from time import perf_counter

from benchmarks.clearing.synthetic import market
from market.clearing.problem_json import problem_to_json

BIDS_PER_ORDER, BIDS_PER_PLANT, PERIODS, LEAST_PLANTS = 10, 200, 50, 20


def written(bids: int, folder: Path) -> Path:
    """Return the problem file of a market of so many bids."""
    path = folder / f"scale-{bids}.json.gz"
    if not path.exists():
        plants = max(LEAST_PLANTS, bids // BIDS_PER_PLANT)
        problem = market(bids // BIDS_PER_ORDER, BIDS_PER_ORDER, plants, PERIODS)
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_bytes(gzip.compress(problem_to_json(problem), compresslevel=1))
        part.replace(path)
    return path


def main() -> None:
    """Print one JSON line; the file is made in a process of its own, before the clock starts."""
    bids, gap_ppm, limit_s, workers, folder = sys.argv[1:6]
    if len(sys.argv) > 6:
        written(int(bids), Path(folder))
        return
    again = [sys.executable, "-m", "benchmarks.clearing.scaling", *sys.argv[1:6], "write"]
    subprocess.run(again, check=True)
    path, out = written(int(bids), Path(folder)), Path(folder) / f"scale-{bids}.out.json"
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
    record |= {
        "parts": clearing["seconds"],
        "wall": seconds,
        "exit": os.waitstatus_to_exitcode(status),
        "peak_kib": used.ru_maxrss,
        "file_bytes": path.stat().st_size,
        "greedy": clearing["greedy_objective"],
    }
    print(json.dumps(record))


if __name__ == "__main__":
    main()
