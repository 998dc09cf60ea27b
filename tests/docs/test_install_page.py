"""docs/install.md has every extra in its table."""

from __future__ import annotations

import re
import tomllib

from tests.docs.blocks import DOCS, REPOSITORY


def test_every_extra_is_in_the_table() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    page = (DOCS / "install.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `([\w-]+)` \|", page, re.MULTILINE))
    assert listed == set(project["optional-dependencies"])
