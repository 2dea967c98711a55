"""The smaller charts: state bar, takts, order columns, use by week, bars of counts. Pure geometry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from scenarios.report.wording import ORDER_TONES, day, money, ppm, share, whole, words
from scenarios.summary import ClearingRow, OrderRow, Summary

WIDTH = 1040
COLUMNS_HEIGHT, COLUMNS_LEFT, COLUMNS_TOP = 240, 64, 14
MAX_COLUMN, MAX_SLOT = 44.0, 90.0
GRID_LINES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of a horizontal bar; ``start`` and ``size`` are percent of its length."""

    start: float
    size: float
    tone: str
    label: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rect:
    """A rectangle of a column."""

    x: float
    y: float
    width: float
    height: float
    tone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """Stacked rectangles with a mark across, and the whole as a hover target."""

    x: float
    width: float
    rects: tuple[Rect, ...]
    mark_y: float | None
    label: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """A column chart; grid lines are (y, text)."""

    columns: tuple[Column, ...]
    grid: tuple[tuple[float, str], ...]
    width: int
    height: int
    left: int
    base: float


@dataclass(frozen=True, slots=True, kw_only=True)
class UseRow:
    """Capacity use of a work centre, a cell a week: (share in percent or None, text, title)."""

    participant: str
    resource: str
    first: bool
    cells: tuple[tuple[int | None, str, str], ...]


def states(summary: Summary) -> tuple[Piece, ...]:
    """Return the pieces of the bar of orders by state, best states first."""
    rank = {state: index for index, state in enumerate(ORDER_TONES)}
    counted = [(state, count) for state, count in summary.orders_by_state.items() if count]
    counted.sort(key=lambda pair: (rank.get(pair[0], len(rank)), pair[0]))
    return _pieces(
        [(count, ORDER_TONES.get(state, "idle"), words(state)) for state, count in counted], unit="orders"
    )


def amounts(parts: Iterable[tuple[int, str, str]], currency: str) -> tuple[Piece, ...]:
    """Return the pieces of a bar of amounts in minor units, as (amount, tone, label)."""
    shown = tuple((amount, tone, label) for amount, tone, label in parts if amount > 0)
    total = sum(amount for amount, _, _ in shown)
    pieces, start = [], 0.0
    for amount, tone, label in shown:
        size = 100 * amount / total
        title = f"{label}: {money(amount)} {currency}, {share(amount, total)}"
        pieces.append(Piece(start=round(start, 3), size=round(size, 3), tone=tone, label=label, title=title))
        start += size
    return tuple(pieces)


def _pieces(parts: list[tuple[int, str, str]], *, unit: str) -> tuple[Piece, ...]:
    total = sum(count for count, _, _ in parts)
    pieces, start = [], 0.0
    for count, tone, label in parts:
        size = 100 * count / total
        title = f"{label}: {whole(count)} {unit if count != 1 else unit[:-1]}, {share(count, total)}"
        pieces.append(
            Piece(
                start=round(start, 3),
                size=round(size, 3),
                tone=tone,
                label=f"{label} {whole(count)}",
                title=title,
            )
        )
        start += size
    return tuple(pieces)


def bars(counts: Mapping[str, int], texts: Mapping[str, str]) -> tuple[Piece, ...]:
    """Return a bar for each count, the longest 100 percent, in the order given, with its text."""
    most = max(counts.values(), default=0) or 1
    return tuple(
        Piece(start=0.0, size=round(100 * count / most, 2), tone="busy", label=words(name), title=texts[name])
        for name, count in counts.items()
    )


def busy_takts(summary: Summary) -> tuple[ClearingRow, ...]:
    """Return the clearings that had orders."""
    return tuple(row for row in summary.clearings if row.orders)


def takts(summary: Summary) -> Columns | None:
    """Lay out welfare per takt: order by order beside jointly, the bound as a mark."""
    rows = [row for row in busy_takts(summary) if row.welfare_minor is not None]
    if not rows:
        return None
    figures = [
        (max(row.order_by_order_welfare_minor or 0, 0), max(row.welfare_minor or 0, 0), row.bound_minor)
        for row in rows
    ]
    top = _ceiling(max(max(a, b, c or 0) for a, b, c in figures))
    chart = _Frame(len(rows), top)
    columns = []
    for index, (row, (greedy, joint, bound)) in enumerate(zip(rows, figures, strict=True)):
        x, width = chart.slot(index)
        half = width / 2
        columns.append(
            Column(
                x=x,
                width=width,
                rects=(
                    chart.rect(x, half - 0.5, 0, greedy, "idle"),
                    chart.rect(x + half, half - 0.5, 0, joint, "good"),
                ),
                mark_y=None if bound is None else chart.y(bound),
                label=str(row.number),
                title=(
                    f"Takt {row.number}, {day(row.opened_us)}: {row.served} of {row.orders} orders, "
                    f"welfare {money(row.welfare_minor)}, bound {money(row.bound_minor)}, "
                    f"gap {ppm(row.gap_ppm)}, "
                    f"order by order {money(row.order_by_order_welfare_minor)} {summary.currency}"
                ),
            )
        )
    return chart.columns(columns)


