"""What happens to contracts after the award, and its money. Joined into `market.model.events.Event`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from market.model.ledger import Posting
from market.model.network import Lane
from market.model.order import Order
from takt_sdk.model.contract import Contract, ContractItem, Shipment
from takt_sdk.model.execution import ChangeQuote, NotifyDisruption, RequestChange


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerPosted:
    """Money moved; each posting is balanced in itself."""

    kind: Literal["takt.ledger_posted.v1"] = "takt.ledger_posted.v1"
    postings: tuple[Posting, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractTerms:
    """What a contract's payment is made of, and how sure the market was of it.

    ``fixed_minor`` of the payment is for setting up; ``group_minor`` is the order's share of fixed prices
    of ``groups`` (``round/participant/group``), which other contracts may share. ``on_time_ppm`` was the
    probability, at the award, that it will be on time.
    """

    contract_id: str
    fixed_minor: int
    group_minor: int
    groups: tuple[str, ...]
    on_time_ppm: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractsPriced:
    """The terms of the contracts of one clearing; ``promises`` are (order id, date) as awarded."""

    kind: Literal["takt.contracts_priced.v1"] = "takt.contracts_priced.v1"
    terms: tuple[ContractTerms, ...]
    promises: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A bid that lost and stands by for the contract ``backs``.

    ``contract`` is what it would become, paid its own price, without shipments. ``declared`` is what its
    bidder had of each of the contract's uses, ``groups`` the bid's (``round/participant/group``). ``draw``
    orders bids that are equal.
    """

    contract: Contract
    backs: str
    at_us: int
    expires_us: int
    fixed_minor: int
    declared: tuple[int, ...]
    groups: tuple[str, ...]
    draw: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupsRecorded:
    """Bids that lost stand by; nobody but their bidders is told."""

    kind: Literal["takt.backups_recorded.v1"] = "takt.backups_recorded.v1"
    backups: tuple[Backup, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupAwarded:
    """Backups took the places of contracts that were lost before their work began, without a call.

    ``replaced`` are (contract lost, backup's contract), ``kept`` the new shipments of contracts that stand,
    ``ended`` the lost ones that were not over yet.
    """

    kind: Literal["takt.backup_awarded.v1"] = "takt.backup_awarded.v1"
    order_id: str
    at_us: int
    cause: str
    replaced: tuple[tuple[str, str], ...]
    contracts: tuple[Contract, ...]
    kept: tuple[tuple[str, tuple[Shipment, ...]], ...]
    ended: tuple[str, ...]
    charge_minor: int
    production_minor: int
    transport_minor: int
    fee_minor: int
    promised_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRecorded:
    """Money came in or went out by the bank; ``reference`` is unique."""

    kind: Literal["takt.payment_recorded.v1"] = "takt.payment_recorded.v1"
    participant: str
    amount_minor: int
    reference: str
    at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressReported:
    """A lot of a contract went on; ``predicted_end_us`` is the market's own forecast."""

    kind: Literal["takt.progress_reported.v1"] = "takt.progress_reported.v1"
    contract_id: str
    sequence: int
    digest: str
    lot_id: str
    done: int
    scrapped: int
    at_us: int
    expected_end_us: int
    confidence_ppm: int
    predicted_end_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractReduced:
    """A contract is what is done of it, or what its customer still wants; the rest is open again."""

    kind: Literal["takt.contract_reduced.v1"] = "takt.contract_reduced.v1"
    contract: Contract
    at_us: int
    reason: str
    by_customer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractContested:
    """What is left of a contract, but ``done``, is offered to others, since it would end late, at ``end_us``.

    Its work goes on.
    """

    kind: Literal["takt.contract_contested.v1"] = "takt.contract_contested.v1"
    contract_id: str
    end_us: int
    done: tuple[ContractItem, ...]
    at_us: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DisruptionNoted:
    """Something happened that plans did not count on. ``lane`` is what it was before, if one changed."""

    kind: Literal["takt.disruption_noted.v1"] = "takt.disruption_noted.v1"
    notice: NotifyDisruption
    sender: str
    digest: str
    at_us: int
    lane: Lane | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskNoted:
    """An order loses contracts worth ``value_minor``: what remains of its lots in units, why, since when.

    Each loss has its own, also in an order that is at risk already.
    """

    kind: Literal["takt.risk_noted.v1"] = "takt.risk_noted.v1"
    order_id: str
    at_us: int
    cause: str
    source_id: str
    lost: tuple[str, ...]
    remaining: tuple[tuple[str, int], ...]
    occurred_us: int = 0
    value_minor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderHeld:
    """A human must approve the reallocation: payments of ``value_minor`` are at risk."""

    kind: Literal["takt.order_held.v1"] = "takt.order_held.v1"
    order_id: str
    at_us: int
    value_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReallocationApproved:
    """A human let an order that waited be called again."""

    kind: Literal["takt.reallocation_approved.v1"] = "takt.reallocation_approved.v1"
    order_id: str
    at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallHastened:
    """The next round opens as soon as it can, and not at the next takt."""

    kind: Literal["takt.call_hastened.v1"] = "takt.call_hastened.v1"
    at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseChanged:
    """An order has a new promise after a reallocation, and its customer the reason.

    It does not answer the loss of the contracts in ``lost``, which the new plan counts on.
    """

    kind: Literal["takt.promise_changed.v1"] = "takt.promise_changed.v1"
    order_id: str
    at_us: int
    before_us: int
    promised_us: int
    charge_before_minor: int
    charge_minor: int
    cause: str
    lost: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantSilent:
    """A participant was not heard of for the rules' time; False: it is heard again."""

    kind: Literal["takt.participant_silent.v1"] = "takt.participant_silent.v1"
    participant: str
    last_heard_us: int
    silent: bool
    at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityObserved:
    """A contract was on time or not; ``forecast_ppm`` was the market's probability of it."""

    kind: Literal["takt.reliability_observed.v1"] = "takt.reliability_observed.v1"
    participant: str
    contract_id: str
    processes: tuple[str, ...]
    on_time: bool
    forecast_ppm: int
    base_ppm: int
    at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AppealRecorded:
    """A participant objects to how a contract counts."""

    kind: Literal["takt.appeal_recorded.v1"] = "takt.appeal_recorded.v1"
    participant: str
    contract_id: str
    reason: str
    at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AppealResolved:
    """An appeal was decided; upheld, the observation no longer counts."""

    kind: Literal["takt.appeal_resolved.v1"] = "takt.appeal_resolved.v1"
    contract_id: str
    upheld: bool
    reason: str
    at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeQuoted:
    """What a change costs its customer, until when; ``digest`` tells the same request again."""

    kind: Literal["takt.change_quoted.v1"] = "takt.change_quoted.v1"
    quote: ChangeQuote
    request: RequestChange
    digest: str
    at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeAccepted:
    """A customer accepted the price of a change; what it changes follows."""

    kind: Literal["takt.change_accepted.v1"] = "takt.change_accepted.v1"
    order_id: str
    quote_id: str
    at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderChanged:
    """An order has new terms; ``trigger`` is the arrow that it takes, empty for none.

    Its money is given where it changes too.
    """

    kind: Literal["takt.order_changed.v1"] = "takt.order_changed.v1"
    order: Order
    trigger: str
    pieces: int
    at_us: int
    charge_minor: int | None = None
    production_minor: int | None = None
    transport_minor: int | None = None
    fee_minor: int | None = None


ContractEvent = (
    LedgerPosted
    | ContractsPriced
    | PaymentRecorded
    | ProgressReported
    | ContractReduced
    | DisruptionNoted
    | RiskNoted
    | OrderHeld
    | ReallocationApproved
    | CallHastened
    | PromiseChanged
    | ParticipantSilent
    | ReliabilityObserved
    | AppealRecorded
    | AppealResolved
    | ChangeQuoted
    | ChangeAccepted
    | OrderChanged
    | BackupsRecorded
    | BackupAwarded
    | ContractContested
)
