"""What the pages link to exists, and their figures are small and drawn by the benchmark."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
PAGES = sorted([*(REPOSITORY / "docs").rglob("*.md"), REPOSITORY / "README.md"])
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def links(page: Path) -> list[str]:
    """Relative links of a page, code left out."""
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return [link for link in LINK.findall(text) if "://" not in link]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    missing = [link for link in links(page) if not (page.parent / link).exists()]
    assert missing == []


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("![a](figures/none.png) and [b](page.md#top), [c](https://example.org/x)")
    assert links(page) == ["figures/none.png", "page.md"]


def test_index_leads_to_every_page() -> None:
    docs = REPOSITORY / "docs"
    pages = {page.relative_to(docs).as_posix() for page in docs.rglob("*.md")} - {"index.md"}
    assert pages <= set(links(docs / "index.md"))


def test_figures_are_all_shown_and_small() -> None:
    figures = set((REPOSITORY / "docs" / "figures").iterdir())
    shown = {(page.parent / link).resolve() for page in PAGES for link in links(page)}
    assert {path for path in figures if path.resolve() not in shown} == set()
    assert all(path.stat().st_size < 200_000 for path in figures)
