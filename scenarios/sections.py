"""The tables of a scenario file, one class each: what may stand in it, and the ranges of it.

Holds schema only. Money is minor units, time minutes unless a name says otherwise, factors millionths.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from scenarios.mechanisms import MechanismName

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(gt=0)]
Ppm = Annotated[int, Field(ge=0, le=10_000_000)]
Name = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9][a-z0-9-]*$")]
Minutes = Annotated[int, Field(ge=0, le=366 * 24 * 60)]


class Section(BaseModel):
    """A table of a scenario file; unknown keys and loose types are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


class Draw(Section):
    """A triangular distribution of an integer, ``low`` to ``high`` with mode ``typical``."""

    low: int
    typical: int
    high: int

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low <= self.typical <= self.high:
            raise ValueError(f"low <= typical <= high is due, was {self.low}, {self.typical}, {self.high}")
        return self


Range = int | Draw
"""A fixed figure or one to draw."""


class ContractsSection(Section):
    """Rules of what follows an award, as in docs/contracts.md; those left out are the defaults."""

    cancel_awarded_ppm: Ppm = 0
    cancel_confirmed_ppm: Ppm = 0
    cancel_begun_ppm: Ppm = 0
    breach_ppm: Ppm = 0
    breakdown_ppm: Ppm = 0
    penalty_cap_ppm: Ppm = 0
    on_account_ppm: Ppm = 0
    pay_moved: bool = False
    reallocation: Literal["joint", "greedy", "off"] = "joint"
    tolerance_minutes: Minutes | None = None
    """Without it begun work is never at risk: reallocation is off for it."""
    keep_late: bool = False
    """Whether late work goes on while its rest is on offer, and stays if that is best."""
    heartbeat_minutes: Minutes = 0
    heartbeat_due: bool = False
    recall_at_once: bool = False
    hurry: bool = False
    """Whether goods go the fastest way where the cheapest would be too late."""
    release_after: Count = 0
    preempt_after: Count = 0
    backups: Annotated[int, Field(ge=0, le=100)] = 0
    approve_above_minor: Count | None = None
    reliability_weight_ppm: Count = 0
    probation_contracts: Count = 0
    probation_value_minor: Count = 0


class FloorSection(Section):
    """How a plant's shop floor strays from its plans; drawn from the run's seed."""

    cycle_spread_ppm: Ppm = 0
    """Most that work takes longer or shorter than planned."""
    scrap_ppm: Ppm = 0
    mtbf_hours: Count = 0
    """Mean time between breakdowns of a work centre; 0 = it never breaks."""
    mttr_hours: Positive = 8
    maintenance_every_hours: Count = 0
    maintenance_hours: Positive = 8
    report_minutes: Count = 0
    """How often begun work is reported; 0 = milestones only."""


class RulesSection(Section):
    """Market rules; those left out are the defaults of `market.model.rules.Rules`."""

    currency: str = "EUR"
    mechanism: MechanismName = "pay_as_bid"
    """A rule of the market, or a yardstick of studies: docs/research.md says what each is."""
    takt_minutes: Positive = 720
    response_minutes: Positive = 60
    early_close: bool = True
    sealed: bool = False
    opening_minutes: Positive = 60
    period_minutes: Positive = 1440
    max_periods: Positive = 60
    transit_minutes: Minutes = 1440
    fee_ppm: Ppm = 0
    emissions_minor_per_tonne: Count = 0
    clearing_work: Count | None = None
    acceptance_minutes: Minutes = 0
    confirm_minutes: Positive = 1440
    posted_ppm: Ppm = 1_100_000
    """Level of the price list of ``posted_price``, millionths of what things should cost."""
    nearby: Positive = 2
    """How many of the nearest sellers of each kind ``local`` calls."""
    contracts: ContractsSection = ContractsSection()

    @model_validator(mode="after")
    def _answered_in_time(self) -> Self:
        if self.response_minutes > self.takt_minutes:
            given = f"{self.response_minutes} and {self.takt_minutes}"
            raise ValueError(f"response_minutes must be at most takt_minutes, was {given}")
        return self


class ShiftSection(Section):
    """Working time in minutes of the local day; Monday is 0."""

    start_minute: Count
    end_minute: Positive
    weekdays: tuple[int, ...] = (0, 1, 2, 3, 4)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.start_minute >= self.end_minute:
            given = f"{self.start_minute} and {self.end_minute}"
            raise ValueError(f"start_minute < end_minute is due, was {given}")
        return self


