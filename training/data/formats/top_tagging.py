"""The top-tagging reference data set (Kasieczka et al., doi:10.5281/zenodo.2603256): pandas HDF5,
key ``table``.

Columns ``E_i PX_i PY_i PZ_i`` for constituents i = 0 ... 199 of one jet (GeV, zero-padded), with
``is_signal_new`` (1 for tops) and ``ttv`` (0 training, 1 test, 2 validation), which is kept as
context. Jets become images, or the eight substructure inputs; constituents count as massless.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.events import Events
from naetrigger.training.data.formats import constituents
from naetrigger.training.data.formats.format import (
    Description,
    ProcessSummary,
    ReadOptions,
    chosen_view,
    single_process,
)
from naetrigger.training.data.formats.hdf5_file import opened, recognised, slices
from naetrigger.training.data.formats.pandas_hdf5 import DataFrame, stored_frame

QUANTITIES = ("E", "PX", "PY", "PZ")
LABEL = "is_signal_new"
PROCESSES = (("qcd", "background"), ("top", "signal"))


class TopTagging:
    """The format as the registry knows it."""

    title = "top-tagging reference data (pandas HDF5)"
    views: tuple[str, ...] = constituents.VIEWS

    def recognise(self, path: Path) -> bool:
        return recognised(path, lambda file: _is_layout(stored_frame(file)))

    def describe(self, path: Path, options: ReadOptions) -> Description:
        view = chosen_view(self, options, path)
        columns = constituents.layout(view)
        with opened(path) as file:
            frame = _frame(stored_frame(file), path)
            split = ("ttv",) if "ttv" in frame.columns else ()
            return Description(
                processes=tuple(ProcessSummary(name, role, None) for name, role in PROCESSES)
                if LABEL in frame.columns
                else single_process(path, options, None),
                columns=columns.columns,
                units=columns.units,
                context_columns=(*columns.context_columns, *split),
                context_units=(*columns.context_units, *("1" for _ in split)),
                notes=(
                    f"view {view} of {', '.join(self.views)}; {frame.n_rows} jets in the file, "
                    "those without enough constituents are left out",
                    "event ids are row numbers",
                ),
            )

    def chunks(self, path: Path, options: ReadOptions, size: int) -> Iterator[Events]:
        view = chosen_view(self, options, path)
        with opened(path) as file:
            frame = _frame(stored_frame(file), path)
            n = _constituent_count(frame, path)
            for rows in slices(frame.n_rows, size, len(frame.columns)):
                yield from _events(frame, n, rows, view, path, options)


def _events(
    frame: DataFrame, n: int, rows: slice, view: str, path: Path, options: ReadOptions
) -> Iterator[Events]:
    """The events of some rows, signal and background apart."""
    table = frame.read(rows)
    place = {name: i for i, name in enumerate(frame.columns)}
    momenta = {q: table[:, [place[f"{q}_{i}"] for i in range(n)]] for q in QUANTITIES}
    constituents.check(momenta, path, rows.start)
    px, py, pz = (momenta[q] for q in QUANTITIES[1:])
    pt = np.hypot(px, py)
    eta = np.arcsinh(np.divide(pz, pt, out=np.zeros_like(pt), where=pt > 0))
    made = constituents.jet_table(view, constituents.jets_of_rows(pt, eta, np.arctan2(py, px)))
    layout = constituents.layout(view)
    context, names, units = made.context, layout.context_columns, layout.context_units
    if "ttv" in place:
        split = table[made.rows, place["ttv"]]
        context = np.column_stack([context, split]).astype(np.float32)
        names, units = (*names, "ttv"), (*units, "1")
    labels = _labels(table, place, path, rows.start)
    for label, (process, role) in enumerate(PROCESSES):
        if labels is None:
            process, role = options.process or path.stem, options.role
        of_process = np.ones(len(made.rows), bool) if labels is None else labels[made.rows] == label
        if (labels is None and label) or not of_process.any():
            continue
        yield Events(
            process=process,
            role=role,
            columns=layout.columns,
            values=made.values[of_process],
            weights=np.ones(int(of_process.sum())),
            event_ids=(made.rows[of_process] + rows.start).astype(np.uint64),
            context_columns=names,
            context=context[of_process],
            units=layout.units,
            context_units=units,
            attributes={"source": path.name, "view": view},
        )


def _labels(
    table: npt.NDArray[np.float64], place: dict[str, int], path: Path, first_row: int
) -> npt.NDArray[np.float64] | None:
    if LABEL not in place:
        return None
    labels = table[:, place[LABEL]]
    bad = np.flatnonzero((labels != 0) & (labels != 1))
    if len(bad):
        raise InputError(
            f"{path}: row {first_row + bad[0]}: {LABEL} must be 0 or 1, got {labels[bad[0]]}"
        )
    return labels


def _is_layout(frame: DataFrame | None) -> bool:
    return frame is not None and {f"{q}_0" for q in QUANTITIES} <= set(frame.columns)


def _frame(frame: DataFrame | None, path: Path) -> DataFrame:
    if frame is None or not _is_layout(frame):
        raise InputError(
            f"{path}: holds no table with the columns E_0, PX_0, PY_0, PZ_0 ..., is_signal_new"
        )
    if frame.n_rows == 0:
        raise InputError(f"{path}: holds no jets")
    _constituent_count(frame, path)
    return frame


def _constituent_count(frame: DataFrame, path: Path) -> int:
    """Constituents of a row; every one of them must have all four columns."""
    numbered = [m for m in (re.fullmatch(r"(E|PX|PY|PZ)_(\d+)", c) for c in frame.columns) if m]
    count = 1 + max(int(match[2]) for match in numbered)
    names = set(frame.columns)
    missing = [f"{q}_{i}" for i in range(min(count, 10_000)) for q in QUANTITIES]
    missing = [name for name in missing if name not in names]
    if missing:
        raise InputError(
            f"{path}: columns up to constituent {count - 1}, but {', '.join(missing[:4])} "
            f"{'is' if len(missing) == 1 else 'are'} missing"
        )
    return count
