"""The partner in JavaScript, written from the protocol page: it joins, wins, delivers, and comes back."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from market.adapters.escrow_keys import seeded_keys
from market.adapters.escrow_memory import MemoryEscrow
from takt_sdk.wall_clock import WallClock
from tests.deadlines import ended
from tests.integration.partner_market import RULES, PartnerMarket, partner_market, process, until
from tests.integration.test_another_server import twin

SOURCE = Path(__file__).parents[2] / "docs" / "partner-javascript"
INSTALL_S = 120
NODE, NPM = shutil.which("node"), shutil.which("npm")
pytestmark = pytest.mark.skipif(NODE is None or NPM is None, reason="node and npm are not installed here")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the partner's dependencies, as its README says, into a folder of its own."""
    folder = tmp_path_factory.mktemp("javascript") / "partner"
    shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns("node_modules"))
    assert NPM is not None
    done = subprocess.run(
        [NPM, "ci", "--no-audit", "--no-fund"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=INSTALL_S,
    )
    if done.returncode:
        pytest.skip(f"npm cannot install the partner's dependencies here: {done.stderr[-300:]}")
    return folder


def joining(market: PartnerMarket, folder: Path, **changes: object) -> tuple[str, ...]:
    plant = json.loads((SOURCE / "plant.json").read_text()) | changes
    (market.folder / "plant.json").write_text(json.dumps(plant))
    script = str(folder / "partner.js")
    assert NODE is not None
    return (
        *(NODE, script, str(market.creds("acme")), market.server.url),
        *(str(market.folder / "plant.json"), market.server.name),
    )


def test_it_is_short_and_its_lock_names_no_place() -> None:
    assert len((SOURCE / "partner.js").read_text().splitlines()) < 200
    lock = json.loads((SOURCE / "package-lock.json").read_text())
    assert not any("resolved" in package for package in lock["packages"].values())
    assert all("integrity" in package for name, package in lock["packages"].items() if name)


async def test_it_joins_wins_confirms_and_delivers(tmp_path: Path, installed: Path) -> None:
    log = tmp_path / "partner.log"
    async with (
        partner_market(tmp_path, "acme") as market,
        process(*joining(market, installed, report="at_once"), log=log) as partner,
    ):
        order = await market.order()
        await until(lambda: market.state(order) in {"delivered", "settled"}, log.read_text)
        ((contract, _),) = market.contracts()
        assert (contract.participant, contract.payment_minor) == ("acme", 140 * 80)
        again = await market.order(quantity=90)
        await until(lambda: market.state(again) in {"delivered", "settled"}, log.read_text)
        partner.send_signal(signal.SIGTERM)
        assert await ended(partner, log.read_text) == 0, log.read_text()
    said = log.read_text()
    assert said.rstrip().endswith("acme has left")
    for word in (
        "joins test-market",
        "1 won, 0 lost",
        "confirmed",
        "started",
        "finished",
        "shipped",
        "delivered",
    ):
        assert word in said


async def test_it_seals_its_bids_where_the_call_has_a_key_and_wins(tmp_path: Path, installed: Path) -> None:
    log = tmp_path / "partner.log"
    rules = replace(RULES, sealed=True)
    async with (
        partner_market(tmp_path, "acme", rules=rules, escrow=MemoryEscrow(seeded_keys(7))) as market,
        process(*joining(market, installed, report="at_once"), log=log),
    ):
        order = await market.order()
        await until(lambda: market.state(order) in {"delivered", "settled"}, log.read_text)
        answers = [one.entry.message for one in market.journal.read() if one.entry.source == "bid"]
        assert answers
        assert all(b"takt.sealed_sheet.v1" in one and b"fixed_price" not in one for one in answers)
        ((contract, _),) = market.contracts()
        assert (contract.participant, contract.payment_minor) == ("acme", 140 * 80)


async def test_it_goes_on_with_renewed_and_rotated_credentials(tmp_path: Path, installed: Path) -> None:
    log = tmp_path / "partner.log"
    async with partner_market(tmp_path, "acme") as market:
        soon_us = WallClock().now_us() + 4_000_000
        await market.admit("acme", expires_us=soon_us)
        async with process(*joining(market, installed), log=log):
            for change in (market.renew, market.rotate):
                order = await market.order()
                await until(lambda: market.state(order) == "confirmed", log.read_text)  # noqa: B023
                await change("acme")
            await until(lambda: WallClock().now_us() > soon_us + 1_000_000)
            order = await market.order()
            await until(lambda: market.state(order) == "confirmed", log.read_text)
        keys = {one.entry.key for one in market.journal.read() if one.entry.source == "bid"}
        assert len(keys) == 2


async def test_it_leaves_where_another_server_comes_back(tmp_path: Path, installed: Path) -> None:
    log = tmp_path / "partner.log"
    async with partner_market(tmp_path, "acme") as market:
        async with process(*joining(market, installed), log=log) as partner:
            order = await market.order()
            await until(lambda: market.state(order) == "confirmed", log.read_text)
            await market.server.stop()
            async with twin(market.server, tmp_path / "twin") as other:
                assert await ended(partner, log.read_text) == 1, log.read_text()
                assert log.read_text().rstrip().endswith(f"the server is now {other.name}")
        await market.server.start()


async def test_it_is_killed_and_the_server_restarts_and_it_goes_on_from_what_the_market_knows(
    tmp_path: Path, installed: Path
) -> None:
    log = tmp_path / "partner.log"
    async with partner_market(tmp_path, "acme") as market:
        async with process(*joining(market, installed), log=log) as partner:
            first = await market.order(quantity=60)
            await market.until_state(first, "confirmed")
            partner.kill()
        second = await market.order(quantity=60)
        await market.until_state(second, "calling")
        async with process(*joining(market, installed), log=log):
            await until(lambda: market.state(second) == "confirmed", log.read_text)
            await market.server.restart()
            third = await market.order(quantity=60)
            await until(lambda: market.state(third) == "confirmed", log.read_text)
        used: dict[int, int] = {}
        for contract, _ in market.contracts():
            for use in contract.uses:
                used[use.period] = used.get(use.period, 0) + use.amount
        assert (sum(used.values()), max(used.values()) <= 960) == (3 * 630, True)
        records = market.service.state_of().state.contracts.values()
        assert [len(record.reports) for record in records] == [1, 1, 1]
