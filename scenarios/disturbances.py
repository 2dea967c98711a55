"""What disturbs a run: notices told at their times, companies that fall silent, rules of what follows.

From a scenario's sections to data; the runners say it to the market.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from agents.profile import Floor
from market.model.contract_rules import ContractRules
from scenarios.scenario import Scenario
from scenarios.sections import ContractsSection, FloorSection
from takt_sdk.model.execution import ChangeCommand, NotifyDisruption, RequestChange
from takt_sdk.model.values import HOUR_US, MINUTE_US, Window

OPERATOR = "operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedNotice:
    """A disruption that somebody tells of, or a change that a customer wants at any price, at ``at_us``."""

    at_us: int
    sender: str
    command: NotifyDisruption | ChangeCommand


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """A company that neither hears nor says anything in ``window``; half-open, one per company."""

    participant: str
    window: Window


def _us(instant: datetime) -> int:
    return (instant - datetime.fromtimestamp(0, instant.tzinfo)) // timedelta(microseconds=1)


def contract_rules(section: ContractsSection) -> ContractRules:
    """Return the rules that a section says."""
    fields = section.model_dump(exclude={"tolerance_minutes", "heartbeat_minutes"})
    tolerance = section.tolerance_minutes
    return ContractRules(
        tolerance_us=None if tolerance is None else tolerance * MINUTE_US,
        heartbeat_us=section.heartbeat_minutes * MINUTE_US,
        **fields,
    )


def floor(section: FloorSection, seed: int, from_us: int, until_us: int) -> Floor:
    """Return the shop floor that a section says."""
    return Floor(
        seed=seed,
        cycle_spread_ppm=section.cycle_spread_ppm,
        scrap_ppm=section.scrap_ppm,
        mtbf_us=section.mtbf_hours * HOUR_US,
        mttr_us=section.mttr_hours * HOUR_US,
        maintenance_every_us=section.maintenance_every_hours * HOUR_US,
        maintenance_us=section.maintenance_hours * HOUR_US,
        report_every_us=section.report_minutes * MINUTE_US,
        from_us=from_us,
        until_us=until_us,
    )


def lane_notices(scenario: Scenario) -> Iterator[TimedNotice]:
    """Yield what the operator tells of lanes: that one is closed or slower, and that it is over."""
    for number, lane in enumerate(scenario.lanes):
        opened = NotifyDisruption(
            notice_id=f"lane-{number}",
            cause="logistics",
            effect="lane_closed" if lane.transit_minutes is None else "lane_slower",
            lane_source=lane.source,
            lane_target=lane.target,
            transit_minutes=lane.transit_minutes or 0,
        )
        over = NotifyDisruption(
            notice_id=f"lane-{number}-over",
            cause="logistics",
            effect=opened.effect,
            status="resolved",
            source_id=opened.notice_id,
        )
        yield TimedNotice(at_us=_us(lane.start), sender=OPERATOR, command=opened)
        yield TimedNotice(at_us=_us(lane.end), sender=OPERATOR, command=over)


def demand_notices(scenario: Scenario, named: Callable[[str, str], str]) -> Iterator[TimedNotice]:
    """Yield what customers tell of their demand; ``named`` gives the id of a customer's order by its key."""
    for number, one in enumerate(scenario.notices):
        told = NotifyDisruption(
            notice_id=f"demand-{number}",
            cause="demand",
            effect=one.effect,
            order_id=named(one.customer, one.order) if one.order else "",
            quantity=one.quantity or 0,
            detail=one.detail,
        )
        yield TimedNotice(at_us=_us(one.at), sender=one.customer, command=told)


def priced_order(command: NotifyDisruption | ChangeCommand) -> str:
    """Return the order of which a command asks what a change costs; empty if it asks nothing."""
    if isinstance(command, RequestChange):
        return command.order_id
    return command.order_id if isinstance(command, NotifyDisruption) and command.quantity else ""


def silences(scenario: Scenario) -> tuple[Silence, ...]:
    """Return the companies that fall silent."""
    return tuple(
        Silence(participant=one.participant, window=Window(start_us=_us(one.start), end_us=_us(one.end)))
        for one in scenario.silences
    )
