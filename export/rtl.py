"""The RTL project: a fixed-point network as distributed arithmetic in Verilog and VHDL.

    write_rtl(network, folder, board, settings)   projects, emulator, estimates
    RtlModel(folder).scores(mantissas)            scores, from alkaid's saved logic
    RtlModel(folder).decisions(mantissas)         the bits of the trigger's decision
    read_estimate(folder)                         cycles, LUT, FF as estimated

alkaid (successor of da4ml, LGPL-3) turns the network into adders, shifts and tables, without
multipliers for constants, and pipelines them by its delay model. One event enters every clock.
Input words are taken as they are (they wrap): the host quantizes, as the input spec says.
"""

from __future__ import annotations

import json
import logging
import shutil
import struct
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from naetrigger.contracts.errors import InputError, MissingExtra
from naetrigger.contracts.fixed_point import (
    Fixed,
    Floats,
    Integers,
    Overflow,
    Rounding,
    parse_fixed,
)
from naetrigger.contracts.network import FixedPointNetwork, Node
from naetrigger.export.licenses import copy_license
from naetrigger.export.rtl_layers import layer_problems
from naetrigger.export.rtl_logic import (
    TableTooLarge,
    square_alone,
    traced_logic,
)
from naetrigger.export.rtl_pipeline import pipelined
from naetrigger.export.settings import FirmwareSettings, Square
from naetrigger.firmware_configs.board import Board

log = logging.getLogger(__name__)

FORMAT = "naetrigger-rtl"
VERSION = 1
NAME = "rtl.json"
LOGIC = "logic.json"
PRIMITIVES = Path(__file__).parent / "rtl_primitives"

ROUNDINGS = (Rounding.TRN, Rounding.RND, Rounding.RND_CONV)
OVERFLOWS = (Overflow.WRAP, Overflow.SAT, Overflow.SAT_SYM)
DOUBLE_BITS = 53  # the emulator takes and gives doubles
_UNREADABLE = (OSError, TypeError, ValueError, AssertionError, RuntimeError, struct.error)


@dataclass(frozen=True)
class RtlEstimate:
    """What alkaid's models say of a design; not what a vendor's tools would report.

    lut : alkaid's cost, in LUTs
    ff : pipeline registers, in bits
    delay : combinational delay in alkaid's units, about LUT levels
    """

    latency_cycles: int
    initiation_interval: int
    clock_ns: float
    lut: int
    ff: int
    dsp: int
    delay: float
    square: Square
    source: str = "estimate"


@dataclass(frozen=True)
class _Design:
    square: Square
    logic: Any
    model: Any

    @property
    def merit(self) -> float:
        """Latency times cost; less is better."""
        return float(self.logic.latency[1] * self.logic.cost)


