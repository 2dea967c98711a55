"""The Gantt of the plants: a row per work centre, contracts as bars, breakdowns and shifts behind.

Contracts of a work centre that overlap in time stand above each other. Pure geometry.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from scenarios.report.wording import CONTRACT_TONES, day, moment, money, words
from scenarios.summary import ContractRow, Summary
from takt_sdk.model.values import DAY_US, MINUTE_US

WIDTH, LABEL, TOP = 1040, 240, 34
BAR, GAP, PAD = 11, 2, 4
LETTER = 5.6
WEEK_US = 7 * DAY_US
MAX_TICKS = 16
TICK_TEXT = 62


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A contract."""

    x: float
    y: float
    width: float
    tone: str
    text: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A breakdown behind the bars of its row."""

    x: float
    width: float
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A work centre: ``open_path`` shades its shifts."""

    participant: str
    resource: str
    first: bool
    y: float
    height: float
    open_path: str
    bars: tuple[Bar, ...]
    outages: tuple[Outage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gantt:
    """The whole picture; ticks are (x, text, whether a Monday)."""

    rows: tuple[Row, ...]
    ticks: tuple[tuple[float, str, bool], ...]
    width: int
    height: float
    left: int
    top: int


class _Axis:
    def __init__(self, start_us: int, end_us: int) -> None:
        self.start_us, self.end_us = start_us, end_us

    def x(self, time_us: int) -> float:
        inside = min(max(time_us, self.start_us), self.end_us) - self.start_us
        return round(LABEL + (WIDTH - LABEL) * inside / (self.end_us - self.start_us), 1)


def gantt(summary: Summary) -> Gantt | None:
    """Lay out the Gantt of a run; None where no plant has a work centre."""
    plants = {row.participant for row in summary.participants if row.role == "plant"}
    centres = sorted(
        {(row.participant, row.resource) for row in summary.capacities if row.participant in plants}
        | {(row.participant, row.resource) for row in summary.contracts if row.participant in plants}
    )
    if not centres:
        return None
    last_us = max((row.end_us for row in summary.contracts), default=summary.start_us) + DAY_US
    last_us = min(max(last_us, summary.start_us + DAY_US), max(summary.end_us, summary.start_us + DAY_US))
    axis = _Axis(summary.start_us, last_us)
    rows: list[Row] = []
    y = float(TOP)
    for participant, resource in centres:
        first = not rows or rows[-1].participant != participant
        rows.append(_row(summary, (participant, resource), axis, y, first=first))
        y += rows[-1].height
    return Gantt(rows=tuple(rows), ticks=tuple(_ticks(axis)), width=WIDTH, height=y + 6, left=LABEL, top=TOP)


def _row(summary: Summary, centre: tuple[str, str], axis: _Axis, y: float, *, first: bool) -> Row:
    contracts = sorted(
        (c for c in summary.contracts if (c.participant, c.resource) == centre),
        key=lambda c: (c.start_us, c.end_us, c.contract_id),
    )
    free_from: list[int] = []
    bars = []
    for contract in contracts:
        lane = next((i for i, end_us in enumerate(free_from) if end_us <= contract.start_us), len(free_from))
        free_from[lane : lane + 1] = [contract.end_us]
        bars.append(_bar(summary, contract, axis, y + PAD + lane * (BAR + GAP)))
    height = 2 * PAD + max(1, len(free_from)) * (BAR + GAP) - GAP
    outages = tuple(
        Outage(
            x=axis.x(row.start_us),
            width=round(axis.x(row.end_us) - axis.x(row.start_us), 1),
            title=f"Breakdown of {'/'.join(centre)}, {day(row.start_us)} to {day(row.end_us)}",
        )
        for row in summary.breakdowns
        if (row.participant, row.resource) == centre
    )
    return Row(
        participant=centre[0],
        resource=centre[1],
        first=first,
        y=y,
        height=height,
        open_path=_open_path(summary, centre, axis, y, height),
        bars=tuple(bars),
        outages=outages,
    )


def _bar(summary: Summary, contract: ContractRow, axis: _Axis, y: float) -> Bar:
    x = axis.x(contract.start_us)
    width = max(round(axis.x(contract.end_us) - x, 1), 2.0)
    text = f"{contract.quantity} {contract.lot.rpartition('.')[2]}"
    if len(text) * LETTER > width - 4:
        text = str(contract.quantity) if len(str(contract.quantity)) * LETTER < width - 4 else ""
    return Bar(
        x=x,
        y=y,
        width=width,
        tone=CONTRACT_TONES.get(contract.state, "idle"),
        text=text,
        title=(
            f"{contract.lot}, {contract.quantity} pieces of order {contract.order_id}: "
            f"{day(contract.start_us)} to {day(contract.end_us)}, {words(contract.state)}, "
            f"{money(contract.payment_minor)} {summary.currency}"
        ),
    )


def _open_path(summary: Summary, centre: tuple[str, str], axis: _Axis, y: float, height: float) -> str:
    """Return the shifts of a work centre as one path of rectangles."""
    monday_us = axis.start_us - axis.start_us % DAY_US - moment(axis.start_us).weekday() * DAY_US
    pieces = []
    while monday_us < axis.end_us:
        for shift in summary.shifts:
            if (shift.participant, shift.resource) == centre:
                left = axis.x(monday_us + shift.start_minute * MINUTE_US)
                right = axis.x(monday_us + shift.end_minute * MINUTE_US)
                if right > left:
                    pieces.append(f"M{left} {y:.1f}H{right}v{height:.1f}H{left}z")
        monday_us += WEEK_US
    return "".join(pieces)


def _ticks(axis: _Axis) -> Iterator[tuple[float, str, bool]]:
    """Yield a tick at each midnight, with text at as many as fit and always on Mondays."""
    days = (axis.end_us - axis.start_us) // DAY_US
    every = 1 if days <= MAX_TICKS else 7
    midnight_us = -(-axis.start_us // DAY_US) * DAY_US
    while midnight_us < axis.end_us:
        date = moment(midnight_us)
        monday = date.weekday() == 0
        x = axis.x(midnight_us)
        text = date.strftime("%a %d %b") if (monday or every == 1) and x < WIDTH - TICK_TEXT else ""
        yield x, text, monday
        midnight_us += DAY_US
