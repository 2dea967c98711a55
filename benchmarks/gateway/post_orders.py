"""POST /v1/orders with durable acknowledgement: open loop, latency from the intended send time.

The market (SQLite, synchronous=FULL) and its gateway run in a process of their own; this one sends over
loopback. Three servers are measured in the same run:

* ``takt``: as it is, group commit;
* ``commit each``: the same, but every order is committed by itself;
* ``validate only``: the same route without a market behind it, so nothing is kept.

Run: ``.venv/bin/python -m benchmarks.gateway.post_orders [--rate 400] [--seconds 10]``
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.gateway.market_process import KEY, MODES
from gateway.instants import format_instant
from takt_sdk.model.values import DAY_US
from takt_sdk.wall_clock import WallClock

RELEASE, DUE = (format_instant(WallClock().now_us() + days * DAY_US) for days in (1, 30))
TARGET_RATE, TARGET_P99_MS = 400, 100
CONNECTIONS = 64


class Connection(asyncio.Protocol):
    """One keep-alive connection that sends one request at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.answer: asyncio.Future[int] | None = None
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Finish the answer once its body is complete."""
        self.received += data
        head, separator, body = self.received.partition(b"\r\n\r\n")
        if not separator:
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        if len(body) >= length:
            self.received = b""
            self.answer.set_result(int(head[9:12]))

    def connection_lost(self, error: Exception | None) -> None:
        """Fail the request that waits."""
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(error or ConnectionError("closed"))

    async def send(self, request: bytes) -> int:
        """Send a request and return the status of its answer."""
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self.answer


def post(key: str, method: str = "POST", path: str = "/v1/orders", body: object = None) -> bytes:
    """Return a request's bytes."""
    lot = {"process": "milling", "material": "steel"}
    order = {
        "part_id": "bracket",
        "quantity": 100,
        "destination": "berlin",
        "release": RELEASE,
        "due": DUE,
        "reservation_value_minor": 500_000,
    }
    part = {
        "name": "Bracket",
        "plan": {
            "lots": [
                {"id": "steel", "kind": "material", "requirement": lot | {"process": "supply"}},
                {"id": "saw", "kind": "operation", "requirement": lot | {"process": "sawing"}},
                {"id": "mill", "kind": "operation", "requirement": lot},
            ],
            "arcs": [{"source": "steel", "target": "saw"}, {"source": "saw", "target": "mill"}],
        },
    }
    content = json.dumps(order if body is None else part).encode()
    return (
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\n"
        f"Content-Type: application/json\r\nIdempotency-Key: {key}\r\nContent-Length: {len(content)}\r\n\r\n"
    ).encode() + content


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What one server did."""

    mode: str
    offered: float
    answered: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    most: float


async def open_loop(
    pool: list[Connection], rate: float, seconds: float, seed: int
) -> tuple[list[float], float]:
    """Send at Poisson times; return latencies from the intended times, and orders answered per second."""
    stream = random.Random(seed)
    free, waiting = deque(pool), deque[tuple[float, str]]()
    latencies: list[float] = []
    running: set[asyncio.Task[None]] = set()

    async def run(connection: Connection, intended: float, key: str) -> None:
        while True:
            status = await connection.send(post(key))
            latencies.append(time.perf_counter() - intended)
            assert status == 201, status
            if not waiting:
                free.append(connection)
                return
            intended, key = waiting.popleft()

    start = intended = time.perf_counter()
    number = 0
    while intended < start + seconds:
        intended += stream.expovariate(rate)
        await asyncio.sleep(max(0.0, intended - time.perf_counter()))
        key = f"o{seed}-{number}"
        number += 1
        if free:
            task = asyncio.ensure_future(run(free.popleft(), intended, key))
            running.add(task)
            task.add_done_callback(running.discard)
        else:
            waiting.append((intended, key))
    await asyncio.gather(*running)
    return latencies, len(latencies) / (time.perf_counter() - start)


async def closed_loop(pool: list[Connection], seconds: float) -> float:
    """Send as fast as answers come on every connection; return orders answered per second."""
    end = time.perf_counter() + seconds
    counts = [0] * len(pool)

    async def run(index: int) -> None:
        while time.perf_counter() < end:
            assert await pool[index].send(post(f"c{index}-{counts[index]}")) == 201
            counts[index] += 1

    start = time.perf_counter()
    await asyncio.gather(*map(run, range(len(pool))))
    return sum(counts) / (time.perf_counter() - start)


async def measure(mode: str, port: int, process: psutil.Process, rate: float, seconds: float) -> Figures:
    """Measure a running server."""
    loop = asyncio.get_running_loop()
    pool = [(await loop.create_connection(Connection, "127.0.0.1", port))[1] for _ in range(CONNECTIONS)]
    assert await pool[0].send(post("p", "PUT", "/v1/parts/bracket", "part")) == 200
    await open_loop(pool, rate / 2, 1.0, seed=0)
    before = sum(process.cpu_times()[:2])
    latencies, answered = await open_loop(pool, rate, seconds, seed=1)
    cpu = sum(process.cpu_times()[:2]) - before
    most = await closed_loop(pool, seconds / 2)
    for connection in pool:
        connection.transport.close()
    quantiles = statistics.quantiles(latencies, n=100)
    return Figures(
        mode=mode,
        offered=rate,
        answered=answered,
        p50_ms=quantiles[49] * 1e3,
        p99_ms=quantiles[98] * 1e3,
        cpu_ms=cpu / len(latencies) * 1e3,
        most=most,
    )


def main() -> None:
    """Measure the three servers one after the other and print them beside the target."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=float, default=float(TARGET_RATE), help="orders per second offered")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--directory", type=Path, help="where the databases go (default: a temporary one)")
    options = parser.parse_args()
    figures = []
    for mode in MODES:
        with tempfile.TemporaryDirectory(dir=options.directory) as directory:
            command = [sys.executable, "-m", "benchmarks.gateway.market_process", mode, directory]
            with subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=Path(__file__).parents[2],
            ) as server:
                port = int(server.stdout.readline())
                process = psutil.Process(server.pid)
                figures.append(asyncio.run(measure(mode, port, process, options.rate, options.seconds)))
                server.stdin.close()
                server.wait(timeout=30)
    print(
        f"{'server':<14}{'offered/s':>10}{'answered/s':>12}{'p50 ms':>9}{'p99 ms':>9}"
        f"{'cpu ms':>8}{'most/s':>9}{'ratio':>8}"
    )
    base = figures[-1].most
    for row in figures:
        print(
            f"{row.mode:<14}{row.offered:>10.0f}{row.answered:>12.0f}{row.p50_ms:>9.1f}{row.p99_ms:>9.1f}"
            f"{row.cpu_ms:>8.2f}{row.most:>9.0f}{row.most / base:>8.2f}"
        )
    takt = figures[0]
    met = takt.answered >= 0.97 * TARGET_RATE and takt.p99_ms <= TARGET_P99_MS
    print(f"ratio: most/s against '{figures[-1].mode}'; cpu ms: of the server's process, per order")
    print(f"target {TARGET_RATE}/s with p99 <= {TARGET_P99_MS} ms: {'met' if met else 'missed'}")


if __name__ == "__main__":
    main()
