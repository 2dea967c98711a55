"""Companies over NATS: hosted on Ray, or a process of their own, with their own credentials."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agents.hosts.assignment import Assignment, NatsAddress, company_on_nats
from agents.hosts.fleet import LocalFleet
from agents.profile import Profile
from agents.profile_file import format_profile
from market.adapters.embedded_nats import EmbeddedNats
from market.adapters.memory_bus import MemoryBroker
from market.adapters.nats_bus import NatsMarketBus
from market.service.service import MarketService
from scenarios.signing_keys import creds_of
from takt_sdk.company import Company
from takt_sdk.pace import Pace
from tests.deadlines import ended
from tests.integration.agents_market import (
    DEADLINE_S,
    MARKET,
    assignments,
    company_in_memory,
    contracts,
    intentions_of,
    order_states,
    profiles,
    quiet,
    run,
    running_market,
    until,
)
from tests.signers import seed_of

ORDERS = 3
HOURS = range(0, 14 * 24, 6)


@contextlib.asynccontextmanager
async def market_on_nats(
    folder: Path,
) -> AsyncIterator[tuple[MarketService, EmbeddedNats, NatsAddress, dict[str, str]]]:
    async with EmbeddedNats(folder, MARKET) as server:
        names = [profile.participant for profile in profiles()]
        creds = {name: creds_of(server.issuer(), name, seed_of(name)) for name in names}
        bus = await NatsMarketBus.connect(
            server.url, server.market_creds(), MARKET, server_name=server.name, ack_wait_s=1.0
        )
        async with running_market(bus, profiles()) as service:
            yield service, server, NatsAddress(url=server.url, market=MARKET, server_name=server.name), creds


async def _in_memory() -> object:
    broker = MemoryBroker(MARKET)
    async with running_market(broker.market(), profiles()) as service:
        fleet = LocalFleet([company_in_memory(broker, profile, ORDERS) for profile in profiles()])
        await fleet.start()
        await run(service, fleet, HOURS)
        await fleet.stop()
        return contracts(service)


@pytest.mark.usefixtures("ray_session")
async def test_a_killed_ray_host_comes_back_and_nothing_is_different(tmp_path: Path) -> None:
    import ray  # noqa: PLC0415 - see ray_session

    from agents.hosts.ray_host import RayFleet  # noqa: PLC0415

    async with market_on_nats(tmp_path) as (service, _, address, creds):
        fleet = RayFleet(assignments(profiles(), creds, ORDERS), address, hosts=2)
        try:
            await fleet.start()
            await run(service, fleet, HOURS[:8])
            for host in fleet.hosts:
                ray.kill(host, no_restart=False)
            await run(service, fleet, HOURS[8:])
            statuses = await fleet.status()
        finally:
            await fleet.stop()
        assert [status.participant for status in statuses] == ["acme", "buyer", "forge", "steel-ag"]
        assert all(status.connected and not status.failures for status in statuses)
        assert order_states(service) == ["settled"] * ORDERS
        assert contracts(service) == await _in_memory()


async def test_a_partner_joins_with_a_profile_and_credentials_and_leaves_on_a_signal(tmp_path: Path) -> None:
    async with market_on_nats(tmp_path) as (service, server, address, creds):
        acme, *others = profiles()
        (tmp_path / "acme.toml").write_text(format_profile(acme))
        (tmp_path / "acme.creds").write_text(creds["acme"])
        command = "from agents.join_command import join; join()"
        options = [
            "--creds",
            str(tmp_path / "acme.creds"),
            "--nats-url",
            server.url,
            "--server-name",
            server.name,
        ]
        partner = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", command, str(tmp_path / "acme.toml"), *options),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            fleet = LocalFleet(
                [companies_on_nats(profile, creds[profile.participant], address) for profile in others]
            )
            await fleet.start()
            await run(service, fleet, [0, 6])
            await until(lambda: "acme" in {contract.participant for contract, _ in contracts(service)})
            await until(lambda: all(state != "awarded" for _, state in contracts(service)))
            await server.restart()
            await run(service, fleet, [12, 18])
            await quiet(service)
            await fleet.stop()
            partner.send_signal(signal.SIGTERM)
            async with asyncio.timeout(DEADLINE_S):
                out, errors = await partner.communicate()
        finally:
            if partner.returncode is None:
                partner.kill()
                await ended(partner)
        assert (partner.returncode, out.decode().splitlines()[-1]) == (0, "acme has left"), errors.decode()
        assert out.decode().startswith(f"acme joins {MARKET} at {server.url}")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"profile": 'role = "plant"'}, "acme.toml: participant: Field required"),
        ({"creds": "nonsense"}, "is not a participant's .creds file"),
        ({"creds": "forge"}, "is for 'forge'; the profile's participant was 'acme'"),
        ({"server": "another"}, "must be 'another'"),
    ],
)
async def test_what_a_partner_gives_wrong_is_named(
    tmp_path: Path, changed: dict[str, str], said: str
) -> None:
    async with EmbeddedNats(tmp_path / "nats", MARKET) as server:
        wrong = changed.get("creds")
        creds = wrong if wrong == "nonsense" else server.participant_creds(wrong or "acme")
        (tmp_path / "acme.toml").write_text(changed.get("profile", format_profile(profiles()[0])))
        (tmp_path / "acme.creds").write_text(creds)
        command = "from agents.join_command import join; join()"
        options = ["--creds", str(tmp_path / "acme.creds"), "--nats-url", server.url]
        options += ["--server-name", changed.get("server", server.name)]
        partner = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", command, str(tmp_path / "acme.toml"), *options),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(DEADLINE_S):
            _, errors = await partner.communicate()
        assert partner.returncode != 0
        assert said in " ".join(errors.decode().split()), errors.decode()
        assert "Traceback" not in errors.decode()


def companies_on_nats(profile: Profile, creds: str, address: NatsAddress) -> Company:
    assignment = Assignment(profile=profile, creds=creds, intentions=intentions_of(profile, ORDERS))
    return company_on_nats(assignment, address, Pace())
