"""``takt escrow``: keep the keys of a market's sealed rounds, on another machine or for another owner."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

import click

from market.adapters.escrow_client import RemoteEscrow
from market.adapters.escrow_server import TOKEN, EscrowAddress, serving_escrow
from market.ports import Escrow
from scenarios.stopping import Stop

PORT = click.IntRange(0, 65_535)


@click.command("escrow")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen; tunnel anything else.")
@click.option("--port", type=PORT, default=0, help="Default: a free one.")
@click.option("--market-key", default="", help="Release keys only on heads that this key (A...) has signed.")
def escrow(folder: Path, host: str, port: int, market_key: str) -> None:
    """Keep keys in FOLDER and release each once its round's close is proven, until Ctrl-C."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        asyncio.run(_serve(folder, host, port, market_key))
    except OSError as error:
        raise click.ClickException(str(error)) from error


async def _serve(folder: Path, host: str, port: int, market_key: str) -> None:
    stop = Stop.on_signals()
    async with serving_escrow(folder, host=host, port=port, market_key=market_key) as address:
        click.echo(f"escrow  {address.host}:{address.port}\ntoken   {folder / TOKEN}")
        stop.is_up = True
        await stop.told.wait()


def escrow_at(address: str | None, token: Path | None) -> Escrow | None:
    """Return the escrow that runs at HOST:PORT, None where none is named.

    Raises
    ------
    click.BadParameter
        If the address is none, or comes without its token.
    """
    if address is None:
        return None
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise click.BadParameter(f"must be HOST:PORT; was {address!r}", param_hint="--escrow")
    if token is None:
        raise click.BadParameter("needs --escrow-token", param_hint="--escrow")
    place = EscrowAddress(host=host, port=int(port), pid=os.getpid())
    return RemoteEscrow(lambda: place, lambda: token.read_text().strip())
