"""What the market knows of contracts beyond their course: money, terms, work done, risks, records.

One member of `market.engine.state.State`, beside what version 0.1.0 knew, so that its journals keep
their digests. Holds data only.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from market.model.contract_events import ContractTerms
from market.model.ledger import PostingKind


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
class Contracting:
    """Side tables by id. ``charged`` is what orders were charged, ``paid`` what contracts were paid."""

    posted: int = 0
    balances: dict[str, int] = field(default_factory=dict)
    statements: dict[str, list[StatementLine]] = field(default_factory=dict)
    charged: dict[str, int] = field(default_factory=dict)
    paid: dict[str, int] = field(default_factory=dict)
    terms: dict[str, ContractTerms] = field(default_factory=dict)
