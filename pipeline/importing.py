"""`naetrigger import`: a foreign model as a network, every target of it, all proved equal.

The folder holds ``network/``, ``hls/``, ``rtl/``, ``onnx/``, ``vectors.npz``, ``board.yaml``,
``agreement.json`` and ``import.json`` (what was read, by its sha256). It is written whole or not at
all; nothing is written before every width is proved.
"""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from naetrigger.contracts.errors import EnvironmentProblem, InputError
from naetrigger.contracts.fixed_point import Fixed, Integers
from naetrigger.contracts.manifest import sha256_of
from naetrigger.contracts.network import FixedPointNetwork
from naetrigger.contracts.network_file import save_network
from naetrigger.contracts.regular_file import require_regular
from naetrigger.contracts.version import __version__
from naetrigger.export.import_draft import ImportedModel
from naetrigger.export.settings import FirmwareSettings
from naetrigger.firmware_configs.board import Board, load_board
from naetrigger.firmware_configs.feature import Feature
from naetrigger.firmware_configs.input_spec import InputSpec

log = logging.getLogger(__name__)

TARGETS = ("rtl", "rtlsim", "hls", "onnx")


@dataclass(frozen=True)
class ImportOptions:
    """How a model is read, where its file does not say it.

    input_type : the format of its inputs
    score : what the score is; see export/import_score.py
    wraps : take formats that overflow and wrap as they are
    """

    input_type: Fixed | None = None
    score: str | None = None
    wraps: bool = False


def read_model(path: Path, options: ImportOptions) -> ImportedModel:
    """The model in a file or a project folder, by what it is; InputError names the file."""
    try:
        return _read(path, options)
    except InputError as error:
        raise error if str(path) in str(error) else InputError(f"{path}: {error}") from error


def _read(path: Path, options: ImportOptions) -> ImportedModel:
    if path.is_dir():
        from naetrigger.export.import_hls4ml import read_hls4ml

        return read_hls4ml(path, options.score, wraps=options.wraps)
    require_regular(path)
    if path.suffix in (".h5", ".hdf5", ".keras"):
        from naetrigger.export.import_qkeras import read_qkeras

        return read_qkeras(path, options.input_type, options.score)
    if path.suffix == ".onnx":
        from naetrigger.export.import_qonnx import read_qonnx

        return read_qonnx(path, options.input_type, options.score)
    raise InputError(
        f"{path}: is of no kind that is read: a QKeras model (.h5), a QONNX file (.onnx), an "
        "hls4ml project folder, or for RTL alone an alkaid model (.json, .json.gz)"
    )


def import_model(
    path: Path,
    out: Path,
    options: ImportOptions,
    settings: FirmwareSettings,
    targets: Sequence[str] = TARGETS,
    say: Callable[[str], None] = log.info,
) -> dict[str, Any]:
    """Read, write, compare; what was done, as JSON values.

    Raises InputError, before anything is written, for what cannot be read or proved, and
    AgreementError where two engines differ.
    """
    if out.exists():
        raise InputError(f"{out}: is there already; choose another --out")
    alkaid = path.is_file() and path.name.endswith((".json", ".json.gz"))
    board = load_board(settings.board)
    out.parent.mkdir(parents=True, exist_ok=True)
    model = None if alkaid else read_model(path, options)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as work:
        folder = Path(work) / "import"
        folder.mkdir()
        if model is None:
            from naetrigger.export.import_alkaid import write_alkaid

            done = write_alkaid(path, folder / "rtl", board, settings)
        else:
            done = _write_targets(model, folder, board, settings, targets, say)
        record = {
            "naetrigger": __version__,
            "source": path.name,
            "sha256": sha256_of(path) if path.is_file() else None,
            **done,
        }
        _write_json(folder / "import.json", record)
        text = yaml.safe_dump(board.model_dump(mode="json"), sort_keys=False, width=100)
        (folder / "board.yaml").write_text(text, encoding="utf-8")
        shutil.move(folder, out)
    return record


