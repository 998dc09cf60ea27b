"""The emulation library of an HLS project: compiled by g++, loaded by ctypes, run in batches.

Needs the project's folder and a C++ compiler, neither hls4ml nor tensorflow. The library's name
carries the sha256 of the sources it was made from, so a project edited since is noticed.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from naetrigger.contracts.errors import AgreementError, EnvironmentProblem, InputError
from naetrigger.contracts.fixed_point import Fixed, Floats, Integers, parse_fixed

FORMAT = "naetrigger-hls"
VERSION = 1
NAME = "hls.json"
LOG = "compile.log"
SOURCE = "emulation.cpp"
FLAGS = ("-std=c++17", "-O2", "-fPIC", "-shared", "-fno-gnu-unique", "-w", "-Ifirmware/ap_types")
TRACE_BITS = 53
INCLUDES: dict[str, tuple[str, ...]] = {
    "Quartus": ("-Ifirmware/ac_types",),
    "Catapult": tuple(
        f"-Ifirmware/{name}"
        for name in ("ac_types/include", "ac_math/include", "ac_simutils/include", "nnet_utils")
    ),
}
"""What else a back end's sources include from."""


def compile_library(folder: Path, compiler: str = "g++") -> Path:
    """Compile a project's emulation; the path of the library, `folder`/NAME-DIGEST.so.

    Does nothing if the library of these very sources is there. The compiler's full output goes
    to `folder`/compile.log. Raises EnvironmentProblem without a compiler or when it fails.
    """
    record = read_record(folder)
    if not (folder / SOURCE).exists():
        raise EnvironmentProblem(f"{folder}: {record.get('emulation', 'has no emulation')}")
    library = _library_path(folder, record)
    if library.exists():
        return library
    found = shutil.which(compiler)
    if found is None:
        raise EnvironmentProblem(
            f"the C++ compiler '{compiler}' is not on PATH; the HLS emulation needs one "
            "(Debian, Ubuntu: apt install g++)"
        )
    partial = f"{library.name}.partial"
    done = subprocess.run(
        [found, *_flags(record), SOURCE, "-o", partial],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    (folder / LOG).write_text(done.stdout, encoding="utf-8")
    if done.returncode != 0:
        (folder / partial).unlink(missing_ok=True)
        errors = [line for line in done.stdout.splitlines() if "error" in line.lower()]
        shown = "\n  ".join((errors or done.stdout.splitlines())[:3])
        raise EnvironmentProblem(
            f"{folder}: {compiler} failed with status {done.returncode}:\n  {shown}\n"
            f"all it said is in {folder / LOG}"
        )
    for old in folder.glob(f"{record['project']}-*.so"):
        old.unlink()
    os.replace(folder / partial, library)
    return library


@dataclass(frozen=True)
class _Layer:
    name: str
    size: int
    type: Fixed


class HlsLibrary:
    """A compiled project: real inputs in, score mantissas out.

    Inputs are the real numbers that input mantissas stand for (InputSpec.inputs); others are
    rounded and saturated by the project's own input type.
    """

    def __init__(self, folder: Path) -> None:
        record = read_record(folder)
        self.folder = folder
        try:
            self.features = int(record["input"]["size"])
            self.input_type = parse_fixed(record["input"]["type"])
            self.score_type = parse_fixed(record["score"]["type"])
            self.layers = tuple(
                _Layer(str(e["name"]), int(e["size"]), parse_fixed(e["type"]))
                for e in record["layers"]
            )
            project = str(record["project"])
            decision = record.get("decision") or {"thresholds": []}
            self.thresholds = tuple(int(level) for level in decision["thresholds"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{folder / NAME}: not a readable record ({error!r})") from error
        path = _library_path(folder, record)
        if not path.exists():
            others = list(folder.glob(f"{project}-*.so"))
            state = "edited after it was compiled" if others else "not compiled"
            raise InputError(f"{folder}: the HLS project is {state}; compile it (again)")
        try:
            library = ctypes.CDLL(str(path.resolve()))
            self._scores, self._trace = (
                getattr(library, f"{project}_scores"),
                getattr(library, f"{project}_trace"),
            )
        except (OSError, AttributeError) as error:
            raise EnvironmentProblem(
                f"{path}: cannot be loaded here ({error}); delete it and compile again"
            ) from error
        self._scores.restype = self._trace.restype = None
        self._decisions, self._set_thresholds = (
            getattr(library, f"{project}_{name}", None) for name in ("decisions", "set_thresholds")
        )

    def scores(self, inputs: Floats) -> Integers:
        """Score mantissas, shape (N,), for real inputs of shape (N, F)."""
        inputs = self._checked(inputs)
        scores = np.empty(len(inputs), np.float64)
        self._scores(_pointer(inputs), _pointer(scores), ctypes.c_size_t(len(inputs)))
        return _score_mantissas(scores, self.score_type)

    def decisions(self, inputs: Floats, thresholds: Sequence[int] | None = None) -> Integers:
        """Bits of the decision, shape (N, K); InputError for a project that decides nothing.

        thresholds : what the registers hold; default those that the project was written with
        """
        if self._decisions is None:
            raise InputError(f"{self.folder}: this project gives no bits of a decision")
        if thresholds is not None and self._set_thresholds is None:
            raise InputError("hls: the thresholds are constants; write it with decision.registers")
        levels = np.array(self.thresholds if thresholds is None else thresholds, np.float64)
        if len(levels) != len(self.thresholds):
            raise InputError(f"hls: {len(self.thresholds)} thresholds, not {len(levels)}")
        if self._set_thresholds is not None:
            self._set_thresholds(_pointer(levels))
        inputs = self._checked(inputs)
        bits = np.empty((len(inputs), len(self.thresholds)), np.float64)
        self._decisions(_pointer(inputs), _pointer(bits), ctypes.c_size_t(len(inputs)))
        return bits.astype(np.int64)

    def trace(self, inputs: Floats) -> dict[str, Integers]:
        """Mantissas that left every layer, by the network's node names, each (N, size).

        Nodes without a layer of their own (the input, a cast that changes nothing) and edges
        wider than 53 bits are left out.
        """
        inputs = self._checked(inputs)
        n = len(self.layers)
        outputs = [np.zeros((len(inputs), layer.size), np.float64) for layer in self.layers]
        scores = np.empty(len(inputs), np.float64)
        self._trace(
            _pointer(inputs),
            _pointer(scores),
            ctypes.c_size_t(len(inputs)),
            ctypes.c_size_t(n),
            (ctypes.c_char_p * n)(*(layer.name.encode() for layer in self.layers)),
            (ctypes.c_size_t * n)(*(layer.size for layer in self.layers)),
            (ctypes.POINTER(ctypes.c_double) * n)(*(_pointer(out) for out in outputs)),
        )
        return {
            layer.name: _mantissas(output, layer.type)
            for layer, output in zip(self.layers, outputs, strict=True)
            if layer.type.width <= TRACE_BITS
        }

    def _checked(self, inputs: Floats) -> Floats:
        inputs = np.ascontiguousarray(inputs, dtype=np.float64)
        if inputs.ndim != 2 or inputs.shape[1] != self.features:
            raise InputError(f"hls: inputs must have shape (N, {self.features}): {inputs.shape}")
        return inputs


def _flags(record: dict[str, Any]) -> tuple[str, ...]:
    return FLAGS + INCLUDES.get(record.get("backend", ""), ())


def _library_path(folder: Path, record: dict[str, Any]) -> Path:
    """Where the library of the sources as they are now belongs."""
    sources = [folder / SOURCE]
    sources += sorted(path for path in (folder / "firmware").rglob("*") if path.is_file())
    digest = hashlib.sha256(" ".join(_flags(record)).encode())
    for path in sources:
        if path.suffix != ".so":
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
            digest.update(path.read_bytes())
    return folder / f"{record['project']}-{digest.hexdigest()[:16]}.so"


def read_record(folder: Path) -> dict[str, Any]:
    """hls.json of a project; InputError for anything else."""
    path = folder / NAME
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["format"] != FORMAT or record["version"] != VERSION:
            raise InputError(
                f"{path}: expected {FORMAT} version {VERSION}, got {record['format']} "
                f"version {record['version']}"
            )
        if not str(record["project"]).isidentifier():
            raise InputError(f"{path}: '{record['project']}' is no project name")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not the record of an HLS project ({error!r})") from error
    return dict(record)


def _pointer(array: Floats) -> Any:
    return array.ctypes.data_as(ctypes.POINTER(ctypes.c_double))


def _mantissas(values: Floats, fixed: Fixed) -> Any:
    """Integers; floats where an edited project has layers of another format than hls.json says."""
    exact = np.ldexp(values, fixed.fraction)
    mantissas = exact.astype(np.int64)
    return mantissas if np.array_equal(mantissas, exact) else exact


def _score_mantissas(scores: Floats, fixed: Fixed) -> Integers:
    """Integers; AgreementError for scores that the format of hls.json does not hold."""
    mantissas = _mantissas(scores, fixed)
    if mantissas.dtype != np.int64:
        row = int(np.flatnonzero(mantissas != np.floor(mantissas))[0])
        raise AgreementError(
            f"hls: the score of row {row} is {mantissas[row]:g} steps of {fixed}, which hls.json "
            "says it has: the project's score type was edited; write the project anew"
        )
    return np.asarray(mantissas, np.int64)
