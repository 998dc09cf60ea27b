"""Files of jets and of their constituents: top tagging, LHC Olympics, NanoAOD."""

from __future__ import annotations

import pickle  # noqa: TID251 (to show that it is never used)
from pathlib import Path

import awkward as ak
import h5py
import numpy as np
import pandas as pd
import pytest
import uproot

from naetrigger.contracts.errors import InputError, MissingExtra
from naetrigger.contracts.trigger_objects import COLUMNS
from naetrigger.training.data.formats import branch_map, nanoaod
from naetrigger.training.data.formats.format import ReadOptions
from naetrigger.training.data.formats.pandas_hdf5 import pickled_list, stored_frame
from naetrigger.training.data.readers import open_events, read_source
from naetrigger.training.data.settings import DataSettings
from naetrigger.training.simulate import images, jets


@pytest.mark.parametrize("layout", ["fixed", "table"])
@pytest.mark.parametrize("complib", [None, "zlib", "blosc"])
def test_frames_are_what_pandas_stored(tmp_path: Path, layout: str, complib: str | None) -> None:
    frame = pd.DataFrame({"b": [1.5, 2.5], "n": [3, 4], "a": np.float32([5, 6])})
    frame.to_hdf(tmp_path / "f.h5", key="k", format=layout, complib=complib, complevel=3)
    import hdf5plugin

    assert hdf5plugin.FILTERS
    with h5py.File(tmp_path / "f.h5") as file:
        found = stored_frame(file)
        assert found is not None
        assert (set(found.columns), found.n_rows) == ({"b", "n", "a"}, 2)
        table = found.read(slice(0, 2))
        for name in "bna":
            np.testing.assert_array_equal(table[:, found.columns.index(name)], frame[name])


@pytest.mark.parametrize("protocol", range(6))
def test_names_are_disassembled_and_never_run(protocol: int) -> None:
    assert pickled_list(pickle.dumps(["E_0", "PX_0", 7], protocol)) == ("E_0", "PX_0", "7")
    for hostile in (print, {"a": 1}, [print]):
        with pytest.raises(InputError, match="no plain list"):
            pickled_list(pickle.dumps(hostile, protocol))


def top_tagging_frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    columns = {f"{q}_{i}": rng.uniform(5, 50, 30) for i in range(5) for q in ("PX", "PY", "PZ")}
    for i in range(5):
        columns[f"E_{i}"] = np.sqrt(sum(columns[f"{q}_{i}"] ** 2 for q in ("PX", "PY", "PZ")))
    return pd.DataFrame(columns | {"ttv": 1, "is_signal_new": np.arange(30) % 3 == 0})


def test_top_tagging(tmp_path: Path) -> None:
    frame = top_tagging_frame().astype("float64")
    frame.to_hdf(tmp_path / "t.h5", key="table")
    source = open_events(tmp_path / "t.h5", ReadOptions(view="substructure"))
    assert [(p.name, p.role) for p in source.processes] == [
        ("qcd", "background"),
        ("top", "signal"),
    ]
    top, qcd = source.read("top"), source.read("qcd")
    assert (len(top), len(qcd)) == (10, 20)
    assert top.columns == jets.COLUMNS
    assert top.event_ids.tolist() == list(range(0, 30, 3))
    assert np.all(top.column("ttv") == 1)
    momentum = np.hypot(
        frame[[f"PX_{i}" for i in range(5)]].sum(axis=1),
        frame[[f"PY_{i}" for i in range(5)]].sum(axis=1),
    )
    np.testing.assert_allclose(top.column("jet_pt"), momentum[::3], rtol=1e-6)  # float32
    image = open_events(tmp_path / "t.h5").read("qcd")
    assert image.columns == images.COLUMNS
    assert set(image.units) == {"hw"}
    assert np.all(image.values.sum(axis=1) <= 4096)
    assert np.median(image.values.sum(axis=1)) > 4000  # within the picture but for rounding


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: f.drop(columns="PZ_3"), "PZ_3 is missing"),
        (lambda f: f.assign(is_signal_new=2.0), "row 0: is_signal_new must be 0 or 1, got 2"),
        (lambda f: f.assign(PX_2=np.where(f.index == 4, np.nan, 1)), "row 4: PX of constituent 2"),
        (lambda f: f.assign(E_1=-1.0), "row 0: E of constituent 1 is -1"),
    ],
)
def test_wrong_top_tagging(tmp_path: Path, change: object, said: str) -> None:
    change(top_tagging_frame().astype("float64")).to_hdf(tmp_path / "t.h5", key="table")
    with pytest.raises(InputError, match=said):
        list(open_events(tmp_path / "t.h5").chunks())


