"""A company's mail on the bus in memory, with the market's side of the conversation written out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest

from agents.roles.plant import PlantRole
from market.adapters.memory_bus import MemoryBroker
from market.ports import OutboxMessage, Request
from takt_sdk.codec import decode_envelope, encode
from takt_sdk.company import Company
from takt_sdk.mail import Mail, RefusedError
from takt_sdk.model.messages import (
    ContractStatus,
    DeclineCall,
    Envelope,
    QuerySync,
    Receipt,
    Refused,
    ReportMilestone,
    SheetStatus,
    SyncReply,
    WireBody,
)
from takt_sdk.model.sheet import BidSheet
from takt_sdk.pace import Pace
from takt_sdk.ports import ParticipantBus
from takt_sdk.role import Outgoing
from tests.unit.agents.companies import MONDAY_US, call, contract_of, lot, plant

RECEIPT = Receipt(message_id="m-1", position=0, leaf="00", size=1, root="00")
AGAIN = Refused(message_id="m-1", code="state", detail="stopping", retryable=True)
NEVER = Refused(message_id="m-1", code="dates", detail="too late", field="at_us", value="7")
DECLINE = Outgoing(channel="bid", correlation_id="r-1", body=DeclineCall(round_id="r-1", code="dates"))


async def market(
    answers: Callable[[Envelope[WireBody]], Receipt | Refused | SyncReply | bytes],
    *,
    max_payload: int = 1 << 20,
) -> tuple[MemoryBroker, list[Envelope[WireBody]]]:
    """Return a broker whose market side answers as told, and what it has heard."""
    heard: list[Envelope[WireBody]] = []
    broker = MemoryBroker("test", max_payload=max_payload)

    async def take(request: Request) -> bytes:
        envelope = decode_envelope(request.body)
        heard.append(envelope)
        reply = answers(envelope)
        return reply if isinstance(reply, bytes) else encode(reply)

    await broker.market().start(take, lambda _participant, _body: None)
    return broker, heard


def connect_to(broker: MemoryBroker) -> Callable[[], Awaitable[ParticipantBus]]:
    async def connect() -> ParticipantBus:
        return broker.participant("acme")

    return connect


async def test_a_message_is_repeated_with_the_same_bytes_until_it_has_a_receipt() -> None:
    replies: Iterator[Receipt | Refused | bytes] = iter([AGAIN, b"{", AGAIN, RECEIPT])
    broker, heard = await market(lambda _: next(replies))
    mail = Mail("acme")
    assert await mail.deliver(broker.participant("acme"), DECLINE, 5, "m-cause") == RECEIPT
    assert len(heard) == 4
    assert len({encode(envelope) for envelope in heard}) == 1
    assert (heard[0].sequence, heard[0].causation_id, heard[0].correlation_id) == (1, "m-cause", "r-1")
    assert mail.sent == 1


async def test_a_refusal_for_good_names_what_is_wrong() -> None:
    broker, heard = await market(lambda _: NEVER)
    mail = Mail("acme")
    with pytest.raises(RefusedError, match="dates: at_us too late; was '7'"):
        await mail.deliver(broker.participant("acme"), DECLINE, 5, "")
    assert len(heard) == 1
    assert (mail.refused, mail.last_refusal[:22]) == (1, "takt.decline_call.v1 d")


def test_numbers_rise_per_conversation_and_ids_follow_content() -> None:
    mail, other = Mail("acme"), Mail("acme")
    first, _ = mail.seal("r-1", DECLINE.body, 1)
    second, _ = mail.seal("r-1", DECLINE.body, 1)
    assert first != second
    assert other.seal("r-1", DECLINE.body, 99)[0] == first
    assert Mail("forge").seal("r-1", DECLINE.body, 1)[0] != first
    assert [decode_envelope(mail.seal("", QuerySync(), 1)[1]).sequence for _ in range(2)] == [0, 0]


def test_numbering_goes_on_from_what_the_market_has() -> None:
    (out,) = PlantRole(plant()).handle(call(lot()), MONDAY_US)
    assert isinstance(out.body, BidSheet)
    contract = contract_of(out.body, 0, "acme")
    reply = SyncReply(
        participant="acme",
        now_us=MONDAY_US,
        calls=(),
        sheets=(SheetStatus(round_id="r-1", sequence=3, position=9),),
        contracts=(ContractStatus(contract=contract, state="confirmed", report_sequence=1),),
        orders=(),
    )
    mail = Mail("acme")
    mail.seal("r-9", DECLINE.body, 1)
    mail.restore(reply)
    numbers = [
        decode_envelope(mail.seal(name, DECLINE.body, 1)[1]).sequence for name in ("r-1", contract.id, "r-9")
    ]
    assert numbers == [4, 2, 1]


def sync(now_us: int = MONDAY_US) -> SyncReply:
    return SyncReply(participant="acme", now_us=now_us, calls=(), sheets=(), contracts=(), orders=())


def called(broker: MemoryBroker, lots: int) -> Awaitable[None]:
    """Send a call with that many lots."""
    body = call(*(lot(f"o-{index}.mill") for index in range(lots)))
    envelope = Envelope(
        message_id="m-call",
        correlation_id="r-1",
        causation_id="",
        sender="test",
        sequence=0,
        occurred_us=MONDAY_US,
        body=body,
    )
    return broker.market().send(
        OutboxMessage(message_id="m-call", channel="cfp", participant="acme", body=encode(envelope))
    )


async def started(broker: MemoryBroker) -> Company:
    company = Company("acme", lambda: PlantRole(plant()), connect_to(broker), Pace())
    await broker.market().admit("acme")
    await company.start()
    return company


async def acknowledged(broker: MemoryBroker, message_id: str) -> None:
    async with asyncio.timeout(10):
        while message_id not in broker.acknowledged:  # noqa: ASYNC110 - the bus tells it to nobody else
            await asyncio.sleep(0.001)


async def test_a_call_is_acknowledged_after_the_answer_has_its_receipt() -> None:
    order: list[str] = []

    def answers(envelope: Envelope[WireBody]) -> Receipt | SyncReply:
        if isinstance(envelope.body, QuerySync):
            return sync()
        order.append(f"answer, acknowledged {broker.acknowledged}")
        return RECEIPT

    broker, _ = await market(answers)
    company = await started(broker)
    await called(broker, 2)
    await acknowledged(broker, "m-call")
    assert order == ["answer, acknowledged []"]
    assert company.status().sent == 1
    await company.stop()


async def test_a_sheet_that_is_too_large_for_the_bus_becomes_a_refusal_of_the_call() -> None:
    broker, heard = await market(
        lambda envelope: sync() if isinstance(envelope.body, QuerySync) else RECEIPT, max_payload=8_000
    )
    company = await started(broker)
    await called(broker, 25)
    await acknowledged(broker, "m-call")
    answer = heard[-1].body
    assert isinstance(answer, DeclineCall)
    assert answer.code == "other"
    assert "at most 8000 bytes" in answer.detail
    await company.stop()


async def test_a_report_that_is_refused_makes_the_company_ask_how_things_stand() -> None:
    (out,) = PlantRole(plant()).handle(call(lot()), MONDAY_US)
    assert isinstance(out.body, BidSheet)
    contract = contract_of(out.body, 0, "acme")
    statuses = iter(
        [
            (ContractStatus(contract=contract, state="confirmed", report_sequence=1),),
            (),
        ]
    )

    def answers(envelope: Envelope[WireBody]) -> Receipt | Refused | SyncReply:
        if isinstance(envelope.body, QuerySync):
            return SyncReply(
                participant="acme",
                now_us=MONDAY_US,
                calls=(),
                sheets=(),
                contracts=next(statuses),
                orders=(),
            )
        return NEVER

    broker, heard = await market(answers)
    company = await started(broker)
    await company.advance(contract.end_us)
    kinds = [envelope.body.milestone for envelope in heard if isinstance(envelope.body, ReportMilestone)]
    assert kinds[0] == "started"
    assert sum(isinstance(envelope.body, QuerySync) for envelope in heard) == 2
    assert isinstance(company.role, PlantRole)
    assert company.role.execution.running == {}
    before = len(heard)
    await company.advance(contract.end_us + 1)
    assert len(heard) == before
    await company.stop()


async def test_a_market_that_keeps_refusing_is_not_asked_for_ever() -> None:
    (out,) = PlantRole(plant()).handle(call(lot()), MONDAY_US)
    assert isinstance(out.body, BidSheet)
    contract = contract_of(out.body, 0, "acme")
    status = ContractStatus(contract=contract, state="awarded", report_sequence=0)
    now = iter(range(MONDAY_US, MONDAY_US + 100))

    def answers(envelope: Envelope[WireBody]) -> Refused | SyncReply:
        if isinstance(envelope.body, QuerySync):
            return SyncReply(
                participant="acme", now_us=next(now), calls=(), sheets=(), contracts=(status,), orders=()
            )
        return NEVER

    broker, heard = await market(answers)
    company = await started(broker)
    assert sum(isinstance(envelope.body, QuerySync) for envelope in heard) == 3
    await company.advance(MONDAY_US + 200)
    assert company.status().last_refusal.startswith("takt.report_milestone.v1 dates")
    assert company.status().handled == 1
    await company.stop()
