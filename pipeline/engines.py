"""Engines: everything that can score events of a finished run, behind one protocol.

Inputs are always the integers that the model receives, shape (N, F); InputSpec.mantissas makes
them from events, by the spec of the model (input_specs.py). Teacher engines give floats, student
engines the integers of the hardware score. A new engine is one entry of ENGINES: what it is, the
files of the run folder it needs, and a function that loads it. An isolated engine runs in a process
of its own, because its libraries do not go together with the others or hold on to all cores and
memory.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import (
    AgreementError,
    EnvironmentProblem,
    InputError,
    NaetriggerError,
    suggestion,
)
from naetrigger.contracts.fixed_point import Integers
from naetrigger.pipeline.input_specs import INPUT_SPEC, spec_of

Scores = npt.NDArray[Any]
CHUNK = 65536


class Engine(Protocol):
    """Scores events; some can also show every layer."""

    def scores(self, inputs: Integers) -> Scores:
        """Scores (N,) for input mantissas (N, F): float64 of a teacher, int64 of a student."""


class TracingEngine(Engine, Protocol):
    """An engine that shows its layers."""

    def trace(self, inputs: Integers) -> Mapping[str, Integers]:
        """Mantissas on the edges by the network's node names, each (N, size)."""


@dataclass(frozen=True)
class EngineKind:
    """What is known of an engine before it is loaded.

    files : what it needs of the run folder
    load : makes it from the run folder
    isolated : runs in its own process
    traces : whether it is a TracingEngine
    decides : whether it gives the bits of the decision where the network has one
    max_events : how many events of each process a verdict asks it for; None: all
    slow : some 10^4 events a second; files are cut finely, so that all workers end together
    """

    name: str
    model: Literal["teacher", "student"]
    description: str
    files: tuple[str, ...]
    load: Callable[[Path], Engine]
    isolated: bool = False
    traces: bool = False
    decides: bool = False
    max_events: int | None = None
    slow: bool = False


def engine_named(name: str) -> EngineKind:
    """A registered engine, or a baseline's."""
    known = ENGINES | BASELINES
    if name not in known:
        raise InputError(
            f"no engine '{name}'{suggestion(name, ENGINES)} (there are {', '.join(ENGINES)})"
        )
    return known[name]


def available(root: Path, model: str | None = None) -> list[str]:
    """Engines whose files are in the run folder."""
    return [
        name
        for name, kind in ENGINES.items()
        if model in (None, kind.model) and all((root / file).exists() for file in kind.files)
    ]


def score(root: Path, name: str, inputs: Integers) -> Scores:
    """Scores (N,) of a run's engine for input mantissas (N, F)."""
    return _answer(root, name, "scores", inputs)["scores"]


def trace(root: Path, name: str, inputs: Integers) -> dict[str, Integers]:
    """Mantissas on the edges that an engine can show; empty if it shows none."""
    return _answer(root, name, "trace", inputs) if engine_named(name).traces else {}


def deciding(root: Path) -> list[str]:
    """Engines of the student that give the bits of a run whose network decides."""
    return [name for name in available(root, "student") if _decides(root, ENGINES[name])]


def _decides(root: Path, kind: EngineKind) -> bool:
    """Some HLS back ends are written without the decision; their record says so."""
    records = [root / file for file in kind.files if file.endswith("hls.json")]
    if not kind.decides or not records:
        return kind.decides
    try:
        return json.loads(records[0].read_text(encoding="utf-8")).get("decision") is not None
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"{records[0]}: not readable ({error!r})") from error


def decisions(root: Path, name: str, inputs: Integers) -> Integers:
    """Bits (N, K) of a deciding engine of a run whose network decides."""
    return np.asarray(_answer(root, name, "decisions", inputs)["decisions"], np.int64)


def load_engine(root: Path, name: str) -> Engine:
    """The engine, loaded into this process; InputError where a file of the run is missing."""
    kind = engine_named(name)
    require_files(root, kind)
    return kind.load(root)


def require_files(root: Path, kind: EngineKind) -> None:
    """InputError where a file is missing that the engine reads."""
    for file in kind.files:
        if not (root / file).exists():
            raise InputError(
                f"{root / file}: is missing, which engine '{kind.name}' reads; finish the run "
                "with: naetrigger run"
            )


