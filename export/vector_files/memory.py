"""Vectors as initial contents of a memory: COE (AMD) and MIF (Intel), an event an address.

A word of the memory is an event as `event_word` packs it: inputs lowest, then the score, then the
bits of the decision.
"""

from __future__ import annotations

import re
from pathlib import Path

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.whole_file import whole_file
from naetrigger.export.vector_files.event_word import EventLayout, TestVectors
from naetrigger.export.vector_files.hexadecimal import read_lines

_RADIX = "memory_initialization_radix=16;"
_VECTOR = "memory_initialization_vector="


def write_coe(path: Path, vectors: TestVectors, layout: EventLayout) -> None:
    """Write a COE file, whole or not at all."""
    words = _words(vectors, layout)
    text = f"; {layout}\n{_RADIX}\n{_VECTOR}\n" + ",\n".join(words) + ";\n"
    with whole_file(path) as partial:
        partial.write_text(text, encoding="ascii", newline="\n")


def read_coe(path: Path, layout: EventLayout) -> TestVectors:
    """Read what write_coe wrote; InputError by line number for anything else."""
    lines = [(i, line.strip()) for i, line in enumerate(read_lines(path), 1)]
    lines = [(i, line) for i, line in lines if line and not line.startswith(";")]
    for (number, line), wanted in zip(lines, (_RADIX, _VECTOR), strict=False):
        if line.replace(" ", "").lower() != wanted:
            raise InputError(f"{path}: line {number}: expected '{wanted}', got '{line[:40]}'")
    rows = []
    for place, (number, line) in enumerate(lines[2:], 3):
        end = ";" if place == len(lines) else ","
        if not line.endswith(end):
            raise InputError(f"{path}: line {number}: must end with '{end}': '{line[-40:]}'")
        rows.append(_event(line[:-1], layout, path, number))
    if not rows:
        raise InputError(f"{path}: holds no events")
    return layout.vectors(rows)


def write_mif(path: Path, vectors: TestVectors, layout: EventLayout) -> None:
    """Write a MIF file, whole or not at all."""
    words = _words(vectors, layout)
    head = (
        f"-- {layout}\nWIDTH={layout.width};\nDEPTH={len(words)};\nADDRESS_RADIX=HEX;\n"
        "DATA_RADIX=HEX;\nCONTENT BEGIN\n"
    )
    body = "".join(f"  {address:x} : {word};\n" for address, word in enumerate(words))
    with whole_file(path) as partial:
        partial.write_text(f"{head}{body}END;\n", encoding="ascii", newline="\n")


def read_mif(path: Path, layout: EventLayout) -> TestVectors:
    """Read what write_mif wrote; InputError by line number for anything else."""
    lines = [(i, line.strip()) for i, line in enumerate(read_lines(path), 1)]
    lines = [(i, line) for i, line in lines if line and not line.startswith("--")]
    wanted = (f"WIDTH={layout.width};", "DEPTH=", "ADDRESS_RADIX=HEX;", "DATA_RADIX=HEX;")
    for (number, line), start in zip(lines, (*wanted, "CONTENT BEGIN"), strict=False):
        if not line.startswith(start):
            raise InputError(f"{path}: line {number}: expected '{start}', got '{line[:40]}'")
    if len(lines) < 6 or lines[-1][1] != "END;":
        last = lines[-1][0] if lines else 1
        raise InputError(f"{path}: line {last}: the file ends before 'END;'")
    depth = re.fullmatch(r"DEPTH=(\d+);", lines[1][1])
    rows = [_cell(line, place, layout, path, i) for place, (i, line) in enumerate(lines[5:-1])]
    if depth is None or int(depth[1]) != len(rows) or not rows:
        raise InputError(
            f"{path}: line {lines[1][0]}: '{lines[1][1][:40]}' does not go with {len(rows)} events"
        )
    return layout.vectors(rows)


def _words(vectors: TestVectors, layout: EventLayout) -> list[str]:
    digits = -(-layout.width // 4)
    return [f"{layout.packed(row):0{digits}x}" for row in layout.rows(vectors)]


def _cell(line: str, address: int, layout: EventLayout, path: Path, number: int) -> list[int]:
    found = re.fullmatch(r"([0-9a-fA-F]+)\s*:\s*(\S+);", line)
    if found is None or int(found[1], 16) != address:
        raise InputError(
            f"{path}: line {number}: expected '{address:x} : WORD;', got '{line[:40]}'"
        )
    return _event(found[2], layout, path, number)


def _event(text: str, layout: EventLayout, path: Path, number: int) -> list[int]:
    digits = -(-layout.width // 4)
    if not re.fullmatch(rf"[0-9a-fA-F]{{{digits}}}", text):
        raise InputError(
            f"{path}: line {number}: must be {digits} hex digits ({layout}), got {len(text)}: "
            f"'{text[:40]}'"
        )
    try:
        return layout.unpacked(int(text, 16))
    except InputError as error:
        raise InputError(f"{path}: line {number}: {error}") from error
