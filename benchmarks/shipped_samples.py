"""The shipped samples as the tables and figures of benchmarks/sample_physics.py read them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.events import Events, read_events
from naetrigger.contracts.trigger_objects import LSB

Floats = npt.NDArray[np.floating[Any]]
Sample = Mapping[str, Events]

R_INV = ("svjt_2000_r01", "svjt_2000_r03", "svjt_2000_r05", "svjt_2000_r07")
NAMES = {
    "zero_bias": "zero bias",
    "ttbar": "top pairs",
    "qcd": "QCD",
    "top": "boosted tops",
    "a_4l": "A to 4 leptons",
    "lq_btau": "leptoquarks",
    "h0_tautau": "h0 to tau tau",
    "hp_taunu": "h+ h-",
    "svjs_2000_r03": "Z' 2 TeV, r_inv 0.3",
    "svjt_1000_r03": "pairs, 1 TeV, r_inv 0.3",
    "svjt_2000_r01": "pairs, 2 TeV, r_inv 0.1",
    "svjt_2000_r03": "pairs, 2 TeV, r_inv 0.3",
    "svjt_2000_r05": "pairs, 2 TeV, r_inv 0.5",
    "svjt_2000_r07": "pairs, 2 TeV, r_inv 0.7",
    "svjt_4000_r03": "pairs, 4 TeV, r_inv 0.3",
}


def sample(folder: Path, name: str) -> Sample:
    """The processes of one shipped file."""
    return {events.process: events for events in read_events(folder / f"{name}.h5")}


def collisions(events: Events) -> npt.NDArray[np.uint64]:
    """What a resample draws whole: in zero bias the hardest collision, elsewhere the event."""
    if events.process == "zero_bias":
        return (events.column("pool_event") + 1).astype(np.uint64)  # -1: no collision
    return events.event_ids


def halves(events: Events) -> tuple[Events, Events]:
    """Two halves without an event, or a hardest collision, in common."""
    even = collisions(events) % np.uint64(2) == 0
    return events.select(even), events.select(~even)


def in_gev(events: Events, column: str) -> Floats:
    """A pT of the trigger view; HT is in GeV as stored."""
    return events.column(column) * (1.0 if column == "ht" else LSB[0, 0])
