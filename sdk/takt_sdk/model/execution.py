"""Messages of what follows an award: work reported, disruptions, changes, money, records.

Part of `takt_sdk.model.messages`, which joins them into its unions. A disruption is shaped like a
Catena-X DemandAndCapacityNotification: cause, effect, status, and the id of the notice it follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from takt_sdk.model.errors import EmptyError
from takt_sdk.model.values import (
    MAX_QUANTITY,
    Window,
    check_choice,
    check_id,
    check_int,
    check_text,
    check_time,
)

PPM = 1_000_000

DisruptionCause = Literal["breakdown", "logistics", "demand"]
DisruptionEffect = Literal[
    "capacity_reduction", "lane_closed", "lane_slower", "spike", "rush", "quantity_change"
]
DisruptionStatus = Literal["open", "resolved"]

EFFECTS: dict[str, tuple[str, ...]] = {
    "breakdown": ("capacity_reduction",),
    "logistics": ("lane_closed", "lane_slower"),
    "demand": ("spike", "rush", "quantity_change"),
}
"""Which effects each cause can have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportProgress:
    """Say how far a lot of an own contract is; all figures count from its start.

    ``expected_end_us`` is when the contract will be finished, with ``confidence_ppm`` millionths of
    confidence. Numbered like the milestones of the contract.
    """

    kind: Literal["takt.report_progress.v1"] = "takt.report_progress.v1"
    contract_id: str
    lot_id: str
    done: int
    scrapped: int
    at_us: int
    expected_end_us: int
    confidence_ppm: int = PPM

    def __post_init__(self) -> None:
        check_id("contract_id", self.contract_id)
        check_id("lot_id", self.lot_id)
        check_int("done", self.done, 0, MAX_QUANTITY)
        check_int("scrapped", self.scrapped, 0, MAX_QUANTITY)
        check_time("at_us", self.at_us)
        check_time("expected_end_us", self.expected_end_us)
        check_int("confidence_ppm", self.confidence_ppm, 0, PPM)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifyDisruption:
    """Say that something happened that plans did not count on, or that it is over.

    A plant or supplier names ``resource`` and ``window`` (breakdown), the operator ``lane_source``,
    ``lane_target`` and the new ``transit_minutes`` (logistics; a closed lane has none), a customer
    ``order_id`` and the new ``quantity`` (demand). ``source_id`` is the notice that ``resolved`` ends.
    """

    kind: Literal["takt.notify_disruption.v1"] = "takt.notify_disruption.v1"
    notice_id: str
    cause: DisruptionCause
    effect: DisruptionEffect
    status: DisruptionStatus = "open"
    source_id: str = ""
    resource: str = ""
    window: Window | None = None
    lane_source: str = ""
    lane_target: str = ""
    transit_minutes: int = 0
    order_id: str = ""
    quantity: int = 0
    detail: str = ""

    def __post_init__(self) -> None:
        check_id("notice_id", self.notice_id)
        check_choice("cause", self.cause, get_args(DisruptionCause))
        check_choice("effect", self.effect, get_args(DisruptionEffect))
        check_choice("status", self.status, get_args(DisruptionStatus))
        for name in ("source_id", "resource", "lane_source", "lane_target", "order_id"):
            if getattr(self, name):
                check_id(name, getattr(self, name))
        check_int("transit_minutes", self.transit_minutes, 0, MAX_QUANTITY)
        check_int("quantity", self.quantity, 0, MAX_QUANTITY)
        check_text("detail", self.detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppealScore:
    """Object to how an own contract counts in one's record; the operator decides."""

    kind: Literal["takt.appeal_score.v1"] = "takt.appeal_score.v1"
    contract_id: str
    reason: str

    def __post_init__(self) -> None:
        check_id("contract_id", self.contract_id)
        check_text("reason", self.reason)
        if not self.reason:
            raise EmptyError("reason", self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestChange:
    """Ask what a change of an own order, or its end, costs. Nothing changes before it is accepted.

    Either ``cancel``, or at least one of the others.
    """

    kind: Literal["takt.request_change.v1"] = "takt.request_change.v1"
    order_id: str
    cancel: bool = False
    quantity: int | None = None
    due_us: int | None = None
    deadline_us: int | None = None

    def __post_init__(self) -> None:
        check_id("order_id", self.order_id)
        if self.quantity is not None:
            check_int("quantity", self.quantity, 1, MAX_QUANTITY)
        for name in ("due_us", "deadline_us"):
            if getattr(self, name) is not None:
                check_time(name, getattr(self, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptChange:
    """Accept the price of a change; it takes effect at this message's place in the log."""

    kind: Literal["takt.accept_change.v1"] = "takt.accept_change.v1"
    order_id: str
    quote_id: str

    def __post_init__(self) -> None:
        check_id("order_id", self.order_id)
        check_id("quote_id", self.quote_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeQuote:
    """Tell a customer what a change costs, until when, and on which side of the clearing it lies.

    ``clearing`` is ``before`` where the order leaves the open round, ``after`` where the round is being
    cleared and the change follows its outcome, ``none`` where no round concerns it.
    """

    kind: Literal["takt.change_quote.v1"] = "takt.change_quote.v1"
    quote_id: str
    order_id: str
    participant: str
    price_minor: int
    expires_us: int
    clearing: Literal["before", "after", "none"]
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryStatement:
    """Ask for the lines on one's own account after the posting ``after``."""

    kind: Literal["takt.query_statement.v1"] = "takt.query_statement.v1"
    after: str = ""

    def __post_init__(self) -> None:
        if self.after:
            check_id("after", self.after)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementEntry:
    """A line: what moved, for which order and contract, and the balance after it."""

    posting_id: str
    entry: str
    at_us: int
    order_id: str
    contract_id: str
    amount_minor: int
    balance_minor: int
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementReply:
    """The sender's account; ``more`` says that lines follow after the last one."""

    kind: Literal["takt.statement_reply.v1"] = "takt.statement_reply.v1"
    participant: str
    now_us: int
    balance_minor: int
    entries: tuple[StatementEntry, ...]
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryScorecard:
    """Ask for one's own record."""

    kind: Literal["takt.query_scorecard.v1"] = "takt.query_scorecard.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class CapabilityScore:
    """Reliability in one process: the mean of a Beta posterior in millionths, from ``observed`` contracts."""

    process: str
    on_time_ppm: int
    observed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorecardReply:
    """The sender's record.

    ``brier_ppm`` is how wrong the market's forecasts of it were, ``base_brier_ppm`` how wrong the share of
    all contracts that were on time would have been. The buyer's figures count its own orders.
    """

    kind: Literal["takt.scorecard_reply.v1"] = "takt.scorecard_reply.v1"
    participant: str
    now_us: int
    capabilities: tuple[CapabilityScore, ...]
    observed: int
    on_probation: bool
    brier_ppm: int | None
    base_brier_ppm: int | None
    appeals: tuple[str, ...]
    orders: int
    awarded: int
    cancelled: int
    balance_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryTimeline:
    """Ask for plan against actual of an own order."""

    kind: Literal["takt.query_timeline.v1"] = "takt.query_timeline.v1"
    order_id: str

    def __post_init__(self) -> None:
        check_id("order_id", self.order_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    """A lot under one contract: when it was to be made, when it was, how far it is."""

    lot_id: str
    contract_id: str
    state: str
    quantity: int
    planned_start_us: int
    planned_end_us: int
    actual_start_us: int | None
    actual_end_us: int | None
    done: int
    scrapped: int
    predicted_end_us: int
    confidence_ppm: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemainingLot:
    """Units of a lot that nobody was to make any more."""

    lot_id: str
    quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskEntry:
    """What put an order at risk, what remained to be made, and what came of it.

    ``awarded_us`` minus ``at_us`` is the time to the new award, ``extra_minor`` what it cost more.
    """

    order_id: str
    state: str
    cause: str
    source_id: str
    at_us: int
    remaining: tuple[RemainingLot, ...]
    held_us: int | None
    awarded_us: int | None
    promised_us: int | None
    extra_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineReply:
    """Plan against actual of an order; ``first_promised_us`` is what its customer was promised first."""

    kind: Literal["takt.timeline_reply.v1"] = "takt.timeline_reply.v1"
    order_id: str
    state: str
    now_us: int
    due_us: int
    first_promised_us: int | None
    promised_us: int | None
    predicted_us: int | None
    entries: tuple[TimelineEntry, ...]
    risks: tuple[RiskEntry, ...]
    quotes: tuple[ChangeQuote, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryRisks:
    """Ask for own orders, and orders of own contracts, that are at risk and not settled."""

    kind: Literal["takt.query_risks.v1"] = "takt.query_risks.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class RisksReply:
    """The sender's orders at risk, the newest first."""

    kind: Literal["takt.risks_reply.v1"] = "takt.risks_reply.v1"
    participant: str
    now_us: int
    risks: tuple[RiskEntry, ...]


ContractQuery = QueryStatement | QueryScorecard | QueryTimeline | QueryRisks
ContractReply = StatementReply | ScorecardReply | TimelineReply | RisksReply
ExecutionReport = ReportProgress | NotifyDisruption | AppealScore
ChangeCommand = RequestChange | AcceptChange
