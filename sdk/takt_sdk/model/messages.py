"""Every message that goes over the wire, each with its versioned kind.

Commands are imperative and ask the market for something; calls, notices and replies come from it.
A message is a value: it holds no behaviour beyond refusing invalid content. A new field is a new
version. Bodies travel in an `Envelope`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Literal, TypeVar, get_args

from takt_sdk.model.contract import Contract, ContractState
from takt_sdk.model.errors import EmptyError
from takt_sdk.model.execution import (
    ChangeCommand,
    ChangeQuote,
    ContractQuery,
    ContractReply,
    ExecutionReport,
)
from takt_sdk.model.order import Lot, OrderTerms
from takt_sdk.model.plan import Document, Part, ProcessPlan
from takt_sdk.model.proof import LogAnswer, LogQuery
from takt_sdk.model.sealed import SealedSheet
from takt_sdk.model.sheet import BidSheet
from takt_sdk.model.values import (
    MAX_QUANTITY,
    PeriodGrid,
    Window,
    check_choice,
    check_count,
    check_id,
    check_int,
    check_participant_id,
    check_text,
    check_time,
)

Role = Literal["customer", "plant", "supplier", "auditor"]
ROLES: tuple[str, ...] = get_args(Role)


# --- time ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """Market time has reached ``now_us``.

    ``seed_commitment`` is the SHA-256 (hex) of the secret of the next round's lottery, should this
    tick open one. ``absent`` are called participants that were not heard of for the rules' time.
    ``sealing_key`` is the public key to which bids of the round ``sealing_round`` are to be sealed.
    """

    kind: Literal["takt.tick.v1"] = "takt.tick.v1"
    now_us: int
    seed_commitment: str = ""
    absent: tuple[str, ...] = ()
    sealing_round: str = ""
    sealing_key: str = ""

    def __post_init__(self) -> None:
        check_time("now_us", self.now_us)


# --- customer → market -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishPart:
    """Put a part of the sender's into its catalogue, replacing an earlier one of the same id."""

    kind: Literal["takt.publish_part.v1"] = "takt.publish_part.v1"
    part: Part


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitOrder:
    """Submit an order for a catalogue part (``plan`` None) or with its plan inline."""

    kind: Literal["takt.submit_order.v1"] = "takt.submit_order.v1"
    idempotency_key: str
    part_id: str
    terms: OrderTerms
    plan: ProcessPlan | None = None
    documents: tuple[Document, ...] = ()

    def __post_init__(self) -> None:
        check_text("idempotency_key", self.idempotency_key, 128)
        if not self.idempotency_key:
            raise EmptyError("idempotency_key", self.idempotency_key)
        check_id("part_id", self.part_id)
        check_count("documents", self.documents, 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelOrder:
    """Cancel an own order that is not yet confirmed."""

    kind: Literal["takt.cancel_order.v1"] = "takt.cancel_order.v1"
    order_id: str

    def __post_init__(self) -> None:
        check_id("order_id", self.order_id)


# --- plant or supplier → market --------------------------------------------------------------

DeclineCode = Literal["no_capacity", "no_material", "dates", "not_interested", "technical", "other"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclineCall:
    """Refuse a whole call with a reason. A later sheet before close replaces it."""

    kind: Literal["takt.decline_call.v1"] = "takt.decline_call.v1"
    round_id: str
    code: DeclineCode
    detail: str = ""

    def __post_init__(self) -> None:
        check_id("round_id", self.round_id)
        check_choice("code", self.code, get_args(DeclineCode))
        check_text("detail", self.detail)


Milestone = Literal[
    "confirmed", "refused", "started", "progress", "delayed", "scrapped", "finished", "shipped", "delivered"
]
MILESTONES: tuple[str, ...] = get_args(Milestone)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportMilestone:
    """Say how far an own contract is.

    ``quantity`` counts units done (progress, finished, shipped, delivered) or lost (scrapped);
    ``expected_end_us`` is the new promise where it moved.
    """

    kind: Literal["takt.report_milestone.v1"] = "takt.report_milestone.v1"
    contract_id: str
    milestone: Milestone
    at_us: int
    lot_id: str | None = None
    quantity: int = 0
    expected_end_us: int | None = None
    detail: str = ""

    def __post_init__(self) -> None:
        check_id("contract_id", self.contract_id)
        check_choice("milestone", self.milestone, MILESTONES)
        check_time("at_us", self.at_us)
        if self.lot_id is not None:
            check_id("lot_id", self.lot_id)
        check_int("quantity", self.quantity, 0, MAX_QUANTITY)
        if self.expected_end_us is not None:
            check_time("expected_end_us", self.expected_end_us)
        check_text("detail", self.detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportBreakdown:
    """Say that a resource of one's own is down for a time: unstarted contracts on it become at risk."""

    kind: Literal["takt.report_breakdown.v1"] = "takt.report_breakdown.v1"
    notice_id: str
    resource: str
    window: Window
    detail: str = ""

    def __post_init__(self) -> None:
        check_id("notice_id", self.notice_id)
        check_id("resource", self.resource)
        check_text("detail", self.detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """Say that the sender lives. Never journaled."""

    kind: Literal["takt.heartbeat.v1"] = "takt.heartbeat.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuerySync:
    """Ask for everything a participant needs to catch up: time, open calls, sheets, contracts, orders."""

    kind: Literal["takt.query_sync.v1"] = "takt.query_sync.v1"


# --- market → participant --------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class LotPrice:
    """What a lot was worth in the round before, in 10^-6 minor units per unit of its quantity."""

    lot_id: str
    price_micro: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallForProposals:
    """Call one participant for bids on the lots it is eligible for.

    ``seed_commitment`` is the SHA-256 of the secret that will go into the round's lottery. With a
    ``sealing_key`` (X25519, hex) answers are sealed to it and padded to at least ``sealed_size`` bytes.
    ``sites``, ``max_bids``, ``max_price_minor`` and ``emissions_minor_per_tonne`` are what the market
    holds a sheet against beside the lots. Where a takt is bid on more than once, ``iteration`` counts from
    1 and ``prices`` are those of the round before.
    """

    kind: Literal["takt.call_for_proposals.v1"] = "takt.call_for_proposals.v1"
    market: str
    round_id: str
    participant: str
    opened_us: int
    deadline_us: int
    currency: str
    periods: PeriodGrid
    max_periods: int
    rules_version: int
    seed_commitment: str
    lots: tuple[Lot, ...]
    sealing_key: str = ""
    sealed_size: int = 0
    sites: tuple[str, ...] = ()
    max_bids: int = 0
    max_price_minor: int = 0
    emissions_minor_per_tonne: int = 0
    iteration: int = 1
    prices: tuple[LotPrice, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LossEstimate:
    """Of a bid that lost: the price below which it would about have won; an estimate, never a promise."""

    bid: str
    threshold_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundResult:
    """Tell one participant what came of its sheet: the contracts it won, the bids it lost.

    ``estimates`` are of its own rejected bids, where the market's rules tell them, at the quantity offered;
    bids that would have lost at any price are absent. ``void`` says why the whole round came to nothing, for
    everybody; empty where it did not. ``standing_by`` are those of the rejected that may still be awarded,
    in a result of its own.
    """

    kind: Literal["takt.round_result.v1"] = "takt.round_result.v1"
    round_id: str
    participant: str
    awards: tuple[Contract, ...]
    rejected: tuple[str, ...]
    void: str = ""
    estimates: tuple[LossEstimate, ...] = ()
    standing_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BidRefusal:
    """A bid of a sealed sheet that does not count, and why; with an empty ``bid`` the whole sheet."""

    bid: str
    code: str
    detail: str
    field: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BidsRefused:
    """Tell one participant which bids of its sealed sheet were invalid once opened; the others stand."""

    kind: Literal["takt.bids_refused.v1"] = "takt.bids_refused.v1"
    round_id: str
    participant: str
    sequence: int
    refused: tuple[BidRefusal, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractNotice:
    """Tell a participant that a contract of its own changed state, and why."""

    kind: Literal["takt.contract_notice.v1"] = "takt.contract_notice.v1"
    contract_id: str
    participant: str
    state: ContractState
    at_us: int
    reason: str = ""
    payment_minor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractAmended:
    """Tell a participant that goods of a contract of its own now go elsewhere; nothing else changes."""

    kind: Literal["takt.contract_amended.v1"] = "takt.contract_amended.v1"
    participant: str
    at_us: int
    contract: Contract


OrderState = Literal[
    "submitted",
    "calling",
    "clearing",
    "awarded",
    "confirmed",
    "in_production",
    "at_risk",
    "reallocating",
    "awaiting_approval",
    "shipped",
    "delivered",
    "settled",
    "rejected",
    "unserved",
    "cancelled",
    "expired",
]
ORDER_STATES: tuple[str, ...] = get_args(OrderState)
TERMINAL_ORDER_STATES: frozenset[str] = frozenset({"settled", "rejected", "unserved", "cancelled", "expired"})


@dataclass(frozen=True, slots=True, kw_only=True)
class UnservedReason:
    """Why a lot or order was not served; ``code`` as in ``takt.clearing.v1``."""

    code: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderNotice:
    """Tell a customer that an order of its own changed state.

    ``charge_minor`` is what the order will pay, ``promised_us`` when its last goods should arrive.
    """

    kind: Literal["takt.order_notice.v1"] = "takt.order_notice.v1"
    order_id: str
    participant: str
    state: OrderState
    at_us: int
    charge_minor: int | None = None
    promised_us: int | None = None
    reasons: tuple[UnservedReason, ...] = ()


# --- market → everybody ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeLine:
    """What a process came to in a period: eligible participants, minutes or units used, shadow price.

    ``shadow_price_micro`` is in 10^-6 minor units per minute or unit of stock.
    """

    process: str
    period: int
    bidders: int
    used: int
    shadow_price_micro: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tape:
    """The public, anonymised record of a clearing. Never acknowledged, never sent again."""

    kind: Literal["takt.tape.v1"] = "takt.tape.v1"
    market: str
    round_id: str
    at_us: int
    rules_version: int
    status: str
    orders: int
    served: int
    lines: tuple[TapeLine, ...]


# --- replies ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The message is in the journal, fsynced, at ``position`` of a log whose head is (``size``, ``root``).

    Hashes are lower-case hex. A repeated message gets the position of the first (``repeated``).

    ``proof`` is the audit path of the leaf under the root, nearest sibling first. ``head_signature``
    (base64url) is the market's over market, size, root and ``head_us``. Of a signed message, its exact
    bytes with ``entered_us``, ``salt`` and ``outcome`` give the leaf; see the page on the journal.
    """

    kind: Literal["takt.receipt.v1"] = "takt.receipt.v1"
    message_id: str
    position: int
    leaf: str
    size: int
    root: str
    subject_id: str = ""
    repeated: bool = False
    entered_us: int = 0
    salt: str = ""
    outcome: str = ""
    proof: tuple[str, ...] = ()
    head_us: int = 0
    head_signature: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The message changed nothing.

    ``code`` is stable; ``field`` and ``value`` name what is wrong; ``state`` the state of the object
    it was about, where that is the reason. ``retry_after_us`` is how long to wait before it.
    """

    kind: Literal["takt.refused.v1"] = "takt.refused.v1"
    message_id: str
    code: str
    detail: str
    field: str = ""
    value: str = ""
    state: str = ""
    retryable: bool = False
    retry_after_us: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetStatus:
    """A sheet or refusal of the participant's that stands for a round."""

    round_id: str
    sequence: int
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractStatus:
    """A contract and its state; ``ready_us`` is since when its goods can leave, once they are finished."""

    contract: Contract
    state: ContractState
    report_sequence: int
    ready_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReply:
    """Everything a participant needs to catch up."""

    kind: Literal["takt.sync_reply.v1"] = "takt.sync_reply.v1"
    participant: str
    now_us: int
    calls: tuple[CallForProposals, ...]
    sheets: tuple[SheetStatus, ...]
    contracts: tuple[ContractStatus, ...]
    orders: tuple[OrderNotice, ...]


CustomerCommand = PublishPart | SubmitOrder | CancelOrder | ChangeCommand
BidderCommand = BidSheet | DeclineCall | SealedSheet
ReportCommand = ReportMilestone | ReportBreakdown | ExecutionReport
Query = QuerySync | ContractQuery | LogQuery
ParticipantCommand = CustomerCommand | BidderCommand | ReportCommand
Notice = RoundResult | BidsRefused | ContractNotice | ContractAmended | OrderNotice | ChangeQuote
Downlink = CallForProposals | Notice
Reply = Receipt | Refused | SyncReply | ContractReply | LogAnswer
WireBody = ParticipantCommand | Query | Heartbeat | Downlink | Tape | Reply


BodyT = TypeVar("BodyT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope(Generic[BodyT]):
    """What every body travels in.

    ``sequence`` rises per sender and conversation (a round, a contract; 0 elsewhere):
    a higher one replaces, a repeated one is a retry. ``correlation_id`` names the conversation,
    ``causation_id`` the message that this one answers.
    """

    message_id: str
    correlation_id: str
    causation_id: str
    sender: str
    sequence: int
    occurred_us: int
    body: BodyT

    def __post_init__(self) -> None:
        check_id("message_id", self.message_id)
        for name in ("correlation_id", "causation_id"):
            if getattr(self, name):
                check_id(name, getattr(self, name))
        check_participant_id("sender", self.sender)
        check_int("sequence", self.sequence, 0, 2**53 - 1)
        check_time("occurred_us", self.occurred_us)
