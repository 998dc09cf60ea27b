"""A run that never was: Gaussian background and signals, a teacher, a student, an estimate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naetrigger.contracts.events import Events
from naetrigger.contracts.fixed_point import Fixed, Overflow, Rounding
from naetrigger.firmware_configs.board import load_board
from naetrigger.validation.efficiency import Scored, scored
from naetrigger.validation.inputs import ValidationInputs
from naetrigger.validation.report.schema import FirmwareEstimate, PairAgreement

COLUMNS = ("mass", "tau21", "tau32", "width", "multiplicity", "ptd", "c2", "axis_minor")
SCORE = Fixed(False, 16, 10, Rounding.RND_CONV, Overflow.SAT)
SIGNALS = ("svj r_inv=0.1", "svj r_inv=0.3", "svj r_inv=0.5", "leptoquark", "dijet resonance")


def events(process: str, role: str, n: int, shift: float, rng: np.random.Generator) -> Events:
    """Two jets an event; a signal is shifted in every input and harder in pT."""
    values = rng.normal(size=(n, len(COLUMNS))) + shift * np.linspace(1.2, -0.3, len(COLUMNS))
    pt = 200 * (1 + rng.pareto(4.0 - shift, size=n))
    values[:, 0] += 0.5 * np.log(pt / 200)
    return Events(
        process=process,
        role=role,
        columns=COLUMNS,
        values=values.astype(np.float32),
        weights=rng.uniform(0.5, 1.5, size=n),
        event_ids=(np.arange(n) // 2).astype(np.uint64),
        context_columns=("jet_pt",),
        context=pt[:, None].astype(np.float32),
    )


def make_inputs(
    n: int = 3000,
    signals: tuple[str, ...] = SIGNALS,
    seed: int = 7,
    student_noise: float = 0.15,
    **changes: Any,
) -> ValidationInputs:
    """A passing run with these signals; `changes` replace fields of ValidationInputs."""
    rng = np.random.default_rng(seed)
    samples = [events("tt", "background", n, 0.0, rng)]
    samples += [events(s, "signal", n // 3, 0.5 + 0.25 * i, rng) for i, s in enumerate(signals)]
    teacher, student, late = {}, {}, {}
    for sample in samples:
        x = sample.values.astype(np.float64)
        teacher[sample.process] = np.mean(x**2 * np.linspace(1.5, 0.5, x.shape[1]), axis=1)
        noisy = teacher[sample.process] * np.exp(student_noise * rng.normal(size=len(x)))
        student[sample.process] = SCORE.mantissas(noisy)
        late[sample.process] = student[sample.process][:100]
    fields: dict[str, Any] = {
        "events": samples,
        "inputs": {s.process: np.rint(s.values * 16).astype(np.int64) for s in samples},
        "training_inputs": np.rint(16 * rng.normal(size=(2000, len(COLUMNS)))).astype(np.int64),
        "scores": {
            "teacher": {
                "torch": teacher,
                "onnx": {p: s * (1 + 1e-7) for p, s in teacher.items()},
            },
            "student": {
                "network": student,
                "qkeras": dict(student),
                "hls": dict(student),
                "rtlsim": late,
            },
        },
        "score_scale": SCORE.lsb,
        "recipe": "synthetic",
        "sample": "Gaussian toy",
        "seed": seed,
        "versions": {"naetrigger": "0.1.0", "numpy": np.__version__},
        "score_name": "squared_error",
        "score_format": SCORE,
        "reweight": "jet_pt",
        "agreement": [
            PairAgreement(
                a="student/network",
                b="student/rtl",
                n=8000,
                exact_fraction=1.0,
                max_lsb=0,
                spearman=1.0,
                expectation="exact",
                events="export vectors",
            )
        ],
        "firmware": [
            FirmwareEstimate(
                target="rtl",
                source="estimate",
                latency_cycles=11,
                clock_ns=5.0,
                latency_ns=55.0,
                initiation_interval=1,
                lut=18600,
                ff=4100,
                dsp=0,
                bram=0,
            ),
            FirmwareEstimate(target="rtl", source="yosys", lut=20900, ff=4400, dsp=57),
        ],
        "board": load_board("vu13p-5ns"),
    }
    return ValidationInputs(**{**fields, **changes})


def write_curves(path: Path, steps: int = 400) -> Path:
    """A curves.csv as training writes it."""
    rng = np.random.default_rng(3)
    step = np.arange(0, steps * 10, 10)
    positive = 0.2 + 1.5 * np.exp(-step / 600) + 0.02 * rng.normal(size=steps)
    negative = positive + 0.6 * np.exp(-step / 1500) + 0.05 * rng.normal(size=steps)
    distance = 0.3 + np.exp(-step / 900) + 0.02 * rng.normal(size=steps)
    names = "step,loss,positive_energy,negative_energy,distance,validation_distance"
    rows = np.stack([step, positive - negative + distance, positive, negative, distance], axis=1)
    lines = [",".join(f"{v:.6g}" for v in row) + "," for row in rows]
    for i in range(0, steps, 40):
        lines[i] += f"{distance[i] * 1.05:.6g}"
    path.write_text("\n".join([names, *lines]) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def inputs() -> Callable[..., ValidationInputs]:
    """The maker of synthetic runs."""
    return make_inputs


@pytest.fixture
def samples() -> tuple[Scored, Scored]:
    """Scores of a background and of a signal twice as far out."""
    rng = np.random.default_rng(0)
    return scored(rng.exponential(size=500)), scored(2 * rng.exponential(size=200))


@pytest.fixture
def curves(tmp_path: Path) -> Path:
    """A curves.csv of 400 steps."""
    return write_curves(tmp_path / "curves.csv")
