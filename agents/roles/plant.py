"""A plant: bids machine time on operations, carries out what it won, says when a machine is down.

Decides as a function of its profile, what it has been told and the time. Chance, clock and
sending are its host's.
"""

from __future__ import annotations

from agents.profile import Disruption, PlantProfile
from agents.roles.bidder import Bidder
from agents.roles.plant_answer import PlantAnswer, Shop
from agents.shopfloor.calendar import CentreCalendar
from agents.shopfloor.working_time import WorkingTime
from takt_sdk.model.contract import Contract
from takt_sdk.model.messages import CallForProposals, DeclineCode, ReportBreakdown
from takt_sdk.role import Outgoing
from takt_sdk.sheet_builder import SheetBuilder


class PlantRole(Bidder):
    """A plant as an agent.

    ``announced`` are the breakdowns known and told to the market.
    """

    def __init__(self, profile: PlantProfile) -> None:
        self.profile = profile
        self.calendars = tuple(
            CentreCalendar(centre=centre, hours=WorkingTime(centre.shifts, profile.utc_offset_minutes))
            for centre in profile.work_centres
        )
        self._index = {centre.id: index for index, centre in enumerate(profile.work_centres)}
        self._shop = Shop(profile, self.calendars)
        self._to_come = sorted(profile.disruptions, key=lambda d: (d.window.start_us, d.resource))
        self.announced: list[Disruption] = []
        super().__init__(profile.participant, profile.pricing)

    def announce_breakdown(self, disruption: Disruption) -> Outgoing:
        """Take a work centre out of service for a window and return the report of it."""
        self.calendars[self._index[disruption.resource]].announce(disruption.window)
        self.announced.append(disruption)
        return Outgoing(
            channel="report",
            correlation_id="",
            body=ReportBreakdown(
                notice_id=f"{self.participant}.{disruption.resource}.{disruption.window.start_us}",
                resource=disruption.resource,
                window=disruption.window,
            ),
        )

    def foresee(self) -> None:
        """Plan around every breakdown to come as if it were known: for a central plan's yardstick."""
        for disruption in self._to_come:
            self.calendars[self._index[disruption.resource]].announce(disruption.window)
        self._to_come = []

    def _before(self, now_us: int) -> tuple[Outgoing, ...]:
        reports: list[Outgoing] = []
        while self._to_come and self._to_come[0].window.start_us <= now_us:
            disruption = self._to_come.pop(0)
            if now_us < disruption.window.end_us:
                reports.append(self.announce_breakdown(disruption))
        return tuple(reports)

    def _book(self, contract: Contract, sign: int) -> None:
        for use in contract.uses:
            index = self._index.get(use.resource)
            if index is not None:
                self.calendars[index].book(use.period, sign * use.amount)

    def _offer(self, call: CallForProposals, builder: SheetBuilder, now_us: int) -> set[DeclineCode]:
        return PlantAnswer(self._shop, self.policy, self.offers, call, builder, now_us).offer()
