"""The HLS project: a fixed-point network written by hls4ml with every precision explicit.

    write_hls(network, folder, board, settings, vectors)   the project and its test bench
    compile_library(folder)                                its emulation library, by g++
    HlsLibrary(folder).scores(inputs)                      scores, from the library alone

The layer list goes straight into hls4ml's graph, past its Keras and ONNX readers, which guess
formats. Formats are those of the network; accumulators are those that interval arithmetic
proves. A project holds neither times nor paths, so it is the same each time, byte for byte, and
may be moved.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from naetrigger.contracts.errors import InputError, MissingExtra
from naetrigger.contracts.fixed_point import Fixed, Integers
from naetrigger.contracts.network import Bounds, FixedPointNetwork, Node
from naetrigger.export.hls_library import FORMAT, NAME, VERSION, HlsLibrary, compile_library
from naetrigger.export.licenses import copy_license
from naetrigger.export.settings import FirmwareSettings
from naetrigger.firmware_configs.board import Board

__all__ = ["HlsLibrary", "compile_library", "write_hls"]

log = logging.getLogger(__name__)

DOUBLE_BITS = 53
STAMP = "emulation"
ONE = Fixed(False, 1, 1)


def write_hls(
    network: FixedPointNetwork,
    folder: Path,
    board: Board,
    settings: FirmwareSettings,
    vectors: Integers,
    *,
    trace: bool = True,
) -> None:
    """Write the project of `network` into the new folder `folder`.

    vectors : input mantissas of the test bench, shape (N, F); the scores it expects are the
        network's own
    trace : let every layer show its output outside synthesis, so that a disagreement can be
        traced to its layer
    """
    bounds = network.bounds()
    for node in (network.input, network[network.output]):
        if node.type.width > DOUBLE_BITS:
            raise InputError(
                f"hls: {node.name}: {node.type} is wider than the {DOUBLE_BITS} bits that the "
                "emulation passes; narrow it"
            )
    for node in network.nodes:
        for constants in (node.weights, node.bias):
            if constants is not None and np.abs(constants).max(initial=0) > 2**DOUBLE_BITS:
                raise InputError(
                    f"hls: {node.name}: hls4ml takes weights and biases as floats of {DOUBLE_BITS} "
                    "bits; narrow them"
                )
    if folder.exists():
        raise InputError(f"{folder}: is there already; an HLS project is written into a new folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    names = _layer_names(network)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as work:
        project = Path(work) / "project"
        graph = _graph(network, bounds, names, project, board, settings, trace)
        _settle(project, settings, graph.config.get_config_value("Stamp"))
        _write_record(network, names, graph, project, board, settings)
        _write_test_bench(network, project, vectors)
        (project / "emulation.cpp").write_text(_emulation_source(network, settings.project, trace))
        copy_license("hls4ml", project)
        project.rename(folder)


def _graph(
    network: FixedPointNetwork,
    bounds: Mapping[str, Bounds],
    names: Mapping[str, str],
    project: Path,
    board: Board,
    settings: FirmwareSettings,
    trace: bool,
) -> Any:
    """hls4ml's graph of the network, written to `project`."""
    with _without_keras(), _captured():
        try:
            from hls4ml.model.graph import ModelGraph
            from hls4ml.utils.config import create_config
        except ImportError as error:
            raise MissingExtra("hls4ml", "export") from error
        config = create_config(
            output_dir=str(project),
            project_name=settings.project,
            backend=settings.hls_backend,
            part=board.part,
            clock_period=board.clock_ns,
            io_type="io_parallel",
            namespace=f"naetrigger_{settings.project}",
            write_weights_txt=False,
        )
        layers = [_layer(node, network, names) for node in network.nodes]
        config["HLSConfig"] = {
            "Model": {
                "Precision": {"default": str(network.input.type)},
                "ReuseFactor": settings.reuse_factor,
                "Strategy": settings.hls_strategy.capitalize(),
            },
            "LayerName": {
                names[node.name]: {
                    "Precision": _precision(node, bounds[node.name]),
                    "Trace": trace,
                }
                for node in network.nodes
            },
        }
        graph = ModelGraph.from_layer_list(
            config, layers, [names[network.input.name]], [names[network.output]]
        )
        graph.config.trace_output = trace
        graph.write()
    return graph


