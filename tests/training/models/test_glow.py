"""Glow: its inverse, its volume against autograd's Jacobian, a density that integrates to one."""

from __future__ import annotations

import pytest
import torch

from naetrigger.contracts.errors import InputError
from naetrigger.training.models.glow import Glow
from naetrigger.training.objectives import build_objective
from naetrigger.training.settings import GlowObjective, ModelSettings


def fresh(image: tuple[int, int], **options: object) -> Glow:
    settings = GlowObjective(**{"image": image, "couplings": 2, "filters": 5, **options})
    n = image[0] * image[1]
    model = ModelSettings(activation="tanh")
    return build_objective(settings).network(model, n, torch.Generator().manual_seed(1)).double()


def moved(image: tuple[int, int], size: float = 0.2) -> Glow:
    """Random weights everywhere."""
    model, g = fresh(image), torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += size * torch.randn(parameter.shape, generator=g, dtype=parameter.dtype)
    return model


def images(n: int, image: tuple[int, int]) -> torch.Tensor:
    g = torch.Generator().manual_seed(3)
    return torch.randn(n, image[0] * image[1], generator=g, dtype=torch.float64)


@pytest.mark.parametrize(("image", "scales"), [((2, 2), 1), ((4, 6), 1), ((4, 8), 2), ((8, 8), 3)])
def test_it_is_inverted_and_knows_its_volume(image: tuple[int, int], scales: int) -> None:
    model, x = moved(image), images(3, image)
    parts, log_det = model(x)
    assert len(parts) == scales
    torch.testing.assert_close(model.inverse(parts), x)
    assert (torch.cat([p.flatten(1) for p in parts], dim=1) - x).abs().max() > 0.1

    def z(row: torch.Tensor) -> torch.Tensor:
        return torch.cat([part.flatten() for part in model(row[None])[0]])

    for row, got in zip(x[:1], log_det, strict=False):
        jacobian = torch.autograd.functional.jacobian(z, row)
        assert got.item() == pytest.approx(torch.linalg.slogdet(jacobian)[1].item(), abs=1e-9)


def test_its_density_integrates_to_one() -> None:
    """Over images of 2 x 2, by importance sampling from a wider normal distribution."""
    model = moved((2, 2))
    wide = torch.distributions.Normal(torch.tensor(0.0, dtype=torch.float64), 2.5)
    engine = torch.quasirandom.SobolEngine(4, scramble=True, seed=4)
    x = wide.icdf(engine.draw(2**16, dtype=torch.float64).clamp(1e-9, 1 - 1e-9))
    weights = torch.exp(-model.scores(x) - wide.log_prob(x).sum(dim=1))
    assert weights.mean().item() == pytest.approx(1, rel=0.02)
    assert weights.std().item() < 10


def test_a_fresh_one_is_a_standard_normal() -> None:
    model, x = fresh((4, 4)), images(9, (4, 4))
    normal = torch.distributions.Normal(0.0, 1.0).log_prob(x).sum(dim=1)
    torch.testing.assert_close(model.energy(x).detach(), -normal)


def test_images_without_halves_are_refused() -> None:
    with pytest.raises(InputError, match="3 x 4 has no halves"):
        fresh((3, 4))
    with pytest.raises(InputError, match="halvings is 2, and an image of 2 x 4 can be halved 1"):
        fresh((2, 4), halvings=2)
    with pytest.raises(InputError, match="10 inputs are no image of 3 x 3"):
        build_objective(GlowObjective()).network(ModelSettings(), 10, torch.Generator())
