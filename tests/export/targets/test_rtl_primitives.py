"""Our adders against alkaid's, of the same ports: proved equal by yosys for every input."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from naetrigger.contracts.errors import EnvironmentProblem
from naetrigger.export.logic_depth import deepest
from naetrigger.export.rtl import PRIMITIVES
from naetrigger.export.synthesis import Limits, run_yosys

CASES = 24
TREE = """
module tree (input clk, input [63:0] x, output reg [10:0] y);
  wire [8:0] a, b, c, d;
  wire [9:0] e, f;
  wire [10:0] g;
  shift_adder #(8, 8, 0, 0, 9, 0, 0, 0) one (x[7:0], x[15:8], a);
  shift_adder #(8, 8, 0, 0, 9, 0, 0, 0) two (x[23:16], x[31:24], b);
  shift_adder #(8, 8, 0, 0, 9, 0, 0, 0) three (x[39:32], x[47:40], c);
  shift_adder #(8, 8, 0, 0, 9, 0, 0, 0) four (x[55:48], x[63:56], d);
  shift_adder #(9, 9, 0, 0, 10, 0, 0, 0) five (a, b, e);
  shift_adder #(9, 9, 0, 0, 10, 0, 0, 0) six (c, d, f);
  shift_adder #(10, 10, 0, 0, 11, 0, 0, 0) seven (e, f, g);
  always @(posedge clk) y <= g;
endmodule
"""


def alkaids(name: str) -> str:
    found = find_spec("alkaid")
    assert found is not None
    assert found.origin is not None
    source = Path(found.origin).parent / "codegen" / "rtl" / "verilog" / "source" / f"{name}.v"
    text = source.read_text()
    assert f"module {name} " in text
    return text.replace(f"module {name} ", f"module alkaid_{name} ")


def two_terms(rng: np.random.Generator) -> tuple[list[int], list[int], int]:
    """Widths of the inputs, parameters, width of the output, as alkaid may choose them."""
    width, signed = rng.integers(1, 7, 2), rng.integers(0, 2, 2)
    shift, minus = int(rng.integers(-7, 8)), int(rng.integers(0, 2))
    bits = max(width[0] + max(-shift, 0), width[1] + max(shift, 0))
    bits += 1 + minus + (signed[0] != signed[1])
    drop = int(rng.integers(0, min(3, bits - 1)))
    out = int(rng.integers(1, bits - drop + 1))
    return list(width), [*width, *signed, out, drop, shift, minus], out


def three_terms(rng: np.random.Generator) -> tuple[list[int], list[int], int]:
    width, signed = rng.integers(1, 6, 3), rng.integers(0, 2, 3)
    negate, pad = rng.integers(0, 2, 3), rng.integers(0, 6, 3)
    drop = int(rng.integers(0, 3))
    out = int(rng.integers(1, max(width + pad) + 4 - drop))
    terms = [term[i] for i in range(3) for term in (width, signed, negate, pad)]
    return list(width), [*terms, out, drop], out


def bench(name: str, index: int, case: tuple[list[int], list[int], int]) -> str:
    """A module that says whether both adders give the same."""
    widths, values, out = case
    names = [f"in{i}" for i in range(len(widths))]
    inputs = ", ".join(f"input [{w - 1}:0] {n}" for w, n in zip(widths, names, strict=True))
    parameters, ports = ", ".join(map(str, values)), ", ".join(names)
    return f"""module case_{index} ({inputs}, output same);
  wire [{out - 1}:0] ours, theirs;
  {name} #({parameters}) a ({ports}, ours);
  alkaid_{name} #({parameters}) b ({ports}, theirs);
  assign same = ours == theirs;
endmodule
"""


@pytest.mark.parametrize(
    ("name", "draw"), [("shift_adder", two_terms), ("ternary_adder", three_terms)]
)
def test_an_adder_is_alkaids(name: str, draw: object, tmp_path: Path) -> None:
    pytest.importorskip("pyosys")
    assert callable(draw)
    rng = np.random.default_rng(1)
    benches = [bench(name, i, draw(rng)) for i in range(CASES)]
    prove(name, (PRIMITIVES / f"{name}.v").read_text(), benches, tmp_path)


def test_another_sum_is_told_from_alkaids(tmp_path: Path) -> None:
    pytest.importorskip("pyosys")
    text = (PRIMITIVES / "shift_adder.v").read_text().replace("~(a + b)", "~(a + b + 1)")
    case = ([3, 3], [3, 3, 0, 0, 4, 0, 1, 0], 4)
    with pytest.raises(EnvironmentProblem):
        prove("shift_adder", text, [bench("shift_adder", 0, case)], tmp_path)


@pytest.mark.parametrize(("inverted", "levels"), [(True, 3), (False, 5)])
def test_yosys_leaves_a_tree_of_adders(inverted: bool, levels: int, tmp_path: Path) -> None:
    """Eight terms: three levels of adders, and five where yosys makes carry-save adders of them."""
    pytest.importorskip("pyosys")
    text = (PRIMITIVES / "shift_adder.v").read_text()
    if not inverted:
        text = text.replace("~(a + b)", "a + b").replace("out = ~inverted", "out = inverted")
    (tmp_path / "adder.v").write_text(text)
    (tmp_path / "tree.v").write_text(TREE)
    (tmp_path / "work").mkdir()
    passes = ["synth_xilinx -family xc7 -top tree -flatten -noiopad", "write_json netlist.json"]
    paths = (tmp_path / "adder.v", tmp_path / "tree.v")
    run_yosys(tmp_path / "work", paths, passes, Limits(minutes=2))
    netlist = json.loads((tmp_path / "work" / "netlist.json").read_text())
    assert deepest(netlist["modules"]["tree"]).luts == levels


def prove(name: str, ours: str, benches: list[str], folder: Path) -> None:
    """Yosys' SAT solver on every bench; EnvironmentProblem if one has a counterexample."""
    sources = {"ours.v": ours, "theirs.v": alkaids(name), "benches.v": "".join(benches)}
    (folder / "sources").mkdir()
    for file, text in sources.items():
        (folder / "sources" / file).write_text(text)
    cases = [f"sat -verify -prove same 1 case_{i}" for i in range(len(benches))]
    paths = tuple(folder / "sources" / file for file in sources)
    run_yosys(folder, paths, ["proc", "flatten", "opt", *cases], Limits(minutes=2))
