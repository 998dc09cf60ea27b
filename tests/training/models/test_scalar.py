"""Scalar networks: the energy by hand, any sign."""

from __future__ import annotations

import torch

from naetrigger.training.models.scalar import scalar_energy
from naetrigger.training.settings import ModelSettings


def test_energy_by_hand() -> None:
    settings = ModelSettings(hidden=(6,))
    model = scalar_energy(settings, 3, torch.Generator().manual_seed(1)).double()
    x = torch.randn(50, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    first, last = (layer.linear for layer in model.layers)
    hidden = torch.relu(x @ first.weight.T + first.bias)
    expected = (hidden @ last.weight.T + last.bias)[:, 0]
    torch.testing.assert_close(model.energy(x), expected)
    assert model.energy(x - 3).min() < model.energy(x).max()
    assert [layer.activation for layer in model.layers] == ["relu", "linear"]
