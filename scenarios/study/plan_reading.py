"""Reads the central planner's problem off a population: what each company could do, by its own knowledge.

Costs, placements and windows are those that plants and suppliers bid with. Solves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from agents.profile import ONE_PPM, PlantProfile, StockedMaterial, SupplierProfile, admission
from agents.roles.plant import PlantRole
from agents.roles.plant_answer import Shop, alike
from agents.shopfloor.calendar import Availability
from agents.shopfloor.costing import CentreRates, minutes_up
from market.engine.ways import logistics
from market.logistics.network import Route
from market.model.order import Order, expand
from scenarios.population import Population
from scenarios.study.plan_problem import (
    NEVER,
    SCALE,
    Feed,
    Ints,
    PlannedLot,
    PlannedOrder,
    PlanProblem,
    Side,
)
from takt_sdk.model.capability import Requirement
from takt_sdk.model.order import Lot
from takt_sdk.model.values import MINUTE_US

ROUNDING_MINOR = 4
"""Costs of a lot are sums of at most so many figures that are rounded up: so much less may a share cost."""


def plan_problem(population: Population) -> PlanProblem:
    """Return the planner's problem of a population; every order is known from the start."""
    return _Builder(population).build()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """A work centre or a stock: its resources begin at ``row``, one per period of the horizon."""

    participant: str
    site: str
    row: int
    number: int
    machine: _Machine | None = None
    stock: StockedMaterial | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Machine:
    """A work centre as it is with its breakdowns, and as it would be without."""

    exact: Availability
    loose: Availability
    rates: CentreRates
    splits_from: int | None


@dataclass(slots=True, kw_only=True)
class _Option:
    """An option: pairs are (exact, loose), lists are by period of its window."""

    source: _Source
    row: int
    opens_us: list[int] = field(default_factory=list)
    closes_us: list[int] = field(default_factory=list)
    most: tuple[list[int], list[int]] = field(default_factory=lambda: ([], []))
    need: tuple[int, int]
    cost: tuple[int, int]
    again: tuple[int, int] = (0, 0)
    spared: int = 0
    """What is saved, scaled, if the machine is set up already."""
    transit_us: int = 0
    """To the customer, of a last lot's."""

    def shift(self, scaled: int) -> None:
        """Make it dearer on both sides."""
        self.cost = (self.cost[0] + scaled, self.cost[1] + scaled)


