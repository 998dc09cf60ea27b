"""The folded encoder's energy against scipy's Mahalanobis distance."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import mahalanobis

from naetrigger.training.models import build_model
from naetrigger.training.objectives.mahalanobis import Mahalanobis
from naetrigger.training.settings import MahalanobisObjective, ModelSettings

MODEL = ModelSettings(hidden=(6,), latent=2)


def test_energy_is_the_squared_distance_and_the_reconstruction_stays() -> None:
    objective = Mahalanobis(MahalanobisObjective())
    model = objective.network(MODEL, 4, torch.Generator().manual_seed(1)).double()
    g = torch.Generator().manual_seed(2)
    x = torch.randn(200, 4, generator=g, dtype=torch.float64)
    latent, before = model.encode(x).detach().numpy(), model(x).detach()
    objective.finish(model, x)
    inverse = np.linalg.inv(np.cov(latent.T, bias=True))
    expected = [mahalanobis(z, latent.mean(0), inverse) ** 2 for z in latent]
    np.testing.assert_allclose(model.scores(x), expected, rtol=1e-4)  # the ridge
    torch.testing.assert_close(model(x).detach(), before)
    assert model.scores(x).mean().item() == pytest.approx(2, rel=1e-4)


def test_a_latent_that_never_moves_does_no_harm() -> None:
    objective = Mahalanobis(MahalanobisObjective())
    model = objective.network(MODEL, 4, torch.Generator().manual_seed(1))
    with torch.no_grad():
        model.layers[1].linear.weight[0] = 0
    objective.finish(model, torch.randn(100, 4, generator=torch.Generator().manual_seed(2)))
    assert torch.isfinite(model.scores(torch.ones(1, 4))).all()


def test_a_latent_on_the_sphere_is_refused() -> None:
    model = MODEL.model_copy(update={"spherical": True})
    with pytest.raises(TypeError, match="plain latent"):
        Mahalanobis(MahalanobisObjective()).network(model, 4, torch.Generator())
    assert build_model(model, 4, torch.Generator()).settings.spherical
