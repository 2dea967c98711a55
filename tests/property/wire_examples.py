"""At least one message and one event of every kind, most of them as a random walk makes them."""

from __future__ import annotations

import json
from base64 import b64encode
from functools import cache
from random import Random
from typing import get_args

from market.adapters.codec import decode_envelope, decode_events
from market.engine.admission import OPERATOR
from market.engine.views import sync_reply
from market.model.commands import (
    AdmitParticipant,
    Body,
    OpenedSeal,
    OpenSeals,
    PublishMarketKey,
    PublishNetwork,
    ReinstateParticipant,
    RevokeParticipant,
    RotateKey,
    SuspendParticipant,
    VoidRound,
)
from market.model.events import AnswerOpened, EquivocationSeen, Event, SealedReceived, SealsOpened
from takt_sdk.model.capability import Capability, Qualification, Requirement, WorkEnvelope
from takt_sdk.model.messages import (
    BidRefusal,
    BidsRefused,
    ContractAmended,
    DeclineCall,
    Envelope,
    Heartbeat,
    OrderNotice,
    PublishPart,
    QuerySync,
    Receipt,
    Refused,
    UnservedReason,
)
from takt_sdk.model.plan import Document, Part, PlannedLot, ProcessPlan
from takt_sdk.model.proof import CommitHead, LogEntry, LogReply, ProofReply, ProvenEntry, QueryLog, QueryProof
from takt_sdk.model.sealed import SEAL_OVERHEAD, SEALED_SIZES, SealedSheet
from tests.property.engine_walk import Walk
from tests.property.plain_values import plain
from tests.signers import market_signer, signer_of
from tests.unit.market.engine.market import NETWORK, START_US, Market, Offer, cancellation, sheet

BODY_KINDS = {member.__dataclass_fields__["kind"].default for member in get_args(Body)}
EVENT_KINDS = {member.__dataclass_fields__["kind"].default for member in get_args(Event)}

WALKS = 3
"""Walks that are taken; kinds that they do not meet are made plainly."""

PART = Part(
    id="part.1",
    name="A part",
    plan=ProcessPlan(
        lots=(
            PlannedLot(
                id="mill",
                kind="operation",
                requirement=Requirement(
                    process="milling",
                    material="steel",
                    envelope=WorkEnvelope(x_um=1, y_um=2, z_um=3),
                    tolerance_um=10,
                    certificates=("iso-9001",),
                ),
            ),
        )
    ),
    documents=(Document(sha256="ab" * 32, name="drawing é"),),
)


PROOF = ProofReply(
    participant="ada",
    size=9,
    root="ab" * 32,
    head_us=5,
    head_signature="c2ln",
    since_size=3,
    consistency=("cd" * 32,),
    entries=(
        ProvenEntry(
            position=1,
            entered_us=4,
            channel="order",
            message="{}",
            key=signer_of("ada").key,
            signature="c2ln",
            salt="ef" * 16,
            outcome="01" * 32,
            leaf="23" * 32,
            proof=("45" * 32, "67" * 32),
        ),
    ),
)

LOG = LogReply(
    participant="ada",
    size=9,
    start=7,
    offset=0,
    entries=(
        LogEntry(
            now_us=5,
            source="bid",
            message="{}",
            events="[]",
            engine_version="2",
            rules_version=1,
            key=signer_of("ada").key,
            signature="c2ln",
            salt="ef" * 16,
        ),
    ),
    part="",
    part_of=0,
    heads=(CommitHead(size=8, root="ab" * 32, at_us=5, signature="c2ln"),),
)

SEEN = EquivocationSeen(
    participant="mill-a",
    conversation="r-1",
    sequence=3,
    position=8,
    first_digest="ab" * 32,
    second_digest="cd" * 32,
    at_us=START_US,
)


REFUSED_BID = BidRefusal(bid="b", code="dates", detail="late", field="bids.end_us[0]", value="9")
SHEET = sheet("r-1", {"b1": Offer(lots={"o-1.mill": 10}, price=100)}, site="bonn")
SEALED_EVENTS: tuple[Event, ...] = (
    SealedReceived(round_id="r-1", participant="mill-a", sequence=1, digest="ab" * 32, size=4_096),
    SealsOpened(round_id="r-1", at_us=START_US),
    AnswerOpened(
        round_id="r-1",
        participant="mill-a",
        sequence=1,
        sheet=SHEET,
        code=None,
        detail="",
        refused=(REFUSED_BID,),
    ),
    AnswerOpened(
        round_id="r-1", participant="mill-b", sequence=1, sheet=None, code="dates", detail="no", refused=()
    ),
)
"""Of sealed rounds, which a walk does not play."""


