"""The site in a real browser, at two widths: part of `make browser-check`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from naetrigger.pipeline.report_pdf import find_browser
from tests.docs.blocks import DOCS, REPOSITORY

pytestmark = pytest.mark.browser

SCREENSHOTS = Path("runs/browser")
WIDTHS = (1280, 400)
PAGES = sorted(
    page.relative_to(DOCS).with_suffix(".html").as_posix() for page in DOCS.rglob("*.md")
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", str(folder)]
    subprocess.run(command, cwd=REPOSITORY, check=True)
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as player:
        started = player.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        yield started
        started.close()


@pytest.mark.parametrize("width", WIDTHS)
def test_pages_fit_and_fetch_nothing(width: int, browser: Any, site: Path) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page = browser.new_page(viewport={"width": width, "height": 900})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    too_wide = {}
    for name in PAGES:
        page.goto((site / name).as_uri())
        shot = SCREENSHOTS / f"site-{width}-{name.replace('/', '-')}.png"
        page.screenshot(path=shot, full_page=True)
        wide = page.evaluate("document.documentElement.scrollWidth")
        if wide > width:
            too_wide[name] = wide
        broken = page.evaluate("[...document.images].filter(i => !i.naturalWidth).map(i => i.src)")
        assert broken == [], name
    page.close()
    assert too_wide == {}
    assert [url for url in asked if not url.startswith(("file://", "data:"))] == []


def test_search_finds_a_page_from_a_server(browser: Any, site: Path) -> None:
    """The index is local; browsers let workers read it from a server alone."""
    server = subprocess.Popen(
        [sys.executable, "-m", "http.server", "0", "--bind", "127.0.0.1"],
        cwd=site,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={"PYTHONUNBUFFERED": "1"},
    )
    try:
        assert server.stdout is not None
        port = server.stdout.readline().split(" port ")[1].split()[0]
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(f"http://127.0.0.1:{port}/index.html")
        page.fill("input[name=query]", "Langevin")
        page.wait_for_selector(".md-search-result__item", timeout=60_000)
        assert "training" in page.inner_html(".md-search-result__list")
        page.close()
    finally:
        server.terminate()
        server.wait()
