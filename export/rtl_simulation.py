"""The written Verilog itself, cycle by cycle: Verilated, compiled, loaded by ctypes.

    build_simulation(folder)              compile the Verilog of an RTL project; measure its latency
    RtlSimulation(folder).scores(words)   one event enters on every clock, back to back

A project is `rtl/` of an export; the simulation lies in its folder `simulation/`. The library's
name carries the sha256 of the Verilog and of the driver, so that an edited project is noticed.
The registers hold random bits when a simulation begins, as they may in hardware.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from naetrigger.contracts.errors import AgreementError, EnvironmentProblem, InputError
from naetrigger.contracts.fixed_point import Fixed, Integers, parse_fixed
from naetrigger.contracts.whole_file import whole_file
from naetrigger.export.rtl import read_record
from naetrigger.export.rtl_driver import Word, driver
from naetrigger.export.verilator import (
    COMPILE,
    OPTIMIZE,
    TRANSLATE,
    Simulated,
    build,
    require_verilator,
)

FORMAT = "naetrigger-rtl-simulation"
VERSION = 1
FOLDER = "simulation"
NAME = "simulation.json"
LOG = "compile.log"
CHUNK = 65536
CANDIDATES = 64  # events tried until one has another output than zeros


@dataclass(frozen=True)
class Ports:
    """What the design's two ports hold, lowest bits first."""

    inputs: tuple[Word, ...]
    outputs: tuple[Word, ...]


def build_simulation(folder: Path, compiler: str = "g++") -> Path:
    """Compile the Verilog of an RTL project and measure its latency; the library's path.

    Does nothing if the library of these very sources is there. Raises AgreementError if the
    latency is not the one that rtl.json states, MissingExtra without Verilator, EnvironmentProblem
    without a C++ compiler.
    """
    record, library = read_record(folder), _library_path(folder)
    if library.exists() and (library.parent / NAME).exists():
        return library
    tool = require_verilator()
    if not library.exists():
        design = Simulated(verilog_sources(folder), str(record["project"]), _driver(record))
        for old in library.parent.glob("*.so"):
            old.unlink()
        build(tool, design, library, library.parent / LOG, compiler)
    latency = RtlSimulation(folder).measured_latency()
    stated = int(record["estimate"]["latency_cycles"])
    if latency is not None and latency != stated:
        library.unlink()
        raise AgreementError(
            f"{folder}: in simulation the score stands at the port {latency} clocks after its "
            f"event, and rtl.json says {stated}"
        )
    document = {
        "format": FORMAT,
        "version": VERSION,
        "verilator": tool.version,
        "latency_cycles": latency,
        "initiation_interval": 1,
    }
    with whole_file(library.parent / NAME) as path:
        path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return library


def was_simulated(folder: Path) -> bool:
    """Whether build_simulation has finished in this project."""
    return (folder / FOLDER / NAME).exists()


def read_latency(folder: Path) -> int | None:
    """Latency in cycles as build_simulation measured it; None: no event changes the output."""
    path = folder / FOLDER / NAME
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["format"] != FORMAT or document["version"] != VERSION:
            raise InputError(f"{path}: expected {FORMAT} version {VERSION}")
        latency = document["latency_cycles"]
        return None if latency is None else int(latency)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not the record of a simulation ({error!r})") from error


