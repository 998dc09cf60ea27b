"""What can be looked at in simulated events, and how a chunk of them becomes rows of a table."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError, suggestion
from naetrigger.contracts.events import HARDWARE_UNIT
from naetrigger.training.simulate.particles import Floats, Integers, Particles
from naetrigger.training.simulate.process import (
    IMAGES,
    JET_VIEWS,
    JETS,
    L1_OBJECTS,
    REGIONS,
    TRIGGER_VIEWS,
    Process,
)

if TYPE_CHECKING:
    from naetrigger.training.simulate.trigger_detector import TriggerDetector, TriggerView

MANTISSA_BITS = 12  # of stored physical quantities: 1.2e-4 of each


@dataclass(frozen=True)
class Table:
    """Rows made of one batch of events, R of them, in the order of the events.

    event : (R,) index of the event within its batch
    values : (R, F); context : (R, C)
    weights : (R,)
    dropped : rows left out because an observable is undefined
    """

    event: Integers
    values: npt.NDArray[np.float32]
    context: npt.NDArray[np.float32]
    weights: Floats
    dropped: int = 0


@dataclass(frozen=True)
class Layout:
    """The columns of a view and what is counted as one row."""

    columns: tuple[str, ...]
    units: tuple[str, ...]
    context_columns: tuple[str, ...]
    context_units: tuple[str, ...]
    rows: str


Look = Callable[[Particles | None, int, Process, np.random.Generator], Table]


def check_view(process_name: str, process: Process, view: str) -> None:
    """Raise InputError for a view that the process does not have."""
    known = (*JET_VIEWS, *TRIGGER_VIEWS)
    if view not in known:
        raise InputError(f"no view '{view}'{suggestion(view, known)} (has {', '.join(known)})")
    if view not in process.views:
        raise InputError(
            f"{process_name}: cannot be looked at as {view}; its views are "
            f"{', '.join(process.views)}"
        )


def layout(view: str) -> Layout:
    """Columns and units of a view."""
    if view == JETS:
        from naetrigger.training.simulate import jets

        return Layout(jets.COLUMNS, jets.UNITS, jets.CONTEXT_COLUMNS, jets.CONTEXT_UNITS, "jets")
    if view == IMAGES:
        from naetrigger.training.simulate import images

        return Layout(
            images.COLUMNS,
            (HARDWARE_UNIT,) * len(images.COLUMNS),
            images.CONTEXT_COLUMNS,
            images.CONTEXT_UNITS,
            "jets",
        )
    from naetrigger.training.simulate import trigger_detector, zero_bias

    columns = zero_bias.VIEWS[view]
    return Layout(
        columns,
        (HARDWARE_UNIT,) * len(columns),
        trigger_detector.CONTEXT_COLUMNS,
        trigger_detector.CONTEXT_UNITS,
        "crossings",
    )


def look(view: str) -> Look:
    """The function that makes a view's rows."""
    return {
        JETS: see_jets,
        IMAGES: see_images,
        L1_OBJECTS: see_l1_objects,
        REGIONS: see_regions,
    }[view]


def see_jets(
    particles: Particles | None, n_events: int, process: Process, rng: np.random.Generator
) -> Table:
    """Eight substructure observables of every selected jet; undefined ones are dropped."""
    from naetrigger.training.simulate import detector, jets, selection

    assert particles is not None
    found = selection.select(jets.cluster(detector.reconstruct(particles, rng)), particles, process)
    if not len(found):
        return _nothing(len(jets.COLUMNS), len(jets.CONTEXT_COLUMNS))
    observed = jets.substructure(found)
    defined = np.isfinite(observed.values).all(1) & np.isfinite(observed.context).all(1)
    return Table(
        event=found.event[defined],
        values=rounded(observed.values[defined]),
        context=rounded(observed.context[defined]),
        # Pythia gives weights above 1 to the few events where it had underestimated the
        # cross-section while sampling (seen up to 25): noise in a sample of this size.
        weights=np.ones(int(np.sum(defined))),
        dropped=int(np.sum(~defined)),
    )


def see_images(
    particles: Particles | None, n_events: int, process: Process, rng: np.random.Generator
) -> Table:
    """The image of the leading jet of every event that has one of 550 to 650 GeV."""
    from naetrigger.training.simulate import detector, images, jets, selection

    assert particles is not None
    found = selection.leading(
        jets.cluster(detector.reconstruct(particles, rng), max_eta=detector.CALORIMETER_ETA),
        images.MIN_PT_GEV,
        images.MAX_PT_GEV,
        images.MAX_ETA,
    )
    found = selection.select(found, particles, process)
    if not len(found):
        return _nothing(len(images.COLUMNS), len(images.CONTEXT_COLUMNS))
    return Table(
        event=found.event,
        values=images.images(found).astype(np.float32),
        context=rounded(images.context(jets.substructure(found))),
        weights=np.ones(len(found)),
    )


def see_l1_objects(
    particles: Particles | None, n_events: int, process: Process, rng: np.random.Generator
) -> Table:
    """Trigger objects of every crossing; of zero bias where there are no particles."""
    seen = _detector().observe(particles, n_events, rng)
    return _trigger_table(seen, seen.objects)


def see_regions(
    particles: Particles | None, n_events: int, process: Process, rng: np.random.Generator
) -> Table:
    """Calorimeter regions of the same crossings as :func:`see_l1_objects`."""
    seen = _detector().observe(particles, n_events, rng)
    return _trigger_table(seen, seen.regions)


@functools.cache
def _detector() -> TriggerDetector:
    """The default detector; reading its pool takes a second."""
    from naetrigger.training.simulate.trigger_detector import TriggerDetector

    return TriggerDetector()


def _trigger_table(seen: TriggerView, values: npt.NDArray[Any]) -> Table:
    context = seen.context()
    context[:, 1] = rounded(seen.mean_pileup, bits=8)
    return Table(
        event=np.arange(len(seen)),
        values=values.reshape(len(seen), -1).astype(np.float32),
        context=context,
        weights=rounded(seen.weights).astype(np.float64),
    )


def rounded(x: Floats, bits: int = MANTISSA_BITS) -> npt.NDArray[np.float32]:
    """x to the nearest number of `bits` significant bits, so that it compresses."""
    mantissa, exponent = np.frexp(x)
    short: npt.NDArray[np.float32] = np.ldexp(np.round(mantissa * 2**bits), exponent - bits).astype(
        np.float32
    )
    return short


def _nothing(columns: int, context_columns: int) -> Table:
    return Table(
        np.zeros(0, np.int64),
        np.zeros((0, columns), np.float32),
        np.zeros((0, context_columns), np.float32),
        np.zeros(0),
    )
