"""The models of monitor.json, version 1. docs/monitor.md explains them to its readers."""

from __future__ import annotations

from typing import Literal

from naetrigger.validation.report.entry import Entry

Flag = Literal["drift", "dead", "hot", "constant"]


class Moments(Entry):
    """One distribution in a few numbers, in the units of its axis."""

    events: int
    effective: float
    """(sum w)^2 / sum w^2."""
    mean: float
    deviation: float
    occupancy: float
    """Fraction of events off the reference's most frequent value, if that holds 5% of it; or 1."""
    tail: float
    """Fraction at or above the value that 1% of the reference reaches."""


class Physical(Entry):
    """What an input's numbers stand for: quantity = offset + factor * input."""

    quantity: str
    """'met', or 'log(met)' where that is what becomes the input."""
    unit: str = ""
    offset: float
    factor: float

    def mean(self, moments: Moments) -> float:
        """Of an input's moments, in `unit`."""
        return self.offset + self.factor * moments.mean

    def deviation(self, moments: Moments) -> float:
        """Of an input's moments, in `unit`."""
        return abs(self.factor) * moments.deviation


class Drift(Entry):
    """One quantity of a file against the reference."""

    name: str
    """'score' or the name of an input."""
    physical: Physical | None = None
    """Of an input; its moments are those of the number that the network receives."""
    reference: Moments
    found: Moments
    ks: float
    """Kolmogorov-Smirnov distance."""
    ks_p: float
    wasserstein: float
    """Wasserstein distance in standard deviations of the reference."""
    chi2: float
    degrees: int
    chi2_p: float
    effect: float
    """Cohen's w, noise subtracted: sqrt(max(chi2 - degrees, 0) / n)."""
    p: float
    """The smaller of both, corrected for all tests of all files (Holm)."""
    flags: tuple[Flag, ...] = ()

    @property
    def shift(self) -> float | None:
        """By how many standard deviations of the reference the mean moved."""
        deviation = self.reference.deviation
        return (self.found.mean - self.reference.mean) / deviation if deviation else None

    @property
    def shown(self) -> str:
        """Its name, and what is done to it before it becomes an input."""
        return self.physical.quantity if self.physical else self.name

    @property
    def unit(self) -> str:
        """Of `means` and `deviations`."""
        return self.physical.unit if self.physical else ""

    @property
    def means(self) -> tuple[float, float]:
        """Of reference and file, in physical units where there are any."""
        both = (self.reference, self.found)
        before, now = (self.physical.mean(m) if self.physical else m.mean for m in both)
        return before, now

    @property
    def deviations(self) -> tuple[float, float]:
        """Of reference and file, in physical units where there are any."""
        both = (self.reference, self.found)
        before, now = (self.physical.deviation(m) if self.physical else m.deviation for m in both)
        return before, now


class KeptFraction(Entry):
    """The fraction of events at or above a threshold of the run."""

    point: str
    threshold: float
    reference: float
    reference_interval: tuple[float, float]
    found: float
    found_interval: tuple[float, float]
    """68.3% Clopper-Pearson, at effective counts where events are weighted."""
    p: float
    """Of equal fractions, corrected like the others."""
    flagged: bool = False


class MonitoredFile(Entry):
    """One file against the reference."""

    file: str
    file_sha256: str
    processes: dict[str, int]
    saturated_columns: dict[str, int]
    score: Drift
    inputs: tuple[Drift, ...]
    fractions: tuple[KeptFraction, ...] = ()

    @property
    def flagged(self) -> tuple[Drift, ...]:
        """The score and the inputs that have a flag."""
        return tuple(drift for drift in (self.score, *self.inputs) if drift.flags)

    @property
    def passed(self) -> bool:
        return not self.flagged and not any(entry.flagged for entry in self.fractions)


class MonitorReport(Entry):
    """What `naetrigger monitor` found."""

    format: Literal["naetrigger-monitor"] = "naetrigger-monitor"
    version: Literal[1] = 1
    passed: bool
    """Nothing is flagged."""
    naetrigger: str
    recipe: str
    run_manifest_sha256: str
    engine: str
    reference: str
    reference_sha256: str
    reference_events: int
    alpha: float
    min_effect: float
    tests: int
    """That p-values are corrected for."""
    files: tuple[MonitoredFile, ...]
    notes: tuple[str, ...] = ()


def monitor_to_json(report: MonitorReport) -> str:
    """The text of monitor.json: indented, ending in a newline, the same for the same report."""
    return report.model_dump_json(indent=1) + "\n"
