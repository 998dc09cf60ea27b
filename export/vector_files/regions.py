"""Calorimeter regions as the words of 36 links, a bunch crossing a line.

    # 2000 events of crossing, 36 links, score ufixed<16,9,TRN,SAT>, decision
    CROSSING LINK0 ... LINK35 SCORE DECISION

The first line says how many events follow; crossings count on by one from line to line.
Links are 128 bits (32 hex digits). Link l carries regions 7 l to 7 l + 6 of the 252 (phi after
phi, eta within it), so that two links make one phi: region r of a link has bits 8 + 16 r to 23 +
16 r. Of its 16 bits ET are 0 to 9, electron and tau veto 10 and 11, the position of the hottest
tower 12 to 15; we write ET alone. Bits 0 to 7 and 120 to 127 of a link are those of the line code
and the checksum, zeros here. The layout is that of the public firmware of the calorimeter trigger's
anomaly detection.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from naetrigger.contracts.calo_regions import COLUMNS, MAX_ET
from naetrigger.contracts.errors import InputError
from naetrigger.contracts.fixed_point import Integers
from naetrigger.contracts.whole_file import whole_file
from naetrigger.export.vector_files.event_word import EventLayout
from naetrigger.export.vector_files.hexadecimal import all_events, read_lines, stated_events

LINKS, PER_LINK = 36, 7
FIRST_BIT, BITS = 8, 16
DIGITS = 32
COMMENT = "#"


@dataclass(frozen=True)
class RegionVectors:
    """et : (N, 252); scores : mantissas (N,); decisions : bits (N, K)"""

    et: Integers
    scores: Integers
    decisions: Integers


def write_regions(path: Path, vectors: RegionVectors, layout: EventLayout) -> None:
    """Write the lines, whole or not at all; InputError for an ET beyond 10 bits."""
    et = np.asarray(vectors.et)
    if et.ndim != 2 or et.shape[1] != len(COLUMNS):
        raise InputError(f"regions: expected (N, {len(COLUMNS)}) regions, got {et.shape}")
    if et.size and (et.min() < 0 or et.max() > MAX_ET):
        row, place = np.argwhere((et < 0) | (et > MAX_ET))[0]
        raise InputError(
            f"regions: event {row}, {COLUMNS[place]}: {et[row, place]} is no ET of 0 to {MAX_ET}"
        )
    mask, digits = (1 << layout.score_type.width) - 1, -(-layout.score_type.width // 4)
    with whole_file(path) as partial, partial.open("w", encoding="ascii", newline="\n") as file:
        file.write(f"{COMMENT} {len(et)} events of {_columns(layout)}\n")
        for i, row in enumerate(et.astype(np.int64).tolist()):
            links = (_link(row[n : n + PER_LINK]) for n in range(0, len(row), PER_LINK))
            bits = sum(int(bit) << k for k, bit in enumerate(vectors.decisions[i]))
            words = " ".join(f"{link:0{DIGITS}x}" for link in links)
            score = int(vectors.scores[i]) & mask
            file.write(f"{i:04d} {words} {score:0{digits}x} {bits:x}\n")


def read_regions(path: Path, layout: EventLayout) -> RegionVectors:
    """Read such lines; bits that are no ET are passed over. InputError by line number."""
    et, scores, decisions = [], [], []
    lines = read_lines(path)
    crossings: list[int] = []
    count = stated_events(path, lines, COMMENT, _columns(layout))
    for number, line in enumerate(lines[1:], 2):
        fields = line.split()
        if problem := _problem(fields, layout) or _gap(fields[0], crossings):
            raise InputError(f"{path}: line {number}: {problem}")
        crossings.append(int(fields[0]))
        et.append([word for field in fields[1 : LINKS + 1] for word in _regions(int(field, 16))])
        score, bits = int(fields[-2], 16), int(fields[-1], 16)
        beyond = score > layout.score_type.max_mantissa
        scores.append(score - (1 << layout.score_type.width) if beyond else score)
        decisions.append([bits >> k & 1 for k in range(layout.bits)])
    all_events(path, len(et), count)
    return RegionVectors(
        np.array(et, np.int64),
        np.array(scores, np.int64),
        np.array(decisions, np.int64).reshape(len(et), layout.bits),
    )


def _columns(layout: EventLayout) -> str:
    return f"crossing, {LINKS} links, score {layout.score_type}, decision"


def _gap(crossing: str, before: list[int]) -> str:
    """What is wrong with a crossing's number after those of the lines before."""
    if not before or int(crossing) == before[-1] + 1:
        return ""
    return f"crossing: expected {before[-1] + 1} after {before[-1]}, got {int(crossing)}"


def _link(regions: list[int]) -> int:
    return sum(et << FIRST_BIT + BITS * r for r, et in enumerate(regions))


def _regions(link: int) -> list[int]:
    return [link >> FIRST_BIT + BITS * r & MAX_ET for r in range(PER_LINK)]


def _problem(fields: list[str], layout: EventLayout) -> str:
    digits = -(-layout.score_type.width // 4)
    names = ["crossing", *(f"link {i}" for i in range(LINKS)), "score", "decision"]
    if len(fields) != len(names):
        return f"expected {len(names)} fields (crossing, {LINKS} links, score, decision), got " + (
            f"{len(fields)}"
        )
    if not fields[0].isdecimal():
        return f"crossing: must be a decimal number, got '{fields[0][:40]}'"
    for name, field in zip(names[1:], fields[1:], strict=True):
        count = {"score": str(digits), "decision": "1,8"}.get(name, str(DIGITS))
        if not re.fullmatch(rf"[0-9a-fA-F]{{{count}}}", field):
            return f"{name}: must be {count} hex digits, got '{field[:40]}'"
    if int(fields[-2], 16) >> layout.score_type.width or int(fields[-1], 16) >> layout.bits:
        return f"score or decision: more bits than {layout.score_type} and {layout.bits} thresholds"
    return ""