def answer_here(root: Path, name: str, question: str, inputs: Integers) -> dict[str, Scores]:
    """Load the engine in this process and ask it for 'scores', 'decisions' or its 'trace'."""
    engine: Any = load_engine(root, name)
    if question == "trace":
        return dict(engine.trace(inputs))
    if question == "decisions":
        return {"decisions": engine.decisions(inputs)}
    return {"scores": engine.scores(inputs)}


def _answer(root: Path, name: str, question: str, inputs: Integers) -> dict[str, Scores]:
    if engine_named(name).isolated:
        return _answer_apart(root, name, question, inputs)
    return answer_here(root, name, question, inputs)


WORKER_ERRORS: dict[int, type[NaetriggerError]] = {
    1: AgreementError,
    2: InputError,
    3: EnvironmentProblem,
}
"""What an exit status that comes from another process stands for."""


def _answer_apart(root: Path, name: str, question: str, inputs: Integers) -> dict[str, Scores]:
    """Ask an engine in a new process; arrays pass through .npz files without pickles."""
    with tempfile.TemporaryDirectory(prefix="naetrigger-") as folder:
        asked, answered = Path(folder) / "inputs.npy", Path(folder) / "answer.npz"
        np.save(asked, inputs, allow_pickle=False)
        module = "naetrigger.pipeline.engine_worker"
        command = [sys.executable, "-m", module, str(root), name, question]
        done = subprocess.run(
            [*command, str(asked), str(answered)],
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode != 0:
            raise _worker_error(name, done.returncode, done.stdout.strip(), done.stderr.strip())
        with np.load(answered, allow_pickle=False) as arrays:
            return {key: arrays[key] for key in arrays.files}


def _worker_error(name: str, status: int, said: str, errors: str) -> NaetriggerError:
    """What a worker said on standard output; a crash says nothing there."""
    if said:
        return WORKER_ERRORS.get(status, EnvironmentProblem)(f"engine {name}: {said}")
    return EnvironmentProblem(
        f"engine {name}: its process ended with status {status}:\n{errors[-2000:]}"
    )


@dataclass(frozen=True)
class _RealInputs:
    """Feeds an engine that takes the real numbers that input mantissas stand for."""

    real: Callable[[Integers], npt.NDArray[np.float64]]
    engine: Any

    def scores(self, inputs: Integers) -> Scores:
        parts = [
            np.asarray(self.engine.scores(self.real(inputs[start : start + CHUNK])))
            for start in range(0, max(len(inputs), 1), CHUNK)
        ]
        return np.concatenate(parts)

    def decisions(self, inputs: Integers) -> Integers:
        bits: Integers = self.engine.decisions(self.real(inputs))
        return bits

    def trace(self, inputs: Integers) -> Mapping[str, Integers]:
        traced: Mapping[str, Integers] = self.engine.trace(self.real(inputs))
        return traced


def _fed_with_real(root: Path, engine: Any, model: str = "student") -> Engine:
    return _RealInputs(spec_of(root, model).fixed.real, engine)


@dataclass(frozen=True)
class _TorchModel:
    model: Any

    def scores(self, inputs: npt.NDArray[np.float64]) -> Scores:
        import torch

        from naetrigger.training.threads import torch_threads

        x = torch.from_numpy(inputs.astype(np.float32))
        with torch_threads(1):  # the same scores on every machine of a kind
            return np.asarray(self.model.scores(x).numpy(), dtype=np.float64)


def torch_model(root: Path, folder: Path, stem: str = "teacher") -> Engine:
    """A float model that lies in `folder` and has the inputs of the run's teacher."""
    from naetrigger.training.teacher import load_teacher

    return _fed_with_real(root, _TorchModel(load_teacher(folder, stem)), "teacher")


def _torch(root: Path) -> Engine:
    return torch_model(root, root / "training")


def _torch_baseline(root: Path) -> Engine:
    return torch_model(root, root / "training", "baseline_ae")


def _onnx(root: Path) -> Engine:
    from naetrigger.export.onnx_engines import OnnxModel

    return _fed_with_real(root, OnnxModel(root / "export" / "onnx" / "teacher.onnx"), "teacher")


def _qcdq(root: Path) -> Engine:
    from naetrigger.export.onnx_engines import QcdqModel

    return _fed_with_real(root, QcdqModel(root / "export" / "onnx" / "student_qcdq.onnx"))


def _qonnx(root: Path) -> Engine:
    from naetrigger.export.onnx_engines import QonnxModel

    return _fed_with_real(root, QonnxModel(root / "export" / "onnx" / "student_qonnx.onnx"))


def _network(root: Path) -> Engine:
    from naetrigger.contracts.network_file import load_network

    return load_network(root / "export" / "network")


def _qkeras(root: Path) -> Engine:
    from naetrigger.export.qkeras_student import load_student

    return load_student(root / "student")


def _hls_in(folder: str) -> Callable[[Path], Engine]:
    def load(root: Path) -> Engine:
        from naetrigger.export.hls_library import HlsLibrary

        return _fed_with_real(root, HlsLibrary(root / "export" / folder))

    return load


def _further_hls(backend: str) -> EngineKind:
    """The engine of one of the recipe's `firmware.hls_backends`."""
    folder = f"hls_{backend.lower()}"
    return EngineKind(
        name=folder,
        model="student",
        description=f"hls4ml's C++ for {backend}, where the recipe asks for it too",
        files=(f"export/{folder}/hls.json", f"export/{folder}/emulation.cpp", INPUT_SPEC),
        load=_hls_in(folder),
        traces=True,
        decides=True,
        slow=True,
    )


def _rtl(root: Path) -> Engine:
    from naetrigger.export.rtl import RtlModel

    return RtlModel(root / "export" / "rtl")


EMULATED_HLS = ("Vitis", "Vivado", "VivadoAccelerator", "Quartus", "Catapult")


def _rtlsim(root: Path) -> Engine:
    from naetrigger.export.rtl_simulation import RtlSimulation

    return RtlSimulation(root / "export" / "rtl")


_NETWORK = ("export/network/network.json", "export/network/network.npz")

ENGINES: dict[str, EngineKind] = {
    kind.name: kind
    for kind in (
        EngineKind(
            name="torch",
            model="teacher",
            description="the trained float model in PyTorch",
            files=("training/teacher.json", "training/teacher.safetensors", INPUT_SPEC),
            load=_torch,
        ),
        EngineKind(
            name="onnx",
            model="teacher",
            description="the float model in onnxruntime",
            files=("export/onnx/teacher.onnx", INPUT_SPEC),
            load=_onnx,
        ),
        EngineKind(
            name="network",
            model="student",
            description="the fixed-point network in pure integers, the reference",
            files=_NETWORK,
            load=_network,
            traces=True,
            decides=True,
        ),
        EngineKind(
            name="qkeras",
            model="student",
            description="the student in QKeras, as it was trained",
            files=("student/student.json", "student/student.safetensors"),
            load=_qkeras,
            isolated=True,
            traces=True,
        ),
        EngineKind(
            name="qcdq",
            model="student",
            description="the student as QCDQ ONNX in onnxruntime",
            files=("export/onnx/student_qcdq.onnx", INPUT_SPEC),
            load=_qcdq,
            traces=True,
            decides=True,
        ),
        EngineKind(
            name="qonnx",
            model="student",
            description="the student as QONNX in the qonnx package",
            files=("export/onnx/student_qonnx.onnx", INPUT_SPEC),
            load=_qonnx,
            traces=True,
            max_events=2000,
            slow=True,
            decides=True,
        ),
        EngineKind(
            name="hls",
            model="student",
            description="hls4ml's C++ with ap_fixed types, compiled",
            files=("export/hls/hls.json", "export/hls/emulation.cpp", INPUT_SPEC),
            load=_hls_in("hls"),
            traces=True,
            decides=True,
            slow=True,
        ),
        EngineKind(
            name="rtl",
            model="student",
            description="the RTL's logic, by alkaid's bit-exact emulator",
            files=("export/rtl/rtl.json", "export/rtl/logic.json"),
            load=_rtl,
            decides=True,
        ),
        EngineKind(
            name="rtlsim",
            model="student",
            description="the Verilog itself in Verilator, one event on every clock",
            files=("export/rtl/rtl.json", "export/rtl/simulation/simulation.json"),
            load=_rtlsim,
            decides=True,
        ),
        *map(_further_hls, EMULATED_HLS),
    )
}

BASELINES: dict[str, EngineKind] = {
    "baseline_ae": EngineKind(
        name="baseline_ae",
        model="teacher",
        description="the plain autoencoder trained beside the teacher",
        files=("training/baseline_ae.json", "training/baseline_ae.safetensors", INPUT_SPEC),
        load=_torch_baseline,
    )
}
