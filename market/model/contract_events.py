"""What happens to contracts after the award, and its money. Joined into `market.model.events.Event`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from market.model.ledger import Posting


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
    """The terms of the contracts of one award."""

    kind: Literal["takt.contracts_priced.v1"] = "takt.contracts_priced.v1"
    terms: tuple[ContractTerms, ...]


ContractEvent = LedgerPosted | ContractsPriced
