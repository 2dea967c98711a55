"""What has happened: the only things that change the market's state.

Events are past tense, frozen and complete: folding them needs no message and no clock. They are
journaled with the message that caused them, so a kind once released keeps its meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from market.model.commands import AdmitParticipant
from market.model.contract_events import ContractEvent
from market.model.network import Network
from market.model.order import Order
from market.model.rules import Rules
from takt_sdk.model.contract import Contract, Shipment
from takt_sdk.model.messages import BidRefusal, DeclineCode, LotPrice, Milestone, UnservedReason
from takt_sdk.model.order import Lot
from takt_sdk.model.plan import Part
from takt_sdk.model.sheet import BidSheet
from takt_sdk.model.values import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketOpened:
    """The market exists from now on, under these rules."""

    kind: Literal["takt.market_opened.v1"] = "takt.market_opened.v1"
    market: str
    rules: Rules
    network: Network
    seed: int | None
    id_salt: str
    at_us: int
    market_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesChanged:
    """The rules hold from the next round on."""

    kind: Literal["takt.rules_changed.v1"] = "takt.rules_changed.v1"
    rules: Rules


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPublished:
    """The network holds from the next round on."""

    kind: Literal["takt.network_published.v1"] = "takt.network_published.v1"
    network: Network


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantAdmitted:
    """A company may take part, as its admission says."""

    kind: Literal["takt.participant_admitted.v1"] = "takt.participant_admitted.v1"
    admission: AdmitParticipant


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantSuspended:
    """A company may no longer bid or order; its contracts go on."""

    kind: Literal["takt.participant_suspended.v1"] = "takt.participant_suspended.v1"
    participant: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantReinstated:
    """A suspended company may bid and order again."""

    kind: Literal["takt.participant_reinstated.v1"] = "takt.participant_reinstated.v1"
    participant: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketKeyPublished:
    """The head over this entry and all later ones are signed with ``market_key``."""

    kind: Literal["takt.market_key_published.v1"] = "takt.market_key_published.v1"
    market_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRotated:
    """From this log position on ``signing_key`` signs for the participant, and the one before no more."""

    kind: Literal["takt.key_rotated.v1"] = "takt.key_rotated.v1"
    participant: str
    signing_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantRevoked:
    """A company is out of the market: no key of it holds from this log position on."""

    kind: Literal["takt.participant_revoked.v1"] = "takt.participant_revoked.v1"
    participant: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EquivocationSeen:
    """A company signed two bodies under one number of one conversation; neither can be denied.

    This entry holds the second message and its signature, the entry at ``position`` the first.
    """

    kind: Literal["takt.equivocation_seen.v1"] = "takt.equivocation_seen.v1"
    participant: str
    conversation: str
    sequence: int
    position: int
    first_digest: str
    second_digest: str
    at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PartPublished:
    """A part stands in its customer's catalogue."""

    kind: Literal["takt.part_published.v1"] = "takt.part_published.v1"
    customer: str
    part: Part


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSubmitted:
    """``digest`` is the SHA-256 of the submitted content, so that a retry can be told from a conflict."""

    kind: Literal["takt.order_submitted.v1"] = "takt.order_submitted.v1"
    order: Order
    idempotency_key: str
    digest: str
    at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCancelled:
    """The customer took the order back; its contracts have ended."""

    kind: Literal["takt.order_cancelled.v1"] = "takt.order_cancelled.v1"
    order_id: str
    at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CancellationNoted:
    """A cancellation came after the close: the order is cancelled once its clearing is known."""

    kind: Literal["takt.cancellation_noted.v1"] = "takt.cancellation_noted.v1"
    order_id: str
    at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderExpired:
    """The deadline passed. ``payments`` are owed for finished contracts, as (contract id, minor units)."""

    kind: Literal["takt.order_expired.v1"] = "takt.order_expired.v1"
    order_id: str
    at_us: int
    charge_minor: int
    payments: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundOpened:
    """``lots`` are called of ``orders``; ``eligible`` are (participant, indices into lots). All sorted.

    With a ``sealing_key`` the round's answers are sealed to it.
    """

    kind: Literal["takt.round_opened.v1"] = "takt.round_opened.v1"
    round_id: str
    number: int
    opened_us: int
    deadline_us: int
    seed_commitment: str
    orders: tuple[str, ...]
    lots: tuple[Lot, ...]
    eligible: tuple[tuple[str, tuple[int, ...]], ...]
    sealing_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetReceived:
    """A sheet stands for its sender until a later one or the close; ``digest`` is its content's SHA-256."""

    kind: Literal["takt.sheet_received.v1"] = "takt.sheet_received.v1"
    participant: str
    sequence: int
    digest: str
    sheet: BidSheet


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDeclined:
    """A participant refused a call; the refusal stands until a later answer."""

    kind: Literal["takt.call_declined.v1"] = "takt.call_declined.v1"
    round_id: str
    participant: str
    sequence: int
    digest: str
    code: DeclineCode
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedReceived:
    """A sealed answer stands for its sender until a later one or the close. Its content is unknown.

    ``digest`` is that of the ciphertext's message, which stands in this entry.
    """

    kind: Literal["takt.sealed_received.v1"] = "takt.sealed_received.v1"
    round_id: str
    participant: str
    sequence: int
    digest: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SealsOpened:
    """The closed round's key is known and its answers are read; the clearing can start."""

    kind: Literal["takt.seals_opened.v1"] = "takt.seals_opened.v1"
    round_id: str
    at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerOpened:
    """What a sealed answer came to: a sheet without its invalid bids, a refusal (``code``), or neither."""

    kind: Literal["takt.answer_opened.v1"] = "takt.answer_opened.v1"
    round_id: str
    participant: str
    sequence: int
    sheet: BidSheet | None
    code: DeclineCode | None
    detail: str
    refused: tuple[BidRefusal, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundClosed:
    """The close: sheets at earlier log positions count, nothing later does. Starts the clearing."""

    kind: Literal["takt.round_closed.v1"] = "takt.round_closed.v1"
    round_id: str
    at_us: int
    reason: Literal["all_answered", "deadline", "present_answered"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearingPublished:
    """``result`` is the checked ``takt.clearing.v1`` document as canonical JSON.

    ``estimates`` holds (bid, about the price below which it would have won) where the rules tell it.
    """

    kind: Literal["takt.clearing_published.v1"] = "takt.clearing_published.v1"
    round_id: str
    at_us: int
    rules_version: int
    status: str
    objective: int
    bound: int | None
    greedy_objective: int | None
    digest: str
    result: str
    estimates: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundVoided:
    """The closed round came to nothing, for a reason that lies with the market and not with its bids."""

    kind: Literal["takt.round_voided.v1"] = "takt.round_voided.v1"
    round_id: str
    at_us: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearingVoided:
    """The operator took a cleared round back before anybody had confirmed."""

    kind: Literal["takt.clearing_voided.v1"] = "takt.clearing_voided.v1"
    round_id: str
    at_us: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundPriced:
    """A closed round was cleared for its prices only; it awards nothing, and its orders are called again."""

    kind: Literal["takt.round_priced.v1"] = "takt.round_priced.v1"
    round_id: str
    at_us: int
    iteration: int
    prices: tuple[LotPrice, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReturned:
    """An order waits for the next call again, as if the round had not been."""

    kind: Literal["takt.order_returned.v1"] = "takt.order_returned.v1"
    order_id: str
    round_id: str
    at_us: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketPaused:
    """No round opens from now on."""

    kind: Literal["takt.market_paused.v1"] = "takt.market_paused.v1"
    at_us: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketResumed:
    """Rounds open again."""

    kind: Literal["takt.market_resumed.v1"] = "takt.market_resumed.v1"
    at_us: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordsRetired:
    """Orders with their contracts, rounds and notices (participant, id) have left the state; rows stay."""

    kind: Literal["takt.records_retired.v1"] = "takt.records_retired.v1"
    at_us: int
    orders: tuple[str, ...] = ()
    rounds: tuple[str, ...] = ()
    notices: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderAwarded:
    """``contracts`` are new; the money covers them and those of earlier rounds that the plan counts on.

    ``kept`` are (id, its shipments anew) of these, ``lost`` of those lost since; ``ended`` were replaced.
    """

    kind: Literal["takt.order_awarded.v1"] = "takt.order_awarded.v1"
    order_id: str
    round_id: str
    at_us: int
    pieces: int
    charge_minor: int
    production_minor: int
    transport_minor: int
    fee_minor: int
    promised_us: int
    contracts: tuple[Contract, ...]
    kept: tuple[tuple[str, tuple[Shipment, ...]], ...] = ()
    lost: tuple[tuple[str, tuple[Shipment, ...]], ...] = ()
    ended: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPassedOver:
    """A round did not serve the order; ``final`` says whether it ends unserved or is called again."""

    kind: Literal["takt.order_passed_over.v1"] = "takt.order_passed_over.v1"
    order_id: str
    round_id: str
    at_us: int
    reasons: tuple[UnservedReason, ...]
    final: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MilestoneReported:
    """A contract went on, as its participant reports; ``digest`` is the report's SHA-256."""

    kind: Literal["takt.milestone_reported.v1"] = "takt.milestone_reported.v1"
    contract_id: str
    sequence: int
    digest: str
    milestone: Milestone
    at_us: int
    lot_id: str | None
    quantity: int
    expected_end_us: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakdownReported:
    """A resource of a participant is down for a time."""

    kind: Literal["takt.breakdown_reported.v1"] = "takt.breakdown_reported.v1"
    participant: str
    notice_id: str
    digest: str
    resource: str
    window: Window
    at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractAtRisk:
    """Work that has not begun can not be relied on any more."""

    kind: Literal["takt.contract_at_risk.v1"] = "takt.contract_at_risk.v1"
    contract_id: str
    at_us: int
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractEnded:
    """The contract is over without delivery; its unstarted lots are open again."""

    kind: Literal["takt.contract_ended.v1"] = "takt.contract_ended.v1"
    contract_id: str
    at_us: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderProgressed:
    """The order as a whole took a step because its contracts did."""

    kind: Literal["takt.order_progressed.v1"] = "takt.order_progressed.v1"
    order_id: str
    step: Literal["confirmed", "started", "at_risk", "shipped", "delivered"]
    at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSettled:
    """``payments`` are (contract id, amount in minor units)."""

    kind: Literal["takt.order_settled.v1"] = "takt.order_settled.v1"
    order_id: str
    at_us: int
    charge_minor: int
    payments: tuple[tuple[str, int], ...]


Event = (
    MarketOpened
    | RulesChanged
    | NetworkPublished
    | ParticipantAdmitted
    | ParticipantSuspended
    | ParticipantReinstated
    | MarketKeyPublished
    | KeyRotated
    | ParticipantRevoked
    | EquivocationSeen
    | PartPublished
    | OrderSubmitted
    | OrderCancelled
    | CancellationNoted
    | OrderExpired
    | RoundOpened
    | SheetReceived
    | CallDeclined
    | SealedReceived
    | SealsOpened
    | AnswerOpened
    | RoundClosed
    | ClearingPublished
    | RoundVoided
    | OrderAwarded
    | OrderPassedOver
    | MilestoneReported
    | BreakdownReported
    | ContractAtRisk
    | ContractEnded
    | OrderProgressed
    | OrderSettled
    | ContractEvent
    | ClearingVoided
    | RoundPriced
    | OrderReturned
    | MarketPaused
    | MarketResumed
    | RecordsRetired
)
