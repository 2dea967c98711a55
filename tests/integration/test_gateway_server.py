"""The server in its caller's loop: ports, signals, an end; the page's files."""

from __future__ import annotations

import asyncio
import re
import signal
from importlib import resources

import httpx
import pytest

from gateway.server import ServerSettings
from tests.integration.gateway_market import PART, live_market, order_body, submit


async def test_each_gateway_takes_a_free_port() -> None:
    async with live_market() as first, live_market() as second:
        assert first.server.port != second.server.port
        assert first.server.url == f"http://127.0.0.1:{first.server.port}"


async def test_a_taken_port_is_an_error_of_the_caller() -> None:
    async with live_market() as market:
        with pytest.raises(OSError, match="in use"):
            async with live_market(server_settings=ServerSettings(port=market.server.port)):
                pass
        assert (await market.nobody.get("/healthz")).status_code == 200


async def test_signals_stay_with_the_caller() -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    async with live_market():
        assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


async def test_a_running_request_is_answered_before_the_end() -> None:
    async with live_market() as market:
        await market.alice.put("/v1/parts/bracket", json=PART)
        client = httpx.AsyncClient(base_url=market.server.url, headers=market.alice.headers, timeout=20)
        sending = asyncio.ensure_future(submit(client, "last", order_body()))
        changes = market.service.watch("alice")
        await anext(changes)
    assert (await sending).status_code == 201
    await client.aclose()


async def test_too_many_connections_are_refused_and_health_comes_back() -> None:
    async with live_market(server_settings=ServerSettings(max_connections=4)) as market:
        held = [await asyncio.open_connection("127.0.0.1", market.server.port) for _ in range(6)]
        refused = await market.nobody.get("/healthz")
        assert refused.status_code == 503
        for _, writer in held:
            writer.close()
            await writer.wait_closed()
        async with asyncio.timeout(10):
            while (await market.nobody.get("/healthz")).status_code != 200:
                pass


async def test_ipv6_addresses_are_written_in_brackets() -> None:
    try:
        async with live_market(server_settings=ServerSettings(host="::1")) as market:
            assert market.server.url.startswith("http://[::1]:")
            assert (await market.nobody.get("/healthz")).status_code == 200
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")


async def test_the_page_is_served_with_a_strict_policy() -> None:
    async with live_market() as market:
        assert (await market.nobody.get("/")).headers["location"] == "/page/"
        page = await market.nobody.get("/page/")
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert page.headers["x-content-type-options"] == "nosniff"
        for name in re.findall(r'(?:src|href)="([a-z.]+)"', page.text):
            answer = await market.nobody.get(f"/page/{name}")
            assert answer.status_code == 200
            tag = {"If-None-Match": answer.headers["etag"]}
            assert (await market.nobody.get(f"/page/{name}", headers=tag)).status_code == 304


def test_the_page_holds_no_inline_code_and_names_no_host() -> None:
    files = {path.name: path.read_text() for path in resources.files("gateway").joinpath("page").iterdir()}
    assert {"index.html", "page.js", "style.css"} <= files.keys()
    assert not re.search(r"<script(?![^>]*\bsrc=)|\son[a-z]+=|\sstyle=|javascript:", files["index.html"])
    for name, text in files.items():
        hosts = set(re.findall(r"https?://[^\s\"'`]+", text)) - {"http://www.w3.org/2000/svg"}
        assert hosts == set(), name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b", text), name
