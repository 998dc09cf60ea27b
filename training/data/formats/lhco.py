"""LHC Olympics 2020 events (doi:10.5281/zenodo.4536377): pandas HDF5, (N, 2100) or (N, 2101).

Each row is an event: 700 particles as pt [GeV], eta, phi, zero-padded, and where there is a last
column, the label (1 for signal). Events are clustered into anti-kt jets of R = 0.8 with pt above
200 GeV in |eta| < 2.4, of which the two hardest are kept: a row each, their event id the row in
the file. Needs the extra `generate` (FastJet).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from naetrigger.training.simulate.jets import Jets

PARTICLES = 700
WIDTH = 3 * PARTICLES
JETS_PER_EVENT = 2
PROCESSES = (("background", "background"), ("signal", "signal"))


class Lhco:
    """The format as the registry knows it."""

    title = "LHC Olympics events (pandas HDF5)"
    views: tuple[str, ...] = ("substructure", "images")

    def recognise(self, path: Path) -> bool:
        return recognised(path, lambda file: _is_layout(stored_frame(file)))

    def describe(self, path: Path, options: ReadOptions) -> Description:
        view = chosen_view(self, options, path)
        columns = constituents.layout(view)
        with opened(path) as file:
            frame = _frame(stored_frame(file), path)
            return Description(
                processes=tuple(ProcessSummary(name, role, None) for name, role in PROCESSES)
                if len(frame.columns) > WIDTH
                else single_process(path, options, None),
                columns=columns.columns,
                units=columns.units,
                context_columns=columns.context_columns,
                context_units=columns.context_units,
                notes=(
                    f"view {view} of {', '.join(self.views)}; {frame.n_rows} events in the file, "
                    f"of each the {JETS_PER_EVENT} hardest jets above 200 GeV",
                    "event ids are row numbers",
                ),
            )

    def chunks(self, path: Path, options: ReadOptions, size: int) -> Iterator[Events]:
        view = chosen_view(self, options, path)
        layout = constituents.layout(view)
        with opened(path) as file:
            frame = _frame(stored_frame(file), path)
            for rows in slices(frame.n_rows, size, WIDTH):
                table = frame.read(rows)
                particles = table[:, :WIDTH].reshape(len(table), PARTICLES, 3)
                names = ("pt", "eta", "phi")
                quantities = {name: particles[:, :, i] for i, name in enumerate(names)}
                constituents.check(quantities, path, rows.start)
                jets = _leading_jets(particles)
                made = constituents.jet_table(view, jets)
                labels = _labels(table, path, rows.start)
                for process, role, label in _processes(labels, path, options):
                    event_rows = jets.event[made.rows]
                    kept = np.ones(len(event_rows), bool)
                    if labels is not None:
                        kept = labels[event_rows] == label
                    if kept.any():
                        yield Events(
                            process=process,
                            role=role,
                            columns=layout.columns,
                            values=made.values[kept],
                            weights=np.ones(int(kept.sum())),
                            event_ids=(event_rows[kept] + rows.start).astype(np.uint64),
                            context_columns=layout.context_columns,
                            context=made.context[kept],
                            units=layout.units,
                            context_units=layout.context_units,
                            attributes={"source": path.name, "view": view},
                        )


def _leading_jets(particles: npt.NDArray[np.float64]) -> Jets:
    """The hardest jets of events (N, 700, 3)."""
    from naetrigger.training.simulate import jets
    from naetrigger.training.simulate.detector import Candidates

    there = particles[:, :, 0] > 0
    if not there.any():
        empty = np.zeros((0, 1))
        return constituents.jets_of_rows(empty, empty, empty)
    found = jets.cluster(Candidates(np.nonzero(there)[0], *particles[there].T))
    first = np.searchsorted(found.event, found.event)  # hardest first within an event
    return found.select(np.arange(len(found)) - first < JETS_PER_EVENT)


def _processes(
    labels: npt.NDArray[np.float64] | None, path: Path, options: ReadOptions
) -> list[tuple[str, str, int]]:
    if labels is None:
        return [(options.process or path.stem, options.role, 0)]
    return [(name, role, label) for label, (name, role) in enumerate(PROCESSES)]


def _labels(
    table: npt.NDArray[np.float64], path: Path, first_row: int
) -> npt.NDArray[np.float64] | None:
    if table.shape[1] == WIDTH:
        return None
    labels = table[:, WIDTH]
    bad = np.flatnonzero((labels != 0) & (labels != 1))
    if len(bad):
        raise InputError(
            f"{path}: row {first_row + bad[0]}: the label (last column) must be 0 or 1, got "
            f"{labels[bad[0]]}"
        )
    return labels


def _is_layout(frame: DataFrame | None) -> bool:
    return frame is not None and len(frame.columns) in (WIDTH, WIDTH + 1)


def _frame(frame: DataFrame | None, path: Path) -> DataFrame:
    if frame is None or not _is_layout(frame):
        raise InputError(
            f"{path}: holds no table of {WIDTH} columns (700 particles as pt, eta, phi), or one "
            "more for the label"
        )
    if frame.n_rows == 0:
        raise InputError(f"{path}: holds no events")
    return frame
