"""The worked exchange: what a plant, its rival and a customer send in a whole round. Sends nothing.

Every id in it follows from content, so the script is written down before anything has happened.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Literal

from market.model.commands import AdmitParticipant, Command, OpenMarket
from market.model.network import Lane, Network, Site
from market.model.order import order_id
from market.model.rules import Rules
from takt_sdk.codec import encode
from takt_sdk.model.capability import Capability, Qualification, Requirement
from takt_sdk.model.contract import contract_id
from takt_sdk.model.messages import (
    CancelOrder,
    DeclineCall,
    Envelope,
    Heartbeat,
    Milestone,
    ParticipantCommand,
    PublishPart,
    QuerySync,
    ReportBreakdown,
    ReportMilestone,
    SubmitOrder,
)
from takt_sdk.model.order import OrderTerms
from takt_sdk.model.plan import Document, Part, PlannedLot, ProcessPlan
from takt_sdk.model.sheet import Bids, BidSheet, Capacities, Groups
from takt_sdk.model.values import DAY_US, HOUR_US, MINUTE_US, Window
from takt_sdk.signing import Signer, account_seed, user_seed

MARKET = "demo"
START_US = 20_605 * DAY_US
"""Monday, 1 June 2026, 00:00 UTC."""

RULES = Rules(takt_us=6 * HOUR_US, response_us=HOUR_US, transit_us=6 * HOUR_US, confirm_us=DAY_US)
_SITES = {"ulm": "DE", "lyon": "FR", "berlin": "DE"}
_MILLING = Qualification(capabilities=(Capability(process="milling", materials=("steel",)),))
PLAN = ProcessPlan(
    lots=(
        PlannedLot(
            id="mill",
            kind="operation",
            requirement=Requirement(process="milling", material="steel", tolerance_um=50),
            run_time_us=10 * MINUTE_US,
        ),
    )
)
TERMS = OrderTerms(
    quantity=20,
    destination="berlin",
    release_us=START_US + DAY_US,
    due_us=START_US + 10 * DAY_US,
    deadline_us=START_US + 14 * DAY_US,
    reservation_value_minor=400_000,
)
_PERIOD = START_US // DAY_US + 2
"""Wednesday, as an index of the market's grid of days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """A participant sends exact bytes at a market time; ``title`` says what that shows."""

    title: str
    at_us: int
    participant: str
    channel: Literal["bid", "report", "order", "query", "heartbeat"]
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """Market time reaches ``at_us``; what the market then says goes into the mailboxes."""

    title: str
    at_us: int


Step = Send | Pass


def opening(*, signed: bool = False) -> tuple[Command, ...]:
    """Return what the operator does before anybody connects; ``signed`` with the example's keys."""

    def key(name: str) -> str:
        return Signer(seed_of(name)).key if signed else ""

    lanes = tuple(
        Lane(source=a, target=b, distance_m=600_000, transit_minutes=600, fixed_minor=2_000, unit_minor=10)
        for a in _SITES
        for b in _SITES
        if a != b
    )
    sites = tuple(
        Site(id=name, name=name.title(), country="FR" if name == "lyon" else "DE") for name in _SITES
    )
    return (
        OpenMarket(
            market=MARKET,
            rules=replace(RULES, signatures="required" if signed else "optional"),
            network=Network(sites=sites, lanes=lanes),
            seed=7,
            market_key=market_signer().key if signed else "",
        ),
        *(
            AdmitParticipant(
                participant=name,
                roles=("plant",),
                sites=(site,),
                qualification=_MILLING,
                signing_key=key(name),
            )
            for name, site in (("acme", "ulm"), ("forge", "lyon"))
        ),
        AdmitParticipant(
            participant="buyer",
            roles=("customer",),
            sites=("berlin",),
            signing_key=key("buyer"),
        ),
    )


def seed_of(participant: str) -> str:
    """Return the seed that a participant of the example signs with: known to everybody, for trying out."""
    return user_seed(sha256(f"takt example {participant}".encode()).digest())


def market_signer() -> Signer:
    """Return the signer of the example's tree heads."""
    return Signer(account_seed(sha256(b"takt example market").digest()))


