"""What the server refuses to a participant, tried with a participant's own credentials and a bare client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import nats.errors
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from market.adapters import nats_identity
from market.adapters.embedded_nats import EmbeddedNats
from market.adapters.nats_bus import NatsMarketBus
from market.adapters.nats_identity import issue_participant_creds
from market.ports import OutboxMessage, Request
from takt_sdk.errors import BusRefusedError
from takt_sdk.nats.connection import connect, settle
from takt_sdk.nats.creds import claims_of, jwt_of
from takt_sdk.nats.participant import NatsParticipantBus
from takt_sdk.nats.subjects import MAX_PAYLOAD_BYTES

DEADLINE_S = 10.0

FOREIGN_SUBJECTS = [
    "takt.v1.m1.bid.rival",
    "takt.v1.m1.report.rival",
    "takt.v1.m1.order.rival",
    "takt.v1.m1.query.rival",
    "takt.v1.m1.heartbeat.rival",
    "takt.v1.m1.cfp.rival",
    "takt.v1.m1.cfp.acme",
    "takt.v1.m1.notice.acme",
    "takt.v1.m1.tape",
    "takt.v1.m2.bid.acme",
    "_INBOX_rival.x",
    "_INBOX.x",
    "_R_.x",
    "$JS.API.INFO",
    "$JS.API.STREAM.LIST",
    "$JS.API.STREAM.CREATE.mine",
    "$JS.API.STREAM.DELETE.m1_rival",
    "$JS.API.STREAM.DELETE.m1_acme",
    "$JS.API.STREAM.PURGE.m1_rival",
    "$JS.API.STREAM.UPDATE.m1_acme",
    "$JS.API.STREAM.MSG.GET.m1_rival",
    "$JS.API.STREAM.MSG.DELETE.m1_rival",
    "$JS.API.DIRECT.GET.m1_rival",
    "$JS.API.CONSUMER.CREATE.m1_rival",
    "$JS.API.CONSUMER.DELETE.m1_rival.mailbox",
    "$JS.API.CONSUMER.MSG.NEXT.m1_rival.mailbox",
    "$JS.ACK.m1_rival.mailbox.1.1.1.1.0",
    "$JS.SNAPSHOT.RESTORE.m1_rival.x",
    "$SYS.REQ.SERVER.PING",
    "$SYS.REQ.CLAIMS.UPDATE",
]
FOREIGN_SUBSCRIPTIONS = [
    ">",
    "*",
    "_INBOX_rival.>",
    "_INBOX.>",
    "_R_.>",
    "takt.v1.m1.bid.*",
    "takt.v1.m1.bid.rival",
    "takt.v1.m1.cfp.rival",
    "takt.v1.m1.notice.>",
    "$JS.EVENT.>",
    "$SYS.>",
]
DEPUTIES = [
    "takt.v1.m1.bid.rival",
    "takt.v1.m1.heartbeat.rival",
    "takt.v1.m1.notice.rival",
    "_INBOX_rival.x",
    "$JS.API.STREAM.DELETE.m1_rival",
    "$JS.API.CONSUMER.MSG.NEXT.m1_rival.mailbox",
    "$JS.ACK.m1_rival.mailbox.1.1.1.1.0",
]


class World:
    """A market with two participants and one message for each; ``acme`` is the attacker's bare client."""

    def __init__(self, server: EmbeddedNats, market: NatsMarketBus, rival: NatsParticipantBus) -> None:
        self.server = server
        self.market = market
        self.rival = rival
        self.requests: list[Request] = []
        self.heartbeats: list[str] = []

    async def attacker(self) -> Client:
        creds = self.server.participant_creds("acme")
        return await connect(self.server.url, creds, client_name="acme", inbox="_INBOX_acme")

    async def harmed(self) -> list[str]:
        """Return what happened in the rival's name or to its mailbox."""
        harm = [f"request {r.channel}" for r in self.requests if r.participant != "acme"]
        harm += [f"heartbeat of {name}" for name in self.heartbeats if name != "acme"]
        deliveries = self.rival.deliveries()
        async with asyncio.timeout(DEADLINE_S):
            delivery, acknowledge = await anext(deliveries)
        await acknowledge()
        if (delivery.message_id, delivery.body) != ("r1", b"for rival"):
            harm.append(f"mailbox holds {delivery}")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                harm.append(f"mailbox holds {await anext(deliveries)}")
        return harm


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with EmbeddedNats(tmp_path, "m1") as server:
        market = await NatsMarketBus.connect(
            server.url, server.market_creds(), "m1", server_name=server.name, ack_wait_s=30
        )
        rival = await NatsParticipantBus.connect(
            server.url, server.participant_creds("rival"), "m1", "rival", server_name=server.name
        )
        made = World(server, market, rival)

        async def keep(request: Request) -> bytes:
            made.requests.append(request)
            return b"receipt"

        await market.start(keep, lambda participant, _body: made.heartbeats.append(participant))
        for name, number in (("acme", "a1"), ("rival", "r1")):
            await market.admit(name)
            body = f"for {name}".encode()
            await market.send(OutboxMessage(message_id=number, channel="cfp", participant=name, body=body))
        yield made
        await rival.close()
        await market.close()