class WorkCentreSection(Section):
    """A kind of work centre. What it leaves out comes from the facts under its ``process``."""

    process: str
    materials: Annotated[tuple[str, ...], Field(min_length=1)]
    envelope_mm: tuple[Positive, Positive, Positive] | None = None
    tolerance_um: Count = 0
    machines: Range = 1
    shifts: Annotated[tuple[ShiftSection, ...], Field(min_length=1)]
    run_time_ppm: Range = 1_000_000
    rate_minor_per_hour: Range | None = None
    """Charged price of an hour, margin included."""
    setup_minutes: Range | None = None
    power_w: Range | None = None


class PricingSection(Section):
    """How the plants of a kind price; the margin left out is drawn from the facts."""

    policy: str = "cost_plus"
    margin_ppm: Range | None = None
    rush_margin_ppm: Range = 50_000
    chain_discount_ppm: Range = 20_000
    alternatives: Positive = 3
    divisible_from: Positive | None = None
    min_lot_ppm: Positive = 250_000
    validity_hours: Annotated[int, Field(gt=0, le=720)] = 24
    """How long after a call's deadline bids bind."""
    stands_by: bool = False
    """Whether bids that lose may still be awarded until then."""


class PlantSection(Section):
    """``count`` plants of one kind in each of ``cities``, each called ``city-id``."""

    id: Name
    cities: Annotated[tuple[Name, ...], Field(min_length=1)]
    count: Positive = 1
    work_centres: Annotated[tuple[Name, ...], Field(min_length=1)]
    certificates: tuple[str, ...] = ()
    pricing: PricingSection = PricingSection()
    floor: FloorSection | None = None


class MaterialSection(Section):
    """A blank that suppliers sell: an alloy of the facts, cut to size."""

    id: str
    alloy: str
    blank_mm: tuple[Positive, Positive, Positive]


class SupplierSection(Section):
    """``count`` suppliers of one kind in each of ``cities``."""

    id: Name
    cities: Annotated[tuple[Name, ...], Field(min_length=1)]
    count: Positive = 1
    materials: Annotated[tuple[str, ...], Field(min_length=1)]
    stock_per_period: Range
    certificates: tuple[str, ...] = ()
    pricing: PricingSection = PricingSection(alternatives=1)


class CustomerSection(Section):
    """A customer in each of ``cities``."""

    id: Name
    cities: Annotated[tuple[Name, ...], Field(min_length=1)]


class LotSection(Section):
    """A lot of a part's plan. ``cycle`` names a cycle time of the facts, or one of ``run_…`` says it."""

    id: str
    kind: Literal["operation", "material"]
    process: str = "supply"
    material: str
    envelope_mm: tuple[Positive, Positive, Positive] | None = None
    tolerance_um: Count = 0
    certificates: tuple[str, ...] = ()
    quantity_per_piece: Positive = 1
    cycle: str | None = None
    run_minutes: Minutes | None = None
    run_seconds: Annotated[int, Field(ge=0, le=366 * 24 * 3600)] | None = None
    flows_into: str | None = None
    """The lot that takes what this one gives; none for the last."""

    @model_validator(mode="after")
    def _one_time(self) -> Self:
        given = (self.cycle, self.run_minutes, self.run_seconds)
        if sum(one is not None for one in given) > 1:
            words = ", ".join(repr(one) for one in given)
            raise ValueError(f"only one of cycle, run_minutes and run_seconds is due, was {words}")
        return self


