"""CSV: one process a file; the first line names the columns, every other line is a row.

Two columns are taken out where they are present: weights (else 1) and event ids (else the row's
number). A column `context.jet_pt` is the context column jet_pt, which no model sees; so what is
written here reads back as it was. Everything else is a value. Errors name line and column.
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.events import Events
from naetrigger.contracts.whole_file import whole_file
from naetrigger.training.data.formats.format import (
    CHUNK_VALUES,
    Description,
    ReadOptions,
    as_float32,
    head_text,
    reading,
    row_ids,
    single_process,
)

ENCODING = "utf-8-sig"
MAX_HEADER = 1_000_000
CONTEXT = "context."


class Csv:
    """The format as the registry knows it."""

    title = "CSV"
    views: tuple[str, ...] = ()

    def recognise(self, path: Path) -> bool:
        return "," in head_text(path).partition("\n")[0]

    def describe(self, path: Path, options: ReadOptions) -> Description:
        names = _header(path)
        taken = {options.weight_column: "weights", options.event_id_column: "event ids"}
        return Description(
            processes=single_process(path, options, None),
            columns=_values(names, options),
            context_columns=tuple(name.removeprefix(CONTEXT) for name in _context(names)),
            notes=tuple(f"{taken[name]} from column '{name}'" for name in names if name in taken),
        )

    def chunks(self, path: Path, options: ReadOptions, size: int) -> Iterator[Events]:
        names = _header(path)
        place = {name: i for i, name in enumerate(names)}
        places = [place[name] for name in _values(names, options)]
        apart = [place[name] for name in _context(names)]
        row = 0
        for lines in _blocks(path, names, min(size, max(1, CHUNK_VALUES // len(names)))):
            table = _table(path, names, lines, options.keep_bad)
            weights = np.ones(len(table))
            if options.weight_column in names:
                weights = table[:, names.index(options.weight_column)]
            ids = row_ids(row, len(table))
            if options.event_id_column in names:
                ids = _event_ids(path, names, options.event_id_column, lines)
            row += len(table)
            yield Events(
                process=options.process or path.stem,
                role=options.role,
                columns=_values(names, options),
                values=as_float32(table[:, places]),
                weights=weights,
                event_ids=ids,
                context_columns=tuple(names[i].removeprefix(CONTEXT) for i in apart),
                context=as_float32(table[:, apart]),
                attributes={"source": path.name},
            )
        if row == 0:
            raise InputError(f"{path}: holds no events below its first line")


def place(path: Path, row: int) -> str:
    """The line of a row: rows are counted from 0, without the first line and empty ones."""
    with path.open(encoding=ENCODING) as file:
        lines = (number for number, line in enumerate(file, 1) if number > 1 and line.strip())
        return f"line {next(islice(lines, row, None))}"


def write(path: Path, chunks: Iterable[Events]) -> None:
    """Write events of one process: values, context, weight, event_id. Units are not kept."""
    with whole_file(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        for i, events in enumerate(chunks):
            if i == 0:
                context = [CONTEXT + name for name in events.context_columns]
                names = (*events.columns, *context, "weight", "event_id")
                csv.writer(file, lineterminator="\n").writerow(names)
            numbers = np.concatenate([events.values, events.context], axis=1)
            rows = zip(numbers.tolist(), events.weights, events.event_ids, strict=True)
            file.writelines(
                # nine digits hold any float32, and repr any float64
                f"{','.join(f'{x:.9g}' for x in row)},{float(weight)!r},{int(event)}\n"
                for row, weight, event in rows
            )


def _values(names: list[str], options: ReadOptions) -> tuple[str, ...]:
    others = {options.weight_column, options.event_id_column, *_context(names)}
    return tuple(name for name in names if name not in others)


def _context(names: list[str]) -> list[str]:
    return [name for name in names if name.startswith(CONTEXT)]


def _header(path: Path) -> list[str]:
    try:
        with path.open(encoding=ENCODING, newline="") as file:
            line = file.readline(MAX_HEADER)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as text ({error})") from error
    if not line.strip():
        raise InputError(f"{path}: is empty; the first line must name the columns")
    with reading(path, "CSV"):
        names = [name.strip() for name in next(csv.reader([line]))]
    if problem := _header_problem(names):
        raise InputError(f"{path}: {problem}")
    return names


def _header_problem(names: list[str]) -> str:
    """What is wrong with the first line; empty: nothing."""
    if names[0].startswith("#"):
        return (
            "line 1 begins with '#': comments are not read; the first line must name the columns, "
            "as in 'pt,eta,mass' (numpy.savetxt writes it so with comments='')"
        )
    if "" in names or CONTEXT in names:
        place = next(i for i, name in enumerate(names) if name in ("", CONTEXT))
        problem = f"line 1: column {place + 1} has no name; every column needs a name of its own"
        if place == 0 and len(names) > 1 and names[0] == "":
            problem += "; pandas writes its row index there: use to_csv(..., index=False)"
        return problem
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        listed = ", ".join(repr(name) for name in twice[:9])
        return f"line 1: every column needs a name of its own ({listed} stands twice)"
    if all(_is_number(name) for name in names):
        return "line 1 holds numbers; the first line must name the columns, as in 'pt,eta,mass'"
    return ""


def _blocks(path: Path, names: list[str], size: int) -> Iterator[list[str]]:
    """The lines below the first, at most `size` at a time, empty ones left out."""
    with reading(path, "CSV"), path.open(encoding=ENCODING) as file:
        file.readline()
        while block := list(islice(file, size)):
            lines = [line for line in block if line.strip()]
            if lines:
                yield lines


def _table(
    path: Path, names: list[str], lines: list[str], keep_bad: bool
) -> npt.NDArray[np.float64]:
    """All numbers, shape (N, columns); numpy's fast reader, and a slow look for what is wrong."""
    try:
        table = np.loadtxt(lines, delimiter=",", ndmin=2, comments=None)
    except ValueError as error:
        raise InputError(_first_problem(path, names) or f"{path}: {error}") from error
    if table.shape != (len(lines), len(names)):
        raise InputError(_first_problem(path, names) or f"{path}: {table.shape[1]} columns")
    if not keep_bad and not np.isfinite(table).all():
        raise InputError(_first_problem(path, names) or f"{path}: holds NaN or infinity")
    return table


