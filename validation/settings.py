"""Settings of the validation stage."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

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
    relative_difference: float = Field(1e-5, gt=0)
    """Largest |a - b| / max(|a|, |b|, median) between float engines of one model. Source: float32
    rounding (6e-8) through a few hundred accumulated terms."""
    budget: bool = True
    """Check firmware estimates against the board's budget."""


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
