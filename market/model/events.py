"""What has happened: the only things that change the market's state.

Events are past tense, frozen and complete: folding them needs no message and no clock. They are
journaled with the message that caused them, so a kind once released keeps its meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from market.model.contract import Contract
from market.model.messages import AdmitParticipant, DeclineCode, Milestone, UnservedReason
from market.model.network import Network
from market.model.order import Order
from market.model.plan import Part
from market.model.rules import Rules
from market.model.sheet import BidSheet
from market.model.values import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketOpened:
    kind: Literal["takt.market_opened.v1"] = "takt.market_opened.v1"
    market: str
    rules: Rules
    network: Network
    seed: int | None
    at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesChanged:
    kind: Literal["takt.rules_changed.v1"] = "takt.rules_changed.v1"
    rules: Rules


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPublished:
    kind: Literal["takt.network_published.v1"] = "takt.network_published.v1"
    network: Network


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantAdmitted:
    kind: Literal["takt.participant_admitted.v1"] = "takt.participant_admitted.v1"
    admission: AdmitParticipant


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantSuspended:
    kind: Literal["takt.participant_suspended.v1"] = "takt.participant_suspended.v1"
    participant: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PartPublished:
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
    kind: Literal["takt.order_cancelled.v1"] = "takt.order_cancelled.v1"
    order_id: str
    at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderExpired:
    kind: Literal["takt.order_expired.v1"] = "takt.order_expired.v1"
    order_id: str
    at_us: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundOpened:
    """``lots`` are the ids called, ``eligible`` the (participant, lot ids) pairs, both sorted."""

    kind: Literal["takt.round_opened.v1"] = "takt.round_opened.v1"
    round_id: str
    number: int
    opened_us: int
    deadline_us: int
    seed_commitment: str
    orders: tuple[str, ...]
    eligible: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetReceived:
    kind: Literal["takt.sheet_received.v1"] = "takt.sheet_received.v1"
    participant: str
    sequence: int
    digest: str
    sheet: BidSheet


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDeclined:
    kind: Literal["takt.call_declined.v1"] = "takt.call_declined.v1"
    round_id: str
    participant: str
    sequence: int
    digest: str
    code: DeclineCode
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundClosed:
    """The close: sheets at earlier log positions count, nothing later does. Starts the clearing."""

    kind: Literal["takt.round_closed.v1"] = "takt.round_closed.v1"
    round_id: str
    at_us: int
    reason: Literal["all_answered", "deadline"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearingPublished:
    """``result`` is the checked ``takt.clearing.v1`` document as canonical JSON."""

    kind: Literal["takt.clearing_published.v1"] = "takt.clearing_published.v1"
    round_id: str
    at_us: int
    rules_version: int
    status: str
    objective: int
    bound: int | None
    result: str
    losers: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderAwarded:
    """``charge_minor`` covers the contracts that stand after this award; ``kept`` those of earlier rounds."""

    kind: Literal["takt.order_awarded.v1"] = "takt.order_awarded.v1"
    order_id: str
    round_id: str
    at_us: int
    pieces: int
    charge_minor: int
    promised_us: int
    contracts: tuple[Contract, ...]


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
    kind: Literal["takt.breakdown_reported.v1"] = "takt.breakdown_reported.v1"
    participant: str
    notice_id: str
    digest: str
    resource: str
    window: Window
    at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractAtRisk:
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
class OrderSettled:
    """``payments`` are (contract id, amount in minor units)."""

    kind: Literal["takt.order_settled.v1"] = "takt.order_settled.v1"
    order_id: str
    at_us: int
    charge_minor: int
    payments: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeAdvanced:
    """Market time moved without anything else happening (scenario runs log every tick)."""

    kind: Literal["takt.time_advanced.v1"] = "takt.time_advanced.v1"
    now_us: int


Event = (
    MarketOpened
    | RulesChanged
    | NetworkPublished
    | ParticipantAdmitted
    | ParticipantSuspended
    | PartPublished
    | OrderSubmitted
    | OrderCancelled
    | OrderExpired
    | RoundOpened
    | SheetReceived
    | CallDeclined
    | RoundClosed
    | ClearingPublished
    | OrderAwarded
    | OrderPassedOver
    | MilestoneReported
    | BreakdownReported
    | ContractAtRisk
    | ContractEnded
    | OrderSettled
    | TimeAdvanced
)
