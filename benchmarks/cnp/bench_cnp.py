"""Auctions per second of the workload CNP, beside the plain Python loop in the same run.

Run: ``.venv/bin/python -m benchmarks.cnp.bench_cnp [--plants 20] [--orders 1000]``
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.cnp import workload
from benchmarks.cnp.in_process import InProcess
from benchmarks.cnp.over_nats import auction

TARGET_PER_S = 500
FACTS = {
    "plain Python loop (per CPU-s)": 182_000,
    "Mesa in process": 34_200,
    "auctionsi in memory": 753,
    "mango in one container": 643,
    "mango over TCP, two processes": 131,
    "SPADE over XMPP": 13.9,
    "auctionsi with SQLite": 8.9,
    "auctionsi over REST": 4.0,
}
"""Auctions per second measured earlier on a machine like this one, at 20 plants."""


def _row(name: str, kept: str, won: list[int], table: list[list[int]], seconds: float, plain: float) -> float:
    """Print a row and return its auctions per second; the checksum must be the plain loop's."""
    total, start = workload.checksum(won, table)
    assert (total, start) == workload.checksum(workload.winners(table), table), "another outcome"
    rate = len(table) / seconds
    figures = f"{rate:>10,.0f}/s   {plain / rate:>9,.0f} x slower than the loop"
    print(f"{name:<44} {kept:<30} {figures}   {len(table)} orders, {total} cents, {start}")
    return rate


def _plain(table: list[list[int]]) -> float:
    """Return auctions per second of the plain loop, repeated until it can be measured."""
    rounds = max(1, 200_000 // len(table))
    started = time.perf_counter()
    for _ in range(rounds):
        workload.winners(table)
    return rounds * len(table) / (time.perf_counter() - started)


def _in_process(table: list[list[int]], orders_a_takt: int, *, signed: bool) -> tuple[list[int], float]:
    market = InProcess(len(table[0]), signed=signed)
    started = time.perf_counter()
    won = market.run(table, orders_a_takt)
    return won, time.perf_counter() - started


def _over_nats(
    table: list[list[int]], orders_a_takt: int, *, durable: bool, signed: bool
) -> tuple[list[int], float]:
    with tempfile.TemporaryDirectory(prefix="takt-cnp-") as folder:
        return asyncio.run(auction(Path(folder), table, orders_a_takt, durable=durable, signed=signed))


def main() -> int:
    """Print every row; return 1 if the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plants", type=int, default=20)
    parser.add_argument("--orders", type=int, default=1000)
    given = parser.parse_args()
    few = workload.prices(given.plants, max(1, given.orders // 10))
    all_ = workload.prices(given.plants, given.orders)
    durable, half = "SQLite FULL, JetStream synced", "journal in memory"
    print(f"{given.plants} plants, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    plain = _plain(all_)
    print(f"{'plain Python loop':<44} {'in memory':<30} {plain:>10,.0f}/s")
    rate = 0.0
    for signed in (False, True):
        word = "signed" if signed else "unsigned"
        runs = [
            (f"(a) in process, one order a takt, {word}", half, few, _in_process(few, 1, signed=signed)),
            (
                f"(a) in process, 100 orders a takt, {word}",
                half,
                all_,
                _in_process(all_, 100, signed=signed),
            ),
            (
                f"(b) NATS, one order a takt, {word}",
                durable,
                few,
                _over_nats(few, 1, durable=True, signed=signed),
            ),
            (
                f"(c) NATS, 100 a takt, {word}",
                half,
                all_,
                _over_nats(all_, 100, durable=False, signed=signed),
            ),
            (
                f"(c) NATS, 100 orders a takt, {word}",
                durable,
                all_,
                _over_nats(all_, 100, durable=True, signed=signed),
            ),
        ]
        for name, kept, table, outcome in runs:
            rate = _row(name, kept, *_timed(table, outcome), plain)
    print("\nmeasured earlier (facts.md; not in this run):")
    for name, figure in FACTS.items():
        print(f"{name:<44} {figure:>10,.1f}/s   (c) is {rate / figure:,.3g} x that")
    print(
        f"\ntarget: (c) durable and signed >= {TARGET_PER_S}/s: {'met' if rate >= TARGET_PER_S else 'missed'}"
    )
    return 0 if rate >= TARGET_PER_S else 1


def _timed(
    table: list[list[int]], outcome: tuple[list[int], float]
) -> tuple[list[int], list[list[int]], float]:
    won, seconds = outcome
    return won, table, seconds


if __name__ == "__main__":
    sys.exit(main())
