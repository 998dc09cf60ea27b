"""hls4ml projects read from their C++: the network against the project's own compiled emulation."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from naetrigger.contracts.errors import InputError
from naetrigger.export.import_hls4ml import read_hls4ml

EVENTS = 10_000
DEFAULT = r"ap_fixed<16,6> model_default_t"


def dense() -> tuple[nn.Module, tuple[int, ...]]:
    layers = (nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3), nn.Tanh(), nn.Linear(3, 2))
    return nn.Sequential(*layers), (6,)


def images() -> tuple[nn.Module, tuple[int, ...]]:
    norm = nn.BatchNorm2d(3)
    norm.running_mean, norm.running_var = torch.rand(3), torch.rand(3) + 0.5
    layers = (nn.Conv2d(2, 3, (3, 2), padding=1), nn.ReLU(), nn.MaxPool2d(2), norm, nn.Flatten())
    return nn.Sequential(*layers, nn.Linear(27, 2)).eval(), (2, 6, 5)


MODELS: dict[str, Callable[[], tuple[nn.Module, tuple[int, ...]]]] = {
    "dense": dense,
    "images": images,
}


GRANULARITY = {"dense": "model", "images": "name"}
"""By model, 16 bits are for everything: accumulators wrap, and cut every product."""


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Projects as hls4ml's own documentation writes them, of models without any quantizer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "keras", None)  # hls4ml imports it only to look
        import hls4ml

        folder, made = tmp_path_factory.mktemp("hls4ml"), {}
        torch.manual_seed(0)
        for name, build in MODELS.items():
            model, shape = build()
            config = hls4ml.utils.config_from_pytorch_model(
                model, shape, granularity=GRANULARITY[name], backend="Vitis"
            )
            made[name] = folder / name
            hls4ml.converters.convert_from_pytorch_model(
                model, output_dir=str(made[name]), backend="Vitis", hls_config=config
            ).write()
    return made


def emulated(project: Path, inputs: Any, n_out: int) -> Any:
    """What the project's own bridge gives, compiled as its build_lib.sh does, unoptimised."""
    flags = ["-std=c++17", "-O0", "-fPIC", "-shared", "-w", "-Ifirmware/ap_types"]
    weights = f'-DWEIGHTS_DIR="{project}/firmware/weights"'
    sources = ["firmware/myproject.cpp", "myproject_bridge.cpp"]
    command = ["g++", *flags, weights, *sources, "-o", "emulation.so"]
    subprocess.run(command, cwd=project, check=True, capture_output=True)
    function = ctypes.CDLL(str(project / "emulation.so")).myproject_double
    outputs = np.zeros((len(inputs), n_out))
    pointer = ctypes.POINTER(ctypes.c_double)
    for row, result in zip(np.ascontiguousarray(inputs), outputs, strict=True):
        function(row.ctypes.data_as(pointer), result.ctypes.data_as(pointer))
    return outputs


@pytest.mark.parametrize("name", MODELS)
def test_outputs_equal_the_projects_emulation(name: str, projects: dict[str, Path]) -> None:
    model = read_hls4ml(projects[name], "0", wraps=True)
    network = model.network
    kind, size = network.input.type, network.input.size
    rng = np.random.default_rng(1)
    near = kind.mantissas(rng.normal(scale=2, size=(EVENTS // 2, size)))
    anywhere = rng.integers(kind.min_mantissa, kind.max_mantissa, near.shape, np.int64)
    words = np.concatenate([near, anywhere])
    expected = emulated(projects[name], kind.real(words), network[model.outputs].size)
    found = network[model.outputs].type.real(network.trace(words)[model.outputs])
    np.testing.assert_array_equal(found, expected)
    assert max(network.saturation(words).values()) > 0.01  # formats that wrap do


def edited(source: Path, target: Path, file: str, old: str, new: str) -> Path:
    """A copy of a project with one text replaced."""
    shutil.copytree(source, target)
    path = target / "firmware" / file
    text, count = re.subn(old, new, path.read_text(), count=1)
    assert count == 1
    path.write_text(text)
    return target


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("myproject.cpp", "nnet::tanh", "nnet::softmax", "'nnet::softmax' is not supported"),
        ("myproject.cpp", "layer2_out, layer3_out", "layer9_out, layer3_out", "is not made before"),
        ("myproject.cpp", r"input_t input_1\[6\]", "hls::stream<input_t> &x", "io_stream"),
        (
            "defines.h",
            DEFAULT,
            "ap_fixed<16,6,AP_RND,AP_WRAP,0> model_default_t",
            "is rounded into",
        ),
        ("defines.h", DEFAULT, "ap_fixed<70,16> model_default_t", "1 to 63 bits"),
        ("defines.h", DEFAULT, "float model_default_t", "no fixed-point format"),
        ("defines.h", DEFAULT, "ap_fixed<16,6,AP_TRN,AP_SAT,0> model_default_t", "can saturate on"),
        (
            "parameters.h",
            r"typedef \w+ accum_t;",
            "typedef ap_ufixed<50,25,AP_TRN,AP_SAT,0> accum_t;",
            "can saturate on",  # at 0
        ),
        ("weights/w2.txt", r"^[^,]*,", "nan,", "no number"),
        ("weights/w2.txt", r"^[^,]*,", "", "it needs 30 and 5"),
        ("parameters.h", "n_in = 6", "n_in = N", "is no number"),
        ("parameters.h", "struct config2 ", "struct other ", "'config2' is not in parameters.h"),
    ],
)
def test_what_cannot_be_taken_over_is_refused_by_name(
    file: str, old: str, new: str, message: str, projects: dict[str, Path], tmp_path: Path
) -> None:
    project = edited(projects["dense"], tmp_path / "p", file, old, new)
    with pytest.raises(InputError, match=message):
        read_hls4ml(project, "0", wraps=True)


def test_formats_that_wrap_are_refused_unless_asked_for(projects: dict[str, Path]) -> None:
    with pytest.raises(InputError, match=r"n_0_accum: fixed<16,6,TRN,WRAP> can overflow and wrap"):
        read_hls4ml(projects["dense"], "0")


@pytest.mark.parametrize("file", ["defines.h", "parameters.h", "myproject.cpp", "weights/w2.txt"])
def test_truncated_projects_are_refused(
    file: str, projects: dict[str, Path], tmp_path: Path
) -> None:
    shutil.copytree(projects["dense"], tmp_path / "p")
    path = tmp_path / "p" / "firmware" / file
    data = path.read_bytes()
    for part in (0.0, 0.4):
        path.write_bytes(data[: int(part * len(data))])
        with pytest.raises(InputError, match=str(tmp_path)):
            read_hls4ml(tmp_path / "p", "0", wraps=True)
    path.write_bytes(b"\xff\xfe" + bytes(100))
    with pytest.raises(InputError, match=str(tmp_path)):
        read_hls4ml(tmp_path / "p", "0", wraps=True)
