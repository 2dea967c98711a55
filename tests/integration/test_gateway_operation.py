"""The operator's routes over a real market: pause, void, status, metrics; rates and wrong keys."""

from __future__ import annotations

import asyncio
import re

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.settings import GatewaySettings
from market.model.rules import Rules
from scenarios.operate_command import resilience_lines
from takt_sdk.model.values import DAY_US, HOUR_US
from tests.integration.gateway_market import (
    ALICE,
    JSON,
    OPERATOR_KEY,
    live_market,
    order_body,
    sha256,
    submit,
)

KEYS = GatewaySettings(
    operator_key_sha256=sha256(OPERATOR_KEY), metrics_key_sha256=sha256("metrics-key"), guess_delay_s=0.2
)


async def post(client: httpx.AsyncClient, path: str, reason: str) -> httpx.Response:
    return await client.post(f"/v1/operator/{path}", json={"reason": reason})


async def test_orders_wait_while_the_operator_has_paused_the_market_and_customers_see_why() -> None:
    async with live_market() as market:
        assert (await post(market.operator, "pause", "audit")).status_code == 200
        again = await post(market.operator, "pause", "audit")
        assert (again.status_code, again.json()["state"]) == (409, "paused")
        order = await market.order("k")
        await market.advance(0.1)
        shown = (await market.alice.get(f"/v1/orders/{order}")).json()
        assert shown["state"] == "submitted"
        assert (await market.alice.get("/v1/market")).json()["paused"] == "audit"
        assert (await market.operator.get("/v1/operator/status")).json()["paused"] == "audit"
        assert (await post(market.operator, "resume", "done")).status_code == 200
        await market.advance(0)
        assert (await market.alice.get(f"/v1/orders/{order}")).json()["state"] == "calling"
        assert (await market.alice.get("/v1/market")).json()["paused"] is None


async def test_a_clearing_is_taken_back_over_http_until_somebody_has_confirmed() -> None:
    async with live_market(rules=Rules(acceptance_us=HOUR_US, confirm_us=30 * DAY_US)) as market:
        order = await market.order("k")
        await market.advance(0)
        await market.bid(1_000)
        await _cleared(market.alice, "r-000001")
        assert (await market.alice.get(f"/v1/orders/{order}")).json()["state"] == "awarded"
        assert (await post(market.operator, "rounds/r-000001/void", "wrong rule")).status_code == 200
        shown = (await market.alice.get(f"/v1/orders/{order}")).json()
        assert (shown["state"], shown["charge_minor"]) == ("submitted", None)
        assert shown["history"][-1]["cause"] == "round r-000001 voided: wrong rule"
        assert (await market.alice.get("/v1/clearings/r-000001")).json()["status"] == "void"
        assert (await post(market.operator, "rounds/r-000001/void", "again")).status_code == 409
        assert (await post(market.operator, "rounds/r-9/void", "none")).status_code == 422
        assert (await market.operator.post("/v1/operator/rounds/r-9/void", json={})).status_code == 422


async def _cleared(client: httpx.AsyncClient, round_id: str) -> None:
    async with asyncio.timeout(20):
        while (await client.get(f"/v1/clearings/{round_id}")).json()["status"] != "cleared":  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_what_is_everybodys_the_operator_reads_too_and_is_told_who_it_is() -> None:
    async with live_market() as market:
        for client, holder in ((market.operator, "operator"), (market.alice, "participant")):
            assert (await client.get("/v1/market")).json()["holder"] == holder
            assert (await client.get("/v1/clearings")).json()["clearings"] == []
        assert (await market.operator.get("/v1/orders")).status_code == 401
        assert (await market.nobody.get("/v1/market")).status_code == 401


async def test_only_the_operator_may() -> None:
    async with live_market() as market:
        for client in (market.alice, market.nobody):
            for path in ("pause", "resume", "rounds/r-000001/void"):
                assert (await post(client, path, "x")).status_code == 401
            assert (await client.get("/v1/operator/status")).status_code == 401
            assert (await client.get("/metrics")).status_code == 401


async def test_what_follows_an_award_is_in_the_metrics_and_the_status() -> None:
    async with live_market(settings=KEYS) as market:
        await market.order("k")
        await market.advance(0)
        await market.bid(1_000)
        await _cleared(market.alice, "r-000001")
        await market.report("refused", 1)
        await market.advance(0.1)
        text = (await market.operator.get("/metrics")).text
        families = {family.name: family.samples[0].value for family in text_string_to_metric_families(text)}
        assert (families["takt_risks"], families["takt_risks_awarded"]) == (1, 0)
        assert families["takt_late_days"] == 0
        shown = (await market.operator.get("/v1/operator/status")).json()["resilience"]
        assert shown["risks"] == 1
        assert "extra_minor" not in shown, "no money"
        assert resilience_lines(shown)[0] == ("risks", "1, known after 0.0 s")


