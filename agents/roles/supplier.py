"""A supplier of materials: sells its stock, period by period."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from agents.policies.policy import Ask
from agents.profile import StockedMaterial, SupplierProfile
from agents.roles.bidder import Bidder, bidding_window_us
from agents.roles.offer_book import Quoted
from takt_sdk.model.contract import Contract
from takt_sdk.model.messages import CallForProposals, DeclineCode
from takt_sdk.model.order import Lot
from takt_sdk.model.values import PeriodGrid
from takt_sdk.sheet_builder import MAX_SHEET_BIDS, SheetBuilder


class SupplierRole(Bidder):
    """A supplier as an agent.

    ``sold`` are units promised or delivered per (material, period). The stock of a period is one
    resource of the market; what was delivered of it is gone.
    """

    uses_up = True

    def __init__(self, profile: SupplierProfile) -> None:
        self.profile = profile
        self.sold: dict[tuple[str, int], int] = {}
        self._stock = {(stock.process, stock.material): stock for stock in profile.materials}
        super().__init__(profile.participant, profile.pricing)

    def left(self, stock: StockedMaterial, period: int) -> int:
        """Return the units of a material in a period that nobody has."""
        return max(0, stock.stock_per_period - self.sold.get((stock.material, period), 0))

    def _book(self, contract: Contract, sign: int) -> None:
        for use in contract.uses:
            key = use.resource, use.period
            total = self.sold.get(key, 0) + sign * use.amount
            assert total >= 0, "units are given back only once"
            if total:
                self.sold[key] = total
            else:
                self.sold.pop(key, None)

    def _offer(self, call: CallForProposals, builder: SheetBuilder, now_us: int) -> set[DeclineCode]:
        count = min(self.pricing.alternatives, max(1, MAX_SHEET_BIDS // max(1, len(call.lots))))
        reasons: set[DeclineCode] = set()
        for lot in call.lots:
            stock = self._stock.get((lot.requirement.process, lot.requirement.material))
            if lot.kind != "material" or stock is None:
                reasons.add("technical")
                continue
            start_us, end_us = bidding_window_us(call, lot, now_us)
            latest_us = end_us - max(1, stock.handling_us)
            if latest_us < start_us:
                reasons.add("dates")
                continue
            dates = list(islice(self._dates(call.periods, lot, stock, (start_us, latest_us)), count))
            if not dates or not self._offer_lot(call.round_id, lot, stock, dates, builder):
                reasons.add("no_material")
        return reasons

    def _dates(
        self, grid: PeriodGrid, lot: Lot, stock: StockedMaterial, starts_us: tuple[int, int]
    ) -> Iterator[tuple[int, int, int]]:
        """Yield (period, start, units left) for every period that has enough for a delivery."""
        least = max(1, min(stock.min_quantity, lot.quantity))
        first, last = (grid.index(time_us) for time_us in starts_us)
        for period in range(first, last + 1):
            left = self.left(stock, period)
            if left >= least:
                yield period, max(starts_us[0], grid.origin_us + period * grid.length_us), left

    def _offer_lot(
        self,
        round_id: str,
        lot: Lot,
        stock: StockedMaterial,
        dates: list[tuple[int, int, int]],
        builder: SheetBuilder,
    ) -> bool:
        """Offer a lot, or what the stock allows of it, at each date; return whether a bid was made."""
        costs = (stock.fixed_cost_minor, stock.cost_minor_per_unit)
        once = Ask(round_id=round_id, lots=(lot,), quantity=lot.quantity, part="fixed")
        each = Ask(round_id=round_id, lots=(lot,), quantity=1, part="unit")
        fixed = self.policy.prices((costs[0],) * len(dates), once)
        unit = self.policy.prices((costs[1],) * len(dates), each)
        if not fixed or not unit:
            return False
        taken = False
        for rank, (period, start_us, left) in enumerate(dates):
            quantity = min(left, lot.quantity)
            added = builder.add(
                site=self.profile.site,
                window_us=(start_us, start_us + max(1, stock.handling_us)),
                items=((lot.id, quantity),),
                uses=((builder.capacity(stock.material, period, left), 0, 1),),
                fixed_minor=fixed[rank],
                unit_minor=unit[rank],
                min_quantity=min(stock.min_quantity, quantity),
                emissions_g=stock.emissions_g_per_unit * quantity,
            )
            if added:
                taken = True
                quoted = Quoted(
                    lots=(lot.id,),
                    quantity=quantity,
                    cost_fixed_minor=costs[0],
                    price_fixed_minor=fixed[rank],
                    cost_unit_minor=costs[1],
                    price_unit_minor=unit[rank],
                )
                self.offers.quote(round_id, quoted)
        return taken
