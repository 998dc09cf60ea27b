"""The emulator package: a folder that an experiment's software builds and loads.

    write_package(network, spec, folder, settings, ...)

Sources of the network, the headers they include, scales, interface, test vectors with expected
scores, thresholds, Makefiles, README, licences and a sha256 manifest. Everything is generated;
nothing in it is typed again by hand. The interface and the names are those that the CMS Global
Trigger's emulation loads (docs/emulator.md).
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from naetrigger.contracts.decision import without_decision
from naetrigger.contracts.errors import InputError
from naetrigger.contracts.fixed_point import Fixed, Integers, Overflow, parse_fixed
from naetrigger.contracts.network import FixedPointNetwork
from naetrigger.export import emulator_sources as sources
from naetrigger.export.emulator_headers import included_files
from naetrigger.export.emulator_scales import Scales, scales_of, words_of
from naetrigger.export.hls import write_hls
from naetrigger.export.reserved_words import CPP
from naetrigger.export.settings import FirmwareSettings
from naetrigger.firmware_configs.board import Board
from naetrigger.firmware_configs.input_spec import InputSpec

MANIFEST = "MANIFEST.sha256"
VECTORS = "test_vectors.txt"
MAX_NAME = 41
AP_TYPES = "extras/include/ap_types"
GENERATED = "nnet_code_gen.h"  # lies beside hls4ml's headers, and is of this network
_GUARD = re.compile(r"^(\s*#\s*(?:ifndef|define)\s+)(\w+_H_)[ \t]*$", re.MULTILINE)


@dataclass(frozen=True)
class PackageSettings:
    """How a package and what is in it are called.

    namespace : default hls4ml_NAME_vN, in small letters
    input_type : of the values handed over; default the Global Trigger's ap_fixed<18,13>
    loss_type : of the score as the second of the pair; default the score's, unsigned
    """

    name: str
    version: int = 1
    namespace: str | None = None
    input_type: str | None = None
    loss_type: str | None = None

    @property
    def model(self) -> str:
        return f"{self.name}_v{self.version}"


def write_package(
    network: FixedPointNetwork,
    spec: InputSpec,
    folder: Path,
    settings: PackageSettings,
    board: Board,
    *,
    events: Integers,
    thresholds: Mapping[str, Any],
    vectors: int = 10_000,
    seed: int = 0,
) -> list[str]:
    """Write the package into the new folder `folder`, whole or not at all.

    Returns what the caller does to an event's values before it hands them over, step by step.

    events : features of real events after the spec's steps, shape (N, F); half of the vectors
    thresholds : what thresholds.json says
    """
    network = without_decision(network)
    emulator = _emulator(network, spec, settings)
    if folder.exists():
        raise InputError(f"{folder}: is there already; a package is written into a new folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    x = vector_inputs(spec, emulator.scales, events, vectors, np.random.default_rng(seed))
    words = words_of(spec, emulator.scales, x)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as work:
        package, project = Path(work) / "package", Path(work) / "hls"
        # NAME_vN is a name in C++ whatever NAME is; no HDL is written, whose words settings refuse
        firmware = FirmwareSettings().model_copy(update={"project": emulator.model})
        write_hls(network, project, board, firmware, words[:16], backend="Vitis", trace=False)
        _copy_network(project, package, emulator)
        _write_texts(package, emulator, spec)
        text = json.dumps(dict(thresholds), indent=1) + "\n"
        (package / emulator.model / "thresholds.json").write_text(text, encoding="utf-8")
        _write_vectors(package / VECTORS, x, network.scores(words), spec)
        write_manifest(package)
        package.rename(folder)
    return sources.callers_steps(emulator.scales, spec)


def vector_inputs(
    spec: InputSpec, scales: Scales, events: Integers, n: int, rng: np.random.Generator
) -> Integers:
    """`n` rows of x, (n, F): the ends of every range, up to half real events, uniform words."""
    low, high = np.array(scales.low), np.array(scales.high)
    ends = np.stack([low, high, np.clip(0, low, high), (low + high) // 2])
    real = np.asarray(events, np.int64) if scales.hardware else spec.fixed.mantissas(events)
    real = np.clip(real, low, high)[: n // 2]
    rest = max(n - len(ends) - len(real), 0)
    drawn = rng.integers(low, high, size=(rest, len(low)), endpoint=True)
    return np.concatenate([ends, real, drawn])[:n].astype(np.int64)


def write_manifest(folder: Path) -> None:
    """MANIFEST.sha256 of every file below a folder, as `sha256sum -c` reads it."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder).as_posix()}\n"
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    ]
    (folder / MANIFEST).write_text("".join(lines), encoding="utf-8")