SECRETS = ("500000", "123456789", ALICE, OPERATOR_KEY, "alice", "bob", "plant-1", "o-")
"""What must be in no metric: a reservation value, a price, keys, names, orders."""


async def test_metrics_have_units_and_tell_nothing_about_anybody() -> None:
    async with live_market(settings=KEYS) as market:
        await market.order("k", reservation_value_minor=123_456_789)
        await market.advance(0)
        await market.bid(123_456_789)
        response = await market.nobody.get("/metrics", headers={"Authorization": "Bearer metrics-key"})
        assert response.status_code == 200
        families = {family.name: family for family in text_string_to_metric_families(response.text)}
        assert 0 < families["takt_journal_entries"].samples[0].value <= market.service.state_of().state.size
        assert families["takt_commit_seconds"].type == "histogram"
        assert {sample.labels.get("state") for sample in families["takt_orders"].samples} >= {"calling"} or (
            families["takt_orders"].samples
        )
        for family in families.values():
            assert re.fullmatch(r"takt_[a-z_]+", family.name)
            assert family.documentation
            assert {label for sample in family.samples for label in sample.labels} <= {
                "state",
                "kind",
                "reason",
                "le",
            }
        for secret in SECRETS:
            assert secret not in response.text, secret
        assert (await market.operator.get("/metrics")).status_code == 200
        for path in ("/v1/operator/status", "/v1/orders"):
            other = await market.nobody.get(path, headers={"Authorization": "Bearer metrics-key"})
            assert other.status_code == 401


async def test_the_status_says_who_is_there_and_how_much_waits() -> None:
    async with live_market() as market:
        await market.order("k")
        shown = (await market.operator.get("/v1/operator/status")).json()
        assert shown["ready"]
        assert shown["orders"] == {"submitted": 1}
        assert {one["participant"] for one in shown["participants"]} == {
            "alice",
            "bob",
            "plant-1",
            "plant-2",
            "plant-3",
        }
        assert shown["entries"] == market.service.state_of().state.size
        assert shown["waiting_messages"] == 0
        assert shown["counts"]["commits"] > 0
        assert "123" not in str(shown["messages"])


# --- rates -----------------------------------------------------------------------------------


async def test_a_customer_that_sends_too_fast_is_told_when_to_come_again_and_the_other_is_not() -> None:
    settings = GatewaySettings(operator_key_sha256=sha256(OPERATOR_KEY), requests_per_s=1, request_burst=5)
    async with live_market(settings=settings) as market:
        answers = [await market.alice.get("/v1/market") for _ in range(8)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 3
        assert int(answers[-1].headers["Retry-After"]) >= 1
        assert answers[-1].json()["type"] == "/v1/problems/too_many_requests"
        assert (await market.bob.get("/v1/market")).status_code == 200


async def test_too_much_of_one_customers_waiting_is_a_problem_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("market.service.writer.WAITING_EACH", 0)
    async with live_market(settings=KEYS) as market:
        answer = await submit(market.alice, "k", order_body())
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")


async def test_trying_keys_is_slow_whatever_is_tried_and_customers_at_the_same_address_go_on() -> None:
    settings = GatewaySettings(
        operator_key_sha256=sha256(OPERATOR_KEY),
        free_guesses=3,
        guesses_per_s=0.001,
        guess_delay_s=6.0,
        max_guesses_waiting=4,
    )
    async with live_market(settings=settings) as market:
        assert (await market.alice.get("/v1/market")).status_code == 200

        async def guess(key: str, path: str = "/v1/market") -> httpx.Response:
            return await market.nobody.get(path, headers={"Authorization": f"Bearer {key}"})

        first = [await guess(f"guess-{n}") for n in range(3)]
        assert {answer.status_code for answer in first} == {401}
        slow = [asyncio.create_task(guess(f"more-{n}", "/v1/operator/status")) for n in range(4)]
        async with asyncio.timeout(10):
            while market.context.guesses._waiting["127.0.0.1"] < 4:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        closed = [await guess(key) for key in ("bob-key-0001", "no-key")]  # right or wrong: not looked at
        assert [answer.status_code for answer in closed] == [429, 429]
        bodies = [{k: v for k, v in answer.json().items() if k != "instance"} for answer in closed]
        assert bodies[0] == bodies[1]
        assert (await market.alice.get("/v1/market")).status_code == 200, "a key that was right before"
        answers = await asyncio.gather(*slow)
        assert {answer.status_code for answer in answers} == {401}
        assert {answer.text.replace("/v1/operator/status", "/v1/market") for answer in answers} == {
            first[0].text
        }
        assert market.context.guesses.wrong == 7
        assert (await market.bob.get("/v1/market", headers=JSON)).status_code == 200
