"""A clearing read back: what is checked in integers holds integers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from market.clearing.documents.result_json import clearing_from_json
from market.clearing.result import clearing_to_json
from tests.papers.markets import bid, cleared, market, order


def written() -> dict[str, Any]:
    clearing = cleared(market([order("o", 100)], [bid("x", "p", 40, "o")]), "pay_as_bid")
    found: dict[str, Any] = json.loads(clearing_to_json(clearing))
    return found


def test_seconds_may_have_fractions() -> None:
    document = written()
    document["seconds"] = {"read": 0.25, "build": 0, "solve": 1.5, "check": 0}
    assert clearing_from_json(json.dumps(document)).seconds.solve == 1.5


@pytest.mark.parametrize("field", ["objective", "bound", "work"])
@pytest.mark.parametrize("number", ["60.0", "60.5", "6e1", "NaN", "-Infinity"])
def test_nothing_else_may(field: str, number: str) -> None:
    document = written()
    clearing_from_json(json.dumps(document))
    text = json.dumps(document | {field: "HERE"}).replace('"HERE"', number)
    with pytest.raises(ValueError, match=r"only seconds may have a fraction|must be finite"):
        clearing_from_json(text)


def test_a_quantity_or_a_price_in_parts_is_no_document() -> None:
    document = written()
    document["accepted"][0]["quantity"] = 0.5
    with pytest.raises(ValueError, match=r"only seconds .* 0\.5"):
        clearing_from_json(json.dumps(document))
    document = written()
    document["multipliers"]["lots"] = [{"lot": "o", "price_micro": 1e30}]
    with pytest.raises(ValueError, match=r"only seconds .* 1e\+30"):
        clearing_from_json(json.dumps(document))
