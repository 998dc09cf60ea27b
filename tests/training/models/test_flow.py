"""Flows of vectors: the density against its Jacobian, its integral, weights from one generator."""

from __future__ import annotations

import math

import pytest
import torch

from naetrigger.contracts.errors import InputError
from naetrigger.training.models.flow import Flow
from naetrigger.training.objectives import build_objective
from naetrigger.training.settings import FlowObjective, ModelSettings


def flow(n_inputs: int, seed: int = 1, maps: str = "affine") -> Flow:
    g = torch.Generator().manual_seed(seed)
    settings = FlowObjective(transforms=3, maps=maps)
    return Flow(ModelSettings(hidden=(8,), activation="tanh"), settings, n_inputs, g).double()


@pytest.mark.parametrize("n_inputs", [2, 5])
@pytest.mark.parametrize("maps", ["affine", "spline"])
def test_its_density_is_that_of_the_jacobian(n_inputs: int, maps: str) -> None:
    model = flow(n_inputs, maps=maps)
    x = torch.randn(6, n_inputs, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    for row, got in zip(x, model.energy(x), strict=True):
        z = model.flow().transform(row)
        jacobian = torch.autograd.functional.jacobian(model.flow().transform, row)
        normal = 0.5 * z.square().sum() + 0.5 * n_inputs * math.log(2 * math.pi)
        expected = normal - torch.linalg.slogdet(jacobian)[1]
        assert got.item() == pytest.approx(expected.item(), abs=1e-10)


@pytest.mark.parametrize("maps", ["affine", "spline"])
def test_its_density_integrates_to_one(maps: str) -> None:
    model = flow(2, maps=maps)
    axis = torch.linspace(-15, 15, 401, dtype=torch.float64)
    density = torch.exp(-model.scores(torch.cartesian_prod(axis, axis)))
    total = density.sum() * (axis[1] - axis[0]) ** 2
    assert total.item() == pytest.approx(1, rel=0.02)


def test_weights_come_from_the_generator_and_from_nothing_else() -> None:
    before = torch.random.get_rng_state()
    a, b, c = (flow(4, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert any(not torch.equal(a[k], c[k]) for k in a)
    assert torch.equal(before, torch.random.get_rng_state())


def test_one_input_is_refused() -> None:
    with pytest.raises(InputError, match="two inputs or more"):
        build_objective(FlowObjective()).network(ModelSettings(), 1, torch.Generator())
