"""What a flooding, a slow and a malformed participant cost 20 honest ones: their p99 with and without.

All sign; the journal is fsynced. On one machine a flood also takes processor time from everybody, which it
does not on the internet: so the p99 is compared with that of the same hostile processes at work against
another market on this machine. The rules allow each 200 messages a second.

Run: ``.venv/bin/python -m benchmarks.partners.bench_abuse [--rate 100] [--flood 2000] [--seconds 10]``
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.partners.run import bench_market, ended

PARTNERS = 20


@dataclass(frozen=True, kw_only=True)
class Run:
    """What the clients and the market report."""

    where: str
    clients: dict[str, dict[str, Any]]
    status: dict[str, Any]

    @property
    def p99_ms(self) -> float:
        """Of the honest."""
        return float(self.clients["honest"]["p99_ms"])


def measure(rate: float, flood: float, seconds: float, where: str) -> Run:
    """Return what 20 honest partners meet while the hostile are nowhere, elsewhere or here."""
    with bench_market(PARTNERS) as market, bench_market(PARTNERS) as other:
        market.play("honest", rate, 1.0)
        target = {"here": market, "elsewhere": other}.get(where)
        hostile = {}
        if target is not None:
            hostile = {
                role: target.begin(role, often, seconds + 3)
                for role, often in (("flood", flood), ("slow", 0), ("malformed", 50))
            }
        clients = {"honest": market.play("honest", rate, seconds)}
        clients |= {role: ended(process) for role, process in hostile.items()}
        return Run(where=where, clients=clients, status=market.status())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=float, default=100.0, help="honest sheets a second, together")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--flood", type=float, default=2000.0, help="of the flood a second; 0: all it can")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    alone = measure(arguments.rate, arguments.flood, arguments.seconds, "nowhere")
    elsewhere = measure(arguments.rate, arguments.flood, arguments.seconds, "elsewhere")
    here = measure(arguments.rate, arguments.flood, arguments.seconds, "here")
    print(
        f"{PARTNERS} honest partners, {arguments.rate:g} sheets/s of 17 bids; load {os.getloadavg()[0]:.1f}"
    )
    print(f"{'the hostile are':<20}{'p50 ms':>8}{'p99 ms':>9}{'receipts/s':>12}{'most waiting':>14}", end="")
    print(f"{'RSS MiB':>9}{'CPU s':>7}")
    for run in (alone, elsewhere, here):
        figures, status = run.clients["honest"], run.status
        print(
            f"{run.where:<20}{figures['p50_ms']:>8.1f}{figures['p99_ms']:>9.1f}{figures['per_s']:>12.1f}"
            f"{status['waiting_most']:>14}{status['rss_kib'] / 1024:>9.0f}{status['cpu_s']:>7.1f}"
        )
    ratio = here.p99_ms / elsewhere.p99_ms
    print(f"p99 with the hostile here : elsewhere = {ratio:.2f}   (goal: at most 2)")
    for role, figures in here.clients.items():
        print(f"{role:<10} sent {figures['sent']:>8,}: {figures['codes']}")
    print("market    ", {key: count for key, count in here.status["counts"] if count})
    if arguments.json:
        figures = {"ratio": ratio, "elsewhere_p99_ms": elsewhere.p99_ms, "here_p99_ms": here.p99_ms}
        arguments.json.write_text(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
