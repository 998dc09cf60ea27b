"""Every block of every page is right as far as can be told without running it.

`make docs-check` runs them (test_execution.py).
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.docs.blocks import EXECUTED, PAGES, PLAIN, REPOSITORY, Block, read_page
from tests.docs.commands import commands, problem
from tests.docs.documents import json_problem, python_problem, yaml_problem


def _id(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def problems(path: Path) -> list[str]:
    """What is wrong on a page, a line each."""
    page = read_page(path)
    found = []
    for block in page.blocks:
        match block.language:
            case "sh":
                said = [problem(words, page) for words in commands(_told(block))]
            case "yaml":
                said = [yaml_problem(block)]
            case "json":
                said = [json_problem(block)]
            case "python":
                said = [python_problem(block)]
            case _:
                said = []
        found += [f"{block.place}: {text}" for text in said if text]
        found += [f"{block.place}: {text}" for text in _form(block)]
    return found


def _told(block: Block) -> str:
    """The commands of a block; benchmarks' pages say beside them what they do."""
    return re.sub(r" {3,}\S.*", "", block.text) if block.illustration else block.text


def _form(block: Block) -> list[str]:
    if block.language == "" and block.page.parent.name == "benchmarks":
        return []
    if block.language not in (*EXECUTED, *PLAIN, "") or (
        block.language == "" and "naetrigger " in block.text
    ):
        return [f"a block of language '{block.language}', which is none of {EXECUTED + PLAIN}"]
    if block.language == "text" and block.text.startswith("naetrigger ") and not block.illustration:
        return ["commands in a block of plain text; make it sh"]
    return []


@pytest.mark.parametrize("path", PAGES, ids=_id)
def test_blocks_of_a_page_are_right(path: Path) -> None:
    assert problems(path) == []


def test_shell_blocks_are_shell() -> None:
    scripts = [
        block.before + block.text
        for path in PAGES
        for block in read_page(path).blocks
        if block.language == "sh"
    ]
    assert len(scripts) > 40
    done = subprocess.run(
        ["bash", "-n"], input="\n".join(scripts), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_illustrations_say_why() -> None:
    told = [b for path in PAGES for b in read_page(path).blocks if b.illustration]
    assert all(len(block.illustration.split()) >= 3 for block in told)


BAD = {
    "no such command": "```sh\nnaetrigger fly RUN\n```",
    "no such option": "```sh\nnaetrigger score RUN FILE --speed 3\n```",
    "a wrong value of --set": "```sh\nnaetrigger run digits --set objective.stepz=3\n```",
    "no such recipe": "```sh\nnaetrigger run jetz\n```",
    "no such extra": "```sh\npip install 'naetrigger[wings]'\n```",
    "no such target": "```sh\nmake tea\n```",
    "no such script": "```sh\npython benchmarks/none.py\n```",
    "no such option of a script": "```sh\npython benchmarks/density_2d.py --speed 3\n```",
    "no such program": "```sh\nfly --far\n```",
    "a wrong key": "```yaml\nobjective: {stepz: 3}\n```",
    "no recipe": "```yaml\nwings: 2\n```",
    "a wrong board": "<!-- schema: board -->\n```yaml\nname: b\n```",
    "a wrong feature": "<!-- schema: features -->\n```yaml\n- {name: x, shifd: 3}\n```",
    "no such name": "```python\nfrom naetrigger.contracts.network import Wing\n```",
    "no such module": "```python\nimport os\nfrom naetrigger.wings import fly\n```",
    "wrong syntax": "```python\nx = = 1\n```",
    "wrong JSON": "```json\n{'a': 1}\n```",
    "no language": "```\nnaetrigger list recipes\n```",
    "hidden in text": "```text\nnaetrigger fly\n```",
    "an indented command": "word\n\n    naetrigger fly\n",
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_wrong_block_is_found(bad: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.docs.blocks.REPOSITORY", tmp_path)
    page = tmp_path / "page.md"
    page.write_text(bad)
    assert len(problems(page)) == 1


def test_a_block_that_is_not_closed_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```sh\nls\n")
    with pytest.raises(ValueError, match=r"page\.md:1: this block is not closed"):
        read_page(page)


def test_what_comments_say(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- words: RUN=runs/a FILE=b.h5 -->\n<!-- needs: digits -->\n"
        "<!-- unseen sh\ncp a b\n-->\n<!-- status: 1 -->\n```sh\nnaetrigger score RUN FILE\n```\n"
        "<!-- illustration: no such tool here -->\n```yaml\n# mine.yaml\nname: mine\n```\n"
        "    not a block, for no empty line is above\n\n- a list\n\n    in the list\n"
    )
    read = read_page(page)
    first, second = read.blocks
    assert read.spelled(first.text) == "naetrigger score runs/a b.h5\n"
    assert read.spelled("RUNS MYFILE RUN/x") == "RUNS MYFILE runs/a/x"
    assert (first.before, first.status, first.illustration) == ("cp a b\n", 1, "")
    assert (second.file_name, second.illustration) == ("mine.yaml", "no such tool here")
    assert (second.before, second.status, read.needs) == ("", 0, ("digits",))
