"""What the market knows: one mutable value, written only by `market.engine.apply`.

Plain dictionaries by id in the order in which things happened; every output that depends on an
order sorts by id. Caches that can be derived are marked and stand outside the digest.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field
from typing import Any

from market.engine.contracting import Contracting
from market.model.commands import AdmitParticipant
from market.model.network import Network
from market.model.order import Order
from market.model.rules import Rules
from market.model.views import HistoryEntry
from takt_sdk.model.contract import Contract, ContractItem, ContractState
from takt_sdk.model.messages import TERMINAL_ORDER_STATES, LotPrice, OrderState, UnservedReason
from takt_sdk.model.order import Lot
from takt_sdk.model.plan import Part
from takt_sdk.model.sheet import BidSheet


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyTerm:
    """A signing key and the log positions in which it holds: ``from_position <= position < to_position``."""

    key: str
    from_position: int
    to_position: int | None = None


@dataclass(slots=True, kw_only=True)
class ParticipantRecord:
    """An admitted company. ``notices`` maps its own notice ids to (digest, position), ``notice_us`` to times.

    ``keys`` are in the order of their terms; ``equivocations`` maps a conversation to the log position
    of its first proof.
    """

    admission: AdmitParticipant
    suspended: bool = False
    notices: dict[str, tuple[str, int]] = field(default_factory=dict)
    notice_us: dict[str, int] = field(default_factory=dict)
    revoked: bool = False
    keys: tuple[KeyTerm, ...] = ()
    equivocations: dict[str, int] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The key that signs now; empty where there is none."""
        return self.keys[-1].key if self.keys and self.keys[-1].to_position is None else ""

    def had_key_at(self, position: int) -> bool:
        """Return whether some key held at a log position."""
        return any(
            term.from_position <= position and (term.to_position is None or position < term.to_position)
            for term in self.keys
        )


@dataclass(slots=True, kw_only=True)
class PartRecord:
    """A catalogue part of a customer, and the log position that last set it."""

    part: Part
    position: int


@dataclass(slots=True, kw_only=True)
class OrderRecord:
    """An order and everything that became of it. Money fields are None until awarded."""

    order: Order
    digest: str
    idempotency_key: str
    position: int
    submitted_us: int
    state: OrderState = "submitted"
    pieces: int = 0
    charge_minor: int | None = None
    production_minor: int | None = None
    transport_minor: int | None = None
    fee_minor: int | None = None
    promised_us: int | None = None
    contracts: list[str] = field(default_factory=list)
    rounds: list[str] = field(default_factory=list)
    reasons: tuple[UnservedReason, ...] = ()
    cancel_position: int | None = None
    history: list[HistoryEntry] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Whether the order can still change."""
        return self.state not in TERMINAL_ORDER_STATES


@dataclass(slots=True, kw_only=True)
class ContractRecord:
    """A contract and its course. ``reports`` maps sequence to (digest, position)."""

    contract: Contract
    state: ContractState = "awarded"
    awarded_us: int = 0
    finished_quantity: int = 0
    expected_end_us: int = 0
    payment_due_minor: int = 0
    reports: dict[int, tuple[str, int]] = field(default_factory=dict)
    history: list[HistoryEntry] = field(default_factory=list)

    @property
    def owes_report(self) -> bool:
        """Whether the market waits for this participant: to make the goods, or to ship the part."""
        if self.state == "finished":
            return any(shipment.to_contract is None for shipment in self.contract.shipments)
        return self.state in {"confirmed", "in_production"}


@dataclass(slots=True, kw_only=True)
class Answer:
    """What stands for a participant in a round; ``sheet`` is None for a refusal."""

    sequence: int
    sheet: BidSheet | None


@dataclass(slots=True, kw_only=True)
class Kept:
    """A contract of an earlier round that stood when the round closed, as it was then.

    ``contested`` says that the round calls all of it but ``done``.
    """

    contract: Contract
    expected_end_us: int
    contested: bool = False
    done: tuple[ContractItem, ...] = ()


@dataclass(slots=True, kw_only=True)
class PublicPart:
    """What everybody is told of a round with orders, or in a market with participants, of other data classes.

    ``figures`` says whether objective, bound and gap are told; ``called`` are those called for open orders.
    """

    orders: int
    customers: int
    called: tuple[str, ...]
    figures: bool
    answered: int = 0
    served: int = 0


@dataclass(slots=True, kw_only=True)
class RoundRecord:
    """A call, its answers and its clearing. Sheets and lots are dropped once it has cleared.

    ``kept`` is fixed by the close: what contracts do while the solver works does not change its problem.
    """

    id: str
    number: int
    state: str
    opened_us: int
    deadline_us: int
    seed_commitment: str
    rules_version: int
    orders: tuple[str, ...]
    lots: tuple[Lot, ...]
    eligible: dict[str, tuple[int, ...]]
    answers: dict[str, Answer] = field(default_factory=dict)
    received: dict[str, dict[int, tuple[str, int]]] = field(default_factory=dict)
    kept: dict[str, Kept] = field(default_factory=dict)
    closed_us: int | None = None
    close_position: int | None = None
    called: int = 0
    answered: int = 0
    served: int = 0
    clearing_status: str | None = None
    objective: int | None = None
    bound: int | None = None
    greedy_objective: int | None = None
    digest: str | None = None
    sealing_key: str = ""
    sites: dict[str, tuple[str, ...]] = field(default_factory=dict)
    public: PublicPart | None = None

    @property
    def sealed_answers(self) -> dict[str, int]:
        """The sequence of each participant's last answer, which is the one that stands under sealing."""
        return {name: max(numbers) for name, numbers in self.received.items()} if self.sealing_key else {}


