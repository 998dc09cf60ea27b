"""docs/recipe_keys.md is what the settings say."""

from __future__ import annotations

from tests.docs.blocks import DOCS
from tests.docs.recipe_keys_page import page


def test_the_page_is_the_programs() -> None:
    written = (DOCS / "recipe_keys.md").read_text(encoding="utf-8")
    assert written == page(), "python -m tests.docs.recipe_keys_page > docs/recipe_keys.md"