def _write_targets(
    model: ImportedModel,
    folder: Path,
    board: Board,
    settings: FirmwareSettings,
    targets: Sequence[str],
    say: Callable[[str], None],
) -> dict[str, Any]:
    from naetrigger.export.vectors import agreement_vectors
    from naetrigger.validation.agreement import require_agreement

    network = model.network
    save_network(network, folder / "network")
    vectors = agreement_vectors(network, settings.vectors, np.random.default_rng(0))
    scores: dict[str, Integers] = {"network": network.scores(vectors)}
    np.savez(folder / "vectors.npz", inputs=vectors, scores=scores["network"])
    refused: dict[str, str] = {}
    engines: dict[str, Any] = {"network": network}
    for target in _in_order(targets):
        say(f"import: {target}")
        try:
            made = _WRITERS[target](network, folder, board, settings, vectors)
        except (InputError, EnvironmentProblem) as error:  # this target cannot; others may
            refused[target] = str(error)
            shutil.rmtree(folder / _FOLDERS[target], ignore_errors=True)
            say(f"import: {target} is left out: {error}")
            continue
        for name, engine in made.items():
            engines[name] = engine
            scores[name] = engine.scores(vectors)

    if len(scores) == 1:
        reasons = "; ".join(f"{target}: {why}" for target, why in refused.items())
        raise InputError(f"no target can have this model: {reasons}")

    def trace_of(name: str, rows: Any) -> Mapping[str, Integers]:
        if hasattr(engines[name], "trace"):
            traced: Mapping[str, Integers] = engines[name].trace(vectors[rows])
            return traced
        return {network.output: scores[name][rows][:, None]}

    pairs = [pair.model_dump(mode="json") for pair in require_agreement(scores, trace_of)]
    _write_json(folder / "agreement.json", pairs)
    return {
        "inputs": {"shape": list(network.input.dims), "type": str(network.input.type)},
        "outputs": {"node": model.outputs, "size": network[model.outputs].size},
        "score": {"type": str(network.score_type), "scale": network.score_scale},
        "nodes": len(network.nodes),
        "engines": list(scores),
        "refused": refused,
    }


def _in_order(targets: Sequence[str]) -> list[str]:
    """Targets in the order of TARGETS; a simulation needs the RTL that it simulates."""
    wanted = {*targets, *(("rtl",) if "rtlsim" in targets else ())}
    return [target for target in TARGETS if target in wanted]


@dataclass(frozen=True)
class _Real:
    """An engine that takes real inputs, given mantissas."""

    type: Fixed
    engine: Any

    def scores(self, inputs: Integers) -> Integers:
        scores: Integers = self.engine.scores(self.type.real(inputs))
        return scores

    def trace(self, inputs: Integers) -> Mapping[str, Integers]:
        traced: Mapping[str, Integers] = self.engine.trace(self.type.real(inputs))
        return traced


def _rtl(
    network: FixedPointNetwork,
    folder: Path,
    board: Board,
    settings: FirmwareSettings,
    vectors: Integers,
) -> dict[str, Any]:
    from naetrigger.export.rtl import RtlModel, write_rtl

    write_rtl(network, folder / "rtl", board, settings)
    return {"rtl": RtlModel(folder / "rtl")}


def _rtlsim(
    network: FixedPointNetwork,
    folder: Path,
    board: Board,
    settings: FirmwareSettings,
    vectors: Integers,
) -> dict[str, Any]:
    from naetrigger.export.rtl_simulation import RtlSimulation, build_simulation

    if not (folder / "rtl").is_dir():
        raise InputError("rtlsim: there is no RTL to simulate")
    build_simulation(folder / "rtl", settings.compiler)
    return {"rtlsim": RtlSimulation(folder / "rtl")}


def _hls(
    network: FixedPointNetwork,
    folder: Path,
    board: Board,
    settings: FirmwareSettings,
    vectors: Integers,
) -> dict[str, Any]:
    from naetrigger.export.hls import HlsLibrary, compile_library, write_hls

    write_hls(network, folder / "hls", board, settings, vectors)
    compile_library(folder / "hls", settings.compiler)
    return {"hls": _Real(network.input.type, HlsLibrary(folder / "hls"))}


def _onnx(
    network: FixedPointNetwork,
    folder: Path,
    board: Board,
    settings: FirmwareSettings,
    vectors: Integers,
) -> dict[str, Any]:
    from naetrigger.export.onnx_engines import QcdqModel
    from naetrigger.export.onnx_fixed import write_qcdq, write_qonnx

    spec = plain_spec(network)
    path = folder / "onnx" / "student_qcdq.onnx"
    write_qcdq(path, network, spec)
    write_qonnx(path.with_name("student_qonnx.onnx"), network, spec)
    return {"qcdq": _Real(network.input.type, QcdqModel(path))}


def plain_spec(network: FixedPointNetwork) -> InputSpec:
    """An input spec that changes nothing: x0, x1 ... as they are, in the network's format."""
    return InputSpec(
        name="imported",
        description="the imported model's own inputs",
        type=str(network.input.type),
        source="the imported model",
        features=tuple(
            Feature(name=f"x{i}", offset=0.0, shift=0) for i in range(network.input.size)
        ),
    )


_WRITERS: dict[str, Callable[..., dict[str, Any]]] = {
    "rtl": _rtl,
    "rtlsim": _rtlsim,
    "hls": _hls,
    "onnx": _onnx,
}
_FOLDERS = {"rtl": "rtl", "rtlsim": "rtl/simulation", "hls": "hls", "onnx": "onnx"}


def _write_json(path: Path, document: Any) -> None:
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
