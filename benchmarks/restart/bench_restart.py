"""Restart of the engine: the whole journal folded again, against the latest snapshot and the tail after it.

The journal (SQLite) holds takts of 100 orders on which five plants bid: orders, sheets, ticks, clearings and
confirmations.

Run: ``.venv/bin/python -m benchmarks.restart.bench_restart [--entries 100000] [--tail 20000]``
"""

from __future__ import annotations

import argparse
import gc
import os
import tempfile
import time
from pathlib import Path

from benchmarks.cnp import workload
from benchmarks.cnp.in_process import InProcess
from market.adapters.codec import state_digest
from market.adapters.journal import open_journal
from market.engine.state import State
from market.ports import Journal
from market.service.recovery import recover, take_snapshot
from takt_sdk.wall_clock import OsEntropy

PLANTS, ORDERS_A_TAKT = 5, 100


def _fill(market: InProcess, entries: int) -> None:
    """Auction until the market's journal has at least so many entries."""
    table = workload.prices(PLANTS, entries + ORDERS_A_TAKT)
    sent = len(market.kernel.state.orders)
    while market.kernel.state.size < entries:
        market.auction(table, range(sent, sent + ORDERS_A_TAKT))
        sent += ORDERS_A_TAKT


def _timed_recovery(journal: Journal) -> tuple[State, float]:
    gc.collect()
    started = time.perf_counter()
    state = recover(journal)
    return state, time.perf_counter() - started


def main() -> None:
    """Print both ways to restart and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--tail", type=int, default=20_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="takt-restart-") as folder:
        journal = open_journal(Path(folder) / "journal.db", entropy=OsEntropy())
        market = InProcess(PLANTS, signed=False, journal=journal)
        _fill(market, given.entries - given.tail)
        started = time.perf_counter()
        snapshot = take_snapshot(market.kernel.state)
        taking_s = time.perf_counter() - started
        _fill(market, given.entries)
        live = state_digest(market.kernel.state)
        del market
        replayed, replay_s = _timed_recovery(journal)
        assert state_digest(replayed) == live
        entries = replayed.size
        del replayed
        journal.save_snapshot(snapshot)
        restored, snapshot_s = _timed_recovery(journal)
        assert state_digest(restored) == live
        journal.close()
    orders, load = len(restored.orders), os.getloadavg()[0]
    print(f"{entries:,} entries, {orders:,} orders, load {load:.1f}; state digests equal")
    print(f"replay of everything      {replay_s:8.2f} s   {entries / replay_s:10,.0f} entries/s")
    size = f"tail of {entries - snapshot.size:,} entries, snapshot of {len(snapshot.state) / 1e6:.1f} MB"
    print(f"snapshot and tail         {snapshot_s:8.2f} s   {size}")
    print(f"ratio                     {replay_s / snapshot_s:8.1f} x faster than replay of everything")
    print(
        f"taking the snapshot       {taking_s:8.2f} s   at the start or the end of a market, never in between"
    )


if __name__ == "__main__":
    main()
