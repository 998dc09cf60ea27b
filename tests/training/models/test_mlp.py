"""Autoencoders: their energies by hand, their layers, their weights from one generator."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch import nn

from naetrigger.training.models import MODELS, build_model
from naetrigger.training.models.autoencoder import ACTIVATIONS
from naetrigger.training.settings import ModelSettings


def built(seed: int = 0, **options: object) -> nn.Module:
    settings = ModelSettings(hidden=(7, 5), latent=2, **options)
    return build_model(settings, 4, torch.Generator().manual_seed(seed)).double()


def test_every_kind_of_settings_has_a_model() -> None:
    kinds = get_args(ModelSettings.model_fields["kind"].annotation)
    assert tuple(MODELS) == kinds


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("decoder_hidden", [None, (), (3,)])
def test_layers_read_one_by_one_give_the_forward_pass(
    activation: str, decoder_hidden: tuple[int, ...] | None, generator: torch.Generator
) -> None:
    model = built(activation=activation, decoder_hidden=decoder_hidden)
    functions = {
        "relu": torch.relu,
        "leaky_relu": nn.functional.leaky_relu,
        "softplus": nn.functional.softplus,
        "prelu": lambda x: torch.where(x > 0, x, 0.25 * x),
        "tanh": torch.tanh,
        "linear": lambda x: x,
    }
    x = torch.randn(6, 4, generator=generator, dtype=torch.float64)
    h = x
    for layer in model.layers:
        h = h @ layer.linear.weight.T + layer.linear.bias
        h = functions[layer.activation](h)
    torch.testing.assert_close(model(x), h)
    inner = (5, 7) if decoder_hidden is None else decoder_hidden
    assert [layer.linear.out_features for layer in model.layers] == [7, 5, 2, *inner, 4]
    assert model.layers[2].activation == model.layers[-1].activation == "linear"


def test_energies_by_hand(generator: torch.Generator) -> None:
    x = torch.randn(9, 4, generator=generator, dtype=torch.float64)
    squared = built(score="squared_error")
    torch.testing.assert_close(squared.energy(x), ((x - squared(x)) ** 2).mean(dim=1))
    absolute = built(score="absolute_error")
    torch.testing.assert_close(absolute.energy(x), (x - absolute(x)).abs().mean(dim=1))
    torch.testing.assert_close(squared.scores(x, batch_size=4), squared.energy(x).detach())


def test_weights_come_from_the_generator_and_from_nothing_else() -> None:
    before = torch.random.get_rng_state()
    a, b, c = built(1).state_dict(), built(1).state_dict(), built(2).state_dict()
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert not any(torch.equal(a[k], c[k]) for k in a)
    assert torch.equal(before, torch.random.get_rng_state())
    first = a["encoder.0.weight"]
    assert 0.4 < first.abs().max() <= 0.5  # 1 / sqrt(4)


def test_other_stacks_have_no_layers() -> None:
    model = built()
    model.encoder = nn.Sequential(nn.Linear(4, 2), nn.Dropout())
    with pytest.raises(TypeError, match="Dropout"):
        _ = model.layers


def test_spherical_latents_have_length_one(generator: torch.Generator) -> None:
    plain, spherical = built(), built(spherical=True)
    x = torch.randn(9, 4, generator=generator, dtype=torch.float64)
    z = spherical.encode(x)
    torch.testing.assert_close(z.norm(dim=1), torch.ones(9, dtype=torch.float64))
    torch.testing.assert_close(z, plain.encode(x) / plain.encode(x).norm(dim=1, keepdim=True))
    with pytest.raises(TypeError, match="spherical"):
        _ = spherical.layers
    torch.testing.assert_close(spherical.energy(x), (x - spherical.decode(z)).square().mean(dim=1))


def test_slopes_are_those_of_the_layers() -> None:
    prelu = built(activation="prelu")
    with torch.no_grad():
        prelu.encoder[1].weight.fill_(0.4)
    slopes = [layer.slope for layer in prelu.layers]
    assert slopes == pytest.approx([0.4, 0.25, None, 0.25, 0.25, None])
    leaky = [layer.slope for layer in built(activation="leaky_relu").layers]
    assert leaky == [0.01, 0.01, None, 0.01, 0.01, None]
    assert {layer.slope for layer in built().layers} == {None}
