"""What Clarke pivots and core payments cost, against clearing the market again without each winner.

Markets are regions that do not touch, each drawn by `synthetic.market` with a load that a proof
of optimality can be had for. Three ways to the same pivots, in the same run, on one thread, in
seconds of processor time:

* ``again``: the whole market is cleared anew without the winner (a sample of winners);
* ``part, cold``: only the parts it won in are solved, from nothing;
* ``part, warm``: the same from what is left when it goes, with the duals of one relaxation.

Run: ``.venv/bin/python -m benchmarks.clearing.vcg [--sample 5] [--json FILE]``
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.clearing.synthetic import market
from market.adapters.solver_pulp import PulpSolver
from market.clearing.clear import clear
from market.clearing.documents.problem_document import problem_to_document
from market.clearing.documents.problem_json import problem_from_document
from market.clearing.errors import UnprovenError
from market.clearing.formulation.allocation import Allocation, allocation_of
from market.clearing.limits import Limits
from market.clearing.problem import Problem
from market.clearing.publishing.counterfactual import Budget, Counterfactuals
from market.clearing.result import Clearing, Status
from market.clearing.terms import terms_of
from market.mechanisms.core import core
from market.mechanisms.parts import cleared_parts, winners
from market.mechanisms.pay_as_bid import accepted_prices
from market.mechanisms.rule import Refused
from market.mechanisms.vcg import pivots, vcg
from takt_sdk.wall_clock import WallClock

SIZES = ((1, 30), (1, 60), (5, 60), (20, 60))
"""(regions, orders of each)."""

MOST_ORDERS_FOR_CORE = 100


def regions(count: int, orders: int) -> Problem:
    """Return a market of regions that do not touch."""
    merged: dict[str, Any] = {}
    for region in range(count):
        # Twice the minutes that the orders need keep most capacities from binding.
        drawn = market(orders, 10, max(10, orders // 4), 20, crowding=1.0, seed=region + 1)
        text = json.dumps(problem_to_document(drawn))
        document = json.loads(text)
        prefix = f"r{region:02d}."
        for o in document["orders"]:
            o["id"] = prefix + o["id"]
            for lot in o["lots"]:
                lot["id"] = prefix + lot["id"]
        for r in document["resources"]:
            r["id"] = prefix + r["id"]
        for b in document["bids"]:
            b["id"], b["bidder"] = prefix + b["id"], prefix + b["bidder"]
            for item in b["items"]:
                item["lot"] = prefix + item["lot"]
            for use in b["uses"]:
                use["resource"] = prefix + use["resource"]
        for name in ("orders", "resources", "bids"):
            merged.setdefault(name, []).extend(document[name])
        merged = {**document, **merged}
    return problem_from_document(merged)


def without(p: Problem, bidder: int) -> Problem:
    """Return the whole market without a bidder's bids."""
    document = problem_to_document(p)
    name = p.bidders[bidder]
    document["bids"] = [b for b in document["bids"] if b["bidder"] != name]
    return problem_from_document(document)


def cleared(p: Problem, seconds: float) -> Clearing:
    """Clear on one thread."""
    return clear(p, solver=PulpSolver(), limits=Limits(time_s=seconds), clock=WallClock())


def allocation(p: Problem, clearing: Clearing) -> Allocation:
    """Return the allocation of a clearing without moves."""
    index = {name: b for b, name in enumerate(p.bid_ids)}
    quantity = np.zeros(p.n_bids, dtype=np.int64)
    for entry in clearing.accepted:
        quantity[index[entry.bid]] = entry.quantity
    return allocation_of(p, terms_of(p), quantity, ())


def by_part(p: Problem, a: Allocation, *, warm: bool) -> tuple[float, int]:
    """Return the seconds of all pivots, solved part by part, and how many winners they are of."""
    resolve = Counterfactuals(PulpSolver(), Budget(left_s=lambda: None), warm=warm)
    begin, count = time.process_time(), 0
    margin_of, parts = cleared_parts(p, a)
    for part in parts:
        count += len(winners(part.problem, part.allocation))
        found = pivots(part.problem, part.allocation, resolve)
        assert not isinstance(found, Refused), found.reason
    return time.process_time() - begin, count + len(margin_of)


def measure(count: int, orders: int, sample: int) -> dict[str, Any]:
    """Return one row."""
    p = regions(count, orders)
    begin = time.process_time()
    base = cleared(p, 60.0)
    clearing_s = time.process_time() - begin
    row: dict[str, Any] = {"regions": count, "orders": p.n_orders, "bids": p.n_bids, "clear_s": clearing_s}
    if base.status is not Status.OPTIMAL:
        return {**row, "refused": "not proven optimal in 60 s"}
    a = allocation(p, base)
    won = winners(p, a)
    warm_s, solves = by_part(p, a, warm=True)
    cold_s, _ = by_part(p, a, warm=False)
    chosen = won[:: max(1, len(won) // sample)][:sample]
    changed = [without(p, bidder) for bidder in chosen]
    begin = time.process_time()
    proven = [cleared(q, 60.0).status is Status.OPTIMAL for q in changed]
    again_s = (time.process_time() - begin) / len(chosen) * len(won)
    resolve = Counterfactuals(PulpSolver(), Budget(left_s=lambda: None))
    begin = time.process_time()
    core_note, core_total = f"not run above {MOST_ORDERS_FOR_CORE} orders", None
    if p.n_orders <= MOST_ORDERS_FOR_CORE:
        try:
            priced = core(p, a, resolve)
            core_note = priced.reason if isinstance(priced, Refused) else ""
            core_total = None if isinstance(priced, Refused) else priced.total
        except UnprovenError as error:
            core_note = str(error)
    core_s = time.process_time() - begin
    paid = vcg(p, a, resolve)
    asked = accepted_prices(p, a).total
    return {
        **row,
        "winners": len(won),
        "pivots": solves,
        "again_s": again_s,
        "again_proven": sum(proven) / len(proven),
        "part_cold_s": cold_s,
        "part_warm_s": warm_s,
        "again_over_warm": again_s / warm_s,
        "cold_over_warm": cold_s / warm_s,
        "core_s": core_s,
        "core_over_asked": None if core_total is None else core_total / asked,
        "core_note": core_note,
        "vcg_over_asked": None if isinstance(paid, Refused) else paid.total / asked,
        "vcg_note": paid.reason if isinstance(paid, Refused) else "",
    }


def main() -> None:
    """Print one row per size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--sample", type=int, default=5, help="winners without whom the whole market is cleared"
    )
    parser.add_argument("--json", type=Path, help="write the rows here too")
    parser.add_argument("--largest", type=int, default=len(SIZES), help="stop after so many sizes")
    given = parser.parse_args()
    rows = []
    for count, orders in SIZES[: given.largest]:
        row = measure(count, orders, given.sample)
        rows.append(row)
        print(
            "  ".join(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()),
            flush=True,
        )
    if given.json is not None:
        given.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
