"""Faults planted in a finished run, one at a time: does `naetrigger compare` find each, and where?

    python benchmarks/planted_faults.py --out docs/benchmarks/planted-faults.md

Each fault is one edit of a file of the run: a weight, a bias, a rounding or saturation mode, a
shift, an accumulator, operands, a threshold, in HLS, ONNX, RTL or the network itself. The run is
compared as it lies on disk, and the report must name the layer that was edited. Edits that change
nothing (a comment, a format that was never reached) must not be reported.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import planted_run
from markdown_table import table
from naetrigger.contracts.events import write_events
from naetrigger.pipeline.comparing import CompareOptions, compare_run
from naetrigger.validation.compare_schema import CompareReport

EVENTS = 10_000
HLS, ONNX, RTL, NETWORK = (Path("export") / name for name in ("hls", "onnx", "rtl", "network"))


@dataclass(frozen=True)
class Fault:
    """One edit of a run folder.

    layer : the one it changes; None: it changes nothing that can be seen
    engine : whose files are edited
    """

    name: str
    engine: str
    layer: str | None
    plant: Callable[[Path], None]


def edited(path: Path, old: str, new: str) -> Callable[[Path], None]:
    """A function that replaces the one place where `old` stands in a file of a run."""

    def plant(root: Path) -> None:
        text = (root / path).read_text()
        assert text.count(old) == 1, f"{path}: '{old}' stands {text.count(old)} times"
        (root / path).write_text(text.replace(old, new))

    return plant


def constants(layer: str, kind: str, change: Callable[[list[float]], None]) -> Callable[..., None]:
    """A function that changes the weights ('w') or biases ('b') of a layer of the HLS project."""

    def plant(root: Path) -> None:
        (source,) = (root / HLS / "firmware").glob("*.cpp")
        found = re.search(rf"\bw(\d+), b\d+\); // {layer}\n", source.read_text())
        assert found, f"no layer {layer} in {source}"
        header = root / HLS / "firmware" / "weights" / f"{kind}{found[1]}.h"
        text = header.read_text()
        listed = re.search(r"= \{(.*?)\};", text)
        assert listed
        values = [float(value) for value in listed[1].split(", ")]
        change(values)
        written = ", ".join(f"{value:.12f}" for value in values)
        header.write_text(text.replace(listed[1], written))

    return plant


def format_of(variable: str, new: str) -> Callable[[Path], None]:
    """A function that gives a type of the HLS project's defines.h another format."""

    def plant(root: Path) -> None:
        path = root / HLS / "firmware" / "defines.h"
        text, n = re.subn(
            rf"typedef \S+ {variable};", f"typedef {new} {variable};", path.read_text()
        )
        assert n == 1, f"{n} types {variable}"
        path.write_text(text)

    return plant


def _add(place: int, amount: float) -> Callable[[list[float]], None]:
    def change(values: list[float]) -> None:
        values[place] += amount

    return change


def _negate(values: list[float]) -> None:
    values[3] = -values[3]


def _swap(values: list[float]) -> None:
    first, other = 0, next(i for i, value in enumerate(values) if value != values[0])
    values[first], values[other] = values[other], values[first]


def _zero(values: list[float]) -> None:
    values[1] = 0.0


def _network_weight(root: Path) -> None:
    path = root / NETWORK / "network.npz"
    with np.load(path) as arrays:
        changed = dict(arrays)
    changed["d2.weights"][0, 0] ^= 1
    np.savez(path, **changed)


def _onnx_constant(name: str, amount: float) -> Callable[[Path], None]:
    """A function that changes one value of an initializer of the QCDQ model."""

    def plant(root: Path) -> None:
        import onnx
        from onnx import numpy_helper

        path = root / ONNX / "student_qcdq.onnx"
        model = onnx.load(path)
        (tensor,) = (t for t in model.graph.initializer if t.name == name)
        values = numpy_helper.to_array(tensor).copy()
        values.reshape(-1)[0] += np.asarray(amount, values.dtype)
        tensor.CopyFrom(numpy_helper.from_array(values, name))
        onnx.save(model, path)

    return plant


