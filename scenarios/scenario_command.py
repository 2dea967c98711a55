"""``takt scenario``: check a scenario file, describe what it makes, begin one of one's own."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from agents.profile import CustomerProfile, PlantProfile, SupplierProfile
from scenarios.errors import ScenarioError
from scenarios.population import Population, build
from scenarios.report.picture import picture
from scenarios.scenario import FILE_NAME, load_scenario
from scenarios.undone import undone
from takt_sdk.model.values import DAY_US, HOUR_US

LIBRARY = Path(__file__).parent / "library"
FILE = click.argument("file", type=click.Path(exists=True, path_type=Path))
SEED = click.option(
    "--seed", type=click.IntRange(0, 2**53 - 1), default=None, help="Default: the scenario's own."
)


@click.group("scenario")
def scenario() -> None:
    """Check, describe and begin scenario files."""


@scenario.command("check")
@FILE
@SEED
def check(file: Path, seed: int | None) -> None:
    """Read FILE and draw its companies and orders; names the first thing wrong, and what nobody can do."""
    population = _built(file, seed)
    click.echo(f"{population.market}: {len(population.profiles)} companies, {len(population.orders)} orders")
    for warning in undone(population):
        click.echo(f"warning  {warning}", err=True)


@scenario.command("describe")
@FILE
@SEED
@click.option(
    "--map", "map_file", type=click.Path(path_type=Path), default=None, help="Also write a map (SVG)."
)
def describe(file: Path, seed: int | None, map_file: Path | None) -> None:
    """Show what FILE makes: companies, work asked for against what the machines have, orders by part."""
    population = _built(file, seed)
    console = Console()
    console.print(
        f"[bold]{population.title}[/bold]  seed {population.seed}, mechanism {population.mechanism}"
    )
    console.print(_companies(population))
    console.print(_load(population))
    console.print(_orders(population))
    if map_file is not None:
        map_file.write_text(picture(population), encoding="utf-8")
        click.echo(f"map  {map_file}")


@scenario.command("new")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--from",
    "template",
    type=click.Choice(sorted(path.parent.name for path in LIBRARY.glob(f"*/{FILE_NAME}"))),
    default="smoke",
    show_default=True,
)
def new(folder: Path, template: str) -> None:
    """Begin a scenario in FOLDER as a copy of one of the library."""
    if folder.exists():
        raise click.ClickException(f"FOLDER must not exist yet, was {folder}")
    shutil.copytree(
        LIBRARY / template, folder, ignore=shutil.ignore_patterns("README.md", "*.svg", "__pycache__")
    )
    file = folder / FILE_NAME
    text = file.read_text(encoding="utf-8").replace(f'name = "{template}"', f'name = "{folder.name}"', 1)
    file.write_text(text, encoding="utf-8")
    try:
        load_scenario(file)
    except ScenarioError as error:
        shutil.rmtree(folder)
        raise click.ClickException(f"FOLDER's name becomes the scenario's: {error}") from error
    click.echo(f"edit   {file}\nnext   takt scenario check {folder}\n       takt run {folder}")


def _built(file: Path, seed: int | None) -> Population:
    try:
        return build(load_scenario(file), seed=seed)
    except ScenarioError as error:
        raise click.ClickException(str(error)) from error


def _companies(population: Population) -> Table:
    table = Table(title="Companies", title_justify="left")
    for name in ("role", "companies", "sites", "policies"):
        table.add_column(name)
    kinds = (("plant", PlantProfile), ("supplier", SupplierProfile), ("customer", CustomerProfile))
    for role, kind in kinds:
        found = [profile for profile in population.profiles if isinstance(profile, kind)]
        policies = Counter(
            profile.pricing.policy for profile in found if isinstance(profile, PlantProfile | SupplierProfile)
        )
        shown = ", ".join(f"{name} × {count}" for name, count in sorted(policies.items()))
        table.add_row(role, str(len(found)), str(len({profile.site for profile in found})), shown)
    return table


def _load(population: Population) -> Table:
    """Return, per process, the planned machine hours of all orders and the hours that are open."""
    parts = {command.part.id: command.part for _, command in population.parts}
    wanted: Counter[str] = Counter()
    for order in population.orders:
        for lot in parts[order.command.part_id].plan.lots:
            if lot.kind == "operation":
                units = lot.quantity_per_piece * order.command.terms.quantity
                wanted[lot.requirement.process] += lot.run_time_us * units
    first = min((order.command.terms.release_us for order in population.orders), default=population.start_us)
    last = max((order.command.terms.due_us for order in population.orders), default=population.end_us)
    weeks = max(1, last - first) / (7 * DAY_US)
    hours: Counter[str] = Counter()
    for profile in population.profiles:
        if isinstance(profile, PlantProfile):
            for centre in profile.work_centres:
                weekly = sum((s.end_minute - s.start_minute) * len(s.weekdays) for s in centre.shifts) / 60
                for process in {capability.process for capability in centre.capabilities}:
                    hours[process] += int(weekly * weeks * centre.machines)
    table = Table(title="Machine hours between first release and last due date", title_justify="left")
    for name in ("process", "planned", "open", "load"):
        table.add_column(name, justify="left" if name == "process" else "right")
    for process in sorted({*wanted, *hours}):
        planned = wanted[process] / HOUR_US
        load = f"{100 * planned / hours[process]:.0f} %" if hours[process] else "nobody does it"
        table.add_row(process, f"{planned:,.0f}", f"{hours[process]:,}", load)
    return table


def _orders(population: Population) -> Table:
    table = Table(title="Orders", title_justify="left")
    for name in ("part", "orders", "pieces", "reservation values"):
        table.add_column(name, justify="left" if name == "part" else "right")
    for part in sorted({order.command.part_id for order in population.orders}):
        terms = [order.command.terms for order in population.orders if order.command.part_id == part]
        value = sum(one.reservation_value_minor for one in terms) / 100
        pieces = sum(one.quantity for one in terms)
        table.add_row(part, str(len(terms)), f"{pieces:,}", f"{value:,.2f} {population.rules.currency}")
    return table
