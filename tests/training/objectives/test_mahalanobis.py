"""The energy of the finished network against scipy's Mahalanobis distance."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import mahalanobis
from torch import Tensor

from naetrigger.contracts.errors import InputError
from naetrigger.training.models import build_model
from naetrigger.training.models.autoencoder import Autoencoder
from naetrigger.training.objectives.mahalanobis import Mahalanobis
from naetrigger.training.settings import MahalanobisObjective, ModelSettings

MODEL = ModelSettings(hidden=(6,), latent=2)


def network(objective: Mahalanobis) -> Autoencoder:
    return objective.network(MODEL, 4, torch.Generator().manual_seed(1)).double()


def points(seed: int = 2) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    mix = torch.randn(4, 4, generator=g, dtype=torch.float64)
    return torch.randn(200, 4, generator=g, dtype=torch.float64) @ mix + 0.3


def distances(z: np.ndarray, of: np.ndarray) -> list[float]:
    inverse = np.linalg.inv(np.cov(of.T, bias=True))
    return [mahalanobis(row, of.mean(0), inverse) ** 2 for row in z]


def test_energy_is_the_squared_distance_and_the_reconstruction_stays() -> None:
    objective = Mahalanobis(MahalanobisObjective())
    model, x = network(objective), points()
    latent, before = model.encode(x).detach().numpy(), model(x).detach()
    objective.finish(model, x)
    np.testing.assert_allclose(model.scores(x), distances(latent, latent), rtol=1e-4)  # the ridge
    torch.testing.assert_close(model(x).detach(), before)
    assert model.scores(x).mean().item() == pytest.approx(2, rel=1e-4)


def test_of_the_inputs_it_is_closed_form_whatever_training_did() -> None:
    settings = MahalanobisObjective(score="inputs")
    assert settings.steps == 1
    assert MahalanobisObjective(score="inputs", steps=9).steps == 9
    assert MahalanobisObjective().steps > 1
    objective = Mahalanobis(settings)
    model, x, new = network(objective), points(), points(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1
    objective.finish(model, x)
    np.testing.assert_allclose(model.scores(new), distances(new.numpy(), x.numpy()), rtol=1e-3)
    torch.testing.assert_close(model(new).detach(), new)
    assert [layer.linear.weight.shape for layer in model.layers] == [(4, 4), (4, 4)]


@pytest.mark.parametrize("score", ["latent", "inputs"])
def test_weights_count_as_repetitions(score: str) -> None:
    objective = Mahalanobis(MahalanobisObjective(score=score))
    x, new = points(), points(3)
    count = torch.arange(len(x)) % 4
    repeated, weighted = network(objective), network(objective)
    objective.finish(repeated, x.repeat_interleave(count, dim=0))
    objective.finish(weighted, x, count / count.sum(dtype=torch.float64))
    torch.testing.assert_close(weighted.scores(new), repeated.scores(new), rtol=1e-6, atol=1e-6)


def test_many_events_are_encoded_in_parts() -> None:
    objective = Mahalanobis(MahalanobisObjective())
    model = network(objective)
    most: list[int] = []
    model.encoder.register_forward_pre_hook(lambda module, inputs: most.append(len(inputs[0])))
    objective.finish(model, points().repeat(400, 1))
    assert max(most) == 65536
    assert sum(most) == 80_000


def test_of_the_inputs_no_other_weights_have_a_smaller_loss() -> None:
    """The closed form is the minimum of the loss: its gradient vanishes there."""
    objective = Mahalanobis(MahalanobisObjective(score="inputs"))
    model, x = network(objective), points()
    objective.finish(model, x)
    state = objective.start(model, torch.Generator())
    loss = objective.loss(model, x, state, torch.Generator()).loss
    weights = list(model.encoder.parameters())
    for gradient in torch.autograd.grad(loss, weights):
        assert gradient.abs().max().item() < 1e-5  # the ridge


def test_a_latent_that_never_moves_does_no_harm() -> None:
    objective = Mahalanobis(MahalanobisObjective())
    model = objective.network(MODEL, 4, torch.Generator().manual_seed(1))
    with torch.no_grad():
        model.layers[1].linear.weight[0] = 0
    objective.finish(model, torch.randn(100, 4, generator=torch.Generator().manual_seed(2)))
    assert torch.isfinite(model.scores(torch.ones(1, 4))).all()


def test_a_latent_on_the_sphere_is_refused() -> None:
    model = MODEL.model_copy(update={"spherical": True})
    with pytest.raises(InputError, match="plain latent"):
        Mahalanobis(MahalanobisObjective()).network(model, 4, torch.Generator())
    assert build_model(model, 4, torch.Generator()).settings.spherical
