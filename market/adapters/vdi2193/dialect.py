"""The translator: Takt's messages to 2193 frames and back, as a pure function of frame and conversation.

What a participant and the market say in one auction; everything else is refused as not carried.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TypeVar, assert_never

from market.adapters.vdi2193.conversation import Conversation
from market.adapters.vdi2193.elements import Element, Elements
from market.adapters.vdi2193.errors import NotCarriedError, NotUnderstoodError
from market.adapters.vdi2193.frame import Frame, Role, Type
from market.adapters.vdi2193.offers import Offer, offer_of, sheet_of
from takt_sdk.model.capability import LotKind, Requirement
from takt_sdk.model.contract import Contract
from takt_sdk.model.errors import ModelError
from takt_sdk.model.messages import (
    CallForProposals,
    ContractAmended,
    ContractNotice,
    ContractStatus,
    DeclineCall,
    DeclineCode,
    QuerySync,
    Receipt,
    Refused,
    ReportBreakdown,
    ReportMilestone,
    RoundResult,
    SheetStatus,
    SyncReply,
)
from takt_sdk.model.order import Lot
from takt_sdk.model.sheet import BidSheet
from takt_sdk.model.values import PeriodGrid

ToParticipant = (
    CallForProposals | RoundResult | ContractNotice | ContractAmended | Receipt | Refused | SyncReply
)
ToMarket = BidSheet | DeclineCall | ReportMilestone | ReportBreakdown | QuerySync
Carried = ToParticipant | ToMarket

_Content = TypeVar("_Content")
_AT = "interactionElements"
PIECES = "C62"
"""UN/ECE code of the unit in which lots are counted."""

NAMES: Mapping[str, Mapping[str, str]] = {
    "_CalledLot": {"latest_end_us": "targetDate", "id": "lotId", "kind": "lotKind"},
    "OfferedBid": {"latest_delivery_us": "latestDeliveryDateAssured"},
    "Offer": {"latest_delivery_us": "latestDeliveryDateAssured"},
    "Contract": {"end_us": "latestDeliveryDateAssured", "id": "contractId"},
}
"""Fields whose element has another name than they."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parties:
    """Who talks: ids in the market, and the ids of their asset administration shells.

    ``currency`` is the market's: amounts are written in its main unit. ``site`` is the participant's, for
    offers that name none.
    """

    market: str
    participant: str
    market_aas: str
    participant_aas: str
    currency: str
    site: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _CalledLot:
    """A lot as a call writes it."""

    id: str
    order_id: str
    kind: LotKind
    requirement: Requirement
    quantity: int
    quantity_unit: str = PIECES
    earliest_start_us: int
    latest_end_us: int
    run_time_us: int = 0
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """A call as its frame writes it; market, participant and round stand in the frame."""

    opened_us: int
    deadline_us: int
    currency: str
    periods: PeriodGrid
    max_periods: int
    rules_version: int
    seed_commitment: str = ""
    lots: tuple[_CalledLot, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Result:
    """A round's result as its frame writes it."""

    awards: tuple[Contract, ...] = ()
    rejected: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Status:
    """How things stand; open calls come in frames of their own."""

    now_us: int
    sheets: tuple[SheetStatus, ...] = ()
    contracts: tuple[ContractStatus, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decline:
    """A refusal of a call as its frame writes it; a bare one gives no reason."""

    code: DeclineCode = "other"
    detail: str = ""


class Dialect2193:
    """Translates between one market and one participant."""

    def __init__(self, parties: Parties) -> None:
        self.parties = parties
        self._elements = Elements(parties.currency, NAMES)

    # --- to frames ---------------------------------------------------------------------------

    def to_frame(
        self, body: Carried, *, message_id: str, conversation_id: str = "", reply_to: str = ""
    ) -> Frame:
        """Return a message as a frame; ``conversation_id`` is the round's id where the body has none.

        Raises
        ------
        NotCarriedError
            If a call is in another currency.
        """
        from_market = isinstance(body, ToParticipant)
        type_, about, content = self._of_market(body) if isinstance(body, ToParticipant) else self._own(body)
        sides: tuple[tuple[str, Role], tuple[str, Role]] = (
            (self.parties.market_aas, "ServiceRequester"),
            (self.parties.participant_aas, "ServiceProvider"),
        )
        (sender, sender_role), (receiver, receiver_role) = sides if from_market else sides[::-1]
        marker = self._elements.written(_About(about=about)) if about else []
        return Frame(
            type=type_,
            sender=sender,
            sender_role=sender_role,
            receiver=receiver,
            receiver_role=receiver_role,
            conversation_id=getattr(body, "round_id", conversation_id) or conversation_id,
            message_id=message_id,
            reply_to=reply_to,
            reply_by_ms=body.deadline_us // 1000 if isinstance(body, CallForProposals) else None,
            elements=(*marker, *self._elements.written(content)),
        )

    def _of_market(self, body: ToParticipant) -> tuple[Type, str, object]:
        """Return a message's type, what it is about where the type leaves that open, and its content."""
        match body:
            case CallForProposals():
                if body.currency != self.parties.currency:
                    raise NotCarriedError("currency", body.currency, f"must be {self.parties.currency}")
                return "callForProposals", "", _call(body)
            case RoundResult():
                type_: Type = "offerAcceptance" if body.awards else "offerRejection"
                return type_, "", _Result(awards=body.awards, rejected=body.rejected)
            case ContractNotice():
                return ("cancelling" if body.state == "ended" else "informing"), "contractNotice", body
            case ContractAmended():
                return "informing", "contractAmended", body
            case Receipt():
                return "consent", "", body
            case Refused():
                return ("notUnderstood" if body.code == "malformed" else "refusal"), "", body
            case SyncReply():
                status = _Status(now_us=body.now_us, sheets=body.sheets, contracts=body.contracts)
                return "informing", "status", status
            case _:
                assert_never(body)

    def _own(self, body: ToMarket) -> tuple[Type, str, object]:
        match body:
            case BidSheet():
                return "offer", "", offer_of(body, self.parties.currency)
            case DeclineCall():
                return "refusal", "", _Decline(code=body.code, detail=body.detail)
            case ReportMilestone():
                return _MILESTONE_TYPES.get(body.milestone, "informing"), "milestone", body
            case ReportBreakdown():
                return "informing", "breakdown", body
            case QuerySync():
                return "queryRef", "", body
            case _:
                assert_never(body)

    # --- from frames -------------------------------------------------------------------------

    def from_market(self, frame: Frame) -> ToParticipant:
        """Return what a frame of the market's says.

        Raises
        ------
        NotUnderstoodError, NotCarriedError
            Naming field and value.
        """
        self._check_parties(frame, self.parties.market_aas, self.parties.participant_aas)
        about, elements = self._about(frame)
        parties = self.parties
        match frame.type, about:
            case "callForProposals", "":
                return _call_back(self._read(_Call, elements), frame.conversation_id, parties)
            case (("offerAcceptance" | "offerRejection"), ""):
                result = self._read(_Result, elements)
                return RoundResult(
                    round_id=frame.conversation_id,
                    participant=parties.participant,
                    awards=result.awards,
                    rejected=result.rejected,
                )
            case (("informing" | "cancelling"), "contractNotice"):
                return self._read(ContractNotice, elements)
            case "informing", "contractAmended":
                return self._read(ContractAmended, elements)
            case "informing", "status":
                status = self._read(_Status, elements)
                return SyncReply(
                    participant=parties.participant,
                    now_us=status.now_us,
                    calls=(),
                    sheets=status.sheets,
                    contracts=status.contracts,
                    orders=(),
                )
            case "consent", "":
                return self._read(Receipt, elements)
            case (("refusal" | "notUnderstood"), ""):
                return self._read(Refused, elements)
        raise NotCarriedError("frame.type", frame.type, "the market does not say this")

    def from_participant(self, frame: Frame, conversation: Conversation, now_us: int) -> tuple[ToMarket, ...]:
        """Return what a frame of the participant's says; a bare one may stand for several messages.

        ``conversation`` is what the frame's ``conversationId`` names, ``now_us`` the market time of a
        milestone that gives none.

        Raises
        ------
        NotUnderstoodError, NotCarriedError
            Naming field and value.
        """
        self._check_parties(frame, self.parties.participant_aas, self.parties.market_aas)
        about, elements = self._about(frame)
        if about:
            return (self._statement(frame, about, elements),)
        match frame.type:
            case "offer":
                return (self._offer(elements, conversation, frame),)
            case "refusal" | "cancelling" | "notUnderstood" | "error" if not conversation.contracts:
                return (self._decline(frame, elements, conversation),)
            case "refusal" | "cancelling" | "error":
                return self._milestones(frame, elements, conversation, _REFUSE, now_us)
            case "confirming":
                return self._milestones(frame, elements, conversation, _CONFIRM, now_us)
            case "consent":
                return self._milestones(frame, elements, conversation, _CONSENT, now_us)
            case "queryRef":
                return (self._read(QuerySync, elements),)
        raise NotCarriedError("frame.type", frame.type, "says nothing in this auction")

    def _statement(self, frame: Frame, about: str, elements: Sequence[Element]) -> ToMarket:
        """Return what a frame says that names what it is about."""
        if about == "breakdown" and frame.type == "informing":
            return self._read(ReportBreakdown, elements)
        if about != "milestone":
            raise NotUnderstoodError(f"{_AT}.about", about, f"is nothing that {frame.type} is about")
        report = self._read(ReportMilestone, elements)
        expected = _MILESTONE_TYPES.get(report.milestone, "informing")
        if frame.type != expected:
            raise NotUnderstoodError("frame.type", frame.type, f"{report.milestone} is {expected}")
        return report

    def _offer(self, elements: Sequence[Element], conversation: Conversation, frame: Frame) -> BidSheet:
        if conversation.call is None:
            raise NotCarriedError(
                "frame.conversationId", frame.conversation_id, "no call of this id is known"
            )
        try:
            return sheet_of(self._read(Offer, elements), conversation.call, self.parties.site, _AT)
        except ModelError as error:
            detail = f"{error.rule}: {error.detail}"
            raise NotUnderstoodError(f"{_AT}.{error.field}", error.value, detail) from error

    def _decline(self, frame: Frame, elements: Sequence[Element], conversation: Conversation) -> DeclineCall:
        if conversation.call is None:
            raise NotCarriedError(
                "frame.conversationId", frame.conversation_id, "no call of this id is known"
            )
        decline = self._read(_Decline, elements)
        code = "technical" if frame.type == "notUnderstood" and decline.code == "other" else decline.code
        return DeclineCall(round_id=conversation.round_id, code=code, detail=decline.detail)

    def _milestones(
        self,
        frame: Frame,
        elements: Sequence[Element],
        conversation: Conversation,
        steps: Mapping[str, tuple[str, ...]],
        now_us: int,
    ) -> tuple[ToMarket, ...]:
        """Return what a bare answer to an acceptance says of every contract of the conversation."""
        if elements:
            raise NotUnderstoodError(f"{_AT}.about", None, "must be milestone where there are elements")
        reports = tuple(
            ReportMilestone(contract_id=contract.id, milestone=milestone, at_us=now_us)  # type: ignore[arg-type]
            for contract, state in conversation.contracts
            for milestone in steps.get(state, ())
        )
        if not reports:
            states = ", ".join(state for _, state in conversation.contracts) or "no contract"
            raise NotCarriedError("frame.type", frame.type, f"the conversation has {states}")
        return reports

    def _read(self, cls: type[_Content], elements: Sequence[Element]) -> _Content:
        return self._elements.read(cls, elements, _AT)

    def _about(self, frame: Frame) -> tuple[str, Sequence[Element]]:
        """Return what a frame is about, and its other elements."""
        first = [element for element in frame.elements if element.get("idShort") == "about"]
        about = self._read(_About, first[:1]).about if first else ""
        return about, [element for element in frame.elements if element not in first[:1]]

    def _check_parties(self, frame: Frame, sender: str, receiver: str) -> None:
        if frame.sender != sender:
            raise NotCarriedError("frame.sender", frame.sender, f"must be {sender}")
        if frame.receiver not in {"", receiver}:
            raise NotCarriedError("frame.receiver", frame.receiver, f"must be {receiver}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _About:
    """Says what a frame is about where its type leaves that open."""

    about: str


_MILESTONE_TYPES: Mapping[str, Type] = {
    "confirmed": "confirming",
    "finished": "confirming",
    "refused": "refusal",
}
_CONFIRM: Mapping[str, tuple[str, ...]] = {
    "awarded": ("confirmed",),
    "confirmed": ("started", "finished"),
    "in_production": ("finished",),
}
"""What a bare confirming says of a contract: the first that it is taken, the second that it is done."""

_CONSENT: Mapping[str, tuple[str, ...]] = {"awarded": ("confirmed",)}

_REFUSE: Mapping[str, tuple[str, ...]] = {"awarded": ("refused",), "confirmed": ("refused",)}
"""Refusal after acceptance, which the open sources leave undefined."""


def _call(call: CallForProposals) -> _Call:
    lots = tuple(_CalledLot(**{name: getattr(lot, name) for name in Lot.__slots__}) for lot in call.lots)
    names = [field.name for field in fields(_Call) if field.name != "lots"]
    return _Call(lots=lots, **{name: getattr(call, name) for name in names})


def _call_back(call: _Call, round_id: str, parties: Parties) -> CallForProposals:
    lots = tuple(Lot(**{name: getattr(lot, name) for name in Lot.__slots__}) for lot in call.lots)
    names = [field.name for field in fields(_Call) if field.name != "lots"]
    return CallForProposals(
        market=parties.market,
        round_id=round_id,
        participant=parties.participant,
        lots=lots,
        **{name: getattr(call, name) for name in names},
    )
