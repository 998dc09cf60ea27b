"""What is listed of objectives is what the documentation says of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from naetrigger.pipeline.listings import LISTINGS
from naetrigger.pipeline.terminal import show_table
from naetrigger.training.objectives import OBJECTIVES

PAGE = Path(__file__).parents[2] / "docs" / "training.md"


def test_every_objective_is_in_the_table_of_the_docs() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    rows = LISTINGS["objectives"]()
    assert {row["name"] for row in rows} == set(OBJECTIVES)
    for row in rows:
        line = next(text for text in lines if text.startswith(f"| `{row['name']}` |"))
        scores, source = line.split("|")[-3:-1]
        assert row["score"] in scores
        assert row["source"] in source
        assert ("*" in scores) or row["hardware"] == "yes"


def test_every_listing_has_one_set_of_columns(capsys: pytest.CaptureFixture[str]) -> None:
    for kind, listing in LISTINGS.items():
        rows = listing()
        assert {tuple(row) for row in rows} == {tuple(rows[0])}, kind
        assert next(iter(rows[0])) == "name"
    rows = LISTINGS["objectives"]()
    show_table("", list(rows[0]), [list(row.values()) for row in rows])
    (line,) = [
        t for t in capsys.readouterr().out.splitlines() if t.split()[:2] == ["vae", "likelihood"]
    ]
    assert line.split()[2:4] == ["by", "regression"]
