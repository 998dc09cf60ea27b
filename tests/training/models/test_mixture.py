"""Mixtures against scipy and scikit-learn, and against their own definition."""

from __future__ import annotations

import numpy as np
import torch
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture

from naetrigger.training.models import build_model
from naetrigger.training.models.mixture import Mixture, MixtureModel, mixture_of
from naetrigger.training.settings import ModelSettings


def test_energy_is_minus_the_log_density() -> None:
    rng = np.random.default_rng(1)
    data = np.concatenate([rng.normal(size=(300, 3)), rng.normal(size=(200, 3)) * 0.4 + 2])
    fitted = GaussianMixture(2, random_state=0).fit(data)
    parts = (fitted.weights_, fitted.means_, fitted.covariances_)
    mixture = Mixture(*(torch.from_numpy(part) for part in parts))
    energies = mixture.energy(torch.from_numpy(data)).numpy()
    np.testing.assert_allclose(energies, -fitted.score_samples(data), rtol=1e-10)


def test_a_density_integrates_to_one() -> None:
    means = torch.tensor([[-1.0, 0.5], [1.0, -0.5]], dtype=torch.float64)
    covariances = torch.tensor([[[0.5, 0.2], [0.2, 0.3]], [[0.2, 0], [0, 0.9]]]).double()
    mixture = Mixture(torch.tensor([0.3, 0.7]).double(), means, covariances)
    axis = torch.linspace(-7, 7, 281, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    total = torch.exp(-mixture.energy(grid)).sum() * (axis[1] - axis[0]) ** 2
    assert abs(total.item() - 1) < 1e-4


def test_one_sure_member_is_mean_and_covariance() -> None:
    rng = np.random.default_rng(2)
    data = rng.normal(size=(50, 3)) @ rng.normal(size=(3, 3))
    sure = torch.tensor([[1.0, 0.0]], dtype=torch.float64).repeat(50, 1)
    mixture = mixture_of(torch.from_numpy(data), sure, ridge=1e-3)
    np.testing.assert_allclose(mixture.means[0], data.mean(0), atol=1e-6)
    expected = np.cov(data.T, bias=True) + 1e-3 * np.eye(3)
    np.testing.assert_allclose(mixture.covariances[0], expected, atol=1e-6)
    assert mixture.shares[0].item() > 0.999999


def test_weights_count_as_repetitions() -> None:
    g = torch.Generator().manual_seed(5)
    autoencoder = build_model(ModelSettings(hidden=(5,), latent=2), 4, g).double()
    model = MixtureModel(autoencoder, torch.nn.Linear(4, 2).double(), 2).double()
    features = torch.randn(60, 4, generator=g, dtype=torch.float64)
    count = torch.arange(60) % 3
    weights = count / count.sum(dtype=torch.float64)
    repeated = model.mixture_from(features.repeat_interleave(count, dim=0), 1e-3)
    for ours, theirs in zip(model.mixture_from(features, 1e-3, weights), repeated, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-9)  # what keeps sums from 0


def test_features_by_hand() -> None:
    settings = ModelSettings(hidden=(5,), latent=2)
    autoencoder = build_model(settings, 4, torch.Generator().manual_seed(3)).double()
    model = MixtureModel(autoencoder, torch.nn.Linear(4, 2).double(), 2).double()
    x = torch.randn(6, 4, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    features, errors = model.features(x)
    back = autoencoder(x)
    cosine = torch.nn.functional.cosine_similarity(x, back)
    torch.testing.assert_close(features[:, :2], autoencoder.encode(x))
    distance = (x - back).square().sum(1).sqrt() / x.square().sum(1).sqrt()
    torch.testing.assert_close(features[:, 2], distance)
    torch.testing.assert_close(features[:, 3], cosine)
    torch.testing.assert_close(errors, (x - back).square().mean(1))
    energies = model.energy(x).detach().numpy()
    standard = multivariate_normal(np.zeros(4), np.eye(4))
    np.testing.assert_allclose(energies, -standard.logpdf(features.detach().numpy()), rtol=1e-6)
