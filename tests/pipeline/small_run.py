"""A finished run made by hand in no time: trigger objects, a random network, a manifest."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from naetrigger.contracts.events import Events, write_events
from naetrigger.contracts.fixed_point import Fixed, Overflow, Rounding
from naetrigger.contracts.manifest import (
    Manifest,
    StageRecord,
    record_files,
    sha256_of,
    write_manifest,
)
from naetrigger.contracts.network import FixedPointNetwork, Node
from naetrigger.contracts.network_file import save_network
from naetrigger.contracts.trigger_objects import COLUMNS, HARDWARE_UNITS
from naetrigger.firmware_configs.input_spec import load_input_spec
from naetrigger.pipeline.recipe import Recipe

SCALE = 0.25


def crossings(n: int, seed: int = 0, process: str = "zero_bias", first_id: int = 0) -> Events:
    """Crossings of falling pt in hardware integers; weights and a pool of 500 events."""
    rng = np.random.default_rng(seed)
    values = np.zeros((n, 19, 3))
    for start, count in ((0, 1), (1, 4), (5, 4), (9, 10)):
        pt = np.minimum(rng.exponential(20, (n, count)), 400).astype(int)
        values[:, start : start + count, 0] = -np.sort(-pt, axis=1)
    values[:, 1:, 1] = rng.integers(-60, 60, (n, 18))
    values[:, :, 2] = rng.integers(0, 144, (n, 19))
    values[values[:, :, 0] == 0] = 0
    pileup = rng.integers(30, 70, n)
    context = np.stack([pileup, rng.integers(0, 500, n), values[:, 9:, 0].sum(axis=1)], axis=1)
    return Events(
        process,
        "background",
        COLUMNS,
        values.reshape(n, -1).astype(np.float32),
        rng.choice([0.25, 1.0], n),
        np.arange(first_id, first_id + n, dtype=np.uint64),
        ("n_pileup", "pool_event", "ht"),
        context.astype(np.float32),
        units=HARDWARE_UNITS,
        context_units=("1", "1", "GeV"),
    )


def network() -> FixedPointNetwork:
    """The sum of the magnitudes of 57 inputs, less what two of them say."""
    rng = np.random.default_rng(1)
    spec = load_input_spec("l1-57-pt")
    x = Node("x", "input", (), 57, spec.fixed)
    dense = Node(
        "dense",
        "dense",
        ("x",),
        57,
        spec.fixed,
        weights=rng.integers(-2, 3, (57, 57)),
        weight_type=Fixed(True, 6, 1),
    )
    nodes = (
        x,
        Node(**{**vars(dense), "type": Fixed(True, 12, 5, Rounding.RND_CONV, Overflow.SAT)}),
        Node("difference", "sub", ("x", "dense"), 57, Fixed(True, 14, 7)),
        Node("magnitude", "abs", ("difference",), 57, Fixed(False, 14, 7)),
        Node("sum", "sum", ("magnitude",), 1, Fixed(False, 20, 13)),
        Node("score", "cast", ("sum",), 1, Fixed(False, 16, 12, Rounding.TRN, Overflow.SAT)),
    )
    return FixedPointNetwork(nodes, "score", SCALE)


def make_run(root: Path, source: Path | None = None) -> Path:
    """A run folder with the stages data, training, student and export; its engine is 'network'.

    source : the file that it says it was made from; None: it says nothing, as older runs
    """
    for stage in ("data", "training", "student", "export"):
        (root / stage).mkdir(parents=True)
    write_events(root / "data" / "train.h5", [crossings(50)])
    spec = load_input_spec("l1-57-pt")
    (root / "data" / "input_spec.yaml").write_text(spec.to_yaml())
    if source is not None:
        counts = {"sources_sha256": {"source": sha256_of(source)}}
        (root / "data" / "counts.json").write_text(json.dumps(counts))
    save_network(network(), root / "export" / "network")
    for stage in ("training", "student"):
        (root / stage / "note.txt").write_text("made by hand\n")
    recipe = Recipe.model_validate({"name": "small", "data": {"input_spec": "l1-57-pt"}})
    (root / "recipe.yaml").write_text(recipe.to_yaml(root))
    stages = {
        name: StageRecord("0", (), 0, {}, record_files(root / name, name))
        for name in ("data", "training", "student", "export")
    }
    write_manifest(root, Manifest(stages))
    return root
