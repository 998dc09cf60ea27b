"""Weights that flatten a spectrum: the law itself, its edges, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.events import Events, read_events, write_events
from naetrigger.firmware_configs.trigger_scales import trigger_scale
from naetrigger.training.data.flattening import Flatten, flattened
from naetrigger.training.data.prepare import prepare
from naetrigger.training.data.settings import DataSettings
from naetrigger.training.data.training_weights import TRAINING_WEIGHTS, training_events

FLAT = Flatten(column="pt", low=200, high=600)


def falling(n: int = 40_000, scale: float = 150.0) -> Events:
    rng = np.random.default_rng(5)
    pt = 100 + rng.exponential(scale, n)
    return Events(
        process="qcd",
        role="background",
        columns=("a",),
        values=rng.normal(size=(n, 1)).astype(np.float32),
        weights=np.ones(n),
        event_ids=np.arange(n, dtype=np.uint64),
        context_columns=("pt",),
        context=pt[:, None].astype(np.float32),
    )


def test_the_spectrum_is_flat_between_low_and_high() -> None:
    events = flattened(falling(), FLAT)
    edges = np.linspace(200, 600, 9)
    counts, _ = np.histogram(events.column("pt"), edges)
    sums, _ = np.histogram(events.column("pt"), edges, weights=events.weights)
    assert counts.max() / counts.min() > 8
    error = sums / np.sqrt(counts)
    assert (np.abs(sums - sums.mean()) < 4 * error + 0.02 * sums.mean()).all()
    assert events.weights.mean() == pytest.approx(1)


def test_tails_weigh_as_the_edges_do() -> None:
    events = flattened(falling(), FLAT)
    pt, w = events.column("pt"), events.weights
    assert len(np.unique(w[pt < 200])) == 1
    assert len(np.unique(w[pt > 600])) == 1
    assert w[pt < 200][0] < w[pt > 600][0] / 8


def test_own_weights_count_in_the_spectrum_and_stay_as_factors() -> None:
    events = falling()
    pt = events.column("pt").astype(np.float64)
    parity = np.arange(len(events)) % 2
    tilted = replace(events, weights=np.where(parity == 0, 3.0, 1.0) * pt)
    weights = flattened(tilted, FLAT).weights
    sums, _ = np.histogram(pt, np.linspace(200, 600, 9), weights=weights)
    assert np.ptp(sums) < 0.3 * sums.mean()
    assert weights[parity == 0].mean() == pytest.approx(3 * weights[parity == 1].mean(), rel=0.05)


def test_no_event_weighs_more_than_the_cap() -> None:
    capped = flattened(falling(), FLAT.model_copy(update={"cap": 2.0})).weights
    assert capped.max() <= 2.0 + 1e-6 < flattened(falling(), FLAT).weights.max()
    assert capped.mean() == pytest.approx(1, abs=1e-3)


def test_empty_bins_lend_the_density_of_their_neighbours() -> None:
    events = falling()
    pt = events.column("pt")
    holed = events.select((pt < 300) | (pt > 400))
    weights = flattened(holed, FLAT).weights
    assert np.isfinite(weights).all()
    assert (weights > 0).all()


def test_what_cannot_be_flattened_is_refused() -> None:
    events = falling(100)
    with pytest.raises(InputError, match="no bin of pt between 5000 and 6000"):
        flattened(events, Flatten(column="pt", low=5000, high=6000))
    with pytest.raises(InputError, match="ptt"):
        flattened(events, Flatten(column="ptt", low=200, high=600))
    events.context[7, 0] = np.nan
    with pytest.raises(InputError, match="row 7"):
        flattened(events, FLAT)
    with pytest.raises(ValidationError, match="low must be below high"):
        Flatten(column="pt", low=600, high=200)


def test_the_data_stage_flattens_training_and_validation_alone(tmp_path: Path) -> None:
    """And in training alone: the events keep the data's own weights."""
    source = tmp_path / "events.h5"
    write_events(source, [falling(4000), replace(falling(50), process="s", role="signal")])
    settings = {"source": str(source), "flatten": FLAT.model_dump() | {"bins": 8}}
    prepare(DataSettings.model_validate(settings), tmp_path)
    for name in ("train", "validation", "test"):
        for part in read_events(tmp_path / f"{name}.h5"):
            assert (part.weights == 1).all()
    for name in ("train", "validation"):
        drawn, own = training_events(tmp_path, name), read_events(tmp_path / f"{name}.h5")[0]
        assert np.array_equal(drawn.event_ids, own.event_ids)
        assert drawn.weights.max() > 3 * drawn.weights.min()
        assert drawn.weights.mean() == pytest.approx(1)
    counts = json.loads((tmp_path / "counts.json").read_text())["train"]["qcd"]
    assert counts["effective_events"] == counts["events"]
    assert counts["effective_events_in_training"] < 0.9 * counts["events"]


def test_without_flattening_training_draws_by_the_weights_of_the_data(tmp_path: Path) -> None:
    source = tmp_path / "events.h5"
    weighted = falling(400)
    write_events(source, [replace(weighted, weights=1.0 + weighted.event_ids)])
    prepare(DataSettings.model_validate({"source": str(source)}), tmp_path)
    assert not (tmp_path / TRAINING_WEIGHTS).exists()
    train = training_events(tmp_path, "train")
    assert np.array_equal(train.weights, 1.0 + train.event_ids)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"train": np.ones(3), "validation": np.ones(4)}, "must be 40 weights"),
        ({"train": -np.ones(40), "validation": np.ones(4)}, "weights are not positive"),
        ({"other": np.ones(40)}, "not readable"),
    ],
)
def test_training_weights_of_other_events_are_refused(
    tmp_path: Path, content: dict[str, np.ndarray], said: str
) -> None:
    write_events(tmp_path / "train.h5", [falling(40)])
    np.savez(tmp_path / TRAINING_WEIGHTS, **content)
    with pytest.raises(InputError, match=said):
        training_events(tmp_path, "train")


@pytest.mark.parametrize("kind", ["physical", "hardware", "hardware beside the inputs", "unsaid"])
def test_bounds_are_physical_where_the_column_is_hardware_integers(
    tmp_path: Path, kind: str
) -> None:
    """jet1_pt counts steps of 0.5 GeV: bounds in steps would end at half of the spectrum."""
    scale = trigger_scale("jet1_pt")
    assert scale is not None
    events = falling(4000)
    steps = scale.integers(events.column("pt")).astype(np.float32)[:, None]
    column = steps if kind != "physical" else events.context
    unit = {"physical": "GeV", "unsaid": ""}.get(kind, "hw")
    names = {"columns": ("jet1_pt",), "values": column, "units": (unit,)}
    if kind == "hardware beside the inputs":
        names = {"context_columns": ("jet1_pt",), "context": column, "context_units": (unit,)}
    else:
        names |= {"context_columns": (), "context": np.zeros((4000, 0), np.float32)}
    source = tmp_path / "events.h5"
    write_events(source, [replace(events, **names)])
    settings = {"source": str(source), "flatten": FLAT.model_dump() | {"column": "jet1_pt"}}
    settings |= {"units": "hw"} if kind == "unsaid" else {}
    prepare(DataSettings.model_validate(settings), tmp_path)
    train = training_events(tmp_path, "train")
    rows = train.event_ids.astype(int)
    gev = replace(events.select(rows), context=scale.physical(steps[rows]).astype(np.float32))
    np.testing.assert_allclose(train.weights, flattened(gev, FLAT).weights)
