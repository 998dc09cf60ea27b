"""Events from files: naetrigger's own HDF5, the shipped samples, and CSV."""

from __future__ import annotations

import csv
import math
from importlib import resources
from pathlib import Path

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError, suggestion
from naetrigger.contracts.events import Events, read_events
from naetrigger.training.data.settings import DataSettings


def read_source(settings: DataSettings) -> tuple[Events, list[Events]]:
    """(background, signals) as the settings name them, checked for NaN and bad weights."""
    if settings.is_csv:
        return _read_csv_source(settings)
    return _read_hdf5_source(settings)


def source_files(settings: DataSettings) -> dict[str, Path]:
    """Every file that :func:`read_source` reads, by what it is for."""
    files = {"source": source_path(settings)}
    if isinstance(settings.signals, dict):
        files |= {f"signals.{name}": Path(path) for name, path in settings.signals.items()}
    return files


def source_path(settings: DataSettings) -> Path:
    """The path of the source; InputError for an unknown sample."""
    if settings.kind != "shipped":
        return Path(settings.source)
    names = shipped_samples()
    if settings.source not in names:
        raise InputError(
            f"data.source: no shipped sample '{settings.source}'"
            f"{suggestion(settings.source, names)} (there are {', '.join(names)}; "
            "or give the path of a .h5 or .csv file)"
        )
    return _data_folder() / f"{settings.source}.h5"


def shipped_samples() -> list[str]:
    """Names of the samples that come with the package."""
    return sorted(path.stem for path in _data_folder().glob("*.h5"))


def _data_folder() -> Path:
    return Path(str(resources.files("naetrigger.training.data")))


def _read_hdf5_source(settings: DataSettings) -> tuple[Events, list[Events]]:
    path = source_path(settings)
    samples = {sample.process: sample for sample in read_events(path)}
    backgrounds = [name for name, sample in samples.items() if sample.role == "background"]
    if settings.background is None and len(backgrounds) != 1:
        raise InputError(
            f"{path}: holds {len(backgrounds)} processes of role background "
            f"({', '.join(backgrounds)}); name one as data.background"
        )
    background = settings.background or backgrounds[0]
    signals = settings.signals
    if signals is None:
        roles = {name: sample.role for name, sample in samples.items() if name != background}
        signals = tuple(name for name, role in roles.items() if role == "signal")
    for name in (background, *signals):
        if name not in samples:
            raise InputError(
                f"{path}: no process '{name}'{suggestion(name, samples)} (has {', '.join(samples)})"
            )
    if background in signals:
        raise InputError(f"data.signals: '{background}' is the background")
    return samples[background], [samples[name] for name in signals]


def _read_csv_source(settings: DataSettings) -> tuple[Events, list[Events]]:
    path = Path(settings.source)
    background = read_csv(path, settings.background or path.stem, "background", settings)
    signals = []
    files = settings.signals if isinstance(settings.signals, dict) else {}
    for name, file in files.items():
        signal = read_csv(Path(file), name, "signal", settings)
        if set(signal.columns) != set(background.columns):
            differ = sorted(set(signal.columns) ^ set(background.columns))
            raise InputError(
                f"{file}: must have the columns of {path}; in one of them alone: "
                f"{', '.join(differ)}"
            )
        signals.append(signal)
    return background, signals


def read_csv(path: Path, process: str, role: str, settings: DataSettings | None = None) -> Events:
    """Events of a CSV file whose first line names the columns.

    Two columns are taken out where they are present: weights (else 1) and event ids (else the
    row's number). Everything else is a value. Errors name line and column.
    """
    settings = settings or DataSettings()
    names = _header(path)
    table = _table(path, names)
    values = [i for i, n in enumerate(names) if n not in _special(settings)]
    weights = np.ones(len(table))
    if settings.weight_column in names:
        weights = table[:, names.index(settings.weight_column)]
    ids = np.arange(len(table), dtype=np.uint64)
    if settings.event_id_column in names:
        ids = _event_ids(path, names, settings.event_id_column)
    return Events(
        process=process,
        role=role,
        columns=tuple(names[i] for i in values),
        values=table[:, values].astype(np.float32),
        weights=weights,
        event_ids=ids,
        attributes={"source": path.name},
    ).check(str(path))


def _special(settings: DataSettings) -> tuple[str, str]:
    return settings.weight_column, settings.event_id_column


def _header(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            line = file.readline(1_000_000)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as text ({error})") from error
    if not line.strip():
        raise InputError(f"{path}: is empty; the first line must name the columns")
    names = [name.strip() for name in next(csv.reader([line]))]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or "" in names:
        raise InputError(
            f"{path}: line 1: every column needs a name of its own"
            + (f" ({', '.join(repr(name) for name in twice)} stands twice)" if twice else "")
        )
    if all(_is_number(name) for name in names):
        raise InputError(
            f"{path}: line 1 holds numbers; the first line must name the columns, as in "
            "'pt,eta,mass'"
        )
    return names


def _table(path: Path, names: list[str]) -> npt.NDArray[np.float64]:
    """All numbers, shape (N, columns); numpy's fast reader, and a slow look for what is wrong."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            file.readline()
            if not file.readline().strip():
                raise InputError(f"{path}: holds no events below its first line")
        table = np.loadtxt(
            path, delimiter=",", skiprows=1, ndmin=2, comments=None, encoding="utf-8-sig"
        )
    except ValueError as error:
        raise InputError(_first_problem(path, names) or f"{path}: {error}") from error
    if table.shape[1] != len(names):
        raise InputError(_first_problem(path, names) or f"{path}: {table.shape[1]} columns")
    if not np.isfinite(table).all():
        raise InputError(_first_problem(path, names) or f"{path}: holds NaN or infinity")
    return table


def _event_ids(path: Path, names: list[str], column: str) -> npt.NDArray[np.uint64]:
    """Read apart from the table: a float64 cannot hold every 64-bit id."""
    try:
        ids = np.loadtxt(
            path,
            dtype=np.uint64,
            delimiter=",",
            skiprows=1,
            ndmin=1,
            comments=None,
            usecols=names.index(column),
            encoding="utf-8-sig",
        )
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"{path}: column '{column}' must hold whole numbers from 0 to 2**64-1 ({error})"
        ) from error
    return ids


def _first_problem(path: Path, names: list[str]) -> str:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        next(reader)
        for fields in reader:
            where = f"{path}: line {reader.line_num}"
            if not fields:
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
    try:
        float(text)
    except ValueError:
        return False
    return True
