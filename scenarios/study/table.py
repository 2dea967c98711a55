"""A study's table on disk: rows as they come, in Parquet parts, whole again after any crash.

A folder holds ``study.json`` (what is run) and ``parts/``: a file for every row as it comes, and every
`BATCH_ROWS` of them packed into one, each written whole or not at all. `merged` sorts the rows by cell
and keeps one of each, so the table is the same whatever came first and wherever a run was cut.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from scenarios.errors import ScenarioFileError
from scenarios.study.cell import Cell, Row
from scenarios.study.metrics import METRICS

PLAN = "study.json"
PARTS = "parts"
TABLE = "table.parquet"
BATCH_ROWS = 50
_SINGLE = "row-"
_EXTRA = ("welfare_bound", "plan_bound")
COLUMNS = (*METRICS, *_EXTRA)
SCHEMA = pa.schema(
    [
        ("cell", pa.int64()),
        ("seed", pa.int64()),
        ("mechanism", pa.string()),
        ("settings", pa.string()),
        ("label", pa.string()),
        ("outcome_digest", pa.string()),
        ("error", pa.string()),
        *((name, pa.float64()) for name in COLUMNS),
    ]
)


class StudyTable:
    """The rows of one study in one folder.

    Parameters
    ----------
    folder
        Made if it is not there.
    plan
        What is run, as plain JSON values; a folder keeps one plan for good.

    Raises
    ------
    ScenarioFileError
        If the folder holds the rows of another plan.
    """

    def __init__(self, folder: Path, plan: object) -> None:
        self.folder = folder
        (folder / PARTS).mkdir(parents=True, exist_ok=True)
        text = json.dumps(plan, indent=1, sort_keys=True)
        file = folder / PLAN
        if file.exists() and file.read_text(encoding="utf-8") != text:
            raise ScenarioFileError(str(file), "", folder.name, "holds another study: choose another --out")
        if not file.exists():
            _write_whole(file, text.encode())

    def done(self) -> set[int]:
        """Return the numbers of the cells that are on disk."""
        found: set[int] = set()
        for part in self._parts():
            found.update(pq.read_table(part, columns=["cell"]).column("cell").to_pylist())
        return found

    def add(self, number: int, cell: Cell, row: Row | None, error: str = "") -> None:
        """Put a cell's row on disk, or the reason why it has none."""
        record: dict[str, object] = {
            "cell": number,
            "seed": cell.seed,
            "mechanism": cell.mechanism,
            "settings": json.dumps(cell.settings, sort_keys=True, separators=(",", ":")),
            "label": cell.label,
            "outcome_digest": "" if row is None else row.outcome_digest,
            "error": error,
        }
        metrics = {} if row is None else row.metrics
        record |= {name: metrics.get(name) for name in COLUMNS}
        data = _as_parquet(pa.Table.from_pylist([record], schema=SCHEMA))
        _write_whole(self.folder / PARTS / f"{_SINGLE}{number:09}.parquet", data)
        singles = sorted((self.folder / PARTS).glob(f"{_SINGLE}*.parquet"))
        if len(singles) >= BATCH_ROWS:
            self._pack(singles)

    def _pack(self, singles: Sequence[Path]) -> None:
        """Put many rows' files into one; a row that is in both after a crash counts once."""
        data = _as_parquet(pa.concat_tables([pq.read_table(part, schema=SCHEMA) for part in singles]))
        _write_whole(self.folder / PARTS / f"{sha256(data).hexdigest()[:16]}.parquet", data)
        for part in singles:
            part.unlink()

    def merged(self) -> Path:
        """Write all rows, one per cell and sorted by cell, as one file; return its path."""
        whole = pa.concat_tables([pq.read_table(part, schema=SCHEMA) for part in self._parts()])
        table = whole.sort_by("cell")
        numbers = table.column("cell").to_pylist()
        keep = [index for index, number in enumerate(numbers) if index == 0 or numbers[index - 1] != number]
        file = self.folder / TABLE
        _write_whole(file, _as_parquet(table.take(keep)))
        return file

    def _parts(self) -> Sequence[Path]:
        return sorted((self.folder / PARTS).glob("*.parquet"))


def read_table(path: Path) -> pa.Table:
    """Return the merged table of a study's folder, or of a Parquet file."""
    return pq.read_table(path / TABLE if path.is_dir() else path)


def rows_of(table: pa.Table) -> Iterable[dict[str, object]]:
    """Return a table's rows as plain values."""
    rows: list[dict[str, object]] = table.to_pylist()
    return rows


def _as_parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    partial = path.with_suffix(path.suffix + ".partial")
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
