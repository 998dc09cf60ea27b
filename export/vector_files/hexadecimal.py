"""Plain hexadecimal vectors: an event a line, what `$readmemh` and any script read.

    // 2000 events of 9 inputs fixed<10,3,RND_CONV,SAT>, score ufixed<16,9,TRN,SAT>, 1 decision bits
    3ff 000 ... 01a2 1

A word each for the inputs, the score and, where there is one, the decision (bit k for threshold
k), two's complement in as many digits as their widths take. The first line says how many events
follow, so that a file cut off between two of them is refused.
"""

from __future__ import annotations

import re
from pathlib import Path

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.whole_file import whole_file
from naetrigger.export.vector_files.event_word import EventLayout, TestVectors

COMMENT = "//"


def write_hex(path: Path, vectors: TestVectors, layout: EventLayout) -> None:
    """Write the vectors, whole or not at all."""
    digits = _digits(layout)
    with whole_file(path) as partial, partial.open("w", encoding="ascii", newline="\n") as file:
        file.write(f"{COMMENT} {len(vectors)} events of {layout}\n")
        for row in layout.rows(vectors):
            words = _joined(row, layout)
            file.write(" ".join(f"{w:0{d}x}" for w, d in zip(words, digits, strict=True)) + "\n")


def read_hex(path: Path, layout: EventLayout) -> TestVectors:
    """Read what write_hex wrote; InputError by line number for anything else."""
    digits, rows = _digits(layout), []
    lines = read_lines(path)
    count = stated_events(path, lines, COMMENT, str(layout))
    for number, line in enumerate(lines[1:], 2):
        fields = line.split()
        if len(fields) != len(digits):
            raise InputError(
                f"{path}: line {number}: expected {len(digits)} words, got {len(fields)}"
            )
        for place, (field, wide) in enumerate(zip(fields, digits, strict=True), 1):
            if not re.fullmatch(rf"[0-9a-fA-F]{{{wide}}}", field):
                raise InputError(
                    f"{path}: line {number}: word {place} must be {wide} hex digits, got "
                    f"'{field[:40]}'"
                )
        rows.append(_split([int(field, 16) for field in fields], layout, path, number))
    all_events(path, len(rows), count)
    return layout.vectors(rows)


def stated_events(path: Path, lines: list[str], comment: str, layout: str) -> int:
    """The number of events of the first line, `COMMENT N events of LAYOUT`.

    Raises InputError for another line and for another layout.
    """
    head = lines[0] if lines else ""
    found = re.fullmatch(rf"{comment} (\d+) events of (.*)", head.rstrip())
    if found is None:
        raise InputError(
            f"{path}: line 1: expected '{comment} N events of {layout}', got '{head[:80]}'"
        )
    if found[2] != layout:
        raise InputError(f"{path}: line 1: holds {found[2]}; this network has {layout}")
    return int(found[1])


def all_events(path: Path, found: int, stated: int) -> None:
    """InputError for a file of no events, or of others than its first line says."""
    if found != stated:
        raise InputError(
            f"{path}: line {found + 1}: {stated} events are stated in line 1, the file holds "
            f"{found}; it is cut off, or was edited: write it again"
        )
    if not found:
        raise InputError(f"{path}: holds no events")


def read_lines(path: Path) -> list[str]:
    """The lines of a text file of ASCII."""
    try:
        return path.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable text file ({error})") from error


def _widths(layout: EventLayout) -> list[int]:
    inputs = [layout.input_type.width] * layout.features
    return [*inputs, layout.score_type.width, *([layout.bits] if layout.bits else [])]


def _digits(layout: EventLayout) -> list[int]:
    return [-(-width // 4) for width in _widths(layout)]


def _joined(row: list[int], layout: EventLayout) -> list[int]:
    """The words of a line: the decision's bits in one."""
    n = layout.features + 1
    bits = sum(bit << k for k, bit in enumerate(row[n:]))
    return [*row[:n], *([bits] if layout.bits else [])]


def _split(words: list[int], layout: EventLayout, path: Path, number: int) -> list[int]:
    for place, (word, width) in enumerate(zip(words, _widths(layout), strict=True), 1):
        if word >> width:
            raise InputError(
                f"{path}: line {number}: word {place}: {word:x} is wider than {width} bits"
            )
    n = layout.features + 1
    return [*words[:n], *(words[n] >> k & 1 for k in range(layout.bits))]