CALLABLE = frozenset({"submitted", "at_risk"})
"""Orders that the next round calls."""


def _keep(members: dict[str, None], id_: str, belongs: bool) -> None:  # noqa: FBT001 - a fact, not a mode
    if belongs:
        members[id_] = None
    else:
        members.pop(id_, None)


@dataclass(slots=True, kw_only=True)
class Index:
    """What can be derived from a `State` and is kept for speed; never part of a digest."""

    open_orders: dict[str, None] = field(default_factory=dict)
    deadlines: list[tuple[int, str]] = field(default_factory=list)
    callable_orders: dict[str, None] = field(default_factory=dict)
    delivered_orders: dict[str, None] = field(default_factory=dict)
    open_by_customer: dict[str, int] = field(default_factory=dict)
    shipped_orders: dict[str, None] = field(default_factory=dict)
    unconfirmed: dict[str, None] = field(default_factory=dict)
    ends: list[tuple[int, str]] = field(default_factory=list)
    end_of: dict[str, int] = field(default_factory=dict)
    active_contracts: dict[str, dict[str, None]] = field(default_factory=dict)
    key_holders: dict[str, str] = field(default_factory=dict)
    ended_orders: list[tuple[int, str]] = field(default_factory=list)
    signing_keys: dict[str, str] = field(default_factory=dict)
    problem: Any = None
    """What the present round was built from and the problem that it poses; `market.engine.snapshot` alone
    reads and writes it. Solver and check need the same one."""

    def watch_order(self, record: OrderRecord) -> None:
        """Take note of an order's present state."""
        id_, customer = record.order.id, record.order.customer
        deadline = (record.order.terms.deadline_us, id_)
        if record.is_open:
            if id_ not in self.open_orders:
                self.open_orders[id_] = None
                self.open_by_customer[customer] = self.open_by_customer.get(customer, 0) + 1
                insort(self.deadlines, deadline)
        elif id_ in self.open_orders:
            del self.open_orders[id_]
            self.open_by_customer[customer] -= 1
            del self.deadlines[bisect_left(self.deadlines, deadline)]
            insort(self.ended_orders, (record.history[-1].at_us, id_))
        elif (ended := (record.history[-1].at_us, id_)) not in self.ended_orders[-1:]:
            insort(self.ended_orders, ended)
        _keep(self.callable_orders, id_, record.state in CALLABLE)
        _keep(self.delivered_orders, id_, record.state == "delivered")
        _keep(self.shipped_orders, id_, record.state == "shipped")

    def move_deadline(self, before: Order, now: Order) -> None:
        """Take note of an open order's new deadline."""
        if before.id in self.open_orders:
            del self.deadlines[bisect_left(self.deadlines, (before.terms.deadline_us, before.id))]
            insort(self.deadlines, (now.terms.deadline_us, now.id))

    def forget_order(self, record: OrderRecord) -> None:
        """Take note that an ended order leaves the state, with its contracts."""
        ended = (record.history[-1].at_us, record.order.id)
        del self.ended_orders[bisect_left(self.ended_orders, ended)]
        if not self.open_by_customer.get(record.order.customer):
            self.open_by_customer.pop(record.order.customer, None)

    def watch_participant(self, before: AdmitParticipant | None, now: AdmitParticipant) -> None:
        """Take note of a participant's present API key."""
        if before is not None and before.api_key_sha256 is not None:
            self.key_holders.pop(before.api_key_sha256, None)
        if now.api_key_sha256 is not None:
            self.key_holders[now.api_key_sha256] = now.participant

    def watch_contract(self, record: ContractRecord) -> None:
        """Take note of a contract's present state."""
        id_ = record.contract.id
        active = self.active_contracts.setdefault(record.contract.participant, {})
        if record.state == "awarded":
            self.unconfirmed[id_] = None
        else:
            self.unconfirmed.pop(id_, None)
        known = self.end_of.pop(id_, None)
        if known is not None:
            del self.ends[bisect_left(self.ends, (known, id_))]
        if record.owes_report:
            self.end_of[id_] = record.expected_end_us
            insort(self.ends, (record.expected_end_us, id_))
        if record.state in {"ended", "settled"}:
            active.pop(id_, None)
        else:
            active[id_] = None


