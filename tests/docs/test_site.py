"""The site leads to every page, and is built without a warning or a word from elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from tests.docs.blocks import DOCS, REPOSITORY

CONFIG = REPOSITORY / "mkdocs.yml"


def pages(nav: object) -> list[str]:
    """Every page that the navigation names."""
    match nav:
        case str():
            return [nav]
        case list():
            return [page for entry in nav for page in pages(entry)]
        case dict():
            return [page for entry in nav.values() for page in pages(entry)]
    raise TypeError(nav)


def test_the_navigation_has_every_page_once() -> None:
    named = pages(yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["nav"])
    assert sorted(named) == sorted(p.relative_to(DOCS).as_posix() for p in DOCS.rglob("*.md"))


class Fetched(HTMLParser):
    """Addresses that a browser fetches without being asked."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag in ("script", "img", "iframe"):
            self.addresses.append(named.get("src") or "")
        if tag == "link" and named.get("rel") not in ("canonical", "next", "prev"):
            self.addresses.append(named.get("href") or "")


def fetched(text: str) -> list[str]:
    parser = Fetched()
    parser.feed(text)
    return [address for address in parser.addresses if "//" in address]


def test_what_a_browser_would_fetch_is_seen() -> None:
    text = '<link rel="stylesheet" href="https://fonts.example/css"><img src="a.png"><a href="//x">'
    assert fetched(text) == ["https://fonts.example/css"]


@pytest.mark.docs
def test_the_site_is_built_and_fetches_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", str(tmp_path / "s")]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not re.search(r"WARNING|ERROR", done.stderr), done.stderr
    built = sorted((tmp_path / "s").rglob("*.html"))
    assert len(built) >= len(list(DOCS.rglob("*.md")))
    assert {path.name: fetched(path.read_text(encoding="utf-8")) for path in built} == {
        path.name: [] for path in built
    }
