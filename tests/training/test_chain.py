"""The fast chain against autograd through the plain one: same starts, same noise."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from naetrigger.training import chain as chain_module
from naetrigger.training import fused_chain, langevin
from naetrigger.training.chain import supports
from naetrigger.training.langevin import differentiable_sample, sample
from naetrigger.training.models import build_model
from naetrigger.training.models.autoencoder import Autoencoder
from naetrigger.training.settings import Langevin, ModelSettings

CHAINS = {
    "none": Langevin(boundary="none"),
    "clip": Langevin(bounds=(-0.3, 0.4)),
    "reject": Langevin(bounds=(-1.0, 1.0), boundary="reject", noise=0.3),
    "step": Langevin(step_size=0.004, noise=0.05, temperature=0.02),
    "one": Langevin(steps=1),
}


@pytest.fixture(params=["compiled", "torch"], autouse=True)
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every law here holds for the compiled kernel and for the matrix products alike."""
    if request.param == "torch":
        monkeypatch.setattr(chain_module, "fits", lambda *_: False)
    return str(request.param)


def model_of(dtype: torch.dtype, **options: object) -> Autoencoder:
    settings = ModelSettings(**{"hidden": (16, 9), "latent": 3, **options})
    return build_model(settings, 5, torch.Generator().manual_seed(1)).to(dtype)


def ends(
    model: Autoencoder, chain: Langevin, start: Tensor, fast: bool
) -> tuple[Tensor, list[Tensor]]:
    """Ends and gradients of a loss of theirs wrt start and weights."""
    generator = torch.Generator().manual_seed(3)
    start = start.clone().requires_grad_()
    function = differentiable_sample if fast else langevin._walk
    options = {} if fast else {"differentiable": True}
    x = function(model.energy, start, chain, generator, **options)
    loss = (x.square() * torch.arange(1, 6, dtype=x.dtype)).sum(dim=1).sin().mean()
    return x.detach(), list(torch.autograd.grad(loss, [start, *model.parameters()]))


def start_of(dtype: torch.dtype) -> Tensor:
    g = torch.Generator().manual_seed(2)
    return (0.5 * torch.randn(60, 5, generator=g, dtype=torch.float64)).to(dtype)


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("options", [{}, {"hidden": ()}, {"hidden": (4,), "decoder_hidden": ()}])
def test_ends_and_gradients_are_those_of_autograd(name: str, options: dict[str, object]) -> None:
    model, start = model_of(torch.float64, **options), start_of(torch.float64)
    assert supports(model.energy, CHAINS[name]) is model
    x, gradients = ends(model, CHAINS[name], start, fast=True)
    expected, expected_gradients = ends(model, CHAINS[name], start, fast=False)
    torch.testing.assert_close(x, expected, rtol=1e-12, atol=1e-12)
    for got, exact in zip(gradients, expected_gradients, strict=True):
        assert (got - exact).norm() <= 1e-10 * exact.norm()
    assert not torch.equal(gradients[1], torch.zeros_like(gradients[1]))
    drawn = sample(model.energy, start, CHAINS[name], torch.Generator().manual_seed(3))
    assert torch.equal(drawn, x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("batch", [1, 15, 16, 17, 33])
def test_batches_that_do_not_fill_a_tile(dtype: torch.dtype, batch: int, path: str) -> None:
    model, chain = model_of(dtype), CHAINS["clip"]
    if path == "compiled":
        weights = [layer.linear.weight for layer in model.layers]
        assert fused_chain.fits(weights, start_of(dtype), chain)
    x, gradients = ends(model, chain, start_of(dtype)[:batch], fast=True)
    expected, exact = ends(model, chain, start_of(dtype)[:batch], fast=False)
    close = 1e-5 if dtype == torch.float32 else 1e-12
    torch.testing.assert_close(x, expected, rtol=0, atol=close)
    for got, wanted in zip(gradients, exact, strict=True):
        assert (got - wanted).norm() <= 10 * close * wanted.norm()


def test_the_kernel_leaves_wide_networks_and_rejections_to_matrix_products() -> None:
    weights = [layer.linear.weight for layer in model_of(torch.float32).layers]
    start = start_of(torch.float32)
    assert not fused_chain.fits(weights, start, CHAINS["reject"])
    assert not fused_chain.fits(weights, start.half(), CHAINS["clip"])
    wide = torch.zeros(fused_chain.MOST_UNITS, 5)
    assert not fused_chain.fits([wide], start, CHAINS["clip"])


def test_single_precision_agrees_to_its_rounding() -> None:
    model, start = model_of(torch.float32), start_of(torch.float32)
    x, gradients = ends(model, CHAINS["clip"], start, fast=True)
    expected, expected_gradients = ends(model, CHAINS["clip"], start, fast=False)
    torch.testing.assert_close(x, expected, rtol=0, atol=1e-5)
    for got, exact in zip(gradients, expected_gradients, strict=True):
        assert (got - exact).norm() <= 1e-5 * exact.norm()


def test_boundaries_were_met() -> None:
    """The comparison above means something only where some steps are cut or refused."""
    model, start = model_of(torch.float64), start_of(torch.float64)
    clipped = sample(model.energy, start, CHAINS["clip"], torch.Generator().manual_seed(3))
    assert 0.01 < (clipped.eq(-0.3) | clipped.eq(0.4)).double().mean() < 0.9
    options = CHAINS["reject"].model_copy(update={"boundary": "none"})
    kept = sample(model.energy, start, CHAINS["reject"], torch.Generator().manual_seed(3))
    free = sample(model.energy, start, options, torch.Generator().manual_seed(3))
    assert 0.01 < ((kept - free).abs() > 1e-9).any(dim=1).double().mean() < 0.9


@pytest.mark.parametrize(
    "chain",
    [
        Langevin(metropolis=True, boundary="none"),
        Langevin(spherical=True),
        Langevin(gradient_clip=1.0),
    ],
)
def test_other_chains_are_left_to_autograd(chain: Langevin) -> None:
    assert supports(model_of(torch.float64).energy, chain) is None


def test_other_energies_are_left_to_autograd() -> None:
    chain = Langevin()
    assert supports(model_of(torch.float64, activation="tanh").energy, chain) is None
    assert supports(model_of(torch.float64, activation="leaky_relu").energy, chain) is None
    assert supports(model_of(torch.float64, score="absolute_error").energy, chain) is None
    assert supports(model_of(torch.float64).scores, chain) is None
    assert supports(lambda x: x.sum(1), chain) is None
    model = model_of(torch.float64)
    model.encoder = nn.Sequential(nn.Linear(5, 3), nn.Dropout())
    assert supports(model.energy, chain) is None


@pytest.mark.parametrize("layer", [0, 1, -1])
@pytest.mark.parametrize("name", ["none", "clip"])
def test_a_unit_that_is_not_a_number_shows_in_ends_and_gradients(name: str, layer: int) -> None:
    model, start = model_of(torch.float32), start_of(torch.float32)
    with torch.no_grad():
        model.layers[layer].linear.bias[1] = torch.nan
    for fast in (True, False):
        x, gradients = ends(model, CHAINS[name], start, fast)
        assert x.isnan().any(dim=1).all()
        assert any(gradient.isnan().any() for gradient in gradients)
