"""A plant's answer to a call: placements costed, priced and put into a sheet.

Per lot and capable work centre up to a few dates as an XOR group, sooner and dearer, later and
cheaper; parts of a large lot, period by period; and consecutive lots of one order together. Reads
the calendars and changes nothing but the sheet.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from agents.policies.policy import Ask, Policy
from agents.profile import ONE_PPM, PlantProfile
from agents.roles.bidder import bidding_window_us, told_minor
from agents.roles.offer_book import OfferBook, Quoted
from agents.shopfloor.calendar import Availability, CentreCalendar
from agents.shopfloor.costing import CentreRates, ceil_div, minutes_up
from agents.shopfloor.placement import Placement, alternatives
from takt_sdk.model.capability import Requirement
from takt_sdk.model.messages import CallForProposals, DeclineCode
from takt_sdk.model.order import Lot
from takt_sdk.model.values import MINUTE_US
from takt_sdk.sheet_builder import MAX_SHEET_BIDS, SheetBuilder

MAX_PARTS = 4
"""Most periods in which a part of one lot is offered."""
_DIVISIBLE_SLACK = 8
"""Parts of a lot are offered only where whole minutes per unit overstate its run time by at most 1/8."""


class Shop:
    """A plant's work centres with their rates, and what each can do; nothing in it changes with time."""

    def __init__(self, profile: PlantProfile, calendars: tuple[CentreCalendar, ...]) -> None:
        self.profile = profile
        self.calendars = calendars
        self.rates = tuple(
            CentreRates(centre, profile.energy_minor_per_mwh, profile.grid_g_per_kwh)
            for centre in profile.work_centres
        )
        self._capable: dict[Requirement, tuple[int, ...]] = {}

    def centres_for(self, requirement: Requirement) -> tuple[int, ...]:
        """Return the indices of the work centres that can do it."""
        capable = self._capable.get(requirement)
        if capable is None:
            capable = tuple(
                index
                for index, centre in enumerate(self.profile.work_centres)
                if any(capability.covers(requirement) for capability in centre.capabilities)
            )
            self._capable[requirement] = capable
        return capable


class _Planned(NamedTuple):
    """The soonest placement of a lot, kept for packages."""

    lot: Lot
    centre: int
    machine_us: int
    placement: Placement
    group: int


