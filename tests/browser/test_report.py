"""The report in a headless Chromium: loads by itself, fits the window, reads in light and dark."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from scenarios.report.render import render
from tests.unit.scenarios.samples import sample_summary

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None or DRIVER is None, reason="no chromium and chromedriver on PATH: make browser"
    ),
]
AA_CONTRAST = 4.5

OVERLAPPING_LABELS = """
const labels = [...document.querySelectorAll('text.halo')];
const boxes = labels.map(t => [t.textContent, t.getBoundingClientRect()]);
const found = [];
for (let i = 0; i < boxes.length; i++) for (let j = 0; j < i; j++) {
  const [a, p] = boxes[i], [b, q] = boxes[j];
  const apart = p.left >= q.right || q.left >= p.right || p.top >= q.bottom || q.top >= p.bottom;
  if (!apart) found.push(a + ' on ' + b);
}
return found;
"""
OUTSIDE = """
const frame = arguments[0].getBoundingClientRect();
return [...arguments[0].querySelectorAll('text')].filter(t => {
  const box = t.getBoundingClientRect();
  return box.left < frame.left - 1 || box.right > frame.right + 1 || box.bottom > frame.bottom + 1;
}).map(t => t.textContent);
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in ("--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('chromium')}")
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    driver.set_page_load_timeout(60)
    driver.set_script_timeout(60)
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    file: Path = tmp_path_factory.mktemp("report") / "report.html"
    file.write_text(render(sample_summary()), encoding="utf-8")
    return file.as_uri()


def luminance(colour: str) -> float:
    channels = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def emulate(browser: webdriver.Chrome, scheme: str) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def test_it_loads_by_itself_without_a_complaint(browser: webdriver.Chrome, page: str) -> None:
    browser.get(page)
    assert browser.title == "Sample: three plants & six orders · Takt"
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert len(browser.find_elements(By.CSS_SELECTOR, "svg")) >= 4


@pytest.mark.parametrize("width", [420, 800, 1160, 1900])
def test_it_fits_the_window(browser: webdriver.Chrome, page: str, width: int) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(page)
    wide = browser.execute_script("return document.scrollingElement.scrollWidth")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert wide <= width


def test_no_text_of_a_picture_is_cut_off_or_covers_another(browser: webdriver.Chrome, page: str) -> None:
    browser.get(page)
    assert browser.execute_script(OVERLAPPING_LABELS) == []
    for picture in browser.find_elements(By.CSS_SELECTOR, ".frame svg"):
        assert browser.execute_script(OUTSIDE, picture) == [], picture.get_attribute("aria-label")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_light_and_dark(browser: webdriver.Chrome, page: str, scheme: str) -> None:
    emulate(browser, scheme)
    browser.get(page)
    body = browser.find_element(By.TAG_NAME, "body")
    ground = body.value_of_css_property("background-color")
    assert (luminance(ground) > 0.5) == (scheme == "light")
    for selector in ("h1", ".muted", ".card b", ".card span", "th", "td", "footer dd", ".legend li"):
        text = browser.find_element(By.CSS_SELECTOR, selector).value_of_css_property("color")
        assert contrast(text, ground) >= AA_CONTRAST, selector
    for label in browser.find_elements(By.CSS_SELECTOR, ".contract-text"):
        bar = label.find_element(By.XPATH, "preceding-sibling::*[1]").value_of_css_property("fill")
        assert contrast(label.value_of_css_property("fill"), bar) >= AA_CONTRAST, label.text
    cells = browser.find_elements(By.CSS_SELECTOR, "td.cell")
    assert cells, "the use of capacity is a table"
    emulate(browser, "light")


def test_it_prints_in_light_colours(browser: webdriver.Chrome, page: str) -> None:
    emulate(browser, "dark")
    browser.get(page)
    dark = browser.find_element(By.TAG_NAME, "body").value_of_css_property("background-color")
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"media": "print", "features": [{"name": "prefers-color-scheme", "value": "dark"}]},
    )
    printed = browser.find_element(By.TAG_NAME, "body").value_of_css_property("background-color")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    assert luminance(dark) < 0.1
    assert luminance(printed) == pytest.approx(1)
