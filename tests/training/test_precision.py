"""bfloat16 and channels last: what stays float32, what changes, and that it can be undone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.progress import Silent
from naetrigger.training import langevin
from naetrigger.training.batches import batches
from naetrigger.training.checkpoint import tensor_bytes, tensors_from
from naetrigger.training.loop import train
from naetrigger.training.models import build_model
from naetrigger.training.models.autoencoder import Autoencoder
from naetrigger.training.objectives import build_objective
from naetrigger.training.precision import restore, tune
from naetrigger.training.processes import ALONE
from naetrigger.training.run import Run
from naetrigger.training.settings import ModelSettings, TrainingOptions, TrainingSettings
from naetrigger.training.teacher import load_teacher

from .conftest import SMALL_OBJECTIVES, surface

CONV = ModelSettings(kind="conv", hidden=(4, 6), latent=2, activation="leaky_relu")
BF16 = TrainingOptions(precision="bf16")
LAST = TrainingOptions(channels_last=True)


def model() -> Autoencoder:
    return build_model(CONV, 64, torch.Generator().manual_seed(1))


def images(n: int = 8) -> Tensor:
    return torch.rand((n, 64), generator=torch.Generator().manual_seed(2))


@pytest.fixture
def dtypes(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[torch.dtype]]:
    """The types of all that chains hold."""
    seen: set[torch.dtype] = set()
    real = langevin._at

    def watched(*arguments: object) -> object:
        here = real(*arguments)
        seen.update((here.x.dtype, here.energy.dtype, here.drift.dtype))
        return here

    monkeypatch.setattr(langevin, "_at", watched)
    yield seen
    assert seen


def test_convolutions_are_lowered_and_nothing_else() -> None:
    plain, lowered = model(), model()
    inside: list[torch.dtype] = []
    lowered.encoder[1].register_forward_hook(lambda m, i, out: inside.append(out.dtype))
    tuned = tune([lowered], BF16)
    x = images()
    z, e = lowered.encode(x), lowered.energy(x)
    assert inside == [torch.bfloat16] * 2
    assert z.dtype == e.dtype == lowered.decode(z).dtype == torch.float32
    assert not torch.equal(e, plain.energy(x))
    torch.testing.assert_close(e, plain.energy(x), rtol=0.03, atol=0)  # 8 bits a product
    assert lowered.state_dict().keys() == plain.state_dict().keys()
    assert all(p.dtype == torch.float32 for p in lowered.parameters())
    restore(tuned)
    assert torch.equal(lowered.energy(x), plain.energy(x))


@pytest.mark.parametrize("score", ["reconstruction", "likelihood"])
def test_encoder_and_decoder_of_a_vae_are_lowered_with_both_of_its_heads(score: str) -> None:
    built = build_objective(SMALL_OBJECTIVES[f"vae-{score}"])
    network = built.network(CONV, 64, torch.Generator().manual_seed(1))
    state = built.start(network, torch.Generator().manual_seed(1))
    autoencoder = getattr(network, "autoencoder", network)
    spread = getattr(network, "spread", state.modules.get("spread"))
    inside: dict[str, torch.dtype] = {}
    named = {f"encoder.{i}": part for i, part in enumerate(autoencoder.encoder)}
    named |= {"spread": spread, "decoder": autoencoder.decoder}
    for name, module in named.items():
        module.register_forward_hook(lambda m, i, out, name=name: inside.update({name: out.dtype}))
    tune([network, *state.modules.values()], BF16)
    loss = built.loss(network, images(), state, torch.Generator().manual_seed(3)).loss
    assert loss.dtype == torch.float32
    lowered = {name for name, dtype in inside.items() if dtype == torch.bfloat16}
    assert lowered >= {"encoder.1", f"encoder.{len(autoencoder.encoder) - 1}", "spread", "decoder"}


@pytest.mark.parametrize("name", ["nae-omi", "wnae", "recovery"])
def test_chains_stay_float32(name: str, dtypes: set[torch.dtype]) -> None:
    built = build_objective(SMALL_OBJECTIVES[name])
    network = model()
    state = built.start(network, torch.Generator().manual_seed(1))
    state.step = 8
    tune([network], BF16)
    loss = built.loss(network, images(), state, torch.Generator().manual_seed(3)).loss
    assert loss.dtype == torch.float32
    loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters())
    assert dtypes == {torch.float32}
    assert all(b.samples.dtype == torch.float32 for b in state.buffers.values())


def test_gradients_point_where_those_of_float32_do() -> None:
    gradients = []
    for options in (TrainingOptions(), BF16, LAST):
        network = model()
        tune([network], options)
        network.energy(images()).mean().backward()
        gradients.append(torch.cat([p.grad.flatten() for p in network.parameters()]))
    plain, lowered, last = gradients
    cosine = nn.functional.cosine_similarity(plain, lowered, dim=0)
    assert 0.995 < cosine < 1
    torch.testing.assert_close(last, plain, rtol=1e-4, atol=1e-7)


def test_channels_last_is_the_same_function() -> None:
    network = model()
    before = network.energy(images())
    tuned = tune([network], LAST)
    weight = network.encoder[3].weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(network.energy(images()), before, rtol=1e-5, atol=0)
    restore(tuned)
    assert weight.is_contiguous()


class Killed(BaseException):
    """Stands for SIGKILL."""


class KillAt(Silent):
    def update(self, done: int, **values: float) -> None:
        if done == 14:
            raise Killed


def test_a_training_in_bfloat16_resumes_and_its_teacher_is_float32(tmp_path: Path) -> None:
    settings = TrainingSettings(
        model=CONV.model_copy(update={"hidden": (3,), "spectral_norm": True}),
        objective=SMALL_OBJECTIVES["wnae"],
        precision="bf16",
        channels_last=True,
    )
    inputs = surface(200, 1), surface(60, 2)
    result = train(settings, *inputs, tmp_path / "whole")
    with pytest.raises(Killed):
        train(settings, *inputs, tmp_path / "cut", progress=KillAt())
    train(settings, *inputs, tmp_path / "cut")
    a, b = (
        {p.name: p.read_bytes() for p in (tmp_path / folder).iterdir()}
        for folder in ("whole", "cut")
    )
    assert a == b
    x = torch.from_numpy(surface(30, 4))
    loaded = load_teacher(tmp_path / "whole")
    assert torch.equal(loaded.scores(x), result.teacher.model.scores(x))


def test_moments_of_the_optimiser_lie_in_memory_as_their_weights_do() -> None:
    """With several channels in and out: those of one lie alike either way."""
    settings = TrainingSettings(
        model=CONV, objective=SMALL_OBJECTIVES["ae"], channels_last=True, seed=5
    )
    events = surface(60, 1)
    data = batches(settings, events, events, None, None, ("a", "b", "c", "d"))
    first, second = (Run("teacher", settings, settings.objective, data, ALONE) for _ in "ab")
    for _ in range(2):
        first.advance()
    flat = tensors_from(tensor_bytes(first.tensors(), {}), "checkpoint")[0]
    second.load(flat, first.facts())
    for run in (first, second):
        run.advance()
    for name, weight in first.model.state_dict().items():
        assert torch.equal(weight, second.model.state_dict()[name]), name


@pytest.mark.parametrize("options", [{"precision": "bf16"}, {"channels_last": True}])
def test_networks_without_convolutions_are_refused(
    tmp_path: Path, options: dict[str, object]
) -> None:
    settings = TrainingSettings(objective=SMALL_OBJECTIVES["ae"], **options)
    with pytest.raises(InputError, match=r"training\.precision.*model\.kind: conv"):
        train(settings, surface(50, 1), surface(50, 2), tmp_path)