class _Writer:
    """Writes one participant's envelopes at one moment of market time."""

    def __init__(self, participant: str) -> None:
        self.participant = participant
        self._counts: dict[str, int] = {}

    def _named(self, conversation: str, number: int) -> str:
        return ".".join(part for part in (self.participant, conversation, str(number)) if part)

    def send(
        self,
        title: str,
        at_us: int,
        channel: Literal["bid", "report", "order", "query", "heartbeat"],
        body: ParticipantCommand | QuerySync | Heartbeat,
        *,
        conversation: str = "",
        sequence: int = 0,
    ) -> Send:
        """Return the next message; its id is new, whatever its sequence."""
        count = self._counts[conversation] = self._counts.get(conversation, 0) + 1
        envelope = Envelope(
            message_id=self._named(conversation, count),
            correlation_id=conversation,
            causation_id="",
            sender=self.participant,
            sequence=sequence,
            occurred_us=at_us,
            body=body,
        )
        return Send(
            title=title, at_us=at_us, participant=self.participant, channel=channel, data=encode(envelope)
        )


def sheet(round_id: str, lot_id: str, price_minor: int) -> BidSheet:
    """Return the sheet of the worked example: the lot whole on Wednesday, or from 5 pieces on Thursday."""
    return BidSheet(
        round_id=round_id,
        expires_us=START_US + 3 * DAY_US,
        capacities=Capacities(
            resource=("mill-1", "mill-1"), period=(_PERIOD, _PERIOD + 1), available=(480, 480)
        ),
        bids=Bids(
            id=("whole", "part"),
            site=("ulm", "ulm"),
            start_us=(START_US + 2 * DAY_US, START_US + 3 * DAY_US),
            end_us=(START_US + 3 * DAY_US, START_US + 4 * DAY_US),
            fixed_price_minor=(price_minor, 20_000),
            unit_price_minor=(0, 10_000),
            min_quantity=(0, 5),
            emissions_g=(12_000, 13_000),
            item_offset=(0, 1, 2),
            item_lot=(lot_id, lot_id),
            item_quantity=(20, 20),
            use_offset=(0, 1, 2),
            use_capacity=(0, 1),
            use_fixed=(30, 30),
            use_per_unit=(10, 10),
            group_offset=(0, 1, 2),
            group_index=(0, 0),
        ),
        groups=Groups(id=("either",), max_accepted=(1,), fixed_price_minor=(0,)),
    )


def script() -> tuple[Step, ...]:
    """Return the whole exchange, in order."""
    acme, forge, buyer = _Writer("acme"), _Writer("forge"), _Writer("buyer")
    first = order_id(MARKET, "buyer", "po-4711", "")
    second = order_id(MARKET, "buyer", "po-4712", "")
    return (
        *_ordering(buyer, first),
        *_bidding(acme, forge, f"{first}.mill"),
        *_making(acme, contract_id("r-000001", "acme", "whole")),
        *_breaking(acme, forge, buyer, second),
    )


def _ordering(buyer: _Writer, order: str) -> list[Step]:
    document = Document(
        sha256="2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae", name="drawing.pdf"
    )
    part = Part(id="bracket", name="Bracket", plan=PLAN, documents=(document,))
    submitted = SubmitOrder(idempotency_key="po-4711", part_id="bracket", terms=TERMS)
    dearer = replace(submitted, terms=replace(TERMS, reservation_value_minor=500_000))
    unknown = SubmitOrder(idempotency_key="po-1", part_id="unknown", terms=TERMS)
    order_1 = buyer.send("An order for 20 pieces", START_US + 2, "order", submitted)
    return [
        buyer.send("A part for the catalogue", START_US + 1, "order", PublishPart(part=part)),
        order_1,
        replace(order_1, title="The same bytes again: the same receipt, one order"),
        buyer.send("Another order under the same key", START_US + 3, "order", dearer),
        buyer.send("A part that is not in the catalogue", START_US + 4, "order", unknown),
        buyer.send(
            "Another's order does not exist", START_US + 5, "order", CancelOrder(order_id=f"{order}x")
        ),
    ]