class PlantAnswer:
    """One answer under construction: the call, what the shop has left, the sheet."""

    def __init__(
        self,
        shop: Shop,
        policy: Policy,
        offers: OfferBook,
        call: CallForProposals,
        builder: SheetBuilder,
        now_us: int,
    ) -> None:
        self._shop = shop
        self._policy = policy
        self._offers = offers
        self._call = call
        self._builder = builder
        self._now_us = now_us
        self._pricing = shop.profile.pricing
        from_us = max(call.deadline_us, now_us)
        self._centres = tuple(Availability(calendar, call.periods, from_us) for calendar in shop.calendars)
        self._count = min(self._pricing.alternatives, max(1, MAX_SHEET_BIDS // (2 * max(1, len(call.lots)))))

    def offer(self) -> set[DeclineCode]:
        """Add bids on every lot that can be done; return why others got none."""
        reasons: set[DeclineCode] = set()
        planned: dict[str, _Planned] = {}
        for lot in self._call.lots:
            capable = self._shop.centres_for(lot.requirement) if lot.kind == "operation" else ()
            window_us = bidding_window_us(self._call, lot, self._now_us)
            if not capable:
                reasons.add("technical")
            elif window_us[1] <= window_us[0]:
                reasons.add("dates")
            else:
                best = self._offer_lot(lot, capable, window_us)
                if best is None:
                    reasons.add("no_capacity")
                else:
                    planned[lot.id] = best
        for chain in _chains(planned):
            self._offer_chain(chain)
        return reasons

    def _offer_lot(
        self,
        lot: Lot,
        capable: tuple[int, ...],
        window_us: tuple[int, int],
    ) -> _Planned | None:
        """Offer a lot in full on every capable work centre; return its soonest placement."""
        best: _Planned | None = None
        group = -1
        divisible_from = self._pricing.divisible_from
        for index in capable:
            rates = self._shop.rates[index]
            machine_us = rates.machine_us(lot.run_time_us, lot.quantity)
            availability = self._centres[index]
            if divisible_from is not None and lot.quantity >= divisible_from:
                self._offer_parts(lot, rates, availability, window_us)
            placements = alternatives(availability, minutes_up(machine_us), *window_us, self._count)
            if not placements:
                continue
            cost = rates.cost_minor(machine_us, lot.quantity)
            ask = self._ask((lot,), lot.quantity, self._load_ppm(availability, placements[0]))
            prices = self._policy.prices((cost,) * len(placements), ask)
            if not prices:
                continue
            if group < 0:
                group = self._builder.group(1)
            emissions = rates.emissions_g(machine_us)
            for placement, price in zip(placements, prices, strict=True):
                taken = self._builder.add(
                    site=self._shop.profile.site,
                    window_us=(placement.start_us, placement.end_us),
                    items=((lot.id, lot.quantity),),
                    uses=self._uses(index, placement.uses),
                    fixed_minor=price,
                    emissions_g=emissions,
                    groups=(group,),
                )
                if taken:
                    self._quote((lot.id,), lot.quantity, cost, price)
            if best is None or placements[0].end_us < best.placement.end_us:
                best = _Planned(lot, index, machine_us, placements[0], group)
        return best

    def _ask(
        self,
        lots: tuple[Lot, ...],
        quantity: int,
        load_ppm: int,
        part: Literal["whole", "fixed", "unit"] = "whole",
    ) -> Ask:
        return Ask(
            round_id=self._call.round_id,
            lots=lots,
            quantity=quantity,
            part=part,
            load_ppm=load_ppm,
            iteration=self._call.iteration,
            told_minor=told_minor(self._call, lots) if part == "whole" else None,
        )

    def _quote(
        self,
        lots: tuple[str, ...],
        quantity: int,
        cost_minor: int,
        price_minor: int,
        cost_unit_minor: int = 0,
        price_unit_minor: int = 0,
    ) -> None:
        quoted = Quoted(
            lots=lots,
            quantity=quantity,
            cost_fixed_minor=cost_minor,
            price_fixed_minor=price_minor,
            cost_unit_minor=cost_unit_minor,
            price_unit_minor=price_unit_minor,
        )
        self._offers.quote(self._call.round_id, quoted)

    def _uses(self, index: int, uses: Sequence[tuple[int, int]]) -> list[tuple[int, int, int]]:
        availability = self._centres[index]
        resource = self._shop.profile.work_centres[index].id
        return [
            (self._builder.capacity(resource, period, availability.left_minutes(period)), minutes, 0)
            for period, minutes in uses
        ]

    def _load_ppm(self, availability: Availability, placement: Placement) -> int:
        """Return how much of the machine time of the periods used is promised already."""
        machines = availability.calendar.centre.machines
        total = sum(machines * availability.machine_minutes(period) for period, _ in placement.uses)
        left = sum(availability.left_minutes(period) for period, _ in placement.uses)
        return (total - left) * ONE_PPM // total

    def _offer_parts(
        self,
        lot: Lot,
        rates: CentreRates,
        availability: Availability,
        window_us: tuple[int, int],
    ) -> None:
        """Offer parts of a lot, one divisible bid per period: setup once, then unit by unit."""
        unit_us = rates.machine_us(lot.run_time_us, 1) - rates.centre.setup_us
        unit_minutes = minutes_up(unit_us)
        if unit_minutes * MINUTE_US * _DIVISIBLE_SLACK > unit_us * (_DIVISIBLE_SLACK + 1):
            return
        setup_minutes = minutes_up(rates.centre.setup_us) if rates.centre.setup_us else 0
        least = ceil_div(lot.quantity * self._pricing.min_lot_ppm, ONE_PPM)
        fixed = rates.cost_minor(rates.centre.setup_us, 0)
        unit = rates.cost_minor(unit_us, 1)
        grid = availability.grid
        hours = availability.calendar.hours
        offered = 0
        for period in range(grid.index(window_us[0]), grid.index(window_us[1] - 1) + 1):
            minutes = availability.minutes_in(period, *window_us)
            most = min(lot.quantity, (minutes - setup_minutes) // unit_minutes)
            if most < least:
                continue
            opens_us = grid.origin_us + period * grid.length_us
            row = self._builder.capacity(rates.centre.id, period, availability.left_minutes(period))
            load_ppm = self._load_ppm(availability, Placement(((period, 1),), 0, 0))
            once = self._policy.prices((fixed,), self._ask((lot,), most, load_ppm, "fixed"))
            each = self._policy.prices((unit,), self._ask((lot,), 1, load_ppm, "unit"))
            if not once or not each:
                continue
            taken = self._builder.add(
                site=self._shop.profile.site,
                window_us=(
                    hours.opens_us(max(opens_us, window_us[0])),
                    hours.closes_us(min(opens_us + grid.length_us, window_us[1])),
                ),
                items=((lot.id, most),),
                uses=((row, setup_minutes, unit_minutes),),
                fixed_minor=once[0],
                unit_minor=each[0],
                min_quantity=least,
                emissions_g=rates.emissions_g(rates.centre.setup_us + unit_us * most),
            )
            if taken:
                self._quote((lot.id,), most, fixed, once[0], unit, each[0])
            offered += 1
            if offered == MAX_PARTS:
                return

    def _offer_chain(self, chain: list[_Planned]) -> None:
        """Offer consecutive lots of one order together: less margin, one set-up where nothing changes."""
        taken: dict[tuple[int, int], int] = {}
        cost = emissions = 0
        for before, step in zip((None, *chain), chain, strict=False):
            rates = self._shop.rates[step.centre]
            machine_us = step.machine_us
            saved = 0
            if before and before.centre == step.centre and alike(before.lot, step.lot):
                saved = rates.centre.setup_us
            cost += rates.cost_minor(machine_us - saved, step.lot.quantity)
            emissions += rates.emissions_g(machine_us - saved)
            for period, minutes in step.placement.uses:
                taken[step.centre, period] = taken.get((step.centre, period), 0) + minutes
        if any(
            minutes > self._centres[index].left_minutes(period) for (index, period), minutes in taken.items()
        ):
            return
        quantity = sum(step.lot.quantity for step in chain)
        prices = self._policy.prices((cost,), self._ask(tuple(step.lot for step in chain), quantity, 0))
        if not prices:
            return
        price = max(cost, prices[0] - cost * self._pricing.chain_discount_ppm // ONE_PPM)
        added = self._builder.add(
            site=self._shop.profile.site,
            window_us=(chain[0].placement.start_us, chain[-1].placement.end_us),
            items=[(step.lot.id, step.lot.quantity) for step in chain],
            uses=[
                use
                for (index, period), minutes in taken.items()
                for use in self._uses(index, ((period, minutes),))
            ],
            fixed_minor=price,
            emissions_g=emissions,
            groups=[step.group for step in chain],
        )
        if added:
            self._quote(tuple(step.lot.id for step in chain), quantity, cost, price)


def alike(one: Lot, other: Lot) -> bool:
    """Return whether a machine goes from one lot to the other without a set-up."""
    first, second = one.requirement, other.requirement
    return (first.process, first.material) == (second.process, second.material)


def _chains(planned: dict[str, _Planned]) -> list[list[_Planned]]:
    """Return the longest linear runs of placed lots in which each flows into the next."""
    following: dict[str, str] = {}
    preceded: set[str] = set()
    for name, step in planned.items():
        for source in step.lot.inputs:
            before = planned.get(source)
            if (
                before is not None
                and source not in following
                and before.placement.end_us <= step.placement.start_us
            ):
                following[source] = name
                preceded.add(name)
                break
    chains: list[list[_Planned]] = []
    for name, step in planned.items():
        if name in following and name not in preceded:
            chain = [step]
            while (after := following.get(chain[-1].lot.id)) is not None:
                chain.append(planned[after])
            chains.append(chain)
    return chains
