"""Orders as a CSV table: one line an order, in the order of submission.

Times are ISO 8601 with an offset, money minor units, certificates separated by spaces. Reading
names file, line, column and value of the first thing that is wrong; nothing is guessed.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from scenarios.errors import OrdersFileError, ScenarioFileError
from scenarios.imports.csv_table import separator_of

MAX_TEXT = 128
Text = Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
Whole = Annotated[int, Field(ge=0, lt=2**53)]


class OrderLine(BaseModel):
    """One order of a file: who submits what, when, and on which terms."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    key: Text
    """Idempotency key."""
    at: AwareDatetime
    customer: Text
    part: Text
    quantity: Annotated[int, Field(gt=0, lt=2**31)]
    destination: Text
    release: AwareDatetime
    due: AwareDatetime
    deadline: AwareDatetime
    limit_minor: Whole
    """Reservation value: the most the customer pays in total."""
    lateness_penalty_minor_per_day: Whole = 0
    certificates: tuple[str, ...] = ()
    good_for_takts: Annotated[int, Field(gt=0, le=1000)] = 1


COLUMNS = tuple(OrderLine.model_fields)
REQUIRED = tuple(name for name, field in OrderLine.model_fields.items() if field.is_required())


def read_orders(path: Path) -> tuple[OrderLine, ...]:
    """Read an orders file.

    Raises
    ------
    OrdersFileError
        Naming file, line, column and value.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise ScenarioFileError(str(path), "", path.name, f"cannot be read ({why})") from error
    return parse_orders(text, source=str(path))


def parse_orders(text: str, *, source: str = "orders.csv") -> tuple[OrderLine, ...]:
    """Return the orders in CSV text; errors as in `read_orders`."""
    separator = separator_of(text.partition("\n")[0])
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True, delimiter=separator)
    header = reader.fieldnames or ()
    for name in REQUIRED:
        if name not in header:
            raise OrdersFileError(source, 1, name, ",".join(header), "column is missing")
    for name in header:
        if name not in COLUMNS or list(header).count(name) > 1:
            raise OrdersFileError(source, 1, name, name, f"is not one of {', '.join(COLUMNS)}, each once")
    lines: list[OrderLine] = []
    keys: set[str] = set()
    try:
        for row in reader:
            line = _order(row, source, reader.line_num)
            if line.key in keys:
                raise OrdersFileError(source, reader.line_num, "key", line.key, "is given twice")
            keys.add(line.key)
            lines.append(line)
    except csv.Error as error:
        raise OrdersFileError(source, reader.line_num, "", "", f"is not CSV ({error})") from error
    return tuple(sorted(lines, key=lambda line: (line.at, line.key)))


def _order(row: dict[str, str], source: str, number: int) -> OrderLine:
    if None in row or None in row.values():
        raise OrdersFileError(source, number, "", list(row.values()), "has not as many fields as the header")
    given: dict[str, object] = {name: value for name, value in row.items() if value.strip()}
    if "certificates" in given:
        given["certificates"] = tuple(row["certificates"].split())
    try:
        return OrderLine.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = str(first["loc"][0])
        raise OrdersFileError(source, number, field, row.get(field), first["msg"]) from error


def format_orders(lines: Iterable[OrderLine]) -> str:
    """Return orders as CSV text that `parse_orders` reads back."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for line in lines:
        writer.writerow([_cell(getattr(line, name)) for name in COLUMNS])
    return buffer.getvalue()


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return " ".join(value) if isinstance(value, tuple) else str(value)
