"""The machine plan: which machine works on which contract when.

A function of the contracts alone, computed when somebody looks: it binds nobody and is no state.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from agents.shopfloor.calendar import CentreCalendar
from takt_sdk.model.contract import Contract
from takt_sdk.model.values import MINUTE_US, PeriodGrid


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A machine of a work centre at work on a contract; half-open."""

    machine: int
    contract_id: str
    start_us: int
    end_us: int


def sequence(
    calendar: CentreCalendar, grid: PeriodGrid, contracts: Iterable[Contract]
) -> tuple[tuple[Slot, ...], tuple[tuple[str, int], ...]]:
    """Return the machine plan of a work centre, and the minutes that did not fit, per contract.

    Per period, contracts take the first free machine time inside their windows, the earliest
    promised end first (ties: earliest start, then id). Work that does not fit is overtime.
    """
    resource = calendar.centre.id
    jobs = sorted(
        (use.period, contract.end_us, contract.start_us, contract.id, use.amount)
        for contract in contracts
        for use in contract.uses
        if use.resource == resource
    )
    slots: list[Slot] = []
    overtime: list[tuple[str, int]] = []
    free: list[list[tuple[int, int]]] = []
    current = None
    for period, end_us, start_us, contract_id, minutes in jobs:
        window = grid.window(period)
        if period != current:
            current = period
            spans = _free_spans(calendar, window.start_us, window.end_us)
            free = [list(spans) for _ in range(calendar.centre.machines)]
        at_us = max(start_us, window.start_us)
        until_us = min(end_us, window.end_us)
        remaining_us = minutes * MINUTE_US
        while remaining_us:
            taken = _take(free, at_us, until_us, remaining_us)
            if taken is None:
                overtime.append((contract_id, -(-remaining_us // MINUTE_US)))
                break
            machine, begin_us, stop_us = taken
            slots.append(Slot(machine=machine, contract_id=contract_id, start_us=begin_us, end_us=stop_us))
            remaining_us -= stop_us - begin_us
            at_us = stop_us
    return tuple(slots), tuple(overtime)


def _free_spans(calendar: CentreCalendar, start_us: int, end_us: int) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = list(calendar.hours.spans(start_us, end_us))
    for window in calendar.down:
        spans = [
            part
            for begin, stop in spans
            for part in ((begin, min(stop, window.start_us)), (max(begin, window.end_us), stop))
            if part[0] < part[1]
        ]
    return spans


def _take(
    free: list[list[tuple[int, int]]], at_us: int, until_us: int, need_us: int
) -> tuple[int, int, int] | None:
    """Take the earliest free time at or after ``at_us``; ties go to the lowest machine."""
    best: tuple[int, int, int] | None = None
    for machine, spans in enumerate(free):
        for index, (begin, stop) in enumerate(spans):
            from_us = max(begin, at_us)
            if from_us < min(stop, until_us):
                if best is None or from_us < best[0]:
                    best = (from_us, machine, index)
                break
    if best is None:
        return None
    from_us, machine, index = best
    begin, stop = free[machine][index]
    to_us = min(stop, until_us, from_us + need_us)
    rest = [part for part in ((begin, from_us), (to_us, stop)) if part[0] < part[1]]
    free[machine][index : index + 1] = rest
    return machine, from_us, to_us
