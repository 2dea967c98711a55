"""A participant that floods is not listened to for a while; the others are, and later it is again."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import nats.errors
import pytest

from market.adapters import nats_listening
from market.adapters.embedded_nats import EmbeddedNats
from market.adapters.nats_bus import NatsMarketBus
from market.model.rules import Rules
from market.ports import Request
from market.service.fair_queue import FairQueue
from market.service.intake import Intake
from takt_sdk.nats.connection import connect
from takt_sdk.nats.participant import NatsParticipantBus
from takt_sdk.nats.subjects import inbox_prefix

MARKET = "flooded"
RULES = Rules(messages_per_s=50, message_burst=50)
FLOOD = 5_000


async def test_a_flood_ends_in_the_server_and_takes_nobody_elses_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nats_listening, "FIRST_S", 3.0)
    intake = Intake()
    handled: list[str] = []

    def arrived(request: Request) -> bytes | None:
        return intake.arrived(request, RULES, asyncio.get_running_loop().time(), known=True)

    async def handle(request: Request) -> bytes:
        handled.append(request.participant)
        return b"done"

    async with EmbeddedNats(tmp_path / "nats", MARKET) as server:
        bus = await NatsMarketBus.connect(server.url, server.market_creds(), MARKET, server_name=server.name)
        for name in ("honest", "flood"):
            await bus.admit(name)
        await bus.start(handle, lambda _name, _body: None, arrived)
        assert bus._listening is not None
        honest = await NatsParticipantBus.connect(
            server.url, server.participant_creds("honest"), MARKET, "honest", server_name=server.name
        )
        assert await honest.request("bid", b"x", timeout_s=5) == b"done"
        flood = await connect(
            server.url,
            server.participant_creds("flood"),
            client_name="flood",
            server_name=server.name,
            inbox=inbox_prefix("flood"),
        )
        for _ in range(FLOOD):
            await flood.publish(f"takt.v1.{MARKET}.bid.flood", b"x" * 100, reply=flood.new_inbox())
        await flood.flush()
        async with asyncio.timeout(10):
            while not bus._listening.shut_out:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            while not bus._listening._each:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert await honest.request("bid", b"x", timeout_s=5) == b"done"
        assert await honest.request("report", b"x", timeout_s=5) == b"done"
        assert handled.count("flood") <= RULES.message_burst + 10
        assert intake.dropped + sum(intake.refused.values()) + handled.count("flood") <= FLOOD

        await bus.admit("late")  # who comes meanwhile is heard too
        late = await NatsParticipantBus.connect(
            server.url, server.participant_creds("late"), MARKET, "late", server_name=server.name
        )
        assert await late.request("bid", b"x", timeout_s=5) == b"done"
        async with asyncio.timeout(10):
            while bus._listening._each:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        answers = [b""]
        async with asyncio.timeout(10):
            while answers[-1] != b"done":  # heard again, and served once it has earned a token
                # Until the market's new subscription has reached the server nobody answers there.
                with contextlib.suppress(nats.errors.TimeoutError, nats.errors.NoRespondersError):
                    subject = f"takt.v1.{MARKET}.bid.flood"
                    answers.append((await flood.request(subject, b"x", timeout=1.0)).data)
        assert await honest.request("bid", b"x", timeout_s=5) == b"done"
        await flood.close()
        for one in (honest, late):
            await one.close()
        await bus.close()


class _Item:
    size_bytes = 1_000


def test_what_any_number_of_senders_can_make_the_market_hold_is_bounded() -> None:
    waiting: FairQueue[_Item] = FairQueue(
        each=100, each_bytes=50_000, every=1_000, every_bytes=500_000, unbounded=frozenset()
    )
    refused = 0
    for number in range(100_000):
        try:
            waiting.put(f"sender-{number % 1_000}", _Item())
        except Exception:  # noqa: BLE001 - counted
            refused += 1
    assert waiting.most_bytes <= 500_000
    assert waiting.most <= 500
    assert refused == 100_000 - len(waiting)
    intake = Intake()
    for number in range(100_000):
        request = Request(channel="bid", participant=f"stranger-{number}", body=b"")
        intake.arrived(request, RULES, 0.0, known=False)
    assert len(intake._buckets) == 1
