"""After the award over HTTP: timelines and their stream, risks, changes, money, records, approval."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import httpx

from gateway.instants import parse_instant
from market.model.contract_commands import NoteSilence
from market.model.contract_rules import ContractRules
from takt_sdk.model.values import HOUR_US
from tests.integration.gateway_market import PLANT_KEY, RULES, LiveMarket, live_market

PRICED = replace(
    RULES,
    contracts=ContractRules(
        cancel_awarded_ppm=50_000, cancel_confirmed_ppm=100_000, tolerance_us=HOUR_US, approve_above_minor=500
    ),
)


async def awarded(market: LiveMarket) -> str:
    """Let an order of Alice's be won for 1,000; return its id."""
    order = await market.order("k")
    await market.advance(0)
    await market.bid(1_000)
    while (await state_of(market, order)) != "awarded":
        await market.advance(0)
    return order


async def state_of(market: LiveMarket, order: str) -> str:
    return str((await market.alice.get(f"/v1/orders/{order}")).json()["state"])


async def change(market: LiveMarket, order: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await market.alice.post(f"/v1/orders/{order}/changes", json=body)
    assert answer.status_code == 201, answer.text
    quote: dict[str, Any] = answer.json()["quote"]
    return quote


async def test_a_timeline_holds_plan_beside_actual_and_is_nobody_elses() -> None:
    async with live_market(rules=PRICED) as market:
        order = await awarded(market)
        await market.report("confirmed", 1)
        await market.report("started", 2)
        path = f"/v1/orders/{order}/timeline"
        timeline = (await market.alice.get(path)).json()["timeline"]
        (entry,) = timeline["entries"]
        assert (entry["state"], entry["quantity"], entry["done"]) == ("in_production", 10, 0)
        assert parse_instant(entry["actual_start"]) <= parse_instant(timeline["now"])
        order_view = (await market.alice.get(f"/v1/orders/{order}")).json()
        told = [timeline[name] for name in ("first_promised", "promised", "predicted")]
        assert told == [order_view["promised"]] * 3, "one form for one instant"
        assert timeline["due"] == order_view["due"]
        for client, status in ((market.bob, 404), (market.nobody, 401)):
            assert (await client.get(path)).status_code == status
        assert (await market.alice.get("/v1/orders/o-none/timeline")).status_code == 404


async def test_a_timeline_is_followed_until_the_order_is_over() -> None:
    async with live_market(rules=PRICED) as market:
        order = await awarded(market)
        events: list[tuple[str, dict[str, Any]]] = []
        async with market.alice.stream("GET", f"/v1/orders/{order}/timeline/events") as stream:
            name = ""
            async for line in stream.aiter_lines():
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    events.append((name, json.loads(line.removeprefix("data: "))))
                    if len(events) == 1:
                        quote = await change(market, order, {"cancel": True})
                        path = f"/v1/orders/{order}/changes/{quote['quote_id']}/accept"
                        assert (await market.alice.post(path)).status_code == 200
        assert events[0][1]["state"] == "awarded"
        assert parse_instant(events[0][1]["now"])
        assert events[-1] == ("end", {"state": "cancelled"})


async def test_a_change_is_priced_then_accepted_once_and_booked() -> None:
    async with live_market(rules=PRICED) as market:
        order = await awarded(market)
        quote = await change(market, order, {"cancel": True})
        assert (quote["price_minor"], quote["clearing"]) == (50, "none")
        path = f"/v1/orders/{order}/changes/{quote['quote_id']}/accept"
        assert (await market.bob.post(path)).status_code == 404
        first = await market.alice.post(path)
        assert first.status_code == 200, first.text
        assert (await market.alice.post(path)).json()["position"] == first.json()["position"]
        assert await state_of(market, order) == "cancelled"
        statement = (await market.alice.get("/v1/statement")).json()
        assert statement["currency"] == "EUR"
        assert [entry["entry"] for entry in statement["statement"]["entries"]] == ["cancellation"]
        assert statement["statement"]["balance_minor"] == -50
        paid = {"amount_minor": 50, "reference": "bank-1"}
        booked = await market.operator.post("/v1/operator/participants/alice/payments", json=paid)
        assert booked.status_code == 200, booked.text
        assert (await market.alice.get("/v1/statement")).json()["statement"]["balance_minor"] == 0


async def test_no_answer_about_contracts_holds_an_instant_in_microseconds() -> None:
    async with live_market(rules=PRICED) as market:
        order = await awarded(market)
        await change(market, order, {"cancel": True})
        reads = (f"/v1/orders/{order}/timeline", "/v1/risks", "/v1/statement", "/v1/scorecard")
        for text in [(await market.alice.get(path)).text for path in reads]:
            assert "_us" not in text
            assert '"kind"' not in text


async def test_what_is_asked_wrongly_or_of_an_order_that_is_over_is_a_problem() -> None:
    async with live_market(rules=PRICED) as market:
        order = await awarded(market)
        path = f"/v1/orders/{order}/changes"
        assert (await market.alice.post(path, json={})).status_code == 422
        assert (await market.alice.post(path, json={"quantity": 0})).status_code == 422
        assert (await market.alice.post(f"{path}/q-1/accept")).status_code in {404, 422}
        quote = await change(market, order, {"cancel": True})
        await market.alice.post(f"{path}/{quote['quote_id']}/accept")
        over = await market.alice.post(path, json={"cancel": True})
        assert (over.status_code, over.json()["state"]) == (409, "cancelled")


async def test_a_risk_waits_for_a_human_and_is_told() -> None:
    async with live_market(rules=PRICED) as market:
        order = await awarded(market)
        (contract_id,) = market.service.state_of().state.contracts
        winner = market.service.state_of().state.contracts[contract_id].contract.participant
        await market.command("host", NoteSilence(participant=winner, last_heard_us=0), "silence-1")
        assert await state_of(market, order) == "awaiting_approval"
        (risk,) = (await market.alice.get("/v1/risks")).json()["risks"]["risks"]
        assert (risk["order_id"], risk["cause"], risk["state"]) == (
            order,
            "heartbeat missed",
            "awaiting_approval",
        )
        assert (await market.bob.get("/v1/risks")).json()["risks"]["risks"] == []
        assert (await market.alice.get("/v1/operator/approvals")).status_code == 401
        waiting = await market.operator.get("/v1/operator/approvals")
        (one,) = waiting.json()["orders"]
        assert (one["id"], one["customer"], one["cause"]) == (
            order,
            "alice",
            "waits for approval of its reallocation",
        )
        assert "500000" not in waiting.text, "what the order is worth to its customer stays sealed"
        path = f"/v1/operator/orders/{order}/approval"
        assert (await market.alice.post(path, json={"approve": True})).status_code == 401
        assert (await market.operator.post(path, json={"approve": True})).status_code == 200
        assert await state_of(market, order) == "at_risk"
        again = await market.operator.post(path, json={"approve": True})
        assert (again.status_code, again.json()["state"]) == (409, "at_risk")


async def test_a_plant_sees_its_contracts_and_its_record() -> None:
    async with live_market(rules=PRICED) as market:
        await awarded(market)
        headers = {"Authorization": f"Bearer {PLANT_KEY}"}
        async with httpx.AsyncClient(base_url=market.server.url, headers=headers) as plant:
            state = market.service.state_of().state
            own = [id_ for id_, c in state.contracts.items() if c.contract.participant == "plant-1"]
            listed = (await plant.get("/v1/contracts")).json()["contracts"]
            assert [one["contract"]["id"] for one in listed] == own
            assert [parse_instant(one["contract"]["start"]) for one in listed] == [
                state.contracts[id_].contract.start_us for id_ in own
            ]
            for id_ in state.contracts:
                expected = 200 if id_ in own else 404
                assert (await plant.get(f"/v1/contracts/{id_}")).status_code == expected
            card = (await plant.get("/v1/scorecard")).json()["scorecard"]
            assert (card["participant"], card["observed"], card["on_probation"]) == ("plant-1", 0, False)
            resolved = await market.operator.post(
                "/v1/operator/appeals/c-00000000000000000000", json={"upheld": True}
            )
            assert resolved.status_code in {404, 422}


async def test_who_stops_its_heartbeat_loses_its_work_which_is_called_at_once() -> None:
    limits = ContractRules(tolerance_us=HOUR_US, heartbeat_us=25_000_000, recall_at_once=True)
    async with live_market(rules=replace(RULES, contracts=limits)) as market:
        order = await awarded(market)
        (known,) = market.service.state_of().state.contracts.values()
        winner = known.contract.participant
        market.service.requests.heartbeat(winner, b"alive")
        await market.service.note_silence(market.clock.now_us() + 24_000_000)
        assert known.state == "awarded"
        await market.service.note_silence(market.clock.now_us() + 25_000_000)
        assert (known.state, await state_of(market, order)) == ("ended", "at_risk")
        await market.advance(0)
        assert await state_of(market, order) == "reallocating"
        round_ = market.service.state_of().state.round
        assert round_ is not None
        assert winner not in round_.eligible
        await market.advance(0.001)
        market.service.requests.heartbeat(winner, b"alive")
        await market.service.note_silence(market.clock.now_us())
        assert not market.service.state_of().state.contracting.silent
