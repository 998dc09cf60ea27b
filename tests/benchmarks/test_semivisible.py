"""The semivisible grid's AUCs, pairing and records, on populations with known answers."""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import NormalDist
from types import SimpleNamespace

import numpy as np
import pytest

from naetrigger.contracts.errors import TrainingDiverged
from naetrigger.contracts.events import Events
from naetrigger.contracts.progress import Silent
from naetrigger.pipeline.recipe import load_recipe
from naetrigger.training.data.prepare import with_columns

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
MODULES = ("auc", "report", "systems", "figures")


@pytest.fixture(scope="module")
def grid():
    """The benchmark's modules, by the ends of their names."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        found = {name: __import__(f"semivisible_{name}") for name in MODULES}
        yield SimpleNamespace(**found)
        for name in MODULES:
            sys.modules.pop(f"semivisible_{name}")


def jets_of(process, n, shift, pt_scale, seed):
    rng = np.random.default_rng(seed)
    return Events(
        process=process,
        role="background" if process == "ttbar" else "signal",
        columns=("a", "b"),
        values=rng.normal((shift, 0), 1, (n, 2)).astype(np.float32),
        weights=np.ones(n),
        event_ids=np.arange(n, dtype=np.uint64),
        context_columns=("jet_pt",),
        context=rng.uniform(200, pt_scale, (n, 1)).astype(np.float32),
    )


@pytest.fixture
def found(grid, monkeypatch):
    """Two seeds of WNAE that score by input a, and by a with noise; an AE that scores by b."""
    background = jets_of("ttbar", 4000, 0.0, 900, 1)
    jets = SimpleNamespace(train=background, test=background, inputs=lambda events: events.values)
    by = {
        "w1": lambda x: x[:, 0],
        "w2": lambda x: x[:, 0] + np.sin(1e4 * x[:, 1]),
        "a1": lambda x: x[:, 1],
    }
    monkeypatch.setattr(
        grid.auc, "scores", lambda folder, x: np.asarray(by[folder.name](x), np.float64)
    )
    folders = {"WNAE": {1: Path("w1"), 2: Path("w2")}, "AE": {2: Path("a1")}}
    signal = with_columns(jets_of("svjt_1000_r01", 3000, 1.0, 700, 2), ("b",))  # a is context
    return grid.auc.measure(jets, [signal], folders)


def test_auc_of_shifted_gaussians_is_known(found):
    expected = NormalDist().cdf(1 / np.sqrt(2))
    assert found.auc["WNAE"]["svjt_1000_r01"][1] == pytest.approx(expected, abs=0.02)
    assert found.auc["AE"]["svjt_1000_r01"][2] == pytest.approx(0.5, abs=0.02)
    assert 0.003 < found.error["WNAE"]["svjt_1000_r01"] < 0.012
    assert found.best_input == {"svjt_1000_r01": "a"}
    assert found.auc["best input"]["svjt_1000_r01"][0] == pytest.approx(expected, abs=0.02)
    assert 2000 < found.effective["svjt_1000_r01"] < 4000


def test_differences_are_of_seeds_that_both_have(found):
    signal = "svjt_1000_r01"
    wnae, ae = found.auc["WNAE"][signal], found.auc["AE"][signal]
    assert found.differences("AE", signal) == [wnae[2] - ae[2]]
    distance = found.auc["Mahalanobis"][signal][0]
    assert found.differences("Mahalanobis", signal) == [wnae[1] - distance, wnae[2] - distance]
    assert found.differences("NAE", signal) == []
    assert np.isnan(found.mean("NAE", signal))


def test_tables_say_what_diverged_and_where_wnae_is_worst(grid, found, tmp_path):
    outcomes = {"WNAE": [{"diverged": ""}] * 2, "NAE": [{"diverged": "nae: step 7: away"}]}
    text = grid.report.grid_report(found, outcomes)
    assert "NAE: 1 of 1 seeds diverged: nae: step 7: away" in text
    assert "| svjt_1000_r01 |" in text
    assert "WNAE - Mahalanobis" in text
    grid.figures.draw_maps(found, [1000], [1], tmp_path)
    assert (tmp_path / "semivisible-auc.png").stat().st_size > 1000


def test_a_divergence_is_kept_as_a_result(grid, monkeypatch, tmp_path):
    calls = []

    def diverging(*args, **kwargs):
        calls.append(args)
        args[3].mkdir()
        raise TrainingDiverged("nae: step 3: away")

    monkeypatch.setattr(grid.systems, "train", diverging)
    recipe = load_recipe("jets-wnae")
    events = jets_of("ttbar", 10, 0.0, 900, 1)
    jets = SimpleNamespace(train=events, validation=events, inputs=lambda e: e.values)
    nae = grid.systems.systems(recipe)["NAE"]
    for _ in range(2):
        outcome = grid.systems.trained(nae, recipe, jets, 1, tmp_path / "1", Silent())
        assert outcome["diverged"] == "nae: step 3: away"
    assert len(calls) == 1
    with pytest.raises(SystemExit, match="other settings"):
        grid.systems.trained(nae, recipe, jets, 2, tmp_path / "1", Silent())


def test_curves_of_long_runs_skip_empty_cells(grid, tmp_path):
    curves = "step,loss,positive_energy,negative_energy,distance,feature_distance\n"
    curves += "10,-1.5,1,2,,\n20,-2.5,1,3,,0.25\n30,-9,1,4,,0.5\n"
    (tmp_path / "curves.csv").write_text(curves)
    text = grid.report.long_report({"NAE": tmp_path}, {"NAE": {"diverged": "away"}})
    assert "| NAE | 30 | 0.250 at 20 | 0.500 | 4 | -9 | away |" in text
    grid.figures.draw_curves({"NAE": tmp_path}, tmp_path)
    assert (tmp_path / "wnae-stability.png").exists()
