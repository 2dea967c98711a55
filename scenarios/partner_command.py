"""``takt partner``: admit companies to a market of this machine; issue, exchange and end credentials."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from agents.profile import admission
from agents.profile_file import ProfileFileError, read_profile
from gateway.instants import format_instant
from market.adapters.nats_identity import MarketKeys
from market.adapters.nats_issuer import Issuer, Register, check_user_key
from market.bus_errors import CredentialsError
from scenarios.issue_command import (
    EXPIRES,
    KEY,
    LIMITS,
    check_name,
    expiry_us,
    export_keys,
    issue,
    limits_of,
    write_credentials,
)
from scenarios.market_folder import FOLDER, KEY_BYTES, key_digest
from scenarios.operator_client import OperatorClient
from takt_sdk.codec import encode
from takt_sdk.model.messages import ROLES
from takt_sdk.nats.creds import claims_of, jwt_of
from takt_sdk.wall_clock import OsEntropy

OUT = click.option("--out", type=click.Path(path_type=Path), default=None, help="Default: NAME.creds.")
REASON = click.option("--reason", default="", help="Journaled with it.")


@click.group("partner")
def partner() -> None:
    """Admit companies to a market that runs on this machine."""


partner.add_command(issue)
partner.add_command(export_keys)


@partner.command("add")
@click.argument("name")
@click.option("--role", "roles", type=click.Choice(ROLES), multiple=True, required=True)
@click.option("--profile", type=click.Path(exists=True, path_type=Path), help="Take sites and capabilities.")
@click.option("--capabilities", type=click.Path(exists=True, path_type=Path), help="A JSON qualification.")
@click.option("--site", "sites", multiple=True, help="A site of the company in the market's network.")
@OUT
@KEY
@EXPIRES
@LIMITS[0]
@LIMITS[1]
@LIMITS[2]
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
    user_key: str | None,
    expires_days: int | None,
    max_payload: int | None,
    max_subscriptions: int | None,
    max_connections: int | None,
    agent: bool,  # noqa: FBT001 - a flag
    replace: bool,  # noqa: FBT001 - a flag
    data: Path,
) -> None:
    """Admit NAME and write its credentials; a customer also gets its HTTP key, shown once."""
    check_name(name)
    market = OperatorClient.of(data)
    if not replace and any(known["participant"] == name for known in market.participants()):
        raise click.ClickException(f"{name} is admitted already; --replace changes it and its credentials")
    document = _admission(name, profile, capabilities)
    document["roles"] = list(dict.fromkeys(roles))
    document["agent"] = agent or bool({"plant", "supplier"} & set(roles))
    document["sites"] = list(dict.fromkeys([*document.get("sites", []), *sites]))
    key = OsEntropy().token(KEY_BYTES).hex() if "customer" in roles else None
    if key is not None:
        document["api_key_sha256"] = key_digest(key)
    issuer = _issuer(market)
    text = None
    try:
        if issuer is not None:
            limits = limits_of(max_payload, max_subscriptions, max_connections, reads_only="auditor" in roles)
            text = issuer.issue(name, expires_us=expiry_us(expires_days), limits=limits, user_key=user_key)
            document["signing_key"] = _key_in(text)
        elif user_key is None:
            raise click.ClickException(
                "the market's keys are kept elsewhere: `takt partner issue` there, and --key with its key"
            )
        else:
            check_user_key(user_key)
            document["signing_key"] = user_key
    except CredentialsError as error:
        raise click.ClickException(str(error)) from error
    market.ask("PUT", f"/v1/operator/participants/{name}", document)
    click.echo(f"admitted {name} ({', '.join(document['roles'])})")
    if "auditor" in roles:
        _name_in_rules(market, name)
    if {"plant", "supplier"} & set(roles) and not (
        document["sites"] and document.get("qualification", {}).get("capabilities")
    ):
        click.echo(
            "it will be called on nothing: its sites and capabilities come with --profile, or with --site"
        )
        click.echo("and --capabilities; --replace adds them")
    creds = out or Path(f"{name}.creds")
    if text is not None:
        write_credentials(text, creds)
        click.echo(f"credentials  {creds}")
    click.echo(f"nats         {market.address.nats_url}")
    if key is not None:
        click.echo(f"API key      {key}   (shown once; the market keeps only its hash)")
    if "auditor" in roles:
        click.echo(f"\nnext: takt audit COPY --creds {creds} --nats-url {market.address.nats_url}")
    if {"plant", "supplier"} & set(roles):
        click.echo(f"\nnext: takt join PROFILE --creds {creds} --nats-url {market.address.nats_url}")


@partner.command("list")
@FOLDER
def list_(data: Path) -> None:
    """List who is admitted, and until when."""
    market = OperatorClient.of(data)
    register = Register(market.folder.nats)
    click.echo(f"{'NAME':24} {'ROLES':16} {'STATE':10} {'UNTIL':21} KEY")
    for known in market.participants():
        issued = register.issued(known["participant"])
        until, key = "-", "-"
        if issued is not None:
            key = issued.user_key
            until = "always" if issued.expires_us is None else format_instant(issued.expires_us)[:19] + "Z"
            until = "revoked" if issued.revoked else until
        state = "revoked" if known.get("revoked") else "suspended" if known["suspended"] else "active"
        click.echo(f"{known['participant']:24} {','.join(known['roles']):16} {state:10} {until:21} {key}")


@partner.command("suspend")
@click.argument("name")
@REASON
@FOLDER
def suspend(name: str, reason: str, data: Path) -> None:
    """Stop NAME from bidding and ordering; its contracts go on and it stays connected."""
    OperatorClient.of(data).change(check_name(name), "suspend", {"reason": reason})
    click.echo(f"suspended {name}")


@partner.command("reinstate")
@click.argument("name")
@FOLDER
def reinstate(name: str, data: Path) -> None:
    """Let a suspended NAME bid and order again."""
    OperatorClient.of(data).change(check_name(name), "reinstate")
    click.echo(f"reinstated {name}")


@partner.command("revoke")
@click.argument("name")
@REASON
@FOLDER
def revoke(name: str, reason: str, data: Path) -> None:
    """End NAME's part: its connections are cut, its credentials void, its keys sign nothing any more.

    `takt partner add NAME --replace` takes it in again, with new credentials.
    """
    market = OperatorClient.of(data)
    market.change(check_name(name), "revoke", {"reason": reason})
    issuer = _issuer(market)
    if issuer is None:
        click.echo(
            f"revoked {name}; its connection stays until the claim of `takt partner issue --revoke` is here"
        )
        return
    issuer.revoke(name)
    click.echo(f"revoked {name}")


@partner.command("rotate")
@click.argument("name")
@OUT
@KEY
@EXPIRES
@FOLDER
def rotate(name: str, out: Path | None, user_key: str | None, expires_days: int | None, data: Path) -> None:
    """Exchange NAME's credentials for another key; the old ones end at once, what they signed stays valid."""
    market = OperatorClient.of(data)
    issuer = _issuer_of(market, check_name(name))
    try:
        text = issuer.rotate(name, expires_us=expiry_us(expires_days), user_key=user_key)
    except CredentialsError as error:
        raise click.ClickException(str(error)) from error
    creds = out or Path(f"{name}.creds")
    write_credentials(text, creds)  # first: nobody else has the new key
    market.change(name, "rotate", {"signing_key": _key_in(text)})
    click.echo(f"rotated {name}\ncredentials  {creds}")


