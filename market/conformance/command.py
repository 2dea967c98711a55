"""`takt conform --creds F --partner COMMAND`: a participant held against the published protocol."""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
from pathlib import Path
from typing import Literal

import click

from market.bus_errors import BusServerError
from market.conformance.partners import AwaitedPartner, CommandPartner
from market.conformance.report import Report, play
from market.conformance.stage import Setting, staged
from takt_sdk.errors import TaktError

FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("conform")
@click.option("--creds", required=True, type=FILE, help="Where the participant's credentials are written.")
@click.option(
    "--nats-url", default="", help="Where to listen, e.g. nats://127.0.0.1:4333; by default a free port."
)
@click.option(
    "--partner", help="Command that starts the participant; {creds}, {url}, {server} are filled in."
)
@click.option("--participant", default="acme", show_default=True, help="Its id.")
@click.option(
    "--role", type=click.Choice(["plant", "supplier", "customer"]), default="plant", show_default=True
)
@click.option("--site", default="ulm", show_default=True, help="A site of its own.")
@click.option("--process", default="", help="What it can do; by default milling, of a supplier supply.")
@click.option("--material", default="steel", show_default=True)
@click.option("--quantity", type=click.IntRange(1), default=5, show_default=True, help="Pieces of a lot.")
@click.option(
    "--run-time", "run_time", type=click.IntRange(0), default=10, show_default=True, help="Minutes a piece."
)
@click.option("--key", default="", help="Its own public key, where the seed stays with it.")
@click.option("--sealed", is_flag=True, help="It takes part in rounds with sealed bids.")
@click.option(
    "--orders", type=click.IntRange(1), default=1, show_default=True, help="It places, as customer."
)
@click.option("--cancels", is_flag=True, help="As customer it cancels an order by itself once it is awarded.")
@click.option("--changes", is_flag=True, help="As customer it asks to change an order once it is confirmed.")
@click.option("--own-milestones", is_flag=True, help="It does not report by itself when planned times come.")
@click.option(
    "--patience", type=click.FloatRange(1.0), default=20.0, show_default=True, help="Seconds for anything."
)
@click.option("--json", "document", type=FILE, help="Where the report goes as JSON.")
def conform(
    creds: Path,
    nats_url: str,
    partner: str | None,
    participant: str,
    role: Literal["plant", "supplier", "customer"],
    site: str,
    process: str,
    material: str,
    quantity: int,
    run_time: int,
    key: str,
    sealed: bool,  # noqa: FBT001 - a flag
    orders: int,
    cancels: bool,  # noqa: FBT001 - a flag
    changes: bool,  # noqa: FBT001 - a flag
    own_milestones: bool,  # noqa: FBT001 - a flag
    patience: float,
    document: Path | None,
) -> None:
    """Play the market against a participant; exit code 1 at the first rule that it breaks, else 0."""
    logging.basicConfig(level=logging.ERROR)
    logging.getLogger("market").setLevel(logging.CRITICAL)  # the script lets the market fail on purpose
    setting = Setting(
        participant=participant,
        site=site,
        kind="material" if role == "supplier" else "operation",
        process=process or ("supply" if role == "supplier" else "milling"),
        material=material,
        quantity=quantity,
        run_time_minutes=run_time,
        sealed=sealed,
        customer=role == "customer",
        orders=orders,
        cancels=cancels,
        changes=changes,
        reports=not own_milestones,
        patience_s=patience,
    )
    try:
        report = asyncio.run(_run(setting, creds, nats_url, partner, key))
    except (TaktError, BusServerError, EOFError, OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(report.text())
    if document is not None:
        document.write_text(report.document(), encoding="utf-8")
    sys.exit(0 if report.passed else 1)


async def _run(setting: Setting, creds: Path, url: str, command: str | None, key: str) -> Report:
    with tempfile.TemporaryDirectory(prefix="takt-conform-") as folder:
        home = Path(folder)
        partner = CommandPartner(command, home / "partner.log") if command else AwaitedPartner(input)
        async with staged(setting, partner, home, creds, url=url, user_key=key) as stage:
            return await play(stage)
