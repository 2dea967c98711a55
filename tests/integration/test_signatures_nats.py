"""Signatures over a real nats-server: who holds a participant's connection still cannot speak for another."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client

from market.adapters.embedded_nats import EmbeddedNats
from market.adapters.journal_memory import MemoryJournal
from market.adapters.manual_clock import ManualClock
from market.adapters.nats_bus import NatsMarketBus
from market.adapters.nats_issuer import MARKET_KEY_FILE
from market.engine.admission import OPERATOR
from market.service.clearing_worker import InlineClearer
from market.service.lottery import Lottery
from market.service.service import MarketService
from scenarios.signing_keys import creds_of
from takt_sdk.codec import decode_reply
from takt_sdk.joining import join
from takt_sdk.model.messages import Receipt, Refused
from takt_sdk.nats.creds import market_key_of
from takt_sdk.receipts import ReceiptError
from takt_sdk.signing import Signer
from takt_sdk.wall_clock import OsEntropy
from tests.signers import market_signer, seed_of, signer_of
from tests.unit.market.service.small_market import MARKET, START_US, accepted, opening, order
from tests.unit.market.service.test_signatures import Kept, envelope

KEY = market_signer(MARKET).key


class House:
    """A running market on its own server."""

    def __init__(self, nats_server: EmbeddedNats, service: MarketService) -> None:
        self.nats, self.service = nats_server, service

    def creds(self, name: str) -> str:
        return creds_of(self.nats.issuer(), name, seed_of(name))

    @asynccontextmanager
    async def raw(self, name: str, folder: Path) -> AsyncIterator[Client]:
        """Connect with a participant's credentials and a bare client."""
        file = folder / f"{name}.creds"
        file.write_text(self.creds(name))
        client = await nats.connect(
            self.nats.url, user_credentials=str(file), inbox_prefix=f"_INBOX_{name}".encode()
        )
        try:
            yield client
        finally:
            await client.close()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    folder = tmp_path / "nats"
    folder.mkdir()
    (folder / MARKET_KEY_FILE).write_text(KEY)
    async with EmbeddedNats(folder, MARKET) as server:
        bus = await NatsMarketBus.connect(server.url, server.market_creds(), MARKET)
        service = MarketService(
            MemoryJournal(entropy=OsEntropy()),
            bus,
            clock=ManualClock(START_US),
            clearer=InlineClearer(),
            lottery=Lottery(bytes(32)),
            tick_s=None,
            signer=market_signer(MARKET),
        )
        async with service:
            for number, command in enumerate(opening()):
                await accepted(service, OPERATOR, command, f"set-up-{number}")
            yield House(server, service)


async def test_credentials_are_enough_to_sign_and_to_check_receipts(house: House) -> None:
    creds = house.creds("buyer")
    assert market_key_of(creds) == KEY
    store = Kept()
    bus = await join(house.nats.url, creds, MARKET, "buyer", store=store)
    reply = decode_reply(await bus.request("order", envelope("buyer", order("k")), timeout_s=5))
    assert isinstance(reply, Receipt)
    assert [one.receipt for one in store.kept] == [reply]
    await bus.close()


async def test_a_receipt_of_another_market_is_none(house: House) -> None:
    store = Kept()
    other = market_signer("other").key
    bus = await join(house.nats.url, house.creds("buyer"), MARKET, "buyer", market_key=other, store=store)
    with pytest.raises(ReceiptError):
        await bus.request("order", envelope("buyer", order("k")), timeout_s=5)
    assert len(store.disputed) == 1
    await bus.close()


async def test_a_stolen_connection_speaks_for_nobody(house: House, tmp_path: Path) -> None:
    """A JWT lets its holder publish; without the signing key nothing that it says has an effect."""
    body = envelope("buyer", order("k"))
    thief = signer_of("thief")
    async with house.raw("buyer", tmp_path) as client:
        size = house.service.state_of().state.size
        for signer in (thief, signer_of("rival")):
            headers = dict(signer.headers(MARKET, "order", "buyer", body))
            reply = await client.request(f"takt.v1.{MARKET}.order.buyer", body, headers=headers, timeout=5)
            refused = decode_reply(reply.data)
            assert isinstance(refused, Refused)
            assert refused.field == "signature"
        assert house.service.state_of().state.size == size


async def test_no_message_id_of_one_suppresses_anothers_message(house: House, tmp_path: Path) -> None:
    """JetStream de-duplicates by an id alone, whoever uses it first; the market's requests never meet it."""
    headers = {"Nats-Msg-Id": "m-1"}
    async with house.raw("rival", tmp_path) as rival, house.raw("buyer", tmp_path) as buyer:
        for _ in range(2):
            stolen = envelope("rival", order("r"), message_id="m-1")
            signed = dict(signer_of("rival").headers(MARKET, "order", "rival", stolen))
            await rival.request(f"takt.v1.{MARKET}.order.rival", stolen, headers=signed | headers, timeout=5)
        mine = envelope("buyer", order("k"), message_id="m-1")
        signed = dict(signer_of("buyer").headers(MARKET, "order", "buyer", mine))
        reply = await buyer.request(
            f"takt.v1.{MARKET}.order.buyer", mine, headers=signed | headers, timeout=5
        )
        receipt = decode_reply(reply.data)
        assert isinstance(receipt, Receipt)
        assert not receipt.repeated
        keys = {record.idempotency_key for record in house.service.state_of().state.orders.values()}
        assert keys == {"r", "k"}


def test_a_signer_never_shows_its_seed() -> None:
    seed = seed_of("buyer")
    assert seed not in repr(Signer(seed))
    with pytest.raises(ValueError, match="must begin with SU or SA") as caught:
        Signer(seed[:-3])
    assert seed[:10] not in str(caught.value)
