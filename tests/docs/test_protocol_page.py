"""docs/protocol.md followed to the letter by a bare NATS client, without any code of ours."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import nats
import nats.errors
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from market.adapters.embedded_nats import EmbeddedNats
from market.adapters.nats_bus import NatsMarketBus
from market.adapters.nats_identity import MAX_CONNECTIONS, MAX_SUBSCRIPTIONS
from market.model.rules import Rules
from market.protocol.files import EXAMPLES
from market.protocol.script import START_US, opening
from market.service.writer import WAITING
from takt_sdk.model.sheet import MAX_BIDS
from takt_sdk.nats.subjects import MAX_PAYLOAD_BYTES
from tests.unit.market.test_vdi2193_bridge import Market, market_on

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "protocol.md").read_text()
Json = dict[str, Any]
ACK_WAIT_S = 1.0


def default(function: object, name: str) -> Any:  # noqa: ANN401 - any default
    return inspect.signature(function).parameters[name].default  # type: ignore[arg-type]


def test_the_numbers_on_the_page_are_the_codes() -> None:
    bus = NatsMarketBus.__init__
    for words in (
        f"{MAX_CONNECTIONS} connections, {MAX_SUBSCRIPTIONS} subscriptions a connection, 1 MiB a message",
        f"is not acknowledged within {default(bus, 'ack_wait_s'):.0f} s comes again",
        f"A mailbox holds {default(bus, 'mailbox_messages'):,} messages",
        f"messages or {default(bus, 'mailbox_bytes') >> 20} MiB",
        f"a sheet has at most {Rules().max_bids_per_sheet:,} bids",
        f"the schema allows {MAX_BIDS:,}",
        f"a call at most {Rules().max_lots_per_round:,}",
        f"The market handles {default(bus, 'max_requests')} requests at a time and queues {WAITING:,}",
        f"A message has at most {MAX_PAYLOAD_BYTES:,} bytes",
    ):
        assert words in re.sub(r"\s+", " ", PAGE), words


class Partner:
    """What the page tells, in Python: a connection, an inbox, JSON."""

    def __init__(self, client: Client, participant: str, inbox: str, arrivals: asyncio.Queue[Msg]) -> None:
        self.client, self.participant = client, participant
        self._inbox, self._arrivals = inbox, arrivals

    async def ask(self, channel: str, body: Json, *, sequence: int = 0, conversation: str = "") -> Json:
        """Send a request on an own subject; return its reply."""
        envelope = {
            "message_id": f"{self.participant}.{conversation}.{channel}.{sequence}",
            "correlation_id": conversation, "causation_id": "", "sender": self.participant,
            "sequence": sequence, "occurred_us": START_US, "body": body,
        }  # fmt: skip
        subject = f"takt.v1.demo.{channel}.{self.participant}"
        reply = await self.client.request(subject, json.dumps(envelope).encode(), timeout=5)
        found: Json = json.loads(reply.data)
        return found

    async def pull(self) -> Msg | None:
        """Ask the mailbox for its next message; None if there was none."""
        subject = f"$JS.API.CONSUMER.MSG.NEXT.demo_{self.participant}.mailbox"
        await self.client.publish(subject, b'{"batch":1,"expires":2000000000}', reply=self._inbox)
        async with asyncio.timeout(10):
            reply = await self._arrivals.get()
        return None if reply.headers and "Status" in reply.headers else reply

    async def next(self) -> tuple[Msg, Json]:
        async with asyncio.timeout(20):
            while (message := await self.pull()) is None:
                pass
        return message, json.loads(message.data)

    async def acknowledge(self, message: Msg) -> None:
        await self.client.publish(message.reply, b"+ACK")


@contextlib.asynccontextmanager
async def partner(server: EmbeddedNats, name: str, folder: Path) -> AsyncIterator[Partner]:
    file = folder / f"{name}.creds"
    file.write_text(server.participant_creds(name))
    client = await nats.connect(
        server.url, user_credentials=str(file), inbox_prefix=f"_INBOX_{name}".encode()
    )
    assert client._server_info["server_name"] == server.name
    arrivals: asyncio.Queue[Msg] = asyncio.Queue()
    inbox = client.new_inbox()
    await client.subscribe(inbox, cb=arrivals.put)
    yield Partner(client, name, inbox, arrivals)
    await client.close()


@contextlib.asynccontextmanager
async def running(folder: Path) -> AsyncIterator[tuple[EmbeddedNats, Market]]:
    async with EmbeddedNats(folder, "demo") as server:
        bus = await NatsMarketBus.connect(server.url, server.market_creds(), "demo", ack_wait_s=ACK_WAIT_S)
        async with market_on(bus) as live:
            for name in ("acme", "buyer", "forge"):
                server.participant_creds(name)
                await bus.admit(name)
            yield server, live


def example(kind: str, sender: str) -> Json:
    """Return the body of the first worked message of a kind."""
    for path in sorted((DOCS / EXAMPLES).glob(f"*-{sender}-{kind}.json")):
        body: Json = json.loads(path.read_bytes())["body"]
        return body
    raise AssertionError(kind)


async def test_a_partner_that_has_only_read_the_page_wins_and_delivers(tmp_path: Path) -> None:
    async with (
        running(tmp_path) as (server, live),
        partner(server, "buyer", tmp_path) as buyer,
        partner(server, "acme", tmp_path) as acme,
        partner(server, "forge", tmp_path) as forge,
    ):
        assert (await acme.ask("query", {"kind": "takt.query_sync.v1"}))["calls"] == []
        assert (await buyer.ask("order", example("publish-part", "buyer")))["kind"] == "takt.receipt.v1"
        order = await buyer.ask("order", example("submit-order", "buyer"))
        await live.tick(START_US + 10)

        message, call = await acme.next()
        assert message.subject == "takt.v1.demo.cfp.acme"
        assert message.headers is not None
        assert message.headers["Nats-Msg-Id"] == call["message_id"]
        assert call["body"]["lots"][0]["order_id"] == order["subject_id"]
        again, repeated = await acme.next()
        assert repeated == call, "what is not acknowledged comes again"
        receipt = await acme.ask("bid", example("bid-sheet", "acme"), sequence=1, conversation="r-000001")
        assert receipt["kind"] == "takt.receipt.v1"
        await acme.acknowledge(again)
        await forge.ask("bid", example("decline-call", "forge"), sequence=1, conversation="r-000001")

        message, result = await acme.next()
        assert message.subject == "takt.v1.demo.notice.acme"
        (award,) = result["body"]["awards"]
        await acme.acknowledge(message)
        for number, milestone in enumerate(("confirmed", "started", "finished", "shipped", "delivered"), 1):
            live.clock.set(START_US + 20 + number)
            report = {
                "kind": "takt.report_milestone.v1", "contract_id": award["id"], "milestone": milestone,
                "at_us": START_US + 20 + number,
            }  # fmt: skip
            reply = await acme.ask("report", report, sequence=number, conversation=award["id"])
            assert reply["kind"] == "takt.receipt.v1", reply
        await live.tick(START_US + 30)
        message, notice = await acme.next()
        assert (notice["body"]["state"], notice["body"]["payment_minor"]) == ("settled", 210_000)
        sync = await acme.ask("query", {"kind": "takt.query_sync.v1"})
        assert sync["now_us"] == START_US + 30
        assert len(opening()) == 4


async def test_without_the_inbox_prefix_no_reply_arrives(tmp_path: Path) -> None:
    async with running(tmp_path) as (server, _):
        file = tmp_path / "acme.creds"
        file.write_text(server.participant_creds("acme"))
        silent: list[Exception] = []

        async def note(error: Exception) -> None:
            silent.append(error)

        client = await nats.connect(server.url, user_credentials=str(file), error_cb=note)
        with pytest.raises(nats.errors.TimeoutError):
            await client.request("takt.v1.demo.query.acme", b"{}", timeout=0.5)
        assert any("permissions violation" in str(error).lower() for error in silent)
        await client.close()
