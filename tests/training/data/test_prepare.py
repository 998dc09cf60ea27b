"""The data stage: what is written where, and that no signal gets near a training."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.events import Events, read_events, write_events
from naetrigger.contracts.manifest import sha256_of
from naetrigger.firmware_configs.derive_spec import derive_input_spec
from naetrigger.firmware_configs.digitise import digitise
from naetrigger.firmware_configs.input_spec import load_input_spec
from naetrigger.firmware_configs.offline_steps import BlockSum, grid_columns
from naetrigger.firmware_configs.trigger_scales import trigger_scales
from naetrigger.training.data.prepare import look, prepare, source_sha256
from naetrigger.training.data.settings import DataSettings


def events(process: str, role: str, n: int, pt_scale: float, seed: int) -> Events:
    rng = np.random.default_rng(seed)
    return Events(
        process,
        role,
        ("a", "b", "c"),
        rng.normal(2.0, 0.3, (n, 3)).astype(np.float32),
        rng.uniform(0.5, 1.5, n),
        np.arange(n, dtype=np.uint64) // 2,
        ("jet_pt",),
        rng.exponential(pt_scale, (n, 1)).astype(np.float32),
    )


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "events.h5"
    signals = [events(f"s{i}", "signal", 100 * i, 200.0, i) for i in (1, 2)]
    write_events(path, [events("qcd", "background", 4000, 100.0, 0), *signals])
    return path


def prepared(folder: Path, **settings: object) -> Path:
    out = folder / "data"
    out.mkdir()
    prepare(DataSettings.model_validate(settings), out)
    return out


def test_signals_are_in_the_test_sample_alone(tmp_path: Path, source: Path) -> None:
    out = prepared(tmp_path, source=str(source))
    (train,), (validation,) = read_events(out / "train.h5"), read_events(out / "validation.h5")
    test, s1, s2 = read_events(out / "test.h5")
    assert {train.process, validation.process, test.process} == {"qcd"}
    assert (s1.process, s2.process, len(s1), len(s2)) == ("s1", "s2", 100, 200)
    assert len(train) + len(validation) + len(test) == 4000
    ids = [set(part.event_ids.tolist()) for part in (train, validation, test)]
    assert not ids[0] & ids[1] | ids[0] & ids[2] | ids[1] & ids[2]
    assert abs(len(train) / 4000 - 0.6) < 0.05  # 2000 ids: sigma 0.011


def test_split_does_not_depend_on_the_order(tmp_path: Path, source: Path) -> None:
    (first,) = read_events(prepared(tmp_path, source=str(source)) / "train.h5")
    background, *signals = read_events(source)
    shuffled = tmp_path / "other"
    shuffled.mkdir()
    write_events(shuffled / "e.h5", [background.select(np.arange(4000)[::-1]), *signals])
    (second,) = read_events(prepared(shuffled, source=str(shuffled / "e.h5")) / "train.h5")
    assert sorted(first.event_ids.tolist()) == sorted(second.event_ids.tolist())


def test_spec_is_derived_from_training_background(tmp_path: Path, source: Path) -> None:
    out = prepared(tmp_path, source=str(source), columns=["c", "a"], offline={"c": "log"})
    spec = load_input_spec(str(out / "input_spec.yaml"))
    assert spec.columns == ("c", "a")
    assert [f.offline for f in spec.features] == ["log", "none"]
    (train,) = read_events(out / "train.h5")
    assert train.columns == ("c", "a")
    assert train.context_columns == ("b", "jet_pt")
    spread = spec.inputs(train.values).std(axis=0)
    assert np.all((spread > 0.45) & (spread < 1.1))
    counts = json.loads((out / "counts.json").read_text())
    assert counts["test"]["s1"]["events"] == 100
    assert set(counts["train"]["qcd"]["saturated_fraction"]) == {"c", "a"}


def test_the_folder_says_which_file_it_was_made_from(tmp_path: Path, source: Path) -> None:
    signals = {"s1": str(source)}
    out = prepared(tmp_path, source=str(source), signals=signals)
    assert source_sha256(out) == sha256_of(source)
    counts = json.loads((out / "counts.json").read_text())
    assert set(counts["sources_sha256"]) == {"source", "signals.s1"}
    (out / "counts.json").write_text('{"train": {}}')
    assert source_sha256(out) is None


def test_given_spec_chooses_the_columns(tmp_path: Path, source: Path) -> None:
    first = prepared(tmp_path, source=str(source), columns=["b"])
    again = tmp_path / "again"
    again.mkdir()
    spec = str(first / "input_spec.yaml")
    out = prepared(again, source=str(source), input_spec=spec)
    assert read_events(out / "train.h5")[0].columns == ("b",)
    with pytest.raises(InputError, match="are not the inputs of"):
        prepare(DataSettings(source=str(source), input_spec=spec, columns=("a",)), out)


def test_no_sample_carries_weights_that_come_from_a_signal(tmp_path: Path, source: Path) -> None:
    """`reweight` is for the verdict alone: what trains is the same with and without it."""
    folders = [tmp_path / "plain", tmp_path / "reweighted"]
    for folder in folders:
        folder.mkdir()
    plain = prepared(folders[0], source=str(source))
    with_it = prepared(folders[1], source=str(source), reweight="jet_pt")
    for name in ("train.h5", "validation.h5", "test.h5"):
        assert (plain / name).read_bytes() == (with_it / name).read_bytes()


def test_unit_weights_reach_every_sample(tmp_path: Path, source: Path) -> None:
    out = prepared(tmp_path, source=str(source), weights="unit")
    for name in ("train.h5", "validation.h5", "test.h5"):
        assert all(np.all(sample.weights == 1) for sample in read_events(out / name))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"reweight": "mass"}, "no column 'mass'"),
        ({"max_background": 50}, "at least 20 are needed"),
        ({"columns": ["a", "z"]}, "no column 'z'"),
        ({"columns": ["a", "z"], "offline": {"b": "log"}}, "no column 'z'"),
        ({"offline": {"z": "log"}}, "not among the inputs"),
        ({"input_spec": "nothing"}, "no shipped input 'nothing'"),
    ],
)
def test_problems_are_named(
    tmp_path: Path, source: Path, settings: dict[str, object], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        prepared(tmp_path, source=str(source), **settings)


def test_nan_in_the_reweighting_column_is_refused_before_training(tmp_path: Path) -> None:
    background = events("qcd", "background", 500, 100.0, 0)
    context = background.context.copy()
    context[7, background.context_columns.index("jet_pt")] = np.nan
    path = tmp_path / "events.h5"
    write_events(path, [replace(background, context=context)])
    with pytest.raises(InputError, match="'jet_pt' holds 1 NaN or infinite values, the first in"):
        prepared(tmp_path, source=str(path), reweight="jet_pt")


def test_limits(tmp_path: Path, source: Path) -> None:
    out = prepared(tmp_path, source=str(source), max_background=1000, max_signal=30)
    test = read_events(out / "test.h5")
    assert [len(s) for s in test[1:]] == [30, 30]
    assert (
        sum(len(read_events(out / f"{n}.h5")[0]) for n in ("train", "validation", "test")) == 1000
    )


def test_log_of_a_negative_value_names_process_and_column(tmp_path: Path) -> None:
    path = tmp_path / "events.h5"
    bad = events("s", "signal", 100, 200.0, 1)
    bad.values[7, 1] = -1
    write_events(path, [events("qcd", "background", 500, 100.0, 0), bad])
    with pytest.raises(InputError, match="s: column 'b': log needs values above 0, row 7"):
        prepared(tmp_path, source=str(path), offline={"b": "log"})


CELLS = grid_columns("pix", (4, 4))
JETS = tuple(f"jet{i}_{q}" for i in (1, 2) for q in ("pt", "eta", "phi"))


def images(process: str, role: str, n: int, seed: int, **changes: object) -> Events:
    rng = np.random.default_rng(seed)
    values = rng.poisson(rng.uniform(20, 200, (n, 16))).astype(np.float32)
    ids = np.arange(n, dtype=np.uint64)
    sample = Events(process, role, CELLS, values, np.ones(n), ids, units=("hw",) * 16)
    return replace(sample, **changes)  # type: ignore[arg-type]


def jets(n: int, seed: int) -> Events:
    """Two jets in physical units, as a simulation gives them."""
    rng = np.random.default_rng(seed)
    x = np.zeros((n, 2, 3), np.float32)
    x[:, :, 0] = -np.sort(-rng.exponential(60, (n, 2)), axis=1) + 1
    x[:, :, 1] = rng.uniform(-5, 5, (n, 2))
    x[:, :, 2] = rng.uniform(-np.pi, np.pi, (n, 2))
    units = ("GeV", "1", "rad") * 2
    ids = np.arange(n, dtype=np.uint64)
    return Events("zb", "background", JETS, x.reshape(n, 6), np.ones(n), ids, units=units)


def written(path: Path, *samples: Events) -> str:
    write_events(path, samples)
    return str(path)


def jets_spec(folder: Path) -> str:
    """A spec of both jets, in hardware integers."""
    scales = trigger_scales(JETS)
    integers = digitise(jets(500, 9), scales).events.values
    spec = derive_input_spec("jets", JETS, integers, scales=scales)
    (folder / "jets.yaml").write_text(spec.to_yaml())
    return str(folder / "jets.yaml")


def sums_spec(folder: Path, bits: int = 12) -> str:
    scales = {cell: trigger_scales(CELLS)[cell].model_copy(update={"bits": bits}) for cell in CELLS}
    steps = (BlockSum(shape=(4, 4), block=(2, 2)),)
    values = images("qcd", "background", 500, 9).values
    spec = derive_input_spec("sums", CELLS, values, scales=scales, steps=steps)
    (folder / "sums.yaml").write_text(spec.to_yaml())
    return str(folder / "sums.yaml")


def test_physical_values_are_written_as_hardware_integers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    events = jets(1000, 1)
    events.values[3, 0] = 5000.0
    spec = jets_spec(tmp_path)
    with caplog.at_level("WARNING", "naetrigger"):
        out = prepared(tmp_path, source=written(tmp_path / "e.h5", events), input_spec=spec)
    parts = [read_events(out / f"{name}.h5")[0] for name in ("train", "validation", "test")]
    assert all(part.units == ("hw",) * 6 for part in parts)
    values = np.concatenate([part.values for part in parts])
    ids = np.concatenate([part.event_ids for part in parts])
    expected = digitise(events, trigger_scales(JETS)).events.values
    np.testing.assert_array_equal(values[np.argsort(ids)], expected)
    counts = json.loads((out / "counts.json").read_text())
    assert counts["digitised"] == {"zb": {"saturated": {"jet1_pt": 1}, "sorted_events": 0}}
    assert "zb: 1 values are beyond the hardware range and saturate (jet1_pt: 1)" in caplog.text


def test_columns_without_units_need_a_word(tmp_path: Path) -> None:
    events = replace(jets(1000, 1), units=())
    settings = {"source": written(tmp_path / "e.h5", events), "input_spec": jets_spec(tmp_path)}
    with pytest.raises(InputError, match=r"'jet1_pt': states no unit.*data.units: physical"):
        prepared(tmp_path, **settings)
    prepare(DataSettings.model_validate(settings | {"units": "physical"}), tmp_path / "data")
    assert set(read_events(tmp_path / "data" / "train.h5")[0].units) == {"hw"}
    with pytest.raises(InputError, match="'jet1_pt': hardware integers are whole numbers"):
        prepare(DataSettings.model_validate(settings | {"units": "hw"}), tmp_path / "data")


def test_unsorted_objects_are_sorted_on_demand(tmp_path: Path) -> None:
    events = jets(1000, 1)
    events.values[::2] = events.values[::2][:, [3, 4, 5, 0, 1, 2]]
    settings = {"source": written(tmp_path / "e.h5", events), "input_spec": jets_spec(tmp_path)}
    with pytest.raises(InputError, match="not sorted by falling pT"):
        prepared(tmp_path, **settings)
    prepare(DataSettings.model_validate(settings | {"sort_objects": True}), tmp_path / "data")
    (train,) = read_events(tmp_path / "data" / "train.h5")
    assert np.all(train.column("jet1_pt") >= train.column("jet2_pt"))
    counts = json.loads((tmp_path / "data" / "counts.json").read_text())
    assert counts["digitised"]["zb"]["sorted_events"] > 400


def test_hardware_integers_of_known_names_get_their_scales_from_auto(tmp_path: Path) -> None:
    source = written(tmp_path / "e.h5", images("qcd", "background", 1000, 0))
    out = prepared(
        tmp_path,
        source=source,
        steps=[{"step": "sum", "shape": [4, 4], "block": [2, 2]}],
    )
    spec = load_input_spec(str(out / "input_spec.yaml"))
    assert spec.columns == grid_columns("sum", (2, 2))
    assert {feature.bits for feature in spec.features} == {14}
    (train,) = read_events(out / "train.h5")
    assert train.columns == CELLS
    assert spec.inputs(train).shape == (len(train), 4)


def test_physical_trigger_objects_are_digitised_by_auto_too(tmp_path: Path) -> None:
    events = jets(1000, 1)
    out = prepared(tmp_path, source=written(tmp_path / "e.h5", events))
    spec = load_input_spec(str(out / "input_spec.yaml"))
    assert dict(spec.scales) == trigger_scales(JETS)
    (train,) = read_events(out / "train.h5")
    assert set(train.units) == {"hw"}
    np.testing.assert_array_equal(train.values, np.floor(train.values))


def test_a_student_with_inputs_of_its_own(tmp_path: Path) -> None:
    source = written(
        tmp_path / "e.h5", images("qcd", "background", 1000, 0), images("top", "signal", 99, 1)
    )
    out = prepared(tmp_path, source=source, student_input_spec=sums_spec(tmp_path))
    teacher = load_input_spec(str(out / "input_spec.yaml"))
    student = load_input_spec(str(out / "student_input_spec.yaml"))
    assert (teacher.columns, student.source_columns) == (CELLS, CELLS)
    (train,) = read_events(out / "train.h5")
    assert student.inputs(train).shape == (len(train), 4)
    counts = json.loads((out / "counts.json").read_text())
    assert set(counts["test"]["top"]["student_saturated_fraction"]) == set(student.columns)


def test_both_specs_must_agree_on_a_columns_scale(tmp_path: Path) -> None:
    source = written(tmp_path / "e.h5", images("qcd", "background", 1000, 0))
    with pytest.raises(InputError, match="'pix_00_00' has another hardware scale"):
        prepared(tmp_path, source=source, student_input_spec=sums_spec(tmp_path, bits=10))


def test_roles_follow_the_recipe(tmp_path: Path) -> None:
    source = written(
        tmp_path / "e.h5", images("qcd", "background", 900, 0), images("top", "signal", 800, 1)
    )
    out = prepared(tmp_path, source=source, background="top", signals=["qcd"])
    test = read_events(out / "test.h5")
    assert [(sample.process, sample.role) for sample in test] == [
        ("top", "background"),
        ("qcd", "signal"),
    ]
    assert read_events(out / "train.h5")[0].process == "top"


def test_a_constant_column_is_kept_on_demand(tmp_path: Path) -> None:
    events = images("qcd", "background", 1000, 0)
    events.values[:, 3] = 0
    source = written(tmp_path / "e.h5", events)
    with pytest.raises(InputError, match="'pix_00_03': is constant"):
        prepared(tmp_path, source=source)
    prepare(DataSettings(source=source, constant="keep"), tmp_path / "data")
    assert len(load_input_spec(str(tmp_path / "data" / "input_spec.yaml")).columns) == 16


def test_background_of_another_runs_sample_is_explained(tmp_path: Path, source: Path) -> None:
    """Its event ids bring all of it into one part again."""
    first = prepared(tmp_path, source=str(source))
    (tmp_path / "again").mkdir()
    with pytest.raises(InputError, match="by their event ids all belong to 'test', as those of"):
        prepared(tmp_path / "again", source=str(first / "test.h5"))


def test_a_look_at_a_large_file_reads_its_first_rows(tmp_path: Path) -> None:
    rows = "".join(f"{i},{i % 7}\n" for i in range(1200))
    (tmp_path / "long.csv").write_text(f"ht,met\n{rows}nan,1\n")
    (tmp_path / "top.csv").write_text("ht,met\n" + "1.5,2\n" * 60)
    settings = DataSettings(
        source=str(tmp_path / "long.csv"), signals={"top": str(tmp_path / "top.csv")}
    )
    found = look(settings, rows=100)
    assert (found.events, found.whole) == ({"long": 100, "top": 60}, False)
    assert found.inputs == found.columns == ("ht", "met")
    with pytest.raises(InputError, match="line 1202: column 'ht'"):
        look(settings, rows=2000)


@pytest.mark.parametrize("rows", [100, 10_000])
def test_a_look_refuses_what_the_data_stage_refuses(rows: int, tmp_path: Path) -> None:
    (tmp_path / "negative.csv").write_text("ht,met\n" + "1,-1\n" * 400)
    spec = tmp_path / "spec.yaml"
    spec.write_text(
        "name: logs\ndescription: d\nsource: s\ntype: fixed<10,3,RND_CONV,SAT>\n"
        "features: [{name: met, offline: log, offset: 0, shift: 0}]\n"
    )
    settings = DataSettings(source=str(tmp_path / "negative.csv"), input_spec=str(spec))
    with pytest.raises(InputError, match="log needs values above 0") as raised:
        prepare(settings, tmp_path)
    with pytest.raises(InputError, match="log needs values above 0") as seen:
        look(settings, rows)
    assert str(seen.value) == str(raised.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["negative.csv", "spec.yaml"]
