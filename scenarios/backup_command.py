"""``takt backup`` and ``takt restore``: a market's journal and keys, while it runs and back again."""

from __future__ import annotations

from pathlib import Path

import click

from scenarios.backup import Head, back_up
from scenarios.backup import restore as put_back
from scenarios.errors import RunError
from scenarios.market_folder import FOLDER, MarketFolder


@click.command("backup")
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--journal-only", is_flag=True, help="Leave the keys out: then partners need new credentials.")
@FOLDER
def backup(target: Path, journal_only: bool, data: Path) -> None:  # noqa: FBT001 - a flag
    """Copy the market of a folder to the new folder TARGET, while it runs.

    TARGET holds secrets: keep it as safe as the market itself. A journal in PostgreSQL is backed up by its
    server's own tools.
    """
    try:
        head = back_up(MarketFolder(data), target, keys=not journal_only)
    except RunError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{target}: {head.size:,} entries, every leaf computed again\nhead  {head.size}:{head.root}")


@click.command("restore")
@click.argument("source", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--head", "known", help="SIZE:ROOT that the backup must contain, e.g. of the last receipt.")
@click.option("--lose-newer", is_flag=True, help="Restore although newer acknowledged entries are known.")
@FOLDER
def restore(source: Path, known: str | None, lose_newer: bool, data: Path) -> None:  # noqa: FBT001 - a flag
    """Put the backup SOURCE into the folder of a market that does not run.

    Refused where the backup is older than the journal that is there, or than --head. What is replaced is
    moved aside, not deleted.
    """
    try:
        head, aside = put_back(source, MarketFolder(data), known=_head(known), lose_newer=lose_newer)
    except RunError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{data}: {head.size:,} entries\nhead  {head.size}:{head.root}")
    if aside is not None:
        click.echo(f"what was there is in {aside}")


def _head(text: str | None) -> Head | None:
    if text is None:
        return None
    size, _, root = text.partition(":")
    if not size.isdecimal() or len(root) != 64 or not set(root) <= set("0123456789abcdef"):  # noqa: PLR2004
        raise click.BadParameter(
            f"must be SIZE:ROOT with a root of 64 hex digits; was {text!r}", param_hint="--head"
        )
    return Head(size=int(size), root=root)
