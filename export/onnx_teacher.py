"""Float ONNX of any teacher, with its score in the graph.

    write_teacher_onnx(path, teacher, spec)
    OnnxModel(path).run(inputs)["score"]                      (onnx_engines.py)

Dense layers in a row are written one by one (onnx_float.py). Everything else is traced by torch's
own exporter, whatever the energy computes; what a module needs for that is to take the number of
events from ``x.shape[0]``, never from ``len(x)``, which fixes it.

Outputs: ``score`` (N, 1), then ``latent`` and ``reconstruction`` where the teacher has them. Files
hold no traces of the program that made them, and the same teacher gives the same bytes.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch._dynamo.exc import UserError

from naetrigger.contracts.errors import InputError, MissingExtra
from naetrigger.export.onnx_float import teacher_network, write_float_onnx
from naetrigger.export.onnx_graph import BATCH, INPUTS, SCORE, float_properties, save_model
from naetrigger.firmware_configs.input_spec import InputSpec

if TYPE_CHECKING:
    from naetrigger.training.models.energy_model import EnergyModel

OPSET = 18
TRACED = 3  # events of the trace; any number but 0 and 1, which torch takes for fixed


class NoOnnxForm(InputError):
    """The teacher computes something that ONNX has no operator for."""


def write_teacher_onnx(
    path: Path, teacher: EnergyModel, spec: InputSpec, *, threshold: float | None = None
) -> None:
    """Write a teacher of inputs (N, F); `threshold` in units of its score.

    Raises NoOnnxForm, naming the operation, if it has no form in ONNX.
    """
    if teacher.n_inputs != len(spec.columns):
        raise InputError(
            f"onnx: the network takes {teacher.n_inputs} inputs, "
            f"input spec {spec.name} has {len(spec.columns)}"
        )
    try:
        layers = teacher_network(teacher)
    except TypeError:
        model = _traced(_Outputs(teacher), teacher)
        _name_batch(model)
        _forget_origin(model)
        save_model(model, path, float_properties(spec, "teacher", teacher.score.name, threshold))
    else:
        write_float_onnx(path, layers, spec, threshold=threshold)


class _Outputs(nn.Module):
    """inputs -> (score, latent, reconstruction), the last two of an autoencoder alone."""

    def __init__(self, teacher: EnergyModel) -> None:
        super().__init__()
        self.teacher = teacher
        self.names = [SCORE]
        if hasattr(teacher, "encode"):
            self.names += ["latent", "reconstruction"]

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        score = self.teacher.energy(inputs).unsqueeze(1)
        if len(self.names) == 1:
            return (score,)
        network: Any = self.teacher
        latent = network.encode(inputs)
        return score, latent, network.decode(latent)


def _traced(outputs: _Outputs, teacher: EnergyModel) -> Any:
    """The ONNX model; NoOnnxForm if torch finds no form for it."""
    like = next(value for value in teacher.state_dict().values() if value.is_floating_point())
    example = torch.zeros((TRACED, teacher.n_inputs), dtype=like.dtype, device=like.device)
    try:
        with _hushed(), torch.no_grad():
            program = torch.onnx.export(
                _graph(outputs.eval(), example),
                dynamo=True,
                input_names=[INPUTS],
                output_names=outputs.names,
                opset_version=OPSET,
                external_data=False,
                verbose=False,
            )
    except ModuleNotFoundError as error:
        raise MissingExtra("onnxscript", "export") from error
    except (torch.onnx.OnnxExporterError, RuntimeError, UserError) as error:
        said = " ".join(str(error.__cause__ or error).split())[:300]
        raise NoOnnxForm(
            f"{type(teacher).__name__} has no ONNX form in torch {torch.__version__}: {said}"
        ) from error
    assert program is not None
    return program.model_proto


def _graph(network: nn.Module, example: Tensor) -> torch.export.ExportedProgram:
    """The operations of a network on any number of events."""
    shapes = ({0: torch.export.Dim(BATCH)},)
    return torch.export.export(network, (example,), dynamic_shapes=shapes)


@contextmanager
def _hushed() -> Iterator[None]:
    """The exporter tells of what it does, and of packages that nobody asked for."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def _name_batch(model: Any) -> None:
    """Call the one free dimension of inputs and outputs as all our files do."""
    graph = model.graph
    free = graph.input[0].type.tensor_type.shape.dim[0].dim_param
    for info in (*graph.input, *graph.output, *graph.value_info):
        for dimension in info.type.tensor_type.shape.dim:
            if dimension.dim_param == free:
                dimension.dim_param = BATCH


def _forget_origin(model: Any) -> None:
    """Take out stack traces, paths, and the names of this program's modules."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.value_info, *graph.input, *graph.output):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    for tensor in graph.initializer:
        tensor.ClearField("doc_string")
