"""``takt run``: one scenario from its file to summary and report."""

from __future__ import annotations

import logging
import shutil
import sys
from functools import partial
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from market.engine.state import State
from market.journal_errors import JournalError
from scenarios.errors import RunError, ScenarioError
from scenarios.measure import Record, Transport, summarise
from scenarios.mechanisms import PRICED, SETTINGS
from scenarios.population import Population, build
from scenarios.report.render import render
from scenarios.runner import Progress as RunProgress
from scenarios.runner import run_in_memory, run_on_nats
from scenarios.scenario import load_scenario
from scenarios.show import show_summary
from scenarios.stopping import until_told
from scenarios.summary import Summary, write_summary
from takt_sdk.endings import in_thread
from takt_sdk.errors import BusError
from takt_sdk.model.messages import TERMINAL_ORDER_STATES
from takt_sdk.wall_clock import WallClock


@click.command("run")
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.option("--seed", type=click.IntRange(0, 2**53 - 1), default=None, help="Default: the scenario's own.")
@click.option("--transport", type=click.Choice(["memory", "nats"]), default="memory", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=None, help="Default: runs/<scenario>.")
@click.option("--ray-address", default=None, help="A running Ray; default: one of its own.")
@click.option("--hosts", type=click.IntRange(1, 1000), default=2, show_default=True, help="Ray actors.")
def run(
    file: Path, seed: int | None, transport: str, out: Path | None, ray_address: str | None, hosts: int
) -> None:
    """Run the scenario in FILE (a folder or its scenario.toml) and write summary.json and report.html."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        population = build(load_scenario(file), seed=seed)
        if SETTINGS[population.mechanism].foresight:
            name = population.mechanism
            raise click.ClickException(
                f"{name} is a plan and no market: takt sweep {file} --mechanism {name}"
            )
        folder = Path("runs") / population.market if out is None else out
        folder.mkdir(parents=True, exist_ok=True)
        state, record = until_told(lambda: _run(population, transport, folder, ray_address, hosts))
    except (ScenarioError, RunError, JournalError, BusError) as error:
        raise click.ClickException(str(error)) from error
    carried: Transport = "nats" if transport == "nats" else "memory"
    summary = summarise(population, state, record, transport=carried, clock=WallClock())
    write_results(summary, folder)
    show_summary(summary, Console())
    click.echo(f"\nsummary  {folder / 'summary.json'}\nreport   {folder / 'report.html'}")
    if any(order.state not in TERMINAL_ORDER_STATES for order in summary.orders):
        click.echo("the horizon ended before every order did", err=True)


def write_results(summary: Summary, folder: Path) -> None:
    """Write ``summary.json`` and ``report.html`` into a folder."""
    (folder / "summary.json").write_text(write_summary(summary), encoding="utf-8")
    (folder / "report.html").write_text(render(summary), encoding="utf-8")


async def _run(
    population: Population, transport: str, folder: Path, ray_address: str | None, hosts: int
) -> tuple[State, Record]:
    shown = _Shown(population)
    with shown.bar:
        if transport == "memory":
            return await in_thread(partial(run_in_memory, population, shown.show), name="run")
        market = folder / "market"
        shutil.rmtree(market, ignore_errors=True)
        shown.bar.console.print("starting nats-server, engine, gateway and Ray")
        return await run_on_nats(population, market, shown.show, ray_address=ray_address, hosts=hosts)


class _Shown:
    """Shows how far a run is: a bar on a terminal, a line per takt everywhere."""

    def __init__(self, population: Population) -> None:
        terminal = sys.stderr.isatty()
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[orders]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not terminal,
        )
        self._task = self.bar.add_task(population.market, total=1.0, orders="")
        self._rounds = 0

    def show(self, progress: RunProgress) -> None:
        """Take note of how far the run is."""
        state = progress.state
        done = sum(1 for order in state.orders.values() if order.state in TERMINAL_ORDER_STATES)
        self.bar.update(
            self._task, completed=progress.share, orders=f"{len(state.orders)} orders, {done} done"
        )
        rounds = list(state.rounds.values())
        while self._rounds < len(rounds) and rounds[self._rounds].clearing_status is not None:
            round_ = rounds[self._rounds]
            self._rounds += 1
            welfare = (round_.objective or 0) / 100
            answered = f"{round_.answered} of {round_.called} answered"
            served = f"{round_.served} of {len(round_.orders)} orders served"
            line = f"takt {round_.number}: {answered}, {served}, welfare {welfare:,.2f}"
            rule = state.rules.mechanism
            unpaid = rule in PRICED and not round_.served and welfare > 0
            reason = f", nothing awarded: no payments under {rule}" if unpaid else ""
            self.bar.console.print(f"{line}, {round_.clearing_status}{reason}", highlight=False)
