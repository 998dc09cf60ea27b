"""Spectral normalisation against the singular values, while training and folded."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from naetrigger.contracts.errors import TrainingDiverged
from naetrigger.training.models import build_model, folded
from naetrigger.training.models.scalar import scalar_energy
from naetrigger.training.models.spectral import Spectral, computed_once
from naetrigger.training.settings import ModelSettings

SETTINGS = ModelSettings(hidden=(7, 5), latent=2, spectral_norm=True)


@pytest.mark.parametrize("make", [build_model, scalar_energy])
def test_no_layer_stretches_and_folding_changes_nothing(make: object) -> None:
    model = make(SETTINGS, 4, torch.Generator().manual_seed(1)).double()
    x = torch.randn(9, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    before = model.energy(x).detach()
    plain = folded(model)
    for layer in plain.layers:
        assert torch.linalg.svdvals(layer.linear.weight)[0].item() == pytest.approx(1, rel=1e-12)
    torch.testing.assert_close(plain.energy(x).detach(), before, rtol=1e-12, atol=1e-12)
    expected = build_model if make is build_model else scalar_energy
    bare = expected(SETTINGS.model_copy(update={"spectral_norm": False}), 4, torch.Generator())
    assert plain.state_dict().keys() == bare.state_dict().keys()


def test_its_gradient_is_that_of_the_quotient() -> None:
    weight = torch.randn(4, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    assert torch.autograd.gradcheck(Spectral(), weight.requires_grad_())


def test_no_norm_is_no_quotient() -> None:
    """A matrix of zeros stays one, with a finite gradient; one that is not finite is reported."""
    weight = torch.zeros(4, 3, requires_grad=True)
    quotient = Spectral()(weight)
    assert torch.equal(quotient, torch.zeros(4, 3))
    quotient.sum().backward()
    assert weight.grad.isfinite().all()
    with pytest.raises(TrainingDiverged, match="spectral_norm: a weight is NaN"):
        Spectral()(torch.full((4, 3), torch.nan))


def test_each_weight_is_computed_once_and_its_gradient_stays() -> None:
    """Also where the first use has no graph, and anew each time."""
    model = build_model(SETTINGS, 4, torch.Generator().manual_seed(1)).double()
    x = torch.randn(9, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    parameters = list(model.parameters())
    calls: list[object] = []
    for module in model.modules():
        if isinstance(module, Spectral):
            module.register_forward_hook(lambda *call: calls.append(call))
    for _ in range(2):
        expected = torch.autograd.grad(
            model.energy(x).sum() + model.energy(2 * x).sum(), parameters
        )
        calls.clear()
        with computed_once(model):
            model.scores(x)
            loss = model.energy(x).sum() + model.energy(2 * x).sum()
        assert len(calls) == len(model.layers)
        for ours, theirs in zip(torch.autograd.grad(loss, parameters), expected, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-14)  # order of sums
        with torch.no_grad():
            for parameter in parameters:
                parameter += 0.1


def test_plain_models_are_left_alone() -> None:
    plain = build_model(ModelSettings(), 4, torch.Generator())
    assert not any(hasattr(m, "parametrizations") for m in plain.modules())
    assert all(isinstance(layer.linear, nn.Linear) for layer in plain.layers)
