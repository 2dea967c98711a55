from __future__ import annotations

import json

import pytest

from market.model.commands import Body, OpenMarket
from market.model.rules import Rules
from takt_sdk.codec import decode_reply, encode
from takt_sdk.model.messages import (
    CancelOrder,
    DeclineCall,
    Heartbeat,
    QuerySync,
    Receipt,
    Refused,
    SyncReply,
    Tick,
)
from takt_sdk.ports import RequestChannel
from tests.unit.market.service.small_market import DEADLINE_S, SmallMarket, accepted, order, states


async def _raw(small: SmallMarket, channel: RequestChannel, body: bytes, sender: str = "buyer") -> Refused:
    raw = await small.broker.participant(sender).request(channel, body, timeout_s=DEADLINE_S)
    reply = decode_reply(raw)
    assert isinstance(reply, Refused), reply
    return reply


def _envelope(**changes: object) -> dict[str, object]:
    return {
        "message_id": "m-1",
        "correlation_id": "",
        "causation_id": "",
        "sender": "buyer",
        "sequence": 0,
        "occurred_us": 1,
        "body": json.loads(encode(order("k"))),
    } | changes


def _operators(body: OpenMarket | Tick) -> bytes:
    return json.dumps(_envelope(body=json.loads(encode(body)))).encode()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", ""),
        (b"\xff\xfe", ""),
        (b"[]", ""),
        (b'{"message_id": "m-1"}', "correlation_id"),
        (b'{"sequence": NaN}', ""),
        (b'{"sequence": 1, "sequence": 2}', ""),
        (b"[" * 100_000, ""),
        (json.dumps(_envelope(sequence=1.5)).encode(), "sequence"),
        (json.dumps(_envelope(sequence=-1)).encode(), "sequence"),
        (json.dumps(_envelope(sequence=2**63)).encode(), "sequence"),
        (json.dumps(_envelope(more=1)).encode(), "more"),
        (json.dumps(_envelope(message_id="a b")).encode(), "message_id"),
        (json.dumps(_envelope(sender="\ud800")).encode(), ""),
        (json.dumps(_envelope(body={"kind": "takt.surprise.v1"})).encode(), "body.kind"),
        (
            json.dumps(_envelope(body={"kind": "takt.cancel_order.v1", "order_id": ""})).encode(),
            "body.order_id",
        ),
        (_operators(Tick(now_us=2**52)), "body.kind"),
        (_operators(OpenMarket(market="mine", rules=Rules())), "body.kind"),
    ],
)
async def test_bytes_that_are_no_message_are_refused_with_the_field(
    small: SmallMarket, body: bytes, field: str
) -> None:
    async with small.running() as service:
        size = service.state_of().state.size
        refused = await _raw(small, "order", body)
        assert (refused.code, refused.message_id) == ("malformed", "unread")
        assert refused.field == field
        assert refused.detail
        assert service.state_of().state.size == size


@pytest.fixture
def small() -> SmallMarket:
    return SmallMarket()


CANCEL = CancelOrder(order_id="o-1")
DECLINE = DeclineCall(round_id="r-000001", code="other")


@pytest.mark.parametrize(
    ("channel", "sender", "named", "body", "expected"),
    [
        ("order", "rival", "buyer", order("k"), ("not_allowed", "sender", "buyer")),
        ("order", "stranger", "stranger", order("k"), ("not_allowed", "sender", "stranger")),
        ("query", "stranger", "stranger", QuerySync(), ("not_allowed", "sender", "stranger")),
        ("bid", "buyer", "buyer", order("k"), ("invalid", "body.kind", "takt.submit_order.v1")),
        ("order", "anna", "anna", DECLINE, ("invalid", "body.kind", "takt.decline_call.v1")),
        ("query", "anna", "anna", DECLINE, ("invalid", "body.kind", "takt.decline_call.v1")),
        ("order", "buyer", "buyer", QuerySync(), ("invalid", "body.kind", "takt.query_sync.v1")),
        ("report", "buyer", "buyer", Heartbeat(), ("invalid", "body.kind", "takt.heartbeat.v1")),
        ("order", "anna", "anna", order("k"), ("not_allowed", "sender", "anna")),
        ("order", "buyer", "buyer", CANCEL, ("unknown", "order_id", "o-1")),
        ("bid", "anna", "anna", DECLINE, ("unknown", "round_id", "r-000001")),
    ],
)
async def test_what_a_sender_may_not_say_is_refused_with_field_and_value(
    small: SmallMarket,
    channel: RequestChannel,
    sender: str,
    named: str,
    body: Body,
    expected: tuple[str, str, str],
) -> None:
    async with small.running() as service:
        size = service.state_of().state.size
        reply = await small.ask(channel, sender, body, named=named)
        assert isinstance(reply, Refused)
        assert (reply.code, reply.field, reply.value) == expected
        assert (reply.message_id, reply.retryable) == ("m-1", False)
        assert service.state_of().state.size == size


async def test_a_query_shows_ones_own_and_nothing_else(small: SmallMarket) -> None:
    async with small.running() as service:
        mine = await accepted(service, "buyer", order("mine"), "m-1")
        theirs = await accepted(service, "rival", order("theirs"), "m-2")
        await small.pass_time(service, 0)
        assert isinstance(await small.bid(service, "anna", 1_000), Receipt)
        answers = {}
        for name in ("buyer", "rival", "anna", "bert"):
            reply = await small.ask("query", name, QuerySync())
            assert isinstance(reply, SyncReply)
            assert reply.participant == name
            answers[name] = reply
        assert [one.order_id for one in answers["buyer"].orders] == [mine.subject_id]
        assert [one.order_id for one in answers["rival"].orders] == [theirs.subject_id]
        assert [len(answers[name].sheets) for name in ("anna", "bert")] == [1, 0]
        assert [call.participant for call in answers["bert"].calls] == ["bert"]
        assert answers["buyer"].calls == ()
        secret = encode(answers["bert"])
        assert b"limit" not in secret
        assert b"reservation" not in secret
        assert states(service) == {"mine": "calling", "theirs": "calling"}


async def test_another_customers_order_does_not_exist(small: SmallMarket) -> None:
    async with small.running() as service:
        mine = await accepted(service, "buyer", order("mine"), "m-1")
        cancel = CancelOrder(order_id=mine.subject_id)
        theirs = await small.ask("order", "rival", cancel)
        unknown = await small.ask("order", "rival", CancelOrder(order_id="o-unknown"))
        assert isinstance(theirs, Refused)
        assert isinstance(unknown, Refused)
        assert (theirs.code, theirs.detail) == (unknown.code, unknown.detail)
        assert states(service) == {"mine": "submitted"}


async def test_a_message_over_the_bus_is_journaled_as_it_was_received(small: SmallMarket) -> None:
    async with small.running():
        spaced = json.dumps(_envelope(), indent=1).encode()
        raw = await small.bus("buyer").request("order", spaced, timeout_s=DEADLINE_S)
        receipt = decode_reply(raw)
        assert isinstance(receipt, Receipt)
        (stored,) = small.journal.read(receipt.position, receipt.position + 1)
        assert (stored.entry.message, stored.entry.source) == (spaced, "order")
        assert stored.leaf.hex() == receipt.leaf
