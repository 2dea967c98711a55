"""The shape of ``summary.json``: what one run of a scenario came to, every figure with its unit.

Written by the runner, read by the report and by anyone's own tools. Times are microseconds UTC of
market time, money minor units of ``currency``, emissions grams CO2e, wall time milliseconds. Two runs
of one seed may differ in ``transport``, ``versions``, ``messages_by_kind`` and wall times (``*wall_ms``),
in nothing else. Holds no logic beyond the shape.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0)]
Minor = Annotated[int, Field(ge=0)]
TimeUs = Annotated[int, Field(ge=0)]
Grams = Annotated[int, Field(ge=0)]


class Record(BaseModel):
    """A frozen row of the summary; unknown fields and loose types are refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True, allow_inf_nan=False
    )


class ClearingRow(Record):
    """One takt's clearing. Figures of the solver are null where the round has none."""

    round_id: str
    number: Count
    opened_us: TimeUs
    closed_us: TimeUs | None
    called: Count
    """Participants called."""
    answered: Count
    orders: Count
    """Orders that were open in the takt, those called again included."""
    served: Count
    bids: Count
    status: str
    """``optimal``, ``feasible``, ``fallback``, ``infeasible`` or ``unknown``."""
    welfare_minor: int | None
    """Objective reached: value of the orders served less prices, transport, lateness and emissions."""
    bound_minor: int | None
    """No clearing of this takt can have more welfare."""
    gap_ppm: int | None
    order_by_order_welfare_minor: int | None
    """Welfare when the same bids are taken order by order."""
    wall_ms: Count
    """Time that the clearing took, checking included."""


class Comparison(Record):
    """The joint clearings against auctioning order by order, on the same bids, over all takts.

    welfare = value - cost, in both columns. Where the two serve different orders, costs alone say
    nothing: compare welfare, or cost per unit of value.
    """

    joint_served: Count
    joint_value_minor: Minor
    """Reservation values of the orders served."""
    joint_cost_minor: int
    """Prices, transport and weighted penalties of the orders served."""
    joint_welfare_minor: int
    order_by_order_served: Count
    order_by_order_value_minor: Minor
    order_by_order_cost_minor: int
    order_by_order_welfare_minor: int


class OrderRow(Record):
    """One order. Money and promise are null until something was awarded."""

    order_id: str
    customer: str
    part: str
    quantity: Count
    pieces: Count
    """Pieces that are or will be delivered."""
    destination: str
    state: str
    submitted_us: TimeUs
    due_us: TimeUs
    deadline_us: TimeUs
    promised_us: TimeUs | None
    """When the last goods arrive or should arrive."""
    reservation_value_minor: Minor
    price_minor: Minor | None
    """Accepted prices of all lots."""
    transport_minor: Minor | None
    fee_minor: Minor | None
    charge_minor: Minor | None
    """What the customer pays: price + transport + fee."""
    emissions_g: Grams | None
    suppliers: Count
    """Distinct participants with a contract of this order that was not ended."""
    reallocations: Count
    """How often a contract of it was at risk and its lots were called again."""
    reasons: tuple[str, ...] = ()
    """Why it was not served, as in ``takt.clearing.v1``."""


class SiteRow(Record):
    """A place on the map, micro degrees WGS 84."""

    site: str
    name: str
    country: str
    latitude_udeg: int
    longitude_udeg: int


class ParticipantRow(Record):
    """A company and where it is."""

    participant: str
    role: Literal["plant", "supplier", "customer"]
    sites: tuple[str, ...]


class CapacityRow(Record):
    """What a plant's work centre or a supplier's stock gave in one week of the run."""

    participant: str
    site: str
    resource: str
    unit: Literal["min", "units"]
    week: Count
    """0 is the week from ``start_us``; a period counts in the week in which it starts."""
    declared: Count
    """Sum over the week's periods of what the sheets declared before anything of it was awarded."""
    used: Count
    """Taken by contracts that were not ended."""


class ShiftRow(Record):
    """A weekly shift of a work centre, minutes after Monday 00:00 UTC, half-open."""

    participant: str
    resource: str
    start_minute: Annotated[int, Field(ge=0, lt=10_080)]
    end_minute: Annotated[int, Field(gt=0, le=10_080)]


class ContractRow(Record):
    """An accepted bid on one resource, for the Gantt."""

    contract_id: str
    order_id: str
    lot: str
    process: str
    participant: str
    site: str
    resource: str
    quantity: Count
    start_us: TimeUs
    end_us: TimeUs
    state: str
    payment_minor: Minor


class BreakdownRow(Record):
    """A resource that was down, and what it cost the market."""

    participant: str
    resource: str
    start_us: TimeUs
    end_us: TimeUs
    contracts_at_risk: Count
    lots_called_again: Count
    orders_kept: Count
    """Orders among them that were served all the same."""


class FlowRow(Record):
    """Goods moved between two sites over the run."""

    from_site: str
    to_site: str
    shipments: Count
    quantity: Count
    cost_minor: Minor
    emissions_g: Grams


class Summary(Record):
    """One run of one scenario."""

    kind: Literal["takt.summary.v1"] = "takt.summary.v1"
    scenario: str
    title: str
    seed: Count
    transport: Literal["memory", "nats"]
    mechanism: str
    currency: str
    start_us: TimeUs
    end_us: TimeUs
    takt_us: Annotated[int, Field(gt=0)]
    outcome_digest: str
    versions: dict[str, str]
    """Version of this program, of Python and of the solver, by name."""

    orders_total: Count
    orders_by_state: dict[str, Count]
    orders_served: Count
    welfare_minor: int
    bound_minor: int | None
    """Sum over takts; null if a takt had no bound."""
    gap_ppm: int | None
    charges_minor: Minor
    prices_minor: Minor
    transport_minor: Minor
    fees_minor: Minor
    production_emissions_g: Grams
    transport_emissions_g: Grams
    wall_ms: Count
    """From start to summary, set-up apart."""
    first_award_wall_ms: Count | None
    phase_wall_ms: dict[str, Count]
    """Wall time per phase, in order of time."""
    messages_by_kind: dict[str, Count]
    """Messages between market and participants, by kind."""

    comparison: Comparison
    clearings: tuple[ClearingRow, ...]
    orders: tuple[OrderRow, ...]
    participants: tuple[ParticipantRow, ...]
    sites: tuple[SiteRow, ...]
    capacities: tuple[CapacityRow, ...]
    shifts: tuple[ShiftRow, ...]
    contracts: tuple[ContractRow, ...]
    breakdowns: tuple[BreakdownRow, ...]
    flows: tuple[FlowRow, ...]


def write_summary(summary: Summary) -> str:
    """Return the summary as indented JSON text, fields in the order of this module."""
    return summary.model_dump_json(indent=1) + "\n"


def read_summary(text: str | bytes) -> Summary:
    """Read a ``takt.summary.v1`` document.

    Raises
    ------
    pydantic.ValidationError
        Naming each field that is missing, unknown or of the wrong type.
    """
    return Summary.model_validate_json(text)
