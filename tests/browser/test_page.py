"""The page in a real browser, on a real market: what a customer does and sees."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By

from tests.browser.chromium import chromium
from tests.browser.pages import (
    check_clean,
    check_usable,
    click,
    fill,
    others_order,
    send_order,
    sign_in,
    wait,
)
from tests.integration.gateway_market import BOB, PART, ThreadedMarket, threaded_market

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=\"document.title='taken'\">"


@pytest.fixture(scope="module")
def browser() -> Iterator[WebDriver]:
    with chromium() as driver:
        yield driver


@pytest.fixture
def running() -> Iterator[ThreadedMarket]:
    with threaded_market() as market:
        market.run(market.market.alice.put("/v1/parts/bracket", json=PART | {"name": HOSTILE}))
        yield market


def test_an_order_is_sent_and_its_state_is_seen_to_change(
    browser: WebDriver, running: ThreadedMarket
) -> None:
    market = running.market
    sign_in(browser, running)
    wait(browser, "#list-empty", "No orders yet")
    send_order(browser)
    wait(browser, ".detail[data-state=submitted] .badge", "Submitted")
    wait(browser, "#list .order", "7 × bracket")

    running.run(others_order(market))
    running.run(market.advance(0.001))
    wait(browser, ".detail[data-state=calling] .badge", "Calling")
    running.run(market.bid(120_000))
    wait(browser, ".detail[data-state=awarded] .badge", "Awarded")
    wait(browser, ".detail .total", "€1,250.70")
    wait(browser, ".detail .contract", "c-")
    wait(browser, ".detail .plan", "0 of 7")  # made so far; beside it planned and expected end
    wait(browser, "#list .order[data-state=awarded]", "€1,250.70")
    steps = browser.find_elements(By.CSS_SELECTOR, ".timeline li")
    assert [step.find_element(By.TAG_NAME, "strong").text for step in steps] == [
        "Submitted",
        "Calling",
        "Clearing",
        "Awarded",
    ]

    click(browser, "#tab-market")
    wait(browser, ".rounds-table tbody tr", "r-000001")
    wait(browser, ".rounds-table tbody tr", "optimal")
    wait(browser, ".rounds-table tbody tr", "3 of 3")
    assert browser.find_elements(By.CSS_SELECTOR, "figure svg rect.joint")
    check_usable(browser)
    check_clean(browser, running)


def test_why_an_order_was_not_served_is_said(browser: WebDriver, running: ThreadedMarket) -> None:
    sign_in(browser, running)
    click(browser, "#new")
    wait(browser, "#order-form")
    fill(browser, good_for_takts="1")
    send_order(browser, limit="10")
    wait(browser, ".detail[data-state=submitted]")
    running.run(running.market.advance(0.001))
    running.run(running.market.bid(120_000))
    wait(browser, ".detail[data-state=unserved] .callout", "costs more than your limit")
    check_clean(browser, running)


def test_an_order_is_cancelled_after_a_question(browser: WebDriver, running: ThreadedMarket) -> None:
    sign_in(browser, running)
    send_order(browser)
    wait(browser, ".detail[data-state=submitted]")
    click(browser, ".detail .danger-text")
    wait(browser, "#confirm", "Cancel this order?")
    click(browser, "#confirm [value=no]")
    wait(browser, ".detail[data-state=submitted]")
    click(browser, ".detail .danger-text")
    click(browser, "#confirm [value=yes]")
    wait(browser, ".detail[data-state=cancelled] .badge", "Cancelled")
    check_clean(browser, running)


def test_mistakes_are_shown_at_their_fields(browser: WebDriver, running: ThreadedMarket) -> None:
    sign_in(browser, running)
    send_order(browser, quantity="1.5", limit="12.345")
    wait(browser, "#form-error", "marked fields")
    marked = browser.find_elements(By.CSS_SELECTOR, "#order-form [aria-invalid]")
    assert [field.get_attribute("name") for field in marked] == ["quantity", "reservation_value_minor"]
    fill(browser, part_id="nothing", quantity="5", reservation_value_minor="12")
    click(browser, "#send")
    wait(browser, "#error-part_id", "no such part")
    fill(browser, part_id="bracket")
    click(browser, "#send")
    wait(browser, ".detail[data-state=submitted]")
    assert browser.title == "Takt"


def test_a_wrong_key_is_refused_and_signing_out_forgets(browser: WebDriver, running: ThreadedMarket) -> None:
    sign_in(browser, running)
    send_order(browser)
    wait(browser, ".detail[data-state=submitted]")
    click(browser, "#sign-out")
    wait(browser, "#key-form")
    browser.find_element(By.ID, "key").send_keys("wrong")
    click(browser, "#key-form button")
    wait(browser, "#key-error", "does not know this key")
    sign_in(browser, running, BOB)
    wait(browser, "#list-empty", "No orders yet")
    check_clean(browser, running)
