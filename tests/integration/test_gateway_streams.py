"""Event streams: history first, then live; resumed, bounded, ended."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest_asyncio

from gateway.server import ServerSettings
from gateway.settings import GatewaySettings
from tests.integration.gateway_market import LiveMarket, live_market

Events = AsyncIterator[tuple[str, str, Any]]


@pytest_asyncio.fixture
async def market() -> AsyncIterator[LiveMarket]:
    settings = GatewaySettings(stream_heartbeat_s=0.2, max_streams_per_customer=2)
    async with live_market(settings=settings) as running:
        yield running


async def _events(response: httpx.Response) -> Events:
    """Yield (id, name, data) of a stream."""
    id_, name = "", ""
    async for line in response.aiter_lines():
        key, _, value = line.partition(": ")
        if key == "id":
            id_ = value
        elif key == "event":
            name = value
        elif key == "data":
            yield id_, name, json.loads(value)
            id_ = ""


async def _next(events: Events, wanted: str) -> tuple[str, Any]:
    async with asyncio.timeout(20):
        async for id_, name, data in events:
            if name == wanted:
                return id_, data
    raise AssertionError(f"the stream ended without {wanted}")


async def test_history_comes_first_and_then_every_change(market: LiveMarket) -> None:
    id_ = await market.order("k1", quantity=7)
    async with market.alice.stream("GET", f"/v1/orders/{id_}/events") as response:
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        events = _events(response)
        number, entry = await _next(events, "history")
        assert (number, entry["state"]) == ("1", "submitted")
        assert (await _next(events, "order"))[1]["state"] == "submitted"
        await market.advance(0.001)
        assert [(await _next(events, "history"))[1]["state"]] == ["calling"]
        await market.bid(120_000)
        seen = [await _next(events, "history"), await _next(events, "history")]
        assert [entry["state"] for _, entry in seen] == ["clearing", "awarded"]
        assert [number for number, _ in seen] == ["3", "4"]
        assert (await _next(events, "order"))[1]["charge_minor"] == 125_070


async def test_a_stream_resumes_after_the_last_event(market: LiveMarket) -> None:
    id_ = await market.order("k1")
    await market.advance(0.001)
    path = f"/v1/orders/{id_}/events"
    async with market.alice.stream("GET", path, headers={"Last-Event-ID": "1"}) as response:
        number, entry = await _next(_events(response), "history")
        assert (number, entry["state"]) == ("2", "calling")


async def test_a_stream_ends_with_its_order_and_is_then_204(market: LiveMarket) -> None:
    id_ = await market.order("k1")
    path = f"/v1/orders/{id_}/events"
    async with market.alice.stream("GET", path) as response:
        events = _events(response)
        await _next(events, "order")
        await market.alice.post(f"/v1/orders/{id_}/cancel")
        assert (await _next(events, "end"))[1] == {"state": "cancelled"}
        assert [event async for event in events] == []
    last = {"Last-Event-ID": "2"}
    assert (await market.alice.get(path, headers=last)).status_code == 204
    replayed = await market.alice.get(path, headers={"Last-Event-ID": "1"})
    assert "cancelled" in replayed.text
    assert "submitted" not in replayed.text.partition("event: order")[0]


async def test_all_own_orders_are_followed_and_no_others(market: LiveMarket) -> None:
    async with market.alice.stream("GET", "/v1/events") as response:
        events = _events(response)
        await _next(events, "ready")
        await market.bob.put("/v1/parts/x", json={"name": "x", "plan": {"lots": [_LOT]}})
        body = {
            "part_id": "x",
            "quantity": 1,
            "destination": "berlin",
            "release": "2027-01-02T00:00:00Z",
            "due": "2027-01-03T00:00:00Z",
            "reservation_value_minor": 1,
        }
        answer = await market.bob.post("/v1/orders", json=body, headers={"Idempotency-Key": "b"})
        assert answer.status_code == 201
        id_ = await market.order("k1")
        assert (await _next(events, "order"))[1]["id"] == id_


_LOT = {"id": "a", "kind": "operation", "requirement": {"process": "milling", "material": "steel"}}


async def test_silence_is_broken_by_heartbeats(market: LiveMarket) -> None:
    id_ = await market.order("k1")
    async with market.alice.stream("GET", f"/v1/orders/{id_}/events") as response, asyncio.timeout(10):
        beats = 0
        async for line in response.aiter_lines():
            beats += line.startswith(":")
            if beats == 3:
                break


async def test_too_many_streams_are_refused_and_closed_ones_make_room(market: LiveMarket) -> None:
    path = f"/v1/orders/{await market.order('k1')}/events"
    async with market.alice.stream("GET", path) as first:
        async with market.alice.stream("GET", path) as second:
            assert first.status_code == second.status_code == 200
            refused = await market.alice.get(path)
            assert refused.status_code == 429
            assert refused.headers["retry-after"] == "5"
            async with market.bob.stream("GET", "/v1/events") as other:
                assert other.status_code == 200
        await _open_streams(market, 1)
        async with market.alice.stream("GET", path) as again:
            assert again.status_code == 200
    await _open_streams(market, 0)


async def _open_streams(market: LiveMarket, count: int) -> None:
    async with asyncio.timeout(10):
        while market.context.streams.open != count:
            await asyncio.sleep(0)
            await market.nobody.get("/healthz")


async def test_a_stream_ends_at_its_age() -> None:
    settings = GatewaySettings(stream_max_age_s=0.3)
    async with live_market(settings=settings) as market:
        path = f"/v1/orders/{await market.order('k1')}/events"
        async with asyncio.timeout(10), market.alice.stream("GET", path) as response:
            lines = [line async for line in response.aiter_lines()]
        assert any("submitted" in line for line in lines)
        await _open_streams(market, 0)


async def test_stopping_ends_streams_at_once() -> None:
    lines: list[str] = []
    async with asyncio.timeout(10):
        async with live_market(server_settings=ServerSettings(grace_s=8)) as market:
            path = f"/v1/orders/{await market.order('k1')}/events"
            request = market.alice.stream("GET", path)
            response = await request.__aenter__()
            received = response.aiter_lines()
            lines.append(await anext(received))
            finished = asyncio.ensure_future(_drain(received))
        await finished
    assert lines


async def _drain(lines: AsyncIterator[str]) -> None:
    try:
        async for _ in lines:
            pass
    except httpx.TransportError:
        return
