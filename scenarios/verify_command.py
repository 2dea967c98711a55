"""``takt verify``: recompute a journal, offline, and name the first thing that is wrong."""

from __future__ import annotations

from pathlib import Path

import click

from market.adapters.journal import open_journal
from market.errors import ReplayError
from market.journal_errors import JournalError
from market.service.audit import audit
from takt_sdk.wall_clock import OsEntropy


@click.command("verify")
@click.argument("journal", type=click.Path(exists=True, path_type=Path))
def verify(journal: Path) -> None:
    """Recompute tree, state, decisions and clearings of the JOURNAL of a market that is not running."""
    try:
        store = open_journal(journal, entropy=OsEntropy())
    except JournalError as error:
        raise click.ClickException(str(error)) from error
    try:
        found = audit(store)
    except (ReplayError, JournalError) as error:
        raise click.ClickException(f"WRONG: {error}") from error
    finally:
        store.close()
    click.echo(
        f"right: {found.entries} entries, {found.clearings} clearings, {found.decided} decisions made again"
    )
    click.echo(f"tree   {found.root.hex()}\nstate  {found.state_digest}")
    if found.skipped:
        click.echo(f"{found.skipped} entries are of another engine version: their events were only folded")