class PartSection(Section):
    """A part that every customer has in its catalogue."""

    id: str
    name: str
    lots: Annotated[tuple[LotSection, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _flows(self) -> Self:
        names = [lot.id for lot in self.lots]
        for lot in self.lots:
            if names.count(lot.id) > 1:
                raise ValueError(f"lot {lot.id} of part {self.id} is there twice")
            if lot.flows_into is not None and lot.flows_into not in names:
                raise ValueError(
                    f"lot {lot.id} of part {self.id} flows into {lot.flows_into}, which is no lot of it"
                )
        return self


class DemandPartSection(Section):
    """How often a part is ordered, how many pieces, and how long the customer gives."""

    part: str
    weight: Positive
    quantity: Draw
    window_hours: Draw
    """From release to due date."""


class DemandSection(Section):
    """Orders to draw, in working hours."""

    orders: Positive
    """How many; the mean where ``arrivals`` is ``poisson``."""
    days: Positive
    arrivals: Literal["fixed", "poisson"] = "fixed"
    """Exactly ``orders``, at random times; or a Poisson process, whose number varies too."""
    day_weights: tuple[Count, ...] = ()
    """Relative demand of each day, from the start and again: seasons of a week or a year, a spike."""
    first_hour: Annotated[int, Field(ge=0, le=23)] = 8
    last_hour: Annotated[int, Field(ge=1, le=24)] = 17
    release_hours: Count = 24
    """From submission to release."""
    slack_hours: Draw
    """From due date to deadline."""
    limit_ppm: Draw
    """Reservation value as a fraction of should-cost."""
    lateness_ppm_per_day: Ppm = 10_000
    """Penalty per day as a fraction of the reservation value."""
    certificates: tuple[str, ...] = ()
    certified_ppm: Ppm = 0
    """Share of orders that ask for ``certificates``."""
    good_for_takts: Positive = 2
    parts: Annotated[tuple[DemandPartSection, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _has_days(self) -> Self:
        if self.first_hour >= self.last_hour:
            raise ValueError(f"first_hour < last_hour is due, was {self.first_hour}, {self.last_hour}")
        if self.day_weights and not any(self.day_weights[: self.days]):
            raise ValueError("day_weights must not all be 0")
        return self


class SpanSection(Section):
    """Something that lasts from ``start`` to ``end``."""

    start: datetime
    end: datetime

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        for instant in (self.start, self.end):
            if instant.utcoffset() is None:
                raise ValueError(f"instants need an offset, such as Z, was {instant.isoformat()}")
        if self.start >= self.end:
            raise ValueError(f"start < end is due, was {self.start.isoformat()} and {self.end.isoformat()}")
        return self


class DisruptionSection(SpanSection):
    """A work centre that is down from ``start`` to ``end``; nobody knows it before."""

    participant: str
    work_centre: str


class LaneSection(SpanSection):
    """A lane that is closed, or slower where ``transit_minutes`` is given, from ``start`` to ``end``."""

    source: str
    target: str
    transit_minutes: Positive | None = None


class NoticeSection(Section):
    """What a customer tells of its demand; with an order and a quantity, a change, taken at its price."""

    customer: str
    at: datetime
    effect: Literal["spike", "rush", "quantity_change"]
    order: str | None = None
    """Key of the order."""
    quantity: Positive | None = None
    detail: str = ""


class SilenceSection(SpanSection):
    """A company that neither hears nor says anything from ``start`` to ``end``; once per company."""

    participant: str


class StrategySection(Section):
    """How some sellers bid, in place of what their sections say; later ones override earlier ones."""

    sellers: str = "*"
    """Participants, as a shell pattern such as ``*-mill``."""
    policy: str
    """Name in `agents.policies`, or ``module:Class`` of one's own."""
    margin_ppm: Ppm | None = None
    ring_margin_ppm: Ppm = 400_000
    """Margin of a ring (policy ``ring``) whose members are all who match."""
    names: Annotated[int, Field(ge=1, le=7)] = 1
    """Under how many names each of them bids, with what it has shared out among them."""


class TablesSection(Section):
    """CSV tables in place of sections or beside them; docs/scenarios.md lists their columns."""

    sites: str | None = None
    """Places; without it, sites are the cities of the facts, with lanes by road."""
    lanes: str | None = None
    companies: str | None = None
    work_centres: str | None = None
    closures: str | None = None
    stock: str | None = None
    routings: str | None = None
    """Parts."""
    floor: FloorSection | None = None
    """How every plant of the tables strays from its plans."""

    @model_validator(mode="after")
    def _together(self) -> Self:
        if (self.sites is None) != (self.lanes is None):
            raise ValueError(f"sites and lanes are due together, was {self.sites!r} and {self.lanes!r}")
        for name in ("work_centres", "closures", "stock"):
            if getattr(self, name) is not None and self.companies is None:
                raise ValueError(f"companies is due where there is {name}, was {getattr(self, name)!r}")
        return self