class _Builder:
    """Reads a population; the methods stand in the order in which they are used."""

    def __init__(self, population: Population) -> None:
        self.population = population
        rules = population.rules
        self.grid = rules.periods
        self.weight = rules.emissions_minor_per_tonne
        self.first = self.grid.index(population.start_us)
        self.periods = (
            1
            + max(
                (self.grid.index(o.command.terms.deadline_us) for o in population.orders), default=self.first
            )
            - self.first
        )
        self.parted = bool(population.notices or population.silences) or any(
            isinstance(profile, PlantProfile) and profile.floor is not None for profile in population.profiles
        )
        """Whether begun work may be taken away, so that shares of a lot are made in several places."""
        self.routes = logistics(population.network)
        self.sources: list[_Source] = []
        self.capacity: tuple[list[int], list[int]] = ([], [])
        self.options: list[_Option] = []
        for profile in population.profiles:
            if isinstance(profile, PlantProfile):
                self._add_plant(profile)
            elif isinstance(profile, SupplierProfile):
                self._add_supplier(profile)
        self.qualified = {
            profile.participant: admission(profile).qualification for profile in population.profiles
        }
        self.roles = {
            profile.participant: Shop(profile, ())
            for profile in population.profiles
            if isinstance(profile, PlantProfile)
        }

    def _add_plant(self, profile: PlantProfile) -> None:
        foreseeing, hoping = PlantRole(profile), PlantRole(profile)
        foreseeing.foresee()
        start_us = self.population.start_us
        spread_ppm = 0 if profile.floor is None else profile.floor.cycle_spread_ppm
        for number, centre in enumerate(profile.work_centres):
            exact = Availability(foreseeing.calendars[number], self.grid, start_us)
            loose = Availability(hoping.calendars[number], self.grid, start_us)
            machine = _Machine(
                exact=exact,
                loose=loose,
                rates=CentreRates(centre, profile.energy_minor_per_mwh, profile.grid_g_per_kwh),
                splits_from=profile.pricing.divisible_from,
            )
            self._add_source(profile.participant, profile.site, number, machine=machine)
            for period in range(self.first, self.first + self.periods):
                self.capacity[0].append(exact.left_minutes(period))
                # Work that ends before its plan frees what is left of it.
                self.capacity[1].append(-(-loose.left_minutes(period) * (ONE_PPM + spread_ppm) // ONE_PPM))

    def _add_supplier(self, profile: SupplierProfile) -> None:
        for number, stock in enumerate(profile.materials):
            self._add_source(profile.participant, profile.site, number, stock=stock)
            for side in self.capacity:
                side.extend([stock.stock_per_period] * self.periods)

    def _add_source(
        self,
        participant: str,
        site: str,
        number: int,
        *,
        machine: _Machine | None = None,
        stock: StockedMaterial | None = None,
    ) -> None:
        row = len(self.capacity[0])
        self.sources.append(
            _Source(participant=participant, site=site, row=row, number=number, machine=machine, stock=stock)
        )

    def build(self) -> PlanProblem:
        """Return the problem; orders for which some lot has no option are left out."""
        parts = {command.part.id: command.part for _, command in self.population.parts}
        orders = []
        for timed in self.population.orders:
            command = timed.command
            order = expand(
                order_id=command.idempotency_key,
                customer=timed.customer,
                part_id=command.part_id,
                plan=parts[command.part_id].plan,
                terms=command.terms,
                transit_us=self.population.rules.transit_us,
            )
            planned = self._order(order)
            if planned is not None:
                orders.append(planned)
        width = max((len(option.opens_us) for option in self.options), default=1)
        return PlanProblem(
            orders=tuple(orders),
            exact=self._side(0, width),
            loose=self._side(1, width),
            row=np.array([option.row for option in self.options], dtype=np.int64),
            opens_us=self._padded([option.opens_us for option in self.options], width),
            closes_us=self._padded([option.closes_us for option in self.options], width),
        )

    def _side(self, index: int, width: int) -> Side:
        options = self.options
        return Side(
            need=np.array([option.need[index] for option in options], dtype=np.int64),
            most=self._padded([option.most[index] for option in options], width),
            cost=np.array([option.cost[index] for option in options], dtype=np.int64),
            again=np.array([option.again[index] for option in options], dtype=np.int64),
            capacity=np.array([*self.capacity[index], *[0] * width], dtype=np.int64),
        )

    @staticmethod
    def _padded(rows: Sequence[Sequence[int]], width: int) -> Ints:
        table = np.zeros((len(rows), width), dtype=np.int64)
        for number, row in enumerate(rows):
            table[number, : len(row)] = row
        return table

    def _order(self, order: Order) -> PlannedOrder | None:
        final = next(arc.source for arc in order.arcs if arc.target is None)
        options = {lot.id: self._lot_options(lot, order if lot.id == final else None) for lot in order.lots}
        if not all(options.values()):
            return None
        into = {arc.source: arc.target for arc in order.arcs if arc.target is not None}
        lots = {lot.id: lot for lot in order.lots}
        upward = sorted(lots, key=lambda name: -_height(name, into))
        place = {name: number for number, name in enumerate(upward)}
        planned = []
        for name in upward:
            first = len(self.options)
            self.options += options[name]
            feeds = tuple(
                self._feed(place[source], lots[source], lots[name], options[source], options[name])
                for source, target in into.items()
                if target == name
            )
            planned.append(PlannedLot(id=name, first=first, last=len(self.options), feeds=feeds))
        return PlannedOrder(
            id=order.id,
            value=order.terms.reservation_value_minor,
            due_us=order.terms.due_us,
            lots=tuple(planned),
            transit_us=np.array([option.transit_us for option in options[final]], dtype=np.int64),
        )

    def _lot_options(self, lot: Lot, last_of: Order | None) -> list[_Option]:
        """Return the options of a lot; those of an order's last one bring it to the customer in time."""
        found = []
        for source in self.sources:
            if not self._can(source, lot.requirement, lot.kind):
                continue
            end_us, route = lot.latest_end_us, None
            if last_of is not None:
                route = self.routes.route(source.site, last_of.terms.destination)
                if route is None:
                    continue
                end_us = min(end_us, last_of.terms.deadline_us - route.transit_minutes * MINUTE_US)
            window_us = (max(lot.earliest_start_us, self.population.start_us), end_us)
            option = self._option(source, lot, window_us)
            if option is None:
                continue
            if route is not None and last_of is not None:
                option.shift(self._scaled(route, last_of.terms.quantity))
                option.transit_us = route.transit_minutes * MINUTE_US
            found.append(option)
        return found

    def _can(self, source: _Source, requirement: Requirement, kind: str) -> bool:
        if not self.qualified[source.participant].eligible(requirement, "open"):
            return False
        if source.stock is not None:
            stocked = (source.stock.process, source.stock.material)
            return kind == "material" and stocked == (requirement.process, requirement.material)
        return kind == "operation" and source.number in self.roles[source.participant].centres_for(
            requirement
        )

    def _scaled(self, route: Route, quantity: int) -> int:
        return SCALE * route.cost_minor(quantity) + self.weight * route.total_emissions_g(quantity)

    def _option(self, source: _Source, lot: Lot, window_us: tuple[int, int]) -> _Option | None:
        """Return what a source can do for a lot in a window; None where it is too little."""
        if window_us[1] <= window_us[0]:
            return None
        option: _Option | None = None
        if source.machine is not None:
            option = self._worked(source, source.machine, lot, window_us)
        elif source.stock is not None:
            option = self._delivered(source, source.stock, lot, window_us)
        if option is None or sum(option.most[1]) < option.need[1]:
            return None
        return option

    def _worked(self, source: _Source, machine: _Machine, lot: Lot, window_us: tuple[int, int]) -> _Option:
        rates = machine.rates
        machine_us = rates.machine_us(lot.run_time_us, lot.quantity)

        def cost(time_us: int) -> int:
            return SCALE * rates.cost_minor(time_us, lot.quantity) + self.weight * rates.emissions_g(time_us)

        need, whole = minutes_up(machine_us), cost(machine_us)
        shared = self.parted or (machine.splits_from is not None and lot.quantity >= machine.splits_from)
        slack = ROUNDING_MINOR * SCALE + self.weight if shared else 0
        periods = self._periods(window_us)
        option = _Option(
            source=source,
            row=source.row + periods[0] - self.first,
            need=(need, machine_us // MINUTE_US if shared else need),
            cost=(whole, max(0, whole - slack)),
            spared=whole - cost(machine_us - rates.centre.setup_us),
        )
        hours = machine.exact.calendar.hours
        for period in periods:
            opens_us = self.grid.origin_us + period * self.grid.length_us
            option.opens_us.append(hours.opens_us(max(window_us[0], opens_us)))
            option.closes_us.append(hours.closes_us(min(window_us[1], opens_us + self.grid.length_us)))
            option.most[0].append(machine.exact.minutes_in(period, *window_us))
            here = machine.loose.minutes_in(period, *window_us)
            # A share of a lot may be made all in one period, however long the whole of it takes.
            option.most[1].append(max(here, need) if shared and here else here)
        return option

    def _delivered(
        self, source: _Source, stock: StockedMaterial, lot: Lot, window_us: tuple[int, int]
    ) -> _Option | None:
        handling_us = max(1, stock.handling_us)
        if window_us[1] - handling_us < window_us[0] or not stock.stock_per_period:
            return None
        quantity, most = lot.quantity, min(lot.quantity, stock.stock_per_period)
        emitted = self.weight * stock.emissions_g_per_unit * quantity
        once, each = SCALE * stock.fixed_cost_minor, SCALE * stock.cost_minor_per_unit * quantity + emitted
        periods = self._periods((window_us[0], window_us[1] - handling_us + 1))
        option = _Option(
            source=source,
            row=source.row + periods[0] - self.first,
            need=(quantity, quantity),
            cost=(each + once, each + once * quantity // most if most < quantity else each + once),
            again=(once, 0),
        )
        for period in periods:
            start_us = max(window_us[0], self.grid.origin_us + period * self.grid.length_us)
            option.opens_us.append(start_us)
            option.closes_us.append(start_us + handling_us)
            # Deliveries that leave too little for the last one are not planned.
            option.most[0].append(most if most == quantity or stock.min_quantity == 1 else 0)
            option.most[1].append(quantity)
        return option

    def _periods(self, window_us: tuple[int, int]) -> range:
        return range(self.grid.index(window_us[0]), self.grid.index(window_us[1] - 1) + 1)

    def _feed(
        self, place: int, before: Lot, after: Lot, sources: Sequence[_Option], targets: Sequence[_Option]
    ) -> Feed:
        """Return the ways from each option of a lot to each of the lot it flows into."""
        shape = (len(targets), len(sources))
        ways, transit_us = np.full(shape, NEVER, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        spared = np.zeros(shape, dtype=np.int64)
        same = alike(before, after)
        for row, target in enumerate(targets):
            for column, source in enumerate(sources):
                route = self.routes.route(source.source.site, target.source.site)
                if route is None:
                    continue
                there_us = route.transit_minutes * MINUTE_US
                ready_us = _soonest_us(source) + there_us
                if ready_us >= _last_us(target):
                    continue
                ways[row, column] = -self._scaled(route, before.quantity)
                transit_us[row, column] = there_us
                if same and source.source is target.source:
                    spared[row, column] = target.spared
        return Feed(lot=place, ways=ways, transit_us=transit_us, spared=spared)


def _height(lot: str, into: Mapping[str, str]) -> int:
    steps = 0
    while lot in into:
        lot = into[lot]
        steps += 1
    return steps


def _soonest_us(option: _Option) -> int:
    """Return the end of an option's work if it has all that is there to itself."""
    left = option.need[1]
    for most, closes_us in zip(option.most[1], option.closes_us, strict=True):
        left -= most
        if left <= 0 and most:
            return closes_us
    raise AssertionError("an option has room")


def _last_us(option: _Option) -> int:
    """Return when work on an option can end at the latest."""
    pairs = zip(option.most[1], option.closes_us, strict=True)
    return max(closes_us for most, closes_us in pairs if most)
