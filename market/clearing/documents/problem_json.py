"""Read ``takt.problem.v1``, strictly: columns of its records into a `ProblemBuilder`."""

from __future__ import annotations

import re
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

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
from market.clearing.documents.problem_paths import document_path
from market.clearing.documents.problem_records import (
    ARC_TO_LOT,
    ARC_TO_SITE,
    BID,
    GROUP,
    ITEM,
    LOT,
    ORDER,
    RESOURCE,
    TOP,
    TRANSPORT,
    TYPES,
    USE,
    check_record,
    columns,
    refuse_record,
    shown,
)
from market.clearing.errors import ProblemError
from market.clearing.problem import NO_TIME, NONE, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from market.clearing.documents.problem_records import Columns, Record

_KEY_WITH_SPACE = re.compile(rb'"[ \t\r\n]+:')


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


def _refuse_repeated_keys(raw: bytes, document: Record) -> None:
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


def _keys_of(document: Record) -> int:
    """Return how many keys all objects of a right document have together."""
    orders, bids = document["orders"], document["bids"]
    nested = (
        (LOT, orders, "lots"),
        (ARC_TO_LOT, orders, "arcs"),
        (ITEM, bids, "items"),
        (USE, bids, "uses"),
    )
    flat = (
        (ORDER, "orders"),
        (RESOURCE, "resources"),
        (BID, "bids"),
        (GROUP, "groups"),
        (TRANSPORT, "transport"),
    )
    return (
        len(TOP)
        + sum(len(fields) * len(document[name]) for fields, name in flat)
        + sum(len(fields) * sum(map(len, map(itemgetter(name), owner))) for fields, owner, name in nested)
    )


def problem_from_document(document: object) -> Problem:
    """Build a problem from a parsed ``takt.problem.v1`` document."""
    if not isinstance(document, dict) or document.keys() != TOP.keys():
        refuse_record(document, TOP, "document")
    assert isinstance(document, dict)
    for name, kind in TOP.items():
        if type(document[name]) not in TYPES[kind]:
            refuse_record(document, TOP, "document")
    if document["kind"] != KIND:
        raise ProblemError("kind", f'must be "{KIND}" (was {shown(document["kind"])})')
    try:
        return _built(document)
    except ProblemError as error:
        raise ProblemError(document_path(error.path, document), error.detail) from None


def _built(document: Record) -> Problem:
    orders = columns(document["orders"], ORDER, "orders")
    resources = columns(document["resources"], RESOURCE, "resources")
    groups = columns(document["groups"], GROUP, "groups")
    transport = columns(document["transport"], TRANSPORT, "transport")
    bids = columns(document["bids"], BID, "bids")
    builder = ProblemBuilder()
    lots = _add_orders(builder, orders)
    builder.add_resources(_copied(resources["id"]), resources["capacity"])
    builder.add_groups(
        groups["id"],
        max_accepted=_limits(groups["max_accepted"], "groups[{}].max_accepted", 0),
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


def _add_orders(builder: ProblemBuilder, orders: Columns) -> dict[str, int]:
    """Add the orders; return the index of every lot id."""
    lots = columns(list(chain.from_iterable(orders["lots"])), LOT, "lots")
    index = _index(lots["id"])
    arcs = list(chain.from_iterable(orders["arcs"]))
    at_site = [isinstance(arc, dict) and "to_site" in arc for arc in arcs]
    for k, arc in enumerate(arcs):
        check_record(arc, ARC_TO_SITE if at_site[k] else ARC_TO_LOT, f"arcs[{k}]")
    builder.add_orders(
        _copied(orders["id"]),
        value=orders["value"],
        must_serve=orders["must_serve"],
        partial=orders["partial"],
        max_suppliers=_limits(orders["max_suppliers"], "orders[{}].max_suppliers", 1),
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
    bids: Columns,
    lots: Mapping[str, int],
    resources: Mapping[str, int],
    groups: Mapping[str, int],
) -> None:
    """Add the bids, resolving every reference by id."""
    items = columns(list(chain.from_iterable(bids["items"])), ITEM, "items")
    uses = columns(list(chain.from_iterable(bids["uses"])), USE, "uses")
    names = list(chain.from_iterable(bids["groups"]))
    if not set(map(type, names)) <= {str}:
        wrong = next(k for k, name in enumerate(names) if type(name) is not str)
        raise ProblemError(f"bid_groups[{wrong}]", f"must be a string (was {shown(names[wrong])})")
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
        raise ProblemError(path, f"unknown {shown(name)}")
    return found


def _limits(column: Sequence[int | None], path: str, least: int) -> list[int]:
    """Return a nullable limit as a column with ``NONE`` for null; refuse those below the least."""
    for i, limit in enumerate(column):
        if limit is not None and limit < least:
            raise ProblemError(path.format(i), f"must be null or at least {least} (was {limit})")
    return [NONE if limit is None else limit for limit in column]


def _dates(column: Sequence[int | None], path: str) -> list[int]:
    """Return a nullable date as a column with ``NO_TIME`` for null, which no given date may equal."""
    for i, t in enumerate(column):
        if t is not None and not -MAX_INTEGER <= t <= MAX_INTEGER:
            raise ProblemError(path.format(i), f"must be within ±{MAX_INTEGER} (was {t})")
    return [NO_TIME if t is None else t for t in column]
