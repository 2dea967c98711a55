"""A partner's own pricing on a real nats-server: it wins and delivers, and what it survives."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from market.adapters.nats_identity import ConnectionLimits
from market.model.rules import SECOND_US
from takt_sdk.codec import decode_reply
from takt_sdk.errors import BusClosedError, BusRefusedError, OutboxError
from takt_sdk.mail import RefusedError
from takt_sdk.model.messages import CallForProposals, Receipt
from takt_sdk.model.order import Lot
from takt_sdk.model.values import HOUR_US
from takt_sdk.nats.participant import NatsParticipantBus
from takt_sdk.outbox import Outbox
from takt_sdk.simple import Offer, Partner, Quote
from takt_sdk.wall_clock import WallClock
from tests.integration.partner_market import (
    MARKET,
    PartnerMarket,
    Proxy,
    Skewed,
    joining,
    partner_market,
    price,
    process,
    sent,
    until,
)

OWN = Offer(milestones="own")


@asynccontextmanager
async def joined(partner: Partner) -> AsyncIterator[Partner]:
    """Run a partner in this process until the block is left."""
    await partner.company.start()
    try:
        yield partner
    finally:
        await partner.company.stop()
        partner.outbox.close()


def partner_of(market: PartnerMarket, url: str = "", name: str = "acme", **more: object) -> Partner:
    return Partner(
        price,
        creds=market.creds(name),
        nats_url=url or market.server.url,
        capacity={"mill": 960},
        **more,  # type: ignore[arg-type]
    )


def stored(partner: Partner) -> list[dict[str, object]]:
    """Return what the outbox of a running partner holds."""
    return [{"kind": one.kind, "reply": one.reply} for one in partner.outbox]


async def test_a_pricing_of_ones_own_wins_confirms_and_reports(tmp_path: Path) -> None:
    lines: list[str] = []
    async with (
        partner_market(tmp_path, "acme") as market,
        joined(partner_of(market, offer=OWN, tell=lines.append)) as partner,
    ):
        order = await market.order()
        await market.until_state(order, "confirmed")
        ((contract, _),) = market.contracts()
        assert (contract.participant, contract.payment_minor) == ("acme", 150 * 80)
        for milestone in ("started", "finished", "shipped", "delivered"):
            await partner.report(contract.id, milestone, quantity=5 if milestone != "started" else 0)
        await until(lambda: market.state(order) in {"delivered", "settled"})
        with pytest.raises(RefusedError, match="state"):
            await partner.report(contract.id, "started")
        told = "\n".join(lines)
    for word in ("connected: 0 open calls", "called r-", "bid in r-", "won c-", "confirmed", "delivered"):
        assert word in told
    assert "120.00 EUR" in told
    receipts = [decode_reply(one["reply"]) for one in sent(tmp_path / "acme.outbox.db")]  # type: ignore[arg-type]
    assert sum(isinstance(reply, Receipt) for reply in receipts) == 6  # sheet, confirmed, four milestones


async def test_more_lots_than_capacity_are_spread_over_days_and_none_is_overbooked(tmp_path: Path) -> None:
    async with partner_market(tmp_path, "acme") as market, joined(partner_of(market)):
        orders = [await market.order(quantity=60) for _ in range(3)]  # 630 of 960 minutes each
        for order in orders:
            await market.until_state(order, "confirmed")
        used: dict[int, int] = {}
        for contract, _ in market.contracts():
            for use in contract.uses:
                used[use.period] = used.get(use.period, 0) + use.amount
        assert sum(used.values()) == 3 * 630
        assert max(used.values()) <= 960


async def test_a_price_that_fails_costs_its_lot_only(tmp_path: Path) -> None:
    def moody(call: CallForProposals, lot: Lot) -> Quote | None:
        if lot.quantity == 7:
            raise ZeroDivisionError
        return price(call, lot)

    async with partner_market(tmp_path, "acme") as market:
        partner = Partner(
            moody, creds=market.creds("acme"), nats_url=market.server.url, capacity={"mill": 960}
        )
        async with joined(partner):
            bad, good = await market.order(7, good_for_takts=2), await market.order(5)
            await market.until_state(good, "confirmed")
            await market.until_state(bad, "unserved")
            assert partner.company.status().failures == 0


async def test_the_server_restarts_and_the_partner_goes_on_within_3_s(tmp_path: Path) -> None:
    async with partner_market(tmp_path, "acme") as market, joined(partner_of(market)):
        await market.until_state(await market.order(), "confirmed")
        await until(lambda: market.service.is_settled)
        os.kill(market.server.pid, signal.SIGKILL)
        await until(lambda: not market.server.alive())
        await market.server.restart()
        start_s = time.monotonic()
        second = await market.order()
        await market.until_state(second, "confirmed")
        took_s = time.monotonic() - start_s
        print(f"restarted: an order is confirmed after {took_s:.1f} s")  # noqa: T201 - the figure
        assert took_s < 3.0 + 2.0  # live again, and a takt and a response


async def test_a_half_open_link_is_noticed_and_made_anew(tmp_path: Path) -> None:
    async with (
        partner_market(tmp_path, "acme") as market,
        Proxy(int(market.server.url.rpartition(":")[2])) as proxy,
        joined(partner_of(market, proxy.url)),
    ):
        await market.until_state(await market.order(), "confirmed")
        assert proxy.accepted == 1
        proxy.cut()  # no FIN, no RST: only silence
        await market.until_state(await market.order(), "confirmed")
        assert proxy.accepted >= 2


@pytest.mark.slow
async def test_after_a_partition_the_partner_is_live_again_within_3_s(tmp_path: Path) -> None:
    took_s = []
    async with (
        partner_market(tmp_path, "acme") as market,
        Proxy(int(market.server.url.rpartition(":")[2])) as proxy,
        joined(partner_of(market, proxy.url, offer=OWN)) as partner,
    ):
        await market.until_state(await market.order(), "confirmed")
        ((contract, _),) = market.contracts()
        for milestone in ("started", "finished", "shipped"):
            tried = proxy.accepted
            proxy.part()
            reporting = asyncio.create_task(partner.report(contract.id, milestone))
            await until(lambda tried=tried: proxy.accepted >= tried + 2)  # type: ignore[misc]
            proxy.heal()
            start_s = time.monotonic()
            await reporting
            took_s.append(time.monotonic() - start_s)
        print("partition healed: reported after", *(f"{one:.1f} s" for one in took_s))  # noqa: T201 - a figure
        assert max(took_s) < 3.5  # the next attempt, and its share of a loaded machine
        (record,) = market.service.state_of().state.contracts.values()
        assert sorted(record.reports) == [1, 2, 3, 4]


async def test_renewed_credentials_are_taken_up_before_the_old_ones_end(tmp_path: Path) -> None:
    lines: list[str] = []
    async with partner_market(tmp_path) as market:
        creds = await market.admit("acme", expires_us=WallClock().now_us() + 4 * SECOND_US)
        async with joined(partner_of(market, tell=lines.append)) as partner:
            await market.until_state(await market.order(), "confirmed")
            first = partner.credentials.expires_us
            jwt = market.issuer.renew("acme", expires_us=WallClock().now_us() + HOUR_US)
            seed = creds.read_text()
            creds.write_text(seed.replace(seed.split()[4], jwt.strip()))
            await until(lambda: "new credentials: connecting anew" in lines)
            await until(lambda: partner.company.status().connected)
            assert first is not None
            await until(lambda: WallClock().now_us() > first + SECOND_US)  # the old ones have ended
            await market.until_state(await market.order(), "confirmed")
            assert lines.count("new credentials: connecting anew") == 1


async def test_expired_credentials_are_asked_for_until_there_are_new_ones(tmp_path: Path) -> None:
    async with partner_market(tmp_path) as market:
        creds = await market.admit("acme", expires_us=WallClock().now_us() + 3 * SECOND_US)
        async with joined(partner_of(market)) as partner:
            await until(lambda: partner.company.status().connected)
            await until(lambda: not partner.company.status().connected)
            order = await market.order()
            jwt = market.issuer.renew("acme", expires_us=None)
            seed = creds.read_text()
            creds.write_text(seed.replace(seed.split()[4], jwt.strip()))
            await market.until_state(order, "confirmed")


@pytest.mark.parametrize("ahead_us", [-26 * HOUR_US, 26 * HOUR_US])
async def test_a_clock_that_is_a_day_wrong_changes_nothing(tmp_path: Path, ahead_us: int) -> None:
    async with (
        partner_market(tmp_path, "acme") as market,
        joined(partner_of(market, offer=OWN, clock=Skewed(ahead_us=ahead_us))) as partner,
    ):
        await market.until_state(await market.order(), "confirmed")
        ((contract, _),) = market.contracts()
        await partner.report(contract.id, "started")
        assert [state for _, state in market.contracts()] == ["in_production"]
        assert partner.company.status().refused == 0


async def test_kill_9_of_the_partner_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    async with partner_market(tmp_path, "acme") as market:
        log = tmp_path / "acme.log"
        orders = []
        for _ in range(4):
            async with process(*joining(market, "acme"), log=log) as running:
                orders.append(await market.order())
                await until(lambda: len(market.contracts()) == len(orders), log.read_text)
                running.kill()
        async with process(*joining(market, "acme"), log=log):
            for order in orders:
                await market.until_state(order, "confirmed")
        records = market.service.state_of().state.contracts.values()
        assert [len(record.reports) for record in records] == [1] * 4


async def test_what_was_stored_and_never_sent_is_sent_by_the_next_process(tmp_path: Path) -> None:
    async with partner_market(tmp_path, "acme") as market:
        async with joined(partner_of(market, offer=OWN)) as partner:
            await market.until_state(await market.order(), "confirmed")
            ((contract, _),) = market.contracts()
            await market.server.stop()
            reporting = asyncio.create_task(partner.report(contract.id, "started"))
            await until(lambda: len(partner.outbox.unanswered()) == 1)
            reporting.cancel()
        await market.server.start()
        stored = [one for one in sent(tmp_path / "acme.outbox.db") if not one["reply"]]
        assert [one["kind"] for one in stored] == ["takt.report_milestone.v1"]
        async with joined(partner_of(market, offer=OWN)):
            assert [state for _, state in market.contracts()] == ["in_production"]
        async with joined(partner_of(market, offer=OWN)):
            (record,) = market.service.state_of().state.contracts.values()
            assert sorted(record.reports) == [1, 2]


async def test_one_process_at_a_time_has_an_outbox_and_it_is_one_companys(tmp_path: Path) -> None:
    first = Outbox(tmp_path / "box.db", f"{MARKET}.acme")
    with pytest.raises(OutboxError, match="is in use by another process"):
        Outbox(tmp_path / "box.db", f"{MARKET}.acme")
    first.close()
    with pytest.raises(OutboxError, match=r"is the outbox of test-market\.acme, not of test-market\.forge"):
        Outbox(tmp_path / "box.db", f"{MARKET}.forge")


async def test_a_revoked_partner_is_cut_off_within_2_s(tmp_path: Path) -> None:
    async with partner_market(tmp_path, "acme") as market:
        text = market.creds("acme").read_text()
        bus = await NatsParticipantBus.connect(market.server.url, text, MARKET, "acme")
        waiting = asyncio.ensure_future(anext(bus.deliveries()))
        await asyncio.sleep(0.2)  # the pull is under way
        start_s = time.monotonic()
        market.issuer.revoke("acme")
        with pytest.raises(BusClosedError):
            await asyncio.wait_for(waiting, 2.0)
        took_s = time.monotonic() - start_s
        print(f"revoked: cut off after {took_s * 1000:.0f} ms")  # noqa: T201 - the figure
        assert took_s < 2.0
        with pytest.raises(BusRefusedError, match="refused the credentials"):
            await NatsParticipantBus.connect(market.server.url, text, MARKET, "acme")
        await bus.close()


async def connected_as_long_as_possible(market: PartnerMarket, creds: str) -> None:
    while True:
        await (await NatsParticipantBus.connect(market.server.url, creds, MARKET, "acme")).close()


async def test_rotated_credentials_end_the_old_ones_and_the_agent_goes_on_with_the_new(
    tmp_path: Path,
) -> None:
    async with partner_market(tmp_path, "acme") as market, joined(partner_of(market)):
        old = market.creds("acme").read_text()
        await market.rotate("acme")
        with pytest.raises(BusRefusedError, match="refused the credentials"):
            await asyncio.wait_for(connected_as_long_as_possible(market, old), 2.0)
        await market.until_state(await market.order(), "confirmed")


async def test_limits_hold_and_a_sheet_above_them_is_declined_instead_of_costing_the_link(
    tmp_path: Path,
) -> None:
    limits = ConnectionLimits(payload_bytes=1_500, subscriptions=4, connections=2)
    async with partner_market(tmp_path, "acme") as market:
        creds = market.creds("acme")
        creds.write_text(market.issuer.issue("acme", limits=limits))
        await market.readmit("acme")
        async with joined(partner_of(market)) as partner:
            small = await market.order(good_for_takts=2)
            await market.until_state(small, "unserved")
            assert "too_large" in str([one["reply"] for one in stored(partner)])
            assert partner.company.status().connected
            second = await NatsParticipantBus.connect(market.server.url, creds.read_text(), MARKET, "acme")
            with pytest.raises(BusRefusedError):
                await NatsParticipantBus.connect(
                    market.server.url, creds.read_text(), MARKET, "acme", timeout_s=1.0
                )
            await second.close()


async def test_partners_come_and_go_and_one_that_vanishes_strands_no_order(tmp_path: Path) -> None:
    async with partner_market(tmp_path, "acme") as market:
        log = tmp_path / "partners.log"
        async with process(*joining(market, "acme"), log=log) as first:
            await market.until_state(await market.order(), "confirmed")
            os.kill(first.pid, signal.SIGSTOP)  # called from now on, and never answers
            order = await market.order()
            await market.until_state(order, "calling", "clearing")
            await market.admit("forge")  # joins while the auction runs
            async with process(*joining(market, "forge"), log=log):
                await market.until_state(order, "confirmed")
                won = {contract.order_id: contract.participant for contract, _ in market.contracts()}
                assert won[order] == "forge"
            alone = await market.order(good_for_takts=2)  # nobody answers: it ends, with a reason
            await market.until_state(alone, "unserved")
            os.kill(first.pid, signal.SIGCONT)
            await market.until_state(await market.order(), "confirmed")
