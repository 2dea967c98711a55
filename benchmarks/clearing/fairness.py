"""Do equals win equally often? A chi-square test over many seeds, beside a solver left to itself.

Five equal bidders: on one order; on two orders of packages that share a machine; on the same with a
machine of their own each. In the package markets a third order tempts whoever clears order by
order, so that a solver picks the winners. ``solver alone`` is the same program given to HiGHS in
the order of the file.

Run: ``.venv/bin/python -m benchmarks.clearing.fairness [--seeds 1000] [--json FILE]``
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import chisquare

from market.adapters.solver_pulp import PulpSolver
from market.clearing.clear import clear
from market.clearing.documents.problem_json import problem_from_document
from market.clearing.formulation.allocation import decode
from market.clearing.formulation.formulate import formulate
from market.clearing.limits import Limits
from market.clearing.problem import Problem
from market.clearing.program import SolveLimits
from takt_sdk.wall_clock import WallClock

Document = dict[str, Any]
BIDDERS = tuple(f"p{k}" for k in range(5))


def order(name: str, value: int, *lots: str) -> Document:
    """Return an order of single pieces."""
    return {
        "id": name,
        "value": value,
        "must_serve": False,
        "partial": False,
        "max_suppliers": None,
        "lots": [{"id": lot, "quantity": 1} for lot in lots],
        "arcs": [],
    }


def bid(name: str, bidder: str, lots: tuple[str, ...], uses: dict[str, int]) -> Document:
    """Return a package bid at 40."""
    return {
        "id": name,
        "bidder": bidder,
        "site": None,
        "items": [{"lot": lot, "quantity": 1} for lot in lots],
        "divisible": False,
        "min_quantity": 0,
        "fixed_price": 40,
        "unit_price": 0,
        "score": 0,
        "start": None,
        "end": None,
        "uses": [{"resource": r, "fixed": amount, "per_unit": 0} for r, amount in uses.items()],
        "groups": [],
    }


def problem(orders: list[Document], bids: list[Document], resources: dict[str, int]) -> Problem:
    """Return the market of the parts."""
    return problem_from_document(
        {
            "kind": "takt.problem.v1",
            "currency": "EUR",
            "mechanism": "pay_as_bid",
            "seed": 1,
            "orders": orders,
            "resources": [{"id": name, "capacity": amount} for name, amount in resources.items()],
            "bids": bids,
            "groups": [],
            "transport": [],
        }
    )


def packages(*, own_machines: bool) -> Problem:
    """Return equal packages on two orders from everybody."""
    bids = [
        bid(f"{name} o{k}", name, (f"o{k}a", f"o{k}b"), {"shared": 1} | ({name: 1} if own_machines else {}))
        for name in BIDDERS
        for k in range(2)
    ]
    orders = [order(f"o{k}", 1000, f"o{k}a", f"o{k}b") for k in range(2)]
    return problem(
        [*orders, order("z", 1500, "za", "zb")],
        [*bids, bid("big", "q", ("za", "zb"), {"shared": 2})],
        {"shared": 2} | (dict.fromkeys(BIDDERS, 1) if own_machines else {}),
    )


def markets() -> dict[str, Problem]:
    """Return the markets by name."""
    return {
        "one order": problem([order("o", 100, "o")], [bid(name, name, ("o",), {}) for name in BIDDERS], {}),
        "packages, shared machine": packages(own_machines=False),
        "packages, own machines": packages(own_machines=True),
    }


def takt(p: Problem, seed: int) -> list[str]:
    """Return the accepted bids of a clearing."""
    clearing = clear(
        replace(p, seed=seed), solver=PulpSolver(), limits=Limits(work=20_000), clock=WallClock()
    )
    return [entry.bid for entry in clearing.accepted]


def solver_alone(p: Problem, seed: int) -> list[str]:  # noqa: ARG001  it knows no seed
    """Return the accepted bids of the program as it stands."""
    f = formulate(p)
    solved = PulpSolver().solve(f.program, SolveLimits())
    assert solved.values is not None
    return [p.bid_ids[b] for b in np.flatnonzero(decode(f, solved.values).quantity).tolist()]


def main() -> None:
    """Print wins per bidder and the chi-square test."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--json", type=Path, help="write the rows here too")
    given = parser.parse_args()
    rows = []
    for name, p in markets().items():
        for way, seeds in ((takt, given.seeds), (solver_alone, min(20, given.seeds))):
            wins: Counter[str] = Counter()
            for seed in range(seeds):
                wins.update(won.split()[0] for won in way(p, seed))
            counts = [wins[bidder] for bidder in BIDDERS]
            test = chisquare(counts)
            row = {
                "market": name,
                "way": way.__name__.replace("_", " "),
                "seeds": seeds,
                "wins": counts,
                "chi_square": round(float(test.statistic), 2),
                "p": round(float(test.pvalue), 4),
            }
            rows.append(row)
            print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    if given.json is not None:
        given.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
