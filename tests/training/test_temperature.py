"""Learned temperatures: gradients against finite differences, known answers, refusals by name."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from naetrigger.contracts.progress import Silent
from naetrigger.training.batches import batches
from naetrigger.training.langevin import sample
from naetrigger.training.loop import train
from naetrigger.training.models import build_model
from naetrigger.training.objectives import build_objective
from naetrigger.training.processes import ALONE
from naetrigger.training.run import Run
from naetrigger.training.settings import (
    AnyObjective,
    IgebmObjective,
    Langevin,
    ModelSettings,
    MpdrObjective,
    NaeObjective,
    RecoveryObjective,
    Replay,
    TrainingSettings,
    WnaeObjective,
)
from naetrigger.training.temperature import (
    TEMPERATURE,
    Temperature,
    learned_temperature,
    temperature_term,
    tempered,
)

from .conftest import SMALL_MODEL, SMALL_OBJECTIVES, surface

LEARNED = Langevin(steps=4, temperature=0.1, temperature_learning_rate=0.01)
LIKE = torch.zeros(1, dtype=torch.float64)


def batch(n: int = 16, seed: int = 12) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n, 4, generator=g, dtype=torch.float64)


def quadratic(x: Tensor) -> Tensor:
    return x.square().sum(dim=1)


@pytest.mark.parametrize(
    "chain",
    [
        LEARNED,
        LEARNED.model_copy(update={"boundary": "none"}),
        LEARNED.model_copy(update={"bounds": (-1.0, 1.0)}),
        LEARNED.model_copy(update={"final_noise": 0.05}),
    ],
    ids=["clipped", "free", "narrow box", "annealed noise"],
)
def test_wnae_gradient_of_log_t(chain: Langevin) -> None:
    """The gradient through all steps of the chain, against central differences."""
    model = build_model(
        ModelSettings(hidden=(6,), latent=2), 4, torch.Generator().manual_seed(11)
    ).double()
    built = build_objective(WnaeObjective(chain=chain, replay=Replay(size=30)))
    log = built.start(model, torch.Generator()).modules[TEMPERATURE].log

    def loss() -> Tensor:
        state = built.start(model, torch.Generator())
        state.modules[TEMPERATURE].log = log
        state.buffers["inputs"].push(batch(30, 13))
        return built.loss(model, batch(), state, torch.Generator().manual_seed(14)).loss

    (exact,) = torch.autograd.grad(loss(), [log])
    values = []
    for step in (1e-6, -2e-6):
        with torch.no_grad():
            log += step
        values.append(loss().item())
    assert abs(exact.item()) > 1e-4
    assert exact.item() == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-5)


def test_the_chain_is_the_one_at_that_temperature() -> None:
    modules = learned_temperature(LEARNED, LIKE)
    with torch.no_grad():
        modules[TEMPERATURE].log.fill_(np.log(0.7))
    g, h = (torch.Generator().manual_seed(2) for _ in range(2))
    ends = sample(tempered(quadratic, LEARNED, modules), batch(), LEARNED, g)
    plain = LEARNED.model_copy(update={"temperature": 0.7})
    torch.testing.assert_close(ends, sample(quadratic, batch(), plain, h), rtol=1e-12, atol=1e-12)


def test_recovery_keeps_its_second_term() -> None:
    """With T learned, the target is exp(-E/T - |x - x~|^2 / (2 s^2)): only E feels T."""
    model = build_model(SMALL_MODEL, 4, torch.Generator().manual_seed(11)).double()
    ends = []
    for chain in (LEARNED, LEARNED.model_copy(update={"temperature": 0.7})):
        built = build_objective(RecoveryObjective(chain=chain))
        state = built.start(model, torch.Generator())
        with torch.no_grad():
            state.modules[TEMPERATURE].log.fill_(np.log(0.7))
        g = torch.Generator().manual_seed(3)
        ends.append(built.negatives(model, batch(), state, g, store=False))
    torch.testing.assert_close(*ends, rtol=1e-10, atol=1e-10)


def test_the_contrastive_gradient_is_that_of_the_likelihood() -> None:
    """-log p = E/T + log Z(T) of E = x^4 - x^2 in one dimension, Z by quadrature."""
    grid = torch.linspace(-6, 6, 20_001, dtype=torch.float64)
    data = torch.tensor([0.3, -0.9, 1.2], dtype=torch.float64)

    def energy(x: Tensor) -> Tensor:
        return x**4 - x**2

    def likelihood(log_t: float) -> float:
        t = np.exp(log_t)
        z = torch.trapezoid((-energy(grid) / t).exp(), grid)
        return float(energy(data).mean() / t + z.log())

    module = Temperature(LEARNED, LIKE)
    start = float(module.log.detach())
    density = (-energy(grid) / np.exp(start)).exp()
    negative = torch.trapezoid(energy(grid) * density, grid) / torch.trapezoid(density, grid)
    term = temperature_term(energy(data).mean(), negative, {TEMPERATURE: module})
    assert isinstance(term, Tensor)
    assert term.item() == 0
    (slope,) = torch.autograd.grad(term, [module.log])
    eps = 1e-5
    differences = (likelihood(start + eps) - likelihood(start - eps)) / (2 * eps)
    assert slope.item() == pytest.approx(differences, rel=1e-6)


def test_it_finds_the_temperature_of_the_data() -> None:
    """E = |x|^2 at T has the variance T/2: data of variance 0.8 have T = 1.6."""
    chain = Langevin(steps=1, temperature=0.05, temperature_learning_rate=0.05)
    module = Temperature(chain, LIKE)
    for _ in range(300):
        term = temperature_term(torch.tensor(0.8), module().detach() / 2, {TEMPERATURE: module})
        (slope,) = torch.autograd.grad(term, [module.log])
        with torch.no_grad():
            module.log -= 0.1 * slope
    assert module().item() == pytest.approx(1.6, rel=1e-3)


@pytest.mark.parametrize("name", ["nae-cd", "nae-omi", "recovery", "mpdr-reconstruction"])
def test_the_weights_gradient_is_what_it_is_without(name: str) -> None:
    fixed = SMALL_OBJECTIVES[name]
    learned = fixed.model_copy(
        update={"chain": fixed.chain.model_copy(update={"temperature_learning_rate": 0.1})}
    )
    gradients = []
    for settings in (fixed, learned):
        built = build_objective(settings)
        model = build_model(SMALL_MODEL, 4, torch.Generator().manual_seed(11)).double()
        state = built.start(model, torch.Generator().manual_seed(1))
        state.step = 8
        loss = built.loss(model, batch(), state, torch.Generator().manual_seed(2)).loss
        loss.backward()
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-12)
    assert state.modules[TEMPERATURE].log.grad.abs() > 1e-6


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: IgebmObjective(chain=LEARNED), "any scale of E"),
        (lambda: MpdrObjective(chain=LEARNED, score="network"), "any scale of E"),
        (lambda: NaeObjective(latent_chain=LEARNED), "latent_chain.temperature_learning_rate"),
        (
            lambda: MpdrObjective(latent_chain=LEARNED.model_copy(update={"spherical": True})),
            "latent_chain.temperature_learning_rate",
        ),
        (lambda: Langevin(temperature_learning_rate=0.1, final_temperature=1), "final_temperature"),
        (lambda: Langevin(temperature_learning_rate=0.1, gradient_clip=1), "gradient_clip"),
    ],
    ids=["igebm", "mpdr network", "nae latent", "mpdr latent", "annealed", "clipped gradient"],
)
def test_what_makes_no_sense_is_refused(make: object, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        make()
    assert MpdrObjective(chain=LEARNED).chain == LEARNED


class Killed(BaseException):
    """Stands for SIGKILL."""


class KillAt(Silent):
    def update(self, done: int, **values: float) -> None:
        if done == 14:
            raise Killed


def learned(name: str) -> AnyObjective:
    objective = SMALL_OBJECTIVES[name]
    chain = objective.chain.model_copy(update={"temperature_learning_rate": 0.05})
    return objective.model_copy(update={"chain": chain, "baseline_steps": 0})


@pytest.mark.parametrize("name", ["wnae", "nae-omi"])
def test_it_is_logged_kept_and_resumed(tmp_path: Path, name: str) -> None:
    settings = TrainingSettings(model=SMALL_MODEL, objective=learned(name), seed=3)
    inputs = surface(200, 1), surface(60, 2)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    result = train(settings, *inputs, whole).teacher
    with pytest.raises(Killed):
        train(settings, *inputs, cut, progress=KillAt())
    train(settings, *inputs, cut)
    files = [{p.name: p.read_bytes() for p in folder.iterdir()} for folder in (whole, cut)]
    assert files[0] == files[1]
    with (whole / "curves.csv").open() as file:
        curve = [float(row["temperature"]) for row in csv.DictReader(file) if row["temperature"]]
    assert len(set(curve)) > 3
    kept = json.loads((whole / "teacher.json").read_text())["temperature"]
    assert kept == result.temperature
    assert min(curve) <= kept <= max(curve)


def test_weight_decay_leaves_it_alone() -> None:
    """Decay draws parameters to zero, and T with it to one, which nobody has asked for."""
    objective = learned("wnae").model_copy(update={"weight_decay": 0.5})
    settings = TrainingSettings(model=SMALL_MODEL, objective=objective)
    data = batches(settings, surface(200, 1), surface(60, 2), None, None, tuple("abcd"))
    run = Run("teacher", settings, objective, data, ALONE)
    run.advance()
    weights, temperature = run.optimiser.param_groups
    assert (weights["weight_decay"], temperature["weight_decay"]) == (0.5, 0.0)
    assert (weights["lr"], temperature["lr"]) == (objective.learning_rate, 0.05)
    assert len(temperature["params"]) == 1
