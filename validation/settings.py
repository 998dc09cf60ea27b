"""Settings of the validation stage."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from naetrigger.contracts.settings import Settings

Efficiency = Annotated[float, Field(gt=0, lt=1)]
RateKhz = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Limits(Settings):
    """What a run must keep to pass."""

    student_auc_loss: float = Field(0.02, ge=0, le=1)
    """Largest AUC(teacher) - AUC(student) on every signal."""
    student_spearman: float = Field(0.9, ge=-1, le=1)
    """Smallest rank correlation of teacher and student on the test background."""
    saturated_fraction: float = Field(5e-4, ge=0, le=1)
    """Largest fraction of the test background at the end of the hardware score's range; the
    default is half the smallest default working point."""
    decision_difference: float = Field(0.1, ge=0, allow_inf_nan=False)
    """Largest difference of what a decision bit fires on of the test background from what it
    fired on of the training background, relative to the latter and beyond chance."""
    relative_difference: float = Field(1e-5, gt=0)
    """Largest |a - b| / max(|a|, |b|, median) between float engines of one model. Source: float32
    rounding (6e-8) through a few hundred accumulated terms."""
    budget: bool = True
    """Check firmware estimates against the board's budget."""


OF_SIGNALS = ("auc", "mean_efficiency", "efficiency")
AT_POINTS = ("efficiency", "divergence")
OF_SELECTIONS = ("divergence", "correlation")
Limit = Annotated[float, Field(allow_inf_nan=False)]


class Requirement(Settings):
    """A check of one's own: a figure of the report within a limit."""

    figure: Literal[
        "auc", "mean_efficiency", "efficiency", "divergence", "correlation",
        "latency_cycles", "latency_ns", "initiation_interval", "lut", "ff", "dsp", "bram",
        "lut_levels", "maximum_clock_mhz",
    ]  # fmt: skip
    """What is judged."""
    of: str = Field(min_length=1)
    """A signal (auc, mean_efficiency, efficiency), a column (divergence, correlation), or the
    target of a firmware figure: hls, rtl."""
    model: Literal["teacher", "student"] = "student"
    """Whose score; of firmware and of what is selected (divergence, correlation) the student's."""
    at: Efficiency | None = None
    """The working point of an efficiency or a divergence, by its background efficiency."""
    at_least: Limit | None = None
    """Its smallest value that passes; give this or at_most."""
    at_most: Limit | None = None
    """Its largest value that passes."""

    @model_validator(mode="after")
    def _is_whole(self) -> Requirement:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("give one of at_least and at_most")
        if (self.at is None) == (self.figure in AT_POINTS):
            needs = "needs" if self.at is None else "has no"
            raise ValueError(f"{self.figure} {needs} `at`, a background efficiency")
        if not self.of_a_model and self.model == "teacher":
            raise ValueError(f"{self.figure} has no `model`: firmware is the student's")
        if self.figure in OF_SELECTIONS and self.model == "teacher":
            raise ValueError(
                f"{self.figure} is of the student's selection alone, so `model: teacher` cannot be "
                "met; leave `model` out, or require an auc or an efficiency of the teacher"
            )
        return self

    @property
    def limit(self) -> float:
        limit = self.at_most if self.at_least is None else self.at_least
        assert limit is not None
        return limit

    @property
    def relation(self) -> Literal["<=", ">="]:
        return "<=" if self.at_least is None else ">="

    @property
    def of_a_model(self) -> bool:
        """Whether it is of teacher or student, not of firmware."""
        return self.figure in (*OF_SIGNALS, *OF_SELECTIONS)

    @property
    def words(self) -> str:
        """As the report names it; its limit may change, and it is the same check."""
        point = "" if self.at is None else f" at background {self.at:g}"
        judged = f" ({self.model})" if self.of_a_model else ""
        end = "at most" if self.at_least is None else "at least"
        return f"{self.figure} of {self.of}{point}{judged}, {end}"

    def holds(self, value: float) -> bool:
        """Whether a value is within the limit."""
        return value <= self.limit if self.relation == "<=" else value >= self.limit


class ValidationSettings(Settings):
    """How a run is judged."""

    background_efficiencies: tuple[Efficiency, ...] = (0.1, 0.01, 0.001)
    """Working points: fractions of the test background that may fire."""
    low_rate: Annotated[float, Field(gt=0, le=1)] = 0.1
    """Background efficiency below which signal efficiencies are averaged (report.md, Low rates)."""
    signal_efficiencies: tuple[Efficiency, ...] = (0.1, 0.3, 0.5)
    """Signal efficiencies at which the rejection of background is given."""
    turn_on: tuple[str, ...] = ()
    """Columns in whose bins efficiencies are given. None named: those of jet_pt, jet1_pt, ht,
    met_pt and met that the events have."""
    bootstrap_replicas: int = Field(200, ge=20, le=100_000)
    """Resamples of whole events; 200 give an error good to 5%."""
    pca_components: Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Principal components of the PCA baseline: their number, or the fraction of the training
    background's variance that they explain at least."""
    min_events_above: float = Field(10.0, ge=1)
    """Fewer effective background events above a threshold: the working point is marked as not
    reliable. 10 events are a relative error of 32%."""
    rates_khz: tuple[RateKhz, ...] = Field((0.1, 1.0, 5.0, 10.0), min_length=1)
    """What `naetrigger rates` looks for thresholds of, unless told otherwise (docs/rates.md)."""
    limits: Limits = Limits()
    """What the checks of the report are held against."""
    require: tuple[Requirement, ...] = ()
    """Checks of one's own beside those of `limits` (docs/report.md, Checks)."""
    label: str | None = None
    """Printed above every figure; default: "naetrigger simulation" for events that name their
    generator, else "naetrigger". An experiment's name belongs here only with its approval."""
    plot_style: Literal["plain", "CMS", "ATLAS", "LHCb", "ALICE"] = "plain"
    """Axes and ticks of an mplhep style sheet; `label` stays what it says."""

    @field_validator("background_efficiencies")
    @classmethod
    def _descending(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if len(set(values)) != len(values):
            raise ValueError(f"each background efficiency once, got {values}")
        return tuple(sorted(values, reverse=True))

    @model_validator(mode="after")
    def _requirements_are_apart_and_have_working_points(self) -> ValidationSettings:
        names = [wanted.words for wanted in self.require]
        for number, wanted in enumerate(self.require):
            if wanted.words in names[:number]:
                raise ValueError(f"require.{number}: {wanted.words} stands twice")
            if wanted.at is not None and wanted.at not in self.background_efficiencies:
                raise ValueError(
                    f"require.{number}.at: {wanted.at:g} is none of background_efficiencies "
                    f"({', '.join(f'{e:g}' for e in self.background_efficiencies)})"
                )
        return self
