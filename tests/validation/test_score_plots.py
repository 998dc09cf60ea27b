"""Figures of scores: bins, densities, degenerate scores."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from naetrigger.validation import score_plots
from naetrigger.validation.efficiency import scored
from naetrigger.validation.plots import Style


def test_integer_scores_are_binned_between_integers():
    scores = np.random.default_rng(1).integers(0, 300, 4000)
    edges = score_plots.score_edges([scores])
    assert np.all(edges % 1 == 0.5)
    assert len(set(np.diff(edges))) == 1  # else some bins hold more integers than others
    wide = score_plots.score_edges([np.geomspace(1, 60_000, 4000).astype(np.int64)])
    assert np.all(np.diff(wide) >= 1)


def test_densities_integrate_to_one(samples):
    background, signal = samples
    edges = score_plots.score_edges([background.scores, signal.scores])
    for sample in samples:
        assert np.sum(score_plots._density(sample, edges) * np.diff(edges)) == pytest.approx(1)


@pytest.mark.parametrize("scores", [np.zeros(50), np.zeros(50, np.int64), np.full(50, 3.5)])
def test_constant_scores_are_drawn(scores):
    sample = scored(scores)
    ElementTree.fromstring(score_plots.score_figure("s", Style(), "x", sample, {"a": sample}))
    ElementTree.fromstring(score_plots.profile_figure("p", Style(), scores, scores * 1.0))