def _bidding(acme: _Writer, forge: _Writer, lot: str) -> list[Step]:
    at_us = START_US + 10
    round_id = "r-000001"
    good = sheet(round_id, lot, 210_000)
    late = replace(good, bids=replace(good.bids, end_us=(START_US + 3 * DAY_US, START_US + 30 * DAY_US)))
    foreign_lot = replace(good, bids=replace(good.bids, item_lot=(lot, f"{lot}x")))
    first = acme.send("A bid sheet", at_us + 1, "bid", good, conversation=round_id, sequence=2)
    forged = first.data.replace(b'"acme"', b'"forge"')

    def refused(title: str, body: BidSheet, sequence: int) -> Send:
        return acme.send(title, at_us + 2, "bid", body, conversation=round_id, sequence=sequence)

    return [
        Pass(title="A takt begins: the call", at_us=at_us),
        first,
        replace(first, title="The same bytes again: the same position in the journal"),
        refused("Another sheet under the same number", sheet(round_id, lot, 1), 2),
        refused("A lower number than before", sheet(round_id, lot, 1), 1),
        refused("A bid that ends after its lot", late, 3),
        refused("A lot that was not called", foreign_lot, 3),
        refused("No such round", replace(good, round_id="r-000099"), 3),
        replace(first, title="A price that is no integer", data=first.data.replace(b"210000", b"210000.0")),
        replace(first, title="An unknown field", data=first.data.replace(b'{"kind"', b'{"margin":1,"kind"')),
        replace(first, title="No JSON", data=first.data[:100]),
        replace(first, title="A channel that does not carry sheets", channel="report"),
        replace(first, title="Another sender than its subject's", data=forged),
        acme.send("A cheaper sheet replaces the first", at_us + 3, "bid", sheet(round_id, lot, 200_000),
                  conversation=round_id, sequence=3),
        acme.send("Catch up: the open call and the sheets that were taken", at_us + 4, "query", QuerySync()),
        acme.send("Alive", at_us + 4, "heartbeat", Heartbeat()),
        forge.send("A refusal; all have answered, so the round closes and clears", at_us + 5, "bid",
                   DeclineCall(round_id=round_id, code="no_capacity", detail="mill down until June"),
                   conversation=round_id, sequence=1),
        acme.send("After the close", at_us + 6, "bid", good, conversation=round_id, sequence=4),
    ]  # fmt: skip


def _making(acme: _Writer, contract: str) -> list[Step]:
    def report(title: str, milestone: Milestone, hour: int, sequence: int, *, lead_us: int = 0) -> Send:
        at_us = START_US + hour * HOUR_US
        body = ReportMilestone(contract_id=contract, milestone=milestone, at_us=at_us + lead_us, quantity=20)
        return acme.send(title, at_us, "report", body, conversation=contract, sequence=sequence)

    other = ReportMilestone(contract_id=f"{contract}x", milestone="confirmed", at_us=START_US + HOUR_US)
    confirmed = report("The award is confirmed", "confirmed", 2, 1)
    return [
        acme.send("Another's contract does not exist", START_US + HOUR_US, "report", other,
                  conversation=f"{contract}x", sequence=1),
        confirmed,
        replace(confirmed, title="The same bytes again"),
        report("A milestone that the state does not allow", "delivered", 3, 2),
        report("A milestone of the future", "started", 4, 2, lead_us=HOUR_US),
        report("Started", "started", 48, 2),
        report("Finished", "finished", 52, 3),
        report("Shipped", "shipped", 53, 4),
        report("Delivered", "delivered", 63, 5),
        Pass(title="Settled", at_us=START_US + 64 * HOUR_US),
    ]  # fmt: skip


def _breaking(acme: _Writer, forge: _Writer, buyer: _Writer, order: str) -> list[Step]:
    at_us = START_US + 72 * HOUR_US
    round_id = "r-000002"
    terms = replace(
        TERMS,
        release_us=at_us + DAY_US,
        due_us=at_us + 10 * DAY_US,
        deadline_us=at_us + 14 * DAY_US,
    )
    base = sheet(round_id, f"{order}.mill", 200_000)
    bids = base.bids
    moved = replace(
        base,
        expires_us=at_us + DAY_US,
        capacities=replace(base.capacities, period=(_PERIOD + 3, _PERIOD + 4)),
        bids=replace(
            bids,
            start_us=tuple(time_us + 3 * DAY_US for time_us in bids.start_us),
            end_us=tuple(time_us + 3 * DAY_US for time_us in bids.end_us),
        ),
    )
    down = ReportBreakdown(
        notice_id="b-1",
        resource="mill-1",
        window=Window(start_us=at_us, end_us=at_us + 30 * DAY_US),
        detail="spindle",
    )
    declined = DeclineCall(round_id=round_id, code="not_interested")
    return [
        buyer.send("A second order", at_us, "order",
                   SubmitOrder(idempotency_key="po-4712", part_id="bracket", terms=terms)),
        Pass(title="The next takt", at_us=at_us + 1),
        forge.send("A refusal", at_us + 2, "bid", declined, conversation=round_id, sequence=1),
        acme.send("A sheet", at_us + 2, "bid", moved, conversation=round_id, sequence=1),
        acme.send("A breakdown: the contract is at risk", at_us + 3, "report", down),
        buyer.send("Too late to cancel", at_us + 4, "order", CancelOrder(order_id=order)),
    ]  # fmt: skip
