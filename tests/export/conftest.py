"""A toy background, a teacher of it, and one tiny trained student a mode, shared by all tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from naetrigger.contracts.fixed_point import Fixed, Floats, Overflow, Rounding
from naetrigger.export.distil import StudentReport, train_student
from naetrigger.export.student_settings import Points, StudentSettings
from naetrigger.export.student_task import Dense, StudentTask, Teacher, dense_teacher, student_task

INPUT_TYPE = Fixed(True, 9, 3, Rounding.RND_CONV, Overflow.SAT)
FEATURES = 5
FEW_POINTS = Points(noise_count=600, uniform_count=100)


class Trained(NamedTuple):
    """A trained student, where its files are, and the settings it was trained with (seed 11)."""

    report: StudentReport
    folder: Path
    settings: StudentSettings


def background(n: int, seed: int) -> Floats:
    """A two-dimensional sheet in five dimensions, a little smeared; shape (n, 5)."""
    rng = np.random.default_rng(seed)
    sheet = np.random.default_rng(7).normal(size=(2, FEATURES))
    z = rng.normal(size=(n, 2))
    return np.tanh(z @ sheet) + 0.3 * np.sin(2 * z @ sheet[::-1]) + 0.1 * rng.normal(size=(n, 5))


@pytest.fixture(scope="session")
def toy_teacher() -> Teacher:
    """A 5-12-2-12-5 ReLU autoencoder of the sheet, trained for a second."""
    generator = torch.Generator().manual_seed(3)
    widths = [(FEATURES, 12), (12, 2), (2, 12), (12, FEATURES)]
    weights = [torch.randn(w, generator=generator) * (1.5 / w[0]) ** 0.5 for w in widths]
    parameters = [(w, torch.zeros(w.shape[1])) for w in weights]
    flat = [p.requires_grad_() for pair in parameters for p in pair]
    optimizer = torch.optim.Adam(flat, 1e-2)
    x = torch.tensor(background(2000, 1), dtype=torch.float32)
    for _ in range(400):
        h = x
        for i, (w, b) in enumerate(parameters):
            h = h @ w + b
            h = h.relu() if i in (0, 2) else h
        loss = (h - x).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    layers = [
        Dense(w.detach().numpy().astype(np.float64), b.detach().numpy().astype(np.float64), i == 0)
        for i, (w, b) in ((i % 2, pair) for i, pair in enumerate(parameters))
    ]
    return dense_teacher(tuple(layers[:2]), tuple(layers[2:]))


@pytest.fixture(scope="session")
def make_task(toy_teacher: Teacher) -> Callable[..., StudentTask]:
    """A task of the toy teacher, its parts replaceable."""

    def make(**changes: object) -> StudentTask:
        arguments: dict[str, object] = {
            "teacher": toy_teacher,
            "input_type": INPUT_TYPE,
            "columns": tuple(f"f{i}" for i in range(FEATURES)),
            "train": (background(1000, 2), np.ones(1000)),
            "validation": (background(500, 3), np.ones(500)),
            "points": FEW_POINTS,
            "seed": 5,
            **changes,
        }
        return student_task(**arguments)  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def task(make_task: Callable[..., StudentTask]) -> StudentTask:
    return make_task()


SETTINGS = {
    "quantize": StudentSettings(epochs=3, weight_bits=6, activation_bits=6),
    "distil": StudentSettings(
        mode="distil", hidden=(6,), epochs=2, float_epochs=4, weight_bits=6, activation_bits=6
    ),
    "regress": StudentSettings(
        mode="regress", hidden=(8, 4), epochs=2, float_epochs=4, weight_bits=6, activation_bits=6
    ),
}


@pytest.fixture(scope="session", params=list(SETTINGS))
def trained(
    request: pytest.FixtureRequest, task: StudentTask, tmp_path_factory: pytest.TempPathFactory
) -> Trained:
    folder = tmp_path_factory.mktemp(f"student-{request.param}")
    settings = SETTINGS[request.param]
    return Trained(train_student(task, settings, 11, folder), folder, settings)
