"""Read a ``takt.clearing.v1`` document back. Decides nothing."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import msgspec

from market.clearing.result import (
    Accepted,
    Charge,
    Clearing,
    Move,
    Multipliers,
    Payment,
    Price,
    Seconds,
    Served,
    Status,
    Unserved,
)


class _ResourcePrice(msgspec.Struct):
    price_micro: int
    resource: str = ""


class _Prices(msgspec.Struct):
    """What `resource_prices` reads of a document; the rest is passed over."""

    prices: list[_ResourcePrice]


_prices = msgspec.json.Decoder(_Prices)


def clearing_from_json(source: bytes | str) -> Clearing:
    """Return the clearing of a document that `clearing_to_json` wrote.

    Raises
    ------
    KeyError, TypeError, ValueError
        If it is no such document, or anything but seconds has a fraction.
    """
    document = _read(source)
    if document["kind"] != "takt.clearing.v1":
        raise ValueError(f"kind must be takt.clearing.v1; was {document['kind']!r}")
    payments, charges = document["payments"], document["charges"]
    return Clearing(
        status=Status(document["status"]),
        objective=document["objective"],
        bound=document["bound"],
        bound_kind=document["bound_kind"],
        accepted=tuple(Accepted(**row) for row in document["accepted"]),
        served=tuple(Served(**row) for row in document["served"]),
        unserved=tuple(Unserved(**row) for row in document["unserved"]),
        moves=tuple(
            Move(row["arc"], row["from_bid"], row.get("to_bid"), row.get("to_site"), row["quantity"])
            for row in document["moves"]
        ),
        payments=None
        if payments is None
        else tuple(Payment(row.get("bid"), row.get("group"), row["amount"]) for row in payments),
        charges=None if charges is None else tuple(Charge(**row) for row in charges),
        payment_refusal=document["payment_refusal"],
        prices=tuple(
            Price(row.get("resource"), row.get("lot"), row["price_micro"]) for row in document["prices"]
        ),
        prices_kind=document.get("prices_kind"),
        multipliers=None if document["multipliers"] is None else _multipliers(document["multipliers"]),
        conflict=tuple(document["conflict"]),
        greedy_objective=document["greedy_objective"],
        checked=document["checked"],
        components=document["components"],
        seconds=Seconds(**document["seconds"]),
        work=document["work"],
        digest=document["digest"],
    )


def _read(source: bytes | str) -> dict[str, Any]:
    """Return a document in which only seconds are floats: what is checked in integers is integers."""
    fractions: list[str] = []

    def fraction(text: str) -> float:
        fractions.append(text)
        return float(text)

    def refused(text: str) -> NoReturn:
        raise ValueError(f"numbers must be finite; was {text}")

    document: dict[str, Any] = json.loads(source, parse_float=fraction, parse_constant=refused)
    seconds = sum(isinstance(value, float) for value in document["seconds"].values())
    if len(fractions) != seconds:
        raise ValueError(f"only seconds may have a fraction; numbers with one are {', '.join(fractions[:9])}")
    return document


def resource_prices(source: bytes | str) -> dict[str, int]:
    """Return the prices of resources alone, in 10^-6 minor units, of a document as `clearing_from_json`."""
    return {row.resource: row.price_micro for row in _prices.decode(source).prices if row.resource}


def _multipliers(rows: dict[str, Any]) -> Multipliers:
    return Multipliers(
        resources=tuple((row["resource"], row["price_micro"]) for row in rows["resources"]),
        lots=tuple((row["lot"], row["price_micro"]) for row in rows["lots"]),
        groups=tuple((row["group"], row["price_micro"]) for row in rows["groups"]),
        openings=tuple((row["group"], row["bid"], row["price_micro"]) for row in rows["openings"]),
        uses=tuple((row["bid"], row["resource"], row["price_micro"]) for row in rows["uses"]),
        arcs=tuple((row["arc"], row["bid"], row["price_micro"]) for row in rows.get("arcs", ())),
        cliques=tuple((tuple(row["bids"]), row["price_micro"]) for row in rows.get("cliques", ())),
    )
