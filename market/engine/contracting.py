"""What the market knows of contracts beyond their course: money, terms, work done, risks, records.

One member of `market.engine.state.State`, beside what version 0.1.0 knew, so that its journals keep
their digests. Holds data only.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from market.model.contract_events import Backup, ContractTerms
from market.model.ledger import PostingKind
from market.model.network import Lane, Network
from takt_sdk.model.contract import ContractItem, Shipment
from takt_sdk.model.execution import ChangeQuote, NotifyDisruption, RequestChange


@dataclass(slots=True, kw_only=True)
class StatementLine:
    """A line on a participant's account, and the balance after it."""

    posting_id: str
    kind: PostingKind
    at_us: int
    order_id: str
    contract_id: str
    amount_minor: int
    balance_minor: int
    detail: str


@dataclass(slots=True, kw_only=True)
class LotWork:
    """How far a lot of a contract is, as last reported, and the market's forecast of the contract."""

    done: int
    scrapped: int
    at_us: int
    expected_end_us: int
    confidence_ppm: int
    predicted_end_us: int


@dataclass(slots=True, kw_only=True)
class Score:
    """Observed contracts in one process; excess counts in thousandths as they weighed at ``at_us``."""

    on_time_milli: int = 0
    late_milli: int = 0
    at_us: int = 0
    observed: int = 0


@dataclass(slots=True, kw_only=True)
class Forecasts:
    """Squared errors of the market's forecasts of one participant, and of the base rate, in millionths."""

    count: int = 0
    squares_ppm: int = 0
    base_squares_ppm: int = 0


@dataclass(slots=True, kw_only=True)
class Appeal:
    """An objection to an observation; ``status`` is open, upheld or rejected."""

    participant: str
    reason: str
    at_us: int
    status: str = "open"


@dataclass(slots=True, kw_only=True)
class Disruption:
    """A notice that is open or resolved; ``digest`` tells a retry from a conflict."""

    notice: NotifyDisruption
    sender: str
    digest: str
    position: int
    at_us: int
    lane: Lane | None = None
    resolved_us: int | None = None


@dataclass(slots=True, kw_only=True)
class Contested:
    """A late contract held against new offers: its forecast, why at first, what was done when it was called.

    ``round_id`` is the round that last called it, empty before.
    """

    end_us: int
    reason: str
    round_id: str = ""
    done: tuple[ContractItem, ...] = ()


@dataclass(slots=True, kw_only=True)
class Risk:
    """A loss that put an order at risk: since when, when the market knew, its new award, its extra cost.

    One new award may answer several; the first of them bears the extra cost. ``value_minor`` are the
    payments lost.
    """

    cause: str
    source_id: str
    at_us: int
    lost: tuple[str, ...]
    remaining: tuple[tuple[str, int], ...]
    occurred_us: int = 0
    held_us: int | None = None
    awarded_us: int | None = None
    promised_us: int | None = None
    extra_minor: int = 0
    value_minor: int = 0


@dataclass(slots=True, kw_only=True)
class Quote:
    """The price of a change, and when it was accepted."""

    quote: ChangeQuote
    request: RequestChange
    digest: str
    position: int
    accepted_position: int | None = None


@dataclass(slots=True, kw_only=True)
class Contracting:
    """Side tables by id.

    ``charged`` is what orders were charged, ``paid`` what contracts were paid, ``promised`` the first
    date that an order was promised. ``moved`` are the shipments of contracts whose goods have left, ``sunk``
    what they cost per order; the ``closed_`` tables are those of the orders of the present round as they
    were at its close. ``next_network`` holds once the round is cleared. ``failed`` counts rounds that did
    not serve an order at risk; ``silent`` are participants not heard of, and since when; ``payments`` are the
    bank's references with their log positions. ``quotes`` and ``backups`` (cheapest first) are by order.
    ``extended`` are the late ends that were accepted of contracts that were ``contested``.
    """

    posted: int = 0
    balances: dict[str, int] = field(default_factory=dict)
    statements: dict[str, list[StatementLine]] = field(default_factory=dict)
    charged: dict[str, int] = field(default_factory=dict)
    paid: dict[str, int] = field(default_factory=dict)
    terms: dict[str, ContractTerms] = field(default_factory=dict)
    promised: dict[str, int] = field(default_factory=dict)
    moved: dict[str, tuple[Shipment, ...]] = field(default_factory=dict)
    sunk: dict[str, int] = field(default_factory=dict)
    closed_moved: dict[str, tuple[Shipment, ...]] = field(default_factory=dict)
    closed_sunk: dict[str, int] = field(default_factory=dict)
    closed_begun: dict[str, None] = field(default_factory=dict)
    next_network: Network | None = None
    work: dict[str, dict[str, LotWork]] = field(default_factory=dict)
    disruptions: dict[str, Disruption] = field(default_factory=dict)
    risks: dict[str, list[Risk]] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)
    silent: dict[str, int] = field(default_factory=dict)
    hasten: bool = False
    scores: dict[str, dict[str, Score]] = field(default_factory=dict)
    closed_late_ppm: dict[str, dict[str, int]] = field(default_factory=dict)
    closed_probation: dict[str, int] = field(default_factory=dict)
    observed: dict[str, bool] = field(default_factory=dict)
    observed_count: int = 0
    observed_on_time: int = 0
    forecasts: dict[str, Forecasts] = field(default_factory=dict)
    appeals: dict[str, Appeal] = field(default_factory=dict)
    quotes: dict[str, dict[str, Quote]] = field(default_factory=dict)
    payments: dict[str, int] = field(default_factory=dict)
    backups: dict[str, tuple[Backup, ...]] = field(default_factory=dict)
    contested: dict[str, Contested] = field(default_factory=dict)
    extended: dict[str, int] = field(default_factory=dict)
