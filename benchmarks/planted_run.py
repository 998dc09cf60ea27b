"""A small finished run to plant faults in: several layers, a decision, HLS, RTL and ONNX.

The project is compiled without optimisation; its formats are few, so that this takes seconds.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from naetrigger.contracts.decision import with_decision
from naetrigger.contracts.events import Events, write_events
from naetrigger.contracts.fixed_point import Fixed, Overflow, Rounding
from naetrigger.contracts.manifest import Manifest, StageRecord, record_files, write_manifest
from naetrigger.contracts.network import FixedPointNetwork, Node
from naetrigger.contracts.network_file import save_network
from naetrigger.export.hls import compile_library, write_hls
from naetrigger.export.onnx_fixed import write_qcdq
from naetrigger.export.rtl import write_rtl
from naetrigger.export.settings import FirmwareSettings
from naetrigger.export.vectors import agreement_vectors
from naetrigger.firmware_configs.board import load_board
from naetrigger.firmware_configs.feature import Feature
from naetrigger.firmware_configs.input_spec import InputSpec
from naetrigger.pipeline.recipe import Recipe

FEATURES, HIDDEN, LATENT = 4, 5, 3
INPUT = Fixed(True, 8, 3, Rounding.RND_CONV, Overflow.SAT)
NARROW = Fixed(True, 7, 3, Rounding.RND_CONV, Overflow.SAT)
WIDE = Fixed(True, 20, 10)
KERNEL, BIAS = Fixed(True, 6, 1), Fixed(True, 7, 2)
BOARD = "vu13p-5ns"


def network() -> FixedPointNetwork:
    """An autoencoder whose edges round, tie and saturate on random words, with two bits."""
    rng = np.random.default_rng(7)

    def dense(name: str, source: str, n_in: int, n_out: int, kind: Fixed) -> Node:
        weights, bias = rng.integers(-31, 32, (n_in, n_out)), rng.integers(-63, 64, n_out)
        return Node(name, "dense", (source,), n_out, kind, weights, KERNEL, bias, BIAS)

    positive = replace(NARROW, signed=False, width=6)
    nodes = (
        Node("x", "input", (), FEATURES, INPUT),
        dense("d0", "x", FEATURES, HIDDEN, WIDE),
        Node("a0", "relu", ("d0",), HIDDEN, positive),
        dense("d1", "a0", HIDDEN, LATENT, WIDE),
        Node("latent", "cast", ("d1",), LATENT, NARROW),
        dense("d2", "latent", LATENT, FEATURES, NARROW),
        Node("diff", "sub", ("x", "d2"), FEATURES, replace(INPUT, width=9, integer=4)),
        Node("sq", "square", ("diff",), FEATURES, replace(positive, width=10, integer=6)),
        Node("score", "sum", ("sq",), 1, replace(positive, width=10, integer=7)),
    )
    return FixedPointNetwork(nodes, "score", 0.25)


def decided(plain: FixedPointNetwork) -> FixedPointNetwork:
    """The network with two bits of a decision, where half and a tenth of its events fire."""
    scores = network().scores(_spec().mantissas(crossings(2000)))
    return with_decision(plain, [int(np.quantile(scores, q)) for q in (0.5, 0.9)])


def crossings(n: int, seed: int = 1) -> Events:
    """Events of four columns that fill the input's range and now and then leave it."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 1.8, (n, FEATURES)).astype(np.float32)
    names = tuple(f"f{i}" for i in range(FEATURES))
    ids = np.arange(1000, 1000 + n, dtype=np.uint64)
    return Events("background", "background", names, values, np.ones(n), ids)


def make_run(root: Path, compiler: str = "g++", vectors: int = 2000) -> Path:
    """The finished run, up to its export, with so many test vectors."""
    for stage in ("data", "training", "student"):
        (root / stage).mkdir(parents=True)
        (root / stage / "note.txt").write_text("made by hand\n")
    spec = _spec()
    write_events(root / "data" / "train.h5", [crossings(2000)])
    (root / "data" / "input_spec.yaml").write_text(spec.to_yaml())
    _export(decided(network()), root / "export", compiler, spec, vectors)
    recipe = Recipe.model_validate({"name": "planted", "firmware": {"compiler": compiler}})
    (root / "recipe.yaml").write_text(recipe.to_yaml(root))
    stages = {
        name: StageRecord("0", (), 0, {}, record_files(root / name, name))
        for name in ("data", "training", "student", "export")
    }
    write_manifest(root, Manifest(stages))
    return root


def _spec() -> InputSpec:
    return InputSpec(
        name="four",
        description="four numbers as they are",
        type=str(INPUT),
        source="made up",
        features=tuple(Feature(name=f"f{i}", offset=0.0, shift=0) for i in range(FEATURES)),
    )


def _export(
    net: FixedPointNetwork, folder: Path, compiler: str, spec: InputSpec, vectors: int
) -> None:
    save_network(net, folder / "network")
    bits = [
        {"bit": bit, "threshold_hw": level, "background_efficiency_target": None}
        for bit, level in enumerate(net.thresholds)
    ]
    decision = {"format": "naetrigger-decision", "version": 1, "bits": bits}
    (folder / "decision.json").write_text(json.dumps(decision))
    words = agreement_vectors(net, vectors, np.random.default_rng(2))
    np.savez(folder / "vectors.npz", inputs=words, scores=net.scores(words))
    board, settings = load_board(BOARD), FirmwareSettings(languages=("verilog",))
    write_hls(net, folder / "hls", board, settings, words[:20])
    compile_library(folder / "hls", compiler)
    write_rtl(net, folder / "rtl", board, settings)
    (folder / "onnx").mkdir()
    write_qcdq(folder / "onnx" / "student_qcdq.onnx", net, spec)
