"""The conformance kit against customers: who keeps the rules passes, each planted fault is found."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from market.conformance.partners import CommandPartner
from market.conformance.report import Report
from market.conformance.rules import RULES
from market.conformance.stage import Setting
from tests.integration.bare_customer import BareCustomer
from tests.integration.test_conformance import CUSTOMERS, conform

SIDE_BY_SIDE = 12

FAULTS = {
    "places nothing": "order.placed",
    "orders what it has not published": "order.part",
    "orders for yesterday": "order.dates",
    "another order under its key": "order.key",
    "another key after a restart": "order.again",
    "cancels another's order": "order.known",
    "cancels what is over": "order.over",
    "never cancels": "order.cancelled",
    "never changes": "change.asked",
    "never accepts": "change.asked",
    "accepts what nobody quoted": "change.quoted",
    "gives up ordering": "retry.missing",
    "new id on retry": "retry.same-bytes",
    "hammers": "retry.pause",
    "ignores retry_after": "retry.after",
    "repeats a final refusal": "retry.final",
    "numbers its orders": "sequence.number",
    "acts on repeats": "mailbox.repeat",
    "chokes on what it cannot read": "mailbox.acknowledge",
    "dies of an unknown kind": "life.alive",
    "does not reconnect": "life.reconnect",
    "sends before it asks": "start.query",
    "does not sign": "sign.missing",
    "never connects": "life.connect",
}
"""Fault of `BareCustomer` → the rule under which it is found."""

OWN = {id_ for id_, rule in RULES.items() if rule.section == CUSTOMERS}


async def all_of(faults: Sequence[str], folder: Path) -> dict[str, Report]:
    """Play the market against a bare customer with each fault, some side by side."""
    free = asyncio.Semaphore(SIDE_BY_SIDE)

    async def one(number: int, fault: str) -> tuple[str, Report]:
        setting = Setting(
            participant=f"c{number}",
            customer=True,
            orders=3,
            cancels=True,
            changes=True,
            patience_s=8.0,
            quiet_s=0.3,
        )
        async with free:
            return fault, await conform(setting, BareCustomer(fault), folder)

    return dict(await asyncio.gather(*(one(number, fault) for number, fault in enumerate(faults))))


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Report]:
    return asyncio.run(all_of(["", *FAULTS], tmp_path_factory.mktemp("faulty")))


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_under_its_rule(reports: dict[str, Report], fault: str) -> None:
    broken = reports[fault].broken
    assert broken is not None, reports[fault].text()
    assert broken.rule == FAULTS[fault], reports[fault].text()


@pytest.mark.slow
def test_every_rule_of_customers_has_a_planted_fault(reports: dict[str, Report]) -> None:
    found = [fault for fault, rule in FAULTS.items() if (b := reports[fault].broken) and b.rule == rule]
    print(f"{len(found)} of {len(FAULTS)} planted faults of customers found")  # noqa: T201 - the figure
    assert set(FAULTS.values()) >= OWN


async def test_a_bare_customer_conforms_and_two_that_do_not_are_found(tmp_path: Path) -> None:
    faults = ("", "another key after a restart", "accepts what nobody quoted")
    found = await all_of(faults, tmp_path)
    assert found[""].passed, found[""].text()
    assert [scene.name for scene in found[""].scenes][-1] == "reconnecting"
    for fault in faults[1:]:
        broken = found[fault].broken
        assert broken is not None
        assert broken.rule == FAULTS[fault], found[fault].text()


async def test_our_own_customer_conforms(tmp_path: Path) -> None:
    script = Path(__file__).with_name("customer_process.py")
    partner = CommandPartner(f"{sys.executable} {script} {{creds}} {{url}} {{server}}", tmp_path / "log")
    setting = Setting(participant="own", customer=True, orders=2, patience_s=30.0)
    report = await conform(setting, partner, tmp_path)
    assert report.passed, f"{report.text()}\n{(tmp_path / 'log').read_text()}"
