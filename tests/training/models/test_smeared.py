"""Smearing against scipy's filter and against a matrix over all pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from naetrigger.contracts.errors import InputError
from naetrigger.training.models.smeared import Smear
from naetrigger.training.objectives.kernel_ae import KernelAe
from naetrigger.training.settings import KernelAeObjective, ModelSettings


def test_it_is_the_matrix_of_pixel_distances() -> None:
    rows, columns, width = 3, 4, 0.8
    x = torch.randn(5, 12, generator=torch.Generator().manual_seed(1))
    place = np.array([(i, j) for i in range(rows) for j in range(columns)])
    kernel = np.exp(-((place[:, None] - place[None]) ** 2).sum(2) / (2 * width**2))
    kernel /= kernel.sum(1, keepdims=True)
    np.testing.assert_allclose(Smear((rows, columns), width)(x), x.numpy() @ kernel.T, rtol=1e-4)


def test_a_shifted_pixel_costs_less_than_a_missing_one() -> None:
    """What the plain error cannot tell: both are two wrong pixels to it."""
    image, near, far = torch.zeros(3, 64)
    image[3 * 8 + 3], near[3 * 8 + 4], far[7 * 8 + 7] = 1, 1, 1
    smear = Smear((8, 8), 1.0)
    cost = [smear((image - other)[None]).square().mean().item() for other in (near, far)]
    assert cost[0] < 0.5 * cost[1]
    assert (image - near).square().sum() == (image - far).square().sum()


def test_inputs_that_are_no_image_are_refused() -> None:
    with pytest.raises(InputError, match="5 inputs are no image of 2 x 2"):
        KernelAe(KernelAeObjective()).network(ModelSettings(), 5, torch.Generator())
    wide = KernelAe(KernelAeObjective(image=(1, 5)))
    assert wide.network(ModelSettings(), 5, torch.Generator()).n_inputs == 5
