"""The models of compare.json, version 1. docs/compare.md explains them to its readers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from naetrigger.validation.report.entry import Entry
from naetrigger.validation.report.schema import Check, PairAgreement


class WorkingThreshold(Entry):
    """One point at which events are selected: score >= threshold."""

    name: str
    """'background 0.01' of the report, 'bit 0' of the firmware's decision, '1 kHz' of rates."""
    student: int | None = None
    """In hardware integers."""
    teacher: float | None = None

    def of_model(self, model: str) -> float | int | None:
        """The threshold of a 'teacher' or 'student'; None where there is none."""
        return self.teacher if model == "teacher" else self.student


class DifferenceBin(Entry):
    """Events whose difference b - a, in LSBs, is low to high."""

    low: int
    high: int
    events: int


class Flips(Entry):
    """Events that one engine of a pair selects at a working point, and the other does not."""

    point: str
    threshold_a: float
    threshold_b: float
    only_a: int
    only_b: int
    both: int


class DifferingEvent(Entry):
    """An event on which two engines differ."""

    process: str
    row: int
    """In its process, from 0."""
    event_id: int
    a: float | None
    b: float | None
    """null: no finite number."""
    difference: float | None
    """|b - a| in LSBs, or relative for floats; null where one side is no finite number."""


class PairComparison(PairAgreement):
    """Two engines on the same events; what a pair of report.json says, and more."""

    mean_lsb: float | None = None
    """Mean |b - a| in LSBs; null where one side is no integer."""
    mean_relative: float | None = None
    differences: tuple[DifferenceBin, ...] = ()
    """Of integers: where b - a lies; empty ranges are left out."""
    spearman_n: int = 0
    """Events, chosen by a hash of their rows, that `spearman` was measured on."""
    beyond: int = 0
    """Events that break the expectation."""
    flips: tuple[Flips, ...] = ()
    first: DifferingEvent | None = None
    """The first event, in the file's order, that breaks the expectation."""
    worst: tuple[DifferingEvent, ...] = ()


class ComparedEngine(Entry):
    """An engine that took part."""

    name: str
    model: Literal["teacher", "student"]
    n: int
    """Events of the file that it scored."""
    nan: int = 0
    """Scores that are NaN or infinite."""


class PartingEvent(Entry):
    """Where, within one event, two engines part."""

    process: str
    row: int
    event_id: int | None
    layer: str
    element: int
    a: float
    b: float
    """Values that left the layer, as mantissas of its format."""


class Parting(Entry):
    """Two engines that must be equal and are not: the first layer that differs."""

    a: str
    b: str
    events: str
    layer: str | None
    """The first, in the network's order, on any traced event; null: no traced layer differs."""
    traced: int
    """Events that were traced: the first and the worst."""
    by_layer: dict[str, int]
    """In how many of them each layer is the first to differ."""
    first: PartingEvent | None
    worst: PartingEvent | None
    note: str = ""


class LayerCheck(Entry):
    """Every layer that an engine shows against the network, whatever the scores say."""

    engine: str
    events: str
    n: int
    layers: int
    differing: tuple[str, ...] = ()


class BitCheck(Entry):
    """One bit of an engine's decision against the network's."""

    engine: str
    events: str
    layer: str
    """The node that compares the score with the thresholds."""
    bit: int
    threshold_hw: int
    n: int
    only_network: int
    """Events that fire in the network alone."""
    only_engine: int
    first: DifferingEvent | None = None


class OverflowEvent(Entry):
    """An event in which a value left the range of its edge."""

    process: str
    row: int
    event_id: int
    element: int


class EdgeOverflow(Entry):
    """How often values left the range of an edge of the network."""

    edge: str
    kind: Literal["saturates", "wraps"]
    type: str
    events: int
    fraction: float
    """Of all events."""
    values: int
    first: tuple[OverflowEvent, ...] = ()


class CompareReport(Entry):
    """The verdict of `naetrigger compare`."""

    format: Literal["naetrigger-compare"] = "naetrigger-compare"
    version: Literal[1] = 1
    passed: bool
    naetrigger: str
    recipe: str
    run_manifest_sha256: str
    file: str
    file_sha256: str
    events: dict[str, int]
    """By process, those compared."""
    saturated_columns: dict[str, int] = Field(default_factory=dict)
    """Values of the file beyond the range of their hardware integers."""
    edited: tuple[str, ...] = ()
    """Files of the run that are not as the manifest has them; they were compared as they are."""
    engines: tuple[ComparedEngine, ...]
    agree: tuple[tuple[str, ...], ...] = ()
    """The student's engines in groups of equal scores; one group where all agree."""
    working_points: tuple[WorkingThreshold, ...] = ()
    pairs: tuple[PairComparison, ...]
    partings: tuple[Parting, ...] = ()
    layers: tuple[LayerCheck, ...] = ()
    bits: tuple[BitCheck, ...] = ()
    edges: tuple[EdgeOverflow, ...] = ()
    checks: tuple[Check, ...]
    notes: tuple[str, ...] = ()

    @property
    def failed_checks(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if not check.passed)


def compare_to_json(report: CompareReport) -> str:
    """The text of compare.json: indented, ending in a newline, the same for the same report."""
    return report.model_dump_json(indent=1) + "\n"
