"""The outcome of one clearing, and its ``takt.clearing.v1`` document. Decides nothing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal

import msgspec


class Status(StrEnum):
    """How good the answer is known to be."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    FALLBACK = "fallback"
    INFEASIBLE = "infeasible"
    UNKNOWN = "unknown"


MICRO = 1_000_000
"""Prices are in 10^-6 minor units."""

PricesKind = Literal["lp_dual", "lagrangian"]
"""Duals of the linear relaxation, or multipliers of a Lagrangian relaxation (also where both were used)."""

Reason = Literal["no_bid", "price", "capacity", "group", "transport", "dates", "max_suppliers", "not_proven"]


@dataclass(frozen=True, slots=True)
class Accepted:
    """An accepted bid and its quantity (the sum over its items)."""

    bid: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Served:
    """An order served to ``units`` of ``of`` (1 of 1 unless partial)."""

    order: str
    units: int
    of: int


@dataclass(frozen=True, slots=True)
class Unserved:
    """An order that is not served at all; ``detail`` names the lot or resource, or is empty."""

    order: str
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Move:
    """Goods that move along an arc, in units of its first lot; ``to_bid`` or ``to_site`` is None."""

    arc: str
    from_bid: str
    to_bid: str | None
    to_site: str | None
    quantity: int


@dataclass(frozen=True, slots=True)
class Payment:
    """What a bidder is paid for a bid or, as fixed price, for a group; the other one is None."""

    bid: str | None
    group: str | None
    amount: int


@dataclass(frozen=True, slots=True)
class Charge:
    """What an order pays in total."""

    order: str
    amount: int


@dataclass(frozen=True, slots=True)
class Price:
    """The marginal price of a resource or lot, in 10^-6 minor units per unit."""

    resource: str | None
    lot: str | None
    price_micro: int