def test_lhco_jets_are_those_of_the_event(valid_files: dict[str, Path]) -> None:
    source = open_events(valid_files["lhco"])
    signal, background = source.read("signal"), source.read("background")
    assert set(signal.event_ids % 2) == {1}
    assert set(background.event_ids % 2) == {0}
    assert signal.columns == jets.COLUMNS
    _, counts = np.unique(signal.event_ids, return_counts=True)
    assert counts.max() == 2
    assert signal.column("jet_pt").min() > 200


def test_missing_extra(valid_files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr("importlib.import_module", missing)
    for name in ("nanoaod", "parquet"):
        with pytest.raises(MissingExtra, match="naetrigger\\[readers\\]"):
            open_events(valid_files[name])


def nano_file(path: Path, branches: dict[str, object]) -> Path:
    with uproot.recreate(path) as file:
        kinds = {
            name: values.dtype if isinstance(values, np.ndarray) else "var * float32"
            for name, values in branches.items()
        }
        file.mktree("Events", kinds).extend(branches)
    return path


def floats(*lists: list[float]) -> ak.Array:
    return ak.values_astype(ak.Array(list(lists)), np.float32)


@pytest.fixture
def nano(tmp_path: Path) -> Path:
    jet = floats([30, 20], [], [50])
    return nano_file(
        tmp_path / "nano.root",
        {
            "run": np.array([1, 1, 2], np.uint32),
            "luminosityBlock": np.array([5, 5, 5], np.uint32),
            "event": np.array([7, 8, 7], np.uint64),
            "genWeight": np.float32([1, 2, 3]),
            "MET_pt": np.float32([10, 11, 12]),
            "Jet_pt": jet,
            "Jet_eta": jet / 100,
            "Muon_pt": floats([1], [2, 3], []),
        },
    )


def test_indexed_branches_make_a_row_an_event(nano: Path) -> None:
    branches = {"met": "MET_pt", "j1": "Jet_pt[0]", "j2": "Jet_pt[1]", "weight": "genWeight"}
    source = open_events(nano, ReadOptions(branches=branches))
    events = source.read("nano")
    assert events.columns == ("met", "j1", "j2")
    np.testing.assert_array_equal(events.values, [[10, 30, 20], [11, 0, 0], [12, 50, 0]])
    np.testing.assert_array_equal(events.weights, [1, 2, 3])
    assert len(set(events.event_ids)) == 3  # event 7 of run 1 is not event 7 of run 2


def test_lists_make_a_row_an_object(nano: Path) -> None:
    branches = {"pt": "Jet_pt", "eta": "Jet_eta", "met": "MET_pt", "lead": "Jet_pt[0]"}
    events = open_events(nano, ReadOptions(branches=branches)).read("nano")
    np.testing.assert_allclose(
        events.values, [[30, 0.3, 10, 30], [20, 0.2, 10, 30], [50, 0.5, 12, 50]], rtol=1e-6
    )
    assert events.event_ids[0] == events.event_ids[1] != events.event_ids[2]


@pytest.mark.parametrize(
    ("branches", "said"),
    [
        ({"a": "Jet_pT"}, "no branch 'Jet_pT'; did you mean 'Jet_pt'?"),
        ({"a": "Jet_pt", "b": "Muon_pt"}, "lists of different lengths; name an index"),
        ({"a": "MET_pt[0]"}, r"'MET_pt' is no list: leave out \[0\]"),
        ({"a": "Jet_pt[-1]"}, r"data.branches.a: expected BRANCH or BRANCH\[INDEX\]"),
        ({"a": "Jet_pt[0]; import os"}, "data.branches.a: expected"),
        ({"weight": "genWeight"}, "names no column"),
    ],
)
def test_wrong_branches(nano: Path, branches: dict[str, str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        list(open_events(nano, ReadOptions(branches=branches)).chunks())


def test_without_a_map_both_views_say_what_is_missing(nano: Path) -> None:
    with pytest.raises(InputError, match="no branch 'FatJet_tau2'"):
        open_events(nano, ReadOptions(view="fat-jets"))
    with pytest.raises(InputError, match="no branch 'L1EG_pt'"):
        open_events(nano, ReadOptions(view="l1-objects"))
    with pytest.raises(InputError, match="no view 'jets'"):
        open_events(nano, ReadOptions(view="jets"))


def test_a_tree_of_one_s_own(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "flat.root") as file:
        for name in ("tree", "deep/tree"):
            branches = {"ht": np.float32([1, 2]), "met": np.float32([3, len(name)])}
            file.mktree(name, {key: values.dtype for key, values in branches.items()})
            file[name].extend(branches)
    path = tmp_path / "flat.root"
    with pytest.raises(InputError, match=r"no tree 'Events' \(has .*\); name one: --tree deep"):
        open_events(path)
    with pytest.raises(
        InputError, match=r"'tree' has no FatJet_pt .*: --branch ht=ht, .*data.branc"
    ):
        open_events(path, ReadOptions(tree="tree"))
    branches = {"met": "met", "ht": "ht"}
    events = open_events(path, ReadOptions(tree="tree", branches=branches)).read("flat")
    np.testing.assert_array_equal(events.values, [[3, 1], [4, 2]])
    settings = DataSettings(source=str(path), tree="deep/tree", branches=branches)
    background, _ = read_source(settings)
    np.testing.assert_array_equal(background.values, [[3, 1], [9, 2]])


def test_l1_objects(tmp_path: Path) -> None:
    pt, bx = floats([5, 40, 30], [8, 7]), floats([0, 0, -1], [0, 0])
    branches: dict[str, object] = {}
    for name in ("L1EG", "L1Mu", "L1Jet"):
        branches |= {f"{name}_pt": pt, f"{name}_eta": pt / 50, f"{name}_phi": pt / 100}
        branches[f"{name}_bx"] = bx
    branches |= {
        "L1EtSum_pt": floats([100, 17, 99], [3, 4]),
        "L1EtSum_phi": floats([0, 1.5, 1], [2, -2]),
        "L1EtSum_etSumType": floats([0, 2, 2], [0, 2]),
        "L1EtSum_bx": floats([0, 0, 1], [0, 0]),
    }
    source = open_events(nano_file(tmp_path / "l1.root", branches))
    events = source.read("l1")
    assert events.columns == COLUMNS
    assert source.n_events == 2
    np.testing.assert_allclose(events.values[0, :9], [17, 0, 1.5, 40, 0.8, 0.4, 5, 0.1, 0.05])
    np.testing.assert_allclose(events.column("met_phi"), [1.5, -2])
    assert not events.column("eg3_pt").any()  # the third was of another crossing
    assert events.unit_of("jet1_phi") == "rad"


def test_padding_cuts_and_fills() -> None:
    np.testing.assert_array_equal(
        branch_map.padded(ak.Array([[1, 2, 3], [], [4]]), 2), [[1, 2], [0, 0], [4, 0]]
    )


def test_no_tree(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "f.root") as file:
        file.mktree("Other", {"x": "float32"})
    with pytest.raises(InputError, match=f"no tree '{nanoaod.TREE}' .has Other"):
        open_events(tmp_path / "f.root")
