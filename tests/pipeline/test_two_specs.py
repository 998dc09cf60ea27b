"""A whole run whose student sees block sums of the image that its teacher sees."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from naetrigger.contracts.events import Events, read_events, write_events
from naetrigger.contracts.network_file import load_network
from naetrigger.firmware_configs.offline_steps import grid_columns
from naetrigger.pipeline import engines
from naetrigger.pipeline.cli import run_command_line
from naetrigger.pipeline.input_specs import has_two_specs, spec_of
from tests.pipeline.expected_engines import ALWAYS
from tests.quick_compiler import quick_compiler

CELLS = grid_columns("pix", (4, 4))
RECIPE = """
name: two
description: A teacher on 4 x 4 pixels, a student on 2 x 2 sums.
seed: 3
data: {source: images.h5, input_spec: auto, student_input_spec: sums.yaml}
model: {hidden: [8], latent: 2}
objective: {name: ae, steps: 40}
student: {mode: regress, hidden: [6], epochs: 2, float_epochs: 2, points: {noise_count: 300}}
firmware: {vectors: 1000, compiler: COMPILER, rtl_simulation: false, synthesis: none}
validation:
  bootstrap_replicas: 20
  background_efficiencies: [0.1]
  limits: {student_auc_loss: 1, student_spearman: -1, saturated_fraction: 1}
"""
SUMS = """
name: sums
description: 2 x 2 sums of 2 x 2 pixels, one of them through a table
type: fixed<16,9,RND_CONV,SAT>
source: by hand
sources:
- {columns: pix_*, lsb: 0.000244140625, bits: 12}
steps:
- {step: sum, shape: [4, 4], block: [2, 2]}
features:
- {name: sum_00_00, lsb: 0.000244140625, bits: 14, offset: 60, shift: 6}
- {name: sum_00_01, lsb: 0.000244140625, bits: 14, offset: 90, shift: 6}
- {name: sum_01_00, lsb: 0.000244140625, bits: 14, offset: 200, shift: 7}
- name: sum_01_01
  lsb: 0.000244140625
  bits: 14
  offline: log1p
  table_type: ufixed<10,4,RND_CONV,SAT>
  offset: 5
  shift: 0
"""


def sample(process: str, role: str, n: int, shape: float, seed: int) -> Events:
    rng = np.random.default_rng(seed)
    energy = 40 * rng.gamma(shape, 1 / shape, (n, 1)) * np.linspace(0.2, 2, 16)
    values = rng.poisson(energy).astype(np.float32)
    ids = np.arange(n, dtype=np.uint64)
    return Events(process, role, CELLS, values, np.ones(n), ids, units=("hw",) * 16)


@pytest.mark.slow
def test_every_engine_gets_its_models_inputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    events = [sample("qcd", "background", 1500, 5, 0), sample("top", "signal", 200, 2, 1)]
    write_events(tmp_path / "images.h5", events)
    (tmp_path / "sums.yaml").write_text(SUMS)
    (tmp_path / "two.yaml").write_text(RECIPE.replace("COMPILER", str(quick_compiler(tmp_path))))
    assert run_command_line(["run", "two.yaml", "--out", "run", "--quiet"]) == 0
    root = tmp_path / "run"
    assert has_two_specs(root)
    teacher, student = spec_of(root, "teacher"), spec_of(root, "student")
    assert (len(teacher.columns), len(student.columns)) == (16, 4)
    network = load_network(root / "export" / "network")
    assert (network.input.size, network.input.type) == (4, student.fixed)
    test = read_events(root / "data" / "test.h5")[0]
    rows = test.select(np.arange(100))
    assert set(engines.available(root)) == ALWAYS
    scores = {
        name: engines.score(root, name, spec_of(root, kind.model).mantissas(rows))
        for name, kind in engines.ENGINES.items()
        if name in ALWAYS
    }
    for name in scores:
        kind = engines.ENGINES[name]
        if kind.model == "student":
            np.testing.assert_array_equal(scores[name], scores["network"], err_msg=name)
        else:  # float32 rounding
            np.testing.assert_allclose(scores[name], scores["torch"], rtol=1e-5)
    for file, spec in (("teacher", teacher), ("student_qcdq", student)):
        model = onnx.load(root / "export" / "onnx" / f"{file}.onnx")
        properties = {entry.key: entry.value for entry in model.metadata_props}
        assert json.loads(properties["columns"]) == list(spec.columns)
        assert json.loads(properties["source_columns"]) == list(CELLS)
    tables = json.loads((root / "export" / "tables" / "tables.json").read_text())
    assert [entry["feature"] for entry in tables["features"]] == ["sum_01_01"]
