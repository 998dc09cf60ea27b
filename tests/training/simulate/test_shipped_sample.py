"""The jets sample that ships with the package: complete, sane, labelled, and made by this code."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import h5py
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from naetrigger.contracts.events import read_events
from naetrigger.training.simulate import jets, pythia, sample
from naetrigger.training.simulate.processes import PROCESSES

PATH = Path(str(resources.files("naetrigger.training.data"))) / "jets.h5"
SIGNALS = [name for name, process in PROCESSES.items() if process.role == "signal"]


@pytest.fixture(scope="module")
def shipped():
    return {made.process: made for made in read_events(PATH)}


@pytest.fixture(scope="module")
def attributes():
    with h5py.File(PATH) as file:
        return dict(file.attrs) | {name: dict(group.attrs) for name, group in file.items()}


def test_file_is_small():
    assert PATH.stat().st_size < 5e6


def test_label_says_simulation(attributes):
    assert attributes["label"] == sample.LABEL
    assert "never collision data" in attributes["label"]
    assert "arXiv:" in attributes["citation"]


def test_every_process_is_there_with_enough_jets(shipped):
    assert set(shipped) == set(PROCESSES)
    for name, made in shipped.items():
        assert made.role == PROCESSES[name].role
        assert len(made) >= (20_000 if made.role == "background" else 5_000)


def test_units_and_columns():
    with h5py.File(PATH) as file:
        for group in file.values():
            assert tuple(group["values"].attrs["columns"]) == jets.COLUMNS
            assert tuple(group["values"].attrs["units"]) == jets.UNITS
            assert tuple(group["context"].attrs["columns"]) == jets.CONTEXT_COLUMNS
            assert tuple(group["context"].attrs["units"]) == jets.CONTEXT_UNITS
            assert group["values"].dtype == np.float32
            assert group["weights"].dtype == np.float64
            assert group["event_ids"].dtype == np.uint64


@pytest.mark.parametrize("name", PROCESSES)
def test_commands_are_those_of_the_registry(name, attributes):
    assert json.loads(attributes[name]["commands"]) == list(PROCESSES[name].commands)
    assert attributes[name]["description"] == PROCESSES[name].description
    assert attributes[name]["cross_section_mb"] > 0


@pytest.mark.parametrize("name", PROCESSES)
def test_values_are_finite_and_physical(name, shipped):
    made = shipped[name]
    assert np.isfinite(made.values).all()
    assert np.isfinite(made.context).all()
    tau1, tau2, tau3 = (made.column(f"tau{n}") for n in (1, 2, 3))
    # The one-pass search for axes is not exact to the last digits.
    assert np.all(tau3 >= 0)
    assert np.mean((tau1 >= tau2) & (tau2 >= tau3)) > 0.999
    assert tau1.max() < 1
    pt, mass, msd = (made.column(c) for c in ("jet_pt", "jet_mass", "msd"))
    assert pt.min() >= 200
    assert pt.max() < 6500
    assert np.abs(made.column("jet_eta")).max() <= 2.4
    # Grooming only removes; C/A groomed four-momenta are sums of a subset of the jet's.
    assert np.all((msd >= 0) & (msd <= mass * (1 + 1e-4) + 0.01))
    assert np.all(mass < pt * np.cosh(made.column("jet_eta")))
    major, minor, ptd = (made.column(c) for c in ("axis_major", "axis_minor", "ptd"))
    assert np.all((major >= minor) & (minor >= 0) & (major < 0.8))
    assert np.all((ptd > 0) & (ptd <= 1))
    assert np.all((made.column("efp1") > 0) & (made.column("efp1") < 1.6))
    assert np.all((made.column("c2") >= 0) & (made.column("c2") < 1))


@pytest.mark.parametrize("name", PROCESSES)
def test_event_ids(name, shipped, attributes):
    ids = shipped[name].event_ids
    assert ids.max() < attributes[name]["events_generated"]
    _, counts = np.unique(ids, return_counts=True)
    assert 1 < counts.mean() < 6
    # Jets of one event stand together: each id comes back only directly after itself.
    assert np.sum(np.diff(ids.astype(np.int64)) != 0) + 1 == len(counts)


def test_weights(shipped):
    for made in shipped.values():
        assert np.all(made.weights > 0)
        assert made.weights.mean() == pytest.approx(1)
        if made.role == "signal":
            assert np.all(made.weights == 1)


def test_background_weights_restore_a_falling_spectrum(shipped):
    tops = shipped["ttbar"]
    pt = tops.column("jet_pt")
    edges = [200, 300, 400, 600, 800, 1200]
    counts, _ = np.histogram(pt, edges)
    yields, _ = np.histogram(pt, edges, weights=tops.weights)
    assert counts.min() > 1000  # enough jets wherever a signal has them
    assert np.all(np.diff(yields / np.diff(edges)) < 0)
    assert yields[-1] < 1e-2 * yields[0]


def test_top_jets_show_the_top_and_w_masses(shipped):
    tops = shipped["ttbar"]
    boosted = (tops.column("jet_pt") > 500) & (tops.column("jet_pt") < 800)
    counts, edges = np.histogram(tops.column("msd")[boosted], bins=np.arange(0, 310, 10))
    peak = edges[:-1][edges[:-1] >= 120][np.argmax(counts[edges[:-1] >= 120])]
    assert 150 <= peak <= 180
    w_window, above = np.histogram(tops.column("msd")[boosted], bins=[70, 90, 100, 120])[0][[0, 2]]
    assert w_window > above


def tau3_auc(background, signal):
    """tau3's area under the ROC curve, the background reweighted to the signal's jet pT."""
    edges = np.quantile(signal.column("jet_pt"), np.linspace(0, 1, 21))
    have, _ = np.histogram(background.column("jet_pt"), edges, weights=background.weights)
    index = np.digitize(background.column("jet_pt"), edges) - 1
    inside = (index >= 0) & (index < 20)
    weights = background.weights[inside] / have[index[inside]]
    labels = np.repeat([0, 1], [inside.sum(), len(signal)])
    scores = np.concatenate([background.column("tau3")[inside], signal.column("tau3")])
    return roc_auc_score(
        labels, scores, sample_weight=np.concatenate([weights, np.full(len(signal), 0.004)])
    )


def test_tau3_tells_semivisible_jets_from_tops_less_as_more_is_invisible(shipped):
    aucs = [tau3_auc(shipped["ttbar"], shipped[f"svjt_2000_r0{r}"]) for r in (1, 3, 5, 7)]
    assert aucs[1] > 0.8
    assert aucs == sorted(aucs, reverse=True)
    assert aucs[3] > 0.6


def test_another_part_of_the_background_is_no_signal(shipped):
    tops = shipped["ttbar"]
    half = tops.event_ids % 2 == 0
    assert tau3_auc(tops.select(half), tops.select(~half)) < 0.6


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ttbar", "svjt_2000_r03"])
def test_this_code_makes_the_shipped_jets(name, shipped, attributes):
    if pythia.version() not in attributes[name]["generator"]:
        pytest.fail(
            f"the file was made by {attributes[name]['generator']}, installed is Pythia "
            f"{pythia.version()}: install the version of the constraints, or remake the file"
        )
    seed = json.loads(attributes[name]["seeds"])["sample"]
    again = sample.simulate_jets(name, 100, seed)
    # Compilers and libraries of another platform may round differently in the last digits.
    np.testing.assert_allclose(again.values, shipped[name].values[:100], rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(again.event_ids, shipped[name].event_ids[:100])