def _event_ids(
    path: Path, names: list[str], column: str, lines: list[str]
) -> npt.NDArray[np.uint64]:
    """Read apart from the table: a float64 cannot hold every 64-bit id."""
    place = names.index(column)
    try:
        return np.loadtxt(
            lines, dtype=np.uint64, delimiter=",", ndmin=1, comments=None, usecols=place
        )
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"{path}: column '{column}' must hold whole numbers from 0 to 2**64-1 ({error})"
        ) from error


def _first_problem(path: Path, names: list[str]) -> str:
    with path.open(encoding=ENCODING, newline="") as file:
        reader = csv.reader(file)
        next(reader)
        for fields in reader:
            where = f"{path}: line {reader.line_num}"
            if not "".join(fields).strip():
                continue
            if len(fields) != len(names):
                return f"{where}: expected {len(names)} columns ({', '.join(names)}), got " + str(
                    len(fields)
                )
            for name, text in zip(names, fields, strict=True):
                if not _is_number(text):
                    if len(names) == 1 and any(mark in name for mark in ";\t"):
                        return f"{path}: line 1: columns must be separated by commas"
                    return f"{where}: column '{name}': must be a number, got '{text[:40]}'"
                if not math.isfinite(float(text)):
                    return (
                        f"{where}: column '{name}': must be a finite number, got '{text.strip()}'; "
                        "remove or repair such rows"
                    )
    return ""


def _is_number(text: str) -> bool:
    """Whether numpy reads it, which takes fewer forms than Python does."""
    if "_" in text or not text.isascii():
        return False
    try:
        float(text)
    except ValueError:
        return False
    return True
