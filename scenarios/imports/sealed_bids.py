"""Sealed bids from CSV as a problem for ``takt clear``.

``lots.csv``: ``order``, ``value`` (of the whole order, the same on each of its lines), ``lot``,
``quantity``. ``bids.csv``: ``bid``, ``bidder``, ``lot``, ``quantity``, ``price`` (of the whole bid, on each
of its lines), and, where it takes capacity, ``resource`` and ``use``; optional ``group``: of one bidder's
bids with the same word at most one is accepted. A bid of several lines is a package. ``capacities.csv``
(optional): ``resource``, ``capacity``.
"""

from __future__ import annotations

from pathlib import Path

from scenarios.imports.csv_table import Line, read_table

Document = dict[str, object]


def problem_document(
    lots: Path, bids: Path, capacities: Path | None, *, currency: str, mechanism: str, seed: int
) -> Document:
    """Return the problem as a ``takt.problem.v1`` document; `takt clear` checks the whole.

    Raises
    ------
    CsvTableError
        If a value is wrong, an id stands twice, or a line contradicts another of the same order or bid.
    """
    orders, lot_quantity = _orders(lots)
    resources = _resources(capacities)
    offers, groups = _bids(bids, lot_quantity, resources)
    return {
        "kind": "takt.problem.v1",
        "currency": currency,
        "mechanism": mechanism,
        "seed": seed,
        "orders": orders,
        "resources": [{"id": name, "capacity": capacity} for name, capacity in resources.items()],
        "bids": offers,
        "groups": groups,
        "transport": [],
    }


def _orders(path: Path) -> tuple[list[Document], dict[str, int]]:
    orders: dict[str, Document] = {}
    quantities: dict[str, int] = {}
    for line in read_table(path, frozenset({"order", "value", "lot", "quantity"})):
        name, value = line.text("order"), line.whole("value")
        order = orders.setdefault(
            name,
            {
                "id": name,
                "value": value,
                "must_serve": False,
                "partial": False,
                "max_suppliers": None,
                "lots": [],
                "arcs": [],
            },
        )
        if order["value"] != value:
            raise line.wrong("value", value, f"must be {order['value']} as on the order's first line")
        lot = line.text("lot")
        if lot in quantities:
            raise line.wrong("lot", lot, "is given twice")
        quantities[lot] = line.whole("quantity", 1)
        lots = order["lots"]
        assert isinstance(lots, list)
        lots.append({"id": lot, "quantity": quantities[lot]})
    return list(orders.values()), quantities


def _resources(path: Path | None) -> dict[str, int]:
    found: dict[str, int] = {}
    if path is not None:
        for line in read_table(path, frozenset({"resource", "capacity"})):
            name = line.text("resource")
            if name in found:
                raise line.wrong("resource", name, "is given twice")
            found[name] = line.whole("capacity")
    return found


def _bids(
    path: Path, lots: dict[str, int], resources: dict[str, int]
) -> tuple[list[Document], list[Document]]:
    bids: dict[str, Document] = {}
    groups: dict[str, Document] = {}
    required = frozenset({"bid", "bidder", "lot", "quantity", "price"})
    for line in read_table(path, required, frozenset({"resource", "use", "group"})):
        bid = _bid(line, bids)
        lot, quantity = line.text("lot"), line.whole("quantity", 1)
        if lot not in lots:
            raise line.wrong("lot", lot, "is no lot")
        items = bid["items"]
        assert isinstance(items, list)
        items.append({"lot": lot, "quantity": quantity})
        resource = line.text("resource", "")
        if resource:
            if resource not in resources:
                raise line.wrong("resource", resource, "has no capacity")
            _use(bid, resource, line.whole("use"))
        group = line.text("group", "")
        if group:
            name = f"{bid['bidder']}.{group}"
            groups.setdefault(name, {"id": name, "max_accepted": 1, "fixed_price": 0})
            members = bid["groups"]
            assert isinstance(members, list)
            if name not in members:
                members.append(name)
    return list(bids.values()), list(groups.values())


def _bid(line: Line, bids: dict[str, Document]) -> Document:
    name = line.text("bid")
    stated = {"bidder": line.text("bidder"), "fixed_price": line.whole("price")}
    bid = bids.setdefault(
        name,
        {
            "id": name,
            "bidder": stated["bidder"],
            "site": None,
            "items": [],
            "divisible": False,
            "min_quantity": 0,
            "fixed_price": stated["fixed_price"],
            "unit_price": 0,
            "score": 0,
            "start": None,
            "end": None,
            "uses": [],
            "groups": [],
        },
    )
    for field, column in (("bidder", "bidder"), ("fixed_price", "price")):
        if bid[field] != stated[field]:
            raise line.wrong(column, stated[field], f"must be {bid[field]} as on the bid's first line")
    return bid


def _use(bid: Document, resource: str, amount: int) -> None:
    uses = bid["uses"]
    assert isinstance(uses, list)
    for use in uses:
        if use["resource"] == resource:
            use["fixed"] += amount
            return
    uses.append({"resource": resource, "fixed": amount, "per_unit": 0})
