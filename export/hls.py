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
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from naetrigger.contracts.decision import without_decision
from naetrigger.contracts.errors import InputError, MissingExtra
from naetrigger.contracts.exact_floats import FLOAT32_BITS
from naetrigger.contracts.fixed_point import Fixed, Integers
from naetrigger.contracts.layer_ops import LAYER_OPS
from naetrigger.contracts.network import Bounds, FixedPointNetwork, Node
from naetrigger.export.hls_backends import BACKENDS, BackendKind, part_for, why_not_emulated
from naetrigger.export.hls_choices import check_layers, check_reuse, layer_config
from naetrigger.export.hls_decision import add_registers, comparisons_as_layers, outputs_of
from naetrigger.export.hls_emulation import Emulated, emulation_source
from naetrigger.export.hls_layers import (
    AP_FIXED,
    layer_entry,
    layer_precision,
    layer_problems,
    register_layers,
)
from naetrigger.export.hls_library import FORMAT, NAME, VERSION, HlsLibrary, compile_library
from naetrigger.export.hls_project import settle, writable, write_bench
from naetrigger.export.hls_room import with_room
from naetrigger.export.licenses import copy_license
from naetrigger.export.settings import FirmwareSettings, HlsBackend
from naetrigger.firmware_configs.board import Board

__all__ = ["HlsLibrary", "compile_library", "write_hls"]

log = logging.getLogger(__name__)

DOUBLE_BITS = 53
ONE = Fixed(False, 1, 1)


