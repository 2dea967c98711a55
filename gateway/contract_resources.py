"""What answers hold of what follows an award: the market's messages in the request's own terms.

Instants are RFC 3339 in UTC, under the message's name without ``_us``; everything else is as the market
says it. Nothing here reaches the market.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from gateway.instants import format_instant
from gateway.resources import HistoryResource, Moment, Resource

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


class QuoteResource(Resource):
    """What a change costs, until when, and on which side of the clearing it lies."""

    quote_id: str
    order_id: str
    participant: str
    price_minor: int
    expires: Moment
    clearing: Literal["before", "after", "none"]
    detail: str


class TimelineEntryResource(Resource):
    """A lot under one contract: when it was to be made, when it was, how far it is."""

    lot_id: str
    contract_id: str
    state: str
    quantity: int
    planned_start: Moment
    planned_end: Moment
    actual_start: Moment | None
    actual_end: Moment | None
    done: int
    scrapped: int
    predicted_end: Moment
    confidence_ppm: int | None


class RemainingResource(Resource):
    """Units of a lot that nobody was to make any more."""

    lot_id: str
    quantity: int


class RiskResource(Resource):
    """A loss that put an order at risk, what remained to be made, and what came of it."""

    order_id: str
    state: str
    cause: str
    source_id: str
    at: Moment
    remaining: list[RemainingResource]
    held: Annotated[Moment | None, Field(description="Since when a human must approve.")]
    awarded: Moment | None
    promised: Moment | None
    extra_minor: Annotated[int, Field(description="What the new award cost more; the first risk has it.")]


class TimelineResource(Resource):
    """Plan against actual of an order; ``first_promised`` is what its customer was promised first."""

    order_id: str
    state: str
    now: Moment
    due: Moment
    first_promised: Moment | None
    promised: Moment | None
    predicted: Moment | None
    entries: list[TimelineEntryResource]
    risks: list[RiskResource]
    quotes: list[QuoteResource]


class RisksResource(Resource):
    """What put one's own orders at risk, the newest first."""

    participant: str
    now: Moment
    risks: list[RiskResource]


class StatementEntryResource(Resource):
    """A line: what moved, for which order and contract, and the balance after it."""

    posting_id: str
    entry: str
    at: Moment
    order_id: str
    contract_id: str
    amount_minor: int
    balance_minor: int
    detail: str


class StatementResource(Resource):
    """An account; ``more`` says that lines follow after the last one."""

    participant: str
    now: Moment
    balance_minor: int
    entries: list[StatementEntryResource]
    more: bool


class CapabilityResource(Resource):
    """Reliability in one process, from so many contracts."""

    process: str
    on_time_ppm: int
    observed: int


class ScorecardResource(Resource):
    """A record: as a bidder, with how wrong the market's forecasts of it were, and as a buyer."""

    participant: str
    now: Moment
    capabilities: list[CapabilityResource]
    observed: int
    on_probation: bool
    brier_ppm: int | None
    base_brier_ppm: int | None
    appeals: list[str]
    orders: int
    awarded: int
    cancelled: int
    balance_minor: int


class ContractItemResource(Resource):
    """Units of a lot."""

    lot_id: str
    quantity: int


class UseResource(Resource):
    """What a contract takes of a resource in one period (minutes or stock)."""

    resource: str
    period: int
    amount: int


class ShipmentResource(Resource):
    """Goods that leave a contract's site; without ``to_contract`` they go to the customer."""

    arc_id: str
    to_site: str
    to_contract: str | None
    quantity: int
    transit_minutes: int
    cost_minor: int
    emissions_g: int


class AwardedResource(Resource):
    """An accepted bid: what is to be made, when, for how much, and where it goes."""

    id: str
    order_id: str
    round_id: str
    participant: str
    bid_id: str
    site: str
    items: list[ContractItemResource]
    payment_minor: int
    start: Moment
    end: Moment
    uses: list[UseResource]
    shipments: list[ShipmentResource]
    emissions_g: int


class ContractResource(Resource):
    """A contract as its participant sees it."""

    contract: AwardedResource
    state: str
    finished_quantity: int
    payment_due_minor: int
    history: list[HistoryResource]


def in_http_terms(message: DataclassInstance) -> dict[str, object]:
    """Return a message as it goes out over HTTP: without its kind, its instants as RFC 3339."""
    found: dict[str, object] = {}
    for field in fields(message):
        value = getattr(message, field.name)
        if field.name.endswith("_us"):
            found[field.name.removesuffix("_us")] = None if value is None else format_instant(value)
        elif field.name != "kind":
            found[field.name] = _plain(value)
    return found


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return in_http_terms(value)
    return [_plain(member) for member in value] if isinstance(value, tuple) else value
