"""What readers see: the documents of the read models, one row each, functions of the state."""

from __future__ import annotations

from dataclasses import dataclass

from market.model.commands import AdmitParticipant
from takt_sdk.model.contract import Contract, ContractState
from takt_sdk.model.messages import OrderState, UnservedReason
from takt_sdk.model.quickly_built import quickly_built


@quickly_built
@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """A change of state: when, into what, and the event or reason that caused it."""

    at_us: int
    state: str
    cause: str


@quickly_built
@dataclass(frozen=True, slots=True, kw_only=True)
class LotView:
    """A lot of an order and the contracts that stand for it."""

    lot_id: str
    process: str
    quantity: int
    contracts: tuple[str, ...]


@quickly_built
@dataclass(frozen=True, slots=True, kw_only=True)
class OrderView:
    """An order as its customer sees it. Read model ``orders``, key and status: id and state.

    ``charge_minor`` is None until awarded; ``pieces`` is how many will be delivered;
    ``promised_us`` when the last goods should arrive.
    """

    order_id: str
    customer: str
    part_id: str
    quantity: int
    destination: str
    release_us: int
    due_us: int
    deadline_us: int
    reservation_value_minor: int
    state: OrderState
    submitted_us: int
    charge_minor: int | None
    production_minor: int | None
    transport_minor: int | None
    fee_minor: int | None
    emissions_g: int | None
    pieces: int
    promised_us: int | None
    lots: tuple[LotView, ...]
    reasons: tuple[UnservedReason, ...]
    rounds: tuple[str, ...]
    history: tuple[HistoryEntry, ...]


@quickly_built
@dataclass(frozen=True, slots=True, kw_only=True)
class ContractView:
    """A contract as its participant sees it. Read model ``contracts``, tenant = participant."""

    contract: Contract
    state: ContractState
    finished_quantity: int
    payment_due_minor: int
    history: tuple[HistoryEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantView:
    """An admitted participant. Read model ``participants``, tenant = itself.

    Its status is active, suspended or revoked.
    """

    admission: AdmitParticipant
    suspended: bool
    revoked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearingView:
    """A round, public part. Read model ``clearings``, key = round id, tenant empty.

    The row's status is the round's (open, clearing, cleared, void). Figures are None before it cleared;
    objective, bound, greedy objective and digest stay None where fewer than three customers or bidders
    took part. ``answered`` is 0 until the close.
    """

    round_id: str
    number: int
    opened_us: int
    deadline_us: int
    closed_us: int | None
    called: int
    answered: int
    orders: int
    served: int
    clearing_status: str | None
    objective: int | None
    bound: int | None
    gap_ppm: int | None
    greedy_objective: int | None
    digest: str | None
