"""The models of report.json, version 1. docs/report.md explains them to its readers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from naetrigger.validation.report.entry import Entry
from naetrigger.validation.report.low_rate_schema import Independence, LowRate
from naetrigger.validation.report.selection_schema import AnomalousEvent, Selection, TurnOn

VERSION = 1

Expectation = Literal["exact", "close", "rank"]
Source = Literal["estimate", "yosys", "vendor", "nextpnr"]


class Check(Entry):
    """One requirement and whether it holds: value `relation` limit."""

    name: str
    passed: bool
    value: float | None
    """None where it could not be measured; then the check has failed."""
    relation: Literal["<=", ">="] = "<="
    limit: float
    unit: str = ""
    advice: str = ""
    """Of a failed check: by how much, and what would help."""


class PairAgreement(Entry):
    """Two engines (or teacher and student) on the same events."""

    a: str
    b: str
    n: int = Field(ge=0)
    """Events compared."""
    exact_fraction: float
    """Fraction of events with equal scores."""
    max_lsb: int | None = None
    """Largest difference of hardware integers; None where one side is no integer."""
    max_relative: float | None = None
    """Largest |a - b| / max(|a|, |b|, median |a|); None where scales differ."""
    spearman: float | None = None
    """Rank correlation; None for a constant score."""
    expectation: Expectation = "rank"
    """exact: every score equal; close: to float rounding; rank: order alone is compared."""
    events: str = ""
    """Which events: 'test sample', 'test background', 'export vectors'."""


class Sample(Entry):
    """One process of the test set."""

    process: str
    role: Literal["background", "signal"]
    n: int
    effective: float
    """(sum w)^2 / sum w^2 of the sample's own weights."""
    reweighted_effective: float | None = None
    """Effective number of background events left when reweighted to this signal."""
    uncovered: float | None = None
    """Fraction of this signal beyond the background's range of the reweighting column."""


class Auc(Entry):
    """Area under the ROC curve of one model and engine on one signal."""

    signal: str
    model: str
    """teacher, student, or the name of a baseline; single inputs are 'input:NAME'."""
    engine: str
    value: float
    error: float | None
    """Standard deviation of bootstrap resamples of whole events."""
    reweighted: bool
    """Whether the background follows this signal in the reweighting column."""
    best_single_input: bool = False
    """The input with the largest AUC on this signal. Choosing it looked at the signal."""


class AucDifference(Entry):
    """AUC(a) - AUC(b) on one signal, both on the same resamples."""

    signal: str
    a: str
    b: str
    value: float
    error: float | None


class SignalEfficiency(Entry):
    """What a signal keeps at a working point."""

    signal: str
    efficiency: float
    low: float
    high: float
    """68.3% Clopper-Pearson interval; effective counts where events are weighted."""
    background_efficiency_reweighted: float | None = None
    """Background efficiency at the same threshold when reweighted to this signal."""


class WorkingPoint(Entry):
    """A threshold for a wanted background efficiency. An event fires if score >= threshold."""

    model: str
    target: float
    """The wanted background efficiency."""
    background_efficiency: float | None
    """The measured one: at or below the target, since a threshold never splits equal scores."""
    error: float | None
    """Half the 68.3% interval [low, high]."""
    low: float | None
    high: float | None
    threshold_hw: int | None
    """In hardware integers; None for models that have none."""
    threshold_float: float | None
    """scale * threshold_hw, or the float model's own threshold."""
    threshold_error: float | None
    """Bootstrap standard deviation, in the unit of threshold_hw if there is one."""
    effective_above: float | None
    """Effective number of background events that fire."""
    rate_khz: float | None = None
    """Only where the background is zero bias."""
    signals: tuple[SignalEfficiency, ...] = ()
    reliable: bool
    note: str = ""
    """Why there is no threshold, or why it is not reliable."""


class DecisionBit(Entry):
    """One bit of the firmware's decision, as it fires on the test sample."""

    bit: int
    target: float | None
    """The wanted background efficiency; None for a threshold that the recipe gave."""
    threshold_hw: int
    """In the firmware; set on the training background."""
    training_background_efficiency: float
    training_low: float | None = None
    training_high: float | None = None
    """68.3% interval of training_background_efficiency; None in reports of older versions."""
    background_efficiency: float
    low: float
    high: float
    """68.3% interval of background_efficiency."""
    signals: tuple[SignalEfficiency, ...] = ()


