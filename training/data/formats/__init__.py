"""The file formats that events are read from, by name; one module each.

The order is that in which a file is tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from naetrigger.contracts.events import Events
from naetrigger.training.data.formats import (
    calo_regions,
    csv_table,
    global_trigger,
    lhco,
    naetrigger,
    nanoaod,
    parquet,
    particles_40mhz,
    top_tagging,
)
from naetrigger.training.data.formats.format import Format

FORMATS: dict[str, Format] = {
    "naetrigger": naetrigger.NaeTrigger(),
    "particles-40mhz": particles_40mhz.Particles40MHz(),
    "calo-regions": calo_regions.CaloRegions(),
    "top-tagging": top_tagging.TopTagging(),
    "lhco": lhco.Lhco(),
    "nanoaod": nanoaod.NanoAod(),
    "parquet": parquet.Parquet(),
    "global-trigger": global_trigger.GlobalTrigger(),
    "csv": csv_table.Csv(),
}

WRITERS: dict[str, Callable[[Path, Iterable[Events]], None]] = {
    "particles-40mhz": particles_40mhz.write,
    "calo-regions": calo_regions.write,
    "parquet": parquet.write,
    "global-trigger": global_trigger.write,
    "csv": csv_table.write,
}
"""Write the chunks of one process. The file is written whole or not at all."""

PLACES: dict[str, Callable[[Path, int], str]] = {"csv": csv_table.place}
"""Where a row of a file stands, in the words of its format; elsewhere the row's number says it."""
