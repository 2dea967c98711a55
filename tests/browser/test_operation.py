"""What the operator sees and does in a real browser, on a real market."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from market.model.contract_commands import NoteSilence
from market.model.contract_rules import ContractRules
from takt_sdk.model.values import HOUR_US
from tests.browser.chromium import chromium
from tests.browser.pages import check_clean, check_usable, click, patient, sign_in, wait, wait_gone, write
from tests.integration.gateway_market import (
    ALICE,
    NOW_US,
    OPERATOR_KEY,
    RULES,
    ThreadedMarket,
    threaded_market,
)

pytestmark = pytest.mark.browser

CAREFUL = replace(RULES, contracts=ContractRules(tolerance_us=HOUR_US, approve_above_minor=500))


@pytest.fixture(scope="module")
def browser() -> Iterator[WebDriver]:
    with chromium() as driver:
        yield driver


@pytest.fixture
def running() -> Iterator[ThreadedMarket]:
    with threaded_market(rules=CAREFUL) as market:
        yield market


async def _awarded(running: ThreadedMarket) -> None:
    market = running.market
    await market.order("k")
    await market.advance(0.001)
    await market.bid(1_000)
    await market.advance(0)


def _operate(browser: WebDriver, running: ThreadedMarket) -> None:
    sign_in(browser, running, OPERATOR_KEY)
    wait(browser, "#op-participants tbody", "plant-1")


def _say(browser: WebDriver, button: str, reason: str) -> None:
    click(browser, button)
    wait(browser, "#ask")
    write(browser, "ask-reason", reason)
    browser.find_element(By.ID, "ask-reason").send_keys(Keys.ENTER)


def test_the_operator_sees_how_the_market_runs_and_who_takes_part(
    browser: WebDriver, running: ThreadedMarket
) -> None:
    running.run(_awarded(running))
    _operate(browser, running)
    wait(browser, "#op-ready", "Ready")
    wait(browser, "#op-status .tile", "entries")
    wait(browser, "#op-status .counts", "Awarded 1")
    wait(browser, "#op-rounds tbody tr", "r-000001")
    assert not browser.find_element(By.ID, "tab-orders").is_displayed()
    write(browser, "op-find", "plant")
    wait(browser, "#op-count", "3 of 5")
    assert "alice" not in browser.find_element(By.ID, "op-participants").text
    running.run(
        running.market.operator.post("/v1/operator/participants/plant-2/suspend", json={"reason": "x"})
    )
    write(browser, "op-find", "suspended")
    wait(browser, "#op-participants tbody", "plant-2")
    check_usable(browser)
    click(browser, "#tab-market")
    wait(browser, ".rounds-table tbody tr", "r-000001")
    check_clean(browser, running)


def test_the_operator_pauses_with_a_reason_and_resumes(browser: WebDriver, running: ThreadedMarket) -> None:
    _operate(browser, running)
    click(browser, "#op-pause")
    click(browser, "#ask-yes")
    wait(browser, "#ask-error", "A reason is needed")
    check_usable(browser)
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    wait_gone(browser, "#ask")
    _say(browser, "#op-pause", "audit of the week")
    wait(browser, "#op-status .callout", "audit of the week")
    wait(browser, "#op-ready", "Paused")
    market = running.run(running.market.alice.get("/v1/market")).json()
    assert market["paused"] == "audit of the week"
    _say(browser, "#op-pause", "done")
    wait(browser, "#op-ready", "Ready")
    assert running.run(running.market.alice.get("/v1/market")).json()["paused"] is None
    check_clean(browser, running)


def test_a_clearing_is_taken_back_until_somebody_has_confirmed(
    browser: WebDriver, running: ThreadedMarket
) -> None:
    running.run(_awarded(running))
    _operate(browser, running)
    running.run(running.market.report("confirmed", 1))
    _say(browser, "[data-key='void-r-000001']", "wrong rule")
    wait(browser, "#ask-error", "confirmed")
    click(browser, "#ask-no")
    running.run(running.market.order("k2"))
    running.run(running.market.advance(1))
    running.run(running.market.bid(1_000))
    wait(browser, "#op-rounds tbody tr", "r-000002")
    _say(browser, "[data-key='void-r-000002']", "wrong rule")
    wait(browser, "#op-rounds tbody tr:first-child", "void")
    wait_gone(browser, "[data-key='void-r-000002']")


def test_what_waits_for_a_human_is_shown_and_approved(browser: WebDriver, running: ThreadedMarket) -> None:
    running.run(_awarded(running))
    _operate(browser, running)
    (contract,) = running.market.service.state_of().state.contracts.values()
    silence = NoteSilence(participant=contract.contract.participant, last_heard_us=NOW_US)
    running.run(running.market.command("host", silence, "silence-1"))
    wait(browser, ".waiting", "alice")
    button = f"[data-key='approve-{contract.contract.order_id}']"
    browser.execute_script("document.querySelector(arguments[0]).focus()", button)
    browser.execute_script("window.before = document.activeElement")
    patient(browser).until(lambda driver: driver.execute_script("return !window.before.isConnected"))
    kept = browser.execute_script("return document.activeElement.dataset.key")
    assert kept == f"approve-{contract.contract.order_id}", "drawing anew does not take the focus away"
    check_usable(browser)
    click(browser, button)
    click(browser, "#ask-yes")
    wait_gone(browser, ".waiting")
    wait(browser, "#op-status .counts", "At risk 1")
    check_clean(browser, running)


def test_a_customer_sees_nothing_of_operation(browser: WebDriver, running: ThreadedMarket) -> None:
    sign_in(browser, running, ALICE)
    browser.execute_script("location.hash = 'operator'")
    wait(browser, "#list-empty", "No orders yet")
    assert not browser.find_element(By.ID, "tab-operator").is_displayed()
    assert not browser.find_element(By.ID, "operator").is_displayed()
