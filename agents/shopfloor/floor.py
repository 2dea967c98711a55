"""What happens on the shop floor against the plan: cycle times, scrap, breakdowns, maintenance.

Every draw is a function of the floor's seed and of what it is for, so that a company that lost its
memory sees the same floor again. Breakdowns are known only once they have begun.
"""

from __future__ import annotations

from hashlib import sha256

from agents.profile import ONE_PPM, Disruption, Floor
from takt_sdk.model.contract import Contract
from takt_sdk.model.execution import ReportProgress
from takt_sdk.model.values import HOUR_US, MINUTE_US, Window

MOST_SCRAP_DRAWS = 500
"""Pieces that are drawn one by one; of more, each draw stands for several."""


class ShopFloor:
    """The floor of one plant.

    ``down`` are the breakdowns that have begun, as (work centre, window): tell it with `stop`.
    """

    def __init__(self, floor: Floor, participant: str, resources: tuple[str, ...]) -> None:
        self.floor = floor
        self._participant = participant
        self._resources = resources
        self.down: list[tuple[str, Window]] = []

    def draw(self, concern: str, below: int) -> int:
        """Return a number in ``[0, below)``: the same for the same concern."""
        content = f"{self.floor.seed}\n{self._participant}\n{concern}".encode()
        return int.from_bytes(sha256(content).digest()[:8], "big") % below

    def breakdowns(self) -> tuple[Disruption, ...]:
        """Return all breakdowns to come, by time; hours up and down are geometric."""
        floor = self.floor
        if not (floor.mtbf_us and floor.mttr_us):
            return ()
        found: list[Disruption] = []
        for resource in self._resources:
            at_us, number = floor.from_us, 0
            while True:
                at_us += self._hours(f"up/{resource}/{number}", floor.mtbf_us)
                if at_us >= floor.until_us:
                    break
                end_us = at_us + self._hours(f"down/{resource}/{number}", floor.mttr_us)
                window = Window(start_us=at_us, end_us=end_us)
                found.append(Disruption(resource=resource, window=window))
                at_us, number = end_us, number + 1
        return tuple(sorted(found, key=lambda one: (one.window.start_us, one.resource)))

    def maintenance(self) -> tuple[Disruption, ...]:
        """Return the planned stops, which bids can avoid; work centres take turns."""
        floor = self.floor
        if not (floor.maintenance_every_us and floor.maintenance_us):
            return ()
        found = []
        for index, resource in enumerate(self._resources):
            at_us = floor.from_us + floor.maintenance_every_us * (index + 1) // (len(self._resources) + 1)
            while at_us < floor.until_us:
                window = Window(start_us=at_us, end_us=at_us + floor.maintenance_us)
                found.append(Disruption(resource=resource, window=window))
                at_us += floor.maintenance_every_us
        return tuple(found)

    def _hours(self, concern: str, mean_us: int) -> int:
        """Return a geometric number of hours with the given mean, at least one."""
        hours = 1
        while self.draw(f"{concern}/{hours}", mean_us) >= HOUR_US:
            hours += 1
        return hours * HOUR_US

    def stop(self, resource: str, window: Window) -> None:
        """Take note of a breakdown that has begun."""
        self.down.append((resource, window))

    def scrapped(self, contract: Contract) -> int:
        """Return how many pieces of a contract are made again."""
        units = sum(item.quantity for item in contract.items)
        draws = min(units, MOST_SCRAP_DRAWS)
        bad = sum(
            self.draw(f"scrap/{contract.id}/{number}", ONE_PPM) < self.floor.scrap_ppm
            for number in range(draws)
        )
        return bad * units // draws

    def pace_ppm(self, contract: Contract) -> int:
        """Return how much longer than planned work on a contract takes, millionths; negative is faster."""
        spread = self.floor.cycle_spread_ppm
        return self.draw(f"pace/{contract.id}", 2 * spread + 1) - spread

    def ends_us(self, contract: Contract) -> int:
        """Return when the work on a contract ends as far as is known.

        The plan's end, moved by the pace and by pieces made again, and by every breakdown of its work
        centres that falls into it.
        """
        work_us = sum(use.amount for use in contract.uses) * MINUTE_US
        work_us = min(work_us, contract.end_us - contract.start_us)
        pace = self.pace_ppm(contract)
        units = sum(item.quantity for item in contract.items)
        again_us = work_us * self.scrapped(contract) // units
        end_us = max(contract.start_us + 1, contract.end_us + work_us * pace // ONE_PPM + again_us)
        used = {use.resource for use in contract.uses}
        for resource, window in sorted(self.down, key=lambda one: one[1].start_us):
            if resource in used and contract.start_us < window.end_us and window.start_us < end_us:
                end_us += window.end_us - max(window.start_us, contract.start_us)
        return end_us

    def report(self, contract: Contract, now_us: int) -> ReportProgress | None:
        """Return how far begun work was at the last time to report; of its first lot that is not done."""
        every_us = self.floor.report_every_us
        end_us = self.ends_us(contract)
        if not every_us or now_us >= end_us:
            return None
        at_us = contract.start_us + (now_us - contract.start_us) // every_us * every_us
        if at_us <= contract.start_us:
            return None
        share = (at_us - contract.start_us, end_us - contract.start_us)
        units = sum(item.quantity for item in contract.items)
        made = units * share[0] // share[1]
        item = contract.items[0]
        for later in contract.items[1:]:
            if made < item.quantity:
                break
            made, item = made - item.quantity, later
        return ReportProgress(
            contract_id=contract.id,
            lot_id=item.lot_id,
            done=min(made, item.quantity),
            scrapped=self.scrapped(contract) * share[0] // share[1] if len(contract.items) == 1 else 0,
            at_us=at_us,
            expected_end_us=end_us,
            confidence_ppm=ONE_PPM - self.floor.cycle_spread_ppm,
        )