class RtlSimulation:
    """The Verilated design of an RTL project that build_simulation compiled.

    seed : of the bits that the registers begin with
    """

    def __init__(self, folder: Path, seed: int = 1) -> None:
        record, path = read_record(folder), _library_path(folder)
        if not path.exists():
            state = "edited since" if list(path.parent.glob("*.so")) else "not simulated yet"
            raise InputError(f"{folder}: the RTL is {state}; build its simulation (again)")
        self._ports = design_ports(record)
        self.features = int(record["input"]["size"])
        self.input_type = parse_fixed(record["input"]["type"])
        decision = record.get("decision") or {"thresholds": [], "registers": False}
        self.thresholds = tuple(int(level) for level in decision["thresholds"])
        self.registers = bool(decision["registers"])
        self.stated_latency = int(record["estimate"]["latency_cycles"])
        self._latency: int | None = None
        try:
            library = ctypes.CDLL(str(path.resolve()))
            self._clock = library.design_clock
            library.design_create.restype = ctypes.c_void_p
            self._design = ctypes.c_void_p(library.design_create(ctypes.c_int(seed)))
        except (OSError, AttributeError) as error:
            raise EnvironmentProblem(
                f"{path}: cannot be loaded here ({error}); delete it and build it again"
            ) from error
        self._clock.restype = library.design_destroy.restype = None
        weakref.finalize(self, library.design_destroy, self._design)

    @property
    def latency_cycles(self) -> int:
        """Clocks from the edge that takes an event to the one that gives its score; measured."""
        if self._latency is None:
            measured = self.measured_latency()
            self._latency = self.stated_latency if measured is None else measured
        return self._latency

    def scores(self, mantissas: Integers) -> Integers:
        """Score mantissas, shape (N,), for input mantissas of shape (N, F), one on every clock."""
        scores: Integers = self._outputs(mantissas, self.thresholds)[:, 0]
        return scores

    def decisions(self, mantissas: Integers, thresholds: Sequence[int] | None = None) -> Integers:
        """Bits of the decision, shape (N, K), for input mantissas of shape (N, F).

        thresholds : what the registers hold; default those that the network was written with
        """
        if thresholds is not None and not self.registers:
            raise InputError("rtlsim: the thresholds are constants of this design")
        levels = self.thresholds if thresholds is None else tuple(thresholds)
        if len(levels) != len(self.thresholds):
            raise InputError(f"rtlsim: {len(self.thresholds)} thresholds, not {len(levels)}")
        return self._outputs(mantissas, levels)[:, 1:]

    def clock(self, words: Integers) -> Integers:
        """What stands at the output port after each of N clock edges, shape (N, outputs).

        words : what stands at the input port at each edge, shape (N, inputs): the mantissas of an
            event, then the thresholds where they are registers. The design keeps its state.
        """
        words = np.ascontiguousarray(words, dtype=np.int64)
        if words.ndim != 2 or words.shape[1] != len(self._ports.inputs):
            raise InputError(f"rtlsim: words must have shape (N, {len(self._ports.inputs)})")
        outputs = np.empty((len(words), len(self._ports.outputs)), np.int64)
        self._clock(self._design, _pointer(words), _pointer(outputs), ctypes.c_size_t(len(words)))
        return outputs

    def measured_latency(self) -> int | None:
        """Clocks between an event and its output, from a single event in a stream of others.

        None where no event changes the output. Raises AgreementError if one event changes it on
        more than one clock: then the design is no pipeline of initiation interval 1.
        """
        horizon = 2 * self.stated_latency + 16
        rng = np.random.default_rng(1)
        low, high = self.input_type.min_mantissa, self.input_type.max_mantissa
        tried = rng.integers(low, high, (CANDIDATES, self.features), endpoint=True)
        tried[::2] = np.where(rng.random(self.features) < 0.5, low, high)  # corners too
        others = self._words(np.zeros((horizon, self.features), np.int64), self.thresholds)
        resting = self.clock(others)[-1]
        for event in self._words(tried, self.thresholds):
            seen = self.clock(np.vstack([event[None], others]))
            changed = np.flatnonzero((seen != resting).any(axis=1))
            if len(changed) > 1:
                raise AgreementError(f"rtlsim: one event changes the output on clocks {changed}")
            if len(changed):
                return int(changed[0])
        return None

    def _outputs(self, mantissas: Integers, thresholds: Sequence[int]) -> Integers:
        """The score and the bits of the decision of every event, shape (N, 1 + K)."""
        if np.asarray(mantissas).dtype.kind not in "iu":
            raise InputError("rtlsim: inputs must be integer mantissas")
        mantissas = np.asarray(mantissas, dtype=np.int64)
        if mantissas.ndim != 2 or mantissas.shape[1] != self.features:
            raise InputError(
                f"rtlsim: inputs must have shape (N, {self.features}): {mantissas.shape}"
            )
        if len(mantissas) == 0:
            return np.zeros((0, len(self._ports.outputs)), np.int64)
        words = self._words(mantissas, thresholds)
        last = np.repeat(words[-1:], self.latency_cycles, axis=0)  # pushes the last events out
        edges = len(words) + len(last)
        seen = [self.clock(words[i : i + CHUNK]) for i in range(0, len(words), CHUNK)]
        outputs: Integers = np.concatenate([*seen, self.clock(last)])
        return outputs[edges - len(words) :]

    def _words(self, mantissas: Integers, thresholds: Sequence[int]) -> Integers:
        if not self.registers:
            return mantissas
        levels = np.tile(np.array(thresholds, np.int64), (len(mantissas), 1))
        return np.hstack([mantissas, levels])


def design_ports(record: dict[str, Any]) -> Ports:
    """The words of the ports that rtl.json describes."""
    ports, input_type = record["ports"], parse_fixed(record["input"]["type"])
    score_type = parse_fixed(record["score"]["type"])
    bit = Fixed(False, 1, 1)

    def words(texts: list[str], kind: Fixed) -> tuple[Word, ...]:
        return tuple(Word(None if t == "none" else parse_fixed(t), kind) for t in texts)

    thresholds = words(ports.get("thresholds", []), score_type)
    decision = words(ports.get("decision", []), bit)
    return Ports(
        words(ports["inputs"], input_type) + thresholds,
        words([ports["score"]], score_type) + decision,
    )


def _driver(record: dict[str, Any]) -> str:
    ports = design_ports(record)
    return driver(ports.inputs, ports.outputs)


def verilog_sources(folder: Path) -> tuple[Path, ...]:
    """The project's Verilog files."""
    sources = tuple(sorted((folder / "verilog" / "src").rglob("*.v")))
    if not sources:
        raise InputError(
            f"{folder}: holds no Verilog, which alone is simulated; set firmware.languages"
        )
    return sources


def _library_path(folder: Path) -> Path:
    """Where the library of the sources as they are now belongs."""
    record = read_record(folder)
    digest = hashlib.sha256(" ".join((*TRANSLATE, *COMPILE, OPTIMIZE)).encode())
    digest.update(_driver(record).encode())
    for path in verilog_sources(folder):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return folder / FOLDER / f"{record['project']}-{digest.hexdigest()[:16]}.so"


def _pointer(array: Integers) -> Any:
    return array.ctypes.data_as(ctypes.POINTER(ctypes.c_int64))
