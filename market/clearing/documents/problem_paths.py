"""Where a value that the builder refused stands in the document. Decides nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from market.clearing.documents.problem_records import Record

# Builder's flat list → where its records stand in the document.
_PLACES = {
    "lots": ("orders", "lots"),
    "arcs": ("orders", "arcs"),
    "items": ("bids", "items"),
    "uses": ("bids", "uses"),
    "bid_groups": ("bids", "groups"),
}


def document_path(path: str, document: Record) -> str:
    """Translate a builder's flat path (``items[7].lot``) into one of the document."""
    name, bracket, rest = path.partition("[")
    index, _, tail = rest.partition("]")
    if not bracket or not index.isdigit():
        return path
    if name in {"sites", "bidders"}:
        return _first_place(name, int(index), document)
    if name not in _PLACES:
        return path
    owner, field = _PLACES[name]
    k = int(index)
    for i, record in enumerate(document[owner]):
        if k < len(record[field]):
            return f"{owner}[{i}].{field}[{k}]{tail}"
        k -= len(record[field])
    return path


def _first_place(kind: str, index: int, document: Record) -> str:
    """Return where the site or bidder that was added as number ``index`` stands first."""
    seen: set[str | None] = {None}
    for path, name in _sites(document) if kind == "sites" else _bidders(document):
        if name not in seen:
            if len(seen) > index:
                return path
            seen.add(name)
    return f"{kind}[{index}]"


def _bidders(document: Record) -> Iterator[tuple[str, str | None]]:
    for i, bid in enumerate(document["bids"]):
        yield f"bids[{i}].bidder", bid["bidder"]


def _sites(document: Record) -> Iterator[tuple[str, str | None]]:
    """Yield every place of a site, in the order in which the reader adds them."""
    for i, order in enumerate(document["orders"]):
        for k, arc in enumerate(order["arcs"]):
            yield f"orders[{i}].arcs[{k}].to_site", arc.get("to_site")
    for i, bid in enumerate(document["bids"]):
        yield f"bids[{i}].site", bid["site"]
    for field in ("from", "to"):
        for i, row in enumerate(document["transport"]):
            yield f"transport[{i}].{field}", row[field]
