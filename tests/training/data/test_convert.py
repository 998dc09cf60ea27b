"""Converting and surveying files of any size, and sources mixed of several formats."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.events import Events, read_events, write_events
from naetrigger.contracts.trigger_objects import COLUMNS, HARDWARE_UNITS
from naetrigger.firmware_configs.input_spec import load_input_spec
from naetrigger.firmware_configs.trigger_scales import to_hardware
from naetrigger.training.data.convert import convert
from naetrigger.training.data.formats import WRITERS
from naetrigger.training.data.formats.format import ReadOptions
from naetrigger.training.data.readers import open_events, read_source, source_files
from naetrigger.training.data.settings import DataSettings
from naetrigger.training.data.survey import SAMPLE_VALUES, survey


def sample(process: str, n: int = 50, role: str = "background", seed: int = 0) -> Events:
    rng = np.random.default_rng(seed)
    return Events(
        process,
        role,
        ("a", "b"),
        rng.normal(size=(n, 2)).astype(np.float32),
        rng.uniform(0.5, 2, n),
        np.arange(n, dtype=np.uint64),
        units=("GeV", "1"),
    )


def crossings(n: int = 20) -> Events:
    values = np.zeros((n, len(COLUMNS)), np.float32)
    values[:, 0] = np.arange(n) + 1
    values[:, 2] = 143
    values[:, COLUMNS.index("jet1_pt")] = 100
    values[:, COLUMNS.index("jet1_eta")] = -7
    ids = np.arange(n, dtype=np.uint64)
    return Events("zb", "background", COLUMNS, values, np.ones(n), ids, units=HARDWARE_UNITS)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = []
    for name, suffix in (("qcd", "csv"), ("tops", "parquet"), ("w", "csv")):
        paths.append(tmp_path / f"{name}.{suffix}")
        WRITERS[suffix](paths[-1], [replace(sample(name), units=())])
    return paths


def test_several_files_become_several_processes(files: list[Path], tmp_path: Path) -> None:
    done = convert(files, tmp_path / "all.h5")
    assert done.events == {"qcd": 50, "tops": 50, "w": 50}
    read = read_events(tmp_path / "all.h5")
    assert [(e.process, e.role) for e in read][::2] == [("qcd", "background"), ("w", "signal")]
    np.testing.assert_array_equal(read[0].values, sample("qcd").values)
    np.testing.assert_array_equal(read[0].weights, sample("qcd").weights)


def test_names_and_roles_can_be_given(files: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "all.h5"
    convert([files[0], files[2]], out, processes=["x", "y"], roles=["signal", "background"])
    assert [(e.process, e.role) for e in read_events(out)] == [
        ("x", "signal"),
        ("y", "background"),
    ]


def test_hardware_integers_to_the_40_mhz_layout_and_back(tmp_path: Path) -> None:
    ours, theirs, again = tmp_path / "a.h5", tmp_path / "b.h5", tmp_path / "c.txt"
    write_events(ours, [crossings()])
    convert([ours], theirs, to="particles-40mhz")
    convert([theirs], again)
    np.testing.assert_array_equal(
        to_hardware(open_events(theirs).read("b").values), crossings().values
    )
    np.testing.assert_array_equal(open_events(again).read("c").values, crossings().values)


def test_one_of_several_processes(tmp_path: Path) -> None:
    write_events(tmp_path / "a.h5", [sample("x"), sample("y", 30, "signal")])
    with pytest.raises(InputError, match=r"csv holds one process, .* \(x, y\); name one"):
        convert([tmp_path / "a.h5"], tmp_path / "y.csv")
    done = convert([tmp_path / "a.h5"], tmp_path / "y.csv", processes=["y"])
    assert done.events == {"y": 30}


@pytest.mark.parametrize(
    ("out", "options", "said"),
    [
        ("out", {}, "name the format with --to"),
        ("out.root", {}, "no format is written to '.root'; give .h5"),
        ("out.h5", {"to": "nanoaod"}, "no format that can be written"),
        ("out.h5", {"to": "parket"}, "did you mean 'parquet'"),
        ("absent/out.h5", {}, "there is no folder"),
        ("old.h5", {}, "is there already; --force replaces it"),
        ("qcd.csv", {"force": True}, "is one of the files to be read"),
        ("out.h5", {"processes": ["qdc"]}, "'qcd'|--process qdc"),
        ("out.h5", {"roles": ["noise"]}, "must be one of background, signal"),
        ("out.h5", {"roles": ["signal"] * 2}, "2 roles for 3 files"),
    ],
)
def test_refused(
    files: list[Path], tmp_path: Path, out: str, options: dict[str, object], said: str
) -> None:
    (tmp_path / "old.h5").write_text("old")
    before = files[0].read_bytes()
    with pytest.raises(InputError, match=said):
        convert(files, tmp_path / out, **options)
    assert (tmp_path / "old.h5").read_text() == "old"
    assert files[0].read_bytes() == before
    assert not (tmp_path / "out.h5").exists()


def test_a_bad_row_leaves_nothing_behind(tmp_path: Path) -> None:
    bad = sample("qcd", 100)
    bad.values[97, 1] = np.nan
    WRITERS["parquet"](tmp_path / "qcd.parquet", [bad])
    (tmp_path / "all.h5").write_text("old")
    with pytest.raises(InputError, match="the first in row 97, column 'b'"):
        convert([tmp_path / "qcd.parquet"], tmp_path / "all.h5", force=True)
    assert (tmp_path / "all.h5").read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["all.h5", "qcd.parquet"]


def test_same_process_twice(files: list[Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="process qcd is in several files"):
        convert([files[0], files[0]], tmp_path / "out.h5")


def test_survey_counts_and_measures(tmp_path: Path) -> None:
    events = sample("qcd", 1001)
    events.values[5, 0] = np.nan
    events.weights[7] = -1
    WRITERS["parquet"](tmp_path / "f.parquet", [events])
    source = open_events(tmp_path / "f.parquet", ReadOptions(keep_bad=True))
    (found,) = survey(source)
    document = found.document()
    assert (document["events"], document["median_of"]) == (1001, 1001)
    assert document["problems"] == [
        "1 rows hold NaN or infinity, the first in row 5, column 'a'; remove or repair them",
        "1 weights are not positive and finite, the first in row 7 (-1); remove these rows",
    ]
    a, b = document["columns"]
    known = np.delete(events.values[:, 0], 5)
    assert (a["min"], a["max"]) == (known.min(), known.max())
    assert a["median"] == pytest.approx(np.median(known))
    assert (a["unit"], b["unit"]) == ("GeV", "1")


def test_medians_of_long_files_come_from_rows_evenly_spread() -> None:
    from naetrigger.training.data.survey import _Sample

    for capacity, chunk in ((100, 7), (64, 64), (10, 333)):
        thinned = _Sample(capacity)
        rows = np.arange(5000, dtype=np.float32)[:, None]
        for start in range(0, 5000, chunk):
            thinned.add(rows[start : start + chunk])
        kept = np.concatenate(thinned._parts)[:, 0]
        assert capacity / 2 - 1 <= len(kept) <= capacity
        assert len(set(np.diff(kept))) == 1
        assert kept[0] == 0
        assert thinned.median()[0] == pytest.approx(2500, abs=5000 / len(kept))
    assert SAMPLE_VALUES > 1_000_000


def test_values_beyond_the_hardware_and_saturation_are_counted(tmp_path: Path) -> None:
    events = crossings()
    events.values[3, COLUMNS.index("jet1_pt")] = 3000
    write_events(tmp_path / "f.h5", [events])
    (found,) = survey(open_events(tmp_path / "f.h5"))
    assert found.notes() == ["jet1_pt: 1 values beyond the hardware's range"]
    write_events(tmp_path / "g.h5", [crossings()])
    (clean,) = survey(open_events(tmp_path / "g.h5"), load_input_spec("l1-57"))
    assert any("l1-57" in note for note in clean.notes())


def test_source_of_mixed_formats(files: list[Path], tmp_path: Path) -> None:
    write_events(tmp_path / "s.h5", [sample("zz", 9, "signal"), sample("x", 4)])
    signals = {"top": str(files[1]), "zprime": str(tmp_path / "s.h5"), "w": str(files[2])}
    settings = DataSettings(source=str(files[0]), signals=signals, max_background=21, max_signal=12)
    background, found = read_source(settings)
    assert (background.process, len(background)) == ("qcd", 21)
    assert [(e.process, e.role, len(e)) for e in found] == [
        ("top", "signal", 12),
        ("zprime", "signal", 9),
        ("w", "signal", 12),
    ]
    assert set(source_files(settings).values()) == {*files, tmp_path / "s.h5"}


def test_signals_of_other_units_or_unclear_processes(tmp_path: Path) -> None:
    write_events(tmp_path / "b.h5", [sample("qcd")])
    other = replace(sample("s", role="signal"), units=("rad", "1"))
    write_events(tmp_path / "s.h5", [other, sample("t", role="signal")])
    source = str(tmp_path / "b.h5")
    with pytest.raises(InputError, match="'a' is in rad, in the background in GeV"):
        read_source(DataSettings(source=source, signals={"s": str(tmp_path / "s.h5")}))
    with pytest.raises(InputError, match=r"s.h5 holds s, t; call the signal by the name"):
        read_source(DataSettings(source=source, signals={"u": str(tmp_path / "s.h5")}))


def test_a_limit_takes_of_all_of_the_file(tmp_path: Path) -> None:
    lines = [f"{i},{i}" for i in range(60_000)]
    (tmp_path / "f.csv").write_text("\n".join(["a,b", *lines]) + "\n")
    background, _ = read_source(DataSettings(source=str(tmp_path / "f.csv"), max_background=1000))
    assert len(background) == 1000
    # Of a uniform distribution; 60000 / sqrt(12 * 1000) is one standard deviation of the mean.
    assert background.column("a").mean() == pytest.approx(30_000, abs=4 * 548)
    assert np.all(np.diff(background.column("a")) > 0)
