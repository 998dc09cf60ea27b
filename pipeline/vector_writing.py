"""Test vectors of a run in the formats of test stands, and the check of such a file.

A format is one entry of FORMATS: how it is written from events and how what was read is compared
with the network. `gt` and `regions` hold hardware objects, which the input spec turns into the
network's inputs; the others hold the inputs themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from naetrigger.contracts import calo_regions, trigger_objects
from naetrigger.contracts.decision import decision_words
from naetrigger.contracts.errors import AgreementError, InputError, suggestion
from naetrigger.contracts.events import read_events
from naetrigger.contracts.fixed_point import Integers
from naetrigger.contracts.manifest import read_manifest
from naetrigger.contracts.network import FixedPointNetwork
from naetrigger.contracts.network_file import load_network
from naetrigger.contracts.npz_file import MAX_VECTOR_BYTES, load_arrays
from naetrigger.export.vector_files import hexadecimal, memory, regions
from naetrigger.export.vector_files.event_word import TestVectors, expected, layout_of
from naetrigger.firmware_configs.input_spec import InputSpec, columns_of
from naetrigger.pipeline.input_specs import spec_of
from naetrigger.pipeline.run_folder import TEST

_OBJECTS = "the 57 of trigger objects"


@dataclass(frozen=True)
class Source:
    """A run, as the formats see it.

    first_bit : algorithm bit of the decision's first, in Global Trigger lines
    """

    root: Path
    network: FixedPointNetwork
    spec: InputSpec
    events: int | None
    first_bit: int

    def vectors(self) -> TestVectors:
        """The export's test vectors, with their corners and ties."""
        path = self.root / "export" / "vectors.npz"
        try:
            arrays = load_arrays(path, MAX_VECTOR_BYTES)
            inputs = np.asarray(arrays["inputs"], np.int64)[: self.events]
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            raise InputError(f"{path}: not readable ({error}); finish the run") from error
        return expected(self.network, inputs)

    def hardware(self, columns: tuple[str, ...], what: str) -> Integers:
        """Hardware integers of test events in `columns`, which must be those of the spec."""
        if self.spec.source_columns != columns:
            raise InputError(
                f"{self.root}: its input spec {self.spec.name} reads other columns than {what}; "
                "hex, coe and mif hold the inputs of any run"
            )
        path = self.root / TEST
        path = path if path.exists() else path.with_name("train.h5")
        tables = [columns_of(events, columns) for events in read_events(path)]
        values = np.concatenate(tables)[: self.events]
        return np.asarray(values, np.int64)

    def expected(self, values: Integers) -> TestVectors:
        """What the network gives for hardware integers (N, columns)."""
        return expected(self.network, self.spec.mantissas(values))


@dataclass(frozen=True)
class Format:
    """One format.

    write : writes a file and gives the number of its events
    read : reads a file: what it says, and what the network says to the same events
    """

    title: str
    suffix: str
    write: Callable[[Path, Source], int]
    read: Callable[[Path, Source], tuple[TestVectors, TestVectors]]


def write_vectors(root: Path, name: str, out: Path, events: int | None, first_bit: int) -> int:
    """Write the run's vectors into `out`; the number of events."""
    kind = format_named(name)
    if out.exists():
        raise InputError(f"{out}: is there already; name another file")
    if not out.parent.is_dir():
        raise InputError(f"{out}: there is no folder {out.parent}; make it first")
    return kind.write(out, _source(root, events, first_bit))


