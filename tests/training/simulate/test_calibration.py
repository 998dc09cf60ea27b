"""Energy scales: the table read backwards, and (slow) how well it closes."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from naetrigger.training.simulate import calibration
from naetrigger.training.simulate import trigger_objects as t
from naetrigger.training.simulate.towers import ETA_CENTRES, N_ETA, N_PHI

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "calibrate_trigger_jets.py"


def scales(**changes):
    content = {
        "source": "test",
        "jets": {
            "eta_edges": (0, 1.5, 3),
            "generated_pt": (20, 40, 80),
            "raw_pt": ((10, 30, 80), (20, 40, 80)),
        },
        "egamma": {"eta_edges": (0, 1, 2.5), "factor": (1.0, 1.5)},
        "met_factor": 1.25,
    }
    return calibration.Scales.model_validate({**content, **changes})


@pytest.mark.parametrize(
    ("raw_counts", "expected"),
    [(20, 40), (10, 20), (40, 60), (60, 80), (160, 160), (320, 320)],
)
def test_points_are_met_and_joined_by_lines(raw_counts, expected):
    had = np.zeros((1, N_ETA, N_PHI), np.uint16)
    had[0, 42, 3] = raw_counts  # |eta| below 1.5
    em = np.zeros_like(had)
    found = t.calorimeter_objects(em, had, calibration.calibration(scales()))
    assert found[0, 9, 0] == expected
    assert found[0, 0, 0] == round(raw_counts * 1.25)


def test_ranges_of_eta():
    made = calibration.calibration(scales())
    assert set(made.jet_range[np.abs(ETA_CENTRES) < 1.5]) == {0}
    assert set(made.jet_range[np.abs(ETA_CENTRES) > 1.5]) == {1}  # the last one goes on
    em = np.zeros((1, N_ETA, N_PHI), np.uint16)
    em[0, 40, 3] = em[0, 24, 3] = 100
    found = t.calorimeter_objects(em, np.zeros_like(em), made)
    assert found[0, 1:3, 0].tolist() == [150, 100]


@pytest.mark.parametrize(
    "wrong",
    [
        {"met_factor": 0},
        {"egamma": {"eta_edges": (0, 1), "factor": (1, 2)}},
        {"jets": {"eta_edges": (0, 3), "generated_pt": (20, 40), "raw_pt": ((30, 30),)}},
        {"jets": {"eta_edges": (0, 3), "generated_pt": (20, 40), "raw_pt": ((10, 20, 30),)}},
        {"unknown": 1},
    ],
)
def test_impossible_scales_are_refused(wrong):
    with pytest.raises(ValidationError):
        scales(**wrong)


def test_shipped_scales_rise_and_are_measured():
    shipped = calibration.shipped()
    assert np.all(np.diff(shipped.jet_raw, axis=1) > 0)
    assert len(shipped.jet_raw) > 5
    assert np.all((shipped.egamma > 0.8) & (shipped.egamma < 1.5))
    assert 0.9 < shipped.met < 2


def test_uncalibrated_is_raw():
    em = np.zeros((1, N_ETA, N_PHI), np.uint16)
    em[0, 40, 3] = 123
    found = t.calorimeter_objects(em, np.zeros_like(em), calibration.uncalibrated())
    assert found[0, [0, 1, 9], 0].tolist() == [123] * 3


@pytest.mark.slow
def test_closure_against_generator_jets(monkeypatch):
    """Median calibrated over generated pT above 40 GeV, on events of a seed of its own."""
    spec = importlib.util.spec_from_file_location("calibrate_trigger_jets", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, script)  # where its dataclasses look
    spec.loader.exec_module(script)
    pairs = script.qcd_pairs(600, 77, calibration.shipped())
    for low, high in ((40, 60), (60, 100), (100, 200)):
        here = (pairs.pt >= low) & (pairs.pt < high) & (pairs.eta < 3)
        ratio = pairs.measured[here] / pairs.pt[here]
        error = 1.25 * ratio.std() / np.sqrt(len(ratio))
        assert abs(np.median(ratio) - 1) < 0.05 + 3 * error
    raw = script.qcd_pairs(200, 78, calibration.uncalibrated())
    here = (raw.pt > 40) & (raw.pt < 200) & (raw.eta < 3)
    assert abs(np.median(raw.measured[here] / raw.pt[here]) - 1) > 0.05  # the test can fail
