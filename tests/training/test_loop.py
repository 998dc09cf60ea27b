"""The loop: the same bytes after any kill, stops that fire, data that is refused."""

from __future__ import annotations

import functools
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from naetrigger.contracts.errors import InputError, TrainingDiverged
from naetrigger.training import fit
from naetrigger.training.batches import batches
from naetrigger.training.curves import CURVES
from naetrigger.training.loop import TrainingResult, train
from naetrigger.training.models.autoencoder import Autoencoder
from naetrigger.training.models.energy_model import EnergyModel
from naetrigger.training.models.spectral import Spectral
from naetrigger.training.monitor import Recorder
from naetrigger.training.objectives import contrastive
from naetrigger.training.objectives.ae import Ae
from naetrigger.training.objectives.objective import State, StepResult, Validation
from naetrigger.training.processes import ALONE
from naetrigger.training.run import Run
from naetrigger.training.settings import (
    AeObjective,
    Langevin,
    ModelSettings,
    NaeObjective,
    ObjectiveSettings,
    Replay,
    TrainingSettings,
    WnaeObjective,
)
from naetrigger.training.teacher import load_teacher, read_description

from .conftest import SMALL_MODEL, SMALL_OBJECTIVES, labels, surface


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


class KillAt:
    """A listener that ends the run at the n-th report."""

    def __init__(self, n: int) -> None:
        self.left = n

    def start(self, label: str, total: int) -> None: ...

    def update(self, done: int, **values: float) -> None:
        self.left -= 1
        if self.left < 0:
            raise Killed


def run(
    folder: Path, objective: ObjectiveSettings, seed: int = 3, progress: object = None
) -> TrainingResult:
    settings = _settings(objective, seed)
    known = labels(objective, 200, 60)
    return train(settings, surface(200, 1), surface(60, 2), folder, progress=progress, **known)


def _settings(objective: ObjectiveSettings, seed: int = 3) -> TrainingSettings:
    return TrainingSettings(model=SMALL_MODEL, objective=objective, seed=seed)


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


@functools.cache
def uncut(objective: ObjectiveSettings) -> dict[str, bytes]:
    """The files of a run that nobody killed."""
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder), objective)
        return contents(Path(folder))


def test_every_objective_trains_and_its_teacher_loads(
    tmp_path: Path, objective: ObjectiveSettings
) -> None:
    result = run(tmp_path, objective)
    expected = {"teacher.safetensors", "teacher.json", "curves.csv"}
    if objective.baseline_steps:
        expected |= {"baseline_ae.safetensors", "baseline_ae.json", "curves_baseline_ae.csv"}
    assert set(contents(tmp_path)) == expected
    x = torch.from_numpy(surface(30, 4))
    loaded = load_teacher(tmp_path)
    assert torch.equal(loaded.scores(x), result.teacher.model.scores(x))
    description = read_description(tmp_path)
    assert description["columns"] == ["x0", "x1", "x2", "x3"]
    assert description["score"] == result.teacher.model.score.name
    assert description["step"] == result.teacher.step
    assert result.teacher.steps_done == 24
    lines = (tmp_path / "curves.csv").read_text().splitlines()
    assert lines[0] == ",".join(CURVES)
    assert [int(line.split(",")[0]) for line in lines[1:]] == sorted(
        {*range(3, 25, 3), *range(4, 25, 4)}
    )


@pytest.mark.parametrize("kill", [0, 5, 6, 14, 24, 28])
def test_killed_and_started_again_it_ends_with_the_same_bytes(
    tmp_path: Path, objective: ObjectiveSettings, kill: int
) -> None:
    cut = tmp_path / "cut"
    try:
        run(cut, objective, progress=KillAt(kill))
    except Killed:
        (cut / "checkpoint_teacher.safetensors.partial").write_bytes(b"killed while writing")
        assert not (cut / "teacher.json").exists()
    run(cut, objective)
    assert contents(cut) == uncut(objective)