@dataclass(frozen=True, slots=True)
class Multipliers:
    """Rounded dual prices from which `certificate.certified_bound` recomputes the bound exactly.

    All in 10^-6 minor units. ``resources``, ``lots``, ``groups`` (of ``max_accepted``) hold
    (id, price per unit); ``openings`` holds (group, bid, share of the fixed price); ``uses``
    holds (bid, resource, price of that use) where it differs from use times resource price;
    ``arcs`` holds (arc, bid, price per unit that the bid sends on the arc); ``cliques`` holds
    (bids of which no two can be accepted together, price).
    """

    resources: tuple[tuple[str, int], ...] = ()
    lots: tuple[tuple[str, int], ...] = ()
    groups: tuple[tuple[str, int], ...] = ()
    openings: tuple[tuple[str, str, int], ...] = ()
    uses: tuple[tuple[str, str, int], ...] = ()
    arcs: tuple[tuple[str, str, int], ...] = ()
    cliques: tuple[tuple[tuple[str, ...], int], ...] = ()
    kind: PricesKind = field(default="lagrangian", compare=False)
    """Where they come from; any prove a bound, so a document tells it of its prices only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seconds:
    """Where the time went."""

    read: float = 0.0
    build: float = 0.0
    solve: float = 0.0
    check: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Clearing:
    """The result of one clearing; lists are sorted by id. Field meanings: docs/clearing.md."""

    status: Status
    objective: int | None
    bound: int | None
    bound_kind: Literal["certified", "solver"] | None
    accepted: tuple[Accepted, ...] = ()
    served: tuple[Served, ...] = ()
    unserved: tuple[Unserved, ...] = ()
    moves: tuple[Move, ...] = ()
    payments: tuple[Payment, ...] | None = None
    charges: tuple[Charge, ...] | None = None
    payment_refusal: str | None = None
    prices: tuple[Price, ...] = ()
    prices_kind: PricesKind | None = None
    multipliers: Multipliers | None = None
    conflict: tuple[str, ...] = ()
    greedy_objective: int | None = None
    checked: bool = False
    components: int = 0
    seconds: Seconds = Seconds()
    work: int = 0
    digest: str = ""

    @property
    def gap_ppm(self) -> int | None:
        """Return the gap in parts per million of the objective, rounded up; None if either is unknown."""
        if self.objective is None or self.bound is None:
            return None
        return -(-1_000_000 * (self.bound - self.objective) // max(1, abs(self.objective)))


def sealed(clearing: Clearing) -> Clearing:
    """Return the clearing with its digest: equal for equal file, seed, version and work limit."""
    document = clearing_to_document(clearing)
    del document["seconds"], document["digest"]
    return replace(clearing, digest="sha256:" + hashlib.sha256(_with_sorted_keys(document)).hexdigest())


def clearing_to_document(c: Clearing) -> dict[str, Any]:
    """Return the ``takt.clearing.v1`` document."""
    seconds = {name: round(getattr(c.seconds, name), 6) for name in Seconds.__slots__}
    # Absent where there is none, so that documents of version 0.1.0 keep their digests.
    kind = {} if c.prices_kind is None else {"prices_kind": c.prices_kind}
    return kind | {
        "kind": "takt.clearing.v1",
        "status": c.status.value,
        "objective": c.objective,
        "bound": c.bound,
        "bound_kind": c.bound_kind,
        "gap_ppm": c.gap_ppm,
        "accepted": [{"bid": a.bid, "quantity": a.quantity} for a in c.accepted],
        "served": [{"order": s.order, "units": s.units, "of": s.of} for s in c.served],
        "unserved": [{"order": u.order, "reason": u.reason, "detail": u.detail} for u in c.unserved],
        "moves": [
            {"arc": m.arc, "from_bid": m.from_bid, "quantity": m.quantity}
            | ({"to_site": m.to_site} if m.to_bid is None else {"to_bid": m.to_bid})
            for m in c.moves
        ],
        "payments": None
        if c.payments is None
        else [
            ({"bid": p.bid} if p.group is None else {"group": p.group}) | {"amount": p.amount}
            for p in c.payments
        ],
        "charges": None if c.charges is None else [{"order": h.order, "amount": h.amount} for h in c.charges],
        "payment_refusal": c.payment_refusal,
        "prices": [
            ({"resource": p.resource} if p.lot is None else {"lot": p.lot}) | {"price_micro": p.price_micro}
            for p in c.prices
        ],
        "multipliers": None if c.multipliers is None else _multipliers(c.multipliers),
        "conflict": list(c.conflict),
        "greedy_objective": c.greedy_objective,
        "checked": c.checked,
        "components": c.components,
        "seconds": seconds,
        "work": c.work,
        "digest": c.digest,
    }


def _multipliers(m: Multipliers) -> dict[str, Any]:
    # Absent where there are none, so that documents of earlier versions keep their digests.
    arcs = {"arcs": [{"arc": a, "bid": b, "price_micro": v} for a, b, v in m.arcs]} if m.arcs else {}
    cliques = {"cliques": [{"bids": list(b), "price_micro": v} for b, v in m.cliques]} if m.cliques else {}
    return (
        {
            "resources": [{"resource": i, "price_micro": v} for i, v in m.resources],
            "lots": [{"lot": i, "price_micro": v} for i, v in m.lots],
            "groups": [{"group": i, "price_micro": v} for i, v in m.groups],
            "openings": [{"group": g, "bid": b, "price_micro": v} for g, b, v in m.openings],
            "uses": [{"bid": b, "resource": r, "price_micro": v} for b, r, v in m.uses],
        }
        | arcs
        | cliques
    )


def _with_sorted_keys(document: dict[str, Any]) -> bytes:
    """Write a document as ``json.dumps`` does without spaces, several times as fast."""
    return msgspec.json.encode(document, order="deterministic")


def clearing_to_json(clearing: Clearing) -> bytes:
    """Write the document with sorted keys, one line."""
    return msgspec.json.format(_with_sorted_keys(clearing_to_document(clearing)), indent=0)
