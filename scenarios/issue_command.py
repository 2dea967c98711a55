"""``takt partner issue`` and ``export-keys``: credentials from a machine that need not see the market.

The keys that issue can be moved off the market's machine. What they issue there are files: credentials
for the partner, and the partner's claim, which goes into the market's folder in any way.
"""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path

import click

from market.adapters.nats_identity import (
    DEFAULT_LIMITS,
    KEY_NAMES,
    ConnectionLimits,
    MarketKeys,
    ServerIdentity,
)
from market.adapters.nats_issuer import MARKET_KEY_FILE, Issuer, replace_file
from market.bus_errors import CredentialsError
from scenarios.market_folder import FOLDER, MarketFolder
from takt_sdk.model.errors import ModelError
from takt_sdk.model.values import DAY_US, check_participant_id
from takt_sdk.nats.creds import claims_of, creds_text, seed_of
from takt_sdk.wall_clock import WallClock

ABOUT = "issuer.json"
"""In a folder of exported keys: which market they are of."""

EXPIRES = click.option(
    "--expires",
    "expires_days",
    type=click.IntRange(1, 36_500),
    help="Days until the credentials end.  [default: never]",
)
KEY = click.option(
    "--key", "user_key", help="The partner's own public nkey (U...): its seed never leaves it."
)
LIMITS = (
    click.option("--max-payload", type=click.IntRange(1_024, DEFAULT_LIMITS.payload_bytes), help="Bytes."),
    click.option("--max-subscriptions", type=click.IntRange(1, 10_000), help="For each connection."),
    click.option("--max-connections", type=click.IntRange(1, 10_000), help="All together."),
)


def check_name(name: str) -> str:
    """Return a participant's id; a wrong one is a wrong argument NAME."""
    try:
        check_participant_id("NAME", name)
    except ModelError as error:
        raise click.BadParameter(str(error), param_hint="NAME") from error
    return name


def expiry_us(days: int | None) -> int | None:
    """Return the end of credentials that are issued now."""
    return None if days is None else WallClock().now_us() + days * DAY_US


def limits_of(
    max_payload: int | None,
    max_subscriptions: int | None,
    max_connections: int | None,
    *,
    reads_only: bool = False,
) -> ConnectionLimits:
    """Return the limits that the command line asks for."""
    return ConnectionLimits(
        payload_bytes=max_payload or DEFAULT_LIMITS.payload_bytes,
        subscriptions=max_subscriptions or DEFAULT_LIMITS.subscriptions,
        connections=max_connections or DEFAULT_LIMITS.connections,
        reads_only=reads_only,
    )


def write_credentials(text: str, path: Path) -> None:
    """Write credentials, readable by the owner only; a JWT alone joins the seed that ``path`` holds."""
    if "SEED" not in text and path.exists():
        with suppress(ValueError):  # there is none: it is the partner's own
            text = creds_text(text.strip(), seed_of(path.read_text()))
    replace_file(path, text)


@click.command("issue")
@click.argument("name")
@click.option(
    "--keys",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="Folder of `takt partner export-keys`.",
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="A folder.")
@click.option("--renew", "how", flag_value="renew", help="The same key, a later end.")
@click.option("--rotate", "how", flag_value="rotate", help="Another key; what was issued before ends.")
@click.option("--revoke", "how", flag_value="revoke", help="Nothing new; what was issued before ends.")
@click.option("--auditor", is_flag=True, help="They let NAME ask, and do nothing else.")
@EXPIRES
@KEY
@LIMITS[0]
@LIMITS[1]
@LIMITS[2]
def issue(
    name: str,
    folder: Path,
    out: Path,
    how: str | None,
    auditor: bool,  # noqa: FBT001 - a flag
    expires_days: int | None,
    user_key: str | None,
    max_payload: int | None,
    max_subscriptions: int | None,
    max_connections: int | None,
) -> None:
    """Issue credentials to NAME, with exported keys and without a market.

    Writes NAME.creds for the partner, and a claim ACCOUNT.jwt that belongs into nats/claims of the
    market's folder: a running market takes it within half a second.
    """
    check_name(name)
    issuer = Issuer(MarketKeys.load(folder), json.loads((folder / ABOUT).read_text())["market"], folder)
    end_us = expiry_us(expires_days)
    text = ""
    try:
        if how == "renew":
            text = issuer.renew(name, expires_us=end_us)
        elif how == "rotate":
            text = issuer.rotate(name, expires_us=end_us, user_key=user_key)
        elif how == "revoke":
            issuer.revoke(name)
        else:
            limits = limits_of(max_payload, max_subscriptions, max_connections, reads_only=auditor)
            text = issuer.issue(name, expires_us=end_us, limits=limits, user_key=user_key)
    except CredentialsError as error:
        raise click.ClickException(str(error)) from error
    out.mkdir(parents=True, exist_ok=True)
    claim = issuer.account_file(name)
    if claim.resolve().parent != out.resolve():
        shutil.copy(claim, out / claim.name)
    click.echo(f"for the market   {out / claim.name}   into nats/claims of its folder")
    if text:
        write_credentials(text, out / f"{name}.creds")
        issued = issuer.issued(name)
        assert issued is not None
        click.echo(f"for the partner  {out / f'{name}.creds'}   key {issued.user_key}")


@click.command("export-keys")
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@FOLDER
def export_keys(out: Path, data: Path) -> None:
    """Move the keys that issue credentials to OUT, for a machine without a network.

    The market goes on with credentials of its own; from then on `takt partner issue --keys OUT` issues.
    """
    folder = MarketFolder(data)
    if folder.read_address() is not None:
        raise click.ClickException(f"a market runs in {data}: stop it first")
    kept = folder.nats / "keys"
    try:
        keys = MarketKeys.load(kept)
        config = (folder.nats / "nats-server.conf").read_text()
    except FileNotFoundError as error:
        raise click.ClickException(
            f"{kept} holds no keys of a market: {error.filename} is missing"
        ) from error
    market = claims_of(config.partition("operator: ")[2].partition("\n")[0])["name"]
    ServerIdentity.of(keys, market).save(folder.nats / "identity")
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    for part in ("claims", "users"):
        if (folder.nats / part).exists():
            shutil.copytree(folder.nats / part, out / part, dirs_exist_ok=True)
    if (folder.nats / MARKET_KEY_FILE).exists():
        shutil.copy(folder.nats / MARKET_KEY_FILE, out / MARKET_KEY_FILE)
    (out / ABOUT).write_text(json.dumps({"market": market}) + "\n")
    for name in KEY_NAMES:
        replace_file(out / f"{name}.nk", (kept / f"{name}.nk").read_text())
    MarketKeys.load(out)
    for name in KEY_NAMES:
        (kept / f"{name}.nk").unlink()
    click.echo(f"keys of {market} are in {out}, and no longer in {kept}")
