"""All plants of the workload in one process, each with its own connection and credentials; bids until killed.

`benchmarks.cnp.over_nats` runs it: ``python -m benchmarks.cnp.plants URL SERVER CREDS PLANTS ORDERS SIGNED``.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from benchmarks.cnp import contest, workload
from market.adapters.codec import decode_envelope
from takt_sdk.codec import decode_reply
from takt_sdk.model.messages import CallForProposals, Receipt
from takt_sdk.nats.participant import NatsParticipantBus
from takt_sdk.ports import ParticipantBus
from takt_sdk.signed_bus import SignedBus


async def _bid(bus: ParticipantBus, plant: int, table: list[list[int]]) -> None:
    """Answer every call at once; acknowledge it once the market has the sheet."""
    name = contest.plant_name(plant)
    async for delivery, acknowledge in bus.deliveries():
        envelope = decode_envelope(delivery.body)
        if isinstance(envelope.body, CallForProposals):
            sheet = contest.sheet(envelope.body, plant, table)
            raw = contest.sealed(name, sheet, f"sheet-{sheet.round_id}", envelope.occurred_us, sequence=1)
            reply = decode_reply(await bus.request("bid", raw, timeout_s=30.0))
            assert isinstance(reply, Receipt), reply
        await acknowledge()


async def _main(url: str, server_name: str, creds: Path, plants: int, orders: int, *, signed: bool) -> None:
    table = workload.prices(plants, orders)
    buses: list[ParticipantBus] = [
        await NatsParticipantBus.connect(
            url,
            (creds / f"{contest.plant_name(plant)}.creds").read_text(),
            contest.MARKET,
            contest.plant_name(plant),
            server_name=server_name,
        )
        for plant in range(plants)
    ]
    if signed:
        buses = [_signed(bus, contest.plant_name(plant)) for plant, bus in enumerate(buses)]
    print("ready", flush=True)
    await asyncio.gather(*(_bid(bus, plant, table) for plant, bus in enumerate(buses)))


def _signed(bus: ParticipantBus, name: str) -> ParticipantBus:
    market_key = contest.signer(contest.MARKET).key
    return SignedBus(bus, contest.MARKET, name, contest.signer(name), market_key=market_key)


if __name__ == "__main__":
    asyncio.run(
        _main(
            sys.argv[1],
            sys.argv[2],
            Path(sys.argv[3]),
            int(sys.argv[4]),
            int(sys.argv[5]),
            signed=sys.argv[6] == "signed",
        )
    )
