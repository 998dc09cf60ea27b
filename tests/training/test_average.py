"""The average of the weights: its formula, whose weights are where; kills change nothing."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from naetrigger.contracts.errors import InputError
from naetrigger.training.average import WeightAverage
from naetrigger.training.batches import batches
from naetrigger.training.loop import train
from naetrigger.training.processes import ALONE
from naetrigger.training.run import Run
from naetrigger.training.settings import ModelSettings, NaeObjective, Replay, TrainingSettings

from .conftest import SMALL_MODEL, SMALL_OBJECTIVES, labels, surface
from .test_loop import KillAt, Killed, contents

OMI = SMALL_OBJECTIVES["nae-omi"].model_copy(
    update={
        "latent_start": "shuffled",
        "latent_chain": None,
        "replay": Replay(),
        "average": 0.8,
    }
)
INPUTS = surface(200, 1), surface(60, 2)


def weights(value: float) -> nn.Linear:
    layer = nn.Linear(2, 1).double()
    for parameter in layer.parameters():
        nn.init.constant_(parameter, value)
    return layer


def test_the_formula() -> None:
    layer = weights(0.0)
    average = WeightAverage(layer, 0.5)
    expected = 0.0
    for step, value in enumerate((3.0, -1.0, 4.0, 8.0, 2.0, 6.0, 7.0, 5.0, 9.0, 1.0), start=1):
        for parameter in layer.parameters():
            nn.init.constant_(parameter, value)
        average.follow(step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
        assert average.values["weight"].unique().item() == pytest.approx(expected, rel=1e-12)


def test_it_does_not_swing_with_the_weights() -> None:
    layer = weights(0.0)
    average = WeightAverage(layer, 0.99)
    for step in range(1, 2001):
        nn.init.constant_(layer.weight, 3.0 + (-1) ** step)
        average.follow(step)
    assert average.values["weight"].mean().item() == pytest.approx(3.0, abs=0.01)


def test_a_restart_forgets_what_was_before() -> None:
    layer = weights(1.0)
    average = WeightAverage(layer, 0.999)
    nn.init.constant_(layer.weight, 7.0)
    average.restart()
    nn.init.constant_(layer.weight, 18.0)
    average.follow(1)
    assert average.values["weight"].unique().item() == pytest.approx(7 * 2 / 11 + 18 * 9 / 11)


def test_weights_come_back_even_after_an_error() -> None:
    layer = weights(1.0)
    average = WeightAverage(layer, 0.5)
    nn.init.constant_(layer.weight, 7.0)
    seen = []
    with suppress(KeyError), average.applied():
        seen.append(layer.weight.unique().item())
        raise KeyError
    assert seen == [1.0]
    assert layer.weight.unique().item() == 7.0


def test_without_a_decay_nothing_is_averaged() -> None:
    layer = weights(1.0)
    average = WeightAverage(layer, 0.0)
    nn.init.constant_(layer.weight, 7.0)
    average.follow(1)
    with average.applied():
        assert layer.weight.unique().item() == 7.0
    assert average.tensors() == {}


def test_training_returns_the_average(tmp_path: Path) -> None:
    objective = OMI.model_copy(update={"validate_every": 24})
    settings = TrainingSettings(model=SMALL_MODEL, objective=objective, seed=3)
    kept = train(settings, *INPUTS, tmp_path).teacher.model.state_dict()
    columns = tuple(f"x{i}" for i in range(4))
    run = Run("t", settings, objective, batches(settings, *INPUTS, None, None, columns), ALONE)
    expected = {name: p.detach().clone() for name, p in run.model.named_parameters()}
    pretraining = OMI.pretrain_steps
    for step in range(1, 25):
        run.advance()
        if step == pretraining:  # what comes then is another loss
            expected = {name: p.detach().clone() for name, p in run.model.named_parameters()}
            continue
        t = step - pretraining if step > pretraining else step
        share = 1 - min(0.8, (1 + t) / (10 + t))
        for name, p in run.model.named_parameters():
            expected[name] += share * (p.detach() - expected[name])
    for name, p in run.model.named_parameters():
        torch.testing.assert_close(kept[name], expected[name])
        assert not torch.allclose(kept[name], p, atol=1e-6)  # training itself went on without it


@pytest.mark.parametrize("name", ["vae-reconstruction", "relative_mahalanobis-latent"])
def test_heads_beside_the_network_are_validated_by_their_average(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    objective = SMALL_OBJECTIVES[name].model_copy(update={"average": 0.8})
    settings = TrainingSettings(model=SMALL_MODEL, objective=objective, seed=3)
    known = labels(objective, 200, 60).values() or (None, None)
    data = batches(settings, *INPUTS, None, None, tuple("abcd"), *known)
    training = Run("t", settings, objective, data, ALONE)
    (head,) = training.state.modules.values()
    expected, seen = head.weight.detach().clone(), []
    kind = type(training.objective)
    real = kind.validate

    def watched(*arguments: object) -> object:
        seen.append(head.weight.detach().clone())
        return real(*arguments)

    monkeypatch.setattr(kind, "validate", watched)
    for step in range(1, 5):  # the last is validated
        training.advance()
        share = 1 - min(0.8, (1 + step) / (10 + step))
        expected += share * (head.weight.detach() - expected)
    torch.testing.assert_close(seen, [expected])
    assert not torch.allclose(head.weight, expected, atol=1e-6)


@pytest.mark.parametrize("kill", [6, 14])
def test_killed_and_started_again_it_ends_with_the_same_bytes(tmp_path: Path, kill: int) -> None:
    settings = TrainingSettings(model=SMALL_MODEL, objective=OMI, seed=3)
    train(settings, *INPUTS, tmp_path / "whole")
    with pytest.raises(Killed):
        train(settings, *INPUTS, tmp_path / "cut", progress=KillAt(kill))
    train(settings, *INPUTS, tmp_path / "cut")
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")


def test_batch_norm_is_refused(tmp_path: Path) -> None:
    model = ModelSettings(hidden=(8,), latent=2, batch_norm=True)
    settings = TrainingSettings(model=model, objective=OMI, seed=3)
    with pytest.raises(InputError, match=r"objective\.average"):
        train(settings, *INPUTS, tmp_path)


@pytest.mark.parametrize("decay", [1.0, -0.1])
def test_a_decay_that_averages_nothing_is_refused(decay: float) -> None:
    with pytest.raises(ValidationError):
        NaeObjective(average=decay)