def errors_of(client: Client) -> list[str]:
    """Collect what the server says of a connection."""
    said: list[str] = []

    async def keep(error: Exception) -> None:
        said.append(str(error))

    client._error_cb = keep
    return said


async def refusals(client: Client, said: list[str], subjects: list[str]) -> list[str]:
    """Return which subjects the server named in refusals."""
    await settle(client)
    return [name for name in subjects if any(f'"{name}"'.lower() in error for error in said)]


async def test_foreign_subjects_are_refused(world: World) -> None:
    client = await world.attacker()
    said = errors_of(client)
    for subject in FOREIGN_SUBJECTS:
        await client.publish(subject, b"", reply="_INBOX_acme.x")
    assert await refusals(client, said, FOREIGN_SUBJECTS) == FOREIGN_SUBJECTS
    assert await world.harmed() == []
    await client.close()


async def test_foreign_subscriptions_are_refused(world: World) -> None:
    client = await world.attacker()
    said = errors_of(client)
    for subject in FOREIGN_SUBSCRIPTIONS:
        await client.subscribe(subject)
    assert await refusals(client, said, FOREIGN_SUBSCRIPTIONS) == FOREIGN_SUBSCRIPTIONS
    await client.close()


@pytest.mark.parametrize("target", DEPUTIES)
async def test_nobody_answers_to_a_foreign_subject_on_a_participants_behalf(
    world: World, target: str
) -> None:
    """JetStream, and any service, replies to the subject that it is given, with its own rights.

    Within one account that let a participant delete a rival's mailbox with the reply to an
    acknowledgement.
    """
    client = await world.attacker()
    next_message = "$JS.API.CONSUMER.MSG.NEXT.m1_acme.mailbox"
    pull = json.dumps({"batch": 1, "expires": 1_000_000_000}).encode()
    inbox = await client.subscribe("_INBOX_acme.pull")
    await client.publish(next_message, pull, reply="_INBOX_acme.pull")
    taken = await inbox.next_msg(timeout=DEADLINE_S)
    assert taken.data == b"for acme"
    await client.publish("takt.v1.m1.bid.acme", b"mine", reply=target)  # a receipt
    await client.publish(taken.reply, b"-NAK", reply=target)  # an answer to a refusal
    await client.publish(next_message, pull, reply=target)  # a delivery
    await client.publish(next_message, b"not json", reply=target)  # a status
    await client.publish(taken.reply, b"+ACK", reply=target)  # an answer to an acknowledgement
    await settle(client)
    assert await world.harmed() == []
    await client.close()


async def test_an_acknowledgement_cannot_delete_a_rivals_mailbox(world: World) -> None:
    client = await world.attacker()
    inbox = await client.subscribe("_INBOX_acme.pull")
    await client.publish(
        "$JS.API.CONSUMER.MSG.NEXT.m1_acme.mailbox", b'{"batch": 1}', reply="_INBOX_acme.pull"
    )
    taken: Msg = await inbox.next_msg(timeout=DEADLINE_S)
    await client.publish(taken.reply, b"+ACK", reply="$JS.API.STREAM.DELETE.m1_rival")
    await settle(client)
    async with asyncio.timeout(DEADLINE_S):
        while "a1" not in await world.market.acknowledged():  # the acknowledgement itself counts
            pass
    assert await world.harmed() == []
    await client.close()


