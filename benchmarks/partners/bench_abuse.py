"""What a flooding, a slow and a malformed participant cost 20 honest ones: their p99 with and without.

All sign; the journal is fsynced. The hostile processes are niced: they would have machines of their own.

Run: ``.venv/bin/python -m benchmarks.partners.bench_abuse [--rate 100] [--seconds 10] [--json FILE]``
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from benchmarks.partners.run import bench_market

PARTNERS = 20


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=float, default=100.0, help="honest sheets a second, together")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    honest = ("honest", arguments.rate, arguments.seconds)
    with bench_market(PARTNERS) as market:
        market.play(("honest", arguments.rate, 2.0))
    with bench_market(PARTNERS) as market:
        alone = market.play(honest)["honest"]
        calm = market.status()
    with bench_market(PARTNERS) as market:
        hostile_s = arguments.seconds + 2
        together = market.play(
            ("flood", 0, hostile_s), ("slow", 0, hostile_s), ("malformed", 50, hostile_s), honest
        )
        rough = market.status()
    beside = together["honest"]
    print(
        f"{PARTNERS} honest partners, {arguments.rate:g} sheets/s of 17 bids; load {os.getloadavg()[0]:.1f}"
    )
    print(
        f"{'':<24}{'p50 ms':>8}{'p99 ms':>8}{'receipts/s':>12}{'most waiting':>14}{'RSS MiB':>9}{'CPU s':>7}"
    )
    for name, figures, status in (("honest alone", alone, calm), ("with three hostile", beside, rough)):
        print(
            f"{name:<24}{figures['p50_ms']:>8.1f}{figures['p99_ms']:>8.1f}{figures['per_s']:>12.1f}"
            f"{status['waiting_most']:>14}{status['rss_kib'] / 1024:>9.0f}{status['cpu_s']:>7.1f}"
        )
    ratio = beside["p99_ms"] / alone["p99_ms"]
    print(f"p99 with : without = {ratio:.2f}   (goal: at most 2)")
    for role in ("honest", "flood", "slow", "malformed"):
        print(f"{role:<10} sent {together[role]['sent']:>8,}: {together[role]['codes']}")
    print("market    ", {key: count for key, count in rough["counts"] if count})
    if arguments.json:
        figures = {"ratio": ratio, "alone_p99_ms": alone["p99_ms"], "with_p99_ms": beside["p99_ms"]}
        arguments.json.write_text(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
