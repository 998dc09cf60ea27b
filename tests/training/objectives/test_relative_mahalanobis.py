"""The relative distance against scipy's distances, and what it is good for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from torch import Tensor

from naetrigger.contracts.errors import InputError
from naetrigger.training.objectives.relative_mahalanobis import RelativeMahalanobis
from naetrigger.training.settings import ModelSettings, RelativeMahalanobisObjective

MODEL = ModelSettings(hidden=(6,), latent=2)
CENTRES = np.array([[3.0, 0, 0, 0], [0, 2.0, 0, 0], [0, 0, -2.0, 0]])


def classified(n: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, 4) about three centres, wide in the last coordinate, and their classes."""
    rng = np.random.default_rng(1)
    classes = np.arange(n) % 3
    return CENTRES[classes] + rng.normal(size=(n, 4)) * [0.3, 0.4, 0.5, 5.0], classes


def by_hand(z: np.ndarray, of: np.ndarray, classes: np.ndarray) -> np.ndarray:
    means = np.array([of[classes == k].mean(0) for k in range(3)])
    within = np.linalg.inv(np.cov((of - means[classes]).T, bias=True))
    whole = np.linalg.inv(np.cov(of.T, bias=True))
    own = cdist(z, means, "mahalanobis", VI=within) ** 2
    return own.min(1) - cdist(z, of.mean(0)[None], "mahalanobis", VI=whole)[:, 0] ** 2


def finished(score: str) -> tuple[RelativeMahalanobis, object, Tensor]:
    objective = RelativeMahalanobis(
        RelativeMahalanobisObjective(labels="kind", classes=3, score=score)
    )
    model = objective.network(MODEL, 4, torch.Generator().manual_seed(1)).double()
    x, classes = (torch.from_numpy(part) for part in classified())
    both = torch.cat([x, classes[:, None]], dim=1)
    objective.finish(model, both)
    return objective, model, both


@pytest.mark.parametrize("score", ["latent", "inputs"])
def test_energy_is_the_difference_of_the_distances(score: str) -> None:
    _, model, both = finished(score)
    z = model.points(both[:, :-1]).detach().numpy()
    new = np.random.default_rng(2).normal(size=(50, 4)) * 3
    points = model.points(torch.from_numpy(new)).detach().numpy()
    expected = by_hand(points, z, both[:, -1].numpy().astype(int))
    np.testing.assert_allclose(model.scores(torch.from_numpy(new)), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("score", ["latent", "inputs"])
def test_weights_count_as_repetitions(score: str) -> None:
    objective, weighted, both = finished(score)
    _, repeated, _ = finished(score)
    count = torch.arange(len(both)) % 5
    objective.finish(repeated, both.repeat_interleave(count, dim=0))
    objective.finish(weighted, both, count / count.sum(dtype=torch.float64))
    x = both[:, :-1]
    torch.testing.assert_close(weighted.scores(x), repeated.scores(x), rtol=1e-6, atol=1e-6)


def test_what_varies_alike_everywhere_cancels() -> None:
    """Far out along the wide coordinate alone the plain distance is fooled, this one is not."""
    _, model, _ = finished("inputs")
    wide = torch.tensor([[0.0, 2.0, 0.0, 20.0]], dtype=torch.float64)
    between = torch.tensor([[1.5, 1.0, 0.0, 0.0]], dtype=torch.float64)
    assert model.from_classes(wide).min() > 10
    assert model.scores(wide).item() < model.scores(between).item()


@pytest.mark.parametrize("score", ["latent", "inputs"])
def test_energies_are_shown_where_they_are_the_scores(score: str) -> None:
    """Those of latents have no means and covariances before training ends."""
    objective, model, both = finished(score)
    state = objective.start(model, torch.Generator())
    shown = objective.loss(model, both, state, torch.Generator()).further()
    assert ("positive_energy" in shown) == (score == "inputs")


def test_a_class_without_events_has_no_mean() -> None:
    _, model, both = finished("inputs")
    with pytest.raises(InputError, match="no event of class 1"):
        model.keep(both[:, :-1], both[:, -1].long() // 2 * 2)


def test_of_the_inputs_no_other_weights_have_a_smaller_loss() -> None:
    objective, model, both = finished("inputs")
    state = objective.start(model, torch.Generator())
    loss = objective.loss(model, both, state, torch.Generator()).loss
    for gradient in torch.autograd.grad(loss, list(model.parameters())):
        assert gradient.abs().max().item() < 1e-5  # the ridge
