"""Cliques of a market's bids, read from its document alone: which bids can be accepted together at all."""

from __future__ import annotations

import random
from itertools import combinations

from tests.property.clearing_markets import Document

Cliques = tuple[tuple[tuple[str, ...], int], ...]


def exclude(market: Document, one: Document, other: Document) -> bool:
    """Return whether two bids cannot both be accepted, however little each takes."""
    lots = {lot["id"]: lot["quantity"] for order in market["orders"] for lot in order["lots"]}
    rooms = {resource["id"]: resource["capacity"] for resource in market["resources"]}
    one_at_most = {
        group["id"]
        for group in market["groups"]
        if group["max_accepted"] is not None and group["max_accepted"] < 2
    }

    def taken(bid: Document) -> tuple[dict[str, int], dict[str, int]]:
        covers = {
            item["lot"]: bid["min_quantity"] if bid["divisible"] else item["quantity"]
            for item in bid["items"]
        }
        quantity = sum(covers.values())
        return covers, {use["resource"]: use["fixed"] + use["per_unit"] * quantity for use in bid["uses"]}

    (covers, uses), (others, others_uses) = taken(one), taken(other)
    return (
        any(covers[lot] + others[lot] > lots[lot] for lot in covers.keys() & others.keys())
        or any(uses[name] + others_uses[name] > rooms[name] for name in uses.keys() & others_uses.keys())
        or not one_at_most.isdisjoint({*one["groups"]} & {*other["groups"]})
    )


def random_cliques(market: Document, r: random.Random, *, count: int, price: int) -> Cliques:
    """Return cliques grown from a bid in random order, priced at random."""
    found = []
    for _ in range(count):
        bids = r.sample(market["bids"], len(market["bids"]))
        clique: list[Document] = []
        for bid in bids:
            if all(exclude(market, bid, member) for member in clique):
                clique.append(bid)
        found.append((tuple(sorted(bid["id"] for bid in clique)), r.randint(0, price)))
    return tuple(sorted(found))


def strangers(market: Document) -> list[tuple[str, str]]:
    """Return the pairs of bids that can be accepted together as far as each takes its least."""
    return [
        (one["id"], other["id"])
        for one, other in combinations(market["bids"], 2)
        if not exclude(market, one, other)
    ]
