"""Reading events: what a CSV file may look like, and what is said of one that may not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.events import Events, write_events
from naetrigger.training.data.formats.format import ReadOptions
from naetrigger.training.data.readers import open_events, read_source, source_files
from naetrigger.training.data.settings import DataSettings
from naetrigger.training.data.source_columns import named_columns
from naetrigger.training.data.survey import survey


def read_csv(path: Path, process: str, role: str) -> Events:
    return open_events(path, ReadOptions(process=process, role=role)).read(process)


HEADER = "pt,eta,weight,event_id\n"


def csv_file(folder: Path, text: str, name: str = "events.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_columns_weights_and_ids(tmp_path: Path) -> None:
    big = 2**64 - 1
    path = csv_file(tmp_path, HEADER + f"1.5,-2,0.5,{big}\n3,4e1,2,0\n")
    events = read_csv(path, "bkg", "background")
    assert events.columns == ("pt", "eta")
    np.testing.assert_array_equal(events.values, np.float32([[1.5, -2], [3, 40]]))
    np.testing.assert_array_equal(events.weights, [0.5, 2])
    assert events.event_ids.tolist() == [big, 0]


def test_without_weights_and_ids(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "\ufeff a , b\n1,2\n3,4\n\n")
    events = read_csv(path, "bkg", "background")
    assert events.columns == ("a", "b")
    assert events.weights.tolist() == [1, 1]
    assert events.event_ids.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        (HEADER, "holds no events"),
        ("1.0,2.0\n3,4\n", "line 1 holds numbers"),
        ("a,a\n1,2\n", "'a' stands twice"),
        ("a,\n1,2\n", "line 1: column 2 has no name; every column needs a name of its own$"),
        (",a\n0,1\n", r"column 1 has no name; .*: use to_csv\(..., index=False\)$"),
        ("# made by hand\na,b\n1,2\n", "line 1 begins with '#': comments are not read"),
        (
            "# a,b\n1,2\n",
            r"line 1 begins with '#': .* \(numpy.savetxt writes it so with comments=''\)",
        ),
        ("a,b\n1,2\n3\n", r"line 3: expected 2 columns \(a, b\), got 1"),
        ("a,b\n1,2\n3,4,5\n", "line 3: expected 2 columns"),
        ("a,b\n1,2,3\n4,5,6\n", "line 2: expected 2 columns"),
        ("a,b\n1,2\n3,high\n", "line 3: column 'b': must be a number, got 'high'"),
        ("a,b\n1,2\n3,\n", "line 3: column 'b': must be a number, got ''"),
        ("a,b\n1,2\n3,nan\n", "line 3: column 'b': must be a finite number, got 'nan'"),
        ("a,b\n1,inf\n", "line 2: column 'b': must be a finite number, got 'inf'"),
        ("a;b\n1;2\n", "line 1: columns must be separated by commas"),
        ("a,weight\n1,0\n", "weights are not positive"),
        ("a,weight\n1,-1\n", "weights are not positive"),
        ("a,event_id\n1,-5\n", "column 'event_id' must hold whole numbers"),
        ("a,event_id\n1,2.5\n", "column 'event_id' must hold whole numbers"),
    ],
)
def test_bad_csv(tmp_path: Path, text: str, said: str) -> None:
    path = csv_file(tmp_path, text)
    with pytest.raises(InputError, match=said) as raised:
        read_csv(path, "bkg", "background")
    assert str(path) in str(raised.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a,b\n1,2\n\n3,nan\n", 4),
        ("a,b\n1,2\n \n\n3,1e300\n", 5),  # beyond float32
        ("a,weight\n1,2\n3,-1\n", 3),
    ],
)
def test_every_reader_of_a_csv_counts_the_lines_of_the_file(
    text: str, line: int, tmp_path: Path
) -> None:
    path = csv_file(tmp_path, text)
    with pytest.raises(InputError, match=f"line {line}\\b") as raised:
        read_csv(path, "bkg", "background")
    assert "row " not in str(raised.value)
    (found,) = survey(open_events(path, ReadOptions(keep_bad=True)))
    assert f"the first in line {line}" in found.problems()[0]


def test_missing_and_binary_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_csv(tmp_path / "absent.csv", "bkg", "background")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(InputError, match="cannot be read as text"):
        read_csv(tmp_path / "binary.csv", "bkg", "background")


def test_csv_source(tmp_path: Path) -> None:
    background = csv_file(tmp_path, "a,b\n1,2\n", "qcd.csv")
    signal = csv_file(tmp_path, "b,a\n1,2\n", "tops.csv")
    settings = DataSettings(source=str(background), signals={"top": str(signal)})
    found, (top,) = read_source(settings)
    assert (found.process, found.role) == ("qcd", "background")
    assert (top.process, top.role) == ("top", "signal")
    assert set(source_files(settings).values()) == {background, signal}


def test_signal_with_other_columns(tmp_path: Path) -> None:
    names = [f"c{i}" for i in range(30)]
    wide = csv_file(tmp_path, f"{','.join(names)}\n{','.join('1' * 30)}\n", "wide.csv")
    narrow = csv_file(tmp_path, "c0\n1\n", "narrow.csv")
    with pytest.raises(InputError, match=r": missing c1, c2, .* and 19 more$"):
        read_source(DataSettings(source=str(wide), signals={"top": str(narrow)}))
    background = csv_file(tmp_path, "a,b\n1,2\n", "qcd.csv")
    signal = csv_file(tmp_path, "a,c\n1,2\n", "tops.csv")
    said = (
        rf"signal top \({signal}\): must have the columns of the background \({background}\): "
        r"missing b; extra c$"
    )
    with pytest.raises(InputError, match=said):
        read_source(DataSettings(source=str(background), signals={"top": str(signal)}))


def test_a_column_that_the_background_lacks_is_said_of_the_background(tmp_path: Path) -> None:
    background = csv_file(tmp_path, "ht,MET\n1,2\n", "qcd.csv")
    signal = csv_file(tmp_path, "ht,met\n1,2\n", "tops.csv")
    settings = DataSettings(
        source=str(background), columns=("ht", "met"), signals={"top": str(signal)}
    )
    said = rf"^data.columns: background {background}: no column 'met'; did you mean 'MET'\?"
    with pytest.raises(InputError, match=said):
        read_source(settings, named_columns(settings))


def sample(process: str, role: str) -> Events:
    return Events(
        process,
        role,
        ("a",),
        np.ones((3, 1), np.float32),
        np.ones(3),
        np.arange(3, dtype=np.uint64),
    )


def test_hdf5_source(tmp_path: Path) -> None:
    path = tmp_path / "events.h5"
    write_events(
        path, [sample("qcd", "background"), sample("s1", "signal"), sample("s2", "signal")]
    )
    background, signals = read_source(DataSettings(source=str(path)))
    assert background.process == "qcd"
    assert [s.process for s in signals] == ["s1", "s2"]
    _, signals = read_source(DataSettings(source=str(path), signals=("s2",)))
    assert [s.process for s in signals] == ["s2"]
    with pytest.raises(InputError, match="no process 's3'; did you mean"):
        read_source(DataSettings(source=str(path), signals=("s3",)))
    with pytest.raises(InputError, match="'qcd' is the background"):
        read_source(DataSettings(source=str(path), signals=("qcd",)))


def test_which_background(tmp_path: Path) -> None:
    path = tmp_path / "events.h5"
    write_events(path, [sample("qcd", "background"), sample("tops", "background")])
    with pytest.raises(InputError, match="2 processes of role background"):
        read_source(DataSettings(source=str(path)))
    background, _ = read_source(DataSettings(source=str(path), background="tops"))
    assert background.process == "tops"


def test_several_backgrounds_become_one(tmp_path: Path) -> None:
    path = tmp_path / "events.h5"
    roles = {"qcd_low": "background", "qcd_high": "background", "tops": "background"}
    write_events(path, [sample(name, role) for name, role in roles.items()])

    def read(*names: str, **more: object) -> tuple[Events, list[Events]]:
        document = {"source": str(path), "background": list(names), "signals": ["tops"]}
        return read_source(DataSettings.model_validate(document | more))

    for names in (["qcd_low", "qcd_high"], ["qcd_*"], ["*"], ["*", "qcd_low"]):
        background, (signal,) = read(*names)
        assert (background.process, background.role, len(background)) == (
            "background",
            "background",
            6,
        )
        assert signal.process == "tops"
    assert read("qcd_low")[0].process == "qcd_low"
    with pytest.raises(InputError, match="'tops' is the background"):
        read("qcd_low", "tops")
    with pytest.raises(InputError, match="'qcd_hihg' is no process; did you mean 'qcd_high'"):
        read("qcd_hihg")
    with pytest.raises(InputError, match=r"'top\.' is no process"):
        read("top.")
    with pytest.raises(ValueError, match="no process name"):
        read("qcd low")


def test_backgrounds_of_other_columns_stay_apart(tmp_path: Path) -> None:
    path = tmp_path / "events.h5"
    other = replace(sample("tops", "background"), columns=("b",))
    write_events(path, [sample("qcd", "background"), other])
    with pytest.raises(InputError, match="'tops' has other columns than 'qcd'"):
        read_source(DataSettings(source=str(path), background=("qcd", "tops")))


def test_truncated_hdf5(tmp_path: Path) -> None:
    path = tmp_path / "events.h5"
    write_events(path, [sample("qcd", "background")])
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match=r"truncated or not HDF5.*; fetch or write the file"):
        read_source(DataSettings(source=str(path)))


def test_unknown_sample() -> None:
    with pytest.raises(InputError, match="no shipped sample 'jet'"):
        read_source(DataSettings(source="jet"))
