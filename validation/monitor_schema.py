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


class Drift(Entry):
    """One quantity of a file against the reference."""

    name: str
    """'score' or the name of an input."""
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
