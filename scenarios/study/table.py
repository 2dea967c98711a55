"""A study's table on disk: rows as they come, in Parquet parts, whole again after any crash.

A folder holds ``study.json`` (what is run) and ``parts/``, one file per batch of rows, each written
whole or not at all. `merged` sorts the rows by cell, so the table is the same whatever came first.
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
_EXTRA = ("welfare_bound",)
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
        self._waiting: list[dict[str, object]] = []

    def done(self) -> set[int]:
        """Return the numbers of the cells that are on disk."""
        found: set[int] = set()
        for part in self._parts():
            found.update(pq.read_table(part, columns=["cell"]).column("cell").to_pylist())
        return found

    def add(self, number: int, cell: Cell, row: Row | None, error: str = "") -> None:
        """Take a cell's row, or the reason why it has none; every `BATCH_ROWS` go to disk."""
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
        self._waiting.append(record | {name: metrics.get(name) for name in COLUMNS})
        if len(self._waiting) >= BATCH_ROWS:
            self.flush()

    def flush(self) -> None:
        """Put the rows taken so far on disk."""
        if not self._waiting:
            return
        table = pa.Table.from_pylist(self._waiting, schema=SCHEMA)
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink)
        data = sink.getvalue().to_pybytes()
        _write_whole(self.folder / PARTS / f"{sha256(data).hexdigest()[:16]}.parquet", data)
        self._waiting.clear()

    def merged(self) -> Path:
        """Write all rows, one per cell and sorted by cell, as one file; return its path."""
        self.flush()
        whole = pa.concat_tables([pq.read_table(part, schema=SCHEMA) for part in self._parts()])
        table = whole.sort_by("cell")
        numbers = table.column("cell").to_pylist()
        keep = [index for index, number in enumerate(numbers) if index == 0 or numbers[index - 1] != number]
        sink = pa.BufferOutputStream()
        pq.write_table(table.take(keep), sink)
        file = self.folder / TABLE
        _write_whole(file, sink.getvalue().to_pybytes())
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


def _write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    partial = path.with_suffix(path.suffix + ".partial")
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
