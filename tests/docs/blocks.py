"""The code blocks of the documentation, and what its authors say of them in comments.

A comment stands before the block it is about, and is not seen on the page:

    <!-- illustration: reason -->   the next block is not executed
    <!-- status: 1 -->              the next block's exit status
    <!-- unseen sh                  commands (or python, or a file) that come before the next
    cp runs/a/x.h5 x.h5             block of this language, for what a reader has already
    -->
    <!-- schema: input_spec -->     what the next yaml block is, where it is no recipe
    <!-- words: RUN=runs/a -->      on all of the page: placeholders and what they stand for
    <!-- needs: digits -->          on all of the page: a finished run of a shipped recipe, in runs/

A block whose first line is a comment with a file's name is that file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
DOCS = REPOSITORY / "docs"
PAGES = (REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md")))

EXECUTED = ("sh", "python", "yaml")
PLAIN = ("text", "json", "verilog", "cpp", "make")  # output and layouts; nothing can be run
DISPLAYS = re.compile(r"^<!--.*?-->$|^```", re.MULTILINE | re.DOTALL)
FILE_NAME = re.compile(r"^# ([\w./-]+\.\w+)\s*$")
RUNS_A_BENCHMARK = re.compile(r"^(\S*/)?python benchmarks/", re.MULTILINE)
BENCHMARKS_TAKE_HOURS = "a benchmark: takes minutes to hours; its script and options are checked"


@dataclass(frozen=True)
class Block:
    """One block of a page.

    line : of its first line in the page
    language : of the fence; indented blocks have none, but commands among them are `sh`
    before : an unseen block of the same language
    illustration : why it is not executed; empty: it is
    """

    page: Path
    line: int
    language: str
    text: str
    before: str = ""
    illustration: str = ""
    status: int = 0
    schema: str = ""

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(REPOSITORY)}:{self.line}"

    @property
    def file_name(self) -> str:
        """The file that this block is, or an empty string."""
        found = FILE_NAME.match(self.text.partition("\n")[0])
        return found[1] if found else ""


@dataclass(frozen=True)
class Page:
    """A page's blocks in order, and what holds on all of it."""

    path: Path
    blocks: tuple[Block, ...]
    words: dict[str, str]
    needs: tuple[str, ...]

    def spelled(self, text: str) -> str:
        """Text with the page's placeholders filled in."""
        for word, meaning in self.words.items():
            text = re.sub(rf"(?<![\w./-]){re.escape(word)}(?![\w.-])", meaning, text)
        return text


def read_page(path: Path) -> Page:
    """The blocks of a page; raises ValueError for one that is not closed."""
    text = path.read_text(encoding="utf-8")
    blocks = tuple(_blocks(path, text))
    benchmark = path.parent.name == "benchmarks"
    blocks = tuple(_long(b) if benchmark or RUNS_A_BENCHMARK.search(b.text) else b for b in blocks)
    words = re.findall(r"^<!-- words: (.*?) -->$", text, re.MULTILINE)
    needs = re.findall(r"^<!-- needs: (\S+) -->$", text, re.MULTILINE)
    pairs = (pair.partition("=") for line in words for pair in line.split())
    return Page(path, blocks, {word: meaning for word, _, meaning in pairs}, tuple(needs))


def _long(block: Block) -> Block:
    return replace(block, illustration=block.illustration or BENCHMARKS_TAKE_HOURS)


def _blocks(path: Path, text: str) -> Iterator[Block]:
    said: dict[str, str] = {}
    unseen: dict[str, str] = {}
    lines = text.splitlines()
    i = 0
    while i < len(lines):
        line, start = lines[i], i
        if line.startswith("<!--"):
            while "-->" not in lines[i]:
                i += 1
            _note("\n".join(lines[start : i + 1]), said, unseen)
        elif line.lstrip().startswith("```"):
            indent = line[: len(line) - len(line.lstrip())]
            i += 1
            while i < len(lines) and lines[i].strip() != "```":
                i += 1
            if i == len(lines):
                raise ValueError(f"{path}:{start + 1}: this block is not closed")
            body = "".join(f"{row.removeprefix(indent)}\n" for row in lines[start + 1 : i])
            yield _block(path, start + 2, line.strip("` "), body, said, unseen)
            said = {}
        elif line.startswith("    ") and _begins(lines, i):
            while i + 1 < len(lines) and lines[i + 1].startswith("    "):
                i += 1
            body = "".join(f"{row[4:]}\n" for row in lines[start : i + 1])
            language = "sh" if COMMAND.match(body) else ""
            yield _block(path, start + 1, language, body, said, unseen)
            said = {}
        i += 1


COMMAND = re.compile(r"(naetrigger|python|\.venv/bin/python|pip|make|torchrun) ")


def _begins(lines: list[str], i: int) -> bool:
    """Whether an indented line begins a block: after an empty line, and not within a list."""
    if i == 0 or lines[i - 1].strip():
        return False
    above = next((row for row in reversed(lines[:i]) if row.strip()), "")
    return not re.match(r"\s*([-*]|\d+\.) |    ", above)


def _note(comment: str, said: dict[str, str], unseen: dict[str, str]) -> None:
    body = comment.removeprefix("<!--").removesuffix("-->")
    hidden = re.match(r" unseen (\w+)\n(.*)", body, re.DOTALL)
    if hidden:
        unseen[hidden[1]] = unseen.get(hidden[1], "") + hidden[2]
        return
    key, colon, value = body.strip().partition(": ")
    if colon and key in ("illustration", "status", "schema"):
        said[key] = value


def _block(
    path: Path, line: int, language: str, body: str, said: dict[str, str], unseen: dict[str, str]
) -> Block:
    return Block(
        path,
        line,
        language,
        body,
        unseen.pop(language, ""),
        said.get("illustration", ""),
        int(said.get("status", 0)),
        said.get("schema", ""),
    )


def all_blocks() -> list[Block]:
    """Every block of every page."""
    return [block for path in PAGES for block in read_page(path).blocks]
