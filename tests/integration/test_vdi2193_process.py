"""The 2193 bridge as a process: a program on its streams, the market behind a real NATS server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from market.adapters.embedded_nats import EmbeddedNats
from market.adapters.journal_memory import MemoryJournal
from market.adapters.nats_bus import NatsMarketBus
from market.engine.admission import OPERATOR
from market.protocol.script import MARKET, PLAN, START_US, TERMS, opening
from market.service.clearing_worker import InlineClearer
from market.service.lottery import Lottery
from market.service.service import MarketService
from takt_sdk.codec import decode_reply, encode
from takt_sdk.model.messages import DeclineCall, Envelope, ParticipantCommand, Receipt, SubmitOrder
from takt_sdk.model.values import DAY_US
from takt_sdk.nats.participant import NatsParticipantBus
from takt_sdk.ports import RequestChannel
from takt_sdk.wall_clock import OsEntropy, WallClock
from tests.unit.market.test_vdi2193_bridge import BIDDING, PLANT, REQUESTER, prop

DEADLINE_S = 30.0
Json = dict[str, Any]


@contextlib.asynccontextmanager
async def live_market(folder: Path) -> AsyncIterator[tuple[EmbeddedNats, MarketService]]:
    async with EmbeddedNats(folder, MARKET) as server:
        bus = await NatsMarketBus.connect(server.url, server.market_creds(), MARKET, server_name=server.name)
        service = MarketService(
            MemoryJournal(entropy=OsEntropy()), bus, clock=WallClock(), clearer=InlineClearer(),
            lottery=Lottery(bytes(32)), tick_s=0.05,
        )  # fmt: skip
        async with service:
            for number, command in enumerate(opening()):
                reply = await service.submit(OPERATOR, command, message_id=f"opening-{number}")
                assert isinstance(reply, Receipt), reply
            for name in ("acme", "buyer", "forge"):
                server.participant_creds(name)
                await bus.admit(name)
            yield server, service


async def ask(
    server: EmbeddedNats, name: str, channel: RequestChannel, body: ParticipantCommand, sequence: int = 0
) -> None:
    bus = await NatsParticipantBus.connect(server.url, server.participant_creds(name), MARKET, name)
    envelope = Envelope(
        message_id=f"{name}-1", correlation_id="", causation_id="", sender=name, sequence=sequence,
        occurred_us=START_US, body=body,
    )  # fmt: skip
    reply = decode_reply(await bus.request(channel, encode(envelope), timeout_s=DEADLINE_S))
    assert isinstance(reply, Receipt), reply
    await bus.close()


def order(now_us: int) -> SubmitOrder:
    terms = replace(
        TERMS, release_us=now_us, due_us=now_us + 10 * DAY_US, deadline_us=now_us + 12 * DAY_US,
    )  # fmt: skip
    return SubmitOrder(idempotency_key="k", part_id="bracket", terms=terms, plan=PLAN)


def answer(type_: str, to: Json, number: int, elements: tuple[Json, ...] = ()) -> bytes:
    head = {
        "semanticProtocol": BIDDING, "type": type_, "messageId": str(number), "sender": PLANT,
        "receiver": REQUESTER, "conversationId": to["frame"]["conversationId"],
    }  # fmt: skip
    return json.dumps({"frame": head, "interactionElements": elements}).encode() + b"\n"


async def test_a_program_on_the_streams_of_the_bridge_wins_an_order_over_nats(tmp_path: Path) -> None:
    async with live_market(tmp_path) as (server, service):
        (tmp_path / "acme.creds").write_text(server.participant_creds("acme"))
        bridge = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "market.adapters.vdi2193", "--creds", str(tmp_path / "acme.creds")),
            *("--nats-url", server.url, "--server-name", server.name, "--aas", PLANT, "--site", "ulm"),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert bridge.stdin is not None
        assert bridge.stdout is not None

        async def said() -> tuple[str, Json]:
            assert bridge.stdout is not None
            async with asyncio.timeout(DEADLINE_S):
                frame = json.loads(await bridge.stdout.readline())
            return frame["frame"]["type"], frame

        now_us = WallClock().now_us()
        await ask(server, "buyer", "order", order(now_us))
        type_, call = await said()
        assert type_ == "callForProposals"
        await ask(server, "forge", "bid", DeclineCall(round_id="r-000001", code="dates"), 1)
        (last,) = (element for element in call["interactionElements"] if element["idShort"] == "lots")
        target = next(one["value"] for one in last["value"][0]["value"] if one["idShort"] == "targetDate")
        offer = (
            prop("0173-1#02-BAF749#003", "20.00"), prop("0173-1#02-AAO288#006", "EUR"),
            prop("0173-1#02-ABH165#002", target),
        )  # fmt: skip
        bridge.stdin.write(answer("offer", call, 1, offer))
        told = [(await said())[0] for _ in range(2)]
        assert sorted(told) == ["consent", "offerAcceptance"]
        bridge.stdin.write(answer("confirming", call, 2))
        assert (await said())[0] == "consent"
        (record,) = service.state_of().state.contracts.values()
        assert (record.contract.participant, record.state) == ("acme", "confirmed")
        bridge.stdin.close()
        _, errors = await asyncio.wait_for(bridge.communicate(), DEADLINE_S)
        assert bridge.returncode == 0, errors


async def test_a_file_that_holds_no_credentials_is_refused(tmp_path: Path) -> None:
    (tmp_path / "acme.creds").write_text("nothing")
    bridge = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "market.adapters.vdi2193", "--creds", str(tmp_path / "acme.creds")),
        *("--nats-url", "nats://127.0.0.1:1", "--aas", PLANT, "--site", "ulm"),
        stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, errors = await asyncio.wait_for(bridge.communicate(), DEADLINE_S)
    assert bridge.returncode == 2
    assert b"NATS USER JWT" in errors
