"""Run the clearing benchmark and write its page.

    python -m benchmarks.clearing.bench --date 2026-01-31 [--quick | --full] [--big] [--render-only]

Every run is a process of its own and one line of the results file; a benchmark that was interrupted goes on
where it stopped, `--anew` starts over. The page holds this file's figures only.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.clearing.page import write_page
from benchmarks.clearing.tasks import OWN_ENVIRONMENT, ROOT, Plan, installed_peers, run, tasks_of

QUICK_LIMIT_S, FULL_LIMIT_S = 5.0, 20.0


def machine() -> dict[str, Any]:
    """Return what the figures depend on beside the code."""
    model = platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    packages = ("takt", "highspy", "PuLP", "numpy", "numba", "scipy")
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages},
    }


def commit() -> str:
    """Return the commit that is measured, or nothing where there is no repository."""
    asked = ["git", "describe", "--always", "--dirty", "--exclude", "*"]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--date", required=True, help="the date that the page bears, as 2026-01-31")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="a few instances per family, 5 s each (default)")
    size.add_argument("--full", action="store_true", help="every instance, 20 s each: hours")
    parser.add_argument(
        "--big", action="store_true", help="200,000 bids: building, 30 and 120 s; part of --full"
    )
    parser.add_argument("--limit", type=float, help="seconds per run instead of 5 or 20")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--anew", action="store_true", help="forget the results and instances of earlier runs"
    )
    parser.add_argument("--render-only", action="store_true", help="write the page from the results at hand")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "benchmarks")
    return parser.parse_args()


def main() -> None:
    """Run what is missing, then write the page."""
    given = arguments()
    limit_s = given.limit or (FULL_LIMIT_S if given.full else QUICK_LIMIT_S)
    folder = ROOT / "runs" / "bench-clearing"
    results = folder / f"{'full' if given.full else 'quick'}-{limit_s:g}s-{given.threads}.jsonl"
    if given.anew:
        results.unlink(missing_ok=True)
        shutil.rmtree(folder / "cases", ignore_errors=True)
    plan = Plan(
        full=given.full,
        big=given.big or given.full,
        limit_s=limit_s,
        threads=given.threads,
        folder=folder / "cases",
    )
    if not given.render_only:
        run_missing(plan, results)
    records = stored(results)
    meta = {
        "date": given.date,
        "full": given.full,
        "limit_s": limit_s,
        "threads": given.threads,
        "machine": machine(),
        "commit": commit(),
        "absent": [] if len(installed_peers()) > 2 else list(OWN_ENVIRONMENT),
    }
    page = write_page(list(records.values()), meta, given.out)
    print(f"{page}: {len(records)} runs")


def run_missing(plan: Plan, results: Path) -> None:
    """Run every task that has no good record yet, saying how far it is."""
    results.parent.mkdir(parents=True, exist_ok=True)
    done = {key for key, record in stored(results).items() if "error" not in record}
    tasks = tasks_of(plan)
    todo = [task for task in tasks if task.key not in done]
    start = perf_counter()
    for task in todo[:1]:
        run(task)  # does not count: it waits for the disk, the others do not
    for number, task in enumerate(todo, 1):
        record = run(task)
        with results.open("a") as file:
            file.write(json.dumps(record) + "\n")
        print(
            f"[{number}/{len(todo)}, {perf_counter() - start:.0f} s] {task.key}: {said(record)}",
            file=sys.stderr,
        )


def said(record: dict[str, Any]) -> str:
    """Return a record's news in a few words."""
    names = ("error", "status", "objective", "bound", "gap_ppm", "seconds")
    return ", ".join(f"{name} {record[name]}" for name in names if record.get(name) is not None)


def stored(results: Path) -> dict[str, dict[str, Any]]:
    """Return the last record of every key; a line cut short by an interrupt is left out."""
    found = {}
    for line in results.read_text().splitlines() if results.exists() else ():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        found[record["key"]] = record
    return found


if __name__ == "__main__":
    main()
