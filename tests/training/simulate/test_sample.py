"""Samples: determinism, weights, event ids, the dark-jet selection, the file."""

from __future__ import annotations

import json
from dataclasses import replace

import h5py
import numpy as np
import pytest

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.events import read_events
from naetrigger.training.simulate import jets, sample
from naetrigger.training.simulate.detector import Candidates
from naetrigger.training.simulate.jets import Jets
from naetrigger.training.simulate.pythia import DarkHadrons


@pytest.fixture(scope="module", autouse=True)
def _small_batches():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sample, "BATCH_EVENTS", 50)
        yield


@pytest.fixture(scope="module")
def tops():
    return sample.simulate_jets("ttbar", 80, seed=1)


@pytest.fixture(scope="module")
def dark_jets():
    return sample.simulate_jets("svjs_2000_r03", 60, seed=1)


def test_same_seed_same_jets(tops):
    again = sample.simulate_jets("ttbar", 80, seed=1)
    assert sample.content_hash([again]) == sample.content_hash([tops])
    assert again.attributes == tops.attributes


def test_fewer_jets_are_the_first_ones(tops):
    fewer = sample.simulate_jets("ttbar", 30, seed=1)
    np.testing.assert_array_equal(fewer.values, tops.values[:30])


def test_another_seed_other_jets(tops):
    other = sample.simulate_jets("ttbar", 80, seed=2)
    assert not np.intersect1d(other.column("jet_pt"), tops.column("jet_pt")).size


def test_processes_and_seeds_do_not_share_random_numbers():
    keys = [sample.seeds(name, seed) for name in sample.PROCESSES for seed in (0, 1)]
    assert len({pythia_seed for pythia_seed, _ in keys}) == len(keys)
    assert len({detector_seed for _, detector_seed in keys}) == len(keys)


def test_weights(tops, dark_jets):
    assert tops.weights.mean() == pytest.approx(1)
    assert tops.weights.max() > 10 * np.median(tops.weights)
    assert np.all(dark_jets.weights == 1)


def test_weights_of_an_unbiased_process_are_one_whatever_pythia_says(monkeypatch, dark_jets):
    batch = sample.pythia.EventGenerator.batch

    def violated(self, n_events):
        made = batch(self, n_events)
        return replace(made, weights=np.linspace(1, 25, made.n_events))

    monkeypatch.setattr(sample.pythia.EventGenerator, "batch", violated)
    again = sample.simulate_jets("svjs_2000_r03", 60, seed=1)
    assert sample.content_hash([again]) == sample.content_hash([dark_jets])


def test_jets_of_one_event_share_id_and_weight(tops):
    ids, first, counts = np.unique(tops.event_ids, return_index=True, return_counts=True)
    assert counts.max() >= 2
    weight_of = dict(zip(ids.tolist(), tops.weights[first].tolist(), strict=True))
    assert [weight_of[i] for i in tops.event_ids.tolist()] == tops.weights.tolist()
    assert ids.max() < tops.attributes["events_generated"]


def test_event_ids_stay_unique_across_batches():
    made = sample.simulate_jets("ttbar", 150, seed=3)
    assert made.attributes["events_generated"] >= 2 * sample.BATCH_EVENTS
    assert np.all(np.diff(made.event_ids.astype(np.int64)) >= 0)
    assert made.event_ids.max() >= sample.BATCH_EVENTS


def test_selection_and_labels(tops, dark_jets):
    for made, role in ((tops, "background"), (dark_jets, "signal")):
        assert made.role == role
        assert made.column("jet_pt").min() >= 200
        assert np.abs(made.column("jet_eta")).max() <= 2.4
        assert made.columns == jets.COLUMNS
        assert made.attributes["jets_dropped"] >= 0
        assert made.check() is made


def test_progress_ends_at_the_number_asked_for():
    calls = []
    sample.simulate_jets("ttbar", 20, 1, progress=lambda *call: calls.append(call))
    assert calls[-1] == (20, sample.BATCH_EVENTS)


def test_dark_pt_fraction_by_hand():
    found = Jets(
        event=np.array([0, 0, 2]),
        pt=np.array([100.0, 50.0, 200.0]),
        eta=np.array([0.0, 1.5, 0.0]),
        phi=np.array([3.1, 0.0, 0.0]),
        mass=np.zeros(3),
        counts=np.zeros(3, int),
        constituents=Candidates(*(np.zeros(0) for _ in range(4))),
    )
    dark = DarkHadrons(
        event=np.array([0, 0, 0, 1, 2]),
        pt=np.array([40.0, 30.0, 10.0, 500.0, 300.0]),
        eta=np.array([0.0, 0.1, 1.5, 0.0, 0.0]),
        phi=np.array([-3.1, 2.6, 0.5, 0.0, 0.9]),
        invisible=np.zeros(5, bool),
    )
    # 40 + 30 across phi = pi; 10 near the second jet; 300 lies 0.9 from the third jet's axis.
    assert sample.dark_pt_fraction(found, dark) == pytest.approx([0.7, 0.2, 0.0])


def test_file_holds_what_was_made(tmp_path, tops, dark_jets):
    path = tmp_path / "jets.h5"
    sample.write_sample(path, [tops, dark_jets])
    back = read_events(path)
    assert sample.content_hash(back) == sample.content_hash([tops, dark_jets])
    with h5py.File(path) as file:
        assert "never collision data" in file.attrs["label"]
        group = file["svjs_2000_r03"]
        assert list(group["values"].attrs["columns"]) == list(jets.COLUMNS)
        assert len(group["values"].attrs["units"]) == len(jets.COLUMNS)
        assert len(group["context"].attrs["units"]) == len(jets.CONTEXT_COLUMNS)
        assert "HiddenValley:FSR=on" in json.loads(group.attrs["commands"])
        assert json.loads(group.attrs["seeds"])["sample"] == 1
        assert group.attrs["generator"].startswith("Pythia 8.")


@pytest.mark.parametrize("array", ["values", "weights", "event_ids", "context"])
def test_hash_sees_every_array(tops, array):
    changed = getattr(tops, array).copy()
    changed.flat[17] += 1
    assert sample.content_hash([replace(tops, **{array: changed})]) != sample.content_hash([tops])


def test_hash_does_not_depend_on_the_order(tops, dark_jets):
    one_way = sample.content_hash([tops, dark_jets])
    assert sample.content_hash([dark_jets, tops]) == one_way
    assert sample.content_hash([tops]) != one_way


def test_unknown_process_suggests_the_near_one():
    with pytest.raises(InputError, match="did you mean 'svjt_2000_r03'"):
        sample.simulate_jets("svjt_200_r03", 10, 1)


def test_no_jets_asked_for():
    with pytest.raises(InputError, match="at least 1, got 0"):
        sample.simulate_jets("ttbar", 0, 1)
