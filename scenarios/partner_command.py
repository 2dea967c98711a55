"""``takt partner``: admit companies to a running market of this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import httpx

from agents.profile import admission
from agents.profile_file import ProfileFileError, read_profile
from market.adapters.embedded_nats import EmbeddedNats
from market.adapters.nats_identity import write_secret
from market.model.commands import AdmitParticipant
from scenarios.market_folder import KEY_BYTES, Address, MarketFolder, key_digest
from takt_sdk.codec import encode
from takt_sdk.model.errors import ModelError
from takt_sdk.model.messages import ROLES
from takt_sdk.model.values import check_participant_id
from takt_sdk.wall_clock import OsEntropy

FOLDER = click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=Path("runs/market"),
    show_default=True,
    help="Folder of the running market.",
)


@click.group("partner")
def partner() -> None:
    """Admit companies to a market that runs on this machine."""


@partner.command("add")
@click.argument("name")
@click.option("--role", "roles", type=click.Choice(ROLES), multiple=True, required=True)
@click.option("--profile", type=click.Path(exists=True, path_type=Path), help="Take sites and capabilities.")
@click.option("--capabilities", type=click.Path(exists=True, path_type=Path), help="A JSON qualification.")
@click.option("--site", "sites", multiple=True, help="A site of the company in the market's network.")
@click.option("--out", type=click.Path(path_type=Path), default=None, help="Default: NAME.creds.")
@click.option("--agent", is_flag=True, help="A customer reads its notices over NATS too, not by HTTP only.")
@click.option("--replace", is_flag=True, help="Replace what the market knows of a company it has admitted.")
@FOLDER
def add(
    name: str,
    roles: tuple[str, ...],
    profile: Path | None,
    capabilities: Path | None,
    sites: tuple[str, ...],
    out: Path | None,
    agent: bool,  # noqa: FBT001 - a flag
    replace: bool,  # noqa: FBT001 - a flag
    data: Path,
) -> None:
    """Admit NAME and write its credentials; a customer also gets its HTTP key, shown once."""
    try:
        check_participant_id("NAME", name)
    except ModelError as error:
        raise click.BadParameter(str(error), param_hint="NAME") from error
    folder = MarketFolder(data)
    address = folder.read_address()
    if address is None:
        raise click.ClickException(f"no market runs in {data}: start one with `takt up --data {data}`")
    if not replace and _is_admitted(folder, address, name):
        raise click.ClickException(f"{name} is admitted already; --replace changes it and its credentials")
    document = _admission(name, profile, capabilities)
    document["roles"] = list(dict.fromkeys(roles))
    document["agent"] = agent or bool({"plant", "supplier"} & set(roles))
    document["sites"] = list(dict.fromkeys([*document.get("sites", []), *sites]))
    key = OsEntropy().token(KEY_BYTES).hex() if "customer" in roles else None
    if key is not None:
        document["api_key_sha256"] = key_digest(key)
    _admit(folder, address, name, document)
    creds = Path(f"{name}.creds") if out is None else out
    write_secret(creds, EmbeddedNats(folder.nats, address.market).participant_creds(name))
    click.echo(f"admitted {name} ({', '.join(document['roles'])})")
    click.echo(f"credentials  {creds}\nnats         {address.nats_url}")
    if key is not None:
        click.echo(f"API key      {key}   (shown once; the market keeps only its hash)")
    if {"plant", "supplier"} & set(roles):
        click.echo(f"\nnext: takt join PROFILE --creds {creds} --nats-url {address.nats_url}")


def _admission(name: str, profile: Path | None, capabilities: Path | None) -> dict[str, Any]:
    document: dict[str, Any] = {}
    try:
        if profile is not None:
            company = read_profile(profile)
            if company.participant != name:
                raise click.BadParameter(
                    f"{profile} is of {company.participant!r}; was {name!r}", param_hint="--profile"
                )
            admitted: AdmitParticipant = admission(company)
            document = json.loads(encode(admitted))
            document = {key: document[key] for key in ("sites", "qualification")}
        if capabilities is not None:
            document["qualification"] = json.loads(capabilities.read_text(encoding="utf-8"))
    except (ProfileFileError, json.JSONDecodeError, OSError) as error:
        raise click.ClickException(str(error)) from error
    return document


def _is_admitted(folder: MarketFolder, address: Address, name: str) -> bool:
    """Return whether the market knows a company of this name."""
    page: str | None = "/v1/operator/participants?limit=500"
    while page is not None:
        listed = _ask(folder, address, "GET", page)
        if any(known["participant"] == name for known in listed["participants"]):
            return True
        page = listed["next"]
    return False


def _admit(folder: MarketFolder, address: Address, name: str, document: dict[str, Any]) -> None:
    _ask(folder, address, "PUT", f"/v1/operator/participants/{name}", document)


def _ask(
    folder: MarketFolder, address: Address, method: str, path: str, document: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return the market's answer to its operator; a problem becomes the command's error."""
    headers = {"Authorization": f"Bearer {folder.secret('operator')}"}
    url = f"{address.http_url}{path}"
    try:
        response = httpx.request(method, url, json=document, headers=headers, timeout=30.0)
    except httpx.HTTPError as error:
        raise click.ClickException(f"the market at {address.http_url} gave no answer: {error}") from error
    answer: dict[str, Any] = response.json()
    if response.is_error:
        named = f" ({answer['field']}: {answer.get('value', '')})" if answer.get("field") else ""
        raise click.ClickException(f"{answer.get('detail', response.text)}{named}")
    return answer
