"""``takt verify``: recompute a journal, offline, and name the first thing that is wrong."""

from __future__ import annotations

from pathlib import Path

import click

from market.adapters.journal_reader import JournalReader
from market.errors import AuditError
from market.journal_errors import JournalError
from market.service.audit import Audit, Held, audit
from market.service.chain import check_chain
from scenarios.market_folder import journal_at
from takt_sdk.codec import DecodeError, encode
from takt_sdk.receipts import KeptReceipt, LogHead, head_from_json, receipt_from_json
from takt_sdk.signing import to_text

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("verify")
@click.argument("journal")
@click.option("--head", "heads", type=FILE, multiple=True, help="A head that the market once showed.")
@click.option("--receipt", "receipts", type=FILE, multiple=True, help="A receipt that a participant kept.")
@click.option("--market-key", default="", help="The market's public key, learnt elsewhere than in the log.")
@click.option("--write-head", type=click.Path(path_type=Path), help="Keep the head, for the next time.")
@click.option("--chain", is_flag=True, help="Entries, leaves and heads only: nothing is decided again.")
def verify(
    journal: str,
    heads: tuple[Path, ...],
    receipts: tuple[Path, ...],
    market_key: str,
    write_head: Path | None,
    chain: bool,  # noqa: FBT001 - a flag
) -> None:
    """Recompute a market's JOURNAL: tree, signatures, decisions and clearings.

    JOURNAL is a file, a market's folder or a PostgreSQL URL. Nothing is written to it. Ends with status 1
    at the first thing that is wrong, and names it.
    """
    journal = journal_at(journal)
    held = Held(
        heads=tuple(_head(path) for path in heads),
        receipts=tuple(_receipt(path) for path in receipts),
        market_key=market_key,
    )
    try:
        with JournalReader(journal) as log:
            if chain:
                seen = check_chain(log)
                click.echo(f"right: {len(seen.leaves)} entries, {len(seen.heads)} heads")
                click.echo(f"tree   {seen.head.root.hex()}")
                return
            _tell(found := audit(log, held=held))
            if damage := log.damage():
                raise click.ClickException(
                    f"DAMAGED: the log itself is right, but the file is not, beside it: {damage};"
                    " restore a backup, or the market may not start from this file"
                )
    except AuditError as error:
        raise click.ClickException(f"WRONG ({error.kind}): {error}") from error
    except JournalError as error:
        raise click.ClickException(str(error)) from error
    if write_head is not None:
        write_head.write_bytes(encode(_log_head(found)) + b"\n")
        click.echo(f"head   {write_head}")


def _tell(found: Audit) -> None:
    click.echo(
        f"right: {found.entries} entries, {found.clearings} clearings, {found.decided} decisions made again,"
        f" {found.signed} signatures of participants, {found.signed_heads} signed heads"
    )
    click.echo(f"tree   {found.root.hex()}\nstate  {found.state_digest}")
    if found.skipped:
        click.echo(
            f"{found.skipped} entries are of another engine version: their events were folded,"
            " their clearings checked"
        )
    for one in found.equivocations:
        click.echo(
            f"equivocation: {one.participant} signed two messages under number {one.sequence} of"
            f" {one.conversation}, entries {one.first_position} and {one.second_position}"
        )


def _log_head(found: Audit) -> LogHead:
    head = found.head
    return LogHead(
        market=found.market,
        size=head.size,
        root=head.root.hex(),
        at_us=head.at_us,
        signature=to_text(head.signature),
    )


def _head(path: Path) -> LogHead:
    try:
        return head_from_json(path.read_bytes())
    except DecodeError as error:
        raise click.BadParameter(f"{path}: {error}", param_hint="--head") from error


def _receipt(path: Path) -> KeptReceipt:
    try:
        return receipt_from_json(path.read_bytes())
    except DecodeError as error:
        raise click.BadParameter(f"{path}: {error}", param_hint="--receipt") from error
