"""`takt join PROFILE --creds F --nats-url URL`: a partner's own agent, as a command."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path

import click

from agents.hosts.assignment import Assignment, NatsAddress
from agents.hosts.process_host import run_company
from agents.profile import Profile
from agents.profile_file import ProfileFileError, read_profile
from takt_sdk.errors import BusRefusedError
from takt_sdk.mail import RefusedError
from takt_sdk.nats.creds import claims_of, jwt_of


@click.command("join")
@click.argument("profile", type=click.Path(path_type=Path))
@click.option(
    "--creds",
    required=True,
    type=click.Path(path_type=Path),
    help="The .creds file that `takt partner add` wrote.",
)
@click.option("--nats-url", required=True, help="Where the market is, e.g. nats://host:4222.")
@click.option("--server-name", default=None, help="Refuse a server of another name.")
def join(profile: Path, creds: Path, nats_url: str, server_name: str | None) -> None:
    """Run one company's agent until stopped (Ctrl-C or SIGTERM)."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        company = read_profile(profile)
    except ProfileFileError as error:
        raise click.BadParameter(str(error), param_hint="PROFILE") from error
    text, market = _credentials(creds, company)
    address = NatsAddress(url=nats_url, market=market, server_name=server_name)
    click.echo(f"{company.participant} joins {market} at {nats_url}")
    try:
        assignment = Assignment(profile=company, creds=text)
        asyncio.run(run_company(assignment, address, lambda: creds.read_text(encoding="utf-8")))
    except (BusRefusedError, RefusedError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{company.participant} has left")


def _credentials(path: Path, company: Profile) -> tuple[str, str]:
    """Return the text of the credentials and the market that they are for."""
    hint = "--creds"
    try:
        text = path.read_text(encoding="utf-8")
        market, participant = str(claims_of(jwt_of(text))["name"]).split(".")
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"{path} cannot be read: {error}", param_hint=hint) from error
    except (ValueError, LookupError, TypeError, json.JSONDecodeError) as error:
        raise click.BadParameter(
            f"{path} is not a participant's .creds file: {error}", param_hint=hint
        ) from error
    if participant != company.participant:
        raise click.BadParameter(
            f"{path} is for {participant!r}; the profile's participant was {company.participant!r}",
            param_hint=hint,
        )
    return text, market
