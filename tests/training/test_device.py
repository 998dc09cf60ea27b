"""Devices: whatever torch has here, and torch's meta device for code that must not care.

Tensors on the meta device have shape, type and device, and no numbers. Operations refuse most
mixtures with the CPU there, as they would with a GPU.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from naetrigger.contracts.errors import EnvironmentProblem, InputError
from naetrigger.contracts.progress import Silent
from naetrigger.training.batches import Batches, batches
from naetrigger.training.device import device_named
from naetrigger.training.fit import fit
from naetrigger.training.loop import train
from naetrigger.training.objectives import build_objective
from naetrigger.training.processes import ALONE
from naetrigger.training.settings import ObjectiveSettings, TrainingSettings
from naetrigger.training.teacher import load_teacher

from .conftest import N_INPUTS, SMALL_MODEL, SMALL_OBJECTIVES, surface

DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[
            pytest.mark.gpu,
            pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
        ],
    ),
]


class Killed(BaseException):
    """Stands for SIGKILL."""


class KillAt(Silent):
    def __init__(self, step: int) -> None:
        self.step = step

    def update(self, done: int, **values: float) -> None:
        if done == self.step:
            raise Killed


def settings_of(objective: ObjectiveSettings, device: str) -> TrainingSettings:
    return TrainingSettings(model=SMALL_MODEL, objective=objective, seed=3, device=device)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", ["wnae", "nae-omi", "nae-pcd", "mpdr-reconstruction", "igebm"])
def test_training_goes_on_and_ends_on_the_cpu(tmp_path: Path, name: str, device: str) -> None:
    settings = settings_of(SMALL_OBJECTIVES[name], device)
    inputs = surface(200, 1), surface(60, 2)
    whole = train(settings, *inputs, tmp_path / "whole")
    with pytest.raises(Killed):
        train(settings, *inputs, tmp_path / "cut", progress=KillAt(14))
    train(settings, *inputs, tmp_path / "cut")
    a, b = (load_teacher(tmp_path / folder).state_dict() for folder in ("whole", "cut"))
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert all(t.device.type == "cpu" for t in whole.teacher.model.state_dict().values())


def test_names_of_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_named("cpu") == device_named("auto") == torch.device("cpu")
    with pytest.raises(EnvironmentProblem, match=r"training\.device: cuda"):
        device_named("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert device_named("cpu") == torch.device("cpu")
    assert device_named("auto") == device_named("cuda") == torch.device("cuda", 0)
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert device_named("auto") == torch.device("cuda", 1)


def test_a_checkpoint_of_another_device_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objective = SMALL_OBJECTIVES["ae"]
    settings = settings_of(objective, "auto")
    data = batches(settings, surface(200, 1), surface(60, 2), None, None, tuple("abcd"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(Killed):
        fit("teacher", settings, objective, data, tmp_path, KillAt(14), ALONE)
    path = tmp_path / "checkpoint_teacher.safetensors"
    path.write_bytes(path.read_bytes().replace(b'\\"cpu\\"', b'\\"gpu\\"'))
    with pytest.raises(InputError, match="begun on gpu device, this is on cpu"):
        fit("teacher", settings, objective, data, tmp_path, Silent(), ALONE)


@pytest.fixture
def without_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks a tensor without numbers for one gets one. Transport, which is done on the CPU
    by its nature, is left out.
    """
    for name in ("contrastive", "nae"):
        module = f"naetrigger.training.objectives.{name}.wasserstein2_squared"
        monkeypatch.setattr(module, lambda x, y: (x - y).square().mean())
    joint = "naetrigger.training.objectives.wnae.joint_wasserstein2_squared"
    monkeypatch.setattr(joint, lambda x, y, all_y, processes: (x - y).square().mean())
    for name, answer in (("item", 0.5), ("__bool__", True)):
        real = getattr(Tensor, name)
        monkeypatch.setattr(
            Tensor, name, lambda self, real=real, a=answer: a if self.is_meta else real(self)
        )


@pytest.mark.parametrize("step", [0, 8])
def test_no_objective_leaves_its_device(
    objective: ObjectiveSettings, step: int, without_numbers: None
) -> None:
    device = torch.device("meta")
    built, generator = build_objective(objective), torch.Generator()
    model = built.network(SMALL_MODEL, N_INPUTS, generator).to(device)
    state = built.start(model, generator)
    state.step = step
    width = N_INPUTS + hasattr(objective, "labels")
    x = torch.zeros(16, width, device=device)
    loss = built.loss(model, x, state, generator).loss
    assert loss.device == device
    loss.backward()
    built.validate(model, x, state, generator)
    for chain in built.chains(model, x, state, generator):
        assert chain.positions.device == chain.moved.device == device
    assert all(b.samples.device == device for b in state.buffers.values())


def test_batches_are_drawn_on_the_device(without_numbers: None) -> None:
    device = torch.device("meta")
    for cumulated in (None, torch.zeros(200, dtype=torch.float64)):
        data = Batches(torch.zeros(200, 4), torch.zeros(60, 4), 4, cumulated, "").to(device)
        assert data.draw(16, torch.Generator()).device == device


def test_mixed_devices_would_be_found(without_numbers: None) -> None:
    x = torch.zeros(3, device="meta")
    with pytest.raises(RuntimeError, match="expected device"):
        torch.ones(3) + x
