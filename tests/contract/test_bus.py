"""What every bus adapter must do: one suite, run on the bus in memory and on a real nats-server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from market.adapters.embedded_nats import EmbeddedNats
from market.adapters.memory_bus import MemoryBroker
from market.adapters.nats_bus import NatsMarketBus
from market.bus_errors import BusMailboxError, BusMailboxFullError
from market.ports import MarketBus, OutboxMessage, Request
from takt_sdk.errors import BusClosedError, BusPayloadError, BusRequestError, BusTimeoutError
from takt_sdk.model.errors import InvalidIdError
from takt_sdk.nats.participant import NatsParticipantBus
from takt_sdk.nats.subjects import MAX_PAYLOAD_BYTES
from takt_sdk.ports import Delivery, ParticipantBus
from tests.signers import signer_of

ACK_WAIT_S = 0.4
DEADLINE_S = 10.0
MAILBOX_MESSAGES = 5

Given = tuple[Delivery, Callable[[], Awaitable[None]]]


class Harness(ABC):
    """Makes both sides of one bus, and closes what it made."""

    def __init__(self) -> None:
        self.closers: list[Callable[[], Awaitable[None]]] = []

    @abstractmethod
    async def market(self) -> MarketBus: ...

    @abstractmethod
    async def participant(self, name: str) -> ParticipantBus: ...

    async def close(self) -> None:
        for close in reversed(self.closers):
            await close()


class MemoryHarness(Harness):
    def __init__(self) -> None:
        super().__init__()
        self.broker = MemoryBroker("m1", ack_wait_s=ACK_WAIT_S, mailbox_messages=MAILBOX_MESSAGES)

    async def market(self) -> MarketBus:
        return self.broker.market()

    async def participant(self, name: str) -> ParticipantBus:
        bus = self.broker.participant(name)
        self.closers.append(bus.close)
        return bus


class NatsHarness(Harness):
    def __init__(self, server: EmbeddedNats) -> None:
        super().__init__()
        self.server = server

    async def market(self) -> MarketBus:
        bus = await NatsMarketBus.connect(
            self.server.url,
            self.server.market_creds(),
            "m1",
            server_name=self.server.name,
            ack_wait_s=ACK_WAIT_S,
            mailbox_messages=MAILBOX_MESSAGES,
        )
        self.closers.append(bus.close)
        return bus

    async def participant(self, name: str) -> ParticipantBus:
        bus = await NatsParticipantBus.connect(
            self.server.url, self.server.participant_creds(name), "m1", name, server_name=self.server.name
        )
        self.closers.append(bus.close)
        return bus


async def echo(request: Request) -> bytes:
    return f"{request.channel}:{request.participant}:".encode() + request.body


def ignore(_participant: str, _body: bytes) -> None:
    pass


def message(
    number: int, *, to: str = "acme", channel: str = "notice", message_id: str | None = None
) -> OutboxMessage:
    assert channel in {"cfp", "notice"}
    return OutboxMessage(
        message_id=message_id or f"{to}-{number}",
        channel="cfp" if channel == "cfp" else "notice",
        participant=to,
        body=str(number).encode(),
    )


async def take(deliveries: AsyncIterator[Given]) -> Given:
    async with asyncio.timeout(DEADLINE_S):
        return await anext(deliveries)


async def take_and_acknowledge(deliveries: AsyncIterator[Given]) -> Delivery:
    delivery, acknowledge = await take(deliveries)
    await acknowledge()
    return delivery


async def acknowledged(market: MarketBus, count: int) -> list[str]:
    """Collect acknowledgements until there are ``count``."""
    found: list[str] = []
    async with asyncio.timeout(DEADLINE_S):
        while len(found) < count:
            found += await market.acknowledged()
            await asyncio.sleep(0)
    return found


async def nothing_within(deliveries: AsyncIterator[Given], seconds: float) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(seconds):
            await anext(deliveries)


class BusContract:
    """The suite; a subclass gives the harness."""

    # --- requests ---

    async def test_a_request_gets_the_handlers_bytes(self, harness: Harness) -> None:
        market, acme = await harness.market(), await harness.participant("acme")
        await market.start(echo, ignore)
        assert await acme.request("bid", b"1", timeout_s=DEADLINE_S) == b"bid:acme:1"
        assert await acme.request("report", b"2", timeout_s=DEADLINE_S) == b"report:acme:2"
        assert await acme.request("order", b"3", timeout_s=DEADLINE_S) == b"order:acme:3"
        assert await acme.request("query", b"", timeout_s=DEADLINE_S) == b"query:acme:"

    async def test_headers_arrive(self, harness: Harness) -> None:
        seen: list[Request] = []

        async def keep(request: Request) -> bytes:
            seen.append(request)
            return b""

        market, acme = await harness.market(), await harness.participant("acme")
        await market.start(keep, ignore)
        headers = (("Takt-Key", "k"), ("Takt-Signature", "s"))
        await acme.request("bid", b"{}", timeout_s=DEADLINE_S, headers=headers)
        assert [request.headers for request in seen] == [headers]

    async def test_a_failing_handler_is_answered_without_its_reason(
        self, harness: Harness, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def fail(request: Request) -> bytes:
            if request.body == b"bad":
                raise ZeroDivisionError("secret of the market")
            return b"fine"

        market, acme = await harness.market(), await harness.participant("acme")
        await market.start(fail, ignore)
        caplog.set_level(logging.CRITICAL, logger="asyncio")
        with pytest.raises(BusRequestError) as caught:
            await acme.request("bid", b"bad", timeout_s=DEADLINE_S)
        assert "secret" not in str(caught.value)
        assert caught.value.retryable
        assert await acme.request("bid", b"good", timeout_s=DEADLINE_S) == b"fine"

    async def test_a_request_times_out_and_its_handler_goes_on(self, harness: Harness) -> None:
        go, done = asyncio.Event(), asyncio.Event()

        async def slow(_request: Request) -> bytes:
            await go.wait()
            done.set()
            return b"late"

        market, acme = await harness.market(), await harness.participant("acme")
        await market.start(slow, ignore)
        with pytest.raises(BusTimeoutError):
            await acme.request("bid", b"1", timeout_s=0.1)
        go.set()
        await asyncio.wait_for(done.wait(), DEADLINE_S)

    async def test_a_market_that_is_away_is_waited_for(self, harness: Harness) -> None:
        market, acme = await harness.market(), await harness.participant("acme")
        with pytest.raises(BusTimeoutError):
            await acme.request("bid", b"1", timeout_s=0.1)
        waiting = asyncio.create_task(acme.request("bid", b"2", timeout_s=DEADLINE_S))
        await market.start(echo, ignore)
        assert await waiting == b"bid:acme:2"

    async def test_slow_requests_do_not_hold_up_others(self, harness: Harness) -> None:
        go = asyncio.Event()

        async def by_body(request: Request) -> bytes:
            if request.body == b"slow":
                await go.wait()
            return request.body

        market = await harness.market()
        acme, rival = await harness.participant("acme"), await harness.participant("rival")
        await market.start(by_body, ignore)
        slow = asyncio.create_task(acme.request("bid", b"slow", timeout_s=DEADLINE_S))
        assert await rival.request("bid", b"quick", timeout_s=DEADLINE_S) == b"quick"
        assert await acme.request("bid", b"quick", timeout_s=DEADLINE_S) == b"quick"
        go.set()
        assert await slow == b"slow"

    async def test_a_large_payload_passes_up_to_the_limit(self, harness: Harness) -> None:
        async def length(request: Request) -> bytes:
            return str(len(request.body)).encode()

        market, acme = await harness.market(), await harness.participant("acme")
        await market.start(length, ignore)
        size = MAX_PAYLOAD_BYTES - 512  # the signature travels in headers, which count
        headers = signer_of("acme").headers("m1", "bid", "acme", bytes(size))
        reply = await acme.request("bid", bytes(size), timeout_s=DEADLINE_S, headers=headers)
        assert reply == str(size).encode()
        with pytest.raises(BusPayloadError, match=f"was {MAX_PAYLOAD_BYTES + 1}"):
            await acme.request("bid", bytes(MAX_PAYLOAD_BYTES + 1), timeout_s=DEADLINE_S)
        assert await acme.request("bid", b"x", timeout_s=DEADLINE_S) == b"1"

    async def test_a_reply_above_the_limit_is_a_failure(self, harness: Harness) -> None:
        async def verbose(_request: Request) -> bytes:
            return bytes(MAX_PAYLOAD_BYTES + 1)

        market, acme = await harness.market(), await harness.participant("acme")
        await market.start(verbose, ignore)
        with pytest.raises(BusRequestError, match="too-large"):
            await acme.request("query", b"", timeout_s=DEADLINE_S)

    async def test_heartbeats_arrive(self, harness: Harness) -> None:
        heard: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        market, acme = await harness.market(), await harness.participant("acme")
        await market.start(echo, lambda participant, body: heard.put_nowait((participant, body)))
        await acme.heartbeat(b"alive")
        assert await asyncio.wait_for(heard.get(), DEADLINE_S) == ("acme", b"alive")

    # --- mailboxes ---

    async def test_what_was_sent_while_away_is_delivered_in_order(self, harness: Harness) -> None:
        market = await harness.market()
        await market.admit("acme")
        sent = [message(n, channel=("cfp", "notice")[n % 2]) for n in range(MAILBOX_MESSAGES)]
        for each in sent:
            await market.send(each)
        deliveries = (await harness.participant("acme")).deliveries()
        got = [await take_and_acknowledge(deliveries) for _ in sent]
        assert [(d.message_id, d.channel, d.body) for d in got] == [
            (m.message_id, m.channel, m.body) for m in sent
        ]

    async def test_what_is_sent_at_once_keeps_its_order(self, harness: Harness) -> None:
        market, acme = await harness.market(), await harness.participant("acme")
        await market.admit("acme")
        await asyncio.gather(*(market.send(message(n)) for n in range(MAILBOX_MESSAGES)))
        deliveries = acme.deliveries()
        got = [await take_and_acknowledge(deliveries) for _ in range(MAILBOX_MESSAGES)]
        assert [delivery.body for delivery in got] == [str(n).encode() for n in range(MAILBOX_MESSAGES)]

    async def test_a_waiting_participant_gets_a_message_at_once(self, harness: Harness) -> None:
        market, acme = await harness.market(), await harness.participant("acme")
        await market.admit("acme")
        waiting = asyncio.create_task(take_and_acknowledge(acme.deliveries()))
        await asyncio.sleep(0.05)
        start_s = time.monotonic()
        await market.send(message(1))
        assert (await waiting).body == b"1"
        assert time.monotonic() - start_s < 1.0

    async def test_unacknowledged_messages_come_again_before_later_ones(self, harness: Harness) -> None:
        market, acme = await harness.market(), await harness.participant("acme")
        await market.admit("acme")
        await market.send(message(1))
        await market.send(message(2))
        deliveries = acme.deliveries()
        first, _ = await take(deliveries)
        again, acknowledge = await take(deliveries)
        assert (first.body, again.body) == (b"1", b"1")
        await acknowledge()
        assert (await take_and_acknowledge(deliveries)).body == b"2"

    async def test_a_killed_participant_gets_its_message_again(self, harness: Harness) -> None:
        market, acme = await harness.market(), await harness.participant("acme")
        await market.admit("acme")
        await market.send(message(1))
        assert (await take(acme.deliveries()))[0].body == b"1"
        await acme.close()
        reborn = await harness.participant("acme")
        assert (await take_and_acknowledge(reborn.deliveries())).body == b"1"

    async def test_sending_again_has_no_second_effect(self, harness: Harness) -> None:
        market, acme = await harness.market(), await harness.participant("acme")
        await market.admit("acme")
        await market.send(message(1))
        await market.send(message(1))
        deliveries = acme.deliveries()
        assert (await take_and_acknowledge(deliveries)).body == b"1"
        await market.send(message(1))
        await market.send(message(2))
        assert (await take_and_acknowledge(deliveries)).body == b"2"

    async def test_the_market_sees_acknowledgements_once(self, harness: Harness) -> None:
        market, acme = await harness.market(), await harness.participant("acme")
        await market.admit("acme")
        for n in (1, 2, 3):
            await market.send(message(n))
        assert tuple(await market.acknowledged()) == ()
        deliveries = acme.deliveries()
        await take_and_acknowledge(deliveries)
        await take_and_acknowledge(deliveries)
        assert await acknowledged(market, 2) == ["acme-1", "acme-2"]
        assert tuple(await market.acknowledged()) == ()
        await take_and_acknowledge(deliveries)
        assert await acknowledged(market, 1) == ["acme-3"]

    async def test_a_tape_message_is_done_when_it_is_sent(self, harness: Harness) -> None:
        market = await harness.market()
        await market.send(OutboxMessage(message_id="t1", channel="tape", participant="", body=b"{}"))
        assert tuple(await market.acknowledged()) == ("t1",)

    async def test_one_participants_messages_stay_its_own(self, harness: Harness) -> None:
        market = await harness.market()
        acme, rival = await harness.participant("acme"), await harness.participant("rival")
        await market.admit("acme")
        await market.admit("rival")
        for_acme, for_rival = acme.deliveries(), rival.deliveries()
        # The same message id must not suppress another participant's message.
        await market.send(message(1, to="acme", message_id="same"))
        await market.send(message(2, to="rival", message_id="same"))
        assert (await take_and_acknowledge(for_acme)).body == b"1"
        assert (await take_and_acknowledge(for_rival)).body == b"2"
        await nothing_within(for_acme, 0.2)

    async def test_a_silent_participant_delays_nobody(self, harness: Harness) -> None:
        market, rival = await harness.market(), await harness.participant("rival")
        await market.admit("acme")
        await market.admit("rival")
        for n in range(MAILBOX_MESSAGES):
            await market.send(message(n, to="acme"))
            await market.send(message(n, to="rival"))
        deliveries = rival.deliveries()
        for n in range(MAILBOX_MESSAGES):
            assert (await take_and_acknowledge(deliveries)).body == str(n).encode()

    async def test_a_full_mailbox_refuses_and_drops_nothing(self, harness: Harness) -> None:
        market, acme = await harness.market(), await harness.participant("acme")
        await market.admit("acme")
        for n in range(MAILBOX_MESSAGES):
            await market.send(message(n))
        with pytest.raises(BusMailboxFullError, match="acme"):
            await market.send(message(99))
        await market.send(message(0))  # known already: no effect, no refusal
        deliveries = acme.deliveries()
        for n in range(MAILBOX_MESSAGES):
            assert (await take_and_acknowledge(deliveries)).body == str(n).encode()
        await acknowledged(market, MAILBOX_MESSAGES)
        await market.send(message(99))
        assert (await take_and_acknowledge(deliveries)).body == b"99"

    async def test_only_the_admitted_have_a_mailbox(self, harness: Harness) -> None:
        market = await harness.market()
        with pytest.raises(BusMailboxError, match="nobody"):
            await market.send(message(1, to="nobody"))
        await market.admit("acme")
        await market.admit("acme")
        await market.send(message(1))

    @pytest.mark.parametrize("name", ["", "-a", "A", "a.b", "a b", "a>", "*", "a_b", "é", "a" * 64, "a\n"])
    async def test_an_id_that_is_no_token_is_refused(self, harness: Harness, name: str) -> None:
        market = await harness.market()
        with pytest.raises(InvalidIdError, match="participant"):
            await market.admit(name)

    async def test_too_large_a_message_is_refused(self, harness: Harness) -> None:
        market = await harness.market()
        await market.admit("acme")
        body = bytes(MAX_PAYLOAD_BYTES + 1)
        with pytest.raises(BusPayloadError):
            await market.send(OutboxMessage(message_id="1", channel="cfp", participant="acme", body=body))

    # --- closing ---

    async def test_a_closed_participant_ends_its_deliveries_and_refuses(self, harness: Harness) -> None:
        market, acme = await harness.market(), await harness.participant("acme")
        await market.admit("acme")
        await market.start(echo, ignore)

        async def drain() -> int:
            return len([delivery async for delivery in acme.deliveries()])

        draining = asyncio.create_task(drain())
        await asyncio.sleep(0.05)
        await acme.close()
        await acme.close()
        assert await asyncio.wait_for(draining, DEADLINE_S) == 0
        with pytest.raises(BusClosedError):
            await acme.request("bid", b"", timeout_s=1)

    async def test_a_closing_market_still_answers_what_it_took(self, harness: Harness) -> None:
        taken, go = asyncio.Event(), asyncio.Event()

        async def slow(_request: Request) -> bytes:
            taken.set()
            await go.wait()
            return b"done"

        market, acme = await harness.market(), await harness.participant("acme")
        await market.start(slow, ignore)
        asked = asyncio.create_task(acme.request("bid", b"1", timeout_s=DEADLINE_S))
        await asyncio.wait_for(taken.wait(), DEADLINE_S)
        closing = asyncio.create_task(market.close())
        await asyncio.sleep(0)
        go.set()
        await asyncio.wait_for(closing, DEADLINE_S)
        assert await asked == b"done"
        await market.close()
        with pytest.raises(BusTimeoutError):
            await acme.request("bid", b"2", timeout_s=0.1)
        with pytest.raises(BusClosedError):
            await market.admit("acme")

    async def test_a_market_comes_back_and_finds_its_mailboxes(self, harness: Harness) -> None:
        market, acme = await harness.market(), await harness.participant("acme")
        await market.admit("acme")
        await market.send(message(1))
        await market.close()
        successor = await harness.market()
        await successor.admit("acme")
        await successor.send(message(1))  # the outbox row was still open
        await successor.send(message(2))
        deliveries = acme.deliveries()
        assert [(await take_and_acknowledge(deliveries)).body for _ in range(2)] == [b"1", b"2"]
        assert await acknowledged(successor, 2) == ["acme-1", "acme-2"]


class TestMemoryBus(BusContract):
    @pytest.fixture
    async def harness(self) -> AsyncIterator[Harness]:
        made = MemoryHarness()
        yield made
        await made.close()


class TestNatsBus(BusContract):
    @pytest.fixture
    async def harness(self, tmp_path: Path) -> AsyncIterator[Harness]:
        async with EmbeddedNats(tmp_path, "m1") as server:
            made = NatsHarness(server)
            yield made
            with contextlib.suppress(BusClosedError):
                await made.close()
