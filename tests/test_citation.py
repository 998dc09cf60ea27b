"""CITATION.cff has what the format demands, and this version."""

from __future__ import annotations

from pathlib import Path

import yaml

from naetrigger.contracts.version import __version__

REPOSITORY = Path(__file__).parents[1]


def test_citation_file() -> None:
    """Required keys of the Citation File Format 1.2.0; a version that is not ours is stale."""
    found = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(found)
    assert found["cff-version"] == "1.2.0"
    assert (found["type"], found["license"]) == ("software", "BSD-3-Clause")
    assert found["version"] == __version__
    for work in (found, *found["references"]):
        assert work["title"]
        assert all({"name"} <= set(a) or {"family-names"} <= set(a) for a in work["authors"])
    assert {reference["type"] for reference in found["references"]} <= {"article", "report"}


def test_changelog_has_a_place_for_the_next_version() -> None:
    text = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "\n## [Unreleased]\n" in text
