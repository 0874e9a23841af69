"""The report in a real browser: quiet, without the network, at every width, by keyboard, for who does not see it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
LEARNED = ".faces:has(input)"  # the faces of the toy that learns; those of a fixed one have nothing to slide to
SAMPLE = Path(__file__).parents[3] / "docs" / "samples" / "report.html"
WIDTHS = (1600, 800, 390)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no 'chromium' on PATH: the report cannot be looked at")


@dataclass
class Open:
    """A page that is open, and what it did meanwhile.

    Attributes:
        page: Playwright's.
        said: On the console, and what was thrown.
        asked: Addresses, other than the file's own and data URIs.
    """

    page: Page
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


def _open(browser: Browser, report: Path, *, width: int = 1600, **given: Any) -> Open:
    page = browser.new_context(viewport={"width": width, "height": 900}, **given).new_page()
    page.set_default_timeout(60_000)
    found = Open(page=page)
    page.on("console", lambda message: found.said.append(message.text))
    page.on("pageerror", lambda error: found.said.append(str(error)))
    page.on("request", lambda request: found.asked.append(request.url))
    page.goto(report.as_uri())
    found.asked = [url for url in found.asked if url != report.as_uri() and not url.startswith("data:")]
    return found


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_shut_out(browser: Browser, report: Path, width: int, scheme: Any) -> None:
    found = _open(browser, report, width=width, color_scheme=scheme)
    page = found.page
    if folder := os.environ.get("FAKEOFF_SHOTS"):
        page.screenshot(path=Path(folder) / f"report-{width}-{scheme}.png", full_page=True)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "it scrolls sideways"
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
    assert (found.said, found.asked) == ([], [])
    page.context.close()


@pytest.mark.parametrize("width", WIDTHS)
def test_the_sample_of_a_larger_game_does_not_scroll_sideways(browser: Browser, width: int) -> None:
    page = _open(browser, SAMPLE, width=width).page
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.context.close()


def test_the_slider_walks_through_the_versions_by_keyboard(browser: Browser, report: Path) -> None:
    page = _open(browser, report).page
    learned = page.locator(LEARNED)
    slider, output = learned.get_by_role("slider"), learned.locator("output")
    newer = learned.locator(".stages .stage").nth(1)
    expect(output).to_have_text("toy_generator@0, as it came")
    assert newer.evaluate("one => one.style.getPropertyValue('--cut')") == "0%"
    slider.focus()
    slider.press("PageUp")
    assert 0 < float(newer.evaluate("one => one.style.getPropertyValue('--cut')").rstrip("%")) <= 100
    slider.press("End")
    expect(output).to_contain_text("toy_generator@2, finetuned against")
    assert "toy_generator@2" in str(slider.get_attribute("aria-valuetext"))
    assert newer.evaluate("one => one.style.getPropertyValue('--cut')") == "100%"
    page.context.close()


def test_the_matrix_is_read_by_arrow_keys_and_through_another_lens(browser: Browser, report: Path) -> None:
    page = _open(browser, report).page
    readout, cells = page.locator(".readout"), page.locator("#payoff td")
    cells.first.focus()
    told = readout.inner_text()
    assert "judging" in told
    assert "AUC" in told
    page.keyboard.press("ArrowRight")
    expect(cells.nth(1)).to_be_focused()
    expect(readout).not_to_have_text(told)
    page.keyboard.press("ArrowLeft")
    page.get_by_role("radio", name="Accuracy").check()
    expect(readout).to_contain_text("Accuracy")
    assert cells.first.inner_text().strip().startswith(tuple("0123456789"))
    expect(cells.first.locator(".reading.accuracy")).to_be_visible()
    expect(cells.first.locator(".reading.auc")).to_be_hidden()
    page.context.close()


def test_without_scripts_all_faces_stand_beside_each_other(browser: Browser, report: Path) -> None:
    found = _open(browser, report, width=390, java_script_enabled=False)
    page = found.page
    first = page.locator(LEARNED)
    tops = [row.bounding_box() for row in first.locator(".stage .row").all()]
    assert len(tops) == 3
    assert len({round(box["y"]) for box in tops if box}) == 3
    expect(first.locator(".slider")).to_be_hidden()
    expect(page.locator(".readout")).to_be_hidden()
    page.context.close()


def test_paper_has_all_versions_and_no_sliders(browser: Browser, report: Path) -> None:
    page = _open(browser, report).page
    page.emulate_media(media="print")
    expect(page.locator(".slider").first).to_be_hidden()
    expect(page.locator("nav")).to_be_hidden()
    expect(page.locator(f"{LEARNED} .stage .label").nth(1)).to_be_visible()
    page.context.close()
