"""``takt escrow``: keep the keys of a market's sealed rounds, on another machine or for another owner."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from pathlib import Path

import click

from market.adapters.addresses import LOOPBACK, is_loopback
from market.adapters.escrow_client import RemoteEscrow
from market.adapters.escrow_server import TOKEN, EscrowAddress, serving_escrow
from market.ports import Escrow
from scenarios.stopping import Stop

PORT = click.IntRange(0, 65_535)
PEM = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("escrow")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--host", default=LOOPBACK, show_default=True, help="Where to listen; elsewhere with TLS only.")
@click.option("--port", type=PORT, default=0, help="Default: a free one.")
@click.option("--market-key", default="", help="Release keys only on heads that this key (A...) has signed.")
@click.option("--tls-cert", type=PEM, help="Certificate (chain), as PEM.")
@click.option("--tls-key", type=PEM, help="Its private key, as PEM.")
def escrow(
    folder: Path, host: str, port: int, market_key: str, tls_cert: Path | None, tls_key: Path | None
) -> None:
    """Keep keys in FOLDER and release each once its round's close is proven, until Ctrl-C."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    tls = _own_certificate(tls_cert, tls_key)
    if tls is None and not is_loopback(host):
        raise click.BadParameter(f"needs --tls-cert and --tls-key; was {host!r}", param_hint="--host")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        asyncio.run(_serve(folder, host, port, market_key, tls))
    except OSError as error:
        raise click.ClickException(str(error)) from error


def _own_certificate(cert: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if (cert is None) != (key is None):
        raise click.UsageError("--tls-cert and --tls-key go together")
    if cert is None or key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(cert, key)
    except ssl.SSLError as error:
        raise click.BadParameter(
            f"{cert} and {key} are no pair: {error.reason}", param_hint="--tls-cert"
        ) from error
    return context


async def _serve(folder: Path, host: str, port: int, market_key: str, tls: ssl.SSLContext | None) -> None:
    stop = Stop.on_signals()
    serving = serving_escrow(folder, host=host, port=port, market_key=market_key, tls=tls)
    async with serving as address:
        scheme = "" if tls is None else "tls://"
        click.echo(f"escrow  {scheme}{address.host}:{address.port}\ntoken   {folder / TOKEN}")
        stop.is_up = True
        await stop.told.wait()


def escrow_at(address: str | None, token: Path | None, ca: Path | None = None) -> Escrow | None:
    """Return the escrow that runs at HOST:PORT of this machine or tls://HOST:PORT; None where none is named.

    ``ca`` holds the only authority to trust (PEM), by default those that this machine trusts.

    Raises
    ------
    click.BadParameter
        If the address is none, comes without its token, or is of another machine and without TLS.
    """
    if address is None:
        return None
    plain = address.removeprefix("tls://")
    host, _, port = plain.rpartition(":")
    if not host or not port.isdigit():
        raise click.BadParameter(f"must be [tls://]HOST:PORT; was {address!r}", param_hint="--escrow")
    if token is None:
        raise click.BadParameter("needs --escrow-token", param_hint="--escrow")
    if plain == address and not is_loopback(host):
        detail = f"on another machine it is tls://HOST:PORT; was {address!r}"
        raise click.BadParameter(detail, param_hint="--escrow")
    place = EscrowAddress(host=host, port=int(port), pid=os.getpid())
    tls = None if plain == address else ssl.create_default_context(cafile=ca)
    return RemoteEscrow(lambda: place, lambda: token.read_text().strip(), tls)
