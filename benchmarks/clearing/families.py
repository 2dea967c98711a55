"""Public benchmark families and synthetic markets as `Problem` values.

Generalised assignment, single-source facility location, combinatorial auctions (CATS files),
multi-dimensional knapsacks, and markets with packages, splits and openings. Costs stay integer.
"""

from __future__ import annotations

import csv
import gzip
import os
from pathlib import Path

import numpy as np

from market.clearing.documents.problem_builder import ProblemBuilder
from market.clearing.problem import NO_TIME, NONE, Problem


def data_folder() -> Path | None:
    """Return the folder of public instances: ``TAKT_DATA``, else ``../shared/data`` beside the repository."""
    named = os.environ.get("TAKT_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[3] / "shared" / "data"
    return folder if folder.is_dir() else None


def assignment_numbers(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return costs (agents × jobs), uses (agents × jobs) and capacities of a file."""
    numbers = np.array(path.read_text().split(), dtype=np.int64)
    m, n = int(numbers[0]), int(numbers[1])
    cost = numbers[2 : 2 + m * n].reshape(m, n)
    use = numbers[2 + m * n : 2 + 2 * m * n].reshape(m, n)
    return cost, use, numbers[2 + 2 * m * n :][:m]


def facility_numbers(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return costs (plants × customers), demands, capacities and opening costs of a file."""
    numbers = np.array([float(x) for x in path.read_text().replace("\0", " ").split()])
    m, n = int(numbers[0]), int(numbers[1])
    plants = numbers[2 : 2 + 2 * m].reshape(m, 2).astype(np.int64)
    demand = numbers[2 + 2 * m : 2 + 2 * m + n].astype(np.int64)
    cost = numbers[2 + 2 * m + n :][: m * n].reshape(m, n).astype(np.int64)
    return cost, demand, plants[:, 0], plants[:, 1]


def single_source(
    cost: np.ndarray, use: np.ndarray, capacity: np.ndarray, opening: np.ndarray | None = None, seed: int = 1
) -> Problem:
    """Return one must-serve order per job, one package bid per (agent, job), openings as groups."""
    m, n = cost.shape
    b = ProblemBuilder()
    jobs = [f"j{j:05d}" for j in range(n)]
    b.add_orders(
        jobs,
        value=[0] * n,
        must_serve=[True] * n,
        partial=[False] * n,
        max_suppliers=[NONE] * n,
        lot_counts=[1] * n,
        lot_ids=jobs,
        lot_quantity=[1] * n,
        arc_counts=[0] * n,
    )
    b.add_resources([f"a{i:04d}" for i in range(m)], capacity.tolist())
    if opening is not None:
        b.add_groups([f"a{i:04d}" for i in range(m)], max_accepted=[NONE] * m, fixed_price=opening.tolist())
    for i in range(m):
        b.add_bids(
            [f"a{i:04d}/{j}" for j in jobs],
            bidder=b.bidder(f"a{i:04d}"),
            site=NONE,
            item_counts=[1] * n,
            item_lot=range(n),
            item_quantity=[1] * n,
            divisible=[False] * n,
            min_quantity=[0] * n,
            fixed_price=cost[i].tolist(),
            unit_price=[0] * n,
            score=[0] * n,
            start=[NO_TIME] * n,
            end=[NO_TIME] * n,
            use_counts=[1] * n,
            use_resource=[i] * n,
            use_fixed=use[i].tolist(),
            use_unit=[0] * n,
            group_counts=[0 if opening is None else 1] * n,
            groups=[] if opening is None else [i] * n,
        )
    return b.build(currency="EUR", mechanism="pay_as_bid", seed=seed)


def packing(
    values: list[int], uses: list[list[tuple[int, int]]], capacity: list[int], seed: int = 1
) -> Problem:
    """Return one order per choice worth its value, one free bid each that uses (resource, amount) pairs."""
    n = len(values)
    b = ProblemBuilder()
    names = [f"c{k:05d}" for k in range(n)]
    b.add_orders(
        names,
        value=values,
        must_serve=[False] * n,
        partial=[False] * n,
        max_suppliers=[NONE] * n,
        lot_counts=[1] * n,
        lot_ids=names,
        lot_quantity=[1] * n,
        arc_counts=[0] * n,
    )
    b.add_resources([f"g{g:05d}" for g in range(len(capacity))], capacity)
    b.add_bids(
        names,
        bidder=[b.bidder(name) for name in names],
        site=NONE,
        item_counts=[1] * n,
        item_lot=range(n),
        item_quantity=[1] * n,
        divisible=[False] * n,
        min_quantity=[0] * n,
        fixed_price=[0] * n,
        unit_price=[0] * n,
        score=[0] * n,
        start=[NO_TIME] * n,
        end=[NO_TIME] * n,
        use_counts=[len(u) for u in uses],
        use_resource=[g for u in uses for g, _ in u],
        use_fixed=[a for u in uses for _, a in u],
        use_unit=[0 for u in uses for _ in u],
    )
    return b.build(currency="EUR", mechanism="pay_as_bid", seed=seed)


def auction_file(path: Path) -> Problem:
    """Return a combinatorial auction of a CATS file; prices × 1000 rounded, dummy goods are goods."""
    opener = gzip.open if path.suffix == ".gz" else open
    goods, values, uses = 0, [], []
    with opener(path, "rt") as file:
        for line in file:
            words = line.split()
            if not words or words[0].startswith("%"):
                continue
            if words[0] in ("goods", "dummy"):
                goods += int(words[1])
            elif words[0] != "bids":
                values.append(round(float(words[1]) * 1000))
                uses.append([(int(g), 1) for g in words[2:] if g != "#"])
    return packing(values, uses, [1] * goods)


def knapsack(rows: int, columns: int, tightness: float, seed: int) -> Problem:
    """Return a correlated multi-dimensional knapsack after Chu and Beasley (1998)."""
    r = np.random.default_rng(seed)
    use = r.integers(1, 1001, (rows, columns))
    value = use.sum(axis=0) // rows + r.integers(0, 501, columns)
    uses = [[(i, int(use[i, j])) for i in range(rows)] for j in range(columns)]
    return packing(value.tolist(), uses, (use.sum(axis=1) * tightness).astype(int).tolist(), seed)


def published() -> list[tuple[str, str, int | None]]:
    """Return (family, relative path, best known cost or None) of every public instance."""
    folder = data_folder()
    if folder is None:
        return []
    with (folder / "gap" / "optima.csv").open() as file:
        rows = [("gap", f"gap/{row['path']}", int(row["best_known"])) for row in csv.DictReader(file)]
    optima = [int(x) for x in (folder / "sscflp" / "optima").read_text().split()]
    paths = sorted(
        (p.name for p in (folder / "sscflp").iterdir() if p.name != "optima"), key=lambda x: int(x[1:])
    )
    rows += [("sscflp", f"sscflp/{name}", optima[int(name[1:]) - 1]) for name in paths]
    return rows + [("wdp", f"wdp/{p.name}", None) for p in sorted((folder / "wdp").iterdir())]


def load(family: str, path: str) -> Problem:
    """Return a public instance."""
    folder = data_folder()
    assert folder is not None
    if family == "gap":
        return single_source(*assignment_numbers(folder / path))
    if family == "sscflp":
        cost, demand, capacity, opening = facility_numbers(folder / path)
        return single_source(cost, np.broadcast_to(demand, cost.shape), capacity, opening)
    return auction_file(folder / path)
