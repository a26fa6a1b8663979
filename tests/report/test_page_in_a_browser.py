"""The page in headless Chromium: it follows the pointer, sorts, filters, slides, and asks nobody for anything."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pages import written

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytest.importorskip("vl_convert", reason="the page's charts need vl-convert-python: pip install 'pushforward[report]'")
webdriver = pytest.importorskip(
    "selenium.webdriver", reason="selenium drives the browser: pip install 'pushforward[dev]'"
)
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="no chromium and chromedriver: apt-get install chromium chromium-driver"
)
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
PATIENCE = 60
"""Seconds that something may take to come about, on however slow a machine."""


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS.split(), f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.set_page_load_timeout(5 * PATIENCE)
    driver.set_window_size(1200, 900)
    yield driver
    driver.quit()


def until(seen: Any, wanted: Any) -> None:
    """Waits until seen() is what is wanted."""
    end = time.monotonic() + PATIENCE
    while (found := seen()) != wanted:
        assert time.monotonic() < end, f"{found!r}, not {wanted!r}"
        time.sleep(0.05)


def test_a_person_looks_at_the_page(browser: Any, make: Any, tmp_path: Path) -> None:
    browser.get(written(make, tmp_path / "page.html").as_uri())
    run = browser.execute_script
    titles = (
        "[...document.querySelectorAll('#compared tbody:first-of-type tr:not([hidden]) th')].map(e => e.textContent)"
    )
    rows = lambda: run(f"return {titles}")  # noqa: E731
    until(lambda: run("return document.querySelectorAll('.chart svg').length"), 3)

    # the table sorts and filters
    assert rows() == ["ae", "vae", "gan"]
    heading = "[...document.querySelectorAll('#compared thead button')].find(e => e.textContent.startsWith('mse'))"
    run(f"{heading}.click()")
    assert rows() == ["gan", "ae", "vae"]
    assert run(f"return {heading}.parentElement.getAttribute('aria-sort')") == "ascending"
    run(f"{heading}.click()")
    assert rows() == ["vae", "ae", "gan"]
    field = browser.find_element("id", "filter")
    field.send_keys("vae, gan")
    assert rows() == ["vae", "gan"]
    assert run("return document.getElementById('count').textContent") == "2 of 3 rows"
    field.clear()

    # a number opens its card
    run("document.querySelector('#compared tbody:first-of-type [data-card]').click()")
    card = browser.find_element("id", "card")
    assert card.is_displayed() and "better" in card.text
    run("document.getElementById('card').hidePopover()")

    # the decoded image follows the pointer, and the arrow keys
    maps, images = browser.find_elements("css selector", ".map"), browser.find_elements("css selector", ".decoded")
    assert len(maps) == len(images) == 2
    chosen = "return [...document.querySelectorAll('.panel select')].map(e => e.value)"
    assert run(chosen) == ["ae", "vae"]
    shown = lambda: [image.get_attribute("data-tile") for image in images]  # noqa: E731
    grey = "const c = document.querySelector('.decoded'); return c.getContext('2d').getImageData(0, 0, 1, 1).data[0]"
    until(shown, ["12", "12"])  # the middle of five by five
    run("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", maps[0])
    half = maps[0].size["width"] // 2 - 3
    move = webdriver.ActionChains(browser, duration=0).move_to_element_with_offset
    move(maps[0], half, -half).perform()
    until(shown, ["24", "12"])
    until(lambda: run(grey), 240)
    move(maps[0], -half, half).perform()
    until(shown, ["0", "12"])
    until(lambda: run(grey), 0)
    maps[1].send_keys(webdriver.Keys.ARROW_RIGHT, webdriver.Keys.ARROW_UP)
    until(shown, ["0", "18"])

    # ways between images, units, steps, moments
    slide = "const [e, v] = arguments; e.value = v; e.dispatchEvent(new Event('input'))"
    way = browser.find_element("id", "way")
    tile = lambda where: run(f"return [...document.querySelectorAll('{where}')].map(e => e.dataset.tile)")  # noqa: E731
    until(lambda: tile("#between .tile"), ["4", "4"])
    run(slide, way, 8)
    until(lambda: tile("#between .tile"), ["8", "8"])
    run(
        "document.querySelectorAll('#between .thumbs button')[2].click()"
    )  # from image 3 to image 2: their way backwards
    until(lambda: tile("#between .tile"), ["18", "18"])
    run(slide, browser.find_element("css selector", "#traversals input"), 0)
    until(lambda: tile("#traversals canvas")[:2], ["0", "16"])
    for where in ("trajectories", "moments"):
        run(slide, browser.find_element("id", f"{where}-0"), 1)
        until(lambda where=where: tile(f"#{where} canvas")[0], "1")

    # configurations, colours
    run("const b = document.getElementById('run-b'); b.value = '4'; b.dispatchEvent(new Event('change'))")
    keys = "return [...document.querySelectorAll('#differences tbody tr')].map(r => r.cells[0].textContent)"
    assert "choices.model" in run(keys)
    paper = "return getComputedStyle(document.body).backgroundColor"
    before = run(paper)
    run("document.getElementById('theme').click()")
    assert run(paper) != before
    until(lambda: run("return document.querySelectorAll('.chart svg').length"), 3)

    # at a phone's width nothing but tables and charts is wider than the screen
    screen = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    until(lambda: run("return document.documentElement.scrollWidth <= 390"), True)

    errors = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert not errors
    asked = [
        entry["message"]
        for entry in browser.get_log("performance")
        if '"Network.requestWillBeSent"' in entry["message"]
    ]
    assert asked and not [message for message in asked if '"url":"http' in message]