@dataclass(slots=True, kw_only=True)
class State:
    """The whole market. ``size`` is how many journal entries have been folded into it."""

    market: str = ""
    size: int = 0
    now_us: int = 0
    rules: Rules = field(default_factory=Rules)
    network: Network = field(default_factory=Network)
    seed: int | None = None
    id_salt: str = ""
    market_key: str = ""
    next_call_us: int = 0
    price_iteration: int = 1
    lot_prices: tuple[LotPrice, ...] = ()
    round_id: str | None = None
    participants: dict[str, ParticipantRecord] = field(default_factory=dict)
    parts: dict[str, dict[str, PartRecord]] = field(default_factory=dict)
    orders: dict[str, OrderRecord] = field(default_factory=dict)
    contracts: dict[str, ContractRecord] = field(default_factory=dict)
    rounds: dict[str, RoundRecord] = field(default_factory=dict)
    contracting: Contracting = field(default_factory=Contracting)
    paused_us: int | None = None
    hidden_rounds: int = 0
    pause_reason: str = ""
    index: Index = field(default_factory=Index, compare=False, repr=False)

    @property
    def round(self) -> RoundRecord | None:
        """The round that is open or being cleared."""
        return None if self.round_id is None else self.rounds[self.round_id]

    @property
    def next_round_number(self) -> int:
        """The number of the next round; the last one never leaves the state."""
        return next(reversed(self.rounds.values())).number + 1 if self.rounds else 1

    def reindex(self) -> None:
        """Derive the index anew, after the state was read back whole."""
        self.index = Index()
        for participant in self.participants.values():
            self.index.watch_participant(None, participant.admission)
            for term in participant.keys:
                self.index.signing_keys[term.key] = participant.admission.participant
        for order in self.orders.values():
            self.index.watch_order(order)
        for contract in self.contracts.values():
            self.index.watch_contract(contract)
