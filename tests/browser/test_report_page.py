"""The report in a real browser, at two widths: `make browser-check`, which keeps screenshots."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from naetrigger.pipeline.report_pdf import find_browser, print_report
from naetrigger.validation.settings import ValidationSettings
from naetrigger.validation.stage import validate
from tests.validation.conftest import make_inputs, write_curves

pytestmark = pytest.mark.browser

WIDTHS = (1280, 400)
SCREENSHOTS = Path("runs/browser")
SMALLEST_TEXT = 11  # pixels


@dataclass
class Opened:
    """A page as the browser shows it, and what it said and asked for."""

    page: Any
    width: int
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    inputs = make_inputs(n=4000, curves=write_curves(folder / "curves.csv"))
    validate(ValidationSettings(), inputs, folder / "validation")
    return folder / "validation" / "report.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as player:
        started = player.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module", params=WIDTHS)
def opened(request: pytest.FixtureRequest, browser: Any, report: Path) -> Iterator[Opened]:
    page = browser.new_page(viewport={"width": request.param, "height": 900})
    seen = Opened(page, request.param)
    page.on("console", lambda message: seen.said.append(message.text))
    page.on("pageerror", lambda error: seen.said.append(str(error)))
    page.on("request", lambda asked: seen.asked.append(asked.url))
    page.goto(report.as_uri())
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"report-{request.param}.png", full_page=True)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    page.screenshot(path=SCREENSHOTS / f"report-{request.param}-open.png", full_page=True)
    yield seen
    page.close()


def test_nothing_is_said_and_nothing_fetched(opened: Opened, report: Path) -> None:
    assert opened.said == []
    assert opened.asked == [report.as_uri()]


def test_every_figure_is_drawn(opened: Opened) -> None:
    boxes = [svg.bounding_box() for svg in opened.page.query_selector_all("figure svg")]
    captions = opened.page.query_selector_all("figcaption")
    assert len(boxes) == len(captions) > 10
    for box, caption in zip(boxes, captions, strict=True):
        assert box is not None, caption.inner_text()
        assert min(box["width"], box["height"]) > 100, caption.inner_text()
        assert box["x"] + box["width"] <= opened.width, caption.inner_text()


def test_the_page_is_as_wide_as_the_window(opened: Opened) -> None:
    """Wide tables scroll by themselves; the page does not."""
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= opened.width


def test_no_text_is_tiny(opened: Opened) -> None:
    sizes = opened.page.evaluate(
        """() => [...document.querySelectorAll('p, li, td, th, dt, dd, figcaption, summary, a')]
            .map(e => [parseFloat(getComputedStyle(e).fontSize), e.textContent.slice(0, 40)])"""
    )
    assert [entry for entry in sizes if entry[0] < SMALLEST_TEXT] == []


def test_the_verdict_is_on_the_first_screen(opened: Opened) -> None:
    verdict = opened.page.query_selector(".verdict").bounding_box()
    assert verdict["y"] + verdict["height"] < 900


def test_every_link_of_the_page_leads_somewhere(opened: Opened) -> None:
    dead = opened.page.evaluate(
        """() => [...document.querySelectorAll('a')].map(a => a.getAttribute('href'))
            .filter(h => !h.startsWith('#') || !document.getElementById(h.slice(1)))"""
    )
    assert dead == []


def test_the_report_is_printed(report: Path, tmp_path: Path) -> None:
    print_report(report, tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").stat().st_size > 100_000
