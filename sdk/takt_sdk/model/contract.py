"""Contracts: one accepted bid, what it owes, and how far it is."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal, get_args

from takt_sdk.model.quickly_built import quickly_built

ContractState = Literal[
    "awarded", "confirmed", "in_production", "finished", "shipped", "delivered", "at_risk", "ended", "settled"
]
CONTRACT_STATES: tuple[str, ...] = get_args(ContractState)


@quickly_built
@dataclass(frozen=True, slots=True, kw_only=True)
class ContractItem:
    """Units of one lot that a contract makes or supplies."""

    lot_id: str
    quantity: int


@quickly_built
@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceUse:
    """What a contract takes of a resource of its participant in one period (minutes or stock)."""

    resource: str
    period: int
    amount: int


@quickly_built
@dataclass(frozen=True, slots=True, kw_only=True)
class Shipment:
    """Goods that leave a contract's site along an arc.

    ``to_contract`` is None where the target is the order's destination. Cost is charged to the order.
    """

    arc_id: str
    to_site: str
    to_contract: str | None
    quantity: int
    transit_minutes: int
    cost_minor: int
    emissions_g: int


@quickly_built
@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """An accepted bid: all its items belong to one order.

    ``payment_minor`` is what the participant gets when it is settled, before penalties.
    """

    id: str
    order_id: str
    round_id: str
    participant: str
    bid_id: str
    site: str
    items: tuple[ContractItem, ...]
    payment_minor: int
    start_us: int
    end_us: int
    uses: tuple[ResourceUse, ...] = ()
    shipments: tuple[Shipment, ...] = ()
    emissions_g: int = 0


def contract_id(round_id: str, participant: str, bid_id: str) -> str:
    """Return the id of the contract that an accepted bid becomes."""
    digest = hashlib.sha256(f"contract\n{round_id}\n{participant}\n{bid_id}".encode()).hexdigest()
    return f"c-{digest[:20]}"