CPP = HLS / "firmware" / "anomaly_score.cpp"

FAULTS = (
    Fault("one weight, by one step", "hls", "d0", constants("d0", "w", _add(0, 2**-5))),
    Fault("sign of a weight", "hls", "d1", constants("d1", "w", _negate)),
    Fault("two weights swapped", "hls", "d2", constants("d2", "w", _swap)),
    Fault("a weight of the score lost", "hls", "score", constants("score", "w", _zero)),
    Fault("offset of one bias, one step", "hls", "d0", constants("d0", "b", _add(2, 2**-5))),
    Fault("offset of one bias, one step", "hls", "d1", constants("d1", "b", _add(0, 2**-5))),
    Fault("a bias that wraps", "hls", "d2", format_of("d2_bias_t", "ap_fixed<5,0>")),
    Fault("rounding: down", "hls", "a0", format_of("layer3_t", "ap_ufixed<6,3,AP_TRN,AP_SAT,0>")),
    Fault("rounding: half up", "hls", "latent",
          format_of("layer5_t", "ap_fixed<7,3,AP_RND,AP_SAT,0>")),
    Fault("rounding: half to zero", "hls", "d2",
          format_of("layer6_t", "ap_fixed<7,3,AP_RND_ZERO,AP_SAT,0>")),
    Fault("rounding: down", "hls", "score",
          format_of("layer9_t", "ap_ufixed<10,7,AP_TRN,AP_SAT,0>")),
    Fault("saturation: wraps", "hls", "latent",
          format_of("layer5_t", "ap_fixed<7,3,AP_RND_CONV,AP_WRAP,0>")),
    Fault("saturation: symmetric", "hls", "d2",
          format_of("layer6_t", "ap_fixed<7,3,AP_RND_CONV,AP_SAT_SYM,0>")),
    Fault("saturation: to zero", "hls", "a0",
          format_of("layer3_t", "ap_ufixed<6,3,AP_RND_CONV,AP_SAT_ZERO,0>")),
    Fault("shift: the binary point", "hls", "latent",
          format_of("layer5_t", "ap_fixed<7,4,AP_RND_CONV,AP_SAT,0>")),
    Fault("shift: the square, halved", "hls", "sq",
          format_of("layer8_t", "ap_ufixed<10,7,AP_RND_CONV,AP_SAT,0>")),
    Fault("accumulator without its low bits", "hls", "d1",
          format_of("d1_accum_t", "ap_fixed<11,6>")),
    Fault("accumulator without its high bits", "hls", "d0",
          format_of("d0_accum_t", "ap_fixed<12,2>")),
    Fault("operands of a difference swapped", "hls", "diff",
          edited(CPP, "subtract<input_t, layer6_t, layer7_t, config7>(x_in, layer6_out,",
                 "subtract<layer6_t, input_t, layer7_t, config7>(layer6_out, x_in,")),
    Fault("a threshold, by one step", "hls", "decision",
          constants("decision_steps", "b", _add(0, -1.0))),
    Fault("a weight of the reference", "network", "d2", _network_weight),
    Fault("one weight", "qcdq", "d1", _onnx_constant("d1_weights", 2**-5)),
    Fault("one bias", "qcdq", "d0", _onnx_constant("d0_minus_bias", 2**-5)),
)  # fmt: skip

HARMLESS = (
    Fault("a comment", "hls", None, edited(CPP, "); // latent", "); // the latent space")),
    Fault("a type that nothing reaches", "hls", None, format_of("layer2_index", "ap_uint<2>")),
)


