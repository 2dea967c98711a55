"""Read and write ``takt.problem.v1``, strictly.

Columns are lifted out of the document by C-level iteration, so a million bids cost seconds; only
when something is wrong is the document walked again to name the path and the value.
"""

from __future__ import annotations

import gc
import json
import re
import zlib
from contextlib import contextmanager
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Never

from market.clearing.errors import ProblemError
from market.clearing.problem import NO_TIME, NONE, Problem
from market.clearing.problem_builder import MAX_INTEGER, ProblemBuilder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

KIND = "takt.problem.v1"

MAX_BYTES = 2**31 - 1
"""Longest document that is read, after decompression: what holds memory within bounds."""

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
    raw = source if isinstance(source, bytes) else _bytes_of(Path(source))
    if raw[:2] == b"\x1f\x8b":
        raw = _unzipped(raw)
    with _no_garbage_collection():
        document = _parsed(raw)
        problem = problem_from_document(document)
        _refuse_repeated_keys(raw, document)
        del document
    return problem


def _bytes_of(path: Path) -> bytes:
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ProblemError("document", f"must have at most {MAX_BYTES} bytes (has {size})")
    return path.read_bytes()


def _unzipped(raw: bytes) -> bytes:
    """Return the content of all members of a gzip file, bounded."""
    parts, size = [], 0
    try:
        while raw:
            member = zlib.decompressobj(wbits=31)
            part = member.decompress(raw, MAX_BYTES + 1 - size)
            size += len(part)
            if size > MAX_BYTES:
                raise ProblemError("document", f"must have at most {MAX_BYTES} bytes when decompressed")
            if not member.eof:
                raise ProblemError("document", "is not valid gzip (it ends early)")
            parts.append(part)
            raw = member.unused_data.lstrip(b"\0")
    except zlib.error as error:
        raise ProblemError("document", f"is not valid gzip ({error})") from None
    return b"".join(parts)


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Keep the collector from walking millions of fresh records again and again: two thirds of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _parsed(raw: bytes, *, repeated: type[dict[str, Any]] | None = None) -> Any:  # noqa: ANN401 - any JSON
    """Parse JSON; with ``repeated``, objects that repeat a key are of that class."""

    def pairs(found: list[tuple[str, Any]]) -> _Record:
        record = dict(found)
        return record if len(record) == len(found) or repeated is None else repeated(record)

    try:
        return json.loads(
            raw, parse_constant=_refuse_constant, object_pairs_hook=None if repeated is None else pairs
        )
    except ValueError as error:
        raise ProblemError("document", f"is not valid JSON ({error})") from None
    except RecursionError:
        raise ProblemError("document", "is nested too deeply") from None


class _Repeating(dict[str, Any]):
    """A record in which a key stood twice."""


def _refuse_repeated_keys(raw: bytes, document: _Record) -> None:
    """Refuse a document in which an object repeats a key, which `json` keeps silent about.

    The keys of a right document can be counted; only where the count differs, or spaces stand
    before a colon, is the document parsed again.
    """
    count = raw.count(b'":') - raw.count(b'\\":')
    if count == _keys_of(document) and not _KEY_WITH_SPACE.search(raw):
        return
    again = _parsed(raw, repeated=_Repeating)
    path = _repeating(again, "")
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


def _repeating(value: object, path: str) -> str | None:
    """Return the path of the first object that repeats a key."""
    if isinstance(value, _Repeating):
        return path
    if isinstance(value, dict):
        steps = ((f"{path}.{name}" if path else str(name), inner) for name, inner in value.items())
    elif isinstance(value, list):
        steps = ((f"{path}[{i}]", inner) for i, inner in enumerate(value))
    else:
        return None
    return next((found for at, inner in steps if (found := _repeating(inner, at)) is not None), None)


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


def _refuse_constant(name: str) -> Never:
    raise ProblemError("document", f"holds {name}, which is not a JSON number")


def problem_to_json(problem: Problem) -> bytes:
    """Write a problem as canonical ``takt.problem.v1`` (sorted keys, no spaces)."""
    return json.dumps(
        problem_to_document(problem), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    ).encode()