class FirmwareEstimate(Entry):
    """What one tool says about one target. Absent figures were not given."""

    target: str
    source: Source
    step: str = ""
    """vendor: which of its reports, e.g. 'C synthesis'; each is an estimate of its own."""
    latency_cycles: int | None = None
    clock_ns: float | None = None
    latency_ns: float | None = None
    initiation_interval: int | None = None
    lut: int | None = None
    ff: int | None = None
    dsp: int | None = None
    bram: float | None = None
    """36-kbit blocks."""
    tool: str = ""
    """What made the figures and for which device, e.g. 'yosys 0.70, xc7 synthesis'."""
    lut_levels: int | None = None
    """LUTs one behind the other between two registers."""
    lut_level_ns: float | None = None
    """Delay that the board file gives a LUT with its net."""
    maximum_clock_mhz: float | None = None
    """Of a placed and routed design, on the device that `tool` names."""

    @property
    def origin(self) -> str:
        """Whose figures these are, and of a vendor's tool of which step."""
        return origin_of(self.source, self.step)


def origin_of(source: str, step: str) -> str:
    """See FirmwareEstimate.origin; for documents of earlier versions, too."""
    return f"{source}, {step}" if step else source


class BudgetLine(Entry):
    """One bound of the board and where it comes from."""

    quantity: str
    value: float
    unit: str
    source: str


class BoardSummary(Entry):
    """The board the estimates are held against."""

    name: str
    part: str
    clock_ns: float
    budget: tuple[BudgetLine, ...] = ()


class Saturation(Entry):
    """How often the hardware score stands at the end of its range."""

    process: str
    fraction: float
    maximum_hw: int
    """The largest integer the score's format holds."""
    largest_hw: int
    """The largest integer seen."""


class EnsembleAuc(Entry):
    """AUC of one model on one signal over the seeds of an ensemble."""

    signal: str
    model: str
    """teacher, or the name of a baseline that was trained beside it."""
    values: tuple[float, ...]
    """One a seed, on the same test sample."""
    mean: float
    deviation: float | None
    """Standard deviation over seeds (n - 1): what another seed may give."""
    error: float | None
    """Standard error of the mean, deviation / sqrt(n)."""
    averaged: float
    """AUC of the score averaged over members, each in its background's interquartile ranges."""
    averaged_error: float | None
    """Its bootstrap error, as of any other AUC."""


class EnsembleEfficiency(Entry):
    """What a signal keeps at a working point, over the seeds of an ensemble."""

    signal: str
    model: str
    target: float
    """The wanted background efficiency; every member has a threshold of its own for it."""
    values: tuple[float | None, ...]
    """One a seed; None where the sample gives no threshold."""
    mean: float | None
    deviation: float | None
    error: float | None


class MemberCorrelation(Entry):
    """How alike two members order the test background."""

    model: str
    a: int
    """Seed."""
    b: int
    spearman: float | None


class Ensemble(Entry):
    """The same training with several seeds."""

    seeds: tuple[int, ...]
    """The first is the recipe's: that member alone went on to student and firmware."""
    auc: tuple[EnsembleAuc, ...] = ()
    efficiencies: tuple[EnsembleEfficiency, ...] = ()
    correlations: tuple[MemberCorrelation, ...] = ()


class Metadata(Entry):
    """Where the numbers come from."""

    recipe: str
    sample: str
    """Label of the sample, e.g. 'Pythia 8 + parametric detector'."""
    seed: int
    versions: dict[str, str] = Field(default_factory=dict)
    reweight: str | None = None
    """The column in which the background follows each signal."""
    score: str = ""
    score_scale: float
    """float score = score_scale * hardware integer."""
    score_format: str | None = None


class Report(Entry):
    """The verdict on one run."""

    format: Literal["naetrigger-report"] = "naetrigger-report"
    version: Literal[1] = 1
    passed: bool
    """All checks passed."""
    metadata: Metadata
    samples: tuple[Sample, ...]
    agreement: tuple[PairAgreement, ...] = ()
    auc: tuple[Auc, ...] = ()
    auc_differences: tuple[AucDifference, ...] = ()
    low_rate: tuple[LowRate, ...] = ()
    independence: tuple[Independence, ...] = ()
    inputs_left_out: int = 0
    """Single inputs without an AUC here: of many, each signal's best and the next best stand."""
    working_points: tuple[WorkingPoint, ...] = ()
    decision: tuple[DecisionBit, ...] = ()
    selection: tuple[Selection, ...] = ()
    most_anomalous: tuple[AnomalousEvent, ...] = ()
    turn_on: tuple[TurnOn, ...] = ()
    ensemble: Ensemble | None = None
    """None: one training alone."""
    firmware: tuple[FirmwareEstimate, ...] = ()
    board: BoardSummary | None = None
    saturation: tuple[Saturation, ...] = ()
    checks: tuple[Check, ...] = ()
    notes: tuple[str, ...] = ()
    """What the reader must know besides the numbers."""

    @property
    def failed_checks(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if not check.passed)


def report_to_json(report: Report) -> str:
    """The text of report.json: indented, ending in a newline, the same for the same report."""
    return report.model_dump_json(indent=2) + "\n"


def report_from_json(text: str | bytes) -> Report:
    """Read report.json; pydantic.ValidationError names what does not fit."""
    return Report.model_validate_json(text)
