"""Convolutional autoencoders: shapes of any image, by-hand convolutions, one generator."""

from __future__ import annotations

import pytest
import torch

from naetrigger.contracts.errors import InputError
from naetrigger.training.chain import supports
from naetrigger.training.models import build_model, folded
from naetrigger.training.models.autoencoder import Autoencoder
from naetrigger.training.settings import Langevin, ModelSettings


def built(n_inputs: int, seed: int = 1, **options: object) -> Autoencoder:
    settings = ModelSettings(**{"kind": "conv", "hidden": (3, 5), "latent": 2, **options})
    return build_model(settings, n_inputs, torch.Generator().manual_seed(seed)).double()


def images(n_inputs: int) -> torch.Tensor:
    g = torch.Generator().manual_seed(2)
    return torch.randn(4, n_inputs, generator=g, dtype=torch.float64)


@pytest.mark.parametrize(
    ("image", "hidden"), [((8, 8), (3, 5)), ((7, 10), (4,)), ((5, 9), (2, 3, 4)), ((1, 6), (2,))]
)
def test_reconstructions_have_the_images_shape(
    image: tuple[int, int], hidden: tuple[int, ...]
) -> None:
    n = image[0] * image[1]
    model = built(n, image=image, hidden=hidden)
    x = images(n)
    assert model.encode(x).shape == (4, 2)
    assert model(x).shape == x.shape
    torch.testing.assert_close(model.energy(x), (x - model(x)).square().mean(dim=1))


def test_the_first_layer_by_hand() -> None:
    model = built(16, hidden=(1,))
    layer = model.encoder[1]
    x = images(16)[:1]
    padded = torch.zeros(6, 6, dtype=torch.float64)
    padded[1:5, 1:5] = x.reshape(4, 4)
    kernel = layer.weight[0, 0]
    expected = torch.stack(
        [
            (padded[2 * i : 2 * i + 3, 2 * j : 2 * j + 3] * kernel).sum() + layer.bias[0]
            for i in range(2)
            for j in range(2)
        ]
    )
    torch.testing.assert_close(layer(model.encoder[0](x)).flatten(), expected)


def test_weights_come_from_the_generator_and_from_nothing_else() -> None:
    before = torch.random.get_rng_state()
    a, b, c = (built(64, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert not any(torch.equal(a[k], c[k]) for k in a)
    assert torch.equal(before, torch.random.get_rng_state())


def test_normalised_and_folded_it_is_the_same() -> None:
    model = built(64, spectral_norm=True)
    x = images(64)
    before = model(x).detach()
    torch.testing.assert_close(folded(model)(x).detach(), before)
    assert model.state_dict().keys() == built(64).state_dict().keys()


def test_what_is_no_stack_of_linear_layers_says_so() -> None:
    model = built(64)
    with pytest.raises(TypeError, match="Unflatten"):
        _ = model.layers
    assert supports(model.energy, Langevin()) is None


def test_wrong_images_are_refused() -> None:
    with pytest.raises(InputError, match="12 inputs are no image of 3 x 3"):
        built(12)
    with pytest.raises(InputError, match="one layer for each of the encoder's 2, got 1"):
        built(16, decoder_hidden=(3,))
