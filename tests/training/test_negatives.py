"""Points that a trained model's chains give to distillation."""

from __future__ import annotations

import torch

from naetrigger.training.models import build_model
from naetrigger.training.negatives import sample_negatives
from naetrigger.training.settings import Langevin, ModelSettings

MODEL = build_model(ModelSettings(hidden=(5,), latent=2), 4, torch.Generator().manual_seed(1))


def test_any_number_in_any_batches(generator: torch.Generator) -> None:
    x = sample_negatives(MODEL, Langevin(steps=2), 23, generator, batch_size=10)
    assert x.shape == (23, 4)
    assert x.abs().max() <= 4
    assert len(x.unique(dim=0)) == 23


def test_longer_chains_reach_lower_energies(generator: torch.Generator) -> None:
    few = sample_negatives(MODEL, Langevin(steps=1), 500, generator)
    many = sample_negatives(MODEL, Langevin(steps=100), 500, generator)
    assert MODEL.scores(many).mean() < 0.3 * MODEL.scores(few).mean()


def test_given_starts_are_used_in_turn(generator: torch.Generator) -> None:
    still = Langevin(steps=1, noise=1e-9, temperature=1.0)
    starts = torch.tensor([[1.0] * 4, [2.0] * 4, [3.0] * 4])
    x = sample_negatives(MODEL, still, 7, generator, start=starts, batch_size=4)
    torch.testing.assert_close(x[:, 0], torch.tensor([1.0, 2, 3, 1, 2, 3, 1]))
