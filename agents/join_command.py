"""`takt join PROFILE --creds F --nats-url URL`: a partner's own agent, as a command."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import click

from agents.hosts.assignment import Assignment, NatsAddress
from agents.hosts.process_host import run_company
from agents.profile import Profile
from agents.profile_file import ProfileFileError, read_profile
from takt_sdk.errors import BusRefusedError, OutboxError
from takt_sdk.mail import RefusedError
from takt_sdk.nats.credentials import CredentialsFile, CredentialsFileError
from takt_sdk.outbox import Outbox

FILE = click.Path(path_type=Path)


@click.command("join")
@click.argument("profile", type=FILE)
@click.option("--creds", required=True, type=FILE, help="The .creds file that `takt partner add` wrote.")
@click.option("--seed", type=FILE, help="Your own key, where the .creds file holds a JWT only.")
@click.option("--nats-url", required=True, help="Where the market is, e.g. tls://host:4222.")
@click.option("--server-name", default=None, help="Refuse a server of another name.")
@click.option(
    "--tls-ca", type=click.Path(exists=True, dir_okay=False), help="The only authority to trust (PEM)."
)
@click.option("--outbox", type=FILE, default=None, help="Default: NAME.outbox.db beside the .creds file.")
@click.option("--quiet", is_flag=True, help="Say what goes wrong only.")
def join(
    profile: Path,
    creds: Path,
    seed: Path | None,
    nats_url: str,
    server_name: str | None,
    tls_ca: str | None,
    outbox: Path | None,
    quiet: bool,  # noqa: FBT001 - a flag
) -> None:
    """Run one company's agent until stopped (Ctrl-C or SIGTERM), telling what it bids, wins and delivers."""
    level = logging.WARNING if quiet else logging.INFO
    logging.basicConfig(level=level, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("takt_sdk").setLevel(logging.WARNING)
    try:
        company = read_profile(profile)
    except ProfileFileError as error:
        raise click.BadParameter(str(error), param_hint="PROFILE") from error
    credentials = _credentials(creds, seed, company)
    address = NatsAddress(
        url=nats_url, market=credentials.market, server_name=server_name, tls_ca=tls_ca or ""
    )
    click.echo(f"{company.participant} joins {credentials.market} at {nats_url}")
    tell = logging.getLogger(company.participant).info
    try:
        file = outbox or creds.with_name(f"{company.participant}.outbox.db")
        with Outbox(file, f"{credentials.market}.{company.participant}") as box:
            assignment = Assignment(profile=company, creds="")
            asyncio.run(run_company(assignment, address, credentials, outbox=box, tell=tell))
    except (BusRefusedError, CredentialsFileError, OutboxError, RefusedError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{company.participant} has left")


def _credentials(path: Path, seed: Path | None, company: Profile) -> CredentialsFile:
    """Return the credentials; raises `click.BadParameter` where they are not the company's."""
    try:
        found = CredentialsFile(path, seed)
    except CredentialsFileError as error:
        raise click.BadParameter(str(error), param_hint="--creds") from error
    if found.participant != company.participant:
        raise click.BadParameter(
            f"{path} is for {found.participant!r}; the profile's participant was {company.participant!r}",
            param_hint="--creds",
        )
    return found
