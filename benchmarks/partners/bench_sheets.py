"""Bid sheets to durable receipt: 20 partners, 17 bids a sheet, everything signed, fsynced and proved.

Rates are offered one after the other, a sheet being sent when it is due; beside each, the market's own CPU
time per sheet, which a loaded machine does not blur.

Run: ``.venv/bin/python -m benchmarks.partners.bench_sheets [--rates 300 600] [--seconds 10]``
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from benchmarks.partners.market_process import LOTS
from benchmarks.partners.run import bench_market

PARTNERS = 20


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rates", type=float, nargs="+", default=[300.0, 600.0, 900.0])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    print(f"{PARTNERS} partners, {LOTS} bids a sheet; load {os.getloadavg()[0]:.1f}")
    print(f"{'offered/s':>10}{'receipts/s':>12}{'bids/s':>10}{'p50 ms':>8}{'p99 ms':>9}{'CPU ms/sheet':>14}")
    kept = []
    for rate in arguments.rates:
        with bench_market(PARTNERS) as market:
            market.play("honest", rate, 1.0)
            before = market.status()["cpu_s"]
            figures = market.play("honest", rate, arguments.seconds)
            cpu_ms = 1e3 * (market.status()["cpu_s"] - before) / max(1, figures["sent"])
        print(
            f"{rate:>10.0f}{figures['per_s']:>12.1f}{LOTS * figures['per_s']:>10.0f}"
            f"{figures['p50_ms']:>8.1f}{figures['p99_ms']:>9.1f}{cpu_ms:>14.2f}"
        )
        kept.append({"offered_per_s": rate, "cpu_ms": cpu_ms} | figures)
    if arguments.json:
        arguments.json.write_text(json.dumps(kept) + "\n")


if __name__ == "__main__":
    main()
