"""A program that only speaks 2193 frames takes part in an auction of the real market, in memory."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from market.adapters.journal_memory import MemoryJournal
from market.adapters.manual_clock import ManualClock
from market.adapters.memory_bus import MemoryBroker
from market.adapters.vdi2193 import Bridge, NotCarriedError, Parties
from market.engine.admission import OPERATOR
from market.ports import MarketBus
from market.protocol.script import MARKET, PLAN, START_US, TERMS, opening
from market.service.clearing_worker import InlineClearer
from market.service.lottery import Lottery
from market.service.service import MarketService
from takt_sdk.codec import decode_reply, encode
from takt_sdk.model.messages import (
    DeclineCall,
    Envelope,
    ParticipantCommand,
    PublishPart,
    Receipt,
    SubmitOrder,
)
from takt_sdk.model.plan import Part
from takt_sdk.model.values import DAY_US, HOUR_US
from takt_sdk.ports import RequestChannel
from tests.contract.journal_contract import CountingEntropy

BIDDING = "http://www.vdi.de/gma720/vdi2193_2/bidding"
PLANT, REQUESTER = "https://acme.example/aas/1", "urn:takt:market:demo"
PARTIES = Parties(
    market=MARKET, participant="acme", market_aas=REQUESTER, participant_aas=PLANT, currency="EUR", site="ulm"
)
DEADLINE_S = 20.0
Json = dict[str, Any]


class Program:
    """A plant's own program: it knows frames and the provider's machine, nothing of Takt."""

    def __init__(self) -> None:
        self.taken: asyncio.Queue[Json] = asyncio.Queue()
        self._out: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._count = 0

    async def send(self, frame: bytes) -> None:
        self.taken.put_nowait(json.loads(frame))

    async def frames(self) -> AsyncIterator[bytes]:
        while (data := await self._out.get()) is not None:
            yield data

    def leave(self) -> None:
        self._out.put_nowait(None)

    def raw(self, data: bytes) -> None:
        self._out.put_nowait(data)

    def say(self, type_: str, to: Json, elements: tuple[Json, ...] = (), **more: Any) -> bytes:  # noqa: ANN401
        """Answer a frame in the spelling of an open implementation."""
        self._count += 1
        head = {
            "semanticProtocol": {"keys": [{"type": "GlobalReference", "value": BIDDING}]},
            "type": type_,
            "messageId": f"https://acme.example/messages/{self._count}",
            "sender": {"identification": {"id": PLANT}, "role": {"name": "ServiceProvider"}},
            "receiver": to["frame"]["sender"],
            "conversationId": to["frame"]["conversationId"],
            "inReplyTo": to["frame"]["messageId"],
            **more,
        }
        data = json.dumps({"frame": head, "interactionElements": list(elements)}).encode()
        self.raw(data)
        return data

    async def next(self) -> tuple[str, Json]:
        """Return type and whole of the next frame that came."""
        async with asyncio.timeout(DEADLINE_S):
            frame = await self.taken.get()
        return frame["frame"]["type"], frame


def prop(semantic: str, value: object) -> Json:
    key = {"type": "GlobalReference", "value": semantic}
    return {"modelType": "Property", "semanticId": {"keys": [key]}, "value": value}


def price(amount: str) -> tuple[Json, ...]:
    """Return an offer in eclass words only: net price, currency, assured date."""
    return (
        prop("0173-1#02-BAF749#003", amount),
        prop("0173-1#02-AAO288#006", "EUR"),
        prop("0173-1#02-ABH165#002", "2026-06-05"),
    )


def statement(milestone: str, contract_id: str, at_us: int) -> tuple[Json, ...]:
    at = "2026-06-03T00:00:00.000000Z" if at_us == START_US + 2 * DAY_US else "2026-06-02T00:00:00Z"
    return tuple(
        {"modelType": "Property", "idShort": name, "value": value}
        for name, value in (
            ("about", "milestone"), ("contractId", contract_id), ("milestone", milestone), ("at", at),
        )
    )  # fmt: skip


class Market:
    """The real market, and those of its participants that speak its own language."""

    broker: MemoryBroker

    def __init__(self, service: MarketService, clock: ManualClock) -> None:
        self.service, self.clock = service, clock
        self._numbers: dict[str, int] = {}

    async def ask(
        self, participant: str, channel: RequestChannel, body: ParticipantCommand, sequence: int = 0
    ) -> None:
        self._numbers[participant] = number = self._numbers.get(participant, 0) + 1
        envelope = Envelope(
            message_id=f"{participant}-{number}", correlation_id="", causation_id="", sender=participant,
            sequence=sequence, occurred_us=self.clock.now_us(), body=body,
        )  # fmt: skip
        bus = self.broker.participant(participant)
        reply = decode_reply(await bus.request(channel, encode(envelope), timeout_s=DEADLINE_S))
        assert isinstance(reply, Receipt), reply

    async def tick(self, now_us: int) -> None:
        self.clock.set(now_us)
        await self.service.tick(now_us)

    async def order(self) -> None:
        await self.ask("buyer", "order", PublishPart(part=Part(id="bracket", name="Bracket", plan=PLAN)))
        await self.ask("buyer", "order", SubmitOrder(idempotency_key="k", part_id="bracket", terms=TERMS))
        await self.tick(START_US + 10)

    async def decline(self, round_id: str = "r-000001") -> None:
        await self.ask("forge", "bid", DeclineCall(round_id=round_id, code="dates"), sequence=1)

    def order_state(self) -> str:
        (record,) = self.service.state_of().state.orders.values()
        return record.state

    def contract(self) -> tuple[str, str, str]:
        (record,) = self.service.state_of().state.contracts.values()
        return record.contract.id, record.contract.participant, record.state

    def answers(self) -> dict[str, int]:
        round_ = self.service.state_of().state.rounds["r-000001"]
        return {name: answer.sequence for name, answer in round_.answers.items()}


@contextlib.asynccontextmanager
async def market() -> AsyncIterator[Market]:
    broker = MemoryBroker(MARKET, ack_wait_s=0.2)
    async with market_on(broker.market()) as running:
        running.broker = broker
        yield running


@contextlib.asynccontextmanager
async def market_on(bus: MarketBus) -> AsyncIterator[Market]:
    """Open the market of the published example over a bus."""
    clock = ManualClock(START_US)
    service = MarketService(
        MemoryJournal(entropy=CountingEntropy()), bus, clock=clock, clearer=InlineClearer(),
        lottery=Lottery(bytes(32)), tick_s=None,
    )  # fmt: skip
    async with service:
        for number, command in enumerate(opening()):
            reply = await service.submit(OPERATOR, command, message_id=f"opening-{number}")
            assert isinstance(reply, Receipt), reply
        yield Market(service, clock)


@contextlib.asynccontextmanager
async def bridged(running: Market) -> AsyncIterator[Program]:
    program = Program()
    bus = running.broker.participant("acme")
    task = asyncio.create_task(Bridge(bus, program, PARTIES, running.clock).run())
    try:
        yield program
    finally:
        program.leave()
        await task
        await bus.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - it has no event of its own
            await asyncio.sleep(0.002)


async def called(running: Market, program: Program) -> Json:
    """Bring about a call and return its frame."""
    await running.order()
    type_, call = await program.next()
    assert type_ == "callForProposals"
    return call


async def accepted(running: Market, program: Program) -> Json:
    """Bring about an award and return its frame."""
    call = await called(running, program)
    program.say("offer", call, price("2000.00"))
    assert (await program.next())[0] == "consent"
    await running.decline()
    type_, acceptance = await program.next()
    assert type_ == "offerAcceptance"
    return acceptance


async def test_a_program_that_speaks_only_frames_wins_an_order_and_makes_it() -> None:
    async with market() as running, bridged(running) as program:
        call = await called(running, program)
        assert call["frame"]["sender"]["identification"]["id"] == REQUESTER
        assert call["frame"]["receiver"]["identification"]["id"] == PLANT
        assert call["frame"]["replyBy"] == (START_US + 10 + HOUR_US) // 1000
        assert call["frame"]["conversationId"] == "r-000001"

        program.say("proposal", call, price("2000.00"))
        type_, receipt = await program.next()
        assert type_ == "consent"
        assert receipt["frame"]["replyTo"] == "https://acme.example/messages/1"
        await running.decline()

        type_, acceptance = await program.next()
        assert type_ == "offerAcceptance"
        assert acceptance["frame"]["conversationId"] == "r-000001"
        assert running.order_state() == "awarded"

        program.say("confirming", acceptance)
        assert (await program.next())[0] == "consent"
        contract_id, participant, state = running.contract()
        assert (participant, state) == ("acme", "confirmed")
        assert running.order_state() == "confirmed"

        await running.tick(START_US + 2 * DAY_US)
        program.say("informConfirm", acceptance)
        assert (await program.next())[0] == "consent"
        assert running.contract()[2] == "finished"
        for milestone in ("shipped", "delivered"):
            program.say("informing", acceptance, statement(milestone, contract_id, START_US + 2 * DAY_US))
            assert (await program.next())[0] == "consent"
        await running.tick(START_US + 2 * DAY_US + 1)
        type_, settled = await program.next()
        assert type_ == "informing"
        assert "settled" in json.dumps(settled)
        assert running.order_state() == "settled"


async def test_a_dearer_offer_is_rejected() -> None:
    async with market() as running, bridged(running) as program:
        call = await called(running, program)
        program.say("propose", call, price("99999.00"))
        assert (await program.next())[0] == "consent"
        await running.decline()
        assert (await program.next())[0] == "offerRejection"
        assert running.order_state() == "unserved"


async def test_a_second_offer_replaces_the_first_and_a_repeated_frame_does_not() -> None:
    async with market() as running, bridged(running) as program:
        call = await called(running, program)
        first = program.say("offer", call, price("3000.00"))
        _, receipt = await program.next()
        program.raw(first)
        assert (await program.next())[1] == receipt
        assert running.answers() == {"acme": 1}
        program.say("offer", call, price("2500.00"))
        assert (await program.next())[0] == "consent"
        assert running.answers() == {"acme": 2}
        program.raw(first.replace(b"3000.00", b"1.00"))
        type_, refused = await program.next()
        assert type_ == "notUnderstood"
        assert "frame.messageId" in json.dumps(refused)
        assert running.answers() == {"acme": 2}


@pytest.mark.parametrize("type_", ["refusal", "notUnderstood", "cancel"])
async def test_a_call_that_is_refused_holds_up_nobody(type_: str) -> None:
    async with market() as running, bridged(running) as program:
        call = await called(running, program)
        program.say(type_, call)
        assert (await program.next())[0] == "consent"
        await running.decline()
        await until(lambda: running.order_state() == "unserved")


async def test_what_cannot_be_understood_is_said_by_field_and_changes_nothing() -> None:
    async with market() as running, bridged(running) as program:
        call = await called(running, program)
        program.raw(b"{}")
        program.say("shout", call)
        program.say("offer", call, price("a lot"))
        program.say("offer", call, price("2000.00"), conversationId="r-000099")
        program.say("offer", call, price("2000.00"), sender="https://forge.example")
        program.say("confirming", call)
        said = [await program.next() for _ in range(6)]
        assert [type_ for type_, _ in said] == ["notUnderstood"] * 3 + ["refusal"] * 3
        for (_, frame), field in zip(
            said,
            ("frame", "frame.type", "interactionElements", "conversationId", "frame.sender", "frame.type"),
            strict=True,
        ):
            assert field in json.dumps(frame)
        assert running.answers() == {}
        program.say("offer", call, price("2000.00"))
        assert (await program.next())[0] == "consent"


async def test_what_the_market_refuses_comes_back_as_a_refusal_with_its_code() -> None:
    async with market() as running, bridged(running) as program:
        call = await called(running, program)
        program.say("offer", call, (*price("2000.00")[:2], prop("0173-1#02-ABH165#002", "2027-01-01")))
        type_, refused = await program.next()
        assert type_ == "refusal"
        assert "dates" in json.dumps(refused)
        assert "bids.end_us[0]" in json.dumps(refused)


async def test_refusal_after_acceptance_puts_the_order_at_risk_and_calls_again() -> None:
    async with market() as running, bridged(running) as program:
        acceptance = await accepted(running, program)
        program.say("refusal", acceptance)
        assert (await program.next())[0] == "consent"
        assert running.contract()[2] == "ended"
        assert running.order_state() == "at_risk"
        await running.tick(START_US + 6 * HOUR_US + 10)
        type_, call = await program.next()
        assert (type_, call["frame"]["conversationId"]) == ("callForProposals", "r-000002")


async def test_silence_after_acceptance_ends_the_contract_by_a_cancelling() -> None:
    async with market() as running, bridged(running) as program:
        await accepted(running, program)
        await running.tick(START_US + 2 * DAY_US)
        type_, notice = await program.next()
        assert type_ == "cancelling"
        assert "not confirmed in time" in json.dumps(notice)
        assert notice["frame"]["conversationId"] == "r-000001"


async def test_a_breakdown_is_told() -> None:
    async with market() as running, bridged(running) as program:
        acceptance = await accepted(running, program)
        program.say("informing", acceptance, (
            {"idShort": "about", "value": "breakdown"}, {"idShort": "noticeId", "value": "b-1"},
            {"idShort": "resource", "value": "mill-1"},
            {"idShort": "window", "value": [{"idShort": "start", "value": "2026-06-01T00:00:00Z"},
                                            {"idShort": "end", "value": "2026-06-30T00:00:00Z"}]},
        ))  # fmt: skip
        assert (await program.next())[0] == "consent"


async def test_a_new_bridge_goes_on_where_the_old_one_stopped() -> None:
    async with market() as running:
        async with bridged(running) as program:
            call = await called(running, program)
            program.say("offer", call, price("3000.00"))
            assert (await program.next())[0] == "consent"
        async with bridged(running) as program:
            program.say("offer", call, price("2000.00"))
            assert (await program.next())[0] == "consent"
            assert running.answers() == {"acme": 2}
            await running.decline()
            assert (await program.next())[0] == "offerAcceptance"
        async with bridged(running) as program:
            program.say("confirming", call)
            assert (await program.next())[0] == "consent"
            assert running.contract()[2] == "confirmed"
            program.say("queryRef", call)
            type_, status = await program.next()
            assert type_ == "informing"
            assert running.contract()[0] in json.dumps(status)


async def test_a_call_that_was_not_answered_is_shown_to_the_next_bridge() -> None:
    async with market() as running:
        async with bridged(running) as program:
            await called(running, program)
        async with bridged(running) as program:
            assert (await program.next())[0] == "callForProposals"
            assert program.taken.empty()


async def test_a_participant_that_the_market_does_not_know_is_told_so() -> None:
    async with market() as running:
        bus = running.broker.participant("nobody")
        parties = Parties(
            market=MARKET, participant="nobody", market_aas=REQUESTER, participant_aas=PLANT,
            currency="EUR", site="ulm",
        )  # fmt: skip
        with pytest.raises(NotCarriedError, match="nobody"):
            await Bridge(bus, Program(), parties, running.clock).run()
