"""Test vectors of the Global Trigger: text, one bunch crossing a line.

A line has 60 fields separated by blanks: the crossing (decimal), 8 muons (16 hex digits each),
12 e/gamma, 12 taus, 12 jets and 12 sums (8 hex digits each), external conditions (64), algorithm
bits (128), and the final OR. Bits, lowest first:

=========  ============================================
e/gamma    et 0-8, eta 9-16, phi 17-24
jet        et 0-10, eta 11-18, phi 19-26
muon       phi 0-9, pt 10-18, quality 19-22, eta 23-31
sums       third word missing ET: et 0-11, phi 12-19
=========  ============================================

eta is two's complement. The first 4 e/gamma, 4 muons and 10 jets are read, in their order. Taus,
other sums and isolation are not, and are written as zeros; written muons get the quality 12.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.events import Events
from naetrigger.contracts.trigger_objects import COLUMNS, HARDWARE_UNITS, LIMITS, OBJECTS
from naetrigger.contracts.whole_file import whole_file
from naetrigger.training.data.formats import objects
from naetrigger.training.data.formats.format import (
    Description,
    ReadOptions,
    head_text,
    reading,
    row_ids,
    single_process,
)

FIELDS = (
    "crossing",
    *(f"muon {i + 1}" for i in range(8)),
    *(f"{kind} {i + 1}" for kind in ("e/gamma", "tau", "jet", "sum") for i in range(12)),
    "external conditions",
    "algorithm bits",
    "final OR",
)
DIGITS = (None, *[16] * 8, *[8] * 48, 64, 128, 1)  # hex digits of each field
MUONS, EGAMMAS, JETS, MISSING_ET = 1, 9, 33, 47  # places of the first ones
WORDS = (
    MISSING_ET,
    *range(EGAMMAS, EGAMMAS + 4),
    *range(MUONS, MUONS + 4),
    *range(JETS, JETS + 10),
)
MUON_QUALITY = 12
ORBIT = 3564
ALGORITHMS = 512
CONTEXT_COLUMNS = ("crossing", "final_or")
_LINE = re.compile(
    r"\d+" + "".join(rf" +[0-9a-fA-F]{{{digits}}}" for digits in DIGITS[1:-1]) + r" +[01]"
)
# (first bit, bits) of pt, eta, phi in the word of each object
_FIELDS_OF = {
    "met": ((0, 12), (0, 0), (12, 8)),
    "eg": ((0, 9), (9, 8), (17, 8)),
    "mu": ((10, 9), (23, 9), (0, 10)),
    "jet": ((0, 11), (11, 8), (19, 8)),
}
_PLACES = np.array([_FIELDS_OF[name.rstrip("0123456789")] for name in OBJECTS], dtype=np.uint64)


class GlobalTrigger:
    """The format as the registry knows it."""

    title = "Global Trigger test vectors (text)"
    views: tuple[str, ...] = ()

    def recognise(self, path: Path) -> bool:
        fields = head_text(path).lstrip().partition("\n")[0].split()
        return len(fields) > 8 and fields[0].isdecimal() and len(fields[1]) == DIGITS[1]

    def describe(self, path: Path, options: ReadOptions) -> Description:
        return Description(
            processes=single_process(path, options, None),
            columns=COLUMNS,
            units=HARDWARE_UNITS,
            context_columns=CONTEXT_COLUMNS,
            context_units=("1", "1"),
            notes=("event ids are row numbers",),
        )

    def chunks(self, path: Path, options: ReadOptions, size: int) -> Iterator[Events]:
        row = number = 0
        with reading(path, self.title), path.open(encoding="ascii") as file:
            while block := list(islice(file, size)):
                lines = [(i, line.strip()) for i, line in enumerate(block, number + 1)]
                number += len(block)
                rows = [_fields(line, path, i) for i, line in lines if line]
                if not rows:
                    continue
                words = np.array([[int(f[i], 16) for i in WORDS] for f in rows], np.uint64)
                context = [[int(f[0]), int(f[-1])] for f in rows]
                yield Events(
                    process=options.process or path.stem,
                    role=options.role,
                    columns=COLUMNS,
                    values=unpack(words).reshape(len(rows), -1).astype(np.float32),
                    weights=np.ones(len(rows)),
                    event_ids=row_ids(row, len(rows)),
                    context_columns=CONTEXT_COLUMNS,
                    context=np.array(context, np.float32),
                    units=HARDWARE_UNITS,
                    context_units=("1", "1"),
                    attributes={"source": path.name},
                )
                row += len(rows)
        if row == 0:
            raise InputError(f"{path}: holds no events")


def write(path: Path, chunks: Iterable[Events]) -> None:
    """Write events of one process; physical values are digitised, and saturate as hardware does."""
    row = 0
    with whole_file(path) as partial, partial.open("w", encoding="ascii", newline="\n") as file:
        for events in chunks:
            words = pack(objects.hardware_objects(events))
            file.writelines(map(_line, words.tolist(), *_crossings(events, row)))
            row += len(events)


def write_decisions(
    path: Path, objects_of: npt.NDArray[np.int64], decisions: npt.NDArray[np.int64], first: int
) -> None:
    """Write crossings with algorithm bits set, and their final OR.

    objects_of : pt, eta, phi in hardware integers, (N, 19, 3)
    decisions : bits (N, K); bit k is algorithm bit `first` + k
    """
    _check_bits(decisions.shape[1], first)
    words = pack(objects_of).tolist()
    with whole_file(path) as partial, partial.open("w", encoding="ascii", newline="\n") as file:
        for i, bits in enumerate(decisions.tolist()):
            algorithms = sum(bit << first + k for k, bit in enumerate(bits))
            file.write(_line(words[i], i % ORBIT, algorithms > 0, algorithms))


def read_decisions(
    path: Path, bits: int, first: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Objects (N, 19, 3) and `bits` algorithm bits from `first` on, (N, bits).

    Raises InputError by line number for a line that is none, or whose final OR is not the OR of
    its algorithm bits; and for bits that are beyond the 512.
    """
    _check_bits(bits, first)
    words, decisions = [], []
    with reading(path, "Global Trigger test vectors"), path.open(encoding="ascii") as file:
        for number, line in enumerate(map(str.strip, file), 1):
            if not line:
                continue
            fields = _fields(line, path, number)
            algorithms = int(fields[-2], 16)
            if (algorithms > 0) != (fields[-1] == "1"):
                raise InputError(
                    f"{path}: line {number}: final OR {fields[-1]} does not go with the algorithm "
                    f"bits"
                )
            words.append([int(fields[i], 16) for i in WORDS])
            decisions.append([algorithms >> first + k & 1 for k in range(bits)])
    if not words:
        raise InputError(f"{path}: holds no events")
    return unpack(np.array(words, np.uint64)), np.array(decisions, np.int64).reshape(-1, bits)


