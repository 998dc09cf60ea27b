"""Flows: the volume against autograd's Jacobian, a density that integrates to one."""

from __future__ import annotations

import pytest
import torch

from naetrigger.contracts.errors import InputError
from naetrigger.training.models.flow import Flow
from naetrigger.training.objectives import build_objective
from naetrigger.training.settings import FlowObjective, ModelSettings


def moved(n_inputs: int) -> Flow:
    """A flow with random weights everywhere."""
    g = torch.Generator().manual_seed(1)
    flow = Flow(ModelSettings(hidden=(8,), activation="tanh"), n_inputs, 3, g).double()
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter += 0.2 * torch.randn(parameter.shape, generator=g, dtype=parameter.dtype)
    return flow


@pytest.mark.parametrize("n_inputs", [2, 5])
def test_volume_is_that_of_the_jacobian(n_inputs: int) -> None:
    flow = moved(n_inputs)
    x = torch.randn(6, n_inputs, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    _, log_det = flow(x)
    for row, got in zip(x, log_det, strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda v: flow(v[None])[0][0], row)
        assert got.item() == pytest.approx(torch.linalg.slogdet(jacobian)[1].item(), abs=1e-10)


def test_its_density_integrates_to_one() -> None:
    flow = moved(2)
    axis = torch.linspace(-15, 15, 601, dtype=torch.float64)
    density = torch.exp(-flow.scores(torch.cartesian_prod(axis, axis)))
    total = density.sum() * (axis[1] - axis[0]) ** 2
    assert total.item() == pytest.approx(1, rel=0.02)


def test_a_fresh_one_is_a_standard_normal() -> None:
    flow = Flow(ModelSettings(hidden=(8,)), 3, 4, torch.Generator().manual_seed(3))
    x = torch.randn(9, 3, generator=torch.Generator().manual_seed(4))
    normal = torch.distributions.Normal(0, 1).log_prob(x).sum(dim=1)
    torch.testing.assert_close(flow.energy(x).detach(), -normal)


def test_one_input_is_refused() -> None:
    with pytest.raises(InputError, match="two inputs or more"):
        build_objective(FlowObjective()).network(ModelSettings(), 1, torch.Generator())
