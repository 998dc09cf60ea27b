"""Baselines against independent formulas."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.covariance import EmpiricalCovariance
from sklearn.decomposition import PCA

from naetrigger.contracts.errors import InputError
from naetrigger.validation.baselines import fit_mahalanobis, fit_pca, single_inputs


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


@pytest.mark.parametrize("kept", [1, 3, 6])
def test_pca_equals_scikit_learn(kept):
    rng = np.random.default_rng(5)
    mixing = rng.normal(size=(7, 7))
    train, test = rng.normal(size=(900, 7)) @ mixing, 3 * rng.normal(size=(200, 7)) @ mixing
    reference = PCA(kept, svd_solver="full").fit(train)
    expected = np.mean((test - reference.inverse_transform(reference.transform(test))) ** 2, axis=1)
    found = fit_pca(train, components=kept)
    assert found.scores(test) == pytest.approx(expected, rel=1e-9)
    assert found.explained == pytest.approx(reference.explained_variance_ratio_.sum(), rel=1e-9)


def test_weighted_pca_minimises_the_weighted_residual():
    """Against a singular value decomposition of sqrt(w) (x - mean), no covariance in sight."""
    rng = np.random.default_rng(6)
    train, weights = rng.normal(size=(400, 5)) @ rng.normal(size=(5, 5)), rng.pareto(2, 400) + 0.1
    mean = np.average(train, axis=0, weights=weights)
    _, sizes, rows = np.linalg.svd(np.sqrt(weights)[:, None] * (train - mean))
    found = fit_pca(train, weights, 2)
    residual = (train - mean) @ rows[2:].T
    assert found.scores(train) == pytest.approx((residual**2).sum(axis=1) / 5, rel=1e-9)
    assert found.explained == pytest.approx((sizes**2)[:2].sum() / (sizes**2).sum(), rel=1e-9)
    unweighted = fit_pca(train, components=2)
    assert found.scores(train) @ weights < unweighted.scores(train) @ weights


def test_integer_weights_are_copies_for_pca():
    rng = np.random.default_rng(7)
    train, copies = rng.normal(size=(200, 4)), rng.integers(1, 5, 200)
    weighted = fit_pca(train, copies, 0.6)
    repeated = fit_pca(np.repeat(train, copies, axis=0), components=0.6)
    assert len(weighted.components) == len(repeated.components)
    assert weighted.scores(train) == pytest.approx(repeated.scores(train), rel=1e-9)


def test_pca_takes_as_many_components_as_the_variance_needs():
    rng = np.random.default_rng(8)
    train = rng.normal(size=(5000, 4)) * [10.0, 3.0, 1.0, 0.1]  # 90.8%, 8.2%, 0.9%, 0.01%
    assert [len(fit_pca(train, components=f).components) for f in (0.5, 0.95, 0.995)] == [1, 2, 3]
    assert len(fit_pca(train, components=0.9999999).components) == 3  # a residual must remain


def test_as_many_components_as_inputs_are_refused():
    with pytest.raises(InputError, match=r"pca_components: 3 components of 3 inputs"):
        fit_pca(np.random.default_rng(9).normal(size=(9, 3)), components=3)


def test_pca_of_a_single_input_is_its_squared_deviation():
    train = np.array([[1.0], [3.0]])
    assert fit_pca(train, [3, 1]).scores([[2.5]]) == pytest.approx([1.0])
