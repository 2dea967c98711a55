"""The page in a real browser, on a real market: what a customer does and sees."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from tests.browser.chromium import chromium
from tests.integration.gateway_market import (
    ALICE,
    BOB,
    PART,
    LiveMarket,
    ThreadedMarket,
    order_body,
    sha256,
    threaded_market,
)

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


def _patient(browser: WebDriver) -> WebDriverWait[WebDriver]:
    """Return a wait that does not mind elements being drawn anew meanwhile."""
    return WebDriverWait(browser, 20, ignored_exceptions=[StaleElementReferenceException])


def _click(browser: WebDriver, selector: str) -> None:
    def click(driver: WebDriver) -> bool:
        driver.find_element(By.CSS_SELECTOR, selector).click()
        return True

    _patient(browser).until(click)


def _wait(browser: WebDriver, selector: str, text: str = "") -> None:
    """Wait until an element is shown that holds ``text``."""
    _patient(browser).until(
        lambda driver: any(
            element.is_displayed() and text in element.text
            for element in driver.find_elements(By.CSS_SELECTOR, selector)
        ),
        f"{selector} never showed {text!r}",
    )


def _sign_in(browser: WebDriver, running: ThreadedMarket, key: str = ALICE) -> None:
    browser.get(f"{running.market.server.url}/")
    _wait(browser, "#key")
    browser.find_element(By.ID, "key").send_keys(key)
    _click(browser, "#key-form button")
    _wait(browser, "#live-text", "live")


def _fill(browser: WebDriver, **values: str) -> None:
    for name, value in values.items():
        field = browser.find_element(By.ID, f"f-{name}")
        field.clear()
        field.send_keys(value)


def _send_order(browser: WebDriver, quantity: str = "7", limit: str = "5000.00") -> None:
    _click(browser, "#new")
    _wait(browser, "#order-form")
    _fill(browser, part_id="bracket", quantity=quantity, reservation_value_minor=limit)
    Select(browser.find_element(By.ID, "f-destination")).select_by_visible_text("Berlin (DE)")
    _click(browser, "#send")


async def _others_order(market: LiveMarket) -> None:
    """Let two more customers order, so that the round's welfare tells nobody's limit."""
    admission = {"roles": ["customer"], "api_key_sha256": sha256("carol-key"), "agent": False}
    await market.operator.put("/v1/operator/participants/carol", json=admission)
    body = order_body(part_id="own", plan=PART["plan"])
    for key in (BOB, "carol-key"):
        headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "theirs"}
        answer = await market.nobody.post("/v1/orders", json=body, headers=headers)
        assert answer.status_code == 201


def _check_clean(browser: WebDriver, running: ThreadedMarket) -> None:
    """Nothing failed, nothing came from elsewhere, nothing foreign ran."""
    names = browser.execute_script(
        "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    )
    assert names
    assert all(name.startswith(running.market.server.url) for name in names), names
    assert browser.title == "Takt"
    log = browser.get_log("browser")  # type: ignore[no-untyped-call]
    assert [entry for entry in log if entry["source"] != "network"] == []


def test_an_order_is_sent_and_its_state_is_seen_to_change(
    browser: WebDriver, running: ThreadedMarket
) -> None:
    market = running.market
    _sign_in(browser, running)
    _wait(browser, "#list-empty", "No orders yet")
    _send_order(browser)
    _wait(browser, ".detail[data-state=submitted] .badge", "Submitted")
    _wait(browser, "#list .order", "7 × bracket")

    running.run(_others_order(market))
    running.run(market.advance(0.001))
    _wait(browser, ".detail[data-state=calling] .badge", "Calling")
    running.run(market.bid(120_000))
    _wait(browser, ".detail[data-state=awarded] .badge", "Awarded")
    _wait(browser, ".detail .total", "€1,250.70")
    _wait(browser, ".detail .contract", "c-")
    _wait(browser, ".detail .plan", "0 of 7")  # made so far; beside it planned and expected end
    _wait(browser, "#list .order[data-state=awarded]", "€1,250.70")
    steps = browser.find_elements(By.CSS_SELECTOR, ".timeline li")
    assert [step.find_element(By.TAG_NAME, "strong").text for step in steps] == [
        "Submitted",
        "Calling",
        "Clearing",
        "Awarded",
    ]

    _click(browser, "#tab-market")
    _wait(browser, ".rounds-table tbody tr", "r-000001")
    _wait(browser, ".rounds-table tbody tr", "optimal")
    _wait(browser, ".rounds-table tbody tr", "3 of 3")
    assert browser.find_elements(By.CSS_SELECTOR, "figure svg rect.joint")
    _check_clean(browser, running)


def test_why_an_order_was_not_served_is_said(browser: WebDriver, running: ThreadedMarket) -> None:
    _sign_in(browser, running)
    _click(browser, "#new")
    _wait(browser, "#order-form")
    _fill(browser, good_for_takts="1")
    _send_order(browser, limit="10")
    _wait(browser, ".detail[data-state=submitted]")
    running.run(running.market.advance(0.001))
    running.run(running.market.bid(120_000))
    _wait(browser, ".detail[data-state=unserved] .callout", "costs more than your limit")
    _check_clean(browser, running)


def test_an_order_is_cancelled_after_a_question(browser: WebDriver, running: ThreadedMarket) -> None:
    _sign_in(browser, running)
    _send_order(browser)
    _wait(browser, ".detail[data-state=submitted]")
    _click(browser, ".detail .danger-text")
    _wait(browser, "#confirm", "Cancel this order?")
    _click(browser, "#confirm [value=no]")
    _wait(browser, ".detail[data-state=submitted]")
    _click(browser, ".detail .danger-text")
    _click(browser, "#confirm [value=yes]")
    _wait(browser, ".detail[data-state=cancelled] .badge", "Cancelled")
    _check_clean(browser, running)


def test_mistakes_are_shown_at_their_fields(browser: WebDriver, running: ThreadedMarket) -> None:
    _sign_in(browser, running)
    _send_order(browser, quantity="1.5", limit="12.345")
    _wait(browser, "#form-error", "marked fields")
    marked = browser.find_elements(By.CSS_SELECTOR, "#order-form [aria-invalid]")
    assert [field.get_attribute("name") for field in marked] == ["quantity", "reservation_value_minor"]
    _fill(browser, part_id="nothing", quantity="5", reservation_value_minor="12")
    _click(browser, "#send")
    _wait(browser, "#error-part_id", "no such part")
    _fill(browser, part_id="bracket")
    _click(browser, "#send")
    _wait(browser, ".detail[data-state=submitted]")
    assert browser.title == "Takt"


def test_a_wrong_key_is_refused_and_signing_out_forgets(browser: WebDriver, running: ThreadedMarket) -> None:
    _sign_in(browser, running)
    _send_order(browser)
    _wait(browser, ".detail[data-state=submitted]")
    _click(browser, "#sign-out")
    _wait(browser, "#key-form")
    browser.find_element(By.ID, "key").send_keys("wrong")
    _click(browser, "#key-form button")
    _wait(browser, "#key-error", "does not know this key")
    _sign_in(browser, running, BOB)
    _wait(browser, "#list-empty", "No orders yet")
    _check_clean(browser, running)