def write_hls(
    network: FixedPointNetwork,
    folder: Path,
    board: Board,
    settings: FirmwareSettings,
    vectors: Integers,
    *,
    backend: HlsBackend | None = None,
    trace: bool = True,
) -> None:
    """Write the project of `network` into the new folder `folder`.

    vectors : input mantissas of the test bench, shape (N, F); the scores it expects are the
        network's own
    backend : None: settings.hls_backend
    trace : let every layer show its output outside synthesis, so that a disagreement can be
        traced to its layer
    """
    kind = BACKENDS[backend or settings.hls_backend]
    if not kind.decides:
        network = without_decision(network)
    thresholds, outputs = network.thresholds, outputs_of(network)
    expected = np.column_stack(
        [network.score_type.real(network.scores(vectors)), network.decisions(vectors)]
    )
    registers = settings.decision.registers and bool(thresholds)
    shown = {node.name for node in network.nodes}
    network = comparisons_as_layers(network, registers)
    network, bounds = with_room(network) if kind.name in AP_FIXED else (network, network.bounds())
    _check(network, kind, settings)
    if folder.exists():
        raise InputError(f"{folder}: is there already; an HLS project is written into a new folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    names = _layer_names(network)
    trace = trace and (kind.streams_trace or settings.hls_io == "io_parallel")
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as work:
        project = Path(work) / "project"
        traced = shown if trace else set()
        graph = _graph(network, bounds, names, project, kind, board, settings, traced, outputs)
        settle(project, kind, settings.project, graph.config.get_config_value("Stamp"))
        _write_record(network, shown, names, graph, project, kind, board, settings, thresholds)
        inputs = network.input.type.real(vectors)
        if registers:
            inputs = np.hstack([inputs, np.tile(thresholds, (len(inputs), 1))])
        write_bench(project, kind, settings.project, inputs, expected)
        if kind.lacking is None:
            emulated = _emulated(graph, kind, settings, network.input.size, thresholds)
            source = emulation_source(emulated)
            (project / "emulation.cpp").write_text(source, encoding="utf-8")
        copy_license("hls4ml", project)
        project.rename(folder)


def _check(network: FixedPointNetwork, kind: BackendKind, settings: FirmwareSettings) -> None:
    """InputError, before anything is written, for what the back end or the emulation cannot do."""
    check_layers(network, kind, settings)
    problems = [
        problem
        for node in network.nodes
        for problem in layer_problems(
            node, [network[n] for n in node.inputs], kind, settings.hls_io
        )
    ]
    if problems:
        raise InputError("hls: " + "; ".join(problems))
    bits = FLOAT32_BITS if kind.name == "VivadoAccelerator" else DOUBLE_BITS
    for node in (network.input, network[network.output]):
        if node.type.width > bits:
            raise InputError(
                f"hls: {node.name}: {node.type} is wider than the {bits} bits that "
                f"the emulation passes ({kind.name}); narrow it"
            )
    for node in network.nodes:
        for constants in (node.weights, node.bias):
            if constants is not None and np.abs(constants).max(initial=0) > 2**DOUBLE_BITS:
                raise InputError(
                    f"hls: {node.name}: hls4ml takes weights and biases as floats of {DOUBLE_BITS} "
                    "bits; narrow them"
                )


def _emulated(
    graph: Any,
    kind: BackendKind,
    settings: FirmwareSettings,
    n_in: int,
    thresholds: tuple[int, ...],
) -> Emulated:
    (x, *registers), (y, *others) = graph.get_input_variables(), graph.get_output_variables()
    return Emulated(
        project=settings.project,
        backend=kind.name,
        streams=settings.hls_io == "io_stream",
        namespace=f"naetrigger_{settings.project}" if kind.namespaced else None,
        n_in=n_in,
        x=getattr(x, "member_name", x.name),
        y=getattr(y, "member_name", y.name),
        score=y.type.name,
        input=x.type.name,
        registers=(registers[0].type.name, thresholds) if registers else None,
        bits=(others[0].type.name, int(others[0].shape[0])) if others else None,
        weights=tuple(
            f"{weight.type.name} {weight.name}[{weight.data_length}]"
            for layer in graph.get_layers()
            for weight in layer.get_weights()
        ),
    )


def _graph(
    network: FixedPointNetwork,
    bounds: Mapping[str, Bounds],
    names: Mapping[str, str],
    project: Path,
    kind: BackendKind,
    board: Board,
    settings: FirmwareSettings,
    traced: Set[str],
    outputs: list[str],
) -> Any:
    """hls4ml's graph of the network, written to `project`; the nodes `traced` show their output."""
    with _without_keras(), _captured():
        try:
            from hls4ml.model.graph import ModelGraph
        except ImportError as error:
            raise MissingExtra("hls4ml", "export") from error
        register_layers()
        config = _config(project, kind, board, settings)
        layers = [_layer(node, network, names) for node in network.nodes]
        by_resource = settings.hls_strategy == "resource"
        config["HLSConfig"] = {
            "Model": {
                "Precision": {"default": str(network.input.type)},
                "ReuseFactor": settings.reuse_factor,
                "Strategy": "Resource" if by_resource else "Latency",
            },
            "LayerName": {
                names[node.name]: {
                    **layer_config(
                        node, bounds[node.name], settings, _precision(node, network, bounds)
                    ),
                    "Trace": node.name in traced,
                }
                for node in network.nodes
            },
        }
        inputs = [names[network.input.name]]
        if settings.decision.registers and len(outputs) > 1:
            n, configured = network[outputs[1]].size, config["HLSConfig"]["LayerName"]
            inputs.append(add_registers(layers, configured, network.score_type, n))
        graph = ModelGraph.from_layer_list(
            config, layers, inputs, [names[name] for name in outputs]
        )
        for name, layer in settings.hls_layers.items():
            if layer.reuse_factor:
                check_reuse(name, layer.reuse_factor, graph.graph[names[name]], graph)
        graph.config.trace_output = bool(traced)
        with writable(kind, project), _own_representers():
            graph.write()
    return graph


def _config(
    project: Path, kind: BackendKind, board: Board, settings: FirmwareSettings
) -> dict[str, Any]:
    """What hls4ml's back end asks for; the names differ from one to the next."""
    from hls4ml.utils.config import create_config

    namespace = f"naetrigger_{settings.project}" if kind.namespaced else None
    chosen: dict[str, Any] = {"part": part_for(kind, board, settings)}
    if kind.name == "VivadoAccelerator":
        chosen = {"board": chosen["part"]}
    elif kind.name == "Libero":  # else hls4ml asks `which` for it
        chosen |= {"smarthls_path": "SmartHLS", "namespace": namespace, "write_weights_txt": False}
    elif kind.name in ("Vitis", "Vivado"):
        chosen |= {"namespace": namespace, "write_weights_txt": False}
    config: dict[str, Any] = create_config(
        output_dir=str(project),
        project_name=settings.project,
        backend=kind.name,
        clock_period=board.clock_ns,
        io_type=settings.hls_io,
        **chosen,
    )
    if kind.name == "VivadoAccelerator":  # takes neither as an argument, and follows both
        config["WriterConfig"] |= {"Namespace": namespace, "WriteWeightsTxt": False}
    return config


def _layer(node: Node, network: FixedPointNetwork, names: Mapping[str, str]) -> dict[str, Any]:
    """A node as an entry of hls4ml's layer list."""
    name = names[node.name]
    layer: dict[str, Any] = {"name": name, "inputs": [names[i] for i in node.inputs]}
    layer["outputs"] = [name]
    n_in = network[node.inputs[0]].size if node.inputs else node.size
    match node.op:
        case "input":
            shape = {"input_shape": list(node.dims), "data_format": "channels_last"}
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
            return layer_entry(node, network[node.inputs[0]], layer)


def _precision(
    node: Node, network: FixedPointNetwork, bounds: Mapping[str, Bounds]
) -> dict[str, str]:
    """Every format that hls4ml would otherwise choose by itself."""
    precision = {"result": str(node.type)}
    if node.op in LAYER_OPS:
        return precision | layer_precision(node, network[node.inputs[0]], bounds[node.name])
    if node.op in ("dense", "sum"):
        accumulator = str(bounds[node.name].accumulator)
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


def _write_record(
    network: FixedPointNetwork,
    shown: Set[str],
    names: Mapping[str, str],
    graph: Any,
    project: Path,
    kind: BackendKind,
    board: Board,
    settings: FirmwareSettings,
    thresholds: tuple[int, ...],
) -> None:
    """hls.json: what the emulation needs to know of the project; of traces, the nodes `shown`."""
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
        "backend": kind.name,
        "part": part_for(kind, board, settings),
        "io": settings.hls_io,
        "emulation": why_not_emulated(kind) or "emulation.cpp",
        "reuse_factor": {
            nodes[layer.name]: layer.get_attr("reuse_factor")
            for layer in graph.get_layers()
            if layer.name in nodes and layer.weights
        },
        "clock_ns": board.clock_ns,
        "input": {"size": network.input.size, "type": str(network.input.type)},
        "score": {"type": str(network.score_type), "scale": network.score_scale},
        "decision": {
            "thresholds": list(thresholds),
            "registers": settings.decision.registers,
        }
        if thresholds
        else None,
        "layers": [
            {"name": nodes[name], "size": node.size, "type": str(node.type)}
            for name in traced
            if nodes[name] in shown
            for node in (network[nodes[name]],)
        ],
    }
    text = json.dumps(document, indent=1) + "\n"
    (project / NAME).write_text(text, encoding="utf-8")


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
def _own_representers() -> Iterator[None]:
    """hls4ml tells yaml, for good, to save every Keras model into the folder it writes now."""
    before = dict(yaml.Dumper.yaml_multi_representers)
    try:
        yield
    finally:
        yaml.Dumper.yaml_multi_representers = before


@contextlib.contextmanager
def _without_keras() -> Iterator[None]:
    """hls4ml's writer imports keras, and with it tensorflow, only to ask whether it is there."""
    absent = [name for name in ("keras", "tensorflow") if name not in sys.modules]
    for name in absent:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]
