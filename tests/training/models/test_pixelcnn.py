"""PixelCNN++: probabilities that sum to one, pixels that see what they may and nothing else."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from naetrigger.contracts.errors import InputError
from naetrigger.training.loop import train
from naetrigger.training.models.logistic_mixture import log_probability
from naetrigger.training.models.pixelcnn import Levels, PixelCnn
from naetrigger.training.objectives import build_objective
from naetrigger.training.settings import ModelSettings, PixelCnnObjective, TrainingSettings


def built(image: tuple[int, int], **options: object) -> PixelCnn:
    settings = PixelCnnObjective(
        **{"image": image, "levels": 3, "filters": 4, "blocks": 1, "mixtures": 2, **options}
    )
    n = image[0] * image[1]
    g = torch.Generator().manual_seed(1)
    model = build_objective(settings).network(ModelSettings(), n, g).double()
    with torch.no_grad():
        for parameter in model.parameters():  # gates that are not nearly shut
            parameter += 0.2 * torch.randn(parameter.shape, generator=g, dtype=parameter.dtype)
    return model


@pytest.mark.parametrize("halvings", [0, 1])
@pytest.mark.parametrize("span", [(-1.0, 1.0), (0.0, 4.0)])
def test_probabilities_of_all_images_sum_to_one(halvings: int, span: tuple[float, float]) -> None:
    """All 81 images of 2 x 2 pixels and three levels; 2% is asked for, rounding is what is left."""
    model = built((2, 2), halvings=halvings, range=span)
    grid = torch.linspace(*span, 3, dtype=torch.float64)
    images = torch.tensor(list(itertools.product(grid.tolist(), repeat=4)), dtype=torch.float64)
    log_p = -4 * model.scores(images)
    assert log_p.exp().sum().item() == pytest.approx(1, abs=1e-12)
    assert log_p.std() > 0.1


@pytest.mark.parametrize(
    ("image", "options"),
    [
        ((4, 4), {"halvings": 1}),
        ((4, 8), {"halvings": 2, "blocks": 2}),
        ((5, 3), {}),
        ((4, 4), {"blocks": 2}),
    ],
)
def test_each_pixel_sees_all_before_it_and_nothing_else(
    image: tuple[int, int], options: dict[str, object]
) -> None:
    n = image[0] * image[1]
    model = built(image, **{"filters": 8, **options})
    x = torch.randn(3, n, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    x.requires_grad_()
    parameters = model(x.unflatten(1, image)).flatten(2)
    seen = torch.zeros(n, n, dtype=torch.bool)
    for pixel in range(n):
        gradient = torch.autograd.grad(parameters[..., pixel].sum(), x, retain_graph=True)[0]
        seen[pixel] = gradient.abs().amax(dim=0) > 0
    assert not seen.triu().any()
    if options:  # deep enough to see the whole image: no blind spot
        assert torch.equal(seen, torch.ones(n, n).tril(-1).bool())


@pytest.mark.parametrize("levels", [2, 3, 256])
def test_the_mixture_is_the_difference_of_sigmoids(levels: int) -> None:
    g = torch.Generator().manual_seed(3)
    parameters = torch.randn(7, 6, generator=g, dtype=torch.float64)
    v = torch.linspace(-1, 1, levels, dtype=torch.float64)
    shares, means, scales = parameters.numpy().reshape(7, 3, 2).transpose(1, 0, 2)
    shares = np.exp(shares) / np.exp(shares).sum(1, keepdims=True)
    edges = np.concatenate([[-np.inf], (v[1:] + v[:-1]).numpy() / 2, [np.inf]])
    away = (edges - means[..., None]) / np.exp(scales)[..., None]
    expected = (shares[..., None] * np.diff(1 / (1 + np.exp(-away)))).sum(1)
    got = torch.stack([log_probability(u.expand(7), parameters, levels) for u in v], dim=1).exp()
    np.testing.assert_allclose(got, expected, rtol=1e-9)
    assert got.sum(dim=1).numpy() == pytest.approx(np.ones(7), abs=1e-12)


def test_far_from_every_mean_it_stays_finite_and_has_a_slope() -> None:
    parameters = torch.tensor([[0.0, 0.99, -7.0]], requires_grad=True)
    log_p = log_probability(torch.tensor([-0.5]), parameters, 17)
    assert -1e5 < log_p.item() < -1e2
    assert torch.autograd.grad(log_p, parameters)[0][0, 1] < -100


def test_inputs_between_levels_count_as_the_nearest_and_pass_a_slope() -> None:
    model = built((2, 2))
    on, off = torch.tensor([[0.0, 1.0, -1.0, 0.0]]), torch.tensor([[0.4, 7.0, -1.2, -0.49]])
    assert model.scores(off.double()).item() == model.scores(on.double()).item()
    x = off.double().requires_grad_()
    assert torch.autograd.grad(model.energy(x).sum(), x)[0].abs().min() > 0
    assert Levels(5, 0, 2).nearest(torch.tensor([0.0, 0.3, 0.8, 2.0])).tolist() == [-1, -0.5, 0, 1]


def test_training_refuses_what_is_no_gray_level(tmp_path: object) -> None:
    x = np.random.default_rng(1).integers(0, 3, size=(50, 4)).astype(np.float32) - 1
    options = {"levels": 3, "filters": 2, "blocks": 1, "mixtures": 1, "steps": 1, "batch_size": 8}
    settings = TrainingSettings(objective=PixelCnnObjective(**options))
    train(settings, x, x, tmp_path)
    bad = x.copy()
    bad[7, 2] = 0.25
    for inputs in ((bad, x), (x, bad), (x, 2 * x)):
        with pytest.raises(InputError, match=r"no gray level: levels 0 to 2 are -1 to 1 in steps"):
            train(settings, *inputs, tmp_path)
    rounded = TrainingSettings(objective=PixelCnnObjective(**options, off_grid="round"))
    train(rounded, bad, 2 * x, tmp_path)


def test_images_that_cannot_be_halved_are_refused() -> None:
    with pytest.raises(InputError, match=r"halvings is 2, and an image of 2 x 6 can be halved 1"):
        built((2, 6), halvings=2)
    assert len(built((2, 6)).halves) == 1
    assert len(built((16, 16)).halves) == 2
    with pytest.raises(InputError, match="7 inputs are no image of 2 x 2"):
        build_objective(PixelCnnObjective()).network(ModelSettings(), 7, torch.Generator())
