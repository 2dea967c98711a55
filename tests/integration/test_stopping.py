"""Every process that is told to stop ends, whatever has become of those it speaks with."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from agents.profile_file import format_profile
from market.adapters.embedded_nats import EmbeddedNats
from market.adapters.nats_bus import NatsMarketBus
from takt_sdk.nats.participant import NatsParticipantBus
from tests.integration.agents_market import MARKET, profiles
from tests.integration.live_market import market, program

AT_ONCE_S = 5.0
IN_TIME_S = 30.0


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Let a process stand still: it closes nothing and takes nothing."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


async def test_a_connection_to_a_server_that_takes_nothing_is_closed_all_the_same(tmp_path: Path) -> None:
    async with EmbeddedNats(tmp_path, MARKET) as server:
        acme = await NatsParticipantBus.connect(server.url, server.participant_creds("acme"), MARKET, "acme")
        bus = await NatsMarketBus.connect(server.url, server.market_creds(), MARKET)
        with frozen(server.pid):
            talking = asyncio.create_task(shout(acme))
            await asyncio.sleep(0.2)
            talking.cancel()
            started_s = time.monotonic()
            await acme.close()
            assert time.monotonic() - started_s < AT_ONCE_S
            async with asyncio.timeout(IN_TIME_S):
                await bus.close()


async def shout(bus: NatsParticipantBus) -> None:
    """Write more than any buffer holds."""
    for _ in range(10_000):
        await bus._client.publish("takt.v1.nobody.heartbeat.acme", b"x" * 100_000)


async def test_a_company_whose_market_does_not_answer_leaves_when_it_is_told_to(tmp_path: Path) -> None:
    profile = tmp_path / "acme.toml"
    profile.write_text(format_profile(profiles()[0]))
    creds = tmp_path / "acme.creds"
    async with EmbeddedNats(tmp_path / "nats", MARKET) as server:  # and no market behind it
        creds.write_text(server.participant_creds("acme"))
        command = ("join", str(profile), "--creds", str(creds), "--nats-url", server.url)
        with program(command, tmp_path / "join.log") as joined:
            await asyncio.to_thread(joined.wait_until_printed, "joins")
            async with asyncio.timeout(IN_TIME_S):
                while not await connected(server):  # noqa: ASYNC110 - the server tells nobody
                    await asyncio.sleep(0.05)
            assert await asyncio.to_thread(joined.stop, signal.SIGTERM) == 0, joined.printed()
            assert joined.printed().rstrip().endswith("has left")


async def connected(server: EmbeddedNats) -> bool:
    """Return whether the company is connected."""
    client = await server._as_system("test")
    try:
        answer = await client.request("$SYS.REQ.SERVER.PING.CONNZ", b"{}", timeout=5)
    finally:
        await client.close()
    return any(one.get("name") == "acme" for one in json.loads(answer.data)["data"]["connections"])


def test_an_escrow_to_which_somebody_stays_connected_ends(tmp_path: Path) -> None:
    with program(["escrow", str(tmp_path / "keys")], tmp_path / "escrow.log") as escrow:
        escrow.wait_until_printed("token")
        host, _, port = escrow.said(r"escrow +(\S+)").rpartition(":")
        with socket.create_connection((host, int(port)), timeout=IN_TIME_S):
            started_s = time.monotonic()
            assert escrow.stop(signal.SIGTERM) == 0, escrow.printed()
            assert time.monotonic() - started_s < IN_TIME_S


@pytest.mark.slow
def test_a_market_whose_nats_server_stands_still_ends(tmp_path: Path) -> None:
    with market(tmp_path / "market", "--empty") as live:
        family = live.family()
        (server,) = (one for one in family if one.name() == "nats-server")
        with frozen(server.pid):
            assert live.stop() == 0, live.printed()
        assert "Traceback" not in live.printed()


def test_a_market_that_is_stopped_before_it_is_up_ends(tmp_path: Path) -> None:
    folder = tmp_path / "market"
    with program(["up", "--empty", "--data", str(folder)], tmp_path / "up.log") as starting:
        end_s = time.monotonic() + IN_TIME_S
        while not (folder / "nats" / "nats-server.conf").exists():
            assert time.monotonic() < end_s, starting.printed()
            time.sleep(0.005)
        family = starting.family()
        assert starting.stop(signal.SIGTERM) in {0, 1}, starting.printed()
        assert "Traceback" not in starting.printed()
        assert not any(one.is_running() and one.name() == "nats-server" for one in family)