@partner.command("renew")
@click.argument("name")
@OUT
@EXPIRES
@FOLDER
def renew(name: str, out: Path | None, expires_days: int | None, data: Path) -> None:
    """Give NAME's key a later end. Its agent takes the new file up without losing its connection's work."""
    issuer = _issuer_of(OperatorClient.of(data), check_name(name))
    try:
        text = issuer.renew(name, expires_us=expiry_us(expires_days))
    except CredentialsError as error:
        raise click.ClickException(str(error)) from error
    creds = out or Path(f"{name}.creds")
    write_credentials(text, creds)
    click.echo(f"renewed {name}\ncredentials  {creds}")


def _admission(name: str, profile: Path | None, capabilities: Path | None) -> dict[str, Any]:
    document: dict[str, Any] = {}
    try:
        if profile is not None:
            company = read_profile(profile)
            if company.participant != name:
                raise click.BadParameter(
                    f"{profile} is of {company.participant!r}; was {name!r}", param_hint="--profile"
                )
            document = json.loads(encode(admission(company)))
            document = {key: document[key] for key in ("sites", "qualification")}
        if capabilities is not None:
            document["qualification"] = json.loads(capabilities.read_text(encoding="utf-8"))
    except (ProfileFileError, json.JSONDecodeError, OSError) as error:
        raise click.ClickException(str(error)) from error
    return document


def _name_in_rules(market: OperatorClient, name: str) -> None:
    """Let the rules name an auditor: only then the log is open to it, and everybody can know."""
    rules = market.ask("GET", "/v1/operator/rules")["rules"]
    if name in rules["auditors"]:
        return
    rules |= {"version": rules["version"] + 1, "auditors": [*rules["auditors"], name]}
    market.ask("PUT", "/v1/operator/rules", {"rules": rules})
    click.echo(f"rules {rules['version']} name it as an auditor: it reads the whole log")


def _issuer(market: OperatorClient) -> Issuer | None:
    """Return what issues the market's credentials, None where its keys are kept elsewhere."""
    nats = market.folder.nats
    try:
        keys = MarketKeys.load(nats / "keys")
    except FileNotFoundError:
        return None
    return Issuer(keys, market.address.market, nats)


def _issuer_of(market: OperatorClient, name: str) -> Issuer:
    issuer = _issuer(market)
    if issuer is None:
        raise click.ClickException(f"the market's keys are kept elsewhere: `takt partner issue {name}` there")
    return issuer


def _key_in(text: str) -> str:
    """Return the public key for which credentials, or a JWT alone, were issued."""
    key: str = claims_of(jwt_of(text) if "BEGIN" in text else text.strip())["sub"]
    return key
