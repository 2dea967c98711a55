"""The bridge as a process: frames on standard input and output, the market at the other end.

``python -m market.adapters.vdi2193 --creds acme.creds --nats-url nats://… --aas https://acme.example/aas/1``
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import click

from market.adapters.vdi2193.bridge import Bridge
from market.adapters.vdi2193.dialect import Parties
from market.adapters.vdi2193.errors import FrameError
from market.adapters.vdi2193.lines import LinePort
from takt_sdk.errors import BusError
from takt_sdk.joining import join
from takt_sdk.nats.creds import claims_of, jwt_of
from takt_sdk.wall_clock import WallClock


@click.command()
@click.option("--creds", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True)
@click.option("--nats-url", required=True, help="Where the market's server is.")
@click.option("--server-name", help="Refuse any other server.")
@click.option("--aas", required=True, help="Id of the program's asset administration shell.")
@click.option("--market-aas", help="Id of the market's; default urn:takt:market:<market>.")
@click.option("--site", required=True, help="The site of offers that name none.")
@click.option("--currency", default="EUR", show_default=True, help="The market's currency.")
def bridge(
    creds: Path,
    nats_url: str,
    server_name: str | None,
    aas: str,
    market_aas: str | None,
    site: str,
    currency: str,
) -> None:
    """Carry VDI/VDE 2193 frames, one a line, between this process's streams and a market."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        text = creds.read_text()
        market, _, participant = str(claims_of(jwt_of(text))["name"]).partition(".")
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise click.BadParameter(f"{creds}: {error}", param_hint="--creds") from error
    parties = Parties(
        market=market,
        participant=participant,
        market_aas=market_aas or f"urn:takt:market:{market}",
        participant_aas=aas,
        currency=currency,
        site=site,
    )
    try:
        asyncio.run(_run(parties, text, nats_url, server_name))
    except (BusError, FrameError, ValueError) as error:
        raise click.ClickException(str(error)) from error


async def _run(parties: Parties, creds: str, url: str, server_name: str | None) -> None:
    port = await LinePort.standard()
    bus = await join(url, creds, parties.market, parties.participant, server_name=server_name)
    try:
        await Bridge(bus, port, parties, WallClock()).run()
    finally:
        await bus.close()


if __name__ == "__main__":
    bridge()