def check_vectors(
    root: Path, name: str, path: Path, first_bit: int, events: int | None = None
) -> int:
    """The number of events of a file whose scores and bits are all the network's.

    events : how many it must hold; default: as many as it says itself, or as the run would write
    Raises AgreementError naming the first event where they are not, InputError for another number.
    """
    source = _source(root, events, first_bit)
    stated, found = format_named(name).read(path, source)
    if events is not None and len(stated) != events:
        raise InputError(f"{path}: holds {len(stated)} events, expected {events} (--events)")
    for what, a, b in (
        ("score", stated.scores, found.scores),
        ("decision", decision_words(stated.decisions), decision_words(found.decisions)),
    ):
        if len(differing := np.flatnonzero(a != b)):
            event = int(differing[0])
            raise AgreementError(
                f"{path}: {what}: {len(differing)} of {len(stated)} events differ from the "
                f"network, first event {event}: the file says {a[event]}, the network {b[event]}"
            )
    return len(stated)


def format_named(name: str) -> Format:
    """A registered format."""
    if name not in FORMATS:
        raise InputError(
            f"no format '{name}'{suggestion(name, FORMATS)} (there are {', '.join(FORMATS)})"
        )
    return FORMATS[name]


def _source(root: Path, events: int | None, first_bit: int) -> Source:
    read_manifest(root)  # InputError for a folder that is no run
    network = load_network(root / "export" / "network")
    return Source(root, network, spec_of(root, "student"), events, first_bit)


def _of_inputs(title: str, suffix: str, write: Any, read: Any) -> Format:
    def written(path: Path, source: Source) -> int:
        vectors = source.vectors()
        write(path, vectors, layout_of(source.network))
        return len(vectors)

    def stated(path: Path, source: Source) -> tuple[TestVectors, TestVectors]:
        vectors = read(path, layout_of(source.network))
        return vectors, expected(source.network, vectors.inputs)

    return Format(title, suffix, written, stated)


def _write_gt(path: Path, source: Source) -> int:
    from naetrigger.training.data.formats import global_trigger

    values = source.hardware(trigger_objects.COLUMNS, _OBJECTS)
    bits = source.expected(values).decisions
    global_trigger.write_decisions(path, values.reshape(-1, 19, 3), bits, source.first_bit)
    return len(values)


def _read_gt(path: Path, source: Source) -> tuple[TestVectors, TestVectors]:
    """The lines hold no score, so it is the network's on both sides."""
    from naetrigger.training.data.formats import global_trigger

    bits = len(source.network.thresholds)
    if not bits:
        raise InputError(f"{path}: gt holds decision bits alone; this network has none")
    objects, decisions = global_trigger.read_decisions(path, bits, source.first_bit)
    if source.events is None and len(objects) != (
        count := len(source.hardware(trigger_objects.COLUMNS, _OBJECTS))
    ):
        raise InputError(
            f"{path}: holds {len(objects)} events, the run's vectors are {count}; it is cut off, "
            "or state by --events how many it must hold"
        )
    found = source.expected(objects.reshape(len(objects), -1))
    return TestVectors(found.inputs, found.scores, decisions), found


def _write_regions(path: Path, source: Source) -> int:
    et = source.hardware(calo_regions.COLUMNS, "the 252 of calorimeter regions")
    et = np.minimum(et, calo_regions.MAX_ET)
    found = source.expected(et)
    vectors = regions.RegionVectors(et, found.scores, found.decisions)
    regions.write_regions(path, vectors, layout_of(source.network))
    return len(et)


def _read_regions(path: Path, source: Source) -> tuple[TestVectors, TestVectors]:
    stated = regions.read_regions(path, layout_of(source.network))
    found = source.expected(stated.et)
    return TestVectors(found.inputs, stated.scores, stated.decisions), found


FORMATS: dict[str, Format] = {
    "hex": _of_inputs("hexadecimal", ".hex", hexadecimal.write_hex, hexadecimal.read_hex),
    "coe": _of_inputs("memory of AMD", ".coe", memory.write_coe, memory.read_coe),
    "mif": _of_inputs("memory of Intel", ".mif", memory.write_mif, memory.read_mif),
    "gt": Format("Global Trigger lines", ".txt", _write_gt, _read_gt),
    "regions": Format("36-link region words", ".links", _write_regions, _read_regions),
}