def test_it_is_said_when_a_run_goes_on_without_the_compiled_chains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NAETRIGGER_KERNELS", "off")
    for name, said in (("wnae", True), ("ae", False)):
        folder, objective = tmp_path / name, SMALL_OBJECTIVES[name]
        with pytest.raises(Killed):
            run(folder, objective, progress=KillAt(14))
        with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
            patch.setattr(fit, "arithmetic", lambda: "compiled")
            run(folder, objective)
        assert ("begun with torch chains, goes on with compiled" in caplog.text) == said
        caplog.clear()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("wnae", {"kind": "conv", "hidden": (3,), "activation": "leaky_relu"}),
        ("vae-likelihood", {"kind": "conv", "hidden": (3,)}),
        ("nae-omi", {"spectral_norm": True}),
        ("mpdr-reconstruction", {"activation": "prelu"}),
        ("igebm", {"batch_norm": True}),
        ("dae", {"kind": "conv", "hidden": (3,), "batch_norm": True}),
    ],
)
def test_other_networks_resume_and_load(
    tmp_path: Path, name: str, options: dict[str, object]
) -> None:
    model = ModelSettings(**{"hidden": (8,), "latent": 2, **options})
    settings = TrainingSettings(model=model, objective=SMALL_OBJECTIVES[name], seed=3)
    inputs = surface(200, 1), surface(60, 2)
    whole = train(settings, *inputs, tmp_path / "whole")
    with pytest.raises(Killed):
        train(settings, *inputs, tmp_path / "cut", progress=KillAt(14))
    train(settings, *inputs, tmp_path / "cut")
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")
    x = torch.from_numpy(surface(30, 4))
    loaded = load_teacher(tmp_path / "whole")
    assert torch.equal(loaded.scores(x), whole.teacher.model.scores(x))