def unpack(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Words of the 19 objects, (N, 19), as pt, eta, phi, (N, 19, 3)."""
    shifts, bits = _PLACES[:, :, 0], _PLACES[:, :, 1]
    fields = words[:, :, None] >> shifts & _mask(bits)
    values = fields.astype(np.int64)
    half = 1 << bits.astype(np.int64) >> 1
    negative = values[:, :, 1] >= np.maximum(half[:, 1], 1)
    values[:, :, 1] -= negative * 2 * half[:, 1]
    return values


def pack(values: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    """pt, eta, phi, (N, 19, 3), as words (N, 19). Raises InputError beyond the hardware range."""
    beyond = (values < LIMITS[:, :, 0]) | (values > LIMITS[:, :, 1])
    if beyond.any():
        row, place, quantity = np.argwhere(beyond)[0]
        low, high = LIMITS[place, quantity]
        raise InputError(
            f"{int(beyond.sum())} values are beyond the hardware's range, the first in row {row}, "
            f"{COLUMNS[3 * place + quantity]}: {values[row, place, quantity]}, must be from {low} "
            f"to {high}"
        )
    fields = values.astype(np.uint64) & _mask(_PLACES[:, :, 1])
    words: npt.NDArray[np.uint64] = np.bitwise_or.reduce(fields << _PLACES[:, :, 0], axis=2)
    muon = np.array([name.startswith("mu") for name in OBJECTS])
    words[:, muon] |= np.where(values[:, muon, 0] > 0, np.uint64(MUON_QUALITY << 19), np.uint64(0))
    return words


def _check_bits(bits: int, first: int) -> None:
    """InputError for algorithm bits that there are not."""
    if not 0 <= first <= ALGORITHMS - bits:
        raise InputError(
            f"global-trigger: there are {ALGORITHMS} algorithm bits; {bits} from {first} on do "
            "not fit"
        )


def _crossings(events: Events, row: int) -> tuple[list[Any], list[Any]]:
    """Number and final OR of each crossing; where they are not known, counted and zero."""
    if set(CONTEXT_COLUMNS) <= set(events.context_columns):
        return events.column("crossing").tolist(), events.column("final_or").tolist()
    return (np.arange(row, row + len(events)) % ORBIT).tolist(), [0.0] * len(events)


def _mask(bits: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    return (np.uint64(1) << bits) - np.uint64(1)


def _line(words: list[int], crossing: float, final_or: float, algorithms: int = 0) -> str:
    fields = ["0" * (digits or 1) for digits in DIGITS]
    for place, word in zip(WORDS, words, strict=True):
        fields[place] = f"{word:0{DIGITS[place]}x}"
    fields[0], fields[-2] = f"{int(crossing):04d}", f"{algorithms:0{DIGITS[-2]}x}"
    fields[-1] = f"{int(final_or)}"
    return " ".join(fields) + "\n"


def _fields(line: str, path: Path, number: int) -> list[str]:
    if _LINE.fullmatch(line):
        return line.split()
    raise InputError(f"{path}: line {number}: {_problem(line.split())}")


def _problem(fields: list[str]) -> str:
    for name, text, digits in zip(FIELDS, fields, DIGITS, strict=False):
        if digits is None:
            if not text.isdecimal():
                return f"{name}: must be a decimal number, got '{text[:40]}'"
        elif not re.fullmatch(rf"[0-9a-fA-F]{{{digits}}}", text):
            return f"{name}: must be {digits} hex digits, got '{text[:40]}'"
    if len(fields) != len(FIELDS):
        return f"expected {len(FIELDS)} fields ({FIELDS[0]} ... {FIELDS[-1]}), got {len(fields)}"
    if fields[-1] not in ("0", "1"):
        return f"final OR: must be 0 or 1, got '{fields[-1]}'"
    return "fields must be separated by blanks"
