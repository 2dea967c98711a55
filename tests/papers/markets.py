"""Build the markets of papers as ``takt.problem.v1`` documents, and read prices back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from market.adapters.solver_pulp import PulpSolver
from market.clearing.clear import clear
from market.clearing.documents.problem_json import problem_from_document
from market.clearing.limits import Limits
from market.clearing.result import Clearing
from takt_sdk.wall_clock import WallClock

Document = dict[str, Any]


def bid(
    name: str,
    bidder: str,
    price: int,
    *lots: str | tuple[str, int],
    groups: Iterable[str] = (),
    uses: Iterable[str] = (),
    unit_price: int = 0,
    between: tuple[int, int] | None = None,
) -> Document:
    """Return a bid on lots (quantity 1 where none is given); ``between`` makes it divisible."""
    items = [(lot, 1) if isinstance(lot, str) else lot for lot in lots]
    return {
        "id": name,
        "bidder": bidder,
        "site": None,
        "items": [{"lot": lot, "quantity": quantity} for lot, quantity in items],
        "divisible": between is not None,
        "min_quantity": 0 if between is None else between[0],
        "fixed_price": price,
        "unit_price": unit_price,
        "score": 0,
        "start": None,
        "end": None,
        "uses": [{"resource": name, "fixed": 0, "per_unit": 1} for name in uses],
        "groups": list(groups),
    }


def order(
    name: str,
    value: int,
    *lots: str | tuple[str, int],
    must_serve: bool = False,
    max_suppliers: int | None = None,
) -> Document:
    """Return an order of lots (quantity 1 where none is given); of one lot named like it by default."""
    items = [(lot, 1) if isinstance(lot, str) else lot for lot in lots or (name,)]
    return {
        "id": name,
        "value": value,
        "must_serve": must_serve,
        "partial": False,
        "max_suppliers": max_suppliers,
        "lots": [{"id": lot, "quantity": quantity} for lot, quantity in items],
        "arcs": [],
    }


def market(
    orders: Iterable[Document],
    bids: Iterable[Document],
    *,
    resources: Mapping[str, int] | None = None,
    exclusive: Iterable[str] = (),
) -> Document:
    """Return a market; ``exclusive`` names the groups of which one bid at most is accepted."""
    return {
        "kind": "takt.problem.v1",
        "currency": "EUR",
        "mechanism": "pay_as_bid",
        "seed": 1,
        "orders": list(orders),
        "resources": [{"id": name, "capacity": capacity} for name, capacity in (resources or {}).items()],
        "bids": list(bids),
        "groups": [{"id": name, "max_accepted": 1, "fixed_price": 0} for name in exclusive],
        "transport": [],
    }


def cleared(document: Document, mechanism: str) -> Clearing:
    """Clear a market under a payment rule."""
    problem = replace(problem_from_document(document), mechanism=mechanism)
    return clear(problem, solver=PulpSolver(), limits=Limits(), clock=WallClock())


def paid(document: Document, mechanism: str) -> dict[str, int]:
    """Return what each bidder is paid in total."""
    clearing = cleared(document, mechanism)
    assert clearing.payments is not None, clearing.payment_refusal
    bidder = {b["id"]: b["bidder"] for b in document["bids"]}
    total: dict[str, int] = {}
    for payment in clearing.payments:
        assert payment.bid is not None
        total[bidder[payment.bid]] = total.get(bidder[payment.bid], 0) + payment.amount
    return total


def sale(goods: Iterable[str], values: Mapping[str, Mapping[str, int]], worth: int = 10_000) -> Document:
    """Return the mirror image of a sale: a bid of ``v`` for a bundle of ``n`` goods asks ``worth n - v``.

    ``values`` holds, per bidder, one value for each bundle of goods, named by their letters; one
    bundle at most is won. Every good is an order worth ``worth``, so welfare, pivots and the core
    are those of the sale, and a bidder who is paid ``x`` for ``n`` goods pays ``worth n - x`` there.
    """
    bids = [
        bid(f"{bidder} {bundle}", bidder, worth * len(bundle) - value, *bundle, groups=(bidder,))
        for bidder, bundles in values.items()
        for bundle, value in bundles.items()
    ]
    return market([order(good, worth) for good in goods], bids, exclusive=values)


def sale_prices(
    goods: Iterable[str], values: Mapping[str, Mapping[str, int]], mechanism: str, worth: int = 10_000
) -> dict[str, int]:
    """Return what each winner of a sale pays."""
    document = sale(goods, values, worth)
    won = {entry.bid.split()[0]: len(entry.bid.split()[1]) for entry in cleared(document, mechanism).accepted}
    return {bidder: worth * won[bidder] - amount for bidder, amount in paid(document, mechanism).items()}
