"""Read and write ``takt.problem.v1``, strictly.

Columns are lifted out of the document by comprehensions, so a million bids cost seconds; only
when something is wrong is the document walked again to name the path and the value.
"""

from __future__ import annotations

import gzip
import json
import zlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Never

from market.clearing.errors import ProblemError
from market.clearing.problem import NO_TIME, NONE, Problem
from market.clearing.problem_builder import ProblemBuilder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

KIND = "takt.problem.v1"
_LONGEST_SHOWN = 60

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

_Record = dict[str, Any]


def problem_from_json(source: bytes | str | Path) -> Problem:
    """Read a problem from JSON bytes (plain or gzip) or from a file.

    Raises
    ------
    ProblemError
        Naming the first wrong value by its path in the document.
    OSError
        If the file cannot be read.
    """
    raw = source if isinstance(source, bytes) else Path(source).read_bytes()
    if raw[:2] == b"\x1f\x8b":
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error) as error:
            raise ProblemError("document", f"is not valid gzip ({error})") from None
    try:
        document = json.loads(raw, parse_constant=_refuse_constant)
    except ValueError as error:
        raise ProblemError("document", f"is not valid JSON ({error})") from None
    except RecursionError:
        raise ProblemError("document", "is nested too deeply") from None
    return problem_from_document(document)


def problem_from_document(document: object) -> Problem:
    """Build a problem from a parsed ``takt.problem.v1`` document."""
    _check_records([document], _TOP, lambda _: "document")
    assert isinstance(document, dict)
    if document["kind"] != KIND:
        raise ProblemError("kind", f'must be "{KIND}" (was {_shown(document["kind"])})')
    orders, bids = document["orders"], document["bids"]
    _check_records(orders, _ORDER, lambda i: f"orders[{i}]")
    _check_records(document["resources"], _RESOURCE, lambda i: f"resources[{i}]")
    _check_records(document["groups"], _GROUP, lambda i: f"groups[{i}]")
    _check_records(document["transport"], _TRANSPORT, lambda i: f"transport[{i}]")
    _check_records(bids, _BID, lambda i: f"bids[{i}]")
    builder = ProblemBuilder()
    try:
        lots = _add_orders(builder, orders)
        _add_bids(builder, bids, lots, document["resources"], document["groups"])
        rows = document["transport"]
        builder.add_transport(
            from_site=[builder.site(r["from"]) for r in rows],
            to_site=[builder.site(r["to"]) for r in rows],
            fixed=[r["fixed"] for r in rows],
            per_unit=[r["per_unit"] for r in rows],
            minutes=[r["minutes"] for r in rows],
        )
        return builder.build(
            currency=document["currency"], mechanism=document["mechanism"], seed=document["seed"]
        )
    except ProblemError as error:
        raise ProblemError(_document_path(error.path, document), error.detail) from None


def _add_orders(builder: ProblemBuilder, orders: Sequence[_Record]) -> dict[str, int]:
    """Add the orders; return the index of every lot id."""
    lots = [lot for order in orders for lot in order["lots"]]
    _check_records(lots, _LOT, lambda k: _nested("orders", "lots", orders, k))
    arcs = [arc for order in orders for arc in order["arcs"]]
    ending_at_site = [isinstance(arc, dict) and "to_site" in arc for arc in arcs]
    for at_site, fields in ((True, _ARC_TO_SITE), (False, _ARC_TO_LOT)):
        chosen = [k for k, flag in enumerate(ending_at_site) if flag is at_site]
        _check_records(
            [arcs[k] for k in chosen],
            fields,
            partial(_arc_path, orders, chosen),
        )
    index = {lot["id"]: k for k, lot in enumerate(lots)}

    def known(k: int, field: str) -> int:
        found = index.get(arcs[k][field])
        if found is None:
            raise ProblemError(f"arcs[{k}].{field}", f"unknown {_shown(arcs[k][field])}")
        return found

    builder.add_orders(
        [o["id"] for o in orders],
        value=[o["value"] for o in orders],
        must_serve=[o["must_serve"] for o in orders],
        partial=[o["partial"] for o in orders],
        max_suppliers=_limits(orders, "max_suppliers", lambda i: f"orders[{i}].max_suppliers"),
        lot_counts=[len(o["lots"]) for o in orders],
        lot_ids=[lot["id"] for lot in lots],
        lot_quantity=[lot["quantity"] for lot in lots],
        arc_counts=[len(o["arcs"]) for o in orders],
        arc_ids=[arc["id"] for arc in arcs],
        arc_from=[known(k, "from") for k in range(len(arcs))],
        arc_to=[NONE if at_site else known(k, "to") for k, at_site in enumerate(ending_at_site)],
        arc_site=[
            builder.site(arcs[k]["to_site"]) if at_site else NONE for k, at_site in enumerate(ending_at_site)
        ],
    )
    return index


