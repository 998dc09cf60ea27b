"""Several processes: the same weights in each, the gradient of the joint loss, kills, refusals."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.progress import Silent
from naetrigger.training.fit import fit
from naetrigger.training.langevin import differentiable_sample
from naetrigger.training.processes import ALONE, Processes
from naetrigger.training.run import own_seed, shared
from naetrigger.training.settings import AeObjective, Replay, WnaeObjective
from naetrigger.training.transport import wasserstein2_squared

from .two_processes import OBJECTIVES, data_of, run_of, settings_of


def torchrun(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.run(
        [*command, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@dataclass(frozen=True)
class Two:
    """What each of two processes wrote."""

    folder: Path
    tensors: list[dict[str, Tensor]]
    seen: list[dict[str, Any]]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Two:
    folder = tmp_path_factory.mktemp("two")
    script = Path(__file__).with_name("two_processes.py")
    done = torchrun(str(script), str(folder), folder=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return Two(
        folder,
        [safetensors.torch.load_file(folder / f"{rank}.safetensors") for rank in (0, 1)],
        [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)],
    )


def test_all_processes_have_the_same_weights_and_their_own_chains(two: Two) -> None:
    first, second = two.tensors
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        if " own buffer." in name and name.endswith("samples"):
            assert not torch.equal(tensor, second[name]), name
        elif " own window." not in name:
            assert torch.equal(tensor, second[name]), name
    for name in OBJECTIVES:
        for what in ("loss", "rows", "best"):
            a, b = (json.dumps(seen[f"{name} {what}"]) for seen in two.seen)
            assert a == b


def one_process(name: str) -> list[Tensor]:
    """The gradient of the mean over both shares, or of the joint distance, computed alone."""
    objective = shared(OBJECTIVES[name], 2)
    run = run_of(objective, ALONE)
    batches, negatives, losses = [], [], []
    for rank in (0, 1):
        generator = torch.Generator().manual_seed(own_seed(3, Processes(rank, 2)))
        batch = run.data.draw(objective.batch_size, generator)
        if name == "wnae":
            batches.append(batch)
            negatives.append(
                run.objective.negatives(
                    run.model,
                    batch,
                    run.state,
                    generator,
                    store=False,
                    draw=differentiable_sample,
                )
            )
        else:
            losses.append(run.objective.loss(run.model, batch, run.state, generator).loss)
    if name == "wnae":
        losses = [wasserstein2_squared(torch.cat(batches), torch.cat(negatives))]
    loss = torch.stack(losses).mean()
    modules = run.model, *run.state.modules.values()
    parameters = [p for m in modules for p in m.parameters()]
    return [loss, *torch.autograd.grad(loss, parameters, allow_unused=True)]


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_gradient_is_that_of_one_process_with_the_whole_batch(two: Two, name: str) -> None:
    loss, *gradients = one_process(name)
    assert two.seen[0][f"{name} loss"] == pytest.approx(loss.item(), rel=1e-6)
    compared = 0
    for i, gradient in enumerate(gradients):
        key = f"{name} gradient {i}"
        if key in two.tensors[0] and gradient is not None:
            torch.testing.assert_close(two.tensors[0][key], gradient, rtol=1e-4, atol=1e-7)
            compared += 1
    assert compared > 3 or name == "mpdr"  # whose first step trains the manifold alone


def test_killed_together_they_end_with_the_same_weights(two: Two) -> None:
    assert two.seen[0]["resumed"] is True
    assert two.seen[1]["resumed"] is True


def test_one_diverges_and_all_stop(two: Two) -> None:
    assert two.seen[0]["diverged"] == "teacher: step 2: another process has diverged"
    assert two.seen[1]["diverged"].startswith("nae: step 2: the energy of the negatives")


def test_one_diverges_in_a_validation_and_all_stop(two: Two) -> None:
    assert two.seen[0]["diverged in validation"] == "teacher: step 4: another process has diverged"
    assert "NaN" in two.seen[1]["diverged in validation"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="the process without a device has one")
def test_one_cannot_begin_and_the_first_says_why(two: Two) -> None:
    first, second = (seen["failed to begin"] for seen in two.seen)
    assert "training.device" in second
    assert first == f"teacher: another process cannot begin: {second}"


def test_bytes_go_back_and_forth(two: Two) -> None:
    assert two.seen[0]["bytes"] == ["from 0", ["x", "xx"]]
    assert two.seen[1]["bytes"] == ["from 0", []]


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="Linux names threads there")
def test_no_thread_of_the_group_outlives_it(two: Two) -> None:
    for seen in two.seen:
        assert seen["threads"]
        assert not [name for name in seen["threads"] if "gloo" in name]


def test_another_number_of_processes_cannot_go_on(two: Two) -> None:
    objective = OBJECTIVES["wnae"]
    with pytest.raises(InputError, match=r"begun on 2 process\(es\), this is on 1"):
        fit(
            "teacher",
            settings_of(objective),
            objective,
            data_of(objective),
            two.folder / "cut",
            Silent(),
            ALONE,
        )


def test_shares_of_batch_and_buffer() -> None:
    objective = WnaeObjective(batch_size=96, replay=Replay(size=100))
    assert shared(objective, 1) is objective
    third = shared(objective, 3)
    assert (third.batch_size, third.replay.size) == (32, 34)
    with pytest.raises(InputError, match=r"batch_size: 96 .* multiple of 5"):
        shared(objective, 5)
    assert shared(AeObjective(batch_size=8), 4).batch_size == 2


def test_every_process_has_its_own_random_numbers() -> None:
    assert own_seed(7, ALONE) == 7
    seeds = {own_seed(s, Processes(r, n)) for s in (7, 8) for n in (2, 3) for r in range(n)}
    assert len(seeds) == 10
    assert all(0 <= seed < 2**63 for seed in seeds)
