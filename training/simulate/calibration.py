"""Energy scales of the trigger objects, measured with simulation and kept in a YAML file.

Jets: in each range of |eta|, `raw_pt` holds the median raw pT of the trigger jets that belong to
generator jets of `generated_pt`. A median goes through any rising function unchanged, so reading
the table backwards makes the calibrated median equal to the generator's at these points.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from importlib import resources

import numpy as np
from pydantic import Field, model_validator

from naetrigger.contracts.settings import Settings
from naetrigger.firmware_configs.shipped import parse_yaml, validate
from naetrigger.training.simulate.particles import Floats, Integers
from naetrigger.training.simulate.towers import ETA_CENTRES

FILE = "trigger_calibration.yaml"


class JetScale(Settings):
    """See above; each row of `raw_pt` belongs to one range of |eta|."""

    eta_edges: tuple[float, ...] = Field(min_length=2)
    generated_pt: tuple[float, ...] = Field(min_length=2)
    raw_pt: tuple[tuple[float, ...], ...]

    @model_validator(mode="after")
    def _rises(self) -> JetScale:
        rows = (self.eta_edges[1:], self.generated_pt, *self.raw_pt)
        if any(np.any(np.diff(row) <= 0) or row[0] <= 0 for row in rows):
            raise ValueError("edges and points must be positive and rise")
        shape = (len(self.eta_edges) - 1, len(self.generated_pt))
        if np.shape(self.raw_pt) != shape:
            raise ValueError(f"raw_pt must have shape {shape}, got {np.shape(self.raw_pt)}")
        return self


class EgammaScale(Settings):
    """Calibrated over raw pT in each range of |eta|."""

    eta_edges: tuple[float, ...] = Field(min_length=2)
    factor: tuple[float, ...]

    @model_validator(mode="after")
    def _fits(self) -> EgammaScale:
        if len(self.factor) != len(self.eta_edges) - 1 or min(self.factor) <= 0:
            raise ValueError("needs one positive factor for each range of |eta|")
        return self


class Scales(Settings):
    """The whole file."""

    source: str
    jets: JetScale
    egamma: EgammaScale
    met_factor: float = Field(gt=0, allow_inf_nan=False)


@dataclass(frozen=True)
class Calibration:
    """The scales as the kernels read them.

    jet_range, egamma_range : (80,) which range of |eta| a tower row belongs to
    jet_raw, jet_pt : (ranges, points) GeV
    egamma : (ranges,)
    """

    jet_range: Integers
    jet_raw: Floats
    jet_pt: Floats
    egamma_range: Integers
    egamma: Floats
    met: float


def calibration(scales: Scales) -> Calibration:
    """Scales by range of |eta| to tables by tower row; rows beyond the last edge use the last."""
    raw = np.array(scales.jets.raw_pt)
    return Calibration(
        jet_range=_ranges(scales.jets.eta_edges),
        jet_raw=raw,
        jet_pt=np.broadcast_to(np.array(scales.jets.generated_pt), raw.shape).copy(),
        egamma_range=_ranges(scales.egamma.eta_edges),
        egamma=np.array(scales.egamma.factor),
        met=scales.met_factor,
    )


def _ranges(edges: tuple[float, ...]) -> Integers:
    inner = np.searchsorted(np.array(edges), np.abs(ETA_CENTRES), side="right") - 1
    return np.clip(inner, 0, len(edges) - 2)


@functools.lru_cache(maxsize=1)
def shipped() -> Calibration:
    """The scales that ship with the package."""
    text = resources.files(__package__).joinpath(FILE).read_text(encoding="utf-8")
    return calibration(validate(Scales, parse_yaml(text, FILE), FILE))


def uncalibrated() -> Calibration:
    """Raw energies, for measuring the scales."""
    return calibration(
        Scales(
            source="none",
            jets=JetScale(eta_edges=(0, 6), generated_pt=(1, 2), raw_pt=((1, 2),)),
            egamma=EgammaScale(eta_edges=(0, 6), factor=(1,)),
            met_factor=1,
        )
    )
