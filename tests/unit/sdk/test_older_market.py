"""An SDK and a market of different versions: the wire as it was recorded at 0.1.0, and one of the future."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from takt_sdk.codec import DecodeError, decode_envelope, decode_heard, decode_reply, encode
from takt_sdk.mail import Mail, RefusedError
from takt_sdk.model.messages import Envelope, Receipt, Refused, SubmitOrder
from takt_sdk.model.sheet import Bids, BidSheet
from takt_sdk.older import Unknown
from takt_sdk.ports import Delivery, ParticipantBus, RequestChannel
from takt_sdk.role import Outgoing
from takt_sdk.signed_bus import SignedBus
from tests.docs.protocol_samples import SAMPLES
from tests.signers import signer_of
from tests.unit.market.service.small_market import MARKET, PLANTS, SmallMarket, accepted, order, sheet

OLD = json.loads((Path(__file__).parents[2] / "golden" / "protocol-0.1.0.schema.json").read_text())
CLASSES = {
    one["properties"]["kind"]["const"]: name
    for name, one in OLD["$defs"].items()
    if "const" in one.get("properties", {}).get("kind", {})
}
"""Kind → definition, of the messages that 0.1.0 knew."""


def refusal(data: bytes) -> Refused | None:
    """Return how 0.1.0 refuses a message that has something which it does not know."""
    body = json.loads(data)["body"]
    if body["kind"] not in CLASSES:
        return Refused(message_id="unread", code="malformed", detail="no such kind", field="body.kind")
    schema = {"$ref": f"#/$defs/{CLASSES[body['kind']]}", "$defs": OLD["$defs"]}
    for error in jsonschema.Draft202012Validator(schema).iter_errors(body):
        if error.validator == "additionalProperties":
            extra = min(set(error.instance) - set(error.schema["properties"]))
            where = ".".join(["body", *map(str, error.absolute_path), extra])
            return Refused(message_id="unread", code="malformed", detail="no such field", field=where)
    return None


@dataclass
class OlderBus:
    """A participant's bus to a market that reads as 0.1.0 did."""

    bus: ParticipantBus
    refused: list[Refused] = field(default_factory=list)
    taken: list[bytes] = field(default_factory=list)

    async def request(
        self,
        channel: RequestChannel,
        body: bytes,
        *,
        timeout_s: float,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> bytes:
        found = refusal(body)
        if found is not None:
            self.refused.append(found)
            return encode(found)
        self.taken.append(body)
        return await self.bus.request(channel, body, timeout_s=timeout_s, headers=headers)

    def deliveries(self) -> AsyncIterator[tuple[Delivery, Callable[[], Awaitable[None]]]]:
        return self.bus.deliveries()

    async def heartbeat(self, body: bytes) -> None:
        await self.bus.heartbeat(body)

    async def close(self) -> None:
        await self.bus.close()


async def test_a_newer_sdk_bids_on_an_older_market() -> None:
    small, plant = SmallMarket(), PLANTS[0]
    async with small.running() as service:
        await accepted(service, "buyer", order("k"), "o-1")
        await small.pass_time(service, 0)
        round_ = service.state_of().state.round
        assert round_ is not None
        older = OlderBus(small.broker.participant(plant))
        bus = SignedBus(older, MARKET, plant, signer_of(plant))
        mail = Mail(plant)
        now_us = small.clock.now_us()
        for price in (900, 800):
            out = Outgoing(channel="bid", correlation_id=round_.id, body=sheet(round_, plant, price))
            receipt = await mail.deliver(bus, out, now_us, "")
            assert isinstance(receipt, Receipt)
        assert [one.field for one in older.refused] == ["body.stands_by"]
        assert not [one for one in older.taken if b"stands_by" in one]
        answer = service.state_of().state.round
        assert answer is not None
        taken = answer.answers[plant].sheet
        assert taken is not None
        assert taken.bids.fixed_price_minor == (800,)


async def test_what_an_older_market_cannot_know_stays_refused() -> None:
    small, plant = SmallMarket(), PLANTS[0]
    async with small.running() as service:
        await accepted(service, "buyer", order("k"), "o-1")
        await small.pass_time(service, 0)
        round_ = service.state_of().state.round
        assert round_ is not None
        older = OlderBus(small.broker.participant(plant))
        bus = SignedBus(older, MARKET, plant, signer_of(plant))
        body = replace(sheet(round_, plant, 900), stands_by=True)
        out = Outgoing(channel="bid", correlation_id=round_.id, body=body)
        with pytest.raises(RefusedError, match=r"body\.stands_by"):
            await Mail(plant).deliver(bus, out, small.clock.now_us(), "")
        assert len(older.refused) == 1
        assert not older.taken


def enveloped(body: Any) -> bytes:  # noqa: ANN401 - any body
    return encode(
        Envelope(
            message_id="m-1",
            correlation_id="",
            causation_id="",
            sender="acme",
            sequence=0,
            occurred_us=1,
            body=body,
        )
    )


KNOWN = [one for one in SAMPLES if one.kind in CLASSES]


@pytest.mark.parametrize("body", KNOWN, ids=[one.kind for one in KNOWN])
def test_every_message_that_0_1_0_knew_can_be_said_to_it(body: object) -> None:
    """Holds for messages whose later fields are at their default; a sample sets none of them."""
    unknown, data = Unknown(), enveloped(body)
    while (refused := refusal(unknown.spelt(data))) is not None:
        assert unknown.learns(data, refused), refused
    assert decode_envelope(unknown.spelt(data)).body == body


def test_a_field_of_the_elements_of_a_list_is_left_out_of_each() -> None:
    body = order("k")
    assert isinstance(body, SubmitOrder)
    data, unknown = enveloped(body), Unknown()
    refused = Refused(
        message_id="unread", code="malformed", detail="", field="body.plan.lots.0.quantity_per_piece"
    )
    assert unknown.learns(data, refused)
    assert b"quantity_per_piece" in data
    assert b"quantity_per_piece" not in unknown.spelt(data)
    assert decode_envelope(unknown.spelt(data)).body == body
    assert not unknown.learns(data, refused)  # once: a second refusal is for good


def test_a_field_that_is_not_at_its_default_is_said_whatever_was_refused_before() -> None:
    unknown, empty = Unknown(), BidSheet(round_id="r-1", expires_us=5)
    for where in ("body.stands_by", "body.bids", "body.plan.lots.0.quantity_per_piece"):
        refused = Refused(message_id="unread", code="malformed", detail="", field=where)
        assert unknown.learns(enveloped(order("k") if "plan" in where else empty), refused)
    bids = Bids(
        id=("b",),
        site=("s",),
        start_us=(1,),
        end_us=(2,),
        fixed_price_minor=(900,),
        unit_price_minor=(0,),
        min_quantity=(0,),
        emissions_g=(0,),
        item_offset=(0, 1),
        item_lot=("l",),
        item_quantity=(1,),
        use_offset=(0, 0),
        group_offset=(0, 0),
    )
    one = order("k")
    assert isinstance(one, SubmitOrder)
    assert one.plan is not None
    pairs = replace(one.plan, lots=tuple(replace(lot, quantity_per_piece=2) for lot in one.plan.lots))
    for body in (replace(empty, stands_by=True), replace(empty, bids=bids), replace(one, plan=pairs)):
        assert decode_envelope(unknown.spelt(enveloped(body))).body == body


@pytest.mark.parametrize(
    ("code", "where"),
    [
        ("malformed", "body.0"),
        ("malformed", "body.terms.quantity"),
        ("malformed", "body.idempotency_key"),
        ("malformed", "body.nothing.at_all"),
        ("malformed", "sender"),
        ("malformed", "body"),
        ("malformed", ""),
        ("invalid", "body.plan.lots.0.quantity_per_piece"),
    ],
)
def test_any_other_refusal_stands(code: Any, where: str) -> None:  # noqa: ANN401 - a refusal's word
    refused = Refused(message_id="unread", code=code, detail="", field=where)
    assert not Unknown().learns(enveloped(order("k")), refused)


def test_what_a_newer_market_adds_is_ignored_and_nothing_else() -> None:
    data = encode(Receipt(message_id="m-1", position=3, leaf="ab", size=4, root="cd"))
    more = data[:-1] + b',"from_the_future":{"more":[1]}}'
    assert decode_reply(more) == decode_reply(data)
    for wrong in (data[:-1] + b',"size":4}', data[:-1] + b',"a":NaN}', data.replace(b"3", b'"3"')):
        with pytest.raises(DecodeError):
            decode_reply(wrong)
    said = enveloped(BidSheet(round_id="r-1", expires_us=5))
    newer = said[:-2] + b',"from_the_future":1}}'
    assert decode_heard(newer) == decode_envelope(said)
    with pytest.raises(DecodeError, match="from_the_future"):
        decode_envelope(newer)
