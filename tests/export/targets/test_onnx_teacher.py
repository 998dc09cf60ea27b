"""Every teacher as ONNX: the scores of torch, on data, at the ends of the inputs, and far out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.score import score_named
from naetrigger.export.onnx_engines import OnnxModel
from naetrigger.export.onnx_teacher import NoOnnxForm, write_teacher_onnx
from naetrigger.firmware_configs.feature import Feature
from naetrigger.firmware_configs.input_spec import InputSpec
from naetrigger.training.models import folded
from naetrigger.training.models.energy_model import EnergyModel
from naetrigger.training.objectives import OBJECTIVES, build_objective
from naetrigger.training.settings import ModelSettings
from naetrigger.validation.agreement import RELATIVE, relative_difference
from tests.training.conftest import N_INPUTS, SMALL_MODEL, SMALL_OBJECTIVES, surface

MODELS = {
    "mlp": SMALL_MODEL,
    "conv": ModelSettings(kind="conv", hidden=(3,), latent=2),
    "spherical": ModelSettings(hidden=(8,), latent=2, spherical=True, activation="prelu"),
}
INPUT_END, FAR = 4.0, 32.0
NO_ORIGIN = {"dagmm"}  # its relative error divides by |x|: torch gives 1e16 there, onnxruntime NaN


def spec(n: int = N_INPUTS) -> InputSpec:
    features = tuple(Feature(name=f"f{i}", unit="1", offset=0.0, shift=0) for i in range(n))
    return InputSpec(name="toy", description="toy", source="test", features=features)


def teacher(objective: str, model: str) -> EnergyModel:
    """A network of no use, but with all parts of its own: moved weights, means and covariances."""
    built = build_objective(SMALL_OBJECTIVES[objective])
    network = built.network(MODELS[model], N_INPUTS, torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    x = torch.from_numpy(surface(300, 1))
    labels = 1.0 * (x[:, :1] > 0) + (x[:, 1:2] > 1)
    known = hasattr(SMALL_OBJECTIVES[objective], "labels")
    built.finish(network, torch.cat([x, labels], dim=1) if known else x)
    return folded(network).eval()


def samples() -> dict[str, npt.NDArray[np.float32]]:
    data = surface(500, 3)
    ends = data.copy()
    ends[np.arange(500), np.arange(500) % N_INPUTS] = np.where(data[:, 0] > 0, 1, -1) * INPUT_END
    far = np.random.default_rng(4).uniform(-FAR, FAR, (200, N_INPUTS)).astype(np.float32)
    return {"data": data, "ends": ends, "far": far, "origin": np.zeros((2, N_INPUTS), np.float32)}


def differences(model: OnnxModel, network: EnergyModel) -> dict[str, float]:
    """The greatest relative difference of ONNX and torch, by sample."""
    found = {}
    for name, x in samples().items():
        expected = network.scores(torch.from_numpy(x)).numpy()
        assert np.isfinite(expected).all(), name
        found[name] = float(relative_difference(expected, model.scores(x)).max())
    return found


def cases() -> Iterator[tuple[str, str]]:
    """Each kind of network once: objectives share them."""
    seen = set()
    for objective in SMALL_OBJECTIVES:
        for name, model in MODELS.items():
            try:
                network = build_objective(SMALL_OBJECTIVES[objective]).network(
                    model, N_INPUTS, torch.Generator()
                )
            except (InputError, TypeError):
                continue  # a combination that training refuses
            body = name if type(network).__name__ == "Autoencoder" else ""
            score = SMALL_OBJECTIVES[objective].offered
            if body:  # one that is traced is traced alike for every score
                score = network.score.name if name == "mlp" else ""
            kind = (type(network), score, body)
            if kind not in seen:
                seen.add(kind)
                yield objective, name


CASES = list(cases())


def test_every_objective_has_a_case_of_its_network() -> None:
    assert {objective.name for objective in SMALL_OBJECTIVES.values()} == OBJECTIVES.keys()
    networks = {type(teacher(objective, "mlp")) for objective in SMALL_OBJECTIVES}
    assert networks == {type(teacher(*case)) for case in CASES}


@pytest.mark.parametrize(("objective", "model"), CASES)
def test_a_teacher_equals_torch(objective: str, model: str, tmp_path: Path) -> None:
    network = teacher(objective, model)
    path = tmp_path / "teacher.onnx"
    write_teacher_onnx(path, network, spec(), threshold=3.25)
    written = OnnxModel(path)
    found = differences(written, network)
    if objective in NO_ORIGIN:
        del found["origin"]
    assert all(value <= RELATIVE for value in found.values()), found
    assert written.scores(np.zeros((0, N_INPUTS))).shape == (0,)
    assert written.properties["kind"] == "teacher"
    assert written.properties["score"] == network.score.name
    assert written.properties["threshold"] == "3.25"
    assert b"stack_trace" not in path.read_bytes()
    assert str(Path(__file__).parents[3]).encode() not in path.read_bytes()
    vectors = {"latent", "reconstruction"} if hasattr(network, "encode") else set()
    assert vectors <= set(written.names)
    assert written.names[0] == "score"


def test_another_teacher_is_told_apart(tmp_path: Path) -> None:
    network = teacher("ae", "conv")
    write_teacher_onnx(tmp_path / "teacher.onnx", network, spec())
    write_teacher_onnx(tmp_path / "again.onnx", network, spec())
    written = (tmp_path / "teacher.onnx").read_bytes()
    assert written == (tmp_path / "again.onnx").read_bytes()
    with torch.no_grad():
        next(network.parameters())[0] *= 1.001
    found = differences(OnnxModel(tmp_path / "teacher.onnx"), network)
    assert max(found.values()) > RELATIVE


class Sorted(EnergyModel):
    """Computes what ONNX cannot: the eigenvalues of a matrix that the event makes."""

    def __init__(self) -> None:
        super().__init__(SMALL_MODEL, N_INPUTS, score_named("energy"))
        self.weight = torch.nn.Parameter(torch.ones(1))

    def energy(self, x: Tensor) -> Tensor:
        return torch.linalg.eigvalsh(x.unsqueeze(2) * x.unsqueeze(1))[:, 0] * self.weight


class OneBatch(Sorted):
    """Fixes the number of events."""

    def energy(self, x: Tensor) -> Tensor:
        return x.new_zeros(len(x)) + x.sum(dim=1) * self.weight


@pytest.mark.parametrize(("kind", "said"), [(Sorted, "eigh"), (OneBatch, "specialized")])
def test_what_has_no_form_is_named_and_nothing_is_written(
    kind: type[EnergyModel], said: str, tmp_path: Path
) -> None:
    with pytest.raises(NoOnnxForm, match=f"{kind.__name__} has no ONNX form.*{said}"):
        write_teacher_onnx(tmp_path / "teacher.onnx", kind(), spec())  # type: ignore[call-arg]
    assert not list(tmp_path.iterdir())


def test_other_inputs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="takes 4 inputs, input spec toy has 5"):
        write_teacher_onnx(tmp_path / "teacher.onnx", teacher("ae", "conv"), spec(5))
