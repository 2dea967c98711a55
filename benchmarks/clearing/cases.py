"""The families and instances of the benchmark: which are run, how made, what is published on them."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.clearing import families, synthetic
from benchmarks.clearing.chains import chains
from benchmarks.clearing.others import OTHERS, other
from market.clearing.formulation.formulate import formulate

if TYPE_CHECKING:
    from pathlib import Path

    from market.clearing.problem import Problem

KNAPSACKS = [
    (rows, columns, t) for rows, columns in ((5, 100), (10, 250), (30, 500)) for t in (0.25, 0.5, 0.75)
]
MARKETS = {"market-200": (200, 10, 40, 10), "market-1000": (1_000, 20, 200, 20)}
KINDS = {"base": {}, "split": {"splits": 0.4}, "full": {"splits": 0.4, "openings": True}}
CHAINS = ((20, 5, 9, 1), (60, 6, 18, 2), (150, 6, 36, 3), (400, 6, 60, 4))
BUNDLE_SHARE = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One instance; ``best_cost`` is the published one or None."""

    family: str
    name: str
    best_cost: int | None = None


def all_cases() -> dict[str, list[Case]]:
    """Return every instance by family, smallest first where files have sizes."""
    folder = families.data_folder()
    found: dict[str, list[Case]] = {}
    for family, path, best in families.published():
        found.setdefault(family, []).append(Case(family=family, name=path, best_cost=best))
    for cases in found.values():
        cases.sort(key=lambda c: ((folder / c.name).stat().st_size if folder else 0, c.name))
    found["knapsack"] = [Case(family="knapsack", name=f"{m}x{n}-{t:g}") for m, n, t in KNAPSACKS]
    for family in MARKETS:
        found[family] = [Case(family=family, name=kind) for kind in KINDS]
    found["chains"] = [Case(family="chains", name=f"{size[0]}-orders") for size in CHAINS]
    found["others"] = [Case(family="others", name=name) for name in OTHERS]
    return found


QUICK = {
    "gap": 3,
    "sscflp": 2,
    "wdp": 3,
    "knapsack": 1,
    "market-200": 3,
    "market-1000": 3,
    "chains": 2,
    "others": 6,
}


def chosen_cases(*, full: bool) -> dict[str, list[Case]]:
    """Return the instances to run; without ``full`` a few of each family, evenly spread up to the largest."""
    found = all_cases()
    if full:
        return found
    return {family: spread(found[family], count) for family, count in QUICK.items() if family in found}


def spread(items: list[Case], count: int) -> list[Case]:
    """Return ``count`` of the items at even distances, the last one included."""
    count = min(count, len(items))
    return [items[(k + 1) * len(items) // count - 1] for k in range(count)]


BIG = Case(family="big", name="20000x10")


def problem_of(family: str, name: str) -> Problem:
    """Make or read one instance."""
    if family == "knapsack":
        rows, columns, tightness = KNAPSACKS[[f"{m}x{n}-{t:g}" for m, n, t in KNAPSACKS].index(name)]
        return families.knapsack(rows, columns, tightness, seed=rows + columns)
    if family in MARKETS:
        size = MARKETS[family]
        return synthetic.market(*size, bundles=size[0] // BUNDLE_SHARE, seed=1, **KINDS[name])
    if family == BIG.family:
        return synthetic.big_market(200_000)
    if family == "chains":
        orders, bids, plants, seed = next(c for c in CHAINS if name == f"{c[0]}-orders")
        return chains(orders, bids, plants, seed=seed)
    if family == "others":
        return other(name)
    return families.load(family, name)


def prepare(case: Case, folder: Path) -> tuple[Path, Path]:
    """Store an instance as problem and as program once; return both paths."""
    stem = f"{case.family}-{case.name}".replace("/", "-")
    problem_path, program_path = folder / f"{stem}.pickle", folder / f"{stem}.npz"
    if not program_path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        problem = problem_of(case.family, case.name)
        problem_path.write_bytes(pickle.dumps(problem))
        p = formulate(problem).program
        part = program_path.with_suffix(".part.npz")
        np.savez(part, **{name: getattr(p, name) for name in p.__slots__})
        part.replace(program_path)
    return problem_path, program_path