def _layer(node: Node, network: FixedPointNetwork, names: Mapping[str, str]) -> dict[str, Any]:
    """A node as an entry of hls4ml's layer list."""
    name = names[node.name]
    layer: dict[str, Any] = {"name": name, "inputs": [names[i] for i in node.inputs]}
    layer["outputs"] = [name]
    n_in = network[node.inputs[0]].size if node.inputs else node.size
    match node.op:
        case "input":
            shape = {"input_shape": [node.size], "data_format": "channels_last"}
            return {"name": name, "class_name": "InputLayer", **shape}
        case "dense" | "sum":
            ones = np.ones(n_in, np.int64)
            weights = ones if node.weights is None else node.weights
            weight_type = node.weight_type or ONE
            dense = layer | {
                "class_name": "Dense",
                "n_in": n_in,
                "n_out": node.size,
                "weight_data": weight_type.real(weights).reshape(n_in, node.size),
                "use_bias": node.bias is not None,
                "bias_data": None,
            }
            if node.bias is not None and node.bias_type is not None:
                dense["bias_data"] = node.bias_type.real(node.bias)
            return dense
        case "relu":
            return layer | {"class_name": "Activation", "activation": "relu", "n_in": n_in}
        case "cast":
            return layer | {"class_name": "Activation", "activation": "linear", "n_in": n_in}
        case "abs":  # x > 0 ? x : -1 * x
            leaky = {"class_name": "LeakyReLU", "activation": "leakyrelu", "activ_param": -1}
            return layer | leaky | {"n_in": n_in}
        case "sub":
            return layer | {"class_name": "Merge", "op": "subtract"}
        case "square":
            twice = [names[node.inputs[0]]] * 2
            return layer | {"class_name": "Merge", "op": "multiply", "inputs": twice}
        case _:
            raise InputError(f"hls: {node.name}: op '{node.op}' has no HLS layer")


def _precision(node: Node, bounds: Bounds) -> dict[str, str]:
    """Every format that hls4ml would otherwise choose by itself."""
    precision = {"result": str(node.type)}
    if node.op in ("dense", "sum"):
        accumulator = str(bounds.accumulator)
        weight = str(node.weight_type or ONE)
        bias = str(node.bias_type or ONE)
        precision |= {"accum": accumulator, "weight": weight, "bias": bias}
    elif node.op == "abs":
        precision |= {"param": "fixed<2,2>", "table": str(node.type)}
    elif node.op in ("relu", "cast"):
        precision |= {"table": str(node.type)}
    return precision


def _layer_names(network: FixedPointNetwork) -> dict[str, str]:
    """hls4ml names; the input's becomes a C++ variable, so it must not be a word of C++."""
    names = {node.name: node.name for node in network.nodes}
    port = f"{network.input.name}_in"
    while port in names:
        port += "_"
    return names | {network.input.name: port}


def _settle(project: Path, settings: FirmwareSettings, stamp: str) -> None:
    """Take out what differs from run to run, and what the vendor's C simulation would print."""
    for name in ("build_lib.sh", "hls4ml_config.yml"):
        path = project / name
        text = path.read_text(encoding="utf-8")
        for found in (f"'{stamp}'", stamp):  # YAML quotes one that could be a number
            text = text.replace(found, STAMP)
        text = text.replace(str(project), ".")
        path.write_text(text, encoding="utf-8")
    bench = project / f"{settings.project}_test.cpp"
    text = bench.read_text(encoding="utf-8")
    bench.write_text(text.replace("bool trace_enabled = true", "bool trace_enabled = false"))


