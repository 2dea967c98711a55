"""Partners of `market_process` in a process of their own: ``python -m … ROLE RATE SECONDS``.

The role is ``honest`` (all partners, so many sheets a second together, each sent when it is due whether the
last was answered or not), ``flood``, ``slow`` or ``malformed``. Prints one line of JSON at the end.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections import Counter
from typing import Any

from nats.aio.client import Client

from takt_sdk.codec import decode_reply, encode
from takt_sdk.model.messages import Envelope, Refused
from takt_sdk.model.sheet import Bids, BidSheet
from takt_sdk.model.values import DAY_US, HOUR_US
from takt_sdk.nats.connection import connect
from takt_sdk.nats.participant import NatsParticipantBus
from takt_sdk.nats.subjects import inbox_prefix
from takt_sdk.signing import Signer

TIMEOUT_S = 10.0
BATCH = 50


def sheet(told: dict[str, Any]) -> BidSheet:
    """Return a sheet with one bid for each lot."""
    lots = told["lots"]
    count = len(lots)
    bids = Bids(
        id=tuple(f"b{index}" for index in range(count)),
        site=("site",) * count,
        start_us=tuple(start_us for _, start_us, _ in lots),
        end_us=tuple(start_us + HOUR_US for _, start_us, _ in lots),
        fixed_price_minor=(1_000,) * count,
        unit_price_minor=(0,) * count,
        min_quantity=(0,) * count,
        emissions_g=(0,) * count,
        item_offset=tuple(range(count + 1)),
        item_lot=tuple(lot for lot, _, _ in lots),
        item_quantity=tuple(quantity for _, _, quantity in lots),
        use_offset=(0,) * (count + 1),
        group_offset=(0,) * (count + 1),
    )
    return BidSheet(round_id=told["round"], expires_us=told["deadline_us"] + DAY_US, bids=bids)


class Partner:
    """One participant: signs and sends sheets, each with the next number."""

    def __init__(self, told: dict[str, Any], name: str, bus: NatsParticipantBus) -> None:
        self.told, self.name, self.bus = told, name, bus
        self.signer = Signer(told["seeds"][name])
        self.sheet, self.number = sheet(told), time.time_ns() // 1_000_000  # new ones in every run

    def body(self) -> tuple[bytes, tuple[tuple[str, str], ...]]:
        """Return the bytes and headers of the next sheet."""
        self.number += 1
        envelope = Envelope(
            message_id=f"{self.name}-{self.number}",
            correlation_id=self.told["round"],
            causation_id="",
            sender=self.name,
            sequence=self.number,
            occurred_us=self.told["deadline_us"] - DAY_US,
            body=self.sheet,
        )
        data = encode(envelope)
        return data, self.signer.headers(self.told["market"], "bid", self.name, data)

    async def send(self, due_s: float, latencies_s: list[float], codes: Counter[str]) -> None:
        """Send a sheet and note how long after it was due its receipt came."""
        data, headers = self.body()
        try:
            reply = decode_reply(await self.bus.request("bid", data, timeout_s=TIMEOUT_S, headers=headers))
        except Exception as error:  # noqa: BLE001 - what happens is what is measured
            codes[type(error).__name__] += 1
            return
        codes[reply.code if isinstance(reply, Refused) else "receipt"] += 1
        latencies_s.append(time.perf_counter() - due_s)


async def honest(told: dict[str, Any], rate: float, seconds: float) -> dict[str, Any]:
    """Send sheets at an even rate from all partners."""
    names = [name for name in told["creds"] if name.startswith("partner-")]
    partners = [Partner(told, name, await _bus(told, name)) for name in names]
    latencies_s: list[float] = []
    codes: Counter[str] = Counter()
    tasks = []
    started_s = time.perf_counter() + 0.1
    for index in range(int(rate * seconds)):
        due_s = started_s + index / rate
        await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
        partner = partners[index % len(partners)]
        tasks.append(asyncio.create_task(partner.send(due_s, latencies_s, codes)))
    await asyncio.gather(*tasks)
    took_s = time.perf_counter() - started_s
    latencies_s.sort()
    return {
        "sent": len(tasks),
        "codes": dict(codes),
        "per_s": codes["receipt"] / took_s,
        "p50_ms": 1e3 * latencies_s[len(latencies_s) // 2],
        "p99_ms": 1e3 * latencies_s[int(len(latencies_s) * 0.99)],
        "cpu_s": time.process_time(),
    }


async def flood(told: dict[str, Any], rate: float, seconds: float) -> dict[str, Any]:
    """Send valid sheets without waiting for any answer: so many a second, or as many as it can if 0."""
    client, partner = await _client(told, "flood"), Partner(told, "flood", await _bus(told, "flood"))
    answers: Counter[str] = Counter()

    async def hear(message: Any) -> None:  # noqa: ANN401
        if not message.data:
            answers["nobody listens"] += 1
            return
        reply = decode_reply(message.data)
        answers[reply.code if isinstance(reply, Refused) else "receipt"] += 1

    inbox = client.new_inbox()
    await client.subscribe(inbox, cb=hear)
    data, headers = partner.body()
    subject, sent, end_s = f"takt.v1.{told['market']}.bid.flood", 0, time.perf_counter() + seconds
    while time.perf_counter() < end_s:
        for _ in range(BATCH):
            await client.publish(subject, data, reply=inbox, headers=dict(headers))
            sent += 1
        await asyncio.sleep(BATCH / rate if rate else 0)
    return {"sent": sent, "codes": dict(answers)}


async def malformed(told: dict[str, Any], rate: float, seconds: float) -> dict[str, Any]:
    """Send what is no message: deep nesting, wrong types, half of a sheet."""
    client = await _client(told, "malformed")
    good, _ = Partner(told, "malformed", await _bus(told, "malformed")).body()
    bodies = (b"[" * 100_000, good[: len(good) // 2], good.replace(b"1000", b"1e9"), os.urandom(2_000), b"")
    codes: Counter[str] = Counter()
    for index in range(int(rate * seconds)):
        try:
            message = await client.request(
                f"takt.v1.{told['market']}.bid.malformed", bodies[index % len(bodies)], timeout=TIMEOUT_S
            )
            reply = decode_reply(message.data)
            codes[reply.code if isinstance(reply, Refused) else "receipt"] += 1
        except Exception as error:  # noqa: BLE001
            codes[type(error).__name__] += 1
        await asyncio.sleep(1 / rate)
    return {"sent": sum(codes.values()), "codes": dict(codes)}


async def slow(told: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Connect, ask for everything, and read nothing of it."""
    client = await _client(told, "slow")
    transport = client._transport._io_writer.transport  # noqa: SLF001 - to stop reading from the socket
    transport.pause_reading()
    inbox = client.new_inbox()
    sent, end_s = 0, time.perf_counter() + seconds
    while time.perf_counter() < end_s:
        await client.publish(f"takt.v1.{told['market']}.query.slow", b"{}", reply=inbox)
        sent += 1
        await asyncio.sleep(0.02)
    return {"sent": sent, "codes": {}}


async def _bus(told: dict[str, Any], name: str) -> NatsParticipantBus:
    return await NatsParticipantBus.connect(
        told["url"], told["creds"][name], told["market"], name, server_name=told["server"]
    )


async def _client(told: dict[str, Any], name: str) -> Client:
    return await connect(
        told["url"],
        told["creds"][name],
        client_name=name,
        server_name=told["server"],
        inbox=inbox_prefix(name),
    )


def main() -> None:
    """Play a role until its time is over."""
    role, rate, seconds = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
    told = json.loads(sys.stdin.readline())
    if role != "honest":
        os.nice(15)  # they would have machines of their own
    parts = {
        "honest": lambda: honest(told, rate, seconds),
        "flood": lambda: flood(told, rate, seconds),
        "slow": lambda: slow(told, seconds),
        "malformed": lambda: malformed(told, rate, seconds),
    }
    print(json.dumps(asyncio.run(parts[role]())), flush=True)
    os._exit(0)  # some of them read nothing any more


if __name__ == "__main__":
    main()
