"""A folder of tables as a scenario: finds the tables by name, writes the scenario file, checks the whole.

What the tables do not say is set so that the case runs, and stands in the file to be changed: the market
starts on the day of the first order and keeps the time of the longest lane free after every lot.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from scenarios.errors import ScenarioError, ScenarioFileError
from scenarios.orders_file import OrderLine, read_orders
from scenarios.population import build
from scenarios.scenario import FILE_NAME, load_scenario
from scenarios.sections import TablesSection
from scenarios.undone import undone

NAMES = frozenset({name for name in TablesSection.model_fields if name != "floor"} | {"orders"})
NEEDED = ("companies", "routings", "orders")
AFTER_DAYS = 7
"""From the last deadline to the end of the market."""
TAKT_MINUTES = 720


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """The scenario that was made, and what its tables leave undone."""

    file: Path
    companies: int
    parts: int
    orders: int
    warnings: tuple[str, ...]


def scenario_of_tables(folder: Path, out: Path, *, currency: str) -> Made:
    """Write ``scenario.toml`` for the tables of a folder; copy them where ``out`` is another folder.

    Raises
    ------
    ScenarioError
        If a table is missing or wrong, or ``out`` holds a scenario already. Nothing is left behind then.
    """
    tables = _tables(folder)
    file = out / FILE_NAME
    if file.exists():
        raise ScenarioFileError(str(file), "", file.name, "is there already")
    orders = read_orders(tables["orders"])
    if not orders:
        raise ScenarioFileError(str(tables["orders"]), "", folder.name, "holds no order")
    is_new = not out.exists()
    out.mkdir(parents=True, exist_ok=True)
    written = [file]
    if out.resolve() != folder.resolve():
        for table in tables.values():
            if (out / table.name).exists():
                raise ScenarioFileError(str(out), "", table.name, "is there already")
        written += [Path(shutil.copy(table, out)) for table in tables.values()]
    try:
        file.write_text(_text(out, tables, orders, currency, transit_minutes=0), encoding="utf-8")
        longest = max((lane.transit_minutes for lane in build(load_scenario(file)).network.lanes), default=0)
        text = _text(out, tables, orders, currency, transit_minutes=longest)
        file.write_text(text, encoding="utf-8")
        population = build(load_scenario(file))
    except ScenarioError:
        for path in written:
            path.unlink()
        if is_new:
            out.rmdir()
        raise
    return Made(
        file=file,
        companies=len(population.profiles),
        parts=len({command.part.id for _, command in population.parts}),
        orders=len(population.orders),
        warnings=(*_left(folder), *undone(population)),
    )


def _tables(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(folder.glob("*.csv")):
        name = path.stem.replace("-", "_")
        if name in found:
            raise ScenarioFileError(str(folder), path.name, found[name].name, "is there twice")
        if name in NAMES:
            found[name] = path
    for name in NEEDED:
        if name not in found:
            seen = ", ".join(sorted(path.name for path in folder.iterdir())) or "an empty folder"
            raise ScenarioFileError(str(folder), f"{name}.csv", seen, "is missing")
    return found


def _left(folder: Path) -> Iterator[str]:
    """Yield files that look like tables and have the name of none."""
    for path in sorted(folder.glob("*.csv")):
        if path.stem.replace("-", "_") not in NAMES:
            tables = ", ".join(sorted(name.replace("_", "-") for name in NAMES))
            yield f"{path.name} is no table of a case and was not read; tables are {tables}"


def _text(
    out: Path, tables: dict[str, Path], orders: tuple[OrderLine, ...], currency: str, *, transit_minutes: int
) -> str:
    first = min(line.at for line in orders).astimezone(UTC)
    last = max(line.deadline for line in orders).astimezone(UTC)
    start = datetime(first.year, first.month, first.day, tzinfo=UTC)
    days = (last - start) // timedelta(days=1) + 1 + AFTER_DAYS
    name = re.sub(r"[^a-z0-9]+", "-", out.resolve().name.lower()).strip("-")[:60] or "case"
    lines = [
        "# A case from tables, made by `takt import case`. What else may stand here: docs/scenarios.md.",
        'kind = "takt.scenario.v1"',
        f'name = "{name}"',
        f"title = {json.dumps(out.resolve().name, ensure_ascii=False)}",
        "seed = 1",
        f"start = {start:%Y-%m-%dT%H:%M:%SZ}",
        f"horizon_days = {days}",
        f'orders = "{tables["orders"].name}"',
        "",
        "[rules]",
        f"currency = {json.dumps(currency)}",
        f"takt_minutes = {TAKT_MINUTES} # open orders are cleared together so often",
        f"transit_minutes = {transit_minutes} # kept free after every lot for its way: the longest lane",
        f"max_periods = {days}",
        "",
        "[tables]",
        *(f'{name} = "{path.name}"' for name, path in tables.items() if name != "orders"),
    ]
    return "\n".join(lines) + "\n"
