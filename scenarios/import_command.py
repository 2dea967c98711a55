"""``takt import``: real cases from CSV tables."""

from __future__ import annotations

import csv
import json
from dataclasses import astuple, fields
from pathlib import Path

import click
from rich.table import Table

from scenarios.errors import ScenarioError
from scenarios.imports.case_folder import scenario_of_tables
from scenarios.imports.sealed_bids import problem_document
from scenarios.imports.supply_network import Stage, analyse, read_network
from scenarios.mechanisms import SETTINGS
from scenarios.show import tables_console

TABLE = click.Path(exists=True, dir_okay=False, path_type=Path)
RULES = sorted({setting.rule for setting in SETTINGS.values()})
SHOWN = 10


@click.group("import")
def import_() -> None:
    """Read real cases from CSV tables."""


@import_.command("case")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), default=None, help="Copy the tables there; default: FOLDER."
)
@click.option("--currency", default="EUR", show_default=True)
def case(folder: Path, out: Path | None, currency: str) -> None:
    """Make a scenario of the tables in FOLDER: companies.csv, routings.csv, orders.csv and more."""
    try:
        made = scenario_of_tables(folder, folder if out is None else out, currency=currency)
    except ScenarioError as error:
        raise click.ClickException(str(error)) from error
    for line in made.warnings:
        click.echo(f"mind   {line}")
    click.echo(
        f"made   {made.file}: {made.companies} companies, {made.parts} parts, {made.orders} orders\n"
        f"next   takt scenario describe {made.file.parent}\n"
        f"       takt run {made.file.parent}"
    )


@import_.command("bids")
@click.argument("lots", type=TABLE)
@click.argument("bids", type=TABLE)
@click.option("--capacities", type=TABLE, default=None, help="Resources that bids use, with their capacity.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The problem file to write.")
@click.option("--currency", default="EUR", show_default=True)
@click.option("--mechanism", type=click.Choice(RULES), default="pay_as_bid", show_default=True)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
def bids(
    lots: Path, bids: Path, capacities: Path | None, out: Path, currency: str, mechanism: str, seed: int
) -> None:
    """Make a problem for `takt clear` of LOTS and sealed BIDS."""
    try:
        document = problem_document(lots, bids, capacities, currency=currency, mechanism=mechanism, seed=seed)
    except ScenarioError as error:
        raise click.ClickException(str(error)) from error
    out.write_text(json.dumps(document, indent=1), encoding="utf-8")
    click.echo(f"problem  {out}\nnext     takt clear {out}")


@import_.command("network")
@click.argument("stages", type=TABLE)
@click.argument("arcs", type=TABLE)
@click.option("--out", type=click.Path(path_type=Path), default=None, help="All figures, as CSV.")
def network(stages: Path, arcs: Path, out: Path | None) -> None:
    """Explode the requirements of a supply network; show its lead times and what it hangs on."""
    try:
        graph = read_network(stages, arcs)
    except ScenarioError as error:
        raise click.ClickException(str(error)) from error
    found = analyse(graph)
    demand = sum(stage.demand for stage in found)
    click.echo(
        f"{len(found)} stages, {graph.number_of_edges()} arcs, "
        f"depth {max((s.echelon for s in found), default=0)}, "
        f"longest lead time {max((s.lead_time for s in found), default=0)}, "
        f"{sum(not s.slack for s in found)} critical stages, {demand} units of demand"
    )
    tables_console().print(_hangs_on(found, demand))
    if out is not None:
        with out.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([field.name for field in fields(Stage)])
            writer.writerows(astuple(stage) for stage in found)
        click.echo(f"stages  {out}")


def _hangs_on(found: tuple[Stage, ...], demand: int) -> Table:
    """Return the stages without which most demand stops; among equals the least slack first."""
    table = Table(title="What it hangs on", title_justify="left")
    for name in ("stage", "demand at risk", "sole source", "requirement", "lead time", "slack", "unit cost"):
        table.add_column(name, justify="left" if name == "stage" else "right")
    worst = sorted(found, key=lambda s: (-s.demand_at_risk, s.slack, -s.lead_time, s.name))[:SHOWN]
    for stage in worst:
        share = f"{100 * stage.demand_at_risk / demand:.0f} %" if demand else ""
        sole = "yes" if stage.sole_source else ""
        figures = (stage.requirement, stage.lead_time, stage.slack, stage.unit_cost)
        table.add_row(stage.name, share, sole, *(f"{figure:,}" for figure in figures))
    return table
