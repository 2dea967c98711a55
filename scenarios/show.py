"""A summary on the terminal: the figures that a person wants first, every one with its unit."""

from __future__ import annotations

import os
import sys
from collections import defaultdict

from rich.console import Console
from rich.table import Table

from scenarios.mechanisms import PRICED
from scenarios.summary import Summary

WIDE = 120
"""Columns from which on the table of orders can be read."""


def tables_console() -> Console:
    """Return a console as wide as the terminal; where there is none, wide enough for tables of figures."""
    wide = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(width=WIDE if wide else None)


def show_summary(summary: Summary, console: Console) -> None:
    """Print a summary."""
    console.print(
        f"\n[bold]{summary.title}[/bold] (seed {summary.seed}, {summary.transport}, {summary.mechanism})"
    )
    if console.width >= WIDE:  # the report has it in full
        console.print(_orders(summary))
    console.print(_capacity(summary))
    console.print(_phases(summary))
    console.print(_headline(summary))
    console.print(f"outcome {summary.outcome_digest}", highlight=False)


def _money(summary: Summary, amount_minor: int | None) -> str:
    return "-" if amount_minor is None else f"{amount_minor / 100:,.2f} {summary.currency}"


def _headline(summary: Summary) -> Table:
    table = Table(show_header=False, box=None)
    compared = summary.comparison
    alone = compared.order_by_order_welfare_minor
    lost = compared.joint_welfare_minor - alone
    states = ", ".join(f"{count} {state}" for state, count in summary.orders_by_state.items())
    messages = sum(summary.messages_by_kind.values())
    tonnes = (summary.production_emissions_g + summary.transport_emissions_g) / 1e6
    gap = "no bound" if summary.gap_ppm is None else f"gap {summary.gap_ppm / 1e4:.2f} %"
    welfare = f"{_money(summary, summary.welfare_minor)}, bound {_money(summary, summary.bound_minor)}, {gap}"
    joint = _served(summary, compared.joint_served, compared.joint_cost_minor, compared.joint_value_minor)
    single = _served(
        summary,
        compared.order_by_order_served,
        compared.order_by_order_cost_minor,
        compared.order_by_order_value_minor,
    )
    rows = [
        ("orders", f"{summary.orders_total}: {states}"),
        ("welfare", welfare),
        ("joint clearing", joint),
        ("order by order", f"{single}: {_money(summary, lost)} less welfare"),
        ("CO2e", f"{tonnes:.2f} t, of it transport {summary.transport_emissions_g / 1e6:.2f} t"),
        ("messages", f"{messages}, {messages / max(1, summary.orders_total):.1f} per order"),
    ]
    unpaid = sum(1 for one in summary.clearings if (one.welfare_minor or 0) > 0 and not one.served)
    if summary.mechanism in PRICED and unpaid:
        rows.insert(1, ("no payments", f"under {summary.mechanism} in {unpaid} takts, which awarded nothing"))
    if summary.first_award_wall_ms is not None:
        rows.append(("first award", f"{summary.first_award_wall_ms / 1000:.1f} s after the start"))
    for name, text in rows:
        table.add_row(name, text)
    return table


def _served(summary: Summary, served: int, cost_minor: int, value_minor: int) -> str:
    share = f" ({100 * cost_minor / value_minor:.1f} % of their value)" if value_minor else ""
    return f"{served} served at {_money(summary, cost_minor)}{share}"


def _orders(summary: Summary) -> Table:
    table = Table(title=f"Price and transport per order, {summary.currency}")
    for name in ("order", "customer", "part", "pieces", "state"):
        table.add_column(name)
    for name in ("production", "transport", "fee", "charge", "limit"):
        table.add_column(name, justify="right")
    for order in summary.orders:
        amounts = (order.price_minor, order.transport_minor, order.fee_minor, order.charge_minor)
        table.add_row(
            order.order_id[:10],
            order.customer,
            order.part,
            f"{order.pieces}/{order.quantity}",
            order.state if not order.reasons else f"{order.state}: {order.reasons[0].split()[0]}",
            *("-" if amount is None else f"{amount / 100:,.2f}" for amount in amounts),
            f"{order.reservation_value_minor / 100:,.2f}",
        )
    return table


def _capacity(summary: Summary) -> Table:
    declared: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    busy = {(row.participant, row.week) for row in summary.capacities if row.used}
    for row in summary.capacities:
        if row.unit == "min" and (row.participant, row.week) in busy:
            declared[row.participant, row.resource][0] += row.used
            declared[row.participant, row.resource][1] += row.declared
    table = Table(title="Capacity use in the weeks in which a plant worked")
    table.add_column("plant")
    table.add_column("work centre")
    for name in ("used, min", "declared, min", "use"):
        table.add_column(name, justify="right")
    for (participant, resource), (used, total) in sorted(declared.items()):
        table.add_row(participant, resource, f"{used:,}", f"{total:,}", f"{100 * used / max(1, total):.0f} %")
    return table


def _phases(summary: Summary) -> Table:
    table = Table(title="Seconds per phase")
    table.add_column("phase")
    table.add_column("s", justify="right")
    for name, wall_ms in summary.phase_wall_ms.items():
        table.add_row(name, f"{wall_ms / 1000:.2f}")
    table.add_row("total", f"{summary.wall_ms / 1000:.2f}")
    return table
