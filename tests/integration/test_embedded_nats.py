"""The embedded nats-server as a process: its life, its death, its store, and what it refuses to do."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from market.adapters import embedded_nats, nats_binary, nats_bus
from market.adapters.embedded_nats import EmbeddedNats
from market.adapters.nats_bus import NatsMarketBus
from market.adapters.nats_identity import MarketKeys
from market.bus_errors import BusServerError
from market.ports import OutboxMessage, Request
from takt_sdk.errors import BusClosedError, BusRefusedError, BusTimeoutError
from takt_sdk.model.errors import InvalidIdError
from takt_sdk.nats.connection import connect
from takt_sdk.nats.participant import NatsParticipantBus
from tests.deadlines import killed_after

DEADLINE_S = 10.0


async def echo(request: Request) -> bytes:
    return request.body


def ignore(_participant: str, _body: bytes) -> None:
    pass


def note(number: int) -> OutboxMessage:
    return OutboxMessage(
        message_id=f"n{number}", channel="notice", participant="acme", body=str(number).encode()
    )


async def market_of(server: EmbeddedNats, **options: float) -> NatsMarketBus:
    return await NatsMarketBus.connect(
        server.url,
        server.market_creds(),
        server.market,
        server_name=server.name,
        ack_wait_s=options.get("ack_wait_s", 0.5),
    )


async def participant_of(server: EmbeddedNats, name: str) -> NatsParticipantBus:
    creds = server.participant_creds(name)
    return await NatsParticipantBus.connect(server.url, creds, server.market, name, server_name=server.name)


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110  (another process decides)
            await asyncio.sleep(0.01)


async def killed(server: EmbeddedNats) -> None:
    """Kill the server as a power failure would, and wait until it is gone."""
    os.kill(server.pid, signal.SIGKILL)
    await until(lambda: not server.alive())


async def test_it_starts_stops_and_leaves_nothing_running(tmp_path: Path) -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    async with EmbeddedNats(tmp_path, "m1") as server:
        pid = server.pid
        assert server.alive()
        await server.start()  # idempotent
        assert server.pid == pid
    assert not server.alive()
    assert {child.pid for child in psutil.Process().children(recursive=True)} == before
    with pytest.raises(BusServerError):
        _ = server.pid


async def test_it_listens_on_loopback_only(tmp_path: Path) -> None:
    async with EmbeddedNats(tmp_path, "m1") as server:
        listening = [c for c in psutil.Process(server.pid).net_connections() if c.status == "LISTEN"]
        assert [(c.laddr.ip, f"nats://127.0.0.1:{c.laddr.port}") for c in listening] == [
            ("127.0.0.1", server.url)
        ]


async def test_two_servers_run_side_by_side(tmp_path: Path) -> None:
    async with EmbeddedNats(tmp_path / "a", "m1") as one, EmbeddedNats(tmp_path / "b", "m1") as other:
        assert one.url != other.url
        with pytest.raises(BusRefusedError, match="must be"):
            await connect(one.url, one.market_creds(), client_name="t", server_name=other.name)
        with pytest.raises(BusRefusedError, match="refused the credentials"):
            await connect(one.url, other.market_creds(), client_name="t", server_name=one.name)


def test_a_name_that_was_lost_with_the_power_is_drawn_anew(tmp_path: Path) -> None:
    lost = EmbeddedNats(tmp_path, "m1").name
    (tmp_path / "server-name").write_text("")
    anew = EmbeddedNats(tmp_path, "m1").name
    assert anew.startswith("takt-m1-")
    assert anew != lost
    assert EmbeddedNats(tmp_path, "m1").name == anew


async def test_keys_are_for_the_owner_only_and_stay(tmp_path: Path) -> None:
    async with EmbeddedNats(tmp_path, "m1") as server:
        creds = server.participant_creds("acme")
        keys = sorted((tmp_path / "keys").iterdir())
        assert [file.name for file in keys] == ["account.nk", "operator.nk", "system.nk"]
        assert {stat.S_IMODE(file.stat().st_mode) for file in keys} == {0o600}
        config = (tmp_path / "nats-server.conf").read_text()
        assert not any(file.read_text().strip() in config for file in keys)
    assert MarketKeys.load_or_create(tmp_path / "keys") == server.keys
    async with EmbeddedNats(tmp_path, "m1") as reborn:  # credentials and name outlive the server
        assert reborn.name == server.name
        client = await connect(reborn.url, creds, client_name="acme", inbox="_INBOX_acme")
        await client.close()


async def test_a_folder_serves_one_market_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_nats, "_STOP_TIMEOUT_S", 0.2)
    async with EmbeddedNats(tmp_path, "m1"):
        with pytest.raises(BusServerError, match="another market uses the folder"):
            await EmbeddedNats(tmp_path, "m1").start()


async def test_wrong_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidIdError, match="market"):
        EmbeddedNats(tmp_path, "M 1")


async def test_a_server_that_does_not_sync_every_write_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lazy = embedded_nats._CONFIG.replace("sync_interval: always", "sync_interval: 2m")
    monkeypatch.setattr(embedded_nats, "_CONFIG", lazy)
    server = EmbeddedNats(tmp_path, "m1")
    with pytest.raises(BusServerError, match="must sync every write"):
        await server.start()
    assert not server.alive()


async def test_a_server_that_cannot_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_nats, "_CONFIG", embedded_nats._CONFIG + "jetstream {{ store_dir: 7 }}\n")
    with pytest.raises(BusServerError, match="did not start"):
        await EmbeddedNats(tmp_path, "m1").start()


@pytest.mark.parametrize(
    ("said", "reason"),
    [("nats-server: v2.9.10", "at least 2.14.0, was 2.9.10"), ("hello", "does not state its version")],
)
def test_an_unfit_binary_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, reason: str
) -> None:
    fake = tmp_path / "nats-server"
    fake.write_text(f"#!/bin/sh\necho {said}\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(BusServerError, match=reason):
        nats_binary.find_server()


def test_no_binary_is_told_clearly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(BusServerError, match="make set-up"):
        nats_binary.find_server()


HOST = """
import asyncio, sys
from pathlib import Path
from market.adapters.embedded_nats import EmbeddedNats
async def main():
    server = EmbeddedNats(Path(sys.argv[1]), "m1")
    await server.start()
    print(server.pid, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


async def test_a_killed_host_leaves_no_orphan_and_its_folder_free(tmp_path: Path) -> None:
    host = subprocess.Popen(  # noqa: ASYNC220  (it must be started as a plain process)
        [sys.executable, "-c", HOST, str(tmp_path)], stdout=subprocess.PIPE
    )
    assert host.stdout is not None
    with killed_after(host):
        pid = int(await asyncio.to_thread(host.stdout.readline))
    assert psutil.pid_exists(pid)
    host.kill()
    host.communicate(timeout=DEADLINE_S)
    async with EmbeddedNats(tmp_path, "m1") as successor:  # waits for the orphan's end
        assert successor.alive()
    await until(lambda: not runs(pid))


async def test_kill_9_keeps_what_was_acknowledged_and_both_sides_come_back(tmp_path: Path) -> None:
    async with EmbeddedNats(tmp_path, "m1") as server:
        market, acme = await market_of(server), await participant_of(server, "acme")
        await market.start(echo, ignore)
        await market.admit("acme")
        for number in range(20):
            await market.send(note(number))
        deliveries = acme.deliveries()
        for number in range(5):
            delivery, acknowledge = await anext(deliveries)
            assert delivery.body == str(number).encode()
            await acknowledge()
        waiting = asyncio.create_task(acme.request("query", b"before", timeout_s=DEADLINE_S))
        assert await waiting == b"before"
        url = server.url
        await killed(server)
        await server.restart()
        assert server.url == url
        for number in range(5, 20):
            async with asyncio.timeout(DEADLINE_S):
                delivery, acknowledge = await anext(deliveries)
            assert delivery.body == str(number).encode()
            await acknowledge()
        assert await acme.request("query", b"after", timeout_s=DEADLINE_S) == b"after"
        seen: list[str] = []
        async with asyncio.timeout(DEADLINE_S):
            while len(seen) < 20:
                seen += await market.acknowledged()
        assert seen == [f"n{number}" for number in range(20)]
        await acme.close()
        await market.close()


async def test_both_sides_live_again_within_3_s_of_a_restart(tmp_path: Path) -> None:
    async with EmbeddedNats(tmp_path, "m1") as server:
        market, acme = await market_of(server), await participant_of(server, "acme")
        await market.start(echo, ignore)
        await market.admit("acme")
        deliveries = acme.deliveries()
        waiting = asyncio.ensure_future(anext(deliveries))
        await asyncio.sleep(0.1)  # the fetch that is lost with the server is under way
        await killed(server)
        await server.restart()
        start_s = time.monotonic()
        await market.send(note(1))
        delivery, acknowledge = await waiting
        assert delivery.body == b"1"
        await acknowledge()
        assert await acme.request("bid", b"again", timeout_s=DEADLINE_S) == b"again"
        assert time.monotonic() - start_s < 3.0
        await acme.close()
        await market.close()


async def sent_in_the_end(market: NatsMarketBus, message: OutboxMessage) -> None:
    """Send as the outbox does: again, while the bus says that it may be tried again."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                return await market.send(message)
            except BusTimeoutError:
                continue


async def test_a_lost_store_is_begun_anew(tmp_path: Path) -> None:
    async with EmbeddedNats(tmp_path, "m1") as server:
        market, acme = await market_of(server), await participant_of(server, "acme")
        await market.admit("acme")
        await market.send(note(1))
        await server.stop()
        (tmp_path / "store").rename(tmp_path / "lost")
        await server.start()
        for number in (1, 2):
            await sent_in_the_end(market, note(number))  # the outbox sends what is open again
        deliveries = acme.deliveries()
        for number in (1, 2):
            async with asyncio.timeout(DEADLINE_S):
                delivery, acknowledge = await anext(deliveries)
            assert delivery.body == str(number).encode()
            await acknowledge()
        await acme.close()
        await market.close()


async def test_without_a_server_everything_says_so_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nats_bus, "_TIMEOUT_S", 0.3)
    async with EmbeddedNats(tmp_path, "m1") as server:
        market, acme = await market_of(server), await participant_of(server, "acme")
        await market.start(echo, ignore)
        await market.admit("acme")
        await market.send(note(1))
        await server.stop()
        with pytest.raises(BusTimeoutError):
            await market.send(note(2))
        with pytest.raises(BusTimeoutError):
            await market.admit("rival")
        assert tuple(await market.acknowledged()) == ()
        with pytest.raises(BusTimeoutError):
            await acme.request("bid", b"1", timeout_s=0.3)
        await acme.heartbeat(b"")
        await market.publish_tape(b"")
        await server.start()
        await market.send(note(2))
        await market.admit("rival")
        deliveries = acme.deliveries()
        for number in (1, 2):
            async with asyncio.timeout(DEADLINE_S):
                delivery, acknowledge = await anext(deliveries)
            assert delivery.body == str(number).encode()
            await acknowledge()
        assert await acme.request("bid", b"1", timeout_s=DEADLINE_S) == b"1"
        await acme.close()
        await market.close()


async def test_an_unreachable_server_is_refused_in_time(tmp_path: Path) -> None:
    async with EmbeddedNats(tmp_path, "m1") as server:
        url, creds = server.url, server.participant_creds("acme")
    with pytest.raises(BusRefusedError, match="no server answers"):
        await NatsParticipantBus.connect(url, creds, "m1", "acme", timeout_s=0.5)


async def test_expired_credentials_are_refused_and_end_a_live_connection(tmp_path: Path) -> None:
    async with EmbeddedNats(tmp_path, "m1") as server:
        market = await market_of(server)
        await market.admit("acme")
        now_us = time.time_ns() // 1000
        past = server.participant_creds("acme", expires_us=now_us - 2_000_000)
        with pytest.raises(BusRefusedError, match="refused the credentials"):
            await NatsParticipantBus.connect(server.url, past, "m1", "acme")
        soon = server.participant_creds("acme", expires_us=now_us + 2_000_000)
        acme = await NatsParticipantBus.connect(server.url, soon, "m1", "acme")
        with pytest.raises(BusClosedError, match="server closed"):
            async with asyncio.timeout(DEADLINE_S):
                await anext(acme.deliveries())
        with pytest.raises(BusClosedError):
            await acme.request("query", b"", timeout_s=1)
        await acme.close()
        await market.close()