def test_a_step_and_a_validation_compute_each_spectral_weight_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = 0

    def counting(self: Spectral, weight: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return weight / torch.linalg.matrix_norm(weight, ord=2)

    monkeypatch.setattr(Spectral, "forward", counting)
    objective = SMALL_OBJECTIVES["igebm"].model_copy(update={"validate_every": 2})
    model = SMALL_MODEL.model_copy(update={"spectral_norm": True})
    settings = TrainingSettings(model=model, objective=objective, seed=3)
    data = batches(settings, surface(200, 1), surface(60, 2), None, None, tuple("abcd"))
    training = Run("teacher", settings, objective, data, ALONE)
    for expected in (2, 4, 2, 4):  # of two layers, in a step, and in a validation behind it
        calls = 0
        training.advance()
        assert calls == expected


@pytest.mark.parametrize("name", ["vae-likelihood", "dae", "kernel_ae-smeared", "wnae"])
def test_energies_for_the_curves_are_computed_where_there_is_a_row(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every third step of these, and every fourth, which is validated."""
    calls: list[float] = []
    real = EnergyModel.scores

    def watched(self: EnergyModel, x: torch.Tensor) -> torch.Tensor:
        energies = real(self, x)
        calls.append(energies.mean().item())
        return energies

    monkeypatch.setattr(EnergyModel, "scores", watched)
    settings = _settings(SMALL_OBJECTIVES[name])
    data = batches(settings, surface(200, 1), surface(60, 2), None, None, tuple("abcd"))
    training = Run("teacher", settings, settings.objective, data, ALONE)
    for step in range(1, 5):
        calls.clear()
        training.advance()
        assert bool(calls) == (step in (3, 4))
        if calls:
            row = dict(zip(CURVES, training.rows[-1], strict=True))
            assert row["positive_energy"] == calls[0]
            assert name != "wnae" or row["negative_energy"] == calls[1]


def test_a_setting_that_the_network_does_not_have_is_refused(tmp_path: Path) -> None:
    model = ModelSettings(batch_norm=True)
    settings = TrainingSettings(model=model, objective=SMALL_OBJECTIVES["flow"])
    with pytest.raises(InputError, match=r"model\.batch_norm: true has no effect.*flow"):
        train(settings, surface(50, 1), surface(50, 2), tmp_path)


@pytest.mark.parametrize("setting", ["batch_size", "validation_size"])
def test_wae_needs_pairs_of_events(tmp_path: Path, setting: str) -> None:
    objective = SMALL_OBJECTIVES["wae"].model_copy(update={setting: 1})
    with pytest.raises(InputError, match=rf"objective\.{setting}: wae compares pairs.*got 1"):
        run(tmp_path, objective)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "chain", "width"),
    [
        *((name, "chain", 4) for name in ("nae-cd", "wnae", "igebm", "recovery", "mpdr-network")),
        ("nae-omi", "latent_chain", 2),
        ("mpdr-network", "latent_chain", 3),
    ],
)
def test_rows_that_do_not_divide_a_point_are_refused_before_training(
    tmp_path: Path, name: str, chain: str, width: int
) -> None:
    objective = SMALL_OBJECTIVES[name]
    rows = {"gradient_clip": 1.0, "gradient_clip_rows": 5}
    update = {chain: getattr(objective, chain).model_copy(update=rows)}
    said = rf"objective\.{chain}\.gradient_clip_rows: must divide the {width} values.*got 5"
    with pytest.raises(InputError, match=said):
        run(tmp_path, objective.model_copy(update=update))
    assert not list(tmp_path.iterdir())


def test_killed_again_and_again_it_gets_there(tmp_path: Path) -> None:
    objective = SMALL_OBJECTIVES["wnae"]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    run(whole, objective)
    kills = 0
    while not (cut / "teacher.json").exists():
        try:
            run(cut, objective, progress=KillAt(7))
        except Killed:
            kills += 1
    assert kills >= 5
    assert contents(cut) == contents(whole)


def test_killed_at_any_file_operation_it_ends_with_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objective = SMALL_OBJECTIVES["wnae"].model_copy(
        update={"steps": 6, "checkpoint_every": 3, "baseline_steps": 2}
    )
    run(tmp_path / "whole", objective)
    expected = contents(tmp_path / "whole")
    real = {name: getattr(Path, name) for name in ("replace", "unlink")}
    left = 0

    def deadly(name: str) -> object:
        def operation(self: Path, *args: object, **options: object) -> object:
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed
            return real[name](self, *args, **options)

        return operation

    operations = 0
    finished = False
    while not finished:
        folder = tmp_path / f"cut{operations}"
        left = operations
        with monkeypatch.context() as patch:
            for name in real:
                patch.setattr(Path, name, deadly(name))
            try:
                run(folder, objective)
                finished = True
            except Killed:
                operations += 1
        run(folder, objective)
        assert contents(folder) == expected
    assert operations >= 11


def test_sigkill_of_a_real_process(tmp_path: Path) -> None:
    """A child trains slowly and is killed without warning; going on gives the same bytes."""
    objective = SMALL_OBJECTIVES["wnae"]
    run(tmp_path / "whole", objective)
    folder = tmp_path / "cut"
    code = f"""
import time
from pathlib import Path
import numpy as np
from naetrigger.contracts.progress import Silent
from naetrigger.training.loop import train
from naetrigger.training.settings import TrainingSettings
class Slow(Silent):
    def update(self, done, **values):
        time.sleep(0.05)
settings = TrainingSettings.model_validate_json({_settings(objective).model_dump_json()!r})
inputs = [np.load({str(tmp_path)!r} + name) for name in ("/train.npy", "/validation.npy")]
train(settings, *inputs, Path({str(folder)!r}), progress=Slow())
"""
    np.save(tmp_path / "train.npy", surface(200, 1))
    np.save(tmp_path / "validation.npy", surface(60, 2))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.Popen([sys.executable, "-c", code], env=environment)
    checkpoint = folder / "checkpoint_teacher.safetensors"
    while not checkpoint.exists():
        assert child.poll() is None
        time.sleep(0.01)
    time.sleep(0.2)
    child.kill()
    child.wait()
    assert not (folder / "teacher.json").exists()
    run(folder, objective)
    assert contents(folder) == contents(tmp_path / "whole")


def test_the_seed_decides_everything(tmp_path: Path, objective: ObjectiveSettings) -> None:
    torch.manual_seed(1)
    run(tmp_path / "a", objective, seed=5)
    torch.manual_seed(2)
    torch.rand(7)
    run(tmp_path / "b", objective, seed=5)
    run(tmp_path / "c", objective, seed=6)
    a, b, c = (contents(tmp_path / name) for name in "abc")
    assert a == b
    closed_form = objective.offered == "inputs"  # nothing of it is drawn
    assert (a["teacher.safetensors"] == c["teacher.safetensors"]) == closed_form


@pytest.mark.parametrize(
    "objective", [AeObjective(steps=30, checkpoint_every=5), SMALL_OBJECTIVES["wnae"]]
)
def test_a_checkpoint_of_another_training_is_refused(
    tmp_path: Path, objective: ObjectiveSettings
) -> None:
    with pytest.raises(Killed):
        run(tmp_path, objective, progress=KillAt(9))
    with pytest.raises(InputError, match="other settings or data"):
        run(tmp_path, objective, seed=4)


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    objective = SMALL_OBJECTIVES["ae"]
    with pytest.raises(Killed):
        run(tmp_path, objective, progress=KillAt(9))
    path = tmp_path / "checkpoint_teacher.safetensors"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="delete it"):
        run(tmp_path, objective)


def test_nae_without_a_brake_diverges_and_says_so(tmp_path: Path) -> None:
    objective = NaeObjective(
        steps=2000,
        batch_size=64,
        negatives="pcd",
        gamma=0.0,
        pretrain_steps=0,
        learning_rate=0.01,
        chain=Langevin(steps=2, noise=0.05, temperature=100.0),
        replay=Replay(size=200),
        divergence_window=30,
        divergence_sigmas=3,
        validate_every=2000,
    )
    with pytest.raises(TrainingDiverged, match=r"nae: step \d+.*Lower objective.learning_rate"):
        run(tmp_path, objective)
    assert set(contents(tmp_path)) == {"curves.csv"}
    last = (tmp_path / "curves.csv").read_text().splitlines()[-1].split(",")
    assert float(last[3]) > float(last[2])  # the negatives' energy ran away


def test_a_loss_that_is_no_number_stops_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def poisoned(self: Ae, model: Autoencoder, *args: object) -> Validation:
        with torch.no_grad():
            model.layers[0].linear.bias[0] = float("nan")
        return Validation(1.0, {})

    monkeypatch.setattr(Ae, "validate", poisoned)
    with pytest.raises(TrainingDiverged, match=r"teacher: step 4: loss is nan"):
        run(tmp_path, SMALL_OBJECTIVES["ae"])


@pytest.mark.parametrize("name", ["nae-cd", "wnae", "igebm", "mpdr-reconstruction", "recovery"])
def test_samples_that_are_no_numbers_in_a_validation_stop_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """With the curves so far, and without the checkpoint, which would end the same way."""

    def poisoned(self: Recorder, *args: object) -> torch.Tensor:
        return Recorder.__call__(self, *args) * torch.nan

    objective = SMALL_OBJECTIVES[name].model_copy(update={"checkpoint_every": 1})
    monkeypatch.setattr(contrastive, "Recorder", type("Bad", (Recorder,), {"__call__": poisoned}))
    with pytest.raises(TrainingDiverged, match=rf"{objective.name}: step \d+: chains gave NaN"):
        run(tmp_path, objective)
    assert set(contents(tmp_path)) == {"curves.csv"}


def test_a_gradient_that_is_no_number_stops_training_before_its_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss itself is finite: 0 * sqrt(0)' is NaN."""

    def bad(self: Ae, model: Autoencoder, batch: torch.Tensor, *args: object) -> StepResult:
        flat = (model.energy(batch).mean() * 0).sqrt()
        return StepResult(flat, {})

    monkeypatch.setattr(Ae, "loss", bad)
    with pytest.raises(TrainingDiverged, match=r"step 0: the gradient of the loss is nan"):
        run(tmp_path, SMALL_OBJECTIVES["ae"])


@pytest.mark.parametrize(
    ("criteria", "smoothing", "kept", "done"),
    [
        ([5, 4, 3, 3.5, 3.6, 3.7, 1], 1, 12, 24),  # three without a better one: stop
        ([5, 4, 3, 3.5, 3.6, 2, 2.5, 2.6, 2.7, 0], 1, 24, 36),
        ([5, 1, 5, 1, 2, 2, 2, 2, 2, 2], 2, 20, 32),  # means 5 3 3 3 1.5 2 2 2: not the lone 1
        ([3, 3, 3, 3, 3], 1, 4, 16),  # equal is not better
        ([1, 5, 5, 2, 2, 4, 4, 4, 4, 4], 2, 20, 32),  # a lone 1 is no mean: 3 5 3.5 2 3 4 4 4
        ([4, 6, 5, 7, 9, 9, 9, 9, 9, 9], 4, 16, 28),  # nor does patience count until the fourth
    ],
)
def test_the_stopping_rule(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    criteria: list[float],
    smoothing: int,
    kept: int,
    done: int,
) -> None:
    seen: dict[int, torch.Tensor] = {}

    def planted(self: Ae, model: Autoencoder, batch: object, state: State, g: object) -> Validation:
        seen[state.step] = model.layers[0].linear.weight.detach().clone()
        return Validation(float(criteria[state.step // 4 - 1]), {})

    monkeypatch.setattr(Ae, "validate", planted)
    objective = AeObjective(
        steps=40, batch_size=8, validate_every=4, smoothing=smoothing, patience=3
    )
    fitted = run(tmp_path, objective).teacher
    assert (fitted.step, fitted.steps_done, fitted.stopped_by) == (kept, done, "patience")
    assert torch.equal(fitted.model.layers[0].linear.weight, seen[kept])


def test_too_few_validations_to_judge_keep_the_newest_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def planted(self: Ae, model: Autoencoder, batch: object, state: State, g: object) -> Validation:
        return Validation(float(state.step), {})

    monkeypatch.setattr(Ae, "validate", planted)
    objective = AeObjective(steps=12, batch_size=8, validate_every=4, smoothing=4, patience=1)
    fitted = run(tmp_path, objective).teacher
    assert (fitted.step, fitted.steps_done, fitted.stopped_by) == (12, 12, "steps")
    assert fitted.criterion is None
    assert np.isnan(fitted.curves[:, CURVES.index("validation_smoothed")]).all()
    assert np.nanmin(fitted.curves[:, CURVES.index("validation")]) == 4


def test_an_autoencoder_learns_the_surface(tmp_path: Path) -> None:
    """Two latents reconstruct a two-dimensional surface far better than they start with."""
    model = ModelSettings(hidden=(16,), latent=2)
    settings = TrainingSettings(
        model=model, objective=AeObjective(steps=600, batch_size=64, learning_rate=5e-3)
    )
    fitted = train(settings, surface(1000, 1), surface(500, 2), tmp_path).teacher
    x = surface(500, 9)
    error = fitted.model.scores(torch.from_numpy(x)).mean().item()
    spectrum = np.linalg.svd(x - x.mean(0), compute_uv=False) ** 2 / len(x)
    assert error < spectrum[2:].sum() / 4  # better than two principal components
    assert fitted.criterion == pytest.approx(error, rel=0.3)


def test_wnae_brings_its_samples_to_the_data(tmp_path: Path) -> None:
    objective = WnaeObjective(
        steps=120,
        batch_size=64,
        validate_every=10,
        validation_size=100,
        learning_rate=5e-3,
        replay=Replay(size=500),
        baseline_steps=0,
    )
    settings = TrainingSettings(model=ModelSettings(hidden=(16,), latent=2), objective=objective)
    fitted = train(settings, surface(1000, 1), surface(500, 2), tmp_path).teacher
    validation = fitted.curves[:, CURVES.index("validation")]
    validation = validation[~np.isnan(validation)]
    assert fitted.criterion is not None
    assert fitted.criterion < 0.5 * validation[0]


def test_events_are_drawn_by_weight(tmp_path: Path) -> None:
    """Zero weight on one of two lumps: its events are never seen, and are ill reconstructed."""
    rng = np.random.default_rng(8)
    x = rng.normal(size=(400, 4)).astype(np.float32) * 0.05
    x[::2] += np.array([2, 2, -2, -2], np.float32)
    x[1::2] -= np.array([2, -1, -2, 1], np.float32)
    weights = np.where(np.arange(400) % 2 == 0, 3.0, 0.0)
    settings = TrainingSettings(
        model=SMALL_MODEL,
        objective=AeObjective(steps=200, batch_size=32, learning_rate=1e-2, use_weights=True),
    )
    with pytest.raises(InputError, match="have no weights"):
        train(settings, x, x, tmp_path)
    fitted = train(
        settings, x, x, tmp_path, train_weights=weights, validation_weights=weights
    ).teacher
    scores = fitted.model.scores(torch.from_numpy(x))
    assert scores[::2].mean() < 0.05
    assert scores[1::2].mean() > 1
    bad = weights.copy()
    bad[3] = -1
    with pytest.raises(InputError, match="training weights must be 400 finite numbers"):
        train(settings, x, x, tmp_path, train_weights=bad, validation_weights=weights)


def test_drawn_shares_are_those_of_the_weights(generator: torch.Generator) -> None:
    weights = np.array([1.0, 0.0, 3.0, 6.0])
    x = np.arange(4, dtype=np.float32)[:, None].repeat(4, 1)
    settings = TrainingSettings(objective=AeObjective(use_weights=True))
    data = batches(settings, x, x, weights, weights, ("a", "b", "c", "d"))
    drawn = data.draw(20_000, generator)[:, 0].int().bincount(minlength=4) / 20_000
    assert drawn.tolist() == pytest.approx([0.1, 0.0, 0.3, 0.6], abs=0.015)


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_refused(tmp_path: Path, which: int, bad: float) -> None:
    inputs = [surface(50, 1), surface(50, 2)]
    inputs[which][7, 2] = bad
    with pytest.raises(InputError, match=r"(training|validation) inputs: 1 .* row 7, column 'c'"):
        train(TrainingSettings(), *inputs, tmp_path, columns=["a", "b", "c", "d"])
    assert not list(tmp_path.iterdir())


def test_tensors_and_lists_are_inputs_too(tmp_path: Path) -> None:
    x = surface(200, 1)
    settings = TrainingSettings(model=SMALL_MODEL, objective=AeObjective(steps=3, batch_size=8))
    made = [
        train(settings, inputs, inputs, tmp_path / name).teacher.model.state_dict()
        for name, inputs in (("array", x), ("tensor", torch.from_numpy(x)), ("list", x.tolist()))
    ]
    for other in made[1:]:
        assert all(torch.equal(value, other[name]) for name, value in made[0].items())
    with pytest.raises(InputError, match="training inputs: are no array of numbers"):
        train(settings, [["a", "b"]], x, tmp_path / "text")


def test_wrong_shapes_are_refused(tmp_path: Path) -> None:
    x = surface(50, 1)
    settings = TrainingSettings()
    for train_inputs, validation_inputs in ((x[:0], x), (x, x[:, :3]), (x[:, 0], x)):
        with pytest.raises(InputError, match="must have shape"):
            train(settings, train_inputs, validation_inputs, tmp_path)
    with pytest.raises(InputError, match="2 column names for 4"):
        train(settings, x, x, tmp_path, columns=["a", "b"])


def test_inputs_beyond_the_box_are_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    objective = SMALL_OBJECTIVES["nae-cd"]
    settings = TrainingSettings(model=SMALL_MODEL, objective=objective)
    with caplog.at_level(logging.WARNING):
        train(settings, surface(50, 1), surface(50, 1), tmp_path / "inside")
        assert caplog.messages == []
        train(settings, surface(50, 1) * 5, surface(50, 1), tmp_path / "beyond")
    assert "beyond objective.chain.bounds" in caplog.messages[0]


def test_progress_and_threads(tmp_path: Path) -> None:
    heard: list[tuple[str, int]] = []

    class Listener:
        def start(self, label: str, total: int) -> None:
            heard.append((label, total))

        def update(self, done: int, **values: float) -> None:
            heard.append(("update", done))
            if done:
                assert values["loss"] > 0

    before = torch.get_num_threads()
    run(tmp_path, SMALL_OBJECTIVES["wnae"], progress=Listener())
    assert torch.get_num_threads() == before
    assert heard[0] == ("training teacher (wnae)", 24)
    assert heard[1:26] == [("update", i) for i in range(25)]
    assert heard[26] == ("training baseline_ae (ae)", 8)


def test_files_hold_neither_time_nor_place(tmp_path: Path) -> None:
    run(tmp_path, SMALL_OBJECTIVES["ae"])
    text = (tmp_path / "teacher.json").read_text()
    assert str(tmp_path) not in text
    assert set(json.loads(text)) == {
        *("format", "version", "model", "n_inputs", "columns", "score", "weights_sha256"),
        *("objective", "seed", "step", "steps_done", "stopped_by", "criterion"),
    }
