"""The sanity table of the shipped samples, on populations with known answers."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

import sample_sanity
from toy_events import toy_events

N = 4000


def test_auc_of_shifted_gaussians_is_known():
    rng = np.random.default_rng(3)
    b = toy_events("toy", {"x": rng.normal(size=N)})
    s = toy_events("signal", {"x": rng.normal(1, 1, N)})
    line = sample_sanity.measure("x", (b, b.column("x")), (s, s.column("x")), rng)
    assert line.auc == pytest.approx(NormalDist().cdf(1 / np.sqrt(2)), abs=4 * line.error)
    # Hanley and McNeil 1982: 0.0053 for 4000 against 4000 at this AUC; 50 replicas know it to 10%.
    assert line.error == pytest.approx(0.0053, rel=0.4)
    assert line.effective == pytest.approx(N)


def test_jets_of_equal_shape_are_told_apart_by_nothing_at_equal_pt():
    rng = np.random.default_rng(4)

    def jets(process, scale):
        pt = 200 + rng.exponential(scale, N)
        return toy_events(process, {"tau3": pt, "ptd": rng.normal(size=N)}, {"jet_pt": pt})

    sample = {"ttbar": jets("ttbar", 100), "signal": jets("signal", 200)}
    lines = {line.score: line for line in sample_sanity.jet_lines(sample, rng)}
    # tau3 is pT here: 0.67 without reweighting. What is left lies beyond the background's range.
    assert lines["tau3"].auc == pytest.approx(0.5, abs=0.03)
    assert lines["-ptd"].auc == pytest.approx(0.5, abs=5 * lines["-ptd"].error)
    assert lines["tau3"].effective < N / 2


def test_pca_tags_the_complex_and_not_the_simple():
    rng = np.random.default_rng(5)
    columns = [f"pix_{i}" for i in range(30)]
    simple = rng.normal(size=(N, 30)) * np.where(np.arange(30) < 8, 1.0, 0.01)
    complex_ = rng.normal(size=(N, 30))
    context = {"msd": np.zeros(N), "tau32": np.ones(N)}
    sample = {
        name: toy_events(name, dict(zip(columns, values.T, strict=True)), context)
        for name, values in (("qcd", simple), ("top", complex_))
    }
    lines = list(sample_sanity.image_lines(sample, rng))
    pca = [line.auc for line in lines if line.score.startswith("PCA")]
    assert pca[0] > 0.999
    assert pca[1] < 0.02  # a simple event lies where the complex ones are densest
    assert [line.auc for line in lines[:2]] == [0.5, 0.5]  # all equal


def test_table_puts_the_design_note_beside():
    lines = [sample_sanity.Line("qcd", "top", "soft-drop mass", 0.9, 0.01, 10.0)]
    assert sample_sanity.markdown(lines).splitlines()[-1] == (
        "| QCD | boosted tops | soft-drop mass | 0.900 ± 0.010 | .860 | 10 |"
    )