def write_rtl(
    network: FixedPointNetwork, folder: Path, board: Board, settings: FirmwareSettings
) -> RtlEstimate:
    """Write ``verilog/``, ``vhdl/``, the emulator and rtl.json into the new folder `folder`."""
    problems = unsupported(network)
    if problems:
        raise InputError("rtl: " + "; ".join(problems))
    for name, bounds in network.bounds().items():
        if bounds.float_bits > DOUBLE_BITS:
            raise InputError(
                f"rtl: {name}: its sums need {bounds.float_bits} bits, and alkaid's constants and "
                f"ranges are floats of {DOUBLE_BITS}; narrow its weights or inputs"
            )
    if folder.exists():
        raise InputError(f"{folder}: is there already; RTL is written into a new folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as work:
        project = Path(work) / "project"
        project.mkdir()
        design = _best_design(network, project, board, settings)
        for language in settings.languages:
            model = rtl_model(design.logic, project / language, board, settings, language)
            model.write()
            _settle(project / language)
        design.logic.save(project / LOGIC)
        estimate = _estimate(design, design.model, board)
        _write_record(network, project, board, settings, design, estimate)
        copy_license("alkaid", project)
        project.rename(folder)
    return estimate


def estimates(
    network: FixedPointNetwork, board: Board, settings: FirmwareSettings, cutoffs: Sequence[float]
) -> list[RtlEstimate]:
    """What RTL of the network would need at each latency cutoff; nothing is written."""
    problems = unsupported(network)
    if problems:
        raise InputError("rtl: " + "; ".join(problems))
    found = []
    design: _Design | None = None
    for cutoff in cutoffs:
        paced = board.model_copy(update={"latency_cutoff": cutoff})
        if design is None:
            design = _best_design(network, Path(), paced, settings)
        model = rtl_model(design.logic, Path("unwritten"), paced, settings, "verilog")
        found.append(_estimate(design, model, board))
    return found


def _estimate(design: _Design, model: Any, board: Board) -> RtlEstimate:
    return RtlEstimate(
        latency_cycles=int(model.latency),
        initiation_interval=1,
        clock_ns=board.clock_ns,
        lut=round(design.logic.cost),
        ff=int(model.reg_bits),
        dsp=0,
        delay=float(design.logic.latency[1]),
        square=design.square,
    )


def unsupported(network: FixedPointNetwork) -> list[str]:
    """What in the network has no RTL here, one sentence a node; empty if all has."""
    problems = []
    for node in network.nodes:
        if node.op == "input":
            continue
        for kind, mode, known in (
            ("rounding", node.type.rounding, ROUNDINGS),
            ("overflow", node.type.overflow, OVERFLOWS),
        ):
            if mode not in known:
                problems.append(
                    f"{node.name}: {kind} {mode.value} has no RTL here "
                    f"(there are {', '.join(m.value for m in known)})"
                )
        sources = [network[name] for name in node.inputs]
        problems += layer_problems(node, sources) + _wide_products(node, sources)
    return problems + [
        f"{node.name}: {node.type} is wider than {DOUBLE_BITS} bits"
        for node in (network.input, network[network.output])
        if node.type.width > DOUBLE_BITS
    ]


def _wide_products(node: Node, sources: Sequence[Node]) -> list[str]:
    """Products that are cut before they are summed, so that no bound of a sum speaks of them."""
    if node.cut is None or node.weights is None:
        return []
    bits = sources[0].type.width + int(np.abs(node.weights).max(initial=0)).bit_length()
    if bits <= DOUBLE_BITS:
        return []
    return [
        f"{node.name}: its products have up to {bits} bits before they are cut, and alkaid's "
        f"ranges are floats of {DOUBLE_BITS}; narrow its weights or inputs"
    ]


class RtlModel:
    """The bit-exact emulator of a written RTL project; nothing is traced again."""

    def __init__(self, folder: Path) -> None:
        record = read_record(folder)
        try:
            self.features = int(record["input"]["size"])
            self.input_type = parse_fixed(record["input"]["type"])
            self.score_type = parse_fixed(record["score"]["type"])
            decision = record.get("decision") or {"thresholds": [], "registers": False}
            self.thresholds = tuple(int(level) for level in decision["thresholds"])
            self.registers = bool(decision["registers"])
            self._logic = _combinational_logic().load(folder / LOGIC)
        except (LookupError, *_UNREADABLE) as error:
            raise InputError(f"{folder}: not a readable RTL project ({error!r})") from error
        self._path = folder / LOGIC

    def scores(self, mantissas: Integers, threads: int = 1) -> Integers:
        """Score mantissas, shape (N,), for input mantissas of shape (N, F)."""
        outputs = self._outputs(mantissas, self.thresholds, threads)
        words: Integers = np.ldexp(outputs[:, 0], self.score_type.fraction).astype(np.int64)
        return words

    def decisions(
        self, mantissas: Integers, thresholds: Sequence[int] | None = None, threads: int = 1
    ) -> Integers:
        """Bits of the decision, shape (N, K), for input mantissas of shape (N, F).

        thresholds : what the registers hold; default those that the network was written with
        """
        if thresholds is not None and not self.registers:
            raise InputError("rtl: the thresholds are constants; write it with decision.registers")
        levels = self.thresholds if thresholds is None else tuple(thresholds)
        if len(levels) != len(self.thresholds):
            raise InputError(f"rtl: {len(self.thresholds)} thresholds, not {len(levels)}")
        bits: Integers = self._outputs(mantissas, levels, threads)[:, 1:].astype(np.int64)
        return bits

    def _outputs(self, mantissas: Integers, thresholds: Sequence[int], threads: int) -> Floats:
        """The score and the bits of the decision as numbers, shape (N, 1 + K)."""
        if np.asarray(mantissas).dtype.kind not in "iu":
            raise InputError("rtl: inputs must be integer mantissas")
        mantissas = np.asarray(mantissas, dtype=np.int64)
        if mantissas.ndim != 2 or mantissas.shape[1] != self.features:
            raise InputError(f"rtl: inputs must have shape (N, {self.features}): {mantissas.shape}")
        if len(mantissas) == 0:
            return np.zeros((0, 1 + len(self.thresholds)))
        words = self.input_type.real(mantissas)
        if self.registers:
            levels = self.score_type.real(np.array(thresholds, np.int64))
            words = np.hstack([words, np.tile(levels, (len(words), 1))])
        try:
            outputs: Floats = self._logic.predict(words, n_threads=threads)
        except (LookupError, *_UNREADABLE) as error:
            raise InputError(f"{self._path}: is no working logic ({error})") from error
        return outputs


def read_estimate(folder: Path) -> RtlEstimate:
    """The estimate that write_rtl left in a project."""
    try:
        return RtlEstimate(**read_record(folder)["estimate"])
    except (KeyError, TypeError) as error:
        raise InputError(f"{folder / NAME}: not a readable record ({error!r})") from error


def _best_design(
    network: FixedPointNetwork, project: Path, board: Board, settings: FirmwareSettings
) -> _Design:
    """The design asked for, or the better one where that is left open."""
    designs = []
    for choice in _choices(network, settings.square):
        logic = traced_logic(network, choice, settings.decision.registers)
        model = rtl_model(logic, project / "unwritten", board, settings, "verilog")
        designs.append(_Design(choice, logic, model))
        log.info("rtl: square by %s: %s, %s cycles", choice, logic, model.latency)
    return min(designs, key=lambda design: design.merit)


def _choices(network: FixedPointNetwork, square: Square) -> tuple[Square, ...]:
    """The forms of a square worth tracing the whole network with: one, or both in doubt.

    A form is left out if another is better in latency and in cost for every square alone.
    """
    if square != "auto":
        return (square,)
    kinds = {network[n.inputs[0]].type for n in network.nodes if n.op == "square"}
    choices: tuple[Square, ...] = ("multiplier", "lookup")
    try:
        alone = {
            choice: [square_alone(kind, choice) for kind in sorted(kinds, key=str)]
            for choice in choices
        }
    except TableTooLarge:
        return ("multiplier",)
    for one, other in (choices, choices[::-1]):
        pairs = zip(alone[one], alone[other], strict=True)
        if all(a.latency[1] <= b.latency[1] and a.cost <= b.cost for a, b in pairs):
            return (one,)
    return choices


def rtl_model(
    logic: Any, folder: Path, board: Board, settings: FirmwareSettings, language: str
) -> Any:
    """alkaid's project of one language, pipelined for the board; `write()` writes it."""
    from alkaid.codegen import RTLModel

    by_levels = board.stage_delay == "lut_levels"
    return RTLModel(
        pipelined(logic, board.latency_cutoff) if by_levels else logic,
        folder,
        settings.project,
        flavor=language,
        latency_cutoff=board.latency_cutoff,
        print_latency=False,
        part_name=board.part,
        clock_period=board.clock_ns,
        ternary_fuse=not by_levels,
    )


def _settle(folder: Path) -> None:
    """Our own primitives for alkaid's; its copies of the logic go, as gzip stamps the time."""
    for path in PRIMITIVES.glob("*.v"):
        if (folder / "src" / "static" / path.name).exists():
            shutil.copyfile(path, folder / "src" / "static" / path.name)
    for path in (folder / "model").glob("*.json.gz"):
        path.unlink()
    (folder / "model").rmdir()


def _write_record(
    network: FixedPointNetwork,
    project: Path,
    board: Board,
    settings: FirmwareSettings,
    design: _Design,
    estimate: RtlEstimate,
) -> None:
    """rtl.json: ports, clock and estimates."""
    inputs = [port_format(kif) for kif in np.transpose(design.logic.inp_kifs).tolist()]
    score, *bits = [port_format(kif) for kif in np.transpose(design.logic.out_kifs).tolist()]
    document = {
        "format": FORMAT,
        "version": VERSION,
        "project": settings.project,
        "part": board.part,
        "latency_cutoff": board.latency_cutoff,
        "latency_cutoff_source": board.latency_cutoff_source,
        "stage_delay": board.stage_delay,
        "languages": list(settings.languages),
        "input": {"size": network.input.size, "type": str(network.input.type)},
        "score": {"type": str(network.score_type), "scale": network.score_scale},
        "decision": {
            "thresholds": list(network.thresholds),
            "registers": settings.decision.registers,
        }
        if network.decision
        else None,
        "ports": {
            "inputs": inputs[: network.input.size],
            "thresholds": inputs[network.input.size :],
            "score": score,
            "decision": bits,
        },
        "estimate": asdict(estimate),
    }
    (project / NAME).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def port_format(kif: list[int]) -> str:
    """The format of a port; it may be narrower than the network's where bits never change."""
    keep, integer, fraction = kif
    width = keep + integer + fraction
    return str(Fixed(bool(keep), width, width - fraction)) if width > 0 else "none"


def _combinational_logic() -> Any:
    try:
        from alkaid.types import CombLogic
    except ImportError as error:
        raise MissingExtra("alkaid", "export") from error
    return CombLogic


def read_record(folder: Path) -> dict[str, Any]:
    """rtl.json of a written project: ports, formats, clock and estimates."""
    path = folder / NAME
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["format"] != FORMAT or record["version"] != VERSION:
            raise InputError(
                f"{path}: expected {FORMAT} version {VERSION}, got {record['format']} "
                f"version {record['version']}"
            )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not the record of an RTL project ({error!r})") from error
    return dict(record)