def charged(summary: Summary) -> tuple[OrderRow, ...]:
    """Return the orders that were awarded, the dearest first."""
    rows = [row for row in summary.orders if row.charge_minor is not None]
    return tuple(sorted(rows, key=lambda row: (-(row.charge_minor or 0), row.order_id)))


def charges(summary: Summary) -> Columns | None:
    """Lay out price, transport and fee per order, its reservation value as a mark."""
    rows = charged(summary)
    if not rows:
        return None
    top = _ceiling(max(max(row.charge_minor or 0, row.reservation_value_minor) for row in rows))
    chart = _Frame(len(rows), top)
    columns = []
    for index, row in enumerate(rows):
        x, width = chart.slot(index)
        price, transport, fee = row.price_minor or 0, row.transport_minor or 0, row.fee_minor or 0
        columns.append(
            Column(
                x=x,
                width=width,
                rects=(
                    chart.rect(x, width, 0, price, "busy"),
                    chart.rect(x, width, price, transport, "risk"),
                    chart.rect(x, width, price + transport, fee, "idle"),
                ),
                mark_y=chart.y(row.reservation_value_minor),
                label="",
                title=(
                    f"{row.pieces} {row.part} to {row.destination}: price {money(price)}, "
                    f"transport {money(transport)}, fee {money(fee)}, charge {money(row.charge_minor)} "
                    f"of at most {money(row.reservation_value_minor)} {summary.currency} ({row.order_id})"
                ),
            )
        )
    return chart.columns(columns)


def _ceiling(value: int) -> int:
    """Return the next amount that divides into four round grid lines; at least 1 major unit."""
    value = max(value, 100)
    step = 1
    while True:
        for digit in (1, 2, 4, 6, 8):
            if digit * step * 100 >= value:
                return digit * step * 100
        step *= 10


class _Frame:
    """The axes of a column chart; amounts in minor units."""

    def __init__(self, count: int, top: int) -> None:
        self.top = top
        self.slot_width = min(MAX_SLOT, (WIDTH - COLUMNS_LEFT) / count)

    def slot(self, index: int) -> tuple[float, float]:
        width = min(MAX_COLUMN, self.slot_width * 0.72)
        return round(COLUMNS_LEFT + (index + 0.5) * self.slot_width - width / 2, 2), round(width, 2)

    def y(self, minor: int) -> float:
        return round(COLUMNS_TOP + COLUMNS_HEIGHT * (1 - minor / self.top), 2)

    def rect(self, x: float, width: float, base: int, size: int, tone: str) -> Rect:
        top = self.y(base + size)
        return Rect(
            x=round(x, 2), y=top, width=round(width, 2), height=round(self.y(base) - top, 2), tone=tone
        )

    def columns(self, columns: list[Column]) -> Columns:
        steps = [self.top * line // GRID_LINES for line in range(GRID_LINES + 1)]
        return Columns(
            columns=tuple(columns),
            grid=tuple((self.y(step), money(step)) for step in steps),
            width=WIDTH,
            height=COLUMNS_TOP + COLUMNS_HEIGHT + 38,
            left=COLUMNS_LEFT,
            base=self.y(0),
        )


def use(summary: Summary) -> tuple[tuple[str, ...], tuple[UseRow, ...]]:
    """Return week names and a row per work centre; weeks without any use at the end are left out."""
    rows = [row for row in summary.capacities if row.unit == "min"]
    weeks = range(max((row.week + 1 for row in rows if row.used), default=0))
    cells = {(row.participant, row.resource, row.week): row for row in rows}
    found: list[UseRow] = []
    for participant, resource in sorted({(row.participant, row.resource) for row in rows}):
        shown: list[tuple[int | None, str, str]] = []
        for week in weeks:
            row = cells.get((participant, resource, week))
            if row is None or not row.declared:
                shown.append((None, "", "nothing declared"))
                continue
            percent = round(100 * row.used / row.declared)
            title = f"{whole(row.used)} of {whole(row.declared)} min"
            shown.append((percent, str(percent), title))
        first = not found or found[-1].participant != participant
        found.append(UseRow(participant=participant, resource=resource, first=first, cells=tuple(shown)))
    return tuple(f"week {week + 1}" for week in weeks), tuple(found)