def _write_record(
    network: FixedPointNetwork,
    names: Mapping[str, str],
    graph: Any,
    project: Path,
    board: Board,
    settings: FirmwareSettings,
) -> None:
    """hls.json: what the emulation needs to know of the project."""
    nodes = {layer: node for node, layer in names.items()}
    traced = [
        layer.name
        for layer in graph.get_layers()
        if layer.get_attr("function_cpp", None) and layer.get_attr("trace", False)
    ]
    document = {
        "format": FORMAT,
        "version": VERSION,
        "project": settings.project,
        "backend": settings.hls_backend,
        "part": board.part,
        "clock_ns": board.clock_ns,
        "input": {"size": network.input.size, "type": str(network.input.type)},
        "score": {"type": str(network.score_type), "scale": network.score_scale},
        "layers": [
            {"name": nodes[name], "size": node.size, "type": str(node.type)}
            for name in traced
            for node in (network[nodes[name]],)
        ],
    }
    text = json.dumps(document, indent=1) + "\n"
    (project / NAME).write_text(text, encoding="utf-8")


def _write_test_bench(network: FixedPointNetwork, project: Path, vectors: Integers) -> None:
    """tb_data/: inputs and expected scores as decimal numbers, exact."""
    folder = project / "tb_data"
    folder.mkdir(exist_ok=True)
    scores = network.score_type.real(network.scores(vectors))[:, None]
    for name, table in (
        ("tb_input_features.dat", network.input.type.real(vectors)),
        ("tb_output_predictions.dat", scores),
    ):
        lines = (" ".join(map(repr, row)) for row in table.tolist())
        (folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _emulation_source(network: FixedPointNetwork, project: str, trace: bool) -> str:
    """One source file with everything: scores and traces of many events in one call."""
    names = f"naetrigger_{project}"
    return f"""\
// Emulation of {project} for a host: scores, and the output of every layer, of many events.
#include "firmware/{project}.cpp"
#include <cstring>
#include <map>
#include <string>

namespace nnet {{
bool trace_enabled = false;
std::map<std::string, void *> *trace_outputs = NULL;
size_t trace_type_size = sizeof(double);
}} // namespace nnet

using namespace {names};

static void one_event(const double *input, double *score) {{
    input_t x[{network.input.size}];
    result_t y[1];
    for (int i = 0; i < {network.input.size}; i++)
        x[i] = input_t(input[i]);
    {names}::{project}(x, y);
    *score = y[0].to_double();
}}

extern "C" {{

// inputs: (n, {network.input.size}), scores: (n)
void {project}_scores(const double *inputs, double *scores, size_t n) {{
    for (size_t i = 0; i < n; i++)
        one_event(inputs + i * {network.input.size}, scores + i);
}}

// outputs: for each of the n_layers names an array (n, sizes[layer])
void {project}_trace(const double *inputs, double *scores, size_t n, size_t n_layers,
                     const char **names, const size_t *sizes, double **outputs) {{
    std::map<std::string, void *> storage;
    nnet::trace_outputs = &storage;
    nnet::trace_enabled = true;
    for (size_t i = 0; i < n; i++) {{
        for (size_t layer = 0; layer < n_layers; layer++)
            storage[names[layer]] = outputs[layer] + i * sizes[layer];
        one_event(inputs + i * {network.input.size}, scores + i);
    }}
    nnet::trace_enabled = false;
    nnet::trace_outputs = NULL;
}}
}}
"""


@contextlib.contextmanager
def _captured() -> Iterator[None]:
    """hls4ml prints its progress; it goes to the log."""
    chatter = io.StringIO()
    try:
        with contextlib.redirect_stdout(chatter):
            yield
    finally:
        for line in chatter.getvalue().splitlines():
            log.debug("hls4ml: %s", line)


@contextlib.contextmanager
def _without_keras() -> Iterator[None]:
    """hls4ml's writer imports keras, and with it tensorflow, only to ask whether it is there."""
    if "keras" in sys.modules:
        yield
        return
    sys.modules["keras"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["keras"]
