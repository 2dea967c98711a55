"""kill -9 while orders arrive over HTTP: what was acknowledged is there, once, and retries are safe."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from gateway.instants import format_instant
from takt_sdk.model.values import DAY_US
from takt_sdk.wall_clock import WallClock
from tests.deadlines import killed_after
from tests.integration.gateway_market import ALICE, PART, order_body, submit

ACKNOWLEDGED = 25
ROOT = Path(__file__).parents[2]


@contextmanager
def _server(directory: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "tests.integration.gateway_process", str(directory)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            with killed_after(process):
                url = process.stdout.readline().strip()
            yield url, process
        finally:
            process.kill()


def _client(url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {ALICE}"}, timeout=20)


async def test_acknowledged_orders_survive_kill_9(tmp_path: Path) -> None:
    acknowledged: dict[str, Any] = {}
    now_us = WallClock().now_us()
    dates = {"release": format_instant(now_us + DAY_US), "due": format_instant(now_us + 30 * DAY_US)}
    body = order_body(**dates)

    with _server(tmp_path) as (url, process):
        async with _client(url) as client:
            assert (await client.put("/v1/parts/bracket", json=PART)).status_code == 200

            async def send(number: int) -> None:
                answer = await submit(client, f"k{number}", body)
                assert answer.status_code == 201
                acknowledged[f"k{number}"] = answer.json()
                if len(acknowledged) == ACKNOWLEDGED:
                    process.kill()

            results = await asyncio.gather(*(send(number) for number in range(50)), return_exceptions=True)
        assert len(acknowledged) >= ACKNOWLEDGED, results
        assert all(result is None or isinstance(result, httpx.TransportError) for result in results)

    with _server(tmp_path) as (url, _):
        async with _client(url) as client:
            stored = (await client.get("/v1/orders?limit=500")).json()["orders"]
            ids = [order["id"] for order in stored]
            assert len(set(ids)) == len(ids)
            assert {answer["id"] for answer in acknowledged.values()} <= set(ids)
            for key, first in acknowledged.items():
                again = (await submit(client, key, body)).json()
                assert (again["id"], again["position"], again["leaf"]) == (
                    first["id"],
                    first["position"],
                    first["leaf"],
                )
            retried = [await submit(client, f"k{number}", body) for number in range(50)]
            assert {answer.status_code for answer in retried} == {201}
            assert len((await client.get("/v1/orders?limit=500")).json()["orders"]) == 50
