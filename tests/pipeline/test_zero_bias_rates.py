"""The command `naetrigger rates`: from a file of crossings to thresholds, and what it refuses."""

from __future__ import annotations

import importlib.util
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.events import Events, split_of, write_events
from naetrigger.contracts.manifest import sha256_of
from naetrigger.firmware_configs.input_spec import load_input_spec
from naetrigger.firmware_configs.machine import load_machine, machine_names
from naetrigger.pipeline import zero_bias_rates
from naetrigger.pipeline.cli import run_command_line
from naetrigger.pipeline.zero_bias_rates import RatesOptions, in_calibration, measure_rates
from naetrigger.training.data.subset import stable_subset

_path = Path(__file__).with_name("small_run.py")
_spec = importlib.util.spec_from_file_location("small_run", _path)
assert _spec is not None
assert _spec.loader is not None
small_run: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(small_run)

N = 12_000
KHZ = load_machine("lhc-run3").crossing_rate_khz
OPTIONS = RatesOptions(rates_khz=(2000.0, 0.1), replicas=20)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root: Path = small_run.make_run(tmp_path_factory.mktemp("run") / "run")
    return root


@pytest.fixture(scope="module")
def events() -> Events:
    sample: Events = small_run.crossings(N, seed=1)
    return replace(sample, attributes={"generator": "Pythia", "crossing_rate_khz": 30_000.0})


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory, events: Events) -> Path:
    path = tmp_path_factory.mktemp("events") / "zb.h5"
    signal = replace(small_run.crossings(50, seed=2, process="a_4l"), role="signal")
    write_events(path, [events, signal])
    return path


