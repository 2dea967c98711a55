"""Who may do what: keys, uniform refusals, the operator's routes, health."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import asdict

import httpx
import pytest_asyncio

from gateway.settings import GatewaySettings
from market.errors import MarketUnavailableError
from tests.integration.gateway_market import (
    ALICE,
    BOB,
    JSON,
    OPERATOR_KEY,
    PART,
    RULES,
    LiveMarket,
    live_market,
    order_body,
    sha256,
    submit,
)


@pytest_asyncio.fixture
async def market() -> AsyncIterator[LiveMarket]:
    async with live_market() as running:
        yield running


def _unlike(answer: httpx.Response) -> tuple[int, dict[str, str], bytes]:
    """Return all of an answer that could differ."""
    headers = {name: value for name, value in answer.headers.items() if name != "date"}
    return answer.status_code, headers, answer.content


async def test_whatever_is_wrong_with_a_key_the_answer_is_the_same(market: LiveMarket) -> None:
    wrong = [
        None,
        "",
        "Bearer",
        "Bearer wrong",
        f"Basic {ALICE}",
        ALICE,
        f"Bearer  {ALICE}",
        f"Bearer {ALICE.upper()}",
        f"Bearer {sha256(ALICE)}",
        "Bearer " + "x" * 5_000,
        f"Bearer {OPERATOR_KEY}",
    ]
    answers = [
        await market.nobody.get("/v1/orders", headers={} if value is None else {"Authorization": value})
        for value in wrong
    ]
    assert all(_unlike(answer) == _unlike(answers[0]) for answer in answers)
    assert answers[0].status_code == 401
    assert answers[0].headers["www-authenticate"].startswith("Bearer")


async def test_two_keys_in_one_request_are_none(market: LiveMarket) -> None:
    headers = [("Authorization", f"Bearer {ALICE}"), ("Authorization", f"Bearer {BOB}")]
    assert (await market.nobody.get("/v1/orders", headers=headers)).status_code == 401


async def test_every_route_of_customers_needs_a_key(market: LiveMarket) -> None:
    document = (await market.nobody.get("/v1/openapi.json")).json()
    public = {"/healthz", "/readyz", "/v1/problems/{code}"}
    for path, operations in document["paths"].items():
        for method in operations:
            answer = await market.nobody.request(method.upper(), path.replace("{", "").replace("}", ""))
            assert (answer.status_code == 401) is (path not in public), (method, path, answer.status_code)


async def test_a_customers_key_does_not_open_the_operators_routes(market: LiveMarket) -> None:
    for path in ("/v1/operator/participants", "/v1/operator/rules"):
        assert (await market.alice.get(path)).status_code == 401
        assert (await market.operator.get(path)).status_code == 200


async def test_without_an_operators_key_its_routes_are_closed() -> None:
    async with live_market(settings=GatewaySettings()) as market:
        for key in ("None", OPERATOR_KEY, sha256("")):
            headers = {"Authorization": f"Bearer {key}"}
            assert (await market.nobody.get("/v1/operator/rules", headers=headers)).status_code == 401


async def test_the_operator_admits_and_suspends(market: LiveMarket) -> None:
    body = {"roles": ["customer"], "api_key_sha256": sha256("carol-key"), "agent": False}
    admitted = await market.operator.put("/v1/operator/participants/carol", json=body)
    assert admitted.status_code == 200
    carol = {"Authorization": "Bearer carol-key"}
    assert (await market.nobody.get("/v1/orders", headers=carol)).status_code == 200

    listed = (await market.operator.get("/v1/operator/participants?limit=4")).json()
    rest = (await market.operator.get(listed["next"])).json()
    participants = {one["participant"]: one for one in listed["participants"] + rest["participants"]}
    assert participants.keys() == {"alice", "bob", "carol", "plant-1", "plant-2", "plant-3"}
    assert participants["carol"]["has_api_key"]
    assert sha256("carol-key") not in str(listed) + str(rest)

    path = "/v1/operator/participants/carol/suspend"
    assert (await market.operator.post(path, json={"reason": "unpaid"})).status_code == 200
    assert (await market.nobody.get("/v1/orders", headers=carol)).status_code == 401

    path = "/v1/operator/participants/carol/reinstate"
    assert (await market.operator.post(path)).status_code == 200
    assert (await market.nobody.get("/v1/orders", headers=carol)).status_code == 200


async def test_the_operator_changes_the_rules(market: LiveMarket) -> None:
    rules = (await market.operator.get("/v1/operator/rules")).json()["rules"]
    assert rules["version"] == RULES.version
    new = rules | {"version": 2, "fee_ppm": 20_000}
    changed = await market.operator.put("/v1/operator/rules", json={"rules": new})
    assert changed.status_code == 200, changed.text
    shown = (await market.alice.get("/v1/market")).json()
    assert (shown["rules_version"], shown["fee_ppm"]) == (2, 20_000)
    again = await market.operator.put("/v1/operator/rules", json={"rules": new})
    assert again.status_code == 409


async def test_bad_input_of_the_operator_is_4xx(market: LiveMarket) -> None:
    path = "/v1/operator/participants/carol"
    rules = asdict(RULES) | {"version": 2}
    cases = [
        (path, {"roles": []}, "roles"),
        (path, {"roles": ["king"]}, "roles[0]"),
        (path, {"roles": ["plant", "plant"]}, "roles[1]"),
        (path, {"roles": ["plant"], "sites": ["atlantis"]}, "sites[0]"),
        (path, {"roles": ["plant"], "api_key_sha256": "key"}, "api_key_sha256"),
        (path, {"roles": ["plant"], "api_key_sha256": sha256(ALICE)}, "api_key_sha256"),
        (path, {"roles": ["plant"], "surprise": 1}, "surprise"),
        ("/v1/operator/participants/operator", {"roles": ["plant"]}, "participant"),
        ("/v1/operator/rules", {"rules": rules | {"takt_us": 1.5}}, "rules.takt_us"),
        ("/v1/operator/rules", {"rules": rules | {"surprise": 1}}, "rules.surprise"),
        ("/v1/operator/rules", {"rules": rules | {"mechanism": "dice"}}, "rules.mechanism"),
        ("/v1/operator/rules", {"rules": rules | {"takt_us": 0}}, "rules"),
        ("/v1/operator/rules", {"rules": rules | {"currency": "USD"}}, "rules.currency"),
    ]
    size = market.service.state_of().state.size
    for where, body, field in cases:
        answer = await market.operator.put(where, json=body)
        assert 400 <= answer.status_code < 500, (body, answer.text)
        assert answer.json()["field"] == field, answer.text
    raw = b'{"rules":{"takt_us":1e400}}'
    answer = await market.operator.put("/v1/operator/rules", content=raw, headers=JSON)
    assert answer.status_code == 422
    assert market.service.state_of().state.size == size


async def test_health_and_readiness_need_no_key(market: LiveMarket) -> None:
    assert (await market.nobody.get("/healthz")).json() == {"alive": True}
    ready = await market.nobody.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"ready": True, "problems": []})
    market.service._problems.append("the disk is full")
    ready = await market.nobody.get("/readyz")
    assert (ready.status_code, ready.json()["problems"]) == (503, ["the disk is full"])


async def test_a_market_that_stops_is_503_and_the_request_can_be_repeated(market: LiveMarket) -> None:
    assert (await market.alice.put("/v1/parts/bracket", json=PART)).status_code == 200
    market.service._stopping = True
    answer = await submit(market.alice, "k1", order_body())
    market.service._stopping = False
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["type"] == "/v1/problems/market_unavailable"
    assert (await submit(market.alice, "k1", order_body())).status_code == 201
    assert MarketUnavailableError.retryable


async def test_the_market_says_where_goods_can_go(market: LiveMarket) -> None:
    shown = (await market.alice.get("/v1/market")).json()
    assert shown["now"] == "2027-01-01T00:00:00Z"
    assert shown["currency"] == "EUR"
    assert [site["id"] for site in shown["sites"]] == ["berlin", "lyon", "works"]
