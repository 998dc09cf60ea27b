"""The VHDL of an RTL project, simulated by GHDL where that is on PATH.

    simulate_vhdl(folder, words)     what stands at the output port after each clock edge
    check_vhdl(folder, network, mantissas)     ... and that it is the network's scores and bits

GHDL reads the language strictly, so that files which it takes are likely to be taken elsewhere.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from naetrigger.contracts.errors import AgreementError, EnvironmentProblem, InputError
from naetrigger.contracts.fixed_point import Integers
from naetrigger.contracts.network import FixedPointNetwork
from naetrigger.export.rtl import read_record
from naetrigger.export.rtl_driver import Word
from naetrigger.export.rtl_simulation import design_ports

BENCH = "naetrigger_bench"
STANDARD = "--std=08"


def has_ghdl() -> bool:
    """Whether `ghdl` is on PATH."""
    return shutil.which("ghdl") is not None


def check_vhdl(folder: Path, network: FixedPointNetwork, mantissas: Integers) -> int:
    """Stream events through the VHDL, one on every clock; how many were compared.

    Raises AgreementError naming the first event whose score or bits are not the network's.
    """
    record = read_record(folder)
    latency = int(record["estimate"]["latency_cycles"])
    words = mantissas
    decision = record.get("decision") or {"registers": False}
    if decision["registers"]:
        levels = np.tile(np.array(decision["thresholds"], np.int64), (len(words), 1))
        words = np.hstack([words, levels])
    seen = simulate_vhdl(folder, np.vstack([words, np.repeat(words[-1:], latency, axis=0)]))
    expected = network.scores(mantissas)[:, None]
    if network.decision is not None:
        expected = np.hstack([expected, network.decisions(mantissas)])
    wrong = np.flatnonzero((seen[latency:] != expected).any(axis=1))
    if len(wrong):
        event = int(wrong[0])
        raise AgreementError(
            f"{folder / 'vhdl'}: {len(wrong)} of {len(mantissas)} events differ from the network; "
            f"the first is event {event}: {seen[latency + event].tolist()} in VHDL, "
            f"{expected[event].tolist()} in the network"
        )
    return len(mantissas)


def simulate_vhdl(folder: Path, words: Integers) -> Integers:
    """What stands at the output port after each of N clock edges, shape (N, outputs).

    words : mantissas at the input port at each edge, shape (N, inputs)
    """
    record = read_record(folder)
    ports = design_ports(record)
    sources = sorted((folder / "vhdl" / "src").rglob("*.vhd"))
    if not sources:
        raise InputError(f"{folder}: holds no VHDL; set firmware.languages")
    with tempfile.TemporaryDirectory(prefix="naetrigger-ghdl-") as work:
        bench = _bench(str(record["project"]), _width(ports.inputs), _width(ports.outputs))
        (Path(work) / f"{BENCH}.vhd").write_text(bench, encoding="utf-8")
        rows = [_packed(row, ports.inputs) for row in words.tolist()]
        (Path(work) / "words.txt").write_text("\n".join(rows) + "\n", encoding="utf-8")
        _ghdl(work, "-i", STANDARD, *(str(path.resolve()) for path in sources), f"{BENCH}.vhd")
        _ghdl(work, "-m", STANDARD, BENCH)
        _ghdl(work, "-r", STANDARD, BENCH)
        lines = (Path(work) / "results.txt").read_text(encoding="utf-8").split()
    if len(lines) != len(words):
        raise EnvironmentProblem(f"ghdl gave {len(lines)} results for {len(words)} clocks")
    return np.array([_unpacked(line, ports.outputs) for line in lines], np.int64)


def _ghdl(work: str, *arguments: str) -> None:
    program = shutil.which("ghdl")
    if program is None:
        raise EnvironmentProblem("ghdl is not on PATH (Debian, Ubuntu: apt install ghdl)")
    done = subprocess.run(
        [program, *arguments],
        cwd=work,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        shown = "\n  ".join(done.stdout.strip().splitlines()[:5])
        raise EnvironmentProblem(
            f"ghdl {arguments[0]} failed with status {done.returncode} on the VHDL:\n  {shown}"
        )


def _width(words: Sequence[Word]) -> int:
    return sum(word.width for word in words)


def _packed(mantissas: Sequence[int], words: Sequence[Word]) -> str:
    """A port as bits, the highest first; the first word is the lowest."""
    total, offset = 0, 0
    for value, word in zip(mantissas, words, strict=True):
        bits = value >> word.shift if word.shift >= 0 else value << -word.shift
        total |= (bits & ((1 << word.width) - 1)) << offset
        offset += word.width
    return f"{total:0{offset}b}"


def _unpacked(bits: str, words: Sequence[Word]) -> list[int]:
    """The mantissas of a port's words."""
    total, values = int(bits, 2), []
    for word in words:
        value = total & ((1 << word.width) - 1)
        total >>= word.width
        if word.port is not None and word.port.signed and value >> word.width - 1:
            value -= 1 << word.width
        values.append(value << word.shift if word.shift >= 0 else value >> -word.shift)
    return values


def _bench(project: str, inputs: int, outputs: int) -> str:
    """A test bench that reads words.txt, a line a clock, and writes results.txt."""
    return f"""\
library ieee;
use ieee.std_logic_1164.all;
use std.textio.all;

entity {BENCH} is end entity;

architecture simulation of {BENCH} is
  signal clk : std_logic := '0';
  signal words : std_logic_vector({inputs - 1} downto 0) := (others => '0');
  signal result : std_logic_vector({outputs - 1} downto 0);
begin
  pipeline : entity work.{project}
    port map (clk => clk, model_inp => words, model_out => result);

  process
    file given : text open read_mode is "words.txt";
    file seen : text open write_mode is "results.txt";
    variable row : line;
    variable bits : bit_vector({inputs - 1} downto 0);
  begin
    while not endfile(given) loop
      readline(given, row);
      read(row, bits);
      words <= to_stdlogicvector(bits);
      wait for 1 ns;
      clk <= '1';
      wait for 1 ns;
      write(row, to_bitvector(result));
      writeline(seen, row);
      clk <= '0';
      wait for 1 ns;
    end loop;
    wait;
  end process;
end architecture;
"""