@pytest.fixture(scope="module")
def found(run: Path, file: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return measure_rates(run, file, tmp_path_factory.mktemp("rates"), OPTIONS)


def test_the_numbers_by_hand(found: dict[str, Any], events: Events) -> None:
    """Threshold on one half, rate on the other, both from the network in integers alone."""
    network = small_run.network()
    x = load_input_spec("l1-57-pt").mantissas(events)
    scores = network.trace(x)[network.output][:, 0]
    half = np.where(in_calibration(events.event_ids), 1, 2)
    entry = found["rates"][0]
    fractions = {}
    for which in (1, 2):
        s, w = scores[half == which], events.weights[half == which]
        fractions[which] = lambda t, s=s, w=w: w[s >= t].sum() / w.sum()
    t = entry["threshold_hw"]
    assert fractions[1](t) * KHZ <= 2000 < fractions[1](t - 1) * KHZ
    assert entry["test"]["rate_khz"] == pytest.approx(fractions[2](t) * KHZ)
    w = events.weights[half == 2]
    for name, column, above in (("single muon 22", "mu1_pt", 44), ("HT 360", "ht", 360)):
        fires = events.column(column)[half == 2] >= above  # the muon's in steps of 0.5 GeV
        seed = next(seed for seed in found["seeds"] if seed["name"] == name)
        assert fires.any()
        assert seed["rate_khz"] == pytest.approx(w[fires].sum() / w.sum() * KHZ)
    assert entry["status"] == "ok"
    assert entry["pileup"]["column"] == "n_pileup"
    assert entry["pure"]["rate_khz"] <= entry["test"]["rate_khz"]


def test_what_the_document_says_of_itself(found: dict[str, Any], run: Path, file: Path) -> None:
    assert found["file_sha256"] == sha256_of(file)
    assert found["run_manifest_sha256"] == sha256_of(run / "manifest.json")
    assert found["process"] == "zero_bias"
    assert found["sample"]["crossings"] == N
    assert found["sample"]["calibration"]["crossings"] + found["sample"]["test"]["crossings"] == N
    assert "pool events" in found["interval"]
    assert any("made for 30000 kHz" in note for note in found["notes"])
    folder = Path(found["folder"])
    written = json.loads((folder / "rates.json").read_text())
    assert written == {k: v for k, v in found.items() if k != "folder"}
    ElementTree.fromstring((folder / "rates.svg").read_text())


def test_what_every_threshold_keeps_of_a_signal(run: Path, file: Path, tmp_path: Path) -> None:
    """By hand from the network's scores, of the extrapolated threshold too; the page shows it."""
    signal = replace(small_run.crossings(400, seed=2, process="a_4l"), role="signal")
    root = tmp_path / "run"
    shutil.copytree(run, root)
    write_events(root / "data" / "test.h5", [small_run.crossings(50, seed=3), signal])
    found = measure_rates(root, file, tmp_path, replace(OPTIONS, extrapolate=True))
    network = small_run.network()
    x = load_input_spec("l1-57-pt").mantissas(signal)
    scores, w = network.trace(x)[network.output][:, 0], signal.weights
    for entry in found["rates"]:
        (kept,) = entry["signals"]
        fires = scores >= entry["threshold_hw"]
        assert kept["signal"] == "a_4l"
        assert kept["efficiency"] == pytest.approx(w[fires].sum() / w.sum())
        low, high = kept["interval_68"]
        assert low <= kept["efficiency"] < high
    assert found["rates"][0]["signals"][0]["efficiency"] > 0
    page = (tmp_path / "rates.html").read_text()
    assert "<h2>Signals kept</h2>" in page
    assert f"{found['rates'][0]['signals'][0]['efficiency']:.4f} ±" in page


def test_a_run_without_signals(found: dict[str, Any]) -> None:
    assert found["rates"][0]["signals"] == []
    assert "Signals kept" not in (Path(found["folder"]) / "rates.html").read_text()


def test_the_page(found: dict[str, Any]) -> None:
    page = (Path(found["folder"]) / "rates.html").read_text()
    for words in ("FAILED", "1 of 2 requested rates", "<h2>Thresholds</h2>", "by pile-up", "<svg"):
        assert words in page
    assert "http" not in page.replace("http://www.w3.org", "")


def test_a_rate_beyond_the_sample_is_refused_or_extrapolated(
    found: dict[str, Any], run: Path, file: Path, tmp_path: Path
) -> None:
    refused = found["rates"][1]
    assert refused["status"] == "refused"
    assert refused["threshold_hw"] is None
    assert refused["needs_calibration_crossings"] > 1e6
    again = measure_rates(run, file, tmp_path, replace(OPTIONS, extrapolate=True))
    far = again["rates"][1]
    assert far["status"] == "extrapolated"
    low, high = far["threshold_interval_95"]
    assert low <= far["threshold_hw"] <= high
    assert again["rates"][0] == found["rates"][0]


def test_events_the_run_learned_from_are_left_out_wherever_the_file_lies_now(
    file: Path, tmp_path: Path, events: Events
) -> None:
    """The recipe's source is no file any more: its sha256 stays in the run folder."""
    root = small_run.make_run(tmp_path / "run", source=file)
    moved = tmp_path / "renamed.h5"
    shutil.copy(file, moved)
    found = measure_rates(root, moved, tmp_path, OPTIONS)
    kept = int((split_of(events.event_ids, (0.6, 0.1, 0.3)) == 2).sum())
    assert found["sample"]["crossings"] == kept
    unseen = split_of(events.event_ids, (0.6, 0.1, 0.3)) == 2
    measured = np.flatnonzero(unseen & ~in_calibration(events.event_ids))
    parts = found["rates"][0]["stability"]["parts"]
    assert (parts[0]["low"], parts[-1]["high"]) == (measured[0], measured[-1])
    assert any(f"{N - kept} crossings of its training" in note for note in found["notes"])
    other = tmp_path / "other.h5"
    write_events(other, [events.select(np.arange(1, N))])
    again = measure_rates(root, other, tmp_path, OPTIONS)
    assert again["sample"]["crossings"] == N - 1
    assert not any("train" in note for note in again["notes"])


def test_parts_that_a_run_took_of_a_file_fall_into_both_halves() -> None:
    """data/test.h5 of a run is one by its split; `data.max_background` takes one as well."""
    ids = np.arange(40_000, dtype=np.uint64)
    none = np.zeros((len(ids), 0), np.float32)
    whole = Events("zero_bias", "background", (), none, np.ones(len(ids)), ids)
    parts = [ids[split_of(ids, (0.6, 0.1, 0.3)) == i] for i in range(3)]
    parts += [part.event_ids for part in stable_subset([whole], 4000)]
    for part in (ids, *parts):
        share = in_calibration(part).mean()
        assert abs(share - 0.5) < 4 * 0.5 / np.sqrt(len(part))


def test_a_run_that_does_not_say_what_it_learned_from(found: dict[str, Any]) -> None:
    assert any("does not say which file it was trained on" in note for note in found["notes"])


@pytest.mark.parametrize("number", [2**24, 2**24 + 5, 2.5, np.nan])
def test_pool_events_that_would_run_together_are_refused(
    run: Path, events: Events, tmp_path: Path, number: float
) -> None:
    few = events.select(np.arange(200))  # a copy
    few.context[7, few.context_columns.index("pool_event")] = number
    with pytest.raises(InputError, match="'pool_event'"):
        zero_bias_rates._require_pool_numbers("pool_event", few.column("pool_event"))
    if np.isfinite(number):
        write_events(tmp_path / "pool.h5", [few])
        with pytest.raises(InputError, match="whole numbers below 16777216, got"):
            measure_rates(run, tmp_path / "pool.h5", tmp_path, OPTIONS)


def test_a_file_that_knows_neither_pool_nor_pileup(
    run: Path, events: Events, tmp_path: Path
) -> None:
    none = {"context_columns": (), "context_units": (), "context": np.zeros((N, 0), np.float32)}
    bare = replace(events, weights=np.ones(N), **none)
    write_events(tmp_path / "bare.h5", [bare])
    found = measure_rates(run, tmp_path / "bare.h5", tmp_path / "out", OPTIONS)
    assert found["interval"] == "Clopper-Pearson"
    assert found["rates"][0]["threshold_bootstrap_error"] is None
    assert "pileup" not in found["rates"][0]
    for words in ("names no pool events", "no column of pile-up", "simple seed 'HT 360'"):
        assert any(words in note for note in found["notes"])


def test_refusals(run: Path, file: Path, events: Events, tmp_path: Path) -> None:
    other = tmp_path / "other.h5"
    write_events(other, [replace(events, process="ttbar", attributes={})])
    with pytest.raises(InputError, match="nothing says that these events are; say --zero-bias"):
        measure_rates(run, other, tmp_path, OPTIONS)
    assert measure_rates(run, other, tmp_path, replace(OPTIONS, zero_bias=True))["rates"]
    for changes, message in (
        ({"engine": "torch"}, "thresholds in hardware integers"),
        ({"process": "zero_bais"}, "did you mean 'zero_bias'"),
        ({"machine": "lhc"}, "no shipped machine 'lhc'"),
        ({"pileup": "n_pilup"}, "did you mean 'n_pileup'"),
        ({"rates_khz": (-1.0,)}, "must be above 0"),
        ({"rates_khz": (1e6,)}, "at which bunches cross"),
    ):
        with pytest.raises(InputError, match=message):
            measure_rates(run, file, tmp_path, replace(OPTIONS, **changes))
    with pytest.raises(InputError, match="not validated yet"):
        measure_rates(run, file, None, OPTIONS)


def test_machines() -> None:
    assert "lhc-run3" in machine_names()
    for name in machine_names():
        machine = load_machine(name)
        assert 20_000 < machine.crossing_rate_khz < 40_079
        assert machine.seeds
    assert load_machine("lhc-2018").crossing_rate_khz == pytest.approx(11.2455 * 2544)


def test_the_command(
    run: Path, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["rates", str(run), str(file), "--out", str(tmp_path), "--workers", "1", "--quiet"]
    assert run_command_line([*arguments, "--rate", "2000"]) == 0
    shown = capsys.readouterr().out
    assert "Thresholds" in shown
    assert "single muon 22" in shown
    assert run_command_line([*arguments, "--json"]) == 1  # the recipe's rates are beyond this file
    document = json.loads(capsys.readouterr().out)
    assert [entry["requested_khz"] for entry in document["rates"]] == [0.1, 1.0, 5.0, 10.0]
    assert {entry["status"] for entry in document["rates"]} == {"refused"}
