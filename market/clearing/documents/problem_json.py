"""Read ``takt.problem.v1``, strictly.

Columns are lifted out of the document by C-level iteration, so a million bids cost seconds; only
when something is wrong is the document walked again to name the path and the value.
"""

from __future__ import annotations

import json
import re
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Never

from market.clearing.documents.problem_builder import ProblemBuilder
from market.clearing.documents.problem_bytes import (
    Repeating,
    bytes_of,
    no_garbage_collection,
    parsed,
    repeating,
    unzipped,
)
from market.clearing.documents.problem_columns import MAX_INTEGER
from market.clearing.documents.problem_document import KIND
from market.clearing.errors import ProblemError
from market.clearing.problem import NO_TIME, NONE, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LONGEST_SHOWN = 60
_KEY_WITH_SPACE = re.compile(rb'"[ \t\r\n]+:')

# The type of every field of every record; "?" marks those that may be null.
_TOP = {
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
_ORDER = {
    "id": "str",
    "value": "int",
    "must_serve": "bool",
    "partial": "bool",
    "max_suppliers": "int?",
    "lots": "list",
    "arcs": "list",
}
_LOT = {"id": "str", "quantity": "int"}
_ARC_TO_LOT = {"id": "str", "from": "str", "to": "str"}
_ARC_TO_SITE = {"id": "str", "from": "str", "to_site": "str"}
_RESOURCE = {"id": "str", "capacity": "int"}
_BID = {
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
_ITEM = {"lot": "str", "quantity": "int"}
_USE = {"resource": "str", "fixed": "int", "per_unit": "int"}
_GROUP = {"id": "str", "max_accepted": "int?", "fixed_price": "int"}
_TRANSPORT = {"from": "str", "to": "str", "fixed": "int", "per_unit": "int", "minutes": "int"}
_TYPES: dict[str, frozenset[type]] = {
    "str": frozenset({str}),
    "int": frozenset({int}),
    "bool": frozenset({bool}),
    "list": frozenset({list}),
    "str?": frozenset({str, type(None)}),
    "int?": frozenset({int, type(None)}),
}
_SAYS = {
    "str": "a string",
    "int": "an integer",
    "bool": "true or false",
    "list": "a list",
    "str?": "a string or null",
    "int?": "an integer or null",
}

# Builder's flat list → where its records stand in the document.
_PLACES = {
    "lots": ("orders", "lots"),
    "arcs": ("orders", "arcs"),
    "items": ("bids", "items"),
    "uses": ("bids", "uses"),
    "bid_groups": ("bids", "groups"),
}

_Record = dict[str, Any]
_Columns = dict[str, list[Any]]


def problem_from_json(source: bytes | str | Path) -> Problem:
    """Read a problem from JSON bytes (plain or gzip) or from a file.

    Raises
    ------
    ProblemError
        Naming the first wrong value by its path in the document.
    OSError
        If the file cannot be read.
    """
    raw = source if isinstance(source, bytes) else bytes_of(Path(source))
    if raw[:2] == b"\x1f\x8b":
        raw = unzipped(raw)
    with no_garbage_collection():
        document = parsed(raw)
        problem = problem_from_document(document)
        _refuse_repeated_keys(raw, document)
        del document
    return problem


def _refuse_repeated_keys(raw: bytes, document: _Record) -> None:
    """Refuse a document in which an object repeats a key, which `json` keeps silent about.

    The keys of a right document can be counted; only where the count differs, or spaces stand
    before a colon, is the document parsed again.
    """
    count = raw.count(b'":') - raw.count(b'\\":')
    if count == _keys_of(document) and not _KEY_WITH_SPACE.search(raw):
        return
    again = parsed(raw, repeated=Repeating)
    path = repeating(again, "")
    if path is not None:
        raise ProblemError(path or "document", "a key stands twice in this object")


def _keys_of(document: _Record) -> int:
    """Return how many keys all objects of a right document have together."""
    orders, bids = document["orders"], document["bids"]
    nested = (
        (_LOT, orders, "lots"),
        (_ARC_TO_LOT, orders, "arcs"),
        (_ITEM, bids, "items"),
        (_USE, bids, "uses"),
    )
    flat = (
        (_ORDER, "orders"),
        (_RESOURCE, "resources"),
        (_BID, "bids"),
        (_GROUP, "groups"),
        (_TRANSPORT, "transport"),
    )
    return (
        len(_TOP)
        + sum(len(fields) * len(document[name]) for fields, name in flat)
        + sum(len(fields) * sum(map(len, map(itemgetter(name), owner))) for fields, owner, name in nested)
    )


def problem_from_document(document: object) -> Problem:
    """Build a problem from a parsed ``takt.problem.v1`` document."""
    if not isinstance(document, dict) or document.keys() != _TOP.keys():
        _refuse_record(document, _TOP, "document")
    assert isinstance(document, dict)
    for name, kind in _TOP.items():
        if type(document[name]) not in _TYPES[kind]:
            _refuse_record(document, _TOP, "document")
    if document["kind"] != KIND:
        raise ProblemError("kind", f'must be "{KIND}" (was {_shown(document["kind"])})')
    try:
        return _built(document)
    except ProblemError as error:
        raise ProblemError(_document_path(error.path, document), error.detail) from None


def _built(document: _Record) -> Problem:
    orders = _columns(document["orders"], _ORDER, "orders")
    resources = _columns(document["resources"], _RESOURCE, "resources")
    groups = _columns(document["groups"], _GROUP, "groups")
    transport = _columns(document["transport"], _TRANSPORT, "transport")
    bids = _columns(document["bids"], _BID, "bids")
    builder = ProblemBuilder()
    lots = _add_orders(builder, orders)
    builder.add_resources(_copied(resources["id"]), resources["capacity"])
    builder.add_groups(
        groups["id"],
        max_accepted=_limits(groups["max_accepted"], "groups[{}].max_accepted"),
        fixed_price=groups["fixed_price"],
    )
    _add_bids(builder, bids, lots, _index(resources["id"]), _index(groups["id"]))
    builder.add_transport(
        from_site=list(map(builder.site, transport["from"])),
        to_site=list(map(builder.site, transport["to"])),
        fixed=transport["fixed"],
        per_unit=transport["per_unit"],
        minutes=transport["minutes"],
    )
    return builder.build(
        currency=document["currency"], mechanism=document["mechanism"], seed=document["seed"]
    )


def _add_orders(builder: ProblemBuilder, orders: _Columns) -> dict[str, int]:
    """Add the orders; return the index of every lot id."""
    lots = _columns(list(chain.from_iterable(orders["lots"])), _LOT, "lots")
    index = _index(lots["id"])
    arcs = list(chain.from_iterable(orders["arcs"]))
    at_site = [isinstance(arc, dict) and "to_site" in arc for arc in arcs]
    for k, arc in enumerate(arcs):
        _check_record(arc, _ARC_TO_SITE if at_site[k] else _ARC_TO_LOT, f"arcs[{k}]")
    builder.add_orders(
        _copied(orders["id"]),
        value=orders["value"],
        must_serve=orders["must_serve"],
        partial=orders["partial"],
        max_suppliers=_limits(orders["max_suppliers"], "orders[{}].max_suppliers"),
        lot_counts=list(map(len, orders["lots"])),
        lot_ids=_copied(lots["id"]),
        lot_quantity=lots["quantity"],
        arc_counts=list(map(len, orders["arcs"])),
        arc_ids=[arc["id"] for arc in arcs],
        arc_from=_resolve([arc["from"] for arc in arcs], index, "arcs[{}].from"),
        arc_to=[
            NONE if at_site[k] else _resolved(arc["to"], index, f"arcs[{k}].to") for k, arc in enumerate(arcs)
        ],
        arc_site=[builder.site(arc["to_site"]) if at_site[k] else NONE for k, arc in enumerate(arcs)],
    )
    return index


def _add_bids(
    builder: ProblemBuilder,
    bids: _Columns,
    lots: Mapping[str, int],
    resources: Mapping[str, int],
    groups: Mapping[str, int],
) -> None:
    """Add the bids, resolving every reference by id."""
    items = _columns(list(chain.from_iterable(bids["items"])), _ITEM, "items")
    uses = _columns(list(chain.from_iterable(bids["uses"])), _USE, "uses")
    names = list(chain.from_iterable(bids["groups"]))
    if not set(map(type, names)) <= {str}:
        wrong = next(k for k, name in enumerate(names) if type(name) is not str)
        raise ProblemError(f"bid_groups[{wrong}]", f"must be a string (was {_shown(names[wrong])})")
    bidder = {name: builder.bidder(name) for name in dict.fromkeys(bids["bidder"])}
    site = {name: builder.site(name) for name in dict.fromkeys(bids["site"])}
    builder.add_bids(
        _copied(bids["id"]),
        bidder=list(map(bidder.__getitem__, bids["bidder"])),
        site=list(map(site.__getitem__, bids["site"])),
        item_counts=list(map(len, bids["items"])),
        item_lot=_resolve(items["lot"], lots, "items[{}].lot"),
        item_quantity=items["quantity"],
        divisible=bids["divisible"],
        min_quantity=bids["min_quantity"],
        fixed_price=bids["fixed_price"],
        unit_price=bids["unit_price"],
        score=bids["score"],
        start=_dates(bids["start"], "bids[{}].start"),
        end=_dates(bids["end"], "bids[{}].end"),
        use_counts=list(map(len, bids["uses"])),
        use_resource=_resolve(uses["resource"], resources, "uses[{}].resource"),
        use_fixed=uses["fixed"],
        use_unit=uses["per_unit"],
        group_counts=list(map(len, bids["groups"])),
        groups=_resolve(names, groups, "bid_groups[{}]"),
    )


def _columns(records: Sequence[Any], fields: Mapping[str, str], path: str) -> _Columns:
    """Return the fields of all records as columns; each has exactly the fields, each of its type."""
    columns: _Columns = {name: [] for name in fields}
    for start in range(0, len(records), _CHUNK):
        chunk = records[start : start + _CHUNK]
        try:
            right = set(map(type, chunk)) == {dict} and set(map(len, chunk)) == {len(fields)}
            for name, kind in fields.items():
                column = list(map(itemgetter(name), chunk))
                right = right and set(map(type, column)) <= _TYPES[kind]
                columns[name] += column
        except (KeyError, TypeError, IndexError):
            right = False
        if not right:
            for i, record in enumerate(chunk, start):
                _check_record(record, fields, f"{path}[{i}]")
    return columns


_CHUNK = 2000
"""Records taken at a time: few enough to stay in the processor's cache while each field is lifted out."""


def _check_record(record: object, fields: Mapping[str, str], path: str) -> None:
    if (
        not isinstance(record, dict)
        or record.keys() != fields.keys()
        or any(type(record[name]) not in _TYPES[kind] for name, kind in fields.items())
    ):
        _refuse_record(record, fields, path)


def _refuse_record(record: object, fields: Mapping[str, str], path: str) -> Never:
    """Name what is wrong with a record."""
    prefix = "" if path == "document" else f"{path}."
    if not isinstance(record, dict):
        raise ProblemError(path, f"must be an object (was {_shown(record)})")
    for name in record:
        if name not in fields:
            raise ProblemError(f"{prefix}{name[:_LONGEST_SHOWN]}", "unknown field")
    for name in fields:
        if name not in record:
            raise ProblemError(f"{prefix}{name}", "missing")
    name = next(name for name, kind in fields.items() if type(record[name]) not in _TYPES[kind])
    raise ProblemError(f"{prefix}{name}", f"must be {_SAYS[fields[name]]} (was {_shown(record[name])})")


def _copied(names: list[str]) -> list[str]:
    """Return equal strings in memory of their own, so that all of the document's can be given back."""
    copies = "\n".join(names).split("\n")
    return copies if len(copies) == len(names) else names


def _index(ids: Sequence[str]) -> dict[str, int]:
    return dict(zip(ids, range(len(ids)), strict=True))


def _resolve(names: Sequence[str], index: Mapping[str, int], path: str) -> list[int]:
    try:
        return list(map(index.__getitem__, names))
    except KeyError:
        return [_resolved(name, index, path.format(k)) for k, name in enumerate(names)]


def _resolved(name: str, index: Mapping[str, int], path: str) -> int:
    found = index.get(name)
    if found is None:
        raise ProblemError(path, f"unknown {_shown(name)}")
    return found


def _limits(column: Sequence[int | None], path: str) -> list[int]:
    """Return a nullable limit as a column with ``NONE`` for null; refuse negative ones."""
    for i, limit in enumerate(column):
        if limit is not None and limit < 0:
            raise ProblemError(path.format(i), f"must be null or at least 0 (was {limit})")
    return [NONE if limit is None else limit for limit in column]


def _dates(column: Sequence[int | None], path: str) -> list[int]:
    """Return a nullable date as a column with ``NO_TIME`` for null, which no given date may equal."""
    for i, t in enumerate(column):
        if t is not None and not -MAX_INTEGER <= t <= MAX_INTEGER:
            raise ProblemError(path.format(i), f"must be within ±{MAX_INTEGER} (was {t})")
    return [NO_TIME if t is None else t for t in column]


def _document_path(path: str, document: _Record) -> str:
    """Translate a builder's flat path (``items[7].lot``) into one of the document."""
    name, bracket, rest = path.partition("[")
    index, _, tail = rest.partition("]")
    if not bracket or name not in _PLACES or not index.isdigit():
        return path
    owner, field = _PLACES[name]
    k = int(index)
    for i, record in enumerate(document[owner]):
        if k < len(record[field]):
            return f"{owner}[{i}].{field}[{k}]{tail}"
        k -= len(record[field])
    return path


def _shown(value: object) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "..."
