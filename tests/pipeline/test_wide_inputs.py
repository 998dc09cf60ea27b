"""A whole run on the cells of a grid: more inputs than a report can list, a regressing student."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from naetrigger.contracts.events import Events, write_events
from naetrigger.pipeline import engines
from naetrigger.pipeline.cli import run_command_line
from naetrigger.validation.report.schema import report_from_json
from tests.pipeline.expected_engines import ALWAYS
from tests.quick_compiler import quick_compiler

ROWS, COLUMNS = 9, 7
CELLS = tuple(f"reg_{row:02d}_{column:02d}" for row in range(ROWS) for column in range(COLUMNS))
RECIPE = """
name: wide
seed: 3
data:
  source: regions.h5
model: {hidden: [8], latent: 3}
objective: {name: ae, steps: 60, batch_size: 64, use_weights: true}
student:
  mode: regress
  hidden: [2]
  weight_bits: 4
  points: {langevin_share: 0, uniform_share: 0, noise_count: 200}
  float_epochs: 2
  epochs: 2
firmware:
  {vectors: 1000, languages: [verilog], compiler: COMPILER, rtl_simulation: false, synthesis: none}
validation:
  background_efficiencies: [0.1]
  bootstrap_replicas: 20
  pca_components: 3
  limits: {student_auc_loss: 1, student_spearman: -1, saturated_fraction: 1}
"""


def regions(process: str, role: str, n: int, hot: float) -> Events:
    """Falling spectra in every cell; a signal has a hot cell at 4, 3."""
    rng = np.random.default_rng(len(process))
    values = np.floor(rng.exponential(12, (n, len(CELLS))))
    values[:, CELLS.index("reg_04_03")] += np.floor(rng.exponential(hot, n)) if hot else 0
    return Events(
        process=process,
        role=role,
        columns=CELLS,
        values=np.minimum(values, 1023).astype(np.float32),
        weights=rng.uniform(0.5, 1.5, n),
        event_ids=np.arange(n, dtype=np.uint64),
        units=("hw",) * len(CELLS),
    )


@pytest.mark.slow
def test_grid_of_regions_runs_to_a_readable_report(tmp_path: Path) -> None:
    background = regions("zero_bias", "background", 900, 0)
    samples = [
        replace(background, attributes={"crossing_rate_khz": 28_600.0}),
        regions("hot", "signal", 150, 90),
    ]
    write_events(tmp_path / "regions.h5", samples)
    (tmp_path / "wide.yaml").write_text(RECIPE.replace("COMPILER", str(quick_compiler(tmp_path))))
    root = tmp_path / "run"
    assert (
        run_command_line(["run", str(tmp_path / "wide.yaml"), "--out", str(root), "--quiet"]) == 0
    )
    assert set(engines.available(root, "student")) == {
        name for name in ALWAYS if engines.ENGINES[name].model == "student"
    }
    report = report_from_json((root / "validation" / "report.json").read_text())
    singles = [entry for entry in report.auc if entry.model.startswith("input:")]
    assert len(singles) == 10
    assert report.inputs_left_out == len(CELLS) - 10
    assert [entry.model for entry in singles if entry.best_single_input] == ["input:reg_04_03"]
    assert any("behind 3 of 63 principal components" in note for note in report.notes)
    reached = [point for point in report.working_points if point.background_efficiency is not None]
    assert reached
    for point in reached:
        assert point.rate_khz == pytest.approx(28_600 * point.background_efficiency)
    page = (root / "validation" / "report.html").read_text()
    assert "<th>Rate [kHz]</th>" in page
    assert "Weighted mean of each cell reg_ROW_COLUMN" in page
    assert len(page) < 1_500_000
