"""What plants and suppliers have in common: calls are answered once, contracts are carried out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import assert_never

from agents.policies import policy_of
from agents.profile import Pricing
from agents.roles.offer_book import OfferBook
from takt_sdk.execution import Execution
from takt_sdk.model.contract import Contract
from takt_sdk.model.execution import ChangeQuote
from takt_sdk.model.messages import (
    BidsRefused,
    CallForProposals,
    ContractAmended,
    ContractNotice,
    DeclineCall,
    DeclineCode,
    OrderNotice,
    ReportMilestone,
    RoundResult,
    SyncReply,
    Tick,
)
from takt_sdk.model.order import Lot
from takt_sdk.role import Incoming, Outgoing
from takt_sdk.sheet_builder import SheetBuilder

MICRO = 1_000_000
DECLINE_ORDER: tuple[DeclineCode, ...] = ("no_material", "no_capacity", "dates", "technical")
"""Of several reasons the first is given: it came closest to a bid."""


class Bidder(ABC):
    """A role that answers calls. One instance is one company; nothing in it is shared.

    Parameters
    ----------
    participant
        The company's id; messages for others are refused as a broken invariant.
    pricing
        How costs become prices.
    """

    uses_up = False
    """Whether finished work has used up what was booked for it."""

    def __init__(self, participant: str, pricing: Pricing) -> None:
        self.participant = participant
        self.pricing = pricing
        self.execution = Execution(book=self._book, uses_up=self.uses_up)
        self.policy = policy_of(participant, pricing)
        self.offers = OfferBook()
        self.answered: dict[str, int] = {}
        """Deadline of every round that is answered and not yet past."""

    def handle(self, message: Incoming, now_us: int) -> tuple[Outgoing, ...]:
        """Take a message at market time ``now_us``; return what has to be sent, in order."""
        news = self._before(now_us)
        calls: tuple[CallForProposals, ...] = ()
        match message:
            case CallForProposals():
                calls = (message,)
            case RoundResult():
                lesson = self.offers.close(message)
                if lesson is not None and not message.void:
                    self.policy.learn(lesson)
                if not self.policy.accepts_awards:
                    return (*news, *(_refuse(contract, now_us) for contract in message.awards))
                self.execution.award(message.awards)
            case ContractAmended():
                self.execution.amend(message.contract, message.at_us)
            case ContractNotice():
                self.execution.notice(message)
            case SyncReply():
                calls = self._sync(message)
            case Tick() | OrderNotice() | BidsRefused() | ChangeQuote():
                pass
            case _:
                assert_never(message)
        # Milestones before answers: what is done by now is capacity again, whichever message came first.
        reports = self.execution.due(now_us)
        return (*news, *reports, *(out for call in calls for out in self._call(call, now_us)))

    def _call(self, call: CallForProposals, now_us: int) -> tuple[Outgoing, ...]:
        assert call.participant == self.participant, "a call reaches only whom it names"
        self.answered = {name: end_us for name, end_us in self.answered.items() if end_us > now_us}
        if call.round_id in self.answered or now_us >= call.deadline_us:
            return ()
        self.answered[call.round_id] = call.deadline_us
        builder = SheetBuilder()
        reasons = self._offer(call, builder, now_us)
        body = (
            builder.build(
                call.round_id,
                call.deadline_us + self.pricing.validity_us,
                stands_by=self.pricing.stands_by,
            )
            if len(builder)
            else DeclineCall(
                round_id=call.round_id,
                code=next((code for code in DECLINE_ORDER if code in reasons), "not_interested"),
            )
        )
        return (Outgoing(channel="bid", correlation_id=call.round_id, body=body),)

    def _sync(self, reply: SyncReply) -> tuple[CallForProposals, ...]:
        self.execution.restore(reply.contracts)
        done = {sheet.round_id for sheet in reply.sheets}
        self.answered = {call.round_id: call.deadline_us for call in reply.calls if call.round_id in done}
        return reply.calls

    @abstractmethod
    def _offer(self, call: CallForProposals, builder: SheetBuilder, now_us: int) -> set[DeclineCode]:
        """Add bids on the lots of a call; return why lots got none."""

    @abstractmethod
    def _book(self, contract: Contract, sign: int) -> None:
        """Take (+1) or give back (-1) what a contract uses."""

    def _before(self, now_us: int) -> tuple[Outgoing, ...]:  # noqa: ARG002 - plants use it
        """Take note of what time alone has brought about; return what must be said first."""
        return ()


def told_minor(call: CallForProposals, lots: tuple[Lot, ...]) -> int | None:
    """Return what a call tells of the worth of all of some lots; None where it does not tell of each."""
    told = {price.lot_id: price.price_micro for price in call.prices}
    if any(lot.id not in told for lot in lots):
        return None
    return sum(told[lot.id] * lot.quantity for lot in lots) // MICRO


def _refuse(contract: Contract, now_us: int) -> Outgoing:
    body = ReportMilestone(contract_id=contract.id, milestone="refused", at_us=now_us)
    return Outgoing(channel="report", correlation_id=contract.id, body=body)


def bidding_window_us(call: CallForProposals, lot: Lot, now_us: int) -> tuple[int, int]:
    """Return the part of a lot's slice in which work can still be promised; may be empty.

    Nothing is promised before the call's deadline (the award comes no earlier, unless a round closes
    early) nor in periods for which no capacity may be declared.
    """
    grid = call.periods
    horizon = grid.index(call.opened_us) + call.max_periods
    return (
        max(lot.earliest_start_us, call.deadline_us, now_us),
        min(lot.latest_end_us, grid.origin_us + horizon * grid.length_us),
    )
