"""``takt regret``: what a seller gains by asking more than it costs, under each mechanism."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import cast

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from scenarios.errors import ScenarioError
from scenarios.mechanisms import SETTINGS, MechanismName
from scenarios.scenario import Case, load_scenario
from scenarios.show import tables_console
from scenarios.stopping import until_told
from scenarios.study.export import shown
from scenarios.study.regret import MARGINS_PPM, Regret, regret
from takt_sdk.endings import in_thread
from takt_sdk.wall_clock import WallClock


@click.command("regret")
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.option("--seller", required=True, help="The participant that deviates; all others tell the truth.")
@click.option("--seeds", type=click.IntRange(1), default=10, show_default=True, help="How many.")
@click.option(
    "--mechanism",
    "mechanisms",
    type=click.Choice([name for name, setting in SETTINGS.items() if not setting.foresight]),
    multiple=True,
    default=("pay_as_bid", "second_price", "vcg"),
    show_default=True,
)
def regret_(file: Path, seller: str, seeds: int, mechanisms: tuple[str, ...]) -> None:
    """Run the scenario in FILE with one seller asking more and more, on the same draws."""
    names = cast("tuple[MechanismName, ...]", mechanisms)
    try:
        case = load_scenario(file)
        found = until_told(lambda: in_thread(partial(_found, case, seller, names, seeds), name="regret"))
    except ScenarioError as error:
        raise click.ClickException(str(error)) from error
    tables_console().print(_table(seller, found))


def _found(case: Case, seller: str, names: tuple[MechanismName, ...], seeds: int) -> list[Regret]:
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(seller, total=len(names) * seeds * (1 + len(MARGINS_PPM)))
        return [
            regret(
                case,
                seller,
                name,
                seeds=range(1, seeds + 1),
                stopwatch=WallClock(),
                show=lambda: bar.advance(task),
            )
            for name in names
        ]


def _table(seller: str, found: list[Regret]) -> Table:
    title = f"What {seller} gains by a margin, minor units, with 95 % intervals"
    table = Table(title=title, title_justify="left")
    table.add_column("mechanism", no_wrap=True)
    table.add_column("truthful profit", justify="right")
    for margin in MARGINS_PPM:
        table.add_column(f"+{margin / 10_000:.0f} %", justify="right")
    table.add_column("regret", justify="right")
    for one in found:
        gains = (shown(deviation.gain) for deviation in one.deviations)
        table.add_row(one.mechanism, shown(one.truthful_profit), *gains, shown(one.regret))
    return table