def _emulator(
    network: FixedPointNetwork, spec: InputSpec, settings: PackageSettings
) -> sources.Emulator:
    if settings.version < 0:
        raise InputError(f"package: version {settings.version} must not be negative")
    namespace = settings.namespace or f"hls4ml_{settings.model.lower()}"
    for what, text in (("name", settings.name), ("namespace", namespace)):
        if not re.fullmatch(rf"[A-Za-z][A-Za-z0-9_]{{0,{MAX_NAME - 1}}}", text):
            raise InputError(
                f"package: {what} '{text}' must be at most {MAX_NAME} letters, digits and _, "
                "a letter first"
            )
    if namespace in CPP.split():
        raise InputError(f"package: namespace '{namespace}' must be no word of C++")
    if len(spec.features) != network.input.size or spec.fixed != network.input.type:
        raise InputError(
            f"package: the network takes {network.input.size} inputs of {network.input.type}, "
            f"input spec {spec.name} has {len(spec.features)} of {spec.fixed}"
        )
    return sources.Emulator(
        name=settings.name,
        version=settings.version,
        namespace=namespace,
        n_in=network.input.size,
        scales=scales_of(spec, settings.input_type),
        result=network.score_type,
        loss=_loss_type(network.score_type, settings.loss_type),
    )


def _loss_type(score: Fixed, text: str | None) -> Fixed:
    if text is None:
        signed = score.min_mantissa < 0
        return Fixed(signed, score.width, score.integer, overflow=Overflow.WRAP)
    try:
        fixed = parse_fixed(text)
    except ValueError as error:
        raise InputError(f"package: loss type {text}: {error}") from error
    if not fixed.holds(score.min_mantissa, score.max_mantissa, score.fraction):
        raise InputError(f"package: loss type {fixed} does not hold every score of {score}")
    return fixed


def _copy_network(project: Path, package: Path, of: sources.Emulator) -> None:
    """The network's sources and what they include, in the package's namespace."""
    firmware = (project / "firmware").resolve()
    types = firmware / "ap_types"
    for path in included_files(firmware / f"{of.model}.cpp", (firmware, types)):
        is_type = path.is_relative_to(types)
        base = package / AP_TYPES if is_type else package / of.model / "NN"
        target = base / path.relative_to(types if is_type else firmware)
        target.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text(encoding="utf-8")
        if not is_type and (path.parent.name != "nnet_utils" or path.name == GENERATED):
            text = text.replace(f"naetrigger_{of.model}", of.namespace)
            # two versions may be included into one source: hls4ml guards every network alike
            text = _GUARD.sub(rf"\1{of.model.upper()}_\2", text)
        target.write_text(text, encoding="utf-8")
    licenses = package / "LICENSES"
    licenses.mkdir()
    shutil.copy(project / "LICENSE-hls4ml.txt", licenses / "LICENSE-hls4ml.txt")


def _write_texts(package: Path, of: sources.Emulator, spec: InputSpec) -> None:
    interface = package / "extras" / "include" / "hls4ml"
    interface.mkdir(parents=True)
    version = package / of.model
    texts = {
        interface / "emulator.h": sources.interface_header(),
        version / "scales.h": sources.scales_header(of),
        version / f"{of.name}_emulator_v{of.version}.cpp": sources.emulator_source(of),
        version / "Makefile": sources.version_makefile(of),
        package / "Makefile": sources.root_makefile(of),
        package / "test.cpp": sources.test_source(of),
        package / "README.md": sources.readme(of, spec),
        package / "LICENSES" / "README.md": _LICENSES,
    }
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")


def _write_vectors(path: Path, x: Integers, scores: Integers, spec: InputSpec) -> None:
    """One event a line: its integers by input, then the score's."""
    lines = (" ".join(map(str, row)) for row in np.column_stack([x, scores]).tolist())
    head = f"# inputs of {spec.name}, then the score's integer\n"
    path.write_text(head + "".join(f"{line}\n" for line in lines), encoding="utf-8")


_LICENSES = """\
| files | from | licence |
|---|---|---|
| `*_v*/NN/nnet_utils/` | hls4ml | Apache-2.0: `LICENSE-hls4ml.txt` |
| `extras/include/ap_types/` | AMD (Xilinx) HLS_arbitrary_Precision_Types | Apache-2.0: in each \
file; the text is that of `LICENSE-hls4ml.txt` |
| all others | generated | free to use |
"""
