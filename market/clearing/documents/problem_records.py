"""Records of a problem document: which fields they have, of which type; lifted into columns.

Columns are lifted out of the document by C-level iteration, so a million bids cost seconds; only
when something is wrong are the records walked again to name the path and the value.
"""

from __future__ import annotations

import json
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Never

from market.clearing.errors import ProblemError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Record = dict[str, Any]
Columns = dict[str, list[Any]]

_LONGEST_SHOWN = 60
_CHUNK = 2000
"""Records taken at a time: few enough to stay in the processor's cache while each field is lifted out."""

# The type of every field of every record; "?" marks those that may be null.
TOP = {
    "kind": "str",
    "currency": "str",
    "mechanism": "str",
    "seed": "int",
    "orders": "list",
    "resources": "list",
    "bids": "list",
    "groups": "list",
    "transport": "list",
}
ORDER = {
    "id": "str",
    "value": "int",
    "must_serve": "bool",
    "partial": "bool",
    "max_suppliers": "int?",
    "lots": "list",
    "arcs": "list",
}
LOT = {"id": "str", "quantity": "int"}
ARC_TO_LOT = {"id": "str", "from": "str", "to": "str"}
ARC_TO_SITE = {"id": "str", "from": "str", "to_site": "str"}
RESOURCE = {"id": "str", "capacity": "int"}
BID = {
    "id": "str",
    "bidder": "str",
    "site": "str?",
    "items": "list",
    "divisible": "bool",
    "min_quantity": "int",
    "fixed_price": "int",
    "unit_price": "int",
    "score": "int",
    "start": "int?",
    "end": "int?",
    "uses": "list",
    "groups": "list",
}
ITEM = {"lot": "str", "quantity": "int"}
USE = {"resource": "str", "fixed": "int", "per_unit": "int"}
GROUP = {"id": "str", "max_accepted": "int?", "fixed_price": "int"}
TRANSPORT = {"from": "str", "to": "str", "fixed": "int", "per_unit": "int", "minutes": "int"}
TYPES: dict[str, frozenset[type]] = {
    "str": frozenset({str}),
    "int": frozenset({int}),
    "bool": frozenset({bool}),
    "list": frozenset({list}),
    "str?": frozenset({str, type(None)}),
    "int?": frozenset({int, type(None)}),
}
SAYS = {
    "str": "a string",
    "int": "an integer",
    "bool": "true or false",
    "list": "a list",
    "str?": "a string or null",
    "int?": "an integer or null",
}


def columns(records: Sequence[Any], fields: Mapping[str, str], path: str) -> Columns:
    """Return the fields of all records as columns; each has exactly the fields, each of its type."""
    columns: Columns = {name: [] for name in fields}
    for start in range(0, len(records), _CHUNK):
        chunk = records[start : start + _CHUNK]
        try:
            right = set(map(type, chunk)) == {dict} and set(map(len, chunk)) == {len(fields)}
            for name, kind in fields.items():
                column = list(map(itemgetter(name), chunk))
                right = right and set(map(type, column)) <= TYPES[kind]
                columns[name] += column
        except (KeyError, TypeError, IndexError):
            right = False
        if not right:
            for i, record in enumerate(chunk, start):
                check_record(record, fields, f"{path}[{i}]")
    return columns


def check_record(record: object, fields: Mapping[str, str], path: str) -> None:
    """Refuse a record that has not exactly the fields, each of its type."""
    if (
        not isinstance(record, dict)
        or record.keys() != fields.keys()
        or any(type(record[name]) not in TYPES[kind] for name, kind in fields.items())
    ):
        refuse_record(record, fields, path)


def refuse_record(record: object, fields: Mapping[str, str], path: str) -> Never:
    """Name what is wrong with a record.

    Raises
    ------
    ProblemError
        Always, with the first wrong field.
    """
    prefix = "" if path == "document" else f"{path}."
    if not isinstance(record, dict):
        raise ProblemError(path, f"must be an object (was {shown(record)})")
    for name in record:
        if name not in fields:
            raise ProblemError(f"{prefix}{name[:_LONGEST_SHOWN]}", "unknown field")
    for name in fields:
        if name not in record:
            raise ProblemError(f"{prefix}{name}", "missing")
    name = next(name for name, kind in fields.items() if type(record[name]) not in TYPES[kind])
    raise ProblemError(f"{prefix}{name}", f"must be {SAYS[fields[name]]} (was {shown(record[name])})")


def shown(value: object) -> str:
    """Return a value as JSON in ASCII, shortened to 60 characters."""
    text = json.dumps(value, default=str)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "..."
