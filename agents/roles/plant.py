"""A plant: bids machine time on operations, carries out what it won, says when a machine is down.

Decides as a function of its profile, what it has been told and the time. Chance, clock and
sending are its host's.
"""

from __future__ import annotations

from agents.profile import Disruption, PlantProfile
from agents.roles.bidder import Bidder
from agents.roles.plant_answer import PlantAnswer, Shop
from agents.shopfloor.calendar import CentreCalendar
from agents.shopfloor.floor import ShopFloor
from agents.shopfloor.working_time import WorkingTime
from takt_sdk.execution import STARTED
from takt_sdk.model.contract import Contract
from takt_sdk.model.execution import NotifyDisruption
from takt_sdk.model.messages import CallForProposals, DeclineCode, ReportBreakdown
from takt_sdk.model.values import MINUTE_US
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
        self.floor = (
            None
            if profile.floor is None
            else ShopFloor(profile.floor, profile.participant, tuple(self._index))
        )
        to_come = profile.disruptions
        if self.floor is not None:
            to_come += self.floor.breakdowns()
            for stop in self.floor.maintenance():
                self.calendars[self._index[stop.resource]].announce(stop.window)
        self._to_come = sorted(to_come, key=lambda d: (d.window.start_us, d.resource))
        self._to_repair: list[Disruption] = []
        self._told: dict[str, int] = {}
        self.announced: list[Disruption] = []
        super().__init__(profile.participant, profile.pricing)
        if self.floor is not None:
            self.execution.ends_us = self.floor.ends_us

    def announce_breakdown(self, disruption: Disruption) -> Outgoing:
        """Take a work centre out of service for a window and return the report of it."""
        self.calendars[self._index[disruption.resource]].announce(disruption.window)
        self.announced.append(disruption)
        if self.floor is None:
            body: ReportBreakdown | NotifyDisruption = ReportBreakdown(
                notice_id=self._notice_id(disruption), resource=disruption.resource, window=disruption.window
            )
        else:
            self.floor.stop(disruption.resource, disruption.window)
            self.execution.replan()
            self._to_repair.append(disruption)
            body = NotifyDisruption(
                notice_id=self._notice_id(disruption),
                cause="breakdown",
                effect="capacity_reduction",
                resource=disruption.resource,
                window=disruption.window,
            )
        return Outgoing(channel="report", correlation_id="", body=body)

    def _notice_id(self, disruption: Disruption) -> str:
        return f"{self.participant}.{disruption.resource}.{disruption.window.start_us}"

    def _repaired(self, disruption: Disruption) -> Outgoing:
        notice_id = self._notice_id(disruption)
        body = NotifyDisruption(
            notice_id=f"{notice_id}.resolved",
            cause="breakdown",
            effect="capacity_reduction",
            status="resolved",
            source_id=notice_id,
        )
        return Outgoing(channel="report", correlation_id="", body=body)

    def _progress(self, now_us: int) -> list[Outgoing]:
        """Return how far begun contracts are, once per time to report."""
        reports: list[Outgoing] = []
        if self.floor is None:
            return reports
        for id_, running in sorted(self.execution.running.items()):
            if running.stage != STARTED:
                continue
            body = self.floor.report(running.contract, now_us)
            if body is not None and body.at_us > self._told.get(id_, 0):
                self._told[id_] = body.at_us
                reports.append(Outgoing(channel="report", correlation_id=id_, body=body))
        return reports

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
            elif self.floor is not None:  # it went unheard, its work is late all the same
                self.floor.stop(disruption.resource, disruption.window)
                self.execution.replan()
        over = [one for one in self._to_repair if one.window.end_us <= now_us]
        self._to_repair = [one for one in self._to_repair if one.window.end_us > now_us]
        return (*reports, *(self._repaired(one) for one in over), *self._progress(now_us))

    def stopped_minutes(self, contract: Contract) -> int:
        """Return the machine minutes of breakdowns of a contract's work centres while it ran."""
        if self.floor is None:
            return 0
        end_us = self.floor.ends_us(contract)
        used = {use.resource for use in contract.uses if use.resource in self._index}
        stops = {
            (resource, max(contract.start_us, window.start_us), min(end_us, window.end_us))
            for resource, window in self.floor.down
            if resource in used
        }
        return sum(
            self.calendars[self._index[resource]].hours.between_us(start_us, stop_us) // MINUTE_US
            for resource, start_us, stop_us in stops
            if start_us < stop_us
        )

    def _book(self, contract: Contract, sign: int) -> None:
        for use in contract.uses:
            index = self._index.get(use.resource)
            if index is not None:
                self.calendars[index].book(use.period, sign * use.amount)

    def _offer(self, call: CallForProposals, builder: SheetBuilder, now_us: int) -> set[DeclineCode]:
        return PlantAnswer(self._shop, self.policy, self.offers, call, builder, now_us).offer()
