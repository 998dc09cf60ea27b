"""The reweighted background must follow the signal, and say what that cost."""

from __future__ import annotations

import numpy as np
import pytest

from naetrigger.contracts.errors import InputError
from naetrigger.validation.efficiency import auc, scored
from naetrigger.validation.reweighting import effective_number, follow_signal


def _distance(x, wx, y, wy):
    """Kolmogorov-Smirnov distance of weighted samples."""
    values = np.sort(np.r_[x, y])
    cumulative = [
        np.r_[0, np.cumsum(w[np.argsort(z)])][np.searchsorted(np.sort(z), values, side="right")]
        / w.sum()
        for z, w in ((x, wx), (y, wy))
    ]
    return np.abs(cumulative[0] - cumulative[1]).max()


@pytest.fixture
def spectra():
    """A steep background and a hard signal, jet pT in GeV, both weighted."""
    rng = np.random.default_rng(0)
    background = 200 * (1 + rng.pareto(4.0, 20_000))
    signal = np.clip(rng.normal(600, 120, 5000), 250, None)
    return background, signal, rng.uniform(0.5, 1.5, 20_000), rng.uniform(0.5, 1.5, 5000)


def test_the_background_follows_the_signal(spectra):
    b, s, wb, ws = spectra
    found = follow_signal(b, s, wb, ws)
    assert _distance(b, wb, s, ws) > 0.7
    assert _distance(b, found.weights, s, ws) < 0.03
    assert found.weights.sum() == pytest.approx(wb.sum())
    assert 200 < found.effective < 5000
    assert found.uncovered < 0.001


def test_pt_itself_no_longer_separates(spectra):
    b, s, wb, ws = spectra
    found = follow_signal(b, s, wb, ws)
    assert auc(scored(b, wb), scored(s, ws)) > 0.9
    assert auc(scored(b, found.weights), scored(s, ws)) == pytest.approx(0.5, abs=0.01)


def test_equal_spectra_keep_their_events():
    rng = np.random.default_rng(1)
    found = follow_signal(rng.normal(size=5000), rng.normal(size=5000))
    assert found.effective > 4500


def test_background_outside_the_signal_counts_nothing():
    rng = np.random.default_rng(2)
    b, s = rng.uniform(0, 100, 5000), rng.uniform(40, 60, 1000)
    found = follow_signal(b, s)
    assert np.all(found.weights[(b < 40) | (b > 60)] == 0)
    assert found.effective == pytest.approx(np.sum((b > s.min()) & (b < s.max())), rel=0.1)


def test_uncovered_signal_is_stated():
    rng = np.random.default_rng(3)
    found = follow_signal(rng.uniform(0, 50, 3000), rng.uniform(0, 100, 3000))
    assert found.uncovered == pytest.approx(0.5, abs=0.05)


def test_disjoint_ranges_leave_nothing():
    found = follow_signal(np.arange(10.0), np.arange(20.0, 30.0))
    assert found.effective == 0.0
    assert found.uncovered == 1.0


@pytest.mark.parametrize("n", [1, 2, 15])
def test_small_samples_and_constant_columns_stay_finite(n):
    rng = np.random.default_rng(4)
    for column in (rng.normal(size=n), np.full(n, 3.0)):
        found = follow_signal(np.r_[column, 3.0, -3.0], column)
        assert np.all(np.isfinite(found.weights))


def test_empty_stretches_between_clusters():
    """Two clusters with nothing between: bins there are joined, no division by zero."""
    rng = np.random.default_rng(5)
    b = np.r_[rng.normal(0, 1, 500), rng.normal(100, 1, 500)]
    s = np.r_[rng.normal(0, 1, 50), rng.normal(100, 1, 450)]
    found = follow_signal(b, s)
    upper = found.weights[b > 50].sum() / found.weights.sum()
    assert upper == pytest.approx(0.9, abs=0.02)


def test_effective_number():
    assert effective_number(np.full(7, 0.3)) == pytest.approx(7)
    assert effective_number(np.array([1.0, 0.0, 0.0])) == pytest.approx(1)
    assert effective_number(np.zeros(3)) == 0.0


@pytest.mark.parametrize("broken", ["background", "signal"])
def test_a_column_with_nan_is_refused(broken: str) -> None:
    """NaN would leave every signal silently compared to the background as it is."""
    columns = {name: np.linspace(1, 2, 100) for name in ("background", "signal")}
    columns[broken][3] = np.nan
    with pytest.raises(InputError, match=rf"1 {broken} values .* NaN"):
        follow_signal(**columns)