def named_layer(report: CompareReport, engine: str) -> str | None:
    """The layer that a report names first for an engine; None where it says that all agree."""
    names = [place.layer for place in report.partings if engine in (place.a, place.b)]
    names += [check.layer for check in report.bits if check.only_network or check.only_engine]
    names += [check.differing[0] for check in report.layers if check.differing]
    return names[0] if names else None


@dataclass(frozen=True)
class Verdict:
    """What became of one fault."""

    fault: Fault
    layer: str | None
    passed: bool
    edited: tuple[str, ...]
    differing: int
    seconds: float

    @property
    def row(self) -> tuple[object, ...]:
        """Everything but the fault."""
        return self.layer, self.passed, self.edited, self.differing, self.seconds

    @property
    def right(self) -> bool:
        """Found and its layer named; or, of a harmless edit, no word of it but that it is there."""
        return self.layer == self.fault.layer and self.passed == (self.fault.layer is None)


def judge(
    fault: Fault, run: Path, events: Path, scratch: Path, engines: tuple[str, ...] = ()
) -> Verdict:
    """Plant one fault in a copy of the run, and compare some engines or all."""
    broken = scratch / "broken"
    shutil.copytree(run, broken)
    start = time.monotonic()
    try:
        fault.plant(broken)
        report = compare_run(broken, events, scratch / "verdict", CompareOptions(engines=engines))
    finally:
        shutil.rmtree(broken)
    pairs = [pair for pair in report.pairs if pair.events == events.name]
    return Verdict(
        fault,
        named_layer(report, fault.engine),
        report.passed,
        report.edited,
        max(pair.beyond for pair in pairs),
        time.monotonic() - start,
    )


def kept(fault: Fault, done: Path | None) -> Verdict | None:
    """The verdict of an earlier run of this benchmark."""
    if done is None or not done.exists():
        return None
    for line in done.read_text().splitlines():
        name, engine, layer, *row = json.loads(line)
        if (name, engine, layer) == (fault.name, fault.engine, fault.layer):
            return Verdict(fault, *row)
    return None


def document(verdicts: list[Verdict]) -> str:
    """The page."""
    found = [v for v in verdicts if v.fault.layer is not None]
    rows = [
        [
            v.fault.engine,
            v.fault.name,
            v.fault.layer or "none",
            v.layer or "none",
            str(v.differing),
            "yes" if v.right else "**no**",
        ]
        for v in verdicts
    ]
    head = ["edited", "fault", "its layer", "named by compare", "events that differ", "right"]
    right = sum(v.right for v in found)
    return f"""# Planted faults

`python benchmarks/planted_faults.py`: a finished run of a small network (9 layers, two bits of a
decision) with one edit at a time, compared on {EVENTS} events and 2000 test vectors. {right} of
{len(found)} faults are found and their layers named; edits that change nothing are not reported,
but said to be edits.

{table(head, rows)}

Swapped operands of a difference change no score, as the square forgets the sign, and a threshold
changes a bit alone: the comparison of layers and of bits finds them. Faults of RTL are found and
named by engine and file; it shows no layers. Each HLS project takes 5 s of one core to compile.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="the Markdown page")
    parser.add_argument("--compiler", default="g++")
    parser.add_argument("--done", type=Path, help="verdicts, a line each; those are kept")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = planted_run.make_run(Path(folder) / "run", options.compiler)
        events = Path(folder) / "events.h5"
        write_events(events, [planted_run.crossings(EVENTS, seed=3)])
        verdicts = []
        for fault in (*FAULTS, *HARMLESS):
            verdict = kept(fault, options.done) or judge(fault, run, events, Path(folder))
            verdicts.append(verdict)
            print(verdict, flush=True)
            if options.done and not kept(fault, options.done):
                with options.done.open("a") as file:
                    file.write(
                        json.dumps([fault.name, fault.engine, fault.layer, *verdict.row]) + "\n"
                    )
    page = document(verdicts)
    print(page)
    if options.out:
        options.out.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
