"""hls4ml's own Keras reader as an independent check: it never sees our network.

Its four traps are set right by hand here (input precision, activations behind a dense layer,
the score's accumulators, and the Keras it looks at), which is why no target is made this way.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naetrigger.contracts.network import FixedPointNetwork
from naetrigger.export.qkeras_student import keras_graph, libraries
from naetrigger.export.student import SCORE
from tests.quick_compiler import quick_compiler


@contextlib.contextmanager
def legacy_keras() -> Iterator[None]:
    """hls4ml chooses its reader by `keras.__version__`: show it tf_keras for the call."""
    import tf_keras

    hidden = {n: sys.modules.pop(n) for n in list(sys.modules) if n.partition(".")[0] == "keras"}
    sys.modules["keras"] = tf_keras
    try:
        yield
    finally:
        sys.modules.pop("keras", None)
        sys.modules.update(hidden)


def precisions(network: FixedPointNetwork, config: dict[str, Any]) -> dict[str, Any]:
    """The reader's configuration with the precisions it does not find by itself."""
    layers, bounds = config["LayerName"], network.bounds()
    layers["x"]["Precision"]["result"] = str(network.input.type)
    for node in network.nodes[1:]:
        found = layers.get(node.name)
        if found is None:
            continue
        if node.op in ("relu", "cast"):
            continue  # read from the quantizer
        behind = next(n for n in network.nodes if node.name in n.inputs)
        signed_cast = behind.op == "cast" and behind.type.signed
        kind = behind.type if signed_cast else node.type
        found["Precision"]["result"] = str(kind)
        found["Precision"]["accum"] = str(bounds[node.name].accumulator)
        if f"{node.name}_linear" in layers:
            layers[f"{node.name}_linear"]["Precision"]["result"] = str(kind)
    return config


@pytest.mark.parametrize("trained", ["distil"], indirect=True)
@pytest.mark.slow
def test_reader_of_the_keras_model_equals_network(
    trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import hls4ml

    quick = quick_compiler(tmp_path).parent
    monkeypatch.setenv("PATH", str(quick), prepend=os.pathsep)

    student, network = trained.report.student, trained.report.network
    x, tensors = keras_graph(student.on_grid)
    model = libraries().keras.Model(x, tensors[SCORE])
    with legacy_keras():
        config = hls4ml.utils.config_from_keras_model(model, granularity="name")
        config["Model"]["Strategy"] = "Latency"
        converted = hls4ml.converters.convert_from_keras_model(
            model,
            hls_config=precisions(network, config),
            output_dir=str(tmp_path / "hls"),
            backend="Vitis",
            io_type="io_parallel",
        )
    converted.compile()
    rng = np.random.default_rng(2)
    kind, size = network.input.type, network.input.size
    inputs = np.concatenate(
        [
            kind.mantissas(rng.normal(size=(2000, size))),
            rng.integers(kind.min_mantissa, kind.max_mantissa + 1, (2000, size)),
            np.array([[kind.min_mantissa], [kind.max_mantissa], [0]]) * np.ones((3, size), int),
        ]
    )
    seen = converted.predict(np.ascontiguousarray(kind.real(inputs).astype(np.float32)))
    scores = np.ldexp(seen.ravel().astype(np.float64), network.score_type.fraction)
    np.testing.assert_array_equal(scores, network.scores(inputs))
