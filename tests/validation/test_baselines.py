"""Baselines against independent formulas."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.covariance import EmpiricalCovariance

from naetrigger.contracts.errors import InputError
from naetrigger.validation.baselines import fit_mahalanobis, single_inputs


def test_mahalanobis_equals_scikit_learn():
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(5, 5))
    train, test = rng.normal(size=(2000, 5)) @ mixing, rng.normal(size=(300, 5)) @ mixing
    expected = EmpiricalCovariance().fit(train).mahalanobis(test)
    assert fit_mahalanobis(train).scores(test) == pytest.approx(expected, rel=1e-8)


def test_integer_weights_are_copies():
    rng = np.random.default_rng(1)
    train, copies = rng.normal(size=(200, 3)), rng.integers(1, 5, 200)
    weighted = fit_mahalanobis(train, copies).scores(train)
    repeated = fit_mahalanobis(np.repeat(train, copies, axis=0)).scores(train)
    assert weighted == pytest.approx(repeated, rel=1e-10)


def test_scales_of_inputs_do_not_matter():
    rng = np.random.default_rng(2)
    train, scales = rng.normal(size=(500, 4)), np.array([1e-6, 1.0, 1e3, 1e7])
    plain, scaled = fit_mahalanobis(train), fit_mahalanobis(train * scales)
    assert scaled.rank == 4
    assert scaled.scores(train * scales) == pytest.approx(plain.scores(train), rel=1e-8)


def test_singular_covariance_uses_the_pseudo_inverse():
    """A copied and a constant column add nothing."""
    rng = np.random.default_rng(3)
    train = rng.normal(size=(500, 3))
    padded = np.c_[train, train[:, 0], np.full(500, 7.0)]
    found = fit_mahalanobis(padded)
    assert found.rank == 3
    assert found.scores(padded) == pytest.approx(fit_mahalanobis(train).scores(train), rel=1e-8)


def test_wrong_shapes_are_refused():
    with pytest.raises(InputError, match=r"\(N, 2\), got \(5, 3\)"):
        fit_mahalanobis(np.random.default_rng(4).normal(size=(9, 2))).scores(np.zeros((5, 3)))
    with pytest.raises(InputError, match="N >= 2"):
        fit_mahalanobis(np.zeros((1, 2)))


def test_single_inputs_are_the_values():
    values = np.arange(6.0).reshape(3, 2)
    found = single_inputs(values, ("pt", "mass"))
    assert list(found) == ["input:pt", "input:mass"]
    assert found["input:mass"].tolist() == [1, 3, 5]
