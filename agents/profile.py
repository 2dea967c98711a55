"""Profiles: what a company is and has, as its own agent knows it. Costs and margins never leave it.

Integers only: money in minor units, time in microseconds, power in watts, factors in millionths.
Holds data and its checks; reading files is `agents.profile_file`.
"""

from __future__ import annotations

from dataclasses import dataclass

from market.model.commands import AdmitParticipant
from takt_sdk.model.capability import Capability, DataClass, Qualification
from takt_sdk.model.errors import EmptyError, InvalidWindowError, UnknownReferenceError
from takt_sdk.model.messages import Role
from takt_sdk.model.values import (
    DAY_US,
    MAX_QUANTITY,
    Window,
    check_count,
    check_id,
    check_ids,
    check_int,
    check_local_id,
    check_money,
    check_participant_id,
)

SUPPLY = "supply"
"""Process of material lots, unless a plan and its suppliers agree on another word."""
MINUTES_PER_DAY = 24 * 60
WEEKDAYS = (0, 1, 2, 3, 4, 5, 6)
"""Monday is 0."""
ONE_PPM = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """Working time from ``start_minute`` to ``end_minute`` of the local day on ``weekdays``.

    Half-open; minute 1440 is the end of the day, so a night shift is two shifts.
    """

    start_minute: int
    end_minute: int
    weekdays: tuple[int, ...] = (0, 1, 2, 3, 4)

    def __post_init__(self) -> None:
        check_int("start_minute", self.start_minute, 0, MINUTES_PER_DAY)
        check_int("end_minute", self.end_minute, 0, MINUTES_PER_DAY)
        if self.end_minute <= self.start_minute:
            raise InvalidWindowError("end_minute", self.end_minute, f"after start_minute {self.start_minute}")
        if not self.weekdays:
            raise EmptyError("weekdays", self.weekdays)
        for index, day in enumerate(self.weekdays):
            check_int(f"weekdays[{index}]", day, 0, 6)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkCentre:
    """Like machines that share one queue.

    Attributes
    ----------
    id
        The resource that bids and breakdowns name.
    capabilities
        Processes it does, each with its materials, tolerance and envelope.
    machines
        How many; a lot runs on one at a time.
    shifts
        When they work; must not overlap.
    rate_minor_per_hour
        Cost of a machine hour, labour included.
    power_w
        Mean electrical power of a machine at work.
    setup_us
        Once per lot.
    run_time_ppm
        Own run time per unit as a fraction of the plan's estimate, millionths.
    consumables_minor_per_unit
        Tooling and auxiliary material per unit.
    closed
        Windows in which it does not work, known beforehand: holidays, maintenance, work for others.
    """

    id: str
    capabilities: tuple[Capability, ...]
    shifts: tuple[Shift, ...]
    rate_minor_per_hour: int
    machines: int = 1
    power_w: int = 0
    setup_us: int = 0
    run_time_ppm: int = ONE_PPM
    consumables_minor_per_unit: int = 0
    closed: tuple[Window, ...] = ()

    def __post_init__(self) -> None:
        check_local_id("id", self.id)
        if not self.capabilities:
            raise EmptyError("capabilities", self.capabilities)
        if not self.shifts:
            raise EmptyError("shifts", self.shifts)
        check_count("shifts", self.shifts, 100)
        taken = [-1] * 7
        for shift in sorted(self.shifts, key=lambda s: s.start_minute):
            for day in shift.weekdays:
                if shift.start_minute < taken[day]:
                    raise InvalidWindowError(
                        "shifts", shift.start_minute, f"shifts overlap on weekday {day} before {taken[day]}"
                    )
                taken[day] = shift.end_minute
        check_money("rate_minor_per_hour", self.rate_minor_per_hour)
        check_int("machines", self.machines, 1, 1000)
        check_int("power_w", self.power_w, 0, 10**8)
        check_int("setup_us", self.setup_us, 0, 30 * DAY_US)
        check_int("run_time_ppm", self.run_time_ppm, 1, 100 * ONE_PPM)
        check_money("consumables_minor_per_unit", self.consumables_minor_per_unit)
        check_count("closed", self.closed, 10_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Disruption:
    """A breakdown of a work centre that a scenario has in store; nobody knows it before ``window`` starts."""

    resource: str
    window: Window

    def __post_init__(self) -> None:
        check_id("resource", self.resource)


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """How a plant's shop floor strays from its plans; everything is drawn from ``seed``.

    Attributes
    ----------
    cycle_spread_ppm
        Most that work takes longer or shorter than planned.
    scrap_ppm
        Share of pieces that are made again, at the plant's cost.
    mtbf_us, mttr_us
        Mean time between breakdowns of a work centre, and to repair it; 0 = it never breaks.
    maintenance_every_us, maintenance_us
        How often a work centre is stopped for maintenance, and for how long; 0 = never.
    report_every_us
        How often begun work is reported; 0 = milestones only.
    from_us, until_us
        When breakdowns and maintenance are drawn for.
    """

    seed: int = 0
    cycle_spread_ppm: int = 0
    scrap_ppm: int = 0
    mtbf_us: int = 0
    mttr_us: int = 0
    maintenance_every_us: int = 0
    maintenance_us: int = 0
    report_every_us: int = 0
    from_us: int = 0
    until_us: int = 0

    def __post_init__(self) -> None:
        check_int("seed", self.seed, 0, 2**53 - 1)
        check_int("cycle_spread_ppm", self.cycle_spread_ppm, 0, ONE_PPM)
        check_int("scrap_ppm", self.scrap_ppm, 0, ONE_PPM // 2)
        for name in ("mtbf_us", "mttr_us", "maintenance_every_us", "maintenance_us", "report_every_us"):
            check_int(name, getattr(self, name), 0, 3660 * DAY_US)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostedPrice:
    """A line of a posted price list: of a process, and of a material where that is not empty."""

    process: str
    material: str = ""
    fixed_minor: int = 0
    minor_per_hour: int = 0
    minor_per_unit: int = 0

    def __post_init__(self) -> None:
        check_id("process", self.process)
        for name in ("fixed_minor", "minor_per_hour", "minor_per_unit"):
            check_money(name, getattr(self, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pricing:
    """How a company turns cost into price.

    Attributes
    ----------
    policy
        Name in `agents.policies`.
    margin_ppm
        On cost, millionths.
    rush_margin_ppm
        Added for the soonest alternative, fading to 0 for the latest.
    chain_discount_ppm
        Taken off the margin of a package of consecutive lots; at most the margin.
    alternatives
        Most dates offered per lot.
    divisible_from
        Quantity from which a plant also offers parts of a lot; None = never.
    min_lot_ppm
        Smallest part of a lot, millionths of its quantity.
    validity_us
        How long after the deadline of a call its bids bind.
    stands_by
        Whether bids that lose may still be awarded until then, if the winner drops out.
    seed
        Where a policy that draws draws from.
    ring, ring_margin_ppm
        Members of a bidding ring, and its margin (policy ``ring``).
    posted
        The list that the policy ``posted`` sells by.
    """

    policy: str = "cost_plus"
    margin_ppm: int = 100_000
    rush_margin_ppm: int = 50_000
    chain_discount_ppm: int = 20_000
    alternatives: int = 3
    divisible_from: int | None = None
    min_lot_ppm: int = 250_000
    validity_us: int = DAY_US
    stands_by: bool = False
    seed: int = 0
    ring: tuple[str, ...] = ()
    ring_margin_ppm: int = 400_000
    posted: tuple[PostedPrice, ...] = ()

    def __post_init__(self) -> None:
        check_id("policy", self.policy)
        check_int("margin_ppm", self.margin_ppm, 0, 10 * ONE_PPM)
        check_int("rush_margin_ppm", self.rush_margin_ppm, 0, 10 * ONE_PPM)
        check_int("chain_discount_ppm", self.chain_discount_ppm, 0, self.margin_ppm)
        check_int("alternatives", self.alternatives, 1, 10)
        if self.divisible_from is not None:
            check_int("divisible_from", self.divisible_from, 2, MAX_QUANTITY)
        check_int("min_lot_ppm", self.min_lot_ppm, 1, ONE_PPM)
        check_int("validity_us", self.validity_us, 1, 30 * DAY_US)
        check_int("seed", self.seed, 0, 2**53 - 1)
        check_ids("ring", self.ring)
        check_int("ring_margin_ppm", self.ring_margin_ppm, 0, 10 * ONE_PPM)


def _check_company(participant: str, site: str, certificates: tuple[str, ...]) -> None:
    check_participant_id("participant", participant)
    check_id("site", site)
    check_ids("certificates", certificates)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantProfile:
    """A plant with one site.

    ``utc_offset_minutes`` is local time minus UTC, for its shifts. Without a ``floor`` work goes by plan.
    """

    participant: str
    site: str
    work_centres: tuple[WorkCentre, ...]
    certificates: tuple[str, ...] = ()
    clearances: tuple[DataClass, ...] = ()
    utc_offset_minutes: int = 0
    energy_minor_per_mwh: int = 0
    grid_g_per_kwh: int = 0
    pricing: Pricing = Pricing()
    disruptions: tuple[Disruption, ...] = ()
    floor: Floor | None = None

    def __post_init__(self) -> None:
        _check_company(self.participant, self.site, self.certificates)
        if not self.work_centres:
            raise EmptyError("work_centres", self.work_centres)
        check_ids("work_centres.id", tuple(centre.id for centre in self.work_centres))
        check_int("utc_offset_minutes", self.utc_offset_minutes, -MINUTES_PER_DAY, MINUTES_PER_DAY)
        check_money("energy_minor_per_mwh", self.energy_minor_per_mwh)
        check_int("grid_g_per_kwh", self.grid_g_per_kwh, 0, 10**6)
        known = {centre.id for centre in self.work_centres}
        for index, disruption in enumerate(self.disruptions):
            if disruption.resource not in known:
                raise UnknownReferenceError(f"disruptions[{index}].resource", disruption.resource)


@dataclass(frozen=True, slots=True, kw_only=True)
class StockedMaterial:
    """A material that a supplier sells.

    ``stock_per_period`` units come in with every period of the market; what is not sold in a period
    is not carried over. ``cost_minor_per_unit`` is the supplier's own cost, ``fixed_cost_minor`` of
    handling once per delivery. ``handling_us`` is from picking to the gate.
    """

    material: str
    cost_minor_per_unit: int
    stock_per_period: int
    process: str = SUPPLY
    fixed_cost_minor: int = 0
    handling_us: int = 0
    emissions_g_per_unit: int = 0
    min_quantity: int = 1

    def __post_init__(self) -> None:
        check_local_id("material", self.material)
        check_id("process", self.process)
        check_money("cost_minor_per_unit", self.cost_minor_per_unit)
        check_int("stock_per_period", self.stock_per_period, 0, MAX_QUANTITY)
        check_money("fixed_cost_minor", self.fixed_cost_minor)
        check_int("handling_us", self.handling_us, 0, 30 * DAY_US)
        check_int("emissions_g_per_unit", self.emissions_g_per_unit, 0, MAX_QUANTITY)
        check_int("min_quantity", self.min_quantity, 1, MAX_QUANTITY)


@dataclass(frozen=True, slots=True, kw_only=True)
class SupplierProfile:
    """A supplier of materials with one site; the resource of a material is the material's id."""

    participant: str
    site: str
    materials: tuple[StockedMaterial, ...]
    certificates: tuple[str, ...] = ()
    clearances: tuple[DataClass, ...] = ()
    pricing: Pricing = Pricing()

    def __post_init__(self) -> None:
        _check_company(self.participant, self.site, self.certificates)
        if not self.materials:
            raise EmptyError("materials", self.materials)
        check_ids("materials.material", tuple(stock.material for stock in self.materials))


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerProfile:
    """A customer with the sites it receives at; its first is its own."""

    participant: str
    site: str
    other_sites: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_company(self.participant, self.site, ())
        check_ids("sites", (self.site, *self.other_sites))


Profile = PlantProfile | SupplierProfile | CustomerProfile


def admission(profile: Profile, *, api_key_sha256: str | None = None) -> AdmitParticipant:
    """Return what the market is told of a company: its sites and qualification, no cost and no price."""
    role: Role
    sites: tuple[str, ...] = (profile.site,)
    qualification = Qualification()
    match profile:
        case PlantProfile():
            role = "plant"
            capabilities = {c: None for centre in profile.work_centres for c in centre.capabilities}
            qualification = Qualification(
                capabilities=tuple(capabilities),
                certificates=profile.certificates,
                clearances=profile.clearances,
            )
        case SupplierProfile():
            role = "supplier"
            qualification = Qualification(
                capabilities=tuple(
                    Capability(process=stock.process, materials=(stock.material,))
                    for stock in profile.materials
                ),
                certificates=profile.certificates,
                clearances=profile.clearances,
            )
        case CustomerProfile():
            role = "customer"
            sites = (profile.site, *profile.other_sites)
    return AdmitParticipant(
        participant=profile.participant,
        roles=(role,),
        sites=sites,
        qualification=qualification,
        api_key_sha256=api_key_sha256,
    )
