"""``takt replay``: a market's own log under another mechanism, or without some of its bidders."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import cast

import click
from rich.console import Console
from rich.table import Table

from market.adapters.journal_reader import JournalReader
from market.adapters.solver_pulp import PulpSolver
from market.journal_errors import JournalError
from market.model.rules import MECHANISMS, Mechanism
from scenarios.market_folder import journal_at
from scenarios.stopping import until_told
from scenarios.study.replay import ASSUMPTIONS, Compared, WhatIf, replay
from takt_sdk.endings import in_thread
from takt_sdk.wall_clock import WallClock


@click.command("replay")
@click.argument("journal")
@click.option("--mechanism", type=click.Choice(MECHANISMS), default=None, help="Default: as it was.")
@click.option("--without", multiple=True, help="A participant whose bids are left out; may be repeated.")
@click.option("--work-limit", type=click.IntRange(0), default=None, help="Default: the market's own.")
@click.option("--out", type=click.Path(path_type=Path), default=None, help="Also write every round as JSON.")
def replay_(
    journal: str, mechanism: str | None, without: tuple[str, ...], work_limit: int | None, out: Path | None
) -> None:
    """Clear the rounds of JOURNAL again by other rules, beside what happened.

    JOURNAL is a file, a market's folder or a PostgreSQL URL.
    """
    journal = journal_at(journal)
    what = WhatIf(mechanism=cast("Mechanism | None", mechanism), without=frozenset(without), work=work_limit)
    try:
        found = until_told(lambda: in_thread(partial(_found, journal, what), name="replay"))
    except JournalError as error:
        raise click.ClickException(str(error)) from error
    if not found:
        raise click.ClickException(f"{journal} holds no cleared round")
    if strangers := what.without.difference(*(one.left_out for one in found)):
        raise click.BadParameter(
            f"{', '.join(sorted(strangers))} bid in no round of {journal}.", param_hint="'--without'"
        )
    Console().print(_table(found))
    refusals = Counter(one.instead.refusal for one in found if one.instead.refusal)
    for reason, count in refusals.most_common():
        rounds = "1 round" if count == 1 else f"{count} rounds"
        click.echo(f"Nothing would have been awarded in {rounds} for want of payments: {reason}.")
    click.echo("Assumed: " + "; ".join(ASSUMPTIONS) + ".")
    if out is not None:
        document = {"assumptions": ASSUMPTIONS, "rounds": [asdict(one) for one in found]}
        out.write_text(json.dumps(document, indent=1), encoding="utf-8")
        click.echo(f"rounds  {out}")


def _found(journal: str, what: WhatIf) -> list[Compared]:
    found: list[Compared] = []
    with JournalReader(journal) as log:
        for compared in replay(log, what, solver=PulpSolver(), stopwatch=WallClock()):
            found.append(compared)
            click.echo(_line(compared), err=True)
    return found


def _line(one: Compared) -> str:
    welfare = [f"{side.welfare_minor / 100:,.2f}" for side in (one.happened, one.instead)]
    return f"{one.round_id}: {one.orders} orders, {one.bids} bids, welfare {welfare[0]} -> {welfare[1]}"


def _table(found: list[Compared]) -> Table:
    """Return sums over all rounds, what happened beside what would have been."""
    table = Table(title=f"{len(found)} rounds", title_justify="left")
    for name in ("", "happened", "instead", "difference"):
        table.add_column(name, justify="right" if name else "left")
    sides = [[one.happened for one in found], [one.instead for one in found]]
    table.add_row("mechanism", *(", ".join(sorted({s.mechanism for s in side})) for side in sides), "")
    served = [sum(side.served for side in column) for column in sides]
    table.add_row("orders served", *(str(count) for count in served), f"{served[1] - served[0]:+}")
    for name, sums in (
        ("welfare", [sum(side.welfare_minor for side in column) for column in sides]),
        ("payments", [sum(side.payments_minor for side in column) for column in sides]),
    ):
        difference = f"{(sums[1] - sums[0]) / 100:+,.2f}"
        table.add_row(name, *(f"{total / 100:,.2f}" for total in sums), difference)
    return table
