"""The life of orders over HTTP, on a real market."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.integration.gateway_market import JSON, PART, LiveMarket, live_market, order_body, submit


@pytest.fixture
async def market() -> AsyncIterator[LiveMarket]:
    async with live_market() as running:
        yield running


async def test_an_acknowledged_order_is_in_the_journal_and_can_be_read_back(market: LiveMarket) -> None:
    await market.alice.put("/v1/parts/bracket", json=PART)
    answer = await submit(market.alice, "k1", order_body())
    acknowledgement = answer.json()
    assert answer.status_code == 201
    assert acknowledgement["id"] == market.service.order_id("alice", "k1")
    assert answer.headers["location"] == f"/v1/orders/{acknowledgement['id']}"
    assert len(acknowledgement["leaf"]) == 64
    assert acknowledgement["position"] < acknowledgement["head"]["size"]

    shown = (await market.alice.get(answer.headers["location"])).json()
    assert shown["state"] == "submitted"
    assert shown["due"] == shown["deadline"] == "2027-01-20T00:00:00Z"
    assert shown["reservation_value_minor"] == 500_000
    assert shown["currency"] == "EUR"
    assert [lot["process"] for lot in shown["lots"]] == ["milling"]
    assert [entry["state"] for entry in shown["history"]] == ["submitted"]


async def test_an_order_with_its_plan_inline_needs_no_catalogue(market: LiveMarket) -> None:
    answer = await submit(market.alice, "k1", order_body(part_id="one-off", plan=PART["plan"]))
    assert answer.status_code == 201
    shown = (await market.alice.get(answer.headers["location"])).json()
    assert shown["part_id"] == "one-off"


async def test_an_order_goes_from_submitted_to_settled(market: LiveMarket) -> None:
    id_ = await market.order("k1", quantity=7)
    path = f"/v1/orders/{id_}"
    await market.advance(0.001)
    assert (await market.alice.get(path)).json()["state"] == "calling"
    (called,) = (await market.alice.get("/v1/clearings")).json()["clearings"]
    assert called["objective"] is None

    await market.bid(120_000)
    awarded = await _until(market, path, "awarded")
    assert awarded["production_minor"] == 120_000
    assert awarded["transport_minor"] == 5_000 + 7 * 10
    assert awarded["charge_minor"] == awarded["production_minor"] + awarded["transport_minor"]
    assert awarded["pieces"] == 7
    assert awarded["lots"][0]["contracts"]
    assert awarded["promised"] <= awarded["deadline"]

    await market.report("confirmed", 1)
    await market.report("started", 2)
    await market.advance(3)
    await market.report("finished", 3, quantity=7)
    await market.report("shipped", 4, quantity=7)
    await market.report("delivered", 5, quantity=7)
    await market.advance(1)
    settled = await _until(market, path, "settled")
    states = [entry["state"] for entry in settled["history"]]
    assert states[:4] == ["submitted", "calling", "clearing", "awarded"]
    assert states[-1] == "settled"

    (cleared,) = (await market.alice.get("/v1/clearings")).json()["clearings"]
    assert cleared["served"] == 1
    assert cleared["clearing_status"] == "optimal"
    assert cleared["objective"] is None  # of one customer only: it would tell its limit
    one = await market.alice.get(f"/v1/clearings/{cleared['round_id']}")
    assert one.json() == cleared


async def test_an_order_above_its_limit_says_why_it_was_not_served(market: LiveMarket) -> None:
    id_ = await market.order("k1", reservation_value_minor=1_000)
    await market.advance(0.001)
    await market.bid(120_000)
    shown = await _until(market, f"/v1/orders/{id_}", "unserved")
    assert [reason["code"] for reason in shown["reasons"]] == ["price"]


async def test_the_same_request_again_is_the_same_order(market: LiveMarket) -> None:
    id_ = await market.order("k1")
    size = market.service.state_of().state.size
    first, second = [(await submit(market.alice, "k1", order_body())) for _ in range(2)]
    assert first.status_code == second.status_code == 201
    assert first.json() == second.json()
    assert first.json()["id"] == id_
    assert market.service.state_of().state.size == size
    quoted = await submit(market.alice, '"k1"', order_body())
    assert quoted.json()["id"] == id_


async def test_a_key_with_another_body_is_refused(market: LiveMarket) -> None:
    await market.order("k1")
    answer = await submit(market.alice, "k1", order_body(quantity=11))
    assert answer.status_code == 422
    assert answer.json()["type"] == "/v1/problems/idempotency_key_reused"
    assert answer.json()["field"] == "Idempotency-Key"
    assert answer.json()["value"] == "k1"


async def test_a_key_belongs_to_its_customer(market: LiveMarket) -> None:
    id_ = await market.order("k1")
    await market.bob.put("/v1/parts/bracket", json=PART | {"name": "Bob's"})
    answer = await submit(market.bob, "k1", order_body(quantity=3))
    assert answer.status_code == 201
    assert answer.json()["id"] != id_
    (part,) = (await market.alice.get("/v1/parts")).json()["parts"]
    assert part["name"] == "Bracket"


async def test_a_request_that_still_runs_is_409(market: LiveMarket) -> None:
    await market.order("k0")
    with market.context.gate.enter("alice", "k1"):
        answer = await submit(market.alice, "k1", order_body())
        other = await submit(market.alice, "k2", order_body())
    assert answer.status_code == 409
    assert answer.headers["retry-after"] == "1"
    assert other.status_code == 201
    assert (await submit(market.alice, "k1", order_body())).status_code == 201


async def test_a_burst_of_the_same_request_makes_one_order(market: LiveMarket) -> None:
    await market.order("k0")
    answers = await asyncio.gather(*(submit(market.alice, "k1", order_body()) for _ in range(20)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 201}) == 1
    assert len(market.service.state_of().state.orders) == 2


async def test_too_many_at_once_are_told_to_wait(market: LiveMarket) -> None:
    await market.order("k0")
    limit = market.context.settings.max_in_flight_per_customer
    market.context.gate._count["alice"] = limit
    try:
        answer = await submit(market.alice, "k1", order_body())
        assert (await market.bob.put("/v1/parts/p", json=PART)).status_code == 200
    finally:
        del market.context.gate._count["alice"]
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "1"


async def test_a_missing_or_doubled_idempotency_key_is_400(market: LiveMarket) -> None:
    for keys in ([], ["a", "b"], [""], ["a b"], ["x" * 129], ["schlüssel".encode()]):
        headers = [*JSON.items(), *(("Idempotency-Key", key) for key in keys)]
        answer = await market.alice.post("/v1/orders", json=order_body(), headers=headers)  # type: ignore[arg-type]
        assert answer.status_code == 400, keys
        assert answer.json()["type"] == "/v1/problems/idempotency_key_missing"


async def test_cancelling_is_idempotent(market: LiveMarket) -> None:
    id_ = await market.order("k1")
    first = await market.alice.post(f"/v1/orders/{id_}/cancel")
    again = await market.alice.post(f"/v1/orders/{id_}/cancel")
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    assert first.json()["state"] == "cancelled"


async def test_an_order_in_production_cannot_be_cancelled(market: LiveMarket) -> None:
    id_ = await market.order("k1")
    await market.advance(0.001)
    await market.bid(120_000)
    await _until(market, f"/v1/orders/{id_}", "awarded")
    await market.report("confirmed", 1)
    answer = await market.alice.post(f"/v1/orders/{id_}/cancel")
    assert answer.status_code == 409
    assert answer.json()["state"] == "confirmed"


async def test_another_customers_order_is_404_like_one_that_does_not_exist(market: LiveMarket) -> None:
    id_ = await market.order("k1")
    nothing = "o-" + "0" * 20
    for method, tail in (("GET", ""), ("GET", "/events"), ("POST", "/cancel")):
        theirs = await market.bob.request(method, f"/v1/orders/{id_}{tail}")
        nobodys = await market.bob.request(method, f"/v1/orders/{nothing}{tail}")
        assert theirs.status_code == nobodys.status_code == 404
        assert theirs.json() | {"instance": ""} == nobodys.json() | {"instance": ""}
        assert theirs.headers.keys() == nobodys.headers.keys()
    assert (await market.bob.get("/v1/orders")).json() == {"orders": [], "next": None}
    assert (await market.alice.get(f"/v1/orders/{id_}")).json()["state"] == "submitted"


async def test_orders_are_paged_and_filtered(market: LiveMarket) -> None:
    ids = sorted([await market.order(f"k{number}") for number in range(7)])
    await market.alice.post(f"/v1/orders/{ids[2]}/cancel")
    seen: list[str] = []
    path: str | None = "/v1/orders?limit=3"
    while path is not None:
        page = (await market.alice.get(path)).json()
        assert len(page["orders"]) <= 3
        seen += [order["id"] for order in page["orders"]]
        path = page["next"]
    assert seen == ids
    cancelled = (await market.alice.get("/v1/orders?state=cancelled")).json()
    assert [order["id"] for order in cancelled["orders"]] == [ids[2]]
    page = (await market.alice.get("/v1/orders?state=submitted&limit=4")).json()
    rest = (await market.alice.get(page["next"])).json()
    assert [order["id"] for order in page["orders"] + rest["orders"]] == [*ids[:2], *ids[3:]]
    for query in ("state=nonsense", "limit=0", "limit=501", "limit=x", "after=%00"):
        answer = await market.alice.get(f"/v1/orders?{query}")
        assert answer.status_code == 422
        assert answer.json()["field"] == query.partition("=")[0]


async def _until(market: LiveMarket, path: str, state: str) -> dict[str, Any]:
    """Return the order once it is in ``state``, told by the market's own changes."""
    async with asyncio.timeout(20):
        changes = market.service.watch("alice")
        shown = (await market.alice.get(path)).json()
        while shown["state"] != state:
            await anext(changes)
            shown = (await market.alice.get(path)).json()
    return dict(shown)
