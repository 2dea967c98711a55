"""Another nats-server comes back at the address of the one that was meant: nothing is said to it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from market.adapters.embedded_nats import EmbeddedNats, ListenAddress
from takt_sdk.errors import BusClosedError, BusRefusedError, BusTimeoutError, WrongServerError
from takt_sdk.nats.connection import NamedClient, connect
from takt_sdk.nats.participant import NatsParticipantBus
from tests.integration.partner_market import joining, partner_market, process, until

MARKET = "m"
DEADLINE_S = 20.0


def port_of(url: str) -> int:
    return urlsplit(url).port or 0


def twin(server: EmbeddedNats, folder: Path) -> EmbeddedNats:
    """Return another server with the same keys and port, as an intruder with a copy would run it."""
    shutil.copytree(server.folder / "keys", folder / "keys")
    shutil.copytree(server.folder / "claims", folder / "claims")
    return EmbeddedNats(folder, server.market, listen=ListenAddress(port=port_of(server.url)))


@contextlib.asynccontextmanager
async def joined(tmp_path: Path) -> AsyncIterator[tuple[EmbeddedNats, NatsParticipantBus]]:
    """Run a server and connect a participant that knows its name."""
    async with EmbeddedNats(tmp_path / "own", MARKET) as server:
        creds = server.participant_creds("acme")
        bus = await NatsParticipantBus.connect(server.url, creds, MARKET, "acme", server_name=server.name)
        try:
            yield server, bus
        finally:
            await bus.close()


async def closed(bus: NatsParticipantBus) -> BusClosedError:
    """Return with which error requests fail once the connection is given up."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                await bus.request("query", b"{}", timeout_s=0.2)
            except BusTimeoutError:
                continue
            except BusClosedError as error:
                return error


async def test_the_connection_is_closed_where_another_server_comes_back(tmp_path: Path) -> None:
    async with joined(tmp_path) as (server, bus):
        await server.stop()
        async with twin(server, tmp_path / "twin") as other:
            error = await closed(bus)
            assert isinstance(error, WrongServerError)
            assert (error.server_name, error.actual) == (server.name, other.name)
            assert f"must be {server.name!r}, was {other.name!r}" in str(error)
            with pytest.raises(WrongServerError):
                async for _ in bus.deliveries():
                    pass


async def test_the_same_server_that_comes_back_is_gone_on_with(tmp_path: Path) -> None:
    async with joined(tmp_path) as (server, bus):
        await server.restart()
        await until(lambda: bus._client.is_connected)
        assert bus._client.wrong is None


async def test_nothing_is_said_to_the_other_server(tmp_path: Path) -> None:
    heard = bytearray()
    asked = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        info = {"server_name": "another", "version": "2.15.0", "max_payload": 1_000_000, "nonce": "abc"}
        writer.write(b"INFO " + json.dumps(info | {"auth_required": True}).encode() + b"\r\n")
        asked.set()
        heard.extend(await reader.read())  # until it is closed
        writer.close()

    async with joined(tmp_path) as (server, bus):
        port = port_of(server.url)
        with contextlib.suppress(BusTimeoutError):
            await bus.request("query", b"a price", timeout_s=0.1)
        await server.stop()
        with contextlib.suppress(BusTimeoutError):
            await bus.request("query", b"a price", timeout_s=0.1)
        stranger = await asyncio.start_server(answer, "127.0.0.1", port)
        try:
            async with asyncio.timeout(DEADLINE_S):
                await asked.wait()
            assert isinstance(await closed(bus), WrongServerError)
        finally:
            stranger.close()
    assert bytes(heard) == b""


async def test_a_first_connection_to_another_server_says_nothing_either(tmp_path: Path) -> None:
    async with EmbeddedNats(tmp_path / "own", MARKET) as server:
        creds = server.participant_creds("acme")
        with pytest.raises(WrongServerError, match="must be 'takt-other'"):
            await connect(server.url, creds, client_name="acme", server_name="takt-other")


async def test_a_library_that_never_asks_for_the_first_words_is_not_relied_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with EmbeddedNats(tmp_path / "own", MARKET) as server:
        creds = server.participant_creds("acme")
        monkeypatch.delattr(NamedClient, "_connect_command")  # as if nats-py called it otherwise
        with pytest.raises(BusRefusedError, match="does not let the name of the server"):
            await connect(server.url, creds, client_name="acme", server_name="takt-other")


async def test_one_that_stays_waits_for_its_own_server(tmp_path: Path) -> None:
    async with EmbeddedNats(tmp_path / "own", MARKET) as server:
        creds = server.participant_creds("acme")
        client = await connect(server.url, creds, client_name="m", server_name=server.name, stays=True)
        try:
            await server.stop()
            async with twin(server, tmp_path / "twin"):
                await until(
                    lambda: client._current_server is not None and client._current_server.reconnects > 1
                )
                assert not client.is_connected
                assert not client.is_closed
            await server.start()
            await until(lambda: client.is_connected)
        finally:
            await client.close()


async def test_a_partner_and_the_market_find_back_to_their_own_server(tmp_path: Path) -> None:
    log = tmp_path / "acme.log"
    async with partner_market(tmp_path, "acme") as market:
        command = (*joining(market, "acme"), "--server-name", market.server.name)
        async with process(*command, log=log):
            first = await market.order()
            await market.until_state(first, "confirmed")
            await market.server.stop()
            async with twin(market.server, tmp_path / "twin"):
                await until(lambda: f"must be '{market.server.name}', was" in log.read_text(), log.read_text)
            await market.server.start()
            second = await market.order()
            await market.until_state(second, "confirmed")
