"""Takt's engine beside Mesa, auctionsi and SCML on one workload in one run: ratios, and what each leaves out.

``python -m benchmarks.research.bench_engines [--plants 20] [--orders 2000] [--repeats 3]`` after
``make bench-engines``. Engines run one after the other, in turns, all but the loop and Takt in a process of
their own; a figure is the median of the CPU seconds of its turns, without imports and set-up. Winners must be
those of the plain loop.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cnp import workload
from benchmarks.cnp.in_process import InProcess
from scenarios.collector import seldom_collected

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-agents" / "bin" / "python"
SCRIPT = ROOT / "benchmarks" / "research" / "engines.py"
DEADLINE_S = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """What is run. ``orders_a_takt`` is Takt's own; ``share`` of the orders keeps slow ones short."""

    name: str
    engine: str
    share: float
    leaves_out: str
    orders_a_takt: int = 0


CONTENDERS = (
    Contender(
        name="plain loop", engine="loop", share=50, leaves_out="everything but the lowest of 20 numbers"
    ),
    Contender(
        name="Mesa",
        engine="mesa",
        share=10,
        leaves_out="messages, sheets, capacity, clearing, payments, log: agents append to a list, the model "
        "takes the lowest",
    ),
    Contender(
        name="Takt, 100 orders a takt",
        engine="takt",
        share=1,
        orders_a_takt=100,
        leaves_out="bus, disk and signatures (benchmarks.cnp.bench_cnp has them)",
    ),
    Contender(
        name="Takt, 1 order a takt",
        engine="takt",
        share=0.1,
        orders_a_takt=1,
        leaves_out="the same; an order alone is what the others do",
    ),
    Contender(
        name="auctionsi, in memory",
        engine="auctionsi",
        share=0.5,
        leaves_out="capacity, dates, transport, joint clearing, tamper-evident log; an order alone; "
        "has execution, settlement, reputation",
    ),
    Contender(
        name="SCML one-shot world",
        engine="scml",
        share=1,
        leaves_out="auctions: pairs negotiate; counted are negotiations of a pair, of which a contract net "
        "takes as many as there are plants. Its own workload, its own prices, no winners to compare",
    ),
)


@dataclass(slots=True)
class Turns:
    """CPU seconds per auction of every turn, or why there is none."""

    seconds: list[float]
    missing: str = ""
    version: str = ""
    unit: str = "auctions"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plants", type=int, default=20)
    parser.add_argument("--orders", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    load = os.getloadavg()[0]
    found = {contender.name: Turns(seconds=[]) for contender in CONTENDERS}
    for _ in range(given.repeats):
        for contender in CONTENDERS:
            _turn(
                contender, given.plants, max(50, int(given.orders * contender.share)), found[contender.name]
            )
    print(
        f"{given.plants} plants bid on every order; CPU seconds, median of {given.repeats} turns; "
        f"{os.cpu_count()} cores, load {load:.1f}, Python {sys.version.split()[0]}\n"
    )
    _print(found)


def _turn(contender: Contender, plants: int, orders: int, turns: Turns) -> None:
    if turns.missing:
        return
    if contender.engine in ("loop", "takt"):
        turns.seconds.append(_own(contender, plants, orders))
        return
    if not PYTHON.exists():
        turns.missing = "not installed: make bench-engines"
        return
    command = [str(PYTHON), str(SCRIPT), contender.engine, str(plants), str(orders)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE_S)
    if done.returncode:
        turns.missing = "does not run: " + (done.stderr.strip().splitlines() or ["no word"])[-1][:80]
        return
    result = json.loads(done.stdout.strip().splitlines()[-1])
    if result["won"] is None:
        turns.unit = "negotiations"
    elif result["won"] != workload.winners(workload.prices(plants, orders)):
        turns.missing = "comes to other winners"
        return
    turns.version = result["version"]
    turns.seconds.append(result["cpu_s"] / result["count"])


def _own(contender: Contender, plants: int, orders: int) -> float:
    """Return CPU seconds per auction of the plain loop or of Takt in this process."""
    table = workload.prices(plants, orders)
    if contender.engine == "loop":
        started_s = time.process_time()
        workload.winners(table)
        return (time.process_time() - started_s) / orders
    warm = InProcess(plants, signed=False)
    warm.run(table[: contender.orders_a_takt], contender.orders_a_takt)
    with seldom_collected():
        market = InProcess(plants, signed=False)
        started_s = time.process_time()
        won = market.run(table, contender.orders_a_takt)
        spent_s = time.process_time() - started_s
    assert won == workload.winners(table), "the market must come to the loop's winners"
    return spent_s / orders


def _print(found: dict[str, Turns]) -> None:
    takt = statistics.median(found["Takt, 100 orders a takt"].seconds)
    print(f"{'engine':<28} {'per CPU-second':>27} {'spread':>8} {'of Takt':>9}")
    for contender in CONTENDERS:
        turns = found[contender.name]
        title = f"{contender.name} {turns.version}".strip()
        if turns.missing:
            print(f"{title:<28} {turns.missing}")
            continue
        middle = statistics.median(turns.seconds)
        spread = max(turns.seconds) / min(turns.seconds)
        rate = f"{1 / middle:,.0f} {turns.unit}"
        print(f"{title:<28} {rate:>27} {spread:>7.2f}x {takt / middle:>8.3g}x")
    print("\nWhat each leaves out:")
    for contender in CONTENDERS:
        print(f"  {contender.name}: {contender.leaves_out}")


if __name__ == "__main__":
    main()
