"""The export stage: one network in every form, and the proof that all forms are one.

Writes ``network/`` (the reference), ``decision.json`` (what its bits mean), ``hls/``, ``rtl/``,
``onnx/``, ``tables/`` (lookup tables of the inputs, if there are any), ``vectors.npz`` (input
words and the scores and bits they must give), ``board.yaml`` and ``agreement.json``. Fails, naming
event and layer, if two engines of the student differ on any vector.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from naetrigger.contracts.decision import decision_words
from naetrigger.contracts.errors import EnvironmentProblem
from naetrigger.contracts.events import Events
from naetrigger.contracts.fixed_point import Integers
from naetrigger.contracts.network import FixedPointNetwork
from naetrigger.contracts.network_file import load_network, save_network
from naetrigger.firmware_configs.board import load_board
from naetrigger.pipeline import engines
from naetrigger.pipeline.decision import decided, write_decision
from naetrigger.pipeline.work import Work, run_view

log = logging.getLogger(__name__)

AUTO_LUTS = 60_000
"""Larger designs are simulated and synthesized on request alone: minutes to compile and to map."""

VHDL_VECTORS = 200  # GHDL takes some 10 ms for each of a trigger's networks


def run_export(work: Work) -> None:
    """Write every target, compile the emulation, and compare all engines."""
    (train,) = work.events("train")
    words = work.student_spec.mantissas(train)
    network = load_network(work.root / "student" / "network")
    network, decision = decided(
        network, work.recipe.firmware.decision, train, network.scores(words)
    )
    steps = len(WRITERS) + 1
    save_network(network, work.folder / "network")
    write_decision(decision, work.folder)
    vectors = _vectors(work, network, words)
    for done, (name, write) in enumerate(WRITERS.items()):
        work.progress.start(f"export: {name}", steps)
        work.progress.update(done)
        write(work, network, vectors)
    work.progress.start("export: all engines on the test vectors", steps)
    work.progress.update(steps - 1)
    with run_view(work, "export") as view:
        pairs = _proved_equal(view, network, vectors)
    work.progress.update(steps)
    _write_json(work.folder / "agreement.json", [pair.model_dump(mode="json") for pair in pairs])


def _vectors(work: Work, network: FixedPointNetwork, events: Integers) -> Integers:
    from naetrigger.export.vectors import agreement_vectors

    rng = np.random.default_rng([work.recipe.seed, 2])
    vectors = agreement_vectors(network, work.recipe.firmware.vectors, rng, events)
    scores, decisions = network.scores(vectors), network.decisions(vectors)
    np.savez(work.folder / "vectors.npz", inputs=vectors, scores=scores, decisions=decisions)
    return vectors


def _write_hls(work: Work, network: FixedPointNetwork, vectors: Integers) -> None:
    from naetrigger.export.hls import compile_library, write_hls
    from naetrigger.export.hls_backends import BACKENDS, hls_folders, why_not_emulated

    firmware = work.recipe.firmware
    board = load_board(firmware.board)
    for backend, name in hls_folders(firmware).items():
        folder = work.folder / name
        write_hls(network, folder, board, firmware, vectors, backend=backend)
        lacking = why_not_emulated(BACKENDS[backend])
        if lacking:
            log.warning("%s: %s", name, lacking)
        else:
            compile_library(folder, firmware.compiler)


def _write_rtl(work: Work, network: FixedPointNetwork, vectors: Integers) -> None:
    from naetrigger.export.rtl import write_rtl
    from naetrigger.export.rtl_wrapper import write_wrapper

    del vectors
    firmware = work.recipe.firmware
    board = load_board(firmware.board)
    write_rtl(network, work.folder / "rtl", board, firmware)
    write_wrapper(work.folder / "rtl", board)


def _simulate_rtl(work: Work, network: FixedPointNetwork, vectors: Integers) -> None:
    from naetrigger.export.rtl_simulation import build_simulation
    from naetrigger.export.verilator import find_verilator

    del network, vectors
    firmware = work.recipe.firmware
    wanted, possible = firmware.rtl_simulation, "verilog" in firmware.languages
    if wanted == "auto" and possible and find_verilator() is None:
        log.warning("the Verilog is not simulated: Verilator comes with naetrigger[simulation]")
    elif wanted is True or (wanted == "auto" and possible and _small(work, "rtl_simulation: true")):
        build_simulation(work.folder / "rtl", firmware.compiler)


def _small(work: Work, wanted: str) -> bool:
    """Whether `auto` may spend its minutes on this design; if not, what would make it is said."""
    from naetrigger.export.rtl import read_estimate

    luts = read_estimate(work.folder / "rtl").lut
    if luts > AUTO_LUTS:
        log.warning(
            "left out, as %d LUTs by the estimate (more than %d) take many minutes; firmware.%s "
            "makes it all the same",
            luts,
            AUTO_LUTS,
            wanted,
        )
    return luts <= AUTO_LUTS


def _synthesize(work: Work, network: FixedPointNetwork, vectors: Integers) -> None:
    from naetrigger.export.synthesis import Limits, has_yosys, synthesize, write_synthesis

    del network, vectors
    firmware, folder = work.recipe.firmware, work.folder / "rtl"
    limits, auto = Limits(minutes=firmware.synthesis_minutes), firmware.synthesis == "auto"
    if firmware.synthesis == "none" or (auto and "verilog" not in firmware.languages):
        return
    if auto and not has_yosys():
        log.warning("the RTL is not synthesized: yosys comes with naetrigger[synthesis]")
        return
    if auto and not _small(work, "synthesis: yosys"):
        return
    try:
        write_synthesis(folder, synthesize(folder, load_board(firmware.board), limits))
    except EnvironmentProblem as error:
        if not auto:
            raise
        log.warning("the RTL is not synthesized: %s", error)


def _write_onnx(work: Work, network: FixedPointNetwork, vectors: Integers) -> None:
    from naetrigger.export.onnx_fixed import write_qcdq, write_qonnx
    from naetrigger.export.onnx_float import student_network, write_float_onnx
    from naetrigger.export.onnx_teacher import NoOnnxForm, write_teacher_onnx
    from naetrigger.export.student import float_scores, float_student
    from naetrigger.training.teacher import load_teacher

    del vectors
    folder, spec = work.folder / "onnx", work.student_spec
    folder.mkdir()
    (background,) = work.events("train")
    words = spec.mantissas(background)
    teacher = load_teacher(work.root / "training")
    student = float_student(work.root / "student")

    def threshold(scores: Any) -> Any:
        return _calibrated(work, scores, background)

    seen = threshold(engines.score(work.root, "torch", work.spec.mantissas(background)))
    try:
        write_teacher_onnx(folder / "teacher.onnx", teacher, work.spec, threshold=seen)
    except NoOnnxForm as error:
        log.warning("teacher.onnx is left out, torch is the teacher's only engine: %s", error)
    write_float_onnx(
        folder / "student_float.onnx",
        student_network(student),
        spec,
        threshold=threshold(float_scores(student, spec.fixed.real(words))),
    )
    hardware = threshold(network.scores(words))
    write_qcdq(folder / "student_qcdq.onnx", network, spec, threshold=hardware)
    write_qonnx(folder / "student_qonnx.onnx", network, spec, threshold=hardware)


def _calibrated(work: Work, scores: Any, background: Events) -> Any:
    """The threshold that the recipe's background efficiency needs on the training background.

    None where the sample or a saturated score cannot give one.
    """
    from naetrigger.validation.efficiency import scored, threshold_for

    target = work.recipe.firmware.threshold_efficiency
    found = threshold_for(scored(scores, background.weights, background.event_ids), target)
    return found.value


def _write_tables(work: Work, network: FixedPointNetwork, vectors: Integers) -> None:
    from naetrigger.export.tables import write_tables

    del network, vectors
    write_tables(work.student_spec, work.folder / "tables")


def _write_board(work: Work, network: FixedPointNetwork, vectors: Integers) -> None:
    del network, vectors
    document = load_board(work.recipe.firmware.board).model_dump(mode="json")
    text = yaml.safe_dump(document, sort_keys=False, width=100)
    (work.folder / "board.yaml").write_text(text, encoding="utf-8")


WRITERS = {
    "board": _write_board,
    "tables": _write_tables,
    "ONNX": _write_onnx,
    "RTL": _write_rtl,
    "RTL simulation": _simulate_rtl,
    "RTL synthesis": _synthesize,
    "HLS": _write_hls,
}


def _proved_equal(root: Path, network: FixedPointNetwork, vectors: Integers) -> list[Any]:
    """Every pair of student engines on the vectors; AgreementError unless all are equal."""
    from naetrigger.validation.agreement import require_agreement

    names = engines.available(root, "student")
    scores = {name: engines.score(root, name, vectors) for name in names}

    def trace_of(name: str, rows: Any) -> dict[str, Integers]:
        layers = engines.trace(root, name, vectors[rows])
        return layers or {network.output: scores[name][rows][:, None]}

    pairs = _named(require_agreement(scores, trace_of), "test vectors")
    if network.decision is not None:
        pairs += _named(_same_decisions(root, network, vectors), "decision bits of test vectors")
    return pairs + _named(_same_in_vhdl(root, network, vectors), "test vectors")


def _same_in_vhdl(root: Path, network: FixedPointNetwork, vectors: Integers) -> list[Any]:
    """The network against its VHDL in GHDL, where there are both."""
    from naetrigger.export.ghdl import check_vhdl, has_ghdl
    from naetrigger.validation.agreement import compare_pair

    folder = root / "export" / "rtl"
    if not (folder / "vhdl").is_dir():
        return []
    if not has_ghdl():
        log.info("the VHDL is not simulated: ghdl is not on PATH")
        return []
    scores = network.scores(vectors[: check_vhdl(folder, network, vectors[:VHDL_VECTORS])])
    return [compare_pair("network", scores, "vhdl (GHDL)", scores, "test vectors")]


def _same_decisions(root: Path, network: FixedPointNetwork, vectors: Integers) -> list[Any]:
    """Every pair of deciding engines on the vectors, an event's bits as one integer."""
    from naetrigger.validation.agreement import require_agreement

    assert network.decision is not None
    node = network.decision
    bits = {name: engines.decisions(root, name, vectors) for name in engines.deciding(root)}

    def trace_of(name: str, rows: Any) -> dict[str, Integers]:
        return {node: bits[name][rows]}

    return require_agreement({name: decision_words(b) for name, b in bits.items()}, trace_of)


def _named(pairs: list[Any], events: str) -> list[Any]:
    return [
        pair.model_copy(
            update={"a": f"student/{pair.a}", "b": f"student/{pair.b}", "events": events}
        )
        for pair in pairs
    ]


def _write_json(path: Path, document: Any) -> None:
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
