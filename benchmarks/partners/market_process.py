"""A durable market on a nats-server of its own with one open round, for clients in other processes.

``python -m benchmarks.partners.market_process PARTNERS FOLDER`` prints one line of JSON, what a client must
know; a line ``status`` on its input prints what it has done, the input's end stops it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import resource
import sys
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from market.adapters.embedded_nats import EmbeddedNats
from market.adapters.journal import open_journal
from market.adapters.manual_clock import ManualClock
from market.adapters.nats_bus import NatsMarketBus
from market.engine.admission import OPERATOR
from market.model.commands import AdmitParticipant, Command, OpenMarket
from market.model.network import Network, Site
from market.model.rules import Rules
from market.service.clearing_worker import InlineClearer
from market.service.lottery import Lottery
from market.service.service import MarketService
from takt_sdk.model.capability import Capability, Qualification, Requirement
from takt_sdk.model.messages import Receipt, SubmitOrder
from takt_sdk.model.order import OrderTerms
from takt_sdk.model.plan import PlannedArc, PlannedLot, ProcessPlan
from takt_sdk.model.values import DAY_US, HOUR_US, MINUTE_US
from takt_sdk.signing import Signer, account_seed, user_seed
from takt_sdk.wall_clock import OsEntropy

MARKET = "bench"
START_US = 20_605 * DAY_US
LOTS = 17
"""Bids of a sheet, one for each lot: 600 sheets a second are 10,000 bids."""

HOSTILE = ("flood", "slow", "malformed")


def seed(name: str) -> str:
    """Return the signing seed of a participant of this benchmark."""
    return user_seed(hashlib.sha256(name.encode()).digest())


class RunningClock(ManualClock):
    """Market time stands still, so that the round stays open; durations are real."""

    def monotonic_s(self) -> float:
        """Return the loop's own time."""
        return asyncio.get_running_loop().time()


def opening(names: list[str], rate: int) -> list[tuple[str, Command]]:
    """Return what opens the market, with an order of `LOTS` lots on which everybody may bid."""
    requirement = Requirement(process="milling", material="steel")
    milling = Qualification(capabilities=(Capability(process="milling", materials=("steel",)),))
    lots = tuple(
        PlannedLot(id=f"l{n:02}", kind="operation", requirement=requirement, run_time_us=MINUTE_US)
        for n in range(LOTS)
    )
    arcs = tuple(PlannedArc(source=f"l{n:02}", target=f"l{n + 1:02}") for n in range(LOTS - 1))
    rules = Rules(
        takt_us=DAY_US,
        response_us=DAY_US,
        transit_us=HOUR_US,
        early_close=False,
        signatures="required",
        messages_per_s=rate,
        message_burst=rate,
    )
    network = Network(sites=(Site(id="site", name="Site", country="DE"),))
    admissions = [
        AdmitParticipant(
            participant=name,
            roles=("plant",),
            sites=("site",),
            qualification=milling,
            signing_key=Signer(seed(name)).key,
        )
        for name in names
    ]
    order = SubmitOrder(
        idempotency_key="k",
        part_id="part",
        terms=OrderTerms(
            quantity=10,
            destination="site",
            release_us=START_US + DAY_US,
            due_us=START_US + 100 * DAY_US,
            deadline_us=START_US + 120 * DAY_US,
            reservation_value_minor=10**9,
        ),
        plan=ProcessPlan(lots=lots, arcs=arcs),
    )
    market_key = Signer(account_seed(bytes(32))).key
    opened = OpenMarket(market=MARKET, rules=rules, network=network, market_key=market_key)
    buyer = AdmitParticipant(participant="buyer", roles=("customer",), agent=False)
    return [(OPERATOR, opened), *[(OPERATOR, one) for one in (*admissions, buyer)], ("buyer", order)]


async def serve(partners: int, folder: Path) -> None:
    """Run the market until the standard input ends."""
    names = [f"partner-{n:02}" for n in range(partners)] + list(HOSTILE)
    async with EmbeddedNats(folder / "nats", MARKET) as nats:
        bus = await NatsMarketBus.connect(nats.url, nats.market_creds(), MARKET, server_name=nats.name)
        with closing(open_journal(folder / "journal.db", entropy=OsEntropy())) as journal:
            async with MarketService(
                journal,
                bus,
                clock=RunningClock(START_US),
                clearer=InlineClearer(),
                lottery=Lottery(bytes(32)),
                tick_s=None,
                signer=Signer(account_seed(bytes(32))),
            ) as service:
                for number, (sender, command) in enumerate(opening(names, rate=200)):
                    reply = await service.submit(sender, command, message_id=f"set-up-{number}")
                    assert isinstance(reply, Receipt), reply
                while await service.tick(START_US):
                    pass
                (round_,) = service.state_of().state.rounds.values()
                told = {
                    "market": MARKET,
                    "url": nats.url,
                    "server": nats.name,
                    "creds": {name: nats.participant_creds(name) for name in names},
                    "seeds": {name: seed(name) for name in names},
                    "round": round_.id,
                    "deadline_us": round_.deadline_us,
                    "lots": [[lot.id, lot.earliest_start_us, lot.quantity] for lot in round_.lots],
                }
                print(json.dumps(told), flush=True)
                while (await asyncio.to_thread(sys.stdin.readline)).strip() == "status":
                    status = asdict(await service.status())
                    usage = resource.getrusage(resource.RUSAGE_SELF)
                    status |= {"cpu_s": usage.ru_utime + usage.ru_stime, "rss_kib": usage.ru_maxrss}
                    print(json.dumps(status), flush=True)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