async def test_a_rivals_message_id_suppresses_nothing(world: World) -> None:
    """De-duplication is per stream, and no participant can write to one."""
    client = await world.attacker()
    await client.publish("takt.v1.m1.bid.acme", b"x", headers={"Nats-Msg-Id": "r2"}, reply="_INBOX_acme.x")
    await settle(client)
    await world.market.send(
        OutboxMessage(message_id="r2", channel="cfp", participant="rival", body=b"second")
    )
    deliveries = world.rival.deliveries()
    for expected in (b"for rival", b"second"):
        async with asyncio.timeout(DEADLINE_S):
            delivery, acknowledge = await anext(deliveries)
        assert delivery.body == expected
        await acknowledge()
    await client.close()


async def test_an_oversized_payload_ends_the_connection(world: World) -> None:
    client = await world.attacker()
    client._max_payload = 2 * MAX_PAYLOAD_BYTES  # a client that does not care
    client.options["allow_reconnect"] = False
    closed = asyncio.Event()

    async def on_close() -> None:
        closed.set()

    client._closed_cb = on_close
    await client.publish("takt.v1.m1.bid.acme", bytes(MAX_PAYLOAD_BYTES + 1), reply="_INBOX_acme.x")
    await asyncio.wait_for(closed.wait(), DEADLINE_S)
    assert world.requests == []
    assert await world.harmed() == []


async def test_subscriptions_and_connections_are_limited(world: World) -> None:
    client = await world.attacker()
    for number in range(nats_identity.MAX_SUBSCRIPTIONS):
        await client.subscribe(f"_INBOX_acme.{number}")
    await settle(client)
    await client.subscribe("_INBOX_acme.more")
    async with asyncio.timeout(DEADLINE_S):
        while not client.is_closed:  # noqa: ASYNC110  (the server closes it)
            await asyncio.sleep(0.01)
    assert "maximum subscriptions" in str(client.last_error).lower()
    clients = [await world.attacker() for _ in range(nats_identity.MAX_CONNECTIONS)]
    with pytest.raises(BusRefusedError):
        await world.attacker()
    # A participant that uses up its connections takes none from others.
    assert await world.rival.request("query", b"", timeout_s=DEADLINE_S) == b"receipt"
    for each in clients:
        await each.close()


async def test_without_credentials_nobody_enters(world: World) -> None:
    client = Client()
    with pytest.raises(nats.errors.Error):
        await client.connect(world.server.url, allow_reconnect=False, error_cb=_ignore)
    await client.close()


async def _ignore(_error: Exception) -> None:
    pass


async def test_credentials_signed_by_somebody_else_are_refused(world: World) -> None:
    forged_keys = nats_identity.MarketKeys.create()
    forged = issue_participant_creds(forged_keys, "m1", "acme")
    with pytest.raises(BusRefusedError):
        await connect(world.server.url, forged, client_name="acme", inbox="_INBOX_acme")


async def test_the_tape_reaches_participants(world: World) -> None:
    client = await world.attacker()
    tape = await client.subscribe("takt.v1.m1.tape")
    await settle(client)
    await world.market.publish_tape(b"volumes")
    assert (await tape.next_msg(timeout=DEADLINE_S)).data == b"volumes"
    await client.close()


def test_a_participants_claims_name_only_its_own() -> None:
    keys = nats_identity.MarketKeys.create()
    claims = claims_of(jwt_of(issue_participant_creds(keys, "m1", "acme", expires_us=5_000_000)))
    assert claims["exp"] == 5
    assert claims["name"] == "m1.acme"
    assert claims["nats"]["pub"]["allow"] == [
        "takt.v1.m1.bid.acme",
        "takt.v1.m1.report.acme",
        "takt.v1.m1.order.acme",
        "takt.v1.m1.query.acme",
        "takt.v1.m1.heartbeat.acme",
        "$JS.API.CONSUMER.MSG.NEXT.m1_acme.mailbox",
        "$JS.ACK.m1_acme.mailbox.>",
    ]
    assert claims["nats"]["sub"]["allow"] == ["_INBOX_acme.>", "takt.v1.m1.tape"]
    account = claims_of(nats_identity.participant_account_jwt(keys, "m1", "acme"))
    assert all(
        "acme" in i["subject"] or i["subject"] == "takt.v1.m1.tape" for i in account["nats"]["imports"]
    )
    assert claims["iss"] == account["sub"]


def test_accounts_of_different_participants_and_markets_differ() -> None:
    keys = nats_identity.MarketKeys.create()
    seeds = {keys.participant(market, name) for market in ("m1", "m2") for name in ("a", "b", "m1")}
    assert len(seeds) == 6
    assert not any(seed in repr(keys) for seed in (keys.operator, keys.account, keys.system))
