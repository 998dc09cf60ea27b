"""The bound against the exact likelihood of a linear-Gaussian model."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from torch import Tensor, nn

from naetrigger.training.loop import train
from naetrigger.training.models import build_model
from naetrigger.training.models.autoencoder import Autoencoder
from naetrigger.training.models.variational import Variational, negative_bound, spread_head
from naetrigger.training.settings import ModelSettings, TrainingSettings, VaeObjective

S = 0.6


def linear_model(latent: int = 1) -> tuple[Autoencoder, nn.Linear]:
    g = torch.Generator().manual_seed(1)
    settings = ModelSettings(hidden=(), latent=latent)
    model = build_model(settings, 3, g).double()
    return model, spread_head(model, g)


def exact(model: Autoencoder, x: Tensor) -> Tensor:
    """-log N(x | b, W W^T + s^2)."""
    layer = model.layers[-1].linear
    covariance = layer.weight @ layer.weight.T + S**2 * torch.eye(3, dtype=x.dtype)
    normal = torch.distributions.MultivariateNormal(layer.bias, covariance)
    return -normal.log_prob(x)


def inputs() -> Tensor:
    g = torch.Generator().manual_seed(2)
    return torch.randn(40, 3, generator=g, dtype=torch.float64)


def noise(latent: int, n: int = 20_000) -> Tensor:
    g = torch.Generator().manual_seed(3)
    half = torch.randn(n // 2, 1, latent, generator=g, dtype=torch.float64)
    return torch.cat([half, -half])


@pytest.mark.parametrize("latent", [1, 2])
def test_it_stays_below_the_likelihood(latent: int) -> None:
    model, spread = linear_model(latent)
    x = inputs()
    gap = negative_bound(model, spread, x, noise(latent), S) - exact(model, x)
    assert gap.min() > 0.01


def test_with_the_true_posterior_it_is_the_likelihood() -> None:
    """For one latent: precision 1 + |w|^2 / s^2, mean its inverse times w.(x - b) / s^2."""
    model, spread = linear_model()
    decoder, encoder = model.layers[-1].linear, model.layers[0].linear
    w = decoder.weight[:, 0]
    variance = 1 / (1 + w @ w / S**2)
    with torch.no_grad():
        encoder.weight.copy_((variance * w / S**2).unsqueeze(0))
        encoder.bias.copy_(-(variance * w @ decoder.bias / S**2))
        spread.weight.zero_()
        spread.bias.copy_(variance.log())
    x = inputs()
    bound = negative_bound(model, spread, x, noise(1), S)
    torch.testing.assert_close(bound, exact(model, x), rtol=0, atol=0.02)  # of the sampling


def test_trained_it_stays_below_the_best_linear_gaussian_model_and_gets_near(
    tmp_path: object,
) -> None:
    """Probabilistic PCA in closed form (Tipping and Bishop 1999): W = U (L - s^2)^(1/2)."""
    rng = np.random.default_rng(4)
    mix = np.array([[1.0, 0.8, -0.6], [0.0, 0.5, 0.2], [0.0, 0.0, 0.4]])
    x = (rng.normal(size=(3000, 3)) @ mix + 0.2).astype(np.float32)
    settings = TrainingSettings(
        model=ModelSettings(hidden=(), latent=1),
        objective=VaeObjective(
            score="likelihood",
            observation_noise=S,
            steps=400,
            batch_size=128,
            learning_rate=2e-2,
            validate_every=100,
        ),
    )
    model = train(settings, x, x, tmp_path).teacher.model
    values, vectors = np.linalg.eigh(np.cov(x.T, bias=True))
    signal = (values[-1] - S**2) * np.outer(vectors[:, -1], vectors[:, -1])
    best = -multivariate_normal(x.mean(0), signal + S**2 * np.eye(3)).logpdf(x).mean()
    inputs = torch.from_numpy(x)
    with torch.no_grad():
        eps = torch.tensor([1.0, -1.0]).reshape(2, 1, 1)  # exact where the decoder is linear
        bound = negative_bound(model.autoencoder, model.spread, inputs, eps, S).mean().item()
    assert best < bound < best + 0.05


def test_its_energy_is_a_function() -> None:
    model, spread = linear_model(2)
    network = Variational(model, spread, noise(2, 8).squeeze(1), S).double()
    x = inputs()
    assert torch.equal(network.energy(x), network.energy(x))
    torch.testing.assert_close(network.energy(x[:3]), network.energy(x)[:3])
    expected = negative_bound(model, spread, x, noise(2, 8), S)
    torch.testing.assert_close(network.energy(x), expected)
