"""The pages in a real browser, at two widths: `make browser-check`, which keeps screenshots."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from naetrigger.firmware_configs.machine import load_machine
from naetrigger.pipeline.report_pdf import find_browser, print_report
from naetrigger.validation.diff_page import diff_page
from naetrigger.validation.diff_schema import AucChange, DiffReport, FigureChange, Setting
from naetrigger.validation.plots import Style
from naetrigger.validation.rates_document import rates_document
from naetrigger.validation.rates_page import rates_page
from naetrigger.validation.settings import ValidationSettings
from naetrigger.validation.stage import validate
from tests.validation.conftest import make_inputs, write_curves
from tests.validation.test_rates import QUESTION, crossings

pytestmark = pytest.mark.browser

WIDTHS = (1280, 400)
SCREENSHOTS = Path("runs/browser")
SMALLEST_TEXT = 11  # pixels
FIGURES = {"report": 10, "rates": 2, "diff": 1}  # by page: at least so many


@dataclass
class Opened:
    """A page as the browser shows it, and what it said and asked for."""

    name: str
    path: Path
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
def pages(report: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every page by its name."""
    folder = tmp_path_factory.mktemp("pages")
    written = {"rates": rates_html(), "diff": diff_page(changes())}
    for name, text in written.items():
        (folder / f"{name}.html").write_text(text)
    return {"report": report, **{name: folder / f"{name}.html" for name in written}}


def rates_html() -> str:
    document = {
        "naetrigger": "1",
        "recipe": "demo",
        "engine": "network",
        "file": "zero_bias.h5",
        "process": "zero_bias",
        "machine": load_machine("lhc-run3").model_dump(mode="json"),
        "notes": ["a note"],
        **rates_document(crossings(20_000), QUESTION),
    }
    return rates_page(document, Style())


def changes() -> DiffReport:
    auc = {"engine": "network", "error_a": 0.01, "error_b": 0.01, "error": 0.002, "paired": True}
    return DiffReport(
        a="runs/one",
        b="runs/other",
        same=False,
        worse=("latency",),
        recipe=(Setting(key="student.weight_bits", a=8, b=6),),
        auc=tuple(
            AucChange(signal=name, model=model, a=0.8, b=0.8 + step, difference=step, **auc)
            for name, step in (("top", 0.004), ("leptoquark", -0.001))
            for model in ("teacher", "student")
        ),
        firmware=(FigureChange(target="rtl", source="yosys", quantity="lut", a=9000, b=8000),),
    )


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as player:
        started = player.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(
    scope="module",
    params=[(name, width) for name in FIGURES for width in WIDTHS],
    ids=lambda case: f"{case[0]}-{case[1]}",
)
def opened(
    request: pytest.FixtureRequest, browser: Any, pages: dict[str, Path]
) -> Iterator[Opened]:
    name, width = request.param
    page = browser.new_page(viewport={"width": width, "height": 900})
    seen = Opened(name, pages[name], page, width)
    page.on("console", lambda message: seen.said.append(message.text))
    page.on("pageerror", lambda error: seen.said.append(str(error)))
    page.on("request", lambda asked: seen.asked.append(asked.url))
    page.goto(seen.path.as_uri())
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}-{width}.png", full_page=True)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    page.screenshot(path=SCREENSHOTS / f"{name}-{width}-open.png", full_page=True)
    yield seen
    page.close()


def test_nothing_is_said_and_nothing_fetched(opened: Opened) -> None:
    assert opened.said == []
    assert opened.asked == [opened.path.as_uri()]


def test_every_figure_is_drawn(opened: Opened) -> None:
    boxes = [svg.bounding_box() for svg in opened.page.query_selector_all("figure svg")]
    captions = opened.page.query_selector_all("figcaption")
    assert len(boxes) == len(captions) >= FIGURES[opened.name]
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