def problem_to_document(p: Problem) -> _Record:
    """Return the ``takt.problem.v1`` document of a problem, lists sorted by id."""
    site = [*p.sites, None]
    return {
        "kind": KIND,
        "currency": p.currency,
        "mechanism": p.mechanism,
        "seed": p.seed,
        "orders": list(_orders(p)),
        "bids": list(_bids(p)),
        "resources": [
            {"id": i, "capacity": c}
            for i, c in zip(p.resource_ids, p.resource_capacity.tolist(), strict=True)
        ],
        "groups": [
            {"id": i, "max_accepted": _or_null(m), "fixed_price": f}
            for i, m, f in zip(p.group_ids, p.group_max.tolist(), p.group_fixed.tolist(), strict=True)
        ],
        "transport": [
            {"from": site[a], "to": site[b], "fixed": f, "per_unit": u, "minutes": m}
            for a, b, f, u, m in zip(
                p.transport_from.tolist(),
                p.transport_to.tolist(),
                p.transport_fixed.tolist(),
                p.transport_unit.tolist(),
                p.transport_minutes.tolist(),
                strict=True,
            )
        ],
    }


def _or_null(limit: int, absent: int = NONE) -> int | None:
    return None if limit == absent else limit


def _orders(p: Problem) -> Iterator[_Record]:
    lot_ptr, arc_ptr = p.order_lot_ptr.tolist(), p.order_arc_ptr.tolist()
    quantity, start, to, at = (
        p.lot_quantity.tolist(),
        p.arc_from.tolist(),
        p.arc_to.tolist(),
        p.arc_site.tolist(),
    )
    for o, name in enumerate(p.order_ids):
        lots = range(lot_ptr[o], lot_ptr[o + 1])
        yield {
            "id": name,
            "value": int(p.order_value[o]),
            "must_serve": bool(p.order_must[o]),
            "partial": bool(p.order_partial[o]),
            "max_suppliers": _or_null(int(p.order_max_suppliers[o])),
            "lots": [{"id": p.lot_ids[k], "quantity": quantity[k]} for k in lots],
            "arcs": [
                {"id": p.arc_ids[k], "from": p.lot_ids[start[k]]}
                | ({"to_site": p.sites[at[k]]} if to[k] == NONE else {"to": p.lot_ids[to[k]]})
                for k in range(arc_ptr[o], arc_ptr[o + 1])
            ],
        }


def _bids(p: Problem) -> Iterator[_Record]:
    items = list(zip([p.lot_ids[k] for k in p.item_lot.tolist()], p.item_quantity.tolist(), strict=True))
    uses = list(
        zip(
            [p.resource_ids[k] for k in p.use_resource.tolist()],
            p.use_fixed.tolist(),
            p.use_unit.tolist(),
            strict=True,
        )
    )
    names = [p.group_ids[k] for k in p.bid_group.tolist()]
    item_ptr, use_ptr, group_ptr = p.bid_item_ptr.tolist(), p.bid_use_ptr.tolist(), p.bid_group_ptr.tolist()
    sites = [*p.sites, None]
    columns = zip(
        p.bid_ids,
        p.bid_bidder.tolist(),
        p.bid_site.tolist(),
        p.bid_divisible.tolist(),
        p.bid_min.tolist(),
        p.bid_fixed.tolist(),
        p.bid_unit.tolist(),
        p.bid_score.tolist(),
        p.bid_start.tolist(),
        p.bid_end.tolist(),
        strict=True,
    )
    for b, (name, bidder, site, divisible, low, fixed, unit, score, start, end) in enumerate(columns):
        yield {
            "id": name,
            "bidder": p.bidders[bidder],
            "site": sites[site],
            "divisible": divisible,
            "min_quantity": low,
            "fixed_price": fixed,
            "unit_price": unit,
            "score": score,
            "start": _or_null(start, NO_TIME),
            "end": _or_null(end, NO_TIME),
            "items": [{"lot": lot, "quantity": q} for lot, q in items[item_ptr[b] : item_ptr[b + 1]]],
            "uses": [
                {"resource": r, "fixed": f, "per_unit": u} for r, f, u in uses[use_ptr[b] : use_ptr[b + 1]]
            ],
            "groups": names[group_ptr[b] : group_ptr[b + 1]],
        }