def _add_bids(
    builder: ProblemBuilder,
    bids: Sequence[_Record],
    lots: Mapping[str, int],
    resources: Sequence[_Record],
    groups: Sequence[_Record],
) -> None:
    """Add resources, groups and bids, resolving every reference by id."""
    builder.add_resources([r["id"] for r in resources], [r["capacity"] for r in resources])
    builder.add_groups(
        [g["id"] for g in groups],
        max_accepted=_limits(groups, "max_accepted", lambda i: f"groups[{i}].max_accepted"),
        fixed_price=[g["fixed_price"] for g in groups],
    )
    items = [item for bid in bids for item in bid["items"]]
    _check_records(items, _ITEM, lambda k: _nested("bids", "items", bids, k))
    uses = [use for bid in bids for use in bid["uses"]]
    _check_records(uses, _USE, lambda k: _nested("bids", "uses", bids, k))
    names = [name for bid in bids for name in bid["groups"]]
    if not set(map(type, names)) <= {str}:
        wrong = next(k for k, name in enumerate(names) if type(name) is not str)
        raise ProblemError(
            _nested("bids", "groups", bids, wrong), f"must be a string (was {_shown(names[wrong])})"
        )
    resource_index = {r["id"]: k for k, r in enumerate(resources)}
    group_index = {g["id"]: k for k, g in enumerate(groups)}
    bidder, site = builder.bidder, builder.site
    builder.add_bids(
        [b["id"] for b in bids],
        bidder=[bidder(b["bidder"]) for b in bids],
        site=[site(b["site"]) for b in bids],
        item_counts=[len(b["items"]) for b in bids],
        item_lot=_resolve([i["lot"] for i in items], lots, "items[{}].lot"),
        item_quantity=[i["quantity"] for i in items],
        divisible=[b["divisible"] for b in bids],
        min_quantity=[b["min_quantity"] for b in bids],
        fixed_price=[b["fixed_price"] for b in bids],
        unit_price=[b["unit_price"] for b in bids],
        score=[b["score"] for b in bids],
        start=[NO_TIME if b["start"] is None else b["start"] for b in bids],
        end=[NO_TIME if b["end"] is None else b["end"] for b in bids],
        use_counts=[len(b["uses"]) for b in bids],
        use_resource=_resolve([u["resource"] for u in uses], resource_index, "uses[{}].resource"),
        use_fixed=[u["fixed"] for u in uses],
        use_unit=[u["per_unit"] for u in uses],
        group_counts=[len(b["groups"]) for b in bids],
        groups=_resolve(names, group_index, "bid_groups[{}]"),
    )


def _arc_path(orders: Sequence[_Record], chosen: Sequence[int], i: int) -> str:
    return _nested("orders", "arcs", orders, chosen[i])


def _resolve(names: Sequence[str], index: Mapping[str, int], path: str) -> list[int]:
    try:
        return [index[name] for name in names]
    except KeyError:
        wrong = next(k for k, name in enumerate(names) if name not in index)
        raise ProblemError(path.format(wrong), f"unknown {_shown(names[wrong])}") from None


def _limits(records: Sequence[_Record], field: str, path: Callable[[int], str]) -> list[int]:
    """Return a nullable limit as a column with ``NONE`` for null; refuse negative ones."""
    column = [NONE if record[field] is None else record[field] for record in records]
    for i, record in enumerate(records):
        if record[field] is not None and record[field] < 0:
            raise ProblemError(path(i), f"must be null or at least 0 (was {record[field]})")
    return column


def _check_records(records: object, fields: Mapping[str, str], path: Callable[[int], str]) -> None:
    """Check that every record has exactly the fields, each of its type."""
    assert isinstance(records, list)
    keys = fields.keys()
    try:
        if all(r.keys() == keys for r in records) and all(
            set(map(type, [r[name] for r in records])) <= _TYPES[kind] for name, kind in fields.items()
        ):
            return
    except AttributeError:
        pass
    for i, record in enumerate(records):
        _refuse_record(record, fields, path(i))


def _refuse_record(record: object, fields: Mapping[str, str], path: str) -> None:
    prefix = "" if path == "document" else f"{path}."
    if not isinstance(record, dict):
        raise ProblemError(path, f"must be an object (was {_shown(record)})")
    for name in record:
        if name not in fields:
            raise ProblemError(f"{prefix}{name}", "unknown field")
    for name, kind in fields.items():
        if name not in record:
            raise ProblemError(f"{prefix}{name}", "missing")
        if type(record[name]) not in _TYPES[kind]:
            raise ProblemError(f"{prefix}{name}", f"must be {_SAYS[kind]} (was {_shown(record[name])})")


def _nested(owner: str, field: str, records: Sequence[_Record], k: int) -> str:
    """Return the path of the ``k``-th nested element over all records."""
    for i, record in enumerate(records):
        if k < len(record[field]):
            return f"{owner}[{i}].{field}[{k}]"
        k -= len(record[field])
    return owner


def _document_path(path: str, document: _Record) -> str:
    """Translate a builder's flat path (``items[7].lot``) into one of the document."""
    name, bracket, rest = path.partition("[")
    index, _, tail = rest.partition("]")
    places = {
        "lots": ("orders", "lots"),
        "arcs": ("orders", "arcs"),
        "items": ("bids", "items"),
        "uses": ("bids", "uses"),
        "bid_groups": ("bids", "groups"),
    }
    if not bracket or name not in places or not index.isdigit():
        return path
    owner, field = places[name]
    return _nested(owner, field, document[owner], int(index)) + tail


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