def explicit() -> tuple[Body, ...]:
    """Return bodies that a walk does not meet."""
    return (
        Heartbeat(),
        QuerySync(),
        PublishPart(part=PART),
        PublishNetwork(network=NETWORK),
        Receipt(message_id="m", position=1, leaf="00", size=2, root="11", subject_id="o-1"),
        Refused(message_id="m", code="limit", detail="too much", field="a[0]", value="9", retryable=True),
        ReinstateParticipant(participant="ada"),
        QueryProof(positions=(1, 7), since_size=3),
        QueryLog(start=7, offset=9),
        PROOF,
        LOG,
        VoidRound(round_id="r-1", reason="away"),
        DeclineCall(round_id="r-1", code="dates", detail="no"),
        SealedSheet(round_id="r-1", ciphertext=b64encode(bytes(SEALED_SIZES[0] + SEAL_OVERHEAD)).decode()),
        OpenSeals(
            round_id="r-1",
            private_key="ab" * 32,
            answers=(
                OpenedSeal(
                    participant="mill-a", sequence=2, answer=DeclineCall(round_id="r-1", code="dates")
                ),
                OpenedSeal(participant="mill-b", sequence=1, answer=SHEET),
                OpenedSeal(
                    participant="mill-c", sequence=1, answer=None, code="malformed", detail="x", field="f"
                ),
            ),
        ),
        BidsRefused(round_id="r-1", participant="mill-a", sequence=1, refused=(REFUSED_BID,)),
        OrderNotice(
            order_id="o-1",
            participant="ada",
            state="unserved",
            at_us=1,
            reasons=(UnservedReason(code="price", detail="cheapest was 5"),),
        ),
        AdmitParticipant(
            participant="new",
            roles=("plant", "customer"),
            qualification=Qualification(
                capabilities=(Capability(process="milling", materials=("any",), tolerance_um=5),),
                certificates=("iso-9001",),
                clearances=("nda",),
            ),
            api_key_sha256="cd" * 32,
            agent=False,
        ),
    )


@cache
def examples() -> tuple[tuple[Envelope[Body], ...], tuple[Event, ...]]:
    """Return envelopes with every kind of body, and every kind of event."""
    bodies: dict[str, list[Envelope[Body]]] = {}
    events: dict[str, list[Event]] = {}
    seed = 0
    while seed < WALKS:
        chance = Random(seed)
        walk = Walk([chance.randrange(10_000) for _ in range(2_000)])
        market = walk.run()
        seed += 1
        _void(market)
        for handled in market.handled:
            if handled.decided is not None:
                raw = (handled.decided.entry.message, *(message.body for message in handled.decided.outbox))
                for envelope in map(decode_envelope, raw):
                    bodies.setdefault(envelope.body.kind, []).append(envelope)
        for stored in market.journal.read():
            for event in decode_events(stored.entry.events):
                events.setdefault(event.kind, []).append(event)
        events.setdefault(SEEN.kind, []).append(SEEN)
        extra: list[Body] = [*explicit(), sync_reply(market.state, "mill-a", market.now_us)]
        extra += [
            ContractAmended(participant=known.contract.participant, at_us=START_US, contract=known.contract)
            for known in market.state.contracts.values()
        ]
        for body in extra:
            bodies.setdefault(body.kind, []).append(_enveloped(body))
    for event in SEALED_EVENTS:
        events.setdefault(event.kind, []).append(event)
    for member in get_args(Event):
        if (one := member.__dataclass_fields__["kind"].default) not in events:
            events[one] = [plain(member)]
    for member in get_args(Body):
        if (one := member.__dataclass_fields__["kind"].default) not in bodies:
            bodies[one] = [_enveloped(plain(member))]
    chosen = [envelope for kind in sorted(bodies) for envelope in bodies[kind][-8:]]
    return tuple(chosen), tuple(event for kind in sorted(events) for event in events[kind][-8:])


def _void(market: Market) -> None:
    """End a walk with what it does not do: a suspension lifted, a note after the close, a void round."""
    market.accept(OPERATOR, SuspendParticipant(participant="bob"))
    market.accept(OPERATOR, ReinstateParticipant(participant="bob"))
    market.accept(OPERATOR, PublishMarketKey(market_key=market_signer(f"{market.state.size}").key))
    market.accept(OPERATOR, RotateKey(participant="bob", signing_key=signer_of("bob").key))
    market.reply("bob", PublishPart(part=PART))
    market.reply(OPERATOR, PublishNetwork(network=NETWORK))
    round_ = market.state.round
    if round_ is not None and round_.state == "clearing":
        for order_id in round_.orders:
            record = market.state.orders[order_id]
            if record.state == "clearing":
                market.reply(record.order.customer, cancellation(order_id))
        market.accept("host", VoidRound(round_id=round_.id, reason="away"))
    market.accept(OPERATOR, RevokeParticipant(participant="bob", reason="left"))


def _enveloped(body: Body) -> Envelope[Body]:
    return Envelope(
        message_id="m-1",
        correlation_id="r-1",
        causation_id="m-0",
        sender="mill-a",
        sequence=3,
        occurred_us=START_US,
        body=body,
    )


def values_of(document: object) -> list[tuple[object, str | int]]:
    """Return every place in a JSON document as (container, key)."""
    found: list[tuple[object, str | int]] = []
    if isinstance(document, dict):
        pairs: list[tuple[str | int, object]] = list(document.items())
    elif isinstance(document, list):
        pairs = list(enumerate(document))
    else:
        return found
    for key, member in pairs:
        found.append((document, key))
        found += values_of(member)
    return found


def with_value(data: bytes, place: int, text: str) -> bytes:
    """Return a JSON document with the value at one of its places replaced by raw JSON text."""
    document = json.loads(data)
    places = values_of(document)
    container, key = places[place % len(places)]
    container[key] = "\x00here\x00"  # type: ignore[index]
    return json.dumps(document).replace('"\\u0000here\\u0000"', text).encode("utf-8", "surrogatepass")
