"""After an award, in a real browser: a change is asked for, priced and accepted; the account shows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from market.model.contract_rules import ContractRules
from tests.browser.chromium import chromium
from tests.browser.pages import (
    check_clean,
    check_usable,
    click,
    patient,
    send_order,
    sign_in,
    wait,
    wait_gone,
    write,
)
from tests.integration.gateway_market import PART, RULES, ThreadedMarket, threaded_market

pytestmark = pytest.mark.browser

PRICED = replace(RULES, contracts=ContractRules(cancel_awarded_ppm=50_000, cancel_confirmed_ppm=100_000))


@pytest.fixture(scope="module")
def browser() -> Iterator[WebDriver]:
    with chromium() as driver:
        yield driver


@pytest.fixture
def running() -> Iterator[ThreadedMarket]:
    with threaded_market(rules=PRICED) as market:
        market.run(market.market.alice.put("/v1/parts/bracket", json=PART))
        yield market


def _awarded(browser: WebDriver, running: ThreadedMarket) -> None:
    """Send an order of seven that is won for 1,200.00."""
    sign_in(browser, running)
    send_order(browser)
    wait(browser, ".detail[data-state=submitted]")
    running.run(running.market.advance(0.001))
    running.run(running.market.bid(120_000))
    wait(browser, ".detail[data-state=awarded]")


def _ask(browser: WebDriver, quantity: str) -> None:
    click(browser, ".detail .change")
    wait(browser, "#change-form")
    write(browser, "c-quantity", quantity)
    click(browser, "#ask-price")


def test_a_change_is_priced_and_accepted_and_stands_on_the_account(
    browser: WebDriver, running: ThreadedMarket
) -> None:
    _awarded(browser, running)
    _ask(browser, "5")
    wait(browser, "#quote-facts", "5 pieces instead of 7.")
    wait(browser, "#quote-facts", "€17.14")
    wait(browser, "#quote-facts", "€342.85 less to pay")
    wait(browser, "#accept", "Accept for €17.14")
    check_usable(browser)
    browser.switch_to.active_element.send_keys(Keys.ENTER)  # it has the focus
    wait_gone(browser, "#change")
    wait(browser, ".detail h2", "5 × bracket")
    wait(browser, ".detail .total", "€907.85")
    wait(browser, ".payments tbody", "Work given up")
    wait(browser, ".payments tfoot", "-€17.14")
    click(browser, "#tab-account")
    wait(browser, "#account .tile", "-€17.14")
    wait(browser, "#account .lines tbody", "5 × bracket")
    check_usable(browser)
    paid = {"amount_minor": 1714, "reference": "bank-1"}
    running.run(running.market.operator.post("/v1/operator/participants/alice/payments", json=paid))
    wait(browser, "#account .lines tbody", "+€17.14")
    wait(browser, "#account .tile", "nothing is open")
    click(browser, "#account .lines a")
    wait(browser, ".detail h2", "5 × bracket")
    check_clean(browser, running)


def test_a_settled_order_says_what_was_paid_to_whom(browser: WebDriver, running: ThreadedMarket) -> None:
    _awarded(browser, running)
    for number, milestone in enumerate(("confirmed", "started", "finished", "shipped", "delivered"), start=1):
        running.run(running.market.report(milestone, number))  # type: ignore[arg-type]
    running.run(running.market.advance(0.1))
    wait(browser, ".detail[data-state=settled]")
    wait(browser, ".payments tbody", "in all €1,250.70: €1,200.00 to who made it, €50.70 to carriers")
    wait(browser, ".payments tfoot", "-€1,250.70")
    assert not browser.find_elements(By.CSS_SELECTOR, ".detail .change"), "nothing is left to change"


def test_cancelling_after_the_award_has_a_price_too_and_may_be_left(
    browser: WebDriver, running: ThreadedMarket
) -> None:
    _awarded(browser, running)
    click(browser, ".detail .change")
    wait(browser, "#change-form")
    click(browser, "#change-form [value=cancel]")
    wait_gone(browser, "#change-fields")
    click(browser, "#ask-price")
    wait(browser, "#quote-facts", "The order is cancelled.")
    wait(browser, "#quote-facts", "€60.00")
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    wait_gone(browser, "#change")
    wait(browser, ".detail[data-state=awarded]")
    click(browser, ".detail .change")
    wait(browser, "#change-form")
    click(browser, "#change-form [value=cancel]")
    click(browser, "#ask-price")
    click(browser, "#accept")
    wait(browser, ".detail[data-state=cancelled]")
    wait(browser, ".payments tfoot", "-€60.00")


def test_what_can_not_be_asked_and_a_price_that_is_another_by_now_are_said(
    browser: WebDriver, running: ThreadedMarket
) -> None:
    _awarded(browser, running)
    _ask(browser, "7")
    wait(browser, "#change-error", "Nothing is changed yet.")
    write(browser, "c-quantity", "1.5")
    click(browser, "#ask-price")
    wait(browser, "#error-c-quantity", "whole number")
    write(browser, "c-quantity", "6")
    click(browser, "#ask-price")
    wait(browser, "#accept")
    running.run(running.market.report("confirmed", 1))
    click(browser, "#accept")
    wait(browser, "#quote-error", "ask again")
    click(browser, "#ask-again")
    patient(browser).until(lambda driver: driver.switch_to.active_element.get_attribute("id") == "c-quantity")
    click(browser, "#ask-price")
    wait(browser, "#accept", "Accept for €17.14")
    click(browser, "#accept")
    wait(browser, ".detail h2", "6 × bracket")
