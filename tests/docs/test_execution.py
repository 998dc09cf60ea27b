"""Every block of every page is run, in order, page by page: `make docs-check`.

A page has a folder of its own. Finished runs that pages ask for lie in `runs/docs`, or where
NAETRIGGER_DOCS_RUNS says, and stay there, so that a second check does not train again.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import PAGES, REPOSITORY, Block, Page, read_page

pytestmark = pytest.mark.docs

RUNS = Path(os.environ.get("NAETRIGGER_DOCS_RUNS", REPOSITORY / "runs" / "docs")).resolve()
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
SETTINGS = {
    "PATH": PATH,
    "NO_COLOR": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "PIP_CONSTRAINT": str(REPOSITORY / "constraints.txt"),
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
}
MINUTES = 60


def _name(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


@pytest.mark.parametrize("path", PAGES, ids=_name)
def test_blocks_of_a_page_run(path: Path, tmp_path: Path) -> None:
    page = read_page(path)
    for recipe in page.needs:
        execute(["naetrigger", "run", recipe, "--out", str(RUNS / recipe)], REPOSITORY, 0, recipe)
    prepare(tmp_path, page)
    for block in page.blocks:
        if not block.illustration:
            run(block, page, tmp_path)


def prepare(folder: Path, page: Page) -> None:
    """Scripts as in a checkout; the finished runs that the page needs, as links to be read."""
    (folder / "benchmarks").symlink_to(REPOSITORY / "benchmarks")
    (folder / "runs").mkdir()
    for recipe in page.needs:
        (folder / "runs" / recipe).symlink_to(RUNS / recipe)


def run(block: Block, page: Page, folder: Path) -> None:
    """Run a block, or write the file that it is."""
    text = page.spelled(block.before) + page.spelled(block.text)
    if block.file_name:
        target = folder / block.file_name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(block.text, encoding="utf-8")
    elif block.language == "sh":
        execute(["bash", "-e", "-o", "pipefail", "-c", text], folder, block.status, block.place)
    elif block.language == "python":
        execute([sys.executable, "-c", text], folder, block.status, block.place)


def execute(command: list[str], folder: Path, status: int, place: str) -> None:
    """Fail with what the command said if it does not end as expected."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **SETTINGS},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60 * MINUTES,
        check=False,
    )
    end = "\n".join(done.stdout.splitlines()[-40:])
    assert done.returncode == status, f"{place}: exit status {done.returncode}\n{end}"


def test_a_block_that_fails_is_seen(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"page:1: exit status 3\nsaid"):
        execute(["bash", "-c", "echo said; exit 3"], tmp_path, 0, "page:1")
