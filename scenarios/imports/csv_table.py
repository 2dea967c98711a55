"""CSV tables, read strictly: every value checked as it is read, refused with file, line, column and value.

Values stand apart by commas, or by semicolons where the first line has those and no comma.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from scenarios.errors import ScenarioError

_INTEGER = re.compile(r"-?\d{1,16}", re.ASCII)
_DEGREES = re.compile(r"-?\d{1,3}(\.\d{1,9})?", re.ASCII)
_SIZE = re.compile(r"(\d{1,6})x(\d{1,6})x(\d{1,6})", re.ASCII)
MAX_INTEGER = 2**53 - 1
MICRO = 1_000_000


class CsvTableError(ScenarioError):
    """A table cannot be read, or a value in it breaks a rule. ``line`` counts from 1, the header included."""

    def __init__(self, source: str, line: int, field: str, value: object, detail: str) -> None:
        self.line = line
        super().__init__(f"{source}, line {line}", field, value, detail)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a table; every reader of a value raises `CsvTableError` if it breaks the rule."""

    source: str
    number: int
    values: Mapping[str, str]

    def text(self, column: str, default: str | None = None) -> str:
        """Return a text; empty only if there is a default."""
        value = self.values.get(column, "").strip()
        if value:
            return value
        if default is None:
            raise self.wrong(column, value, "must not be empty")
        return default

    def whole(self, column: str, low: int = 0, high: int = MAX_INTEGER, default: int | None = None) -> int:
        """Return an integer within ``[low, high]``."""
        value = self.values.get(column, "").strip()
        if not value and default is not None:
            return default
        if not _INTEGER.fullmatch(value):
            raise self.wrong(column, value, "must be a whole number")
        if not low <= int(value) <= high:
            raise self.wrong(column, int(value), f"must be from {low} to {high}")
        return int(value)

    def optional(self, column: str, low: int = 0, high: int = MAX_INTEGER) -> int | None:
        """Return an integer as `whole` does, None where the value is empty."""
        return self.whole(column, low, high) if self.values.get(column, "").strip() else None

    def words(self, column: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Return the words of a text, which stand apart by spaces."""
        return tuple(self.values.get(column, "").split()) or default

    def micro_degrees(self, column: str, limit: int) -> int:
        """Return a coordinate, written in degrees, within ``limit`` degrees of 0; empty is 0."""
        value = self.values.get(column, "").strip()
        if value and not _DEGREES.fullmatch(value):
            raise self.wrong(column, value, "must be degrees such as 48.2085")
        degrees = Decimal(value or 0)
        if abs(degrees) > limit:
            raise self.wrong(column, value, f"must be from -{limit} to {limit}")
        return int(degrees * MICRO)

    def size_mm(self, column: str) -> tuple[int, int, int] | None:
        """Return three lengths such as ``150x120x60``, None where the value is empty."""
        value = self.values.get(column, "").strip()
        if not value:
            return None
        match = _SIZE.fullmatch(value)
        if match is None or "0" in match.groups():
            raise self.wrong(column, value, "must be three lengths such as 150x120x60")
        x_mm, y_mm, z_mm = (int(side) for side in match.groups())
        return x_mm, y_mm, z_mm

    def wrong(self, column: str, value: object, detail: str) -> CsvTableError:
        """Return the error that names a value of this line."""
        return CsvTableError(self.source, self.number, column, value, detail)


def read_table(
    path: Path, required: frozenset[str], optional: frozenset[str] = frozenset()
) -> Iterator[Line]:
    """Yield the lines of a CSV file (UTF-8, first line names the columns, in any order).

    Raises
    ------
    CsvTableError
        If the file cannot be read, a column is missing, unknown or given twice, or a line has too many or
        too few values.
    """
    name = path.name
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            separator = separator_of(file.readline())
            file.seek(0)
            reader = csv.reader(file, strict=True, delimiter=separator)
            header = [column.strip() for column in next(reader, [])]
            _check_header(name, header, required, optional)
            for values in reader:
                if not values:
                    continue
                if len(values) != len(header):
                    raise CsvTableError(
                        name, reader.line_num, "", len(values), f"must have {len(header)} values"
                    )
                yield Line(name, reader.line_num, dict(zip(header, values, strict=True)))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CsvTableError(name, 1, "", str(path), f"cannot be read ({error})") from error


def separator_of(first_line: str) -> str:
    """Return what stands between the values of a table: a semicolon only where there is no comma."""
    return ";" if ";" in first_line and "," not in first_line else ","


def _check_header(name: str, header: list[str], required: frozenset[str], optional: frozenset[str]) -> None:
    for column in header:
        if column not in required | optional:
            known = ", ".join(sorted(required | optional))
            raise CsvTableError(name, 1, column, column, f"is no column; known are {known}")
        if header.count(column) > 1:
            raise CsvTableError(name, 1, column, column, "is given twice")
    for column in sorted(required - set(header)):
        raise CsvTableError(name, 1, column, ", ".join(header), "is missing")
