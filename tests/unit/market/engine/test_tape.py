"""The public tape: what everybody learns of a clearing, and what nobody does."""

from __future__ import annotations

import json
from typing import Any

from market.engine.tape import FEWEST
from tests.unit.market.engine.market import CAST, Market, Offer, admission


def taped(market: Market) -> dict[str, Any]:
    """Return the body of the last clearing's tape."""
    decided = market.handled[-1].decided
    assert decided is not None
    (message,) = (message for message in decided.outbox if message.channel == "tape")
    body: dict[str, Any] = json.loads(message.body)["body"]
    return body


def cleared(plants: int) -> Market:
    """Return a market in which ``plants`` were called and the first won for 321."""
    names = [f"mill-{number}" for number in range(plants)]
    customers = tuple(known for known in CAST if "customer" in known.roles)
    market = Market(cast=(*customers, *(admission(name, "plant") for name in names)))
    market.order("o1")
    market.tick()
    lot = market.lot("o1", "mill")
    for extra, name in enumerate(names):
        market.bid(name, {"a": Offer(lots={lot: 10}, price=321 + extra, uses=(("saw", 1, 30, 0),))})
    market.clear()
    return market


def test_the_tape_tells_volumes_where_enough_were_eligible() -> None:
    body = taped(cleared(FEWEST))
    assert (body["orders"], body["served"], body["status"]) == (1, 1, "optimal")
    (line,) = body["lines"]
    assert (line["process"], line["bidders"], line["used"]) == ("milling", FEWEST, 30)
    assert line["shadow_price_micro"] >= 0


def test_from_fewer_it_tells_no_line() -> None:
    assert taped(cleared(FEWEST - 1))["lines"] == []


def test_it_names_nobody_and_no_price_of_a_bid() -> None:
    text = json.dumps(taped(cleared(FEWEST)))
    for secret in ("mill-0", "ada", "321", "322", "10000"):
        assert secret not in text
