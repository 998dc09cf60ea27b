"""Batch normalisation: folded it is what it was, and negatives never touch it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from naetrigger.contracts.errors import InputError
from naetrigger.training.loop import train
from naetrigger.training.models import build_model, folded
from naetrigger.training.models.autoencoder import Autoencoder
from naetrigger.training.models.batch_norm import NORMS, batch_statistics
from naetrigger.training.models.energy_model import EnergyModel
from naetrigger.training.models.scalar import scalar_energy
from naetrigger.training.objectives import OBJECTIVES, build_objective
from naetrigger.training.settings import ModelSettings, ObjectiveSettings, TrainingSettings
from naetrigger.training.teacher import load_teacher

MLP = ModelSettings(hidden=(7, 5), latent=2, batch_norm=True)
CONV = ModelSettings(kind="conv", hidden=(3, 4), latent=2, batch_norm=True)
WITH_NEGATIVES = {"nae", "wnae", "mpdr", "recovery", "igebm"}


def events(n: int = 40, seed: int = 1, n_inputs: int = 4) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(n, n_inputs, generator=g, dtype=torch.float64) + 0.3


def norms(model: nn.Module) -> list[nn.Module]:
    return [module for module in model.modules() if isinstance(module, NORMS)]


def used(make: object, settings: ModelSettings, n_inputs: int = 4) -> EnergyModel:
    """A model with statistics, scales and shifts that are none of a fresh one."""
    g = torch.Generator().manual_seed(2)
    model = make(settings, n_inputs, g).double()
    with torch.no_grad():
        for norm in norms(model):
            norm.weight.copy_(1 + 0.3 * torch.randn(norm.weight.shape, generator=g))
            norm.bias.copy_(torch.randn(norm.bias.shape, generator=g))
    for seed in range(3, 9):
        with batch_statistics(model, events(seed=seed, n_inputs=n_inputs), False):
            model.energy(events(seed=seed, n_inputs=n_inputs))
    return model


@pytest.mark.parametrize(
    ("make", "settings", "count"),
    [(build_model, MLP, 4), (build_model, CONV, 3), (scalar_energy, MLP, 2)],
    ids=["mlp", "conv", "scalar"],
)
def test_folded_it_is_the_same_function_of_plain_layers(
    make: object, settings: ModelSettings, count: int
) -> None:
    n = 16 if settings.kind == "conv" else 4
    model = used(make, settings, n)
    assert len(norms(model)) == count
    x = events(n_inputs=n)
    before = model.energy(x).detach()
    layers = [layer for layer in model.modules() if hasattr(layer, "weight")]
    plain = folded(model)
    assert len(layers) > sum(hasattr(layer, "weight") for layer in plain.modules())
    torch.testing.assert_close(plain.energy(x).detach(), before, rtol=1e-12, atol=1e-12)
    bare = make(settings.model_copy(update={"batch_norm": False}), n, torch.Generator())
    shapes = {name: value.shape for name, value in bare.state_dict().items()}
    assert {name: value.shape for name, value in plain.state_dict().items()} == shapes


def test_in_a_step_hidden_outputs_are_normalised_over_the_batch() -> None:
    model, x = used(build_model, MLP), events()
    assert isinstance(model, Autoencoder)
    first = model.encoder[:2]
    with batch_statistics(model, x, negatives=False):
        hidden = first(x)
    norm = first[1]
    torch.testing.assert_close(hidden.mean(0), norm.bias.detach())
    spread = hidden.std(0, unbiased=False)
    torch.testing.assert_close(spread, norm.weight.detach().abs(), rtol=1e-3, atol=0)  # its eps
    assert (first(x).mean(0) - norm.bias).abs().max() > 1e-3  # outside of it: running means


def test_scores_neither_see_nor_move_statistics_of_a_batch() -> None:
    model, x = used(build_model, MLP), events()
    expected = model.scores(x)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.train()
    assert torch.equal(model.scores(x), expected)
    assert all(module.training for module in norms(model))
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_it_is_known_which_objectives_draw_negatives() -> None:
    assert {name for name, kind in OBJECTIVES.items() if kind.draws_negatives} == WITH_NEGATIVES


def test_negatives_move_no_statistics(objective: ObjectiveSettings) -> None:
    """After a step they are what the data alone makes of them."""
    if objective.name not in WITH_NEGATIVES:
        return
    built, x = build_objective(objective), events(16)
    model = built.network(MLP, 4, torch.Generator().manual_seed(1)).double()
    state = built.start(model, torch.Generator().manual_seed(2))
    state.step = 20  # behind pre-training
    alone = built.network(MLP, 4, torch.Generator().manual_seed(1)).double().train()
    alone.energy(x)
    with batch_statistics(model, x, built.draws_negatives):
        built.loss(model, x, state, torch.Generator().manual_seed(3))
        company = torch.cat([x[:3], 100 * x[3:]])
        torch.testing.assert_close(model.energy(company)[:3], model.energy(x)[:3])
    for name, value in alone.state_dict().items():
        assert torch.equal(model.state_dict()[name], value), name


@pytest.mark.parametrize(
    ("name", "settings"), [("ae", MLP), ("vae-likelihood", CONV), ("nae-omi", CONV), ("wnae", MLP)]
)
def test_trained_teachers_are_plain(
    name: str,
    settings: ModelSettings,
    tmp_path: Path,
    small_objectives: dict[str, ObjectiveSettings],
) -> None:
    x = events(200).float().numpy()
    training = TrainingSettings(model=settings, objective=small_objectives[name], seed=3)
    model = train(training, x, x[:60], tmp_path).teacher.model
    assert not norms(model)
    loaded = load_teacher(tmp_path)
    points = events(20, seed=4).float()
    assert torch.equal(loaded.scores(points), model.scores(points))
    if settings is MLP:
        assert [layer.activation for layer in loaded.layers].count("relu") == 4


def test_one_event_has_no_statistics() -> None:
    model = build_model(MLP, 4, torch.Generator())
    with (
        pytest.raises(InputError, match=r"needs objective\.batch_size of 2 or more"),
        batch_statistics(model, events(1).float(), negatives=False),
    ):
        pass


def test_it_does_not_go_with_spectral_norm() -> None:
    with pytest.raises(ValueError, match="batch_norm undoes what spectral_norm does"):
        ModelSettings(batch_norm=True, spectral_norm=True)
