"""Many rows in few SQLite statements.

The driver gives up Python's interpreter lock around each row of an ``executemany``, and beside a busy
thread waits milliseconds to get it back: a batch of 100 entries took half a second. One statement of
many rows gives it up once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from sqlalchemy import Connection, Insert

LARGEST_CHUNK = 256


class RowWriter:
    """Executes single-row INSERT statements for many rows at a time.

    Chunks are powers of two, so that few texts are ever prepared and the driver keeps them all.
    """

    def __init__(self) -> None:
        self._texts: dict[tuple[Insert, int], tuple[str, tuple[str, ...]]] = {}

    def write(self, connection: Connection, statement: Insert, rows: Sequence[Mapping[str, Any]]) -> int:
        """Insert rows of the same columns; return how many rows were written."""
        written = start = 0
        while start < len(rows):
            size = min(LARGEST_CHUNK, 1 << ((len(rows) - start).bit_length() - 1))
            text, columns = self._text(connection, statement, tuple(rows[0]), size)
            chunk = rows[start : start + size]
            values = tuple(chain.from_iterable([row[column] for column in columns] for row in chunk))
            written += connection.exec_driver_sql(text, values).rowcount
            start += size
        return written

    def _text(
        self, connection: Connection, statement: Insert, columns: tuple[str, ...], size: int
    ) -> tuple[str, tuple[str, ...]]:
        """Return the statement's text for ``size`` rows, and the order of a row's values in it."""
        known = self._texts.get((statement, size))
        if known is None:
            compiled = statement.compile(dialect=connection.dialect, column_keys=columns)
            order = tuple(compiled.params)
            one_row = f"({', '.join('?' * len(order))})"
            before, values, after = str(compiled).partition(f"VALUES {one_row}")
            assert values, "the statement must have one VALUES clause of one row"
            known = f"{before}VALUES {', '.join([one_row] * size)}{after}", order
            self._texts[statement, size] = known
        return known
