"""What the tests of the page do in the browser: sign in, click, wait; and what must hold of every view."""

from __future__ import annotations

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from tests.integration.gateway_market import ALICE, BOB, PART, LiveMarket, ThreadedMarket, order_body, sha256

_UNNAMED = """
return [...document.querySelectorAll('button, input, select, a, [role=region], dialog')]
  .filter((node) => node.checkVisibility())
  .filter((node) => !(node.textContent.trim() || node.labels?.length || node.getAttribute('aria-label')
    || node.getAttribute('aria-labelledby')))
  .map((node) => node.outerHTML);
"""


def patient(browser: WebDriver) -> WebDriverWait[WebDriver]:
    """Return a wait that does not mind elements being drawn anew meanwhile."""
    return WebDriverWait(browser, 20, ignored_exceptions=[StaleElementReferenceException])


def click(browser: WebDriver, selector: str) -> None:
    """Click an element, as soon as there is one."""

    def clicked(driver: WebDriver) -> bool:
        driver.find_element(By.CSS_SELECTOR, selector).click()
        return True

    patient(browser).until(clicked)


def wait(browser: WebDriver, selector: str, text: str = "") -> None:
    """Wait until an element is shown that holds ``text``."""
    patient(browser).until(
        lambda driver: any(
            element.is_displayed() and text in element.text
            for element in driver.find_elements(By.CSS_SELECTOR, selector)
        ),
        f"{selector} never showed {text!r}",
    )


def wait_gone(browser: WebDriver, selector: str) -> None:
    """Wait until no such element is shown any more."""
    patient(browser).until(
        lambda driver: (
            not any(element.is_displayed() for element in driver.find_elements(By.CSS_SELECTOR, selector))
        ),
        f"{selector} never went",
    )


def sign_in(browser: WebDriver, running: ThreadedMarket, key: str = ALICE) -> None:
    """Open the page with a key."""
    browser.get(f"{running.market.server.url}/")
    wait(browser, "#key")
    browser.find_element(By.ID, "key").send_keys(key)
    click(browser, "#key-form button")
    wait(browser, "#live-text", "live")


def fill(browser: WebDriver, **values: str) -> None:
    """Write into fields of the order form."""
    for name, value in values.items():
        write(browser, f"f-{name}", value)


def write(browser: WebDriver, id_: str, value: str) -> None:
    """Write into a field in place of what it holds."""
    field = browser.find_element(By.ID, id_)
    field.clear()
    field.send_keys(value)


def send_order(browser: WebDriver, quantity: str = "7", limit: str = "5000.00") -> None:
    """Send an order by the form."""
    click(browser, "#new")
    wait(browser, "#order-form")
    fill(browser, part_id="bracket", quantity=quantity, reservation_value_minor=limit)
    Select(browser.find_element(By.ID, "f-destination")).select_by_visible_text("Berlin (DE)")
    click(browser, "#send")


async def others_order(market: LiveMarket) -> None:
    """Let two more customers order, so that the round's welfare tells nobody's limit."""
    admission = {"roles": ["customer"], "api_key_sha256": sha256("carol-key"), "agent": False}
    await market.operator.put("/v1/operator/participants/carol", json=admission)
    body = order_body(part_id="own", plan=PART["plan"])
    for key in (BOB, "carol-key"):
        headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "theirs"}
        answer = await market.nobody.post("/v1/orders", json=body, headers=headers)
        assert answer.status_code == 201


def check_clean(browser: WebDriver, running: ThreadedMarket) -> None:
    """Nothing failed, nothing came from elsewhere, nothing foreign ran."""
    names = browser.execute_script(
        "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    )
    assert names
    assert all(name.startswith(running.market.server.url) for name in names), names
    assert browser.title == "Takt"
    log = browser.get_log("browser")  # type: ignore[no-untyped-call]
    assert [entry for entry in log if entry["source"] != "network"] == []


def check_usable(browser: WebDriver) -> None:
    """Everything has a name for who does not see it, and nothing is cut off on a narrow phone."""
    assert browser.execute_script(_UNNAMED) == []
    narrow = {"width": 360, "height": 780, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", narrow)
    try:
        wide = browser.execute_script(
            "const most = document.documentElement.clientWidth;"
            "const open = [...document.querySelectorAll('dialog[open]')];"
            "const cut = open.some((dialog) => dialog.scrollWidth > dialog.clientWidth);"
            "return cut || document.documentElement.scrollWidth > most || window.innerWidth > 360;"
        )
        assert not wide
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
