"""The samples that ship with the package: complete, sane, labelled, and made by this code."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import h5py
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from naetrigger.contracts.events import read_events
from naetrigger.training.simulate import chunks, jets, pythia, sample
from naetrigger.training.simulate.processes import PROCESSES
from naetrigger.training.simulate.views import layout

FOLDER = Path(str(resources.files("naetrigger.training.data")))
PATH = FOLDER / "jets.h5"
POOL = Path(str(resources.files("naetrigger.training.simulate"))) / "pool.h5.xz"
JETS = ["ttbar", *(name for name in PROCESSES if name.startswith("svj"))]
TRIGGER = ["a_4l", "lq_btau", "h0_tautau", "hp_taunu", "ttbar", "svjs_2000_r03"]
# Sample: view, background and its rows, signals, rows of each.
SAMPLES = {
    "jets": ("jets", "ttbar", 50_000, JETS[1:], 5000),
    "l1-objects": ("l1-objects", "zero_bias", 100_000, TRIGGER, 5000),
    "calo-regions": ("regions", "zero_bias", 20_000, TRIGGER, 1000),
    "jet-images": ("images", "qcd", 20_000, ["top"], 5000),
}


@pytest.fixture(scope="module")
def shipped():
    return {made.process: made for made in read_events(PATH)}


@pytest.fixture(scope="module")
def attributes():
    with h5py.File(PATH) as file:
        return dict(file.attrs) | {name: dict(group.attrs) for name, group in file.items()}


def test_files_are_small():
    sizes = [(FOLDER / f"{name}.h5").stat().st_size for name in SAMPLES]
    assert sum(sizes) < 20e6
    assert POOL.stat().st_size < 5e6


@pytest.mark.parametrize("name", SAMPLES)
def test_sample_is_complete_and_labelled(name):
    view, background, rows, signals, signal_rows = SAMPLES[name]
    columns = layout(view)
    with h5py.File(FOLDER / f"{name}.h5") as file:
        assert file.attrs["label"] == sample.LABEL
        assert "arXiv:" in file.attrs["citation"]
        assert next(iter(file.attrs["processes"])) == background
        assert set(file) == {background, *signals}
        for process, group in file.items():
            assert group.attrs["role"] == ("background" if process == background else "signal")
            assert len(group["values"]) >= (rows if process == background else signal_rows)
            assert tuple(group["values"].attrs["columns"]) == columns.columns
            assert tuple(group["values"].attrs["units"]) == columns.units
            assert json.loads(group.attrs["commands"]) == list(PROCESSES[process].commands)
            assert group.attrs["description"] == PROCESSES[process].description
            assert group.attrs["view"] == view


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


@pytest.mark.parametrize("name", JETS)
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
    assert np.abs(made.column("jet_eta")).max() <= 2.4 * (1 + 2**-12)  # as stored
    # Grooming only removes; C/A groomed four-momenta are sums of a subset of the jet's.
    assert np.all((msd >= 0) & (msd <= mass * (1 + 1e-4) + 0.01))
    assert np.all(mass < pt * np.cosh(made.column("jet_eta")))
    major, minor, ptd = (made.column(c) for c in ("axis_major", "axis_minor", "ptd"))
    assert np.all((major >= minor) & (minor >= 0) & (major < 0.8))
    assert np.all((ptd > 0) & (ptd <= 1))
    assert np.all((made.column("efp1") > 0) & (made.column("efp1") < 1.6))
    assert np.all((made.column("c2") >= 0) & (made.column("c2") < 1))


@pytest.mark.parametrize("name", JETS)
def test_event_ids(name, shipped, attributes):
    ids = shipped[name].event_ids
    # Chunks number their events from a multiple of their size.
    assert ids.max() < attributes[name]["events_generated"] + 1000
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


def test_background_is_worth_a_fifth_of_its_rows(shipped):
    tops = shipped["ttbar"]
    effective = tops.weights.sum() ** 2 / np.sum(tops.weights**2)
    assert effective > 0.2 * len(tops)  # 658 of 24 000 when it was generated flat in pT


@pytest.mark.slow
@pytest.mark.parametrize(("name", "process"), [("jets", "svjt_2000_r03"), ("jet-images", "top")])
def test_this_code_makes_the_shipped_rows(name, process):
    with h5py.File(FOLDER / f"{name}.h5") as file:
        group = file[process]
        seeds, generator = json.loads(group.attrs["seeds"]), group.attrs["generator"]
        values, ids = group["values"][:100], group["event_ids"][:100]
    if pythia.version() not in generator:
        pytest.fail(
            f"the file was made by {generator}, installed is Pythia {pythia.version()}: install "
            "the version of the constraints, or remake the file"
        )
    order = chunks.Order(process, SAMPLES[name][0], seeds["sample"], seeds["chunk_events"])
    made = chunks.make_chunk(order, 0)
    # Compilers and libraries of another platform may round differently in the last digits.
    np.testing.assert_allclose(made.values[:100], values, rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(made.event[:100], ids)
