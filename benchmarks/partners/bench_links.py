"""Broken links: time from a nats-server's restart, and from a partition's end, to the next receipt.

A partner sends a sheet after the other, each until it has its receipt; the server is killed and started
again, then the partner's TCP connection is cut, kept cut, and let through again.

Run: ``.venv/bin/python -m benchmarks.partners.bench_links [--rounds 3] [--json FILE]``
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.partners.clients import Partner
from benchmarks.partners.market_process import MARKET, START_US, RunningClock, opening, seed
from market.adapters.embedded_nats import EmbeddedNats
from market.adapters.journal_memory import MemoryJournal
from market.adapters.nats_bus import NatsMarketBus
from market.service.clearing_worker import InlineClearer
from market.service.lottery import Lottery
from market.service.service import MarketService
from takt_sdk.errors import BusRequestError, BusTimeoutError
from takt_sdk.nats.participant import NatsParticipantBus
from takt_sdk.signing import Signer, account_seed
from takt_sdk.wall_clock import OsEntropy

NAME = "partner-00"
CUT_S = 3.0


class Proxy:
    """A TCP proxy to the server that can be cut: connections end, new ones are refused."""

    def __init__(self, url: str) -> None:
        host, _, port = url.removeprefix("nats://").rpartition(":")
        self._target = (host, int(port))
        self._open: set[asyncio.StreamWriter] = set()
        self._cut = False
        self.url = ""

    async def start(self) -> None:
        """Listen on a free port of loopback."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    def cut(self, *, cut: bool) -> None:
        """Cut or heal."""
        self._cut = cut
        if cut:
            for writer in self._open:
                writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._cut:
            writer.transport.abort()
            return
        up_reader, up_writer = await asyncio.open_connection(*self._target)
        self._open |= {writer, up_writer}
        await asyncio.gather(_pipe(reader, up_writer), _pipe(up_reader, writer))
        self._open -= {writer, up_writer}


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def receipt(partner: Partner) -> float:
    """Send a sheet until it has its receipt; return when that was."""
    data, headers = partner.body()
    while True:
        with suppress(BusTimeoutError, BusRequestError):
            await partner.bus.request("bid", data, timeout_s=1.0, headers=headers)
            return time.perf_counter()


async def measure(rounds: int) -> dict[str, list[float]]:
    """Return the seconds to the next receipt, for each kind of break."""
    found: dict[str, list[float]] = {"restart_s": [], "heal_s": []}
    with tempfile.TemporaryDirectory() as folder:
        async with EmbeddedNats(Path(folder) / "nats", MARKET) as nats:
            bus = await NatsMarketBus.connect(nats.url, nats.market_creds(), MARKET, server_name=nats.name)
            service = MarketService(
                MemoryJournal(entropy=OsEntropy()),
                bus,
                clock=RunningClock(START_US),
                clearer=InlineClearer(),
                lottery=Lottery(bytes(32)),
                tick_s=None,
                signer=Signer(account_seed(bytes(32))),
            )
            async with service:
                for number, (sender, command) in enumerate(opening([NAME], rate=10_000)):
                    await service.submit(sender, command, message_id=f"set-up-{number}")
                while await service.tick(START_US):
                    pass
                (round_,) = service.state_of().state.rounds.values()
                told: dict[str, Any] = {
                    "market": MARKET,
                    "seeds": {NAME: seed(NAME)},
                    "round": round_.id,
                    "deadline_us": round_.deadline_us,
                    "lots": [[lot.id, lot.earliest_start_us, lot.quantity] for lot in round_.lots],
                }
                proxy = Proxy(nats.url)
                await proxy.start()
                link = await NatsParticipantBus.connect(
                    proxy.url, nats.participant_creds(NAME), MARKET, NAME, server_name=nats.name
                )
                partner = Partner(told, NAME, link)
                for _ in range(rounds):
                    await receipt(partner)
                    await nats.restart()
                    started_s = time.perf_counter()
                    found["restart_s"].append(await receipt(partner) - started_s)
                    proxy.cut(cut=True)
                    waiting = asyncio.create_task(receipt(partner))
                    await asyncio.sleep(CUT_S)
                    proxy.cut(cut=False)
                    healed_s = time.perf_counter()
                    found["heal_s"].append(await waiting - healed_s)
                await link.close()
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found = asyncio.run(measure(arguments.rounds))
    print(f"seconds to the next receipt; load {os.getloadavg()[0]:.1f}   (goal: at most 3)")
    for name, values in found.items():
        print(f"{name:<12}{' '.join(f'{value:6.2f}' for value in values)}   longest {max(values):.2f}")
    if arguments.json:
        arguments.json.write_text(json.dumps({name: max(values) for name, values in found.items()}) + "\n")


if __name__ == "__main__":
    main()
